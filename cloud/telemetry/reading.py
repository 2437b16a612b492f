"""Telemetry → pages: the reading side of the embedded store's file. A wide question reads sums; blocks are opened where a stretch cuts them.

Every function sees one moment of the file, whatever another connection seals meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from cloud.telemetry import blocks, condensed, summing
from cloud.telemetry.archive import BLOCKS, NOT_BEFORE, ROWS, STEP, Block, body, bounded, find, stretches_of
from cloud.telemetry.blocks import Columns, Stored
from cloud.telemetry.condensed import Stretch
from cloud.telemetry.store import QUALITIES, Bucket, Held, Key, Sample, raw_bucket
from cloud.telemetry.summing import Summary, Tally
from contract.conventions import EpochMs

_PIECE = 4096
_LATEST = """
SELECT s.equipment, s.point, x.at, x.kind, x.value, x.quality, x.cause FROM series s
JOIN sample x ON x.series = s.id AND x.at = (SELECT MAX(at) FROM sample WHERE series = s.id)
WHERE s.site = ?
"""
"""Rows alone: the newest samples of a point are never sealed."""
_SEALED = """
SELECT SUM(count) FROM (SELECT count FROM block WHERE series = :series AND first_at >= :low AND first_at < :high AND last_at < :high LIMIT :most)
"""
_HAS_LATE = """
SELECT EXISTS (SELECT 1 FROM sample WHERE series = :series AND at >= :low AND at < :high AND at <=
    (SELECT last_at FROM block WHERE series = :series AND first_at < :high ORDER BY first_at DESC LIMIT 1))
"""
_IS_WHOLE = """
first_at >= :low AND last_at < :high AND (first_at - :low) / :width = (last_at - :low) / :width
"""
_WHOLE = f"""
SELECT found.*, kind, last FROM block JOIN (
    SELECT (first_at - :low) / :width AS number, MIN(first_at) AS first, MAX(first_at) AS newest, SUM(numbers),
        TOTAL(total), MIN(low), MAX(high), MAX(quality), MAX(cause)
    FROM block WHERE series = :series AND first_at < :high AND {_IS_WHOLE} GROUP BY number
) found ON block.series = :series AND block.first_at = found.newest ORDER BY number
"""  # noqa: S608  no text from outside
"""Of each stretch the sums of the blocks that lie within it."""
_CUT = f"""
SELECT first_at, step, bytes FROM block JOIN body ON body.id = block.body
WHERE series = :series AND first_at >= {NOT_BEFORE} AND first_at < :high AND last_at >= :low AND NOT ({_IS_WHOLE}) ORDER BY first_at
"""  # noqa: S608  no text from outside
"""Blocks that more than one stretch has a part of."""
_FAR = 2**61
_HELD = """
SELECT s.site, s.equipment, s.point, COALESCE(b.count, 0) + COALESCE(r.count, 0),
    MIN(COALESCE(b.first, r.first), COALESCE(r.first, b.first)), MAX(COALESCE(b.last, r.last), COALESCE(r.last, b.last))
