"""Ingest → telemetry: the writing side of the embedded store's file. Rows come in, are sealed into blocks, condensed and forgotten.

Each step is one transaction: at any kill every sample is a row or in a block. Blocks of one point never overlap. A block with a step
holds sums over stretches of that many milliseconds in place of samples.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, takewhile
from operator import itemgetter
from typing import TypeVar

from cloud.errors import Misconfigured
from cloud.telemetry import blocks, condensed, summing
from cloud.telemetry.blocks import Columns, Stored
from cloud.telemetry.condensed import Stretch
from cloud.telemetry.store import Key, Row
from cloud.telemetry.summing import Summary
from contract.conventions import EpochMs
from device_profiles.reading import Finding

_T = TypeVar("_T")
_PLACE = itemgetter(0, 1)
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
    "ALTER TABLE block ADD COLUMN step INTEGER NOT NULL DEFAULT 0",
)
"""Schema steps; ``user_version`` is how many are done. The first one also fits files of plain rows from before there were steps."""
PRAGMAS = "PRAGMA busy_timeout=10000; PRAGMA synchronous=FULL;"
ROWS = "SELECT at, kind, value, quality, cause FROM sample WHERE series = ? AND at >= ? AND at < ? ORDER BY at"
NOT_BEFORE = "COALESCE((SELECT MAX(first_at) FROM block WHERE series = :series AND first_at <= :low), -1 << 63)"
"""Where the block begins that may hold ``:low``: as blocks of one point never overlap, no older one reaches so far."""
BLOCKS = f"""
SELECT * FROM block WHERE series = :series AND first_at >= {NOT_BEFORE} AND first_at < :high AND last_at >= :low ORDER BY first_at
"""  # noqa: S608  no text from outside
STEP = 13
"""The column of a block's step."""
_COVERING = """
SELECT * FROM block WHERE series = :series AND first_at = COALESCE(
    (SELECT MAX(first_at) FROM block WHERE series = :series AND first_at <= :at),
    (SELECT MIN(first_at) FROM block WHERE series = :series))
"""
_RAW = "SELECT * FROM block WHERE series = ? AND first_at < ? AND step = 0 ORDER BY first_at LIMIT ?"
_OLDER = """
SELECT id FROM series WHERE EXISTS (SELECT 1 FROM sample WHERE series = id AND at < :at)
    OR EXISTS (SELECT 1 FROM block WHERE series = id AND first_at < :at)
"""
"""Which points have anything older: mostly none, and this is asked every hour."""
_TRIES = 20
_AT_ONCE = 16
"""Blocks sealed in one transaction, about: memory and the write lock are bounded."""
_INSERT = "INSERT OR REPLACE INTO sample VALUES "
_ROW = "(?, ?, ?, ?, ?, ?)"
_ROWS_AT_ONCE = 100
"""In one statement: half the time of as many statements, and a thread that asks meanwhile takes turns a hundredth as often."""
_CONDENSED_AT_ONCE = 64
Block = tuple[int, ...]


