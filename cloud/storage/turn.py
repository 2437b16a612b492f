"""Storage: a turn that one process at a time has, among all replicas over one database. One that dies gives it back."""

from __future__ import annotations

import contextlib
import fcntl
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from sqlalchemy import func, select

from cloud.storage.session import Database


@contextlib.asynccontextmanager
async def turn(database: Database, name: str) -> AsyncIterator[bool]:
    """Whether the turn called ``name`` is ours until the block ends; nobody waits for it.

    PostgreSQL keeps it with a transaction of its own, so that it ends with the connection; SQLite with a lock on a file beside its own.
    """
    if not database.is_sqlite:
        async with database.read() as connection:
            asked = select(func.pg_try_advisory_xact_lock(zlib.crc32(name.encode()) & 0x7FFFFFFF))
            yield bool((await connection.execute(asked)).scalar_one())
    elif database.file is None:  # virtual time, or in memory: nobody else is there
        yield True
    else:
        with _file_turn(database.file.with_name(f"{database.file.name}-{name}")) as is_ours:
            yield is_ours


@contextlib.contextmanager
def _file_turn(path: Path) -> Iterator[bool]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = True
        except BlockingIOError:
            is_ours = False
        yield is_ours
