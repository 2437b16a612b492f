"""Beside storage: reads the whole SQLite file behind the cloud's back and tells of damage, at the start and once a day.

A garbled page is otherwise noticed only by the request that needs it, which may be months later. SQLite keeps no checksums: a
page out of order is found, a changed digit inside a row is not.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

import structlog

from cloud.storage.session import Database, is_damage

log = structlog.get_logger("cloud")
_EVERY_S = 86_400.0
_SOUND = "ok"


class Inspector:
    """Looks after one file, in a thread of its own, with a connection that cannot write."""

    def __init__(self, database: Database, file: Path) -> None:
        self._database = database
        self._file = file

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.inspect()
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_S):
                    await asyncio.Event().wait()

    async def inspect(self) -> None:
        """One look at everything; a file that cannot be read now is looked at the next day."""
        try:
            with closing(_Reading(self._file)) as reading:
                found = await asyncio.to_thread(reading.damage)
        except sqlite3.OperationalError as error:  # a disk that does not answer is no damage
            log.warning("database_not_inspected", file=str(self._file), reason=str(error))
            return
        if found:
            self._database.note_damage(found)


class _Reading:
    """One pass over the file. Closing it from another thread ends the pass soon."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._is_closed = threading.Event()
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        self._is_closed.set()
        if self._connection is not None:
            with suppress(sqlite3.ProgrammingError):  # just closed by its thread
                self._connection.interrupt()

    def damage(self) -> str:
        """The first thing found wrong; empty when nothing is."""
        with closing(sqlite3.connect(f"{self._file.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            self._connection = connection
            try:
                names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
                # each table is a transaction of its own, so that the log of a busy file can be checkpointed between two
                return next(filter(None, (self._of_table(connection, name) for name in names)), "")
            except sqlite3.DatabaseError as error:
                if is_damage(error):
                    return str(error)
                raise
            finally:
                self._connection = None

    def _of_table(self, connection: sqlite3.Connection, name: str) -> str:
        if self._is_closed.is_set():
            return ""
        (said,) = connection.execute(f'PRAGMA quick_check("{name}")').fetchone()
        return "" if said == _SOUND else f"{name}: {' '.join(str(said).split())}"
