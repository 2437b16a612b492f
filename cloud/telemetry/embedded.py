"""Telemetry store in one SQLite file beside the database: nothing else to install. Runs in its own thread, or inline."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from cloud.telemetry.store import QUALITIES, Bucket, Health, Row, Sample
from contract.conventions import EpochMs
from contract.messages import Value

_T = TypeVar("_T")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, site TEXT NOT NULL, equipment TEXT NOT NULL, point TEXT NOT NULL,
    UNIQUE (site, equipment, point)
);
CREATE TABLE IF NOT EXISTS sample (
    series INTEGER NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL, value, quality INTEGER NOT NULL,
    cause TEXT NOT NULL, PRIMARY KEY (series, at)
) WITHOUT ROWID;
"""
_PRAGMAS = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=10000;"
_NUMBER, _BIT, _TEXT, _NONE = range(4)
_AGGREGATE = """
SELECT (at - :from_ms) / :width AS bucket,
       COUNT(*) FILTER (WHERE quality < 2 AND kind < 2),
       MIN(value) FILTER (WHERE quality < 2 AND kind < 2),
       AVG(value) FILTER (WHERE quality < 2 AND kind < 2),
       MAX(value) FILTER (WHERE quality < 2 AND kind < 2),
       MAX(quality), MAX(cause) FILTER (WHERE quality = 2), MAX(at)
FROM sample WHERE series = :series AND at >= :from_ms AND at < :to_ms GROUP BY bucket ORDER BY bucket
"""
_LATEST = """
SELECT s.site, s.equipment, s.point, x.at, x.kind, x.value, x.quality, x.cause FROM series s
JOIN sample x ON x.series = s.id AND x.at = (SELECT MAX(at) FROM sample WHERE series = s.id)
"""


class EmbeddedStore:
    """History in ``path``. ``is_inline`` runs every call on the loop itself, for virtual time."""

    def __init__(self, path: Path | str, *, is_inline: bool = False) -> None:
        self._path = str(path)
        self._worker = None if is_inline else ThreadPoolExecutor(1, "telemetry")
        self._connection: sqlite3.Connection | None = None
        self._series: dict[tuple[str, str, str], int] = {}
        self._newest: dict[tuple[str, str], dict[str, Sample]] = {}

    async def open(self) -> None:
        """Open the file and learn the newest samples. Raises sqlite3.DatabaseError for a file that is no database."""
        await self._run(self._open)

    async def write(self, rows: Sequence[Row]) -> None:
        if rows:
            await self._run(lambda: self._write(rows))

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        return dict(self._newest.get((site, equipment), {}))

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        series = self._series.get((site, equipment, point))
        if series is None or to_ms <= from_ms:
            return []
        width = -(-(to_ms - from_ms) // max(1, buckets))
        return await self._run(lambda: self._buckets(series, from_ms, to_ms, width))

    async def delete_before(self, at_ms: EpochMs) -> int:
        return await self._run(lambda: self._delete(at_ms))

    async def health(self) -> Health:
        return Health("embedded", self._connection is not None, len(self._series), Path(self._path).name)

    async def close(self) -> None:
        await self._run(self._close)
        if self._worker is not None:
            self._worker.shutdown()

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._worker is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("the telemetry store is not open")
        return self._connection

    def _open(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.executescript(_PRAGMAS + _SCHEMA)
        self._connection = connection
        self._series = {(a, b, c): number for number, a, b, c in connection.execute("SELECT * FROM series")}
        for site, equipment, point, at, kind, value, quality, cause in connection.execute(_LATEST):
            sample = Sample(at, _read(kind, value), QUALITIES[quality], cause)
            self._newest.setdefault((site, equipment), {})[point] = sample

    def _write(self, rows: Sequence[Row]) -> None:
        connection = self._database
        connection.execute("BEGIN IMMEDIATE")
        try:
            values = [(self._number(row), *_stored(row.sample)) for row in rows]
            connection.executemany("INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?, ?, ?)", values)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            self._series = {(a, b, c): number for number, a, b, c in connection.execute("SELECT * FROM series")}
            raise
        for row in rows:
            newest = self._newest.setdefault((row.site, row.equipment), {})
            known = newest.get(row.point)
            if known is None or known.at_ms <= row.sample.at_ms:
                newest[row.point] = row.sample

    def _number(self, row: Row) -> int:
        key = (row.site, row.equipment, row.point)
        if key not in self._series:
            cursor = self._database.execute("INSERT INTO series (site, equipment, point) VALUES (?, ?, ?)", key)
            self._series[key] = int(cursor.lastrowid or 0)
        return self._series[key]

    def _buckets(self, series: int, from_ms: EpochMs, to_ms: EpochMs, width: int) -> list[Bucket]:
        where = {"series": series, "from_ms": from_ms, "to_ms": to_ms, "width": width}
        found = []
        for number, count, low, mean, high, quality, cause, last_at in self._database.execute(_AGGREGATE, where):
            last = self._database.execute(
                "SELECT kind, value FROM sample WHERE series = ? AND at = ?", (series, last_at)
            ).fetchone()
            start = from_ms + number * width
            end = min(start + width, to_ms)
            found.append(Bucket(start, end, count, low, mean, high, _read(*last), QUALITIES[quality], cause or ""))
        return found

    def _delete(self, at_ms: EpochMs) -> int:
        return self._database.execute("DELETE FROM sample WHERE at < ?", (at_ms,)).rowcount

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _stored(sample: Sample) -> tuple[EpochMs, int, float | str | None, int, str]:
    value = sample.value
    if value is None:
        kind = _NONE
    elif isinstance(value, bool):
        kind, value = _BIT, float(value)
    elif isinstance(value, str):
        kind = _TEXT
    else:
        kind, value = _NUMBER, float(value)
    return (sample.at_ms, kind, value, QUALITIES.index(sample.quality), sample.cause)


def _read(kind: int, value: float | str | None) -> Value:
    return bool(value) if kind == _BIT else value
