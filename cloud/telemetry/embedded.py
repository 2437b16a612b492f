"""Telemetry store in one SQLite file beside the database: nothing else to install. Runs in its own threads, or inline.

Newest samples of a point are rows; older ones are sealed into blocks with their sums, so that a wide view reads sums only. A row
wins over a sealed sample of its instant, so a late or repeated sample is right at once and is merged when its point is next sealed.
One transaction seals: at any kill every sample is a row or in a block. Several processes may read and write one file.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import TypeVar

from cloud.errors import Misconfigured
from cloud.telemetry import blocks
from cloud.telemetry.blocks import Columns, Stored, Summary, Tally
from cloud.telemetry.store import QUALITIES, Bucket, Health, Row, Sample
from contract.conventions import EpochMs
from device_profiles.reading import Finding

_T = TypeVar("_T")
_Piece = Columns | tuple[int, Summary]
"""Samples to look at, or bucket number and summary of a block that lies in one bucket."""
_STEPS = (
    """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, equipment TEXT NOT NULL, point TEXT NOT NULL,
    UNIQUE (site, equipment, point)
);
CREATE TABLE IF NOT EXISTS sample (
    series INTEGER NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL, value, quality INTEGER NOT NULL,
    cause TEXT NOT NULL, PRIMARY KEY (series, at)
) WITHOUT ROWID;
""",
    """