FROM series s
LEFT JOIN (SELECT series, SUM(count) AS count, MIN(first_at) AS first, MAX(last_at) AS last FROM block GROUP BY series) b ON b.series = s.id
LEFT JOIN (SELECT series, COUNT(*) AS count, MIN(at) AS first, MAX(at) AS last FROM sample GROUP BY series) r ON r.series = s.id
WHERE b.count IS NOT NULL OR r.count IS NOT NULL ORDER BY s.site, s.equipment, s.point
"""


class Sums(msgspec.Struct, frozen=True, gc=False):
    """What is known of [start, end) without its samples."""

    start: EpochMs
    end: EpochMs
    summary: Summary


_Piece = Columns | Sums


@contextmanager
def _moment(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def latest(connection: sqlite3.Connection, site: str, equipment: str | None = None) -> dict[str, dict[str, Sample]]:
    """Equipment → point → newest sample, of a site or of one piece of its equipment."""
    found: dict[str, dict[str, Sample]] = {}
    query, where = (_LATEST, [site]) if equipment is None else (f"{_LATEST} AND s.equipment = ?", [site, equipment])
    for name, point, at, kind, value, quality, cause in connection.execute(query, where):
        sample = Sample(at, blocks.read_value(kind, value), QUALITIES[quality], cause)
        found.setdefault(name, {})[point] = sample
    return found


def points(connection: sqlite3.Connection) -> list[Key]:
    query = "SELECT site, equipment, point FROM series ORDER BY site, equipment, point"
    return [(site, equipment, point) for site, equipment, point in connection.execute(query)]


def held(connection: sqlite3.Connection) -> list[Held]:
    """Every point. A late sample that was sealed before counts twice until its point is next sealed."""
    return [Held(*row) for row in connection.execute(_HELD)]


def buckets(connection: sqlite3.Connection, key: Key, from_ms: EpochMs, to_ms: EpochMs, count: int) -> list[Bucket]:
    """[from, to) in at most ``count`` stretches; by themselves where there are no more samples than that."""
    width = -(-(to_ms - from_ms) // max(1, count))
    with _moment(connection):
        series = find(connection, key)
        few = _few(connection, series, from_ms, to_ms, count)
        return _wide(connection, series, from_ms, to_ms, width) if few is None else few


def samples(connection: sqlite3.Connection, key: Key, from_ms: EpochMs, to_ms: EpochMs, limit: int) -> list[Sample]:
    """The oldest ``limit`` samples of [from, to)."""
    found: list[Sample] = []
    with _moment(connection):
        for piece in _pieces(connection, find(connection, key), from_ms, to_ms, 0):
            found += _samples_of(piece, from_ms, to_ms)
            if len(found) >= limit:
                break
    return found[:limit]


def _few(
    connection: sqlite3.Connection, series: int, from_ms: EpochMs, to_ms: EpochMs, count: int
) -> list[Bucket] | None:
    """Each sample by itself, or None when there are more than ``count``. Looks no further than it must."""
    where = {"series": series, "low": bounded(from_ms), "high": bounded(to_ms), "most": count + 1}
    sealed = connection.execute(_SEALED, where).fetchone()[0]
    if (sealed or 0) > count:
        return None
    found: list[Bucket] = []
    for piece in _pieces(connection, series, from_ms, to_ms, 0):
        if isinstance(piece, Sums):
            found.append(_bucket(piece))
        else:
            found += map(raw_bucket, _samples_of(piece, from_ms, to_ms))
        if len(found) > count:
            return None
    return found


def _bucket(piece: Sums) -> Bucket:
    tally = Tally()
    tally.add(piece.summary)
    return summing.bucket(tally, piece.start, piece.end, piece.end - piece.start)


def _samples_of(piece: _Piece, from_ms: EpochMs, to_ms: EpochMs) -> list[Sample]:
    if isinstance(piece, Sums):
        return [condensed.sample_of(piece.start, piece.summary)]
    return [
        Sample(at, blocks.read_value(kind, value), QUALITIES[quality], cause)
        for at, kind, value, quality, cause in blocks.to_rows(piece)
        if from_ms <= at < to_ms
    ]


def _wide(connection: sqlite3.Connection, series: int, from_ms: EpochMs, to_ms: EpochMs, width: int) -> list[Bucket]:
    tallies: dict[int, Tally] = {}
    where = {"series": series, "low": bounded(from_ms), "high": bounded(to_ms), "width": width}
    is_near = from_ms > -_FAR and to_ms < _FAR  # instants differ by what SQLite can count
    if is_near and not connection.execute(_HAS_LATE, where).fetchone()[0]:
        _tally_sealed(tallies, connection, where)
        pieces: Iterator[_Piece] = _rows(connection, series, from_ms, to_ms)
    else:
        pieces = _pieces(connection, series, from_ms, to_ms, width)
    for piece in pieces:
        _tally(tallies, piece, from_ms, to_ms, width)
    return [summing.bucket(tally, from_ms + number * width, to_ms, width) for number, tally in tallies.items()]


def _tally_sealed(tallies: dict[int, Tally], connection: sqlite3.Connection, where: dict[str, int]) -> None:
    """All blocks where no late row lies among them, in the order of time: what SQLite has summed up, and what a stretch cuts."""
    from_ms, to_ms, width = where["low"], where["high"], where["width"]
    whole = connection.execute(_WHOLE, where)
    sums = whole.fetchone()
    for first_at, step, data in connection.execute(_CUT, where):
        while sums is not None and sums[1] < first_at:
            summing.tally_of(tallies, sums[0]).add(Summary(*sums[3:]))
            sums = whole.fetchone()
        for piece in _parts(condensed.decode(data), step, from_ms, to_ms) if step else (blocks.decode_scaled(data),):
            _tally(tallies, piece, from_ms, to_ms, width)
    while sums is not None:
        summing.tally_of(tallies, sums[0]).add(Summary(*sums[3:]))
        sums = whole.fetchone()


def _tally(tallies: dict[int, Tally], piece: _Piece, from_ms: EpochMs, to_ms: EpochMs, width: int) -> None:
    if isinstance(piece, Columns):
        summing.tally_up(tallies, piece, from_ms, to_ms, width)
    else:
        summing.tally_of(tallies, (piece.start - from_ms) // width).add(piece.summary)


def _rows(connection: sqlite3.Connection, series: int, from_ms: EpochMs, to_ms: EpochMs) -> Iterator[Columns]:
    rows = connection.execute(ROWS, (series, bounded(from_ms), bounded(to_ms)))
    while part := rows.fetchmany(_PIECE):
        yield blocks.to_columns(part)


def _pieces(
    connection: sqlite3.Connection, series: int, from_ms: EpochMs, to_ms: EpochMs, width: int
) -> Iterator[_Piece]:
    """What there is in [from, to) in the order of time. A block is read only where its sums do not do; always with width 0."""
    low, high = bounded(from_ms), bounded(to_ms)
    rows = connection.execute(ROWS, (series, low, high))
    row = rows.fetchone()
    for block in connection.execute(BLOCKS, {"series": series, "low": low, "high": high}):
        before: list[Stored] = []
        within: list[Stored] = []
        while row is not None and row[0] <= block[2]:
            (before if row[0] < block[1] else within).append(row)
            row = rows.fetchone()
            if len(before) == _PIECE:
                yield blocks.to_columns(before)
                before = []
        if before:
            yield blocks.to_columns(before)
        yield from _of_block(connection, block, within, (from_ms, to_ms, width))
    while row is not None:
        rest = [row, *rows.fetchmany(_PIECE)]
        yield blocks.to_columns(rest)
        row = rows.fetchone()


def _of_block(
    connection: sqlite3.Connection, block: Block, within: list[Stored], asked: tuple[EpochMs, EpochMs, int]
) -> Iterator[_Piece]:
    """One block and the late rows within it."""
    from_ms, to_ms, width = asked
    first_at, last_at, step = block[1], block[2], block[STEP]
    is_inside = first_at >= from_ms and last_at < to_ms
    if not within and width and is_inside and (first_at - from_ms) // width == (last_at - from_ms) // width:
        yield Sums(first_at, last_at + 1, Summary(*block[5:STEP]))  # type: ignore[arg-type]  # columns of the table
    elif step:
        stretches = stretches_of(connection, block[4])
        found = condensed.with_late(stretches, within, step, first_at) if within else stretches
        yield from _parts(found, step, from_ms, to_ms)
    elif within:
        yield blocks.to_columns(blocks.merged(blocks.to_rows(body(connection, block[4])), within))
    else:
        yield body(connection, block[4])


def _parts(stretches: list[Stretch], step: int, from_ms: EpochMs, to_ms: EpochMs) -> Iterator[Sums]:
    for at, summary in stretches:
        if from_ms <= at < to_ms:
            yield Sums(at, at + step, summary)
