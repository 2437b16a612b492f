"""Telemetry store in one SQLite file beside the database: nothing else to install. Runs in its own threads, or inline.

Newest samples of a point are rows; older ones are sealed into blocks with their sums, so that a wide view reads sums only. A row
wins over a sealed sample of its instant, so a late or repeated sample is right at once and is merged when its point is next sealed.
Several processes may read and write one file. ``archive`` writes it, ``reading`` reads it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import structlog

from cloud.errors import Refused
from cloud.telemetry import reading
from cloud.telemetry.archive import Archive
from cloud.telemetry.store import Away, Bucket, Health, Held, Key, Parked, Row, Sample
from contract.conventions import EpochMs

log = structlog.get_logger("cloud")
_T = TypeVar("_T")
TURN_S = 0.001
"""How long one thread of the process computes before another may. A writer hands its turn away at each statement; with Python's five
milliseconds it waited so long for a reader that it wrote a quarter less."""
_BLOCK = 360
_KEEP = 120
_NO_DISK = (
    "free space on its disk, or mend it; it is tried again by itself, and samples wait in the database until then"
)


class EmbeddedStore:
    """History in ``path``. ``is_inline`` runs every call on the loop itself and waits for no disk, for virtual time: no machine dies in it.

    ``block`` samples make a block, and at least the ``keep`` newest of a point stay rows.
    """

    def __init__(self, path: Path | str, *, is_inline: bool = False, block: int = _BLOCK, keep: int = _KEEP) -> None:
        self._path = str(path)
        self._sizes = (block, keep)
        self._worker = None if is_inline else ThreadPoolExecutor(1, "telemetry")
        is_shared = is_inline or self._path == ":memory:"
        self._asker = self._worker if is_shared else ThreadPoolExecutor(1, "telemetry-read")
        self._archive: Archive | None = None
        self._reader: sqlite3.Connection | None = None
        self._trouble = ""
        self._is_late = False
        """Whether it could not be opened yet."""

    async def open(self) -> None:
        """Open the file; a disk that fails or is full costs history alone, and is tried again. Raises Misconfigured for a newer file."""
        try:
            await self._run(self._worker, self._open)
        except sqlite3.OperationalError as error:
            self._is_late = True
            self._trouble = str(error)
            log.warning("history_unavailable", file=self._path, reason=self._trouble, remedy=_NO_DISK)

    async def write(self, rows: Sequence[Row]) -> Sequence[Parked]:
        try:
            if rows:
                await self._run(self._worker, lambda: self._opened.take(rows))
        except sqlite3.OperationalError as error:  # the disk is full, or another process holds the file
            self._trouble = str(error)
            raise Away(self._trouble) from error
        self._trouble = ""
        return ()

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        found = await self._ask(lambda connection: reading.latest(connection, site, equipment))
        return found.get(equipment, {})

    async def latest_of_all(self, site: str) -> Mapping[str, Mapping[str, Sample]]:
        return await self._ask(lambda connection: reading.latest(connection, site))

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        if to_ms <= from_ms:
            return []
        key = (site, equipment, point)
        return await self._ask(lambda connection: reading.buckets(connection, key, from_ms, to_ms, buckets))

    async def samples(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, limit: int
    ) -> list[Sample]:
        key = (site, equipment, point)
        return await self._ask(lambda connection: reading.samples(connection, key, from_ms, to_ms, limit))

    async def points(self) -> list[Key]:
        return await self._ask(reading.points)

    async def held(self) -> list[Held]:
        return await self._ask(reading.held)

    async def delete_before(self, at_ms: EpochMs, points: Sequence[Key] | None = None) -> int:
        return await self._run(self._worker, lambda: self._opened.delete_before(at_ms, points))

    async def condense(self, at_ms: EpochMs, step_ms: int, points: Sequence[Key]) -> int:
        return await self._run(self._worker, lambda: self._opened.condense(at_ms, step_ms, points))

    async def seal(self) -> None:
        """Seal all there is to seal, however long it takes; the file's freed pages are used again."""
        await self._run(self._worker, lambda: self._opened.seal_all())  # noqa: PLW0108  whether it is open is known when it runs

    async def compact(self) -> None:
        """Seal everything and give freed pages back; needs as much free disk as the file is big, and blocks writing meanwhile."""
        await self._run(self._worker, lambda: self._opened.compact())  # noqa: PLW0108

    async def health(self) -> Health:
        points = len(self._archive.series) if self._archive else 0
        is_ok = self._archive is not None and not self._trouble
        return Health("embedded", is_ok, points, self._trouble or Path(self._path).name)

    async def close(self) -> None:
        await self._run(
            self._asker, self._close_reader
        )  # each in its own thread: a question may still be at work there
        await self._run(self._worker, self._close)
        for pool in (self._worker, self._asker):
            if pool is not None:
                pool.shutdown()

    async def _ask(self, question: Callable[[sqlite3.Connection], _T]) -> _T:
        return await self._run(self._asker, lambda: question(self._asked))

    async def _run(self, pool: ThreadPoolExecutor | None, work: Callable[[], _T]) -> _T:
        if pool is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    @property
    def _opened(self) -> Archive:
        if self._is_late:
            self._open_late()
        if self._archive is None:
            raise RuntimeError("the telemetry store is not open")
        return self._archive

    @property
    def _asked(self) -> sqlite3.Connection:
        if self._is_late:
            message = f"history cannot be read: {self._path}: {self._trouble}"
            raise Refused(503, "history_unavailable", message, _NO_DISK)
        if self._reader is None:
            raise RuntimeError("the telemetry store is not open")
        return self._reader

    def _open_late(self) -> None:
        """In the writer's thread. Raises Away."""
        try:
            self._open()
        except sqlite3.OperationalError as error:
            raise Away(str(error)) from error
        self._is_late = False

    def _open(self) -> None:
        self._archive = self._archive_or_new()
        self._reader = self._archive.database
        if self._worker is None:
            self._reader.execute("PRAGMA synchronous=OFF")
        if self._asker is not self._worker:
            self._reader = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            self._reader.executescript("PRAGMA busy_timeout=10000; PRAGMA query_only=ON;")

    def _archive_or_new(self) -> Archive:
        """History is a copy: a damaged file is kept for a person to look at, and keeps nobody from working."""
        try:
            return Archive(self._path, *self._sizes)
        except sqlite3.OperationalError:  # a disk that fails or is full is no damage
            raise
        except sqlite3.DatabaseError as error:
            aside = _set_aside(Path(self._path))
            log.warning(
                "history_set_aside", file=str(aside), reason=str(error), remedy="history begins anew; no ticket is lost"
            )
            return Archive(self._path, *self._sizes)

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def _close(self) -> None:
        if self._archive is not None:
            self._archive.close()
        self._archive = None


def _set_aside(path: Path) -> Path:
    """Move the file and its logs to a name that tells when it was last written."""
    aside = path.with_suffix(f".broken-{path.stat().st_mtime_ns // 1_000_000}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