CREATE TABLE body (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE block (
    series INTEGER NOT NULL, first_at INTEGER NOT NULL, last_at INTEGER NOT NULL, count INTEGER NOT NULL,
    body INTEGER NOT NULL, numbers INTEGER NOT NULL, total REAL NOT NULL, low REAL, high REAL,
    quality INTEGER NOT NULL, cause TEXT NOT NULL, kind INTEGER NOT NULL, last,
    PRIMARY KEY (series, first_at)
) WITHOUT ROWID;
""",
)
"""Schema steps; ``user_version`` is how many are done. The first one also fits files of plain rows from before there were steps."""
_PRAGMAS = "PRAGMA busy_timeout=10000; PRAGMA synchronous=FULL;"
_TRIES = 20
_BLOCK = 360
_KEEP = 120
_AT_ONCE = 16
"""Blocks of one point sealed in one transaction at most: memory and the write lock are bounded."""
_PIECE = 4096
_ROWS = "SELECT at, kind, value, quality, cause FROM sample WHERE series = ? AND at >= ? AND at < ? ORDER BY at"
_BLOCKS = "SELECT * FROM block WHERE series = ? AND first_at < ? AND last_at >= ? ORDER BY first_at"
_COVERING = """
SELECT * FROM block WHERE series = :series AND first_at = COALESCE(
    (SELECT MAX(first_at) FROM block WHERE series = :series AND first_at <= :at),
    (SELECT MIN(first_at) FROM block WHERE series = :series))
"""
_LATEST = """
SELECT s.point, x.at, x.kind, x.value, x.quality, x.cause FROM series s
JOIN sample x ON x.series = s.id AND x.at = (SELECT MAX(at) FROM sample WHERE series = s.id)
WHERE s.site = ? AND s.equipment = ?
"""
"""Rows alone: the newest samples of a point are never sealed."""


class EmbeddedStore:
    """History in ``path``. ``is_inline`` runs every call on the loop itself, for virtual time.

    ``block`` samples make a block, and at least the ``keep`` newest of a point stay rows.
    """

    def __init__(self, path: Path | str, *, is_inline: bool = False, block: int = _BLOCK, keep: int = _KEEP) -> None:
        self._path = str(path)
        self._block, self._keep = block, max(1, keep)
        self._worker = None if is_inline else ThreadPoolExecutor(1, "telemetry")
        is_shared = is_inline or self._path == ":memory:"
        self._asker = self._worker if is_shared else ThreadPoolExecutor(1, "telemetry-read")
        self._connection: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._series: dict[tuple[str, str, str], int] = {}
        self._rows: Counter[int] = Counter()
        """Series → its rows, about; counted again when it is sealed."""

    async def open(self) -> None:
        """Open the file. Raises sqlite3.DatabaseError for a file that is no database, Misconfigured for a newer one."""
        await self._run(self._worker, self._open)

    async def write(self, rows: Sequence[Row]) -> None:
        if rows:
            await self._run(self._worker, lambda: self._take(rows))

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        return await self._run(self._asker, lambda: self._latest(site, equipment))

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        if to_ms <= from_ms:
            return []
        width = -(-(to_ms - from_ms) // max(1, buckets))
        key = (site, equipment, point)
        return await self._run(self._asker, lambda: self._buckets(key, from_ms, to_ms, width))

    async def delete_before(self, at_ms: EpochMs) -> int:
        return await self._run(self._worker, lambda: self._delete(at_ms))

    async def seal(self) -> None:
        """Seal all there is to seal, however long it takes; the file's freed pages are used again."""
        await self._run(self._worker, self._seal_all)

    async def health(self) -> Health:
        return Health("embedded", self._connection is not None, len(self._series), Path(self._path).name)

    async def close(self) -> None:
        await self._run(self._worker, self._close)
        for pool in (self._worker, self._asker):
            if pool is not None:
                pool.shutdown()

    async def _run(self, pool: ThreadPoolExecutor | None, work: Callable[[], _T]) -> _T:
        if pool is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the telemetry store is not open")
        return self._connection

    def _open(self) -> None:
        self._connection = connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.executescript(_PRAGMAS)
        _enter_wal(connection)
        with self._transaction():
            self._upgrade()
        self._know_series()
        self._rows = Counter(dict(connection.execute("SELECT series, COUNT(*) FROM sample GROUP BY series")))
        self._reader = connection
        if self._asker is not self._worker:
            self._reader = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._reader.executescript("PRAGMA busy_timeout=10000; PRAGMA query_only=ON;")

    def _upgrade(self) -> None:
        done = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if done > len(_STEPS):
            remedy = "start that release, or move the file aside: history begins anew, tickets are not in it"
            raise Misconfigured([Finding(self._path, 0, "", "history was written by a newer release", remedy)])
        for step in _STEPS[done:]:
            for statement in filter(str.strip, step.split(";")):
                self._database.execute(statement)
        self._database.execute(f"PRAGMA user_version = {len(_STEPS)}")

    def _know_series(self) -> None:
        self._series = {(a, b, c): number for number, a, b, c in self._database.execute("SELECT * FROM series")}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self._database
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _take(self, rows: Sequence[Row]) -> None:
        """Write rows; then seal, in transactions of their own, at most about twice as much as was written."""
        try:
            with self._transaction() as connection:
                values = [(self._number(row), *_stored(row.sample)) for row in rows]
                connection.executemany("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?)", values)
        except BaseException:
            self._know_series()
            raise
        self._rows.update(value[0] for value in values)
        full = [series for series, count in self._rows.items() if count >= self._block + self._keep]
        for series in full[: 1 + 2 * len(rows) // self._block]:
            self._seal(series)

    def _number(self, row: Row) -> int:
        key = (row.site, row.equipment, row.point)
        if key not in self._series:
            self._database.execute("INSERT OR IGNORE INTO series (site, equipment, point) VALUES (?, ?, ?)", key)
            self._series[key] = self._find(self._database, key) or 0
        return self._series[key]

    def _find(self, connection: sqlite3.Connection, key: tuple[str, str, str]) -> int | None:
        query = "SELECT id FROM series WHERE site = ? AND equipment = ? AND point = ?"
        found = connection.execute(query, key).fetchone()
        return found[0] if found else None

    def _seal_all(self) -> None:
        for series in list(self._rows):
            while self._seal(series):
                pass
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _seal(self, series: int) -> int:
        """Put the oldest rows of one point into blocks, new ones whole, late ones merged; how many were put."""
        with self._transaction() as connection:
            query = "SELECT COUNT(*) FROM sample WHERE series = ?"
            count = int(connection.execute(query, (series,)).fetchone()[0])
            limit = min(count - self._keep, self._block * _AT_ONCE)
            rows = connection.execute(f"{_ROWS} LIMIT ?", (series, -(2**63), 2**63 - 1, max(0, limit))).fetchall()
            (end,) = connection.execute("SELECT MAX(last_at) FROM block WHERE series = ?", (series,)).fetchone()
            late = [row for row in rows if end is not None and row[0] <= end]
            new = rows[len(late) : len(late) + (len(rows) - len(late)) // self._block * self._block]
            self._merge(series, late)
            self._add_blocks(series, new)
            done = late + new
            self._forget(series, done)
        self._rows[series] = count - len(done)
        return len(done)

    def _forget(self, series: int, oldest: Sequence[Stored]) -> None:
        if oldest:
            self._database.execute("DELETE FROM sample WHERE series = ? AND at <= ?", (series, oldest[-1][0]))

    def _merge(self, series: int, late: Sequence[Stored]) -> None:
        """Late rows into the blocks that cover them; into the nearest before, or the first, where none does."""
        index = 0
        while index < len(late):
            block = self._database.execute(_COVERING, {"series": series, "at": late[index][0]}).fetchone()
            query = "SELECT MIN(first_at) FROM block WHERE series = ? AND first_at > ?"
            (following,) = self._database.execute(query, (series, max(block[1], late[index][0]))).fetchone()
            part = list(takewhile(lambda row, end=following: end is None or row[0] < end, late[index:]))  # type: ignore[misc]
            index += len(part)
            rows = blocks.merged(blocks.to_rows(self._body(self._database, block[4])), part)
            self._drop_block(block)
            self._add_blocks(series, rows)

    def _drop_block(self, block: tuple[int, ...]) -> None:
        self._database.execute("DELETE FROM body WHERE id = ?", (block[4],))
        self._database.execute("DELETE FROM block WHERE series = ? AND first_at = ?", block[:2])

    def _add_blocks(self, series: int, rows: Sequence[Stored]) -> None:
        """Rows as blocks of about equal size, none twice as long as a block should be."""
        pieces = max(1, len(rows) // self._block) if rows else 0
        for piece in range(pieces):
            part = rows[piece * len(rows) // pieces : (piece + 1) * len(rows) // pieces]
            columns = blocks.to_columns(part)
            body = self._database.execute("INSERT INTO body (bytes) VALUES (?)", (blocks.encode(columns),)).lastrowid
            s = blocks.summarise(columns, 0, len(part))
            self._database.execute(
                "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (series, part[0][0], part[-1][0], len(part), body, s.numbers, s.total, s.low, s.high, s.quality, s.cause, s.kind, s.last),
            )  # fmt: skip

    def _body(self, connection: sqlite3.Connection, body: int) -> Columns:
        return blocks.decode(connection.execute("SELECT bytes FROM body WHERE id = ?", (body,)).fetchone()[0])

    def _latest(self, site: str, equipment: str) -> dict[str, Sample]:
        found = self._asked.execute(_LATEST, (site, equipment))
        return {
            point: Sample(at, blocks.read_value(kind, value), QUALITIES[quality], cause)
            for point, at, kind, value, quality, cause in found
        }

    @property
    def _asked(self) -> sqlite3.Connection:
        if self._reader is None:
            raise RuntimeError("the telemetry store is not open")
        return self._reader

    def _buckets(self, key: tuple[str, str, str], from_ms: EpochMs, to_ms: EpochMs, width: int) -> list[Bucket]:
        connection = self._asked
        connection.execute("BEGIN")  # one view of rows and blocks, whatever another connection seals meanwhile
        try:
            series = self._find(connection, key)
            tallies: dict[int, Tally] = {}
            for piece in self._pieces(connection, series or 0, from_ms, to_ms, width):
                parts = blocks.stretches(piece, from_ms, to_ms, width) if isinstance(piece, Columns) else (piece,)
                for number, summary in parts:
                    if number not in tallies:
                        tallies[number] = Tally()
                    tallies[number].add(summary)
        finally:
            connection.execute("COMMIT")
        return [_bucket(tally, from_ms + number * width, to_ms, width) for number, tally in tallies.items()]

    def _pieces(
        self, connection: sqlite3.Connection, series: int, from_ms: EpochMs, to_ms: EpochMs, width: int
    ) -> Iterator[_Piece]:
        """What there is in ``[from, to)`` in the order of time. A block is read only where its sums do not do."""
        (low, high) = (_bounded(from_ms), _bounded(to_ms))
        rows = connection.execute(_ROWS, (series, low, high))
        row = rows.fetchone()
        for block in connection.execute(_BLOCKS, (series, high, low)):
            first_at, last_at = block[1], block[2]
            before: list[Stored] = []
            within: list[Stored] = []
            while row is not None and row[0] <= last_at:
                (before if row[0] < first_at else within).append(row)
                row = rows.fetchone()
                if len(before) == _PIECE:
                    yield blocks.to_columns(before)
                    before = []
            if before:
                yield blocks.to_columns(before)
            number = (first_at - from_ms) // width
            if within:
                old = blocks.to_rows(self._body(connection, block[4]))
                yield blocks.to_columns(blocks.merged(old, within))
            elif first_at >= from_ms and last_at < to_ms and number == (last_at - from_ms) // width:
                yield number, Summary(*block[5:])
            else:
                yield self._body(connection, block[4])
        while row is not None:
            rest = [row, *rows.fetchmany(_PIECE)]
            yield blocks.to_columns(rest)
            row = rows.fetchone()

    def _delete(self, at_ms: EpochMs) -> int:
        """Late rows are merged first, so that a sample that came twice counts once."""
        at_ms = _bounded(at_ms)
        with self._transaction() as connection:
            count = sum(
                self._delete_sealed(series, at_ms)
                for (series,) in connection.execute("SELECT id FROM series").fetchall()
            )
            count += connection.execute("DELETE FROM sample WHERE at < ?", (at_ms,)).rowcount
        return count

    def _delete_sealed(self, series: int, at_ms: EpochMs) -> int:
        """Forget what is sealed of one point; of a block that reaches further the rest is sealed anew."""
        connection = self._database
        (end,) = connection.execute("SELECT MAX(last_at) FROM block WHERE series = ?", (series,)).fetchone()
        if end is None:
            return 0
        late = connection.execute(_ROWS, (series, -(2**63), min(at_ms, end + 1))).fetchall()
        self._merge(series, late)
        self._forget(series, late)
        count = 0
        for block in connection.execute(_BLOCKS, (series, at_ms, -(2**63))).fetchall():
            rows = list(blocks.to_rows(self._body(connection, block[4]))) if block[2] >= at_ms else []
            rest = [row for row in rows if row[0] >= at_ms]
            self._drop_block(block)
            self._add_blocks(series, rest)
            count += block[3] - len(rest)
        return count

    def _close(self) -> None:
        for connection in (self._reader, self._connection):
            if connection is not None:
                connection.close()
        self._connection = self._reader = None


def _bounded(at_ms: EpochMs) -> EpochMs:
    """Within what SQLite can compare."""
    return max(-(2**63), min(at_ms, 2**63 - 1))


def _bucket(tally: Tally, start: EpochMs, to_ms: EpochMs, width: int) -> Bucket:
    mean = tally.total / tally.numbers if tally.numbers else None
    last = blocks.read_value(tally.kind, tally.last)
    end = min(start + width, to_ms)
    return Bucket(start, end, tally.numbers, tally.low, mean, tally.high, last, QUALITIES[tally.quality], tally.cause)


def _stored(sample: Sample) -> Stored:
    value = sample.value
    quality = QUALITIES.index(sample.quality)
    if isinstance(value, bool):
        return sample.at_ms, blocks.BIT, float(value), quality, sample.cause
    if isinstance(value, str):
        return sample.at_ms, blocks.TEXT, value, quality, sample.cause
    if value is None or not math.isfinite(value):
        return sample.at_ms, blocks.NONE, None, quality, sample.cause
    whole = isinstance(value, int) and int(float(value)) != value and -(2**63) <= value < 2**63
    return sample.at_ms, blocks.NUMBER, value if whole else float(value), quality, sample.cause


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. Two processes at a new file refuse each other at once here; a transaction waits as it should."""
    for _ in range(_TRIES):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            connection.executescript("BEGIN IMMEDIATE; COMMIT;")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")