class Archive:
    """The file at ``path``, open. ``block`` samples make a block; at least the ``keep`` newest of a point stay rows."""

    def __init__(self, path: str, block: int, keep: int) -> None:
        self._block, self._keep = block, max(1, keep)
        self._path = path
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.database.executescript(PRAGMAS)
        _enter_wal(self.database)
        with self._transaction():
            self._upgrade()
        self.series: dict[Key, int] = {}
        self._know_series()
        counted = self.database.execute("SELECT series, COUNT(*) FROM sample GROUP BY series")
        self._rows: Counter[int] = Counter(dict(counted))
        """Series → its rows, about; counted again when it is sealed."""

    def take(self, rows: Sequence[Row]) -> None:
        """Write rows; then seal, in transactions of their own, at most about twice as much as was written."""
        try:
            with self._transaction() as connection:
                known = self.series.get
                values = [
                    (known((row.site, row.equipment, row.point)) or self._number(row), *blocks.stored(row.sample))
                    for row in rows
                ]
                values.sort(key=_PLACE)  # the file is kept in this order
                _insert(connection, values)
        except BaseException:
            self._know_series()
            raise
        self._rows.update(value[0] for value in values)
        full = [series for series, count in self._rows.items() if count >= self._block + self._keep]
        due = full[: 1 + 2 * len(rows) // self._block]
        for first in range(0, len(due), _AT_ONCE):
            self._seal(due[first : first + _AT_ONCE])

    def seal_all(self) -> None:
        """Seal all there is to seal, however long it takes; the file's freed pages are used again."""
        for series in list(self._rows):
            while self._seal([series]):
                pass
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def compact(self) -> None:
        """Seal everything and give freed pages back to the disk."""
        self.seal_all()
        self.database.execute("VACUUM")
        self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def delete_before(self, at_ms: EpochMs, points: Sequence[Key] | None) -> int:
        """Late rows are merged first, so that a sample that came twice counts once."""
        at_ms = bounded(at_ms)
        count = 0
        older = {series for (series,) in self.database.execute(_OLDER, {"at": at_ms})}
        for series in self._numbers(points):
            if series not in older:
                continue
            with self._transaction() as connection:
                count += self._delete_sealed(series, at_ms)
                count += connection.execute("DELETE FROM sample WHERE series = ? AND at < ?", (series, at_ms)).rowcount
        return count

    def condense(self, at_ms: EpochMs, step_ms: int, points: Sequence[Key]) -> int:
        """Sums over ``step_ms`` in place of sealed samples before ``at_ms``; how many samples went."""
        limit = bounded(at_ms) // step_ms * step_ms
        count = 0
        for series in self._numbers(points):
            taken = _CONDENSED_AT_ONCE
            while (done := self._condense(series, limit, step_ms, taken)) is not None:
                count += done
                taken = _CONDENSED_AT_ONCE if done else 2 * taken
        return count

    def close(self) -> None:
        self.database.close()

    def _upgrade(self) -> None:
        done = int(self.database.execute("PRAGMA user_version").fetchone()[0])
        if done > len(_STEPS):
            remedy = "start that release, or move the file aside: history begins anew, tickets are not in it"
            raise Misconfigured([Finding(self._path, 0, "", "history was written by a newer release", remedy)])
        for step in _STEPS[done:]:
            for statement in filter(str.strip, step.split(";")):
                self.database.execute(statement)
        self.database.execute(f"PRAGMA user_version = {len(_STEPS)}")

    def _know_series(self) -> None:
        self.series = {(a, b, c): number for number, a, b, c in self.database.execute("SELECT * FROM series")}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self.database
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise

    def _number(self, row: Row) -> int:
        """Of a point that is new here."""
        key = (row.site, row.equipment, row.point)
        self.database.execute("INSERT OR IGNORE INTO series (site, equipment, point) VALUES (?, ?, ?)", key)
        self.series[key] = find(self.database, key)
        return self.series[key]

    def _numbers(self, points: Sequence[Key] | None) -> list[int]:
        if points is None:
            return [series for (series,) in self.database.execute("SELECT id FROM series ORDER BY id").fetchall()]
        return [number for number in (find(self.database, key) for key in points) if number]

    def _seal(self, due: Sequence[int]) -> int:
        """Put the oldest rows of some points into blocks, in one transaction: each waits for the disk. How many were put."""
        limit = max(1, _AT_ONCE // max(1, len(due)))
        with self._transaction():
            done = {series: self._seal_one(series, self._block * limit) for series in due}
        for series, (count, put) in done.items():
            self._rows[series] = count - put
        return sum(put for _, put in done.values())

    def _seal_one(self, series: int, most: int) -> tuple[int, int]:
        """New rows as whole blocks, late ones merged; how many rows there were, and how many were put."""
        query = "SELECT COUNT(*) FROM sample WHERE series = ?"
        count = int(self.database.execute(query, (series,)).fetchone()[0])
        limit = max(0, min(count - self._keep, most))
        rows = self.database.execute(f"{ROWS} LIMIT ?", (series, -(2**63), 2**63 - 1, limit)).fetchall()
        end = self._end(series)
        late = [row for row in rows if end is not None and row[0] <= end]
        new = rows[len(late) : len(late) + (len(rows) - len(late)) // self._block * self._block]
        self._merge(series, late)
        self._add_blocks(series, new)
        done = late + new
        self._forget(series, done)
        return count, len(done)

    def _end(self, series: int) -> EpochMs | None:
        """The last sealed instant: the newest block's, as none overlap."""
        query = "SELECT last_at FROM block WHERE series = ? ORDER BY first_at DESC LIMIT 1"
        found = self.database.execute(query, (series,)).fetchone()
        return int(found[0]) if found else None

    def _forget(self, series: int, oldest: Sequence[Stored]) -> None:
        if oldest:
            self.database.execute("DELETE FROM sample WHERE series = ? AND at <= ?", (series, oldest[-1][0]))

    def _merge(self, series: int, late: Sequence[Stored]) -> None:
        """Late rows into the blocks that cover them; into the nearest before, or the first, where none does."""
        index = 0
        while index < len(late):
            block = self.database.execute(_COVERING, {"series": series, "at": late[index][0]}).fetchone()
            query = "SELECT MIN(first_at) FROM block WHERE series = ? AND first_at > ?"
            (following,) = self.database.execute(query, (series, max(block[1], late[index][0]))).fetchone()
            part = list(takewhile(lambda row, end=following: end is None or row[0] < end, late[index:]))  # type: ignore[misc]
            index += len(part)
            if block[STEP]:
                self._merge_condensed(block, part)
                continue
            rows = blocks.merged(blocks.to_rows(body(self.database, block[4])), part)
            self._drop_block(block)
            self._add_blocks(series, rows)

    def _merge_condensed(self, block: Block, part: Sequence[Stored]) -> None:
        """What lies beside a condensed block becomes a block of its own: a stretch must not reach into its neighbour."""
        series, first_at, last_at, step = block[0], block[1], block[2], block[STEP]
        within = [row for row in part if first_at <= row[0] <= last_at]
        for beside in ([row for row in part if row[0] < first_at], [row for row in part if row[0] > last_at]):
            self._add_blocks(series, beside)
        if within:
            stretches = condensed.with_late(stretches_of(self.database, block[4]), within, step, first_at)
            self._drop_block(block)
            self._add_condensed(series, stretches, step, last_at)

    def _drop_block(self, block: Block) -> None:
        self.database.execute("DELETE FROM body WHERE id = ?", (block[4],))
        self.database.execute("DELETE FROM block WHERE series = ? AND first_at = ?", block[:2])

    def _add_blocks(self, series: int, rows: Sequence[Stored]) -> None:
        for part in self._parts(rows):
            columns = blocks.to_columns(part)
            ends = (part[0][0], part[-1][0], len(part))
            self._add_block(series, ends, blocks.encode(columns), summing.summarise(columns, 0, len(part)), 0)

    def _add_condensed(self, series: int, stretches: Sequence[Stretch], step: int, end: EpochMs) -> None:
        """Stretches as blocks, of which none reaches past ``end``."""
        for part in self._parts(stretches):
            ends = (part[0][0], min(part[-1][0] + step - 1, end), len(part))
            self._add_block(series, ends, condensed.encode(part), condensed.total(part), step)

    def _parts(self, items: Sequence[_T]) -> Iterator[Sequence[_T]]:
        """Parts of about equal size, none twice as long as a block should be."""
        pieces = max(1, len(items) // self._block) if items else 0
        for piece in range(pieces):
            yield items[piece * len(items) // pieces : (piece + 1) * len(items) // pieces]

    def _add_block(self, series: int, ends: tuple[int, int, int], data: bytes, s: Summary, step: int) -> None:
        number = self.database.execute("INSERT INTO body (bytes) VALUES (?)", (data,)).lastrowid
        self.database.execute(
            "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (series, *ends, number, s.numbers, s.total, s.low, s.high, s.quality, s.cause, s.kind, s.last, step),
        )

    def _merge_late(self, series: int, before: EpochMs) -> None:
        """Rows before an instant that lie among sealed ones go into their blocks."""
        end = self._end(series)
        if end is not None:
            late = self.database.execute(ROWS, (series, -(2**63), min(before, end + 1))).fetchall()
            self._merge(series, late)
            self._forget(series, late)

    def _delete_sealed(self, series: int, at_ms: EpochMs) -> int:
        """Forget what is sealed of one point; of a block that reaches further the rest is sealed anew."""
        self._merge_late(series, at_ms)
        count = 0
        for block in self.database.execute(BLOCKS, {"series": series, "low": -(2**63), "high": at_ms}).fetchall():
            count += block[3] - self._cut_block(series, block, at_ms)
        return count

    def _cut_block(self, series: int, block: Block, at_ms: EpochMs) -> int:
        """Keep what of a block is not before an instant, also a stretch that reaches past it; how many."""
        rows: list[Stored] = []
        stretches: list[Stretch] = []
        step = block[STEP]
        if block[2] >= at_ms and step:
            stretches = [one for one in stretches_of(self.database, block[4]) if one[0] + step > at_ms]
        elif block[2] >= at_ms:
            rows = [row for row in blocks.to_rows(body(self.database, block[4])) if row[0] >= at_ms]
        self._drop_block(block)
        self._add_blocks(series, rows)
        self._add_condensed(series, stretches, step, block[2])
        return len(rows) + len(stretches)

    def _condense(self, series: int, limit: EpochMs, step: int, taken: int) -> int | None:
        """One transaction's worth of one point; None when there is nothing left, 0 when more blocks must be taken at once."""
        with self._transaction() as connection:
            self._merge_late(series, limit)
            (row,) = connection.execute("SELECT MIN(at) FROM sample WHERE series = ?", (series,)).fetchone()
            if row is not None:  # a stretch with a row in it is not complete yet
                limit = min(limit, row // step * step)
            found = connection.execute(_RAW, (series, limit, taken)).fetchall()
            if not found:
                return None
            begin, wall = self._neighbours(series, found[0][1])
            run = [block for block in found if block[1] < wall]
            is_whole = len(run) < taken
            rows = [row for block in run for row in blocks.to_rows(body(connection, block[4]))]
            cut = limit if is_whole else min(limit, rows[-1][0] // step * step)
            old = [row for row in rows if row[0] < cut]
            if not old:
                return None if is_whole else 0
            for block in run:
                self._drop_block(block)
            rest = rows[len(old) :]
            end = rest[0][0] if rest else wall
            self._add_condensed(series, condensed.condense(old, step, begin), step, end - 1)
            self._add_blocks(series, rest)
        return len(old)

    def _neighbours(self, series: int, at: EpochMs) -> tuple[EpochMs, EpochMs]:
        """Where the condensed block before an instant has ended, and where the next one begins."""
        before = "SELECT MAX(last_at) + 1 FROM block WHERE series = ? AND step > 0 AND first_at < ?"
        after = "SELECT MIN(first_at) FROM block WHERE series = ? AND step > 0 AND first_at > ?"
        ends = [self.database.execute(query, (series, at)).fetchone()[0] for query in (before, after)]
        return -(2**63) if ends[0] is None else ends[0], 2**63 - 1 if ends[1] is None else ends[1]


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
    rest = len(rows) % _ROWS_AT_ONCE
    whole = _INSERT + ", ".join([_ROW] * _ROWS_AT_ONCE)
    for first in range(0, len(rows) - rest, _ROWS_AT_ONCE):
        connection.execute(whole, list(chain.from_iterable(rows[first : first + _ROWS_AT_ONCE])))
    connection.executemany(_INSERT + _ROW, rows[len(rows) - rest :])


def find(connection: sqlite3.Connection, key: Key) -> int:
    """A point's number; 0 for one that is not known."""
    query = "SELECT id FROM series WHERE site = ? AND equipment = ? AND point = ?"
    found = connection.execute(query, key).fetchone()
    return int(found[0]) if found else 0


def body(connection: sqlite3.Connection, number: int) -> Columns:
    return blocks.decode(connection.execute("SELECT bytes FROM body WHERE id = ?", (number,)).fetchone()[0])


def stretches_of(connection: sqlite3.Connection, number: int) -> list[Stretch]:
    return condensed.decode(connection.execute("SELECT bytes FROM body WHERE id = ?", (number,)).fetchone()[0])


def bounded(at_ms: EpochMs) -> EpochMs:
    """Within what SQLite can compare."""
    return max(-(2**63), min(at_ms, 2**63 - 1))


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
