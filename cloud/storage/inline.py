"""Storage on virtual time: SQLite calls that run where they stand, on the loop, in no thread (architecture decision 12).

It has the part of aiosqlite's shape that SQLAlchemy's dialect uses. Coroutines here never suspend, so a transaction is
one step of the loop and a run under a virtual clock gives the same bytes every time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Self

_Work = tuple["asyncio.Future[Any]", Callable[[], Any]]


class InlineCursor:
    """A cursor whose awaits are already done when they return."""

    def __init__(self, cursor: sqlite3.Cursor) -> None:
        self._cursor = cursor

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:  # noqa: ANN401  DB-API leaves the shape to the driver
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Self:
        self._cursor.execute(operation, parameters)
        return self

    async def executemany(self, operation: str, parameters: Sequence[Sequence[Any]]) -> Self:
        self._cursor.executemany(operation, parameters)
        return self

    async def fetchone(self) -> Any:  # noqa: ANN401
        return self._cursor.fetchone()

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        return self._cursor.fetchmany(size or self._cursor.arraysize)

    async def fetchall(self) -> list[Any]:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


class _Doorstep:
    """Where the dialect leaves work for aiosqlite's thread; here it is done at once."""

    def put_nowait(self, work: _Work) -> None:
        future, function = work
        future.set_result(function())


class InlineConnection:
    """One SQLite connection in the shape of aiosqlite's, without its thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._conn = connection
        self._connection: sqlite3.Connection | None = connection
        self._tx = _Doorstep()

    @property
    def isolation_level(self) -> str | None:
        return self._conn.isolation_level

    def cursor(self) -> InlineCursor:
        return InlineCursor(self._conn.cursor())

    async def create_function(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._conn.create_function(*args, **kwargs)

    async def commit(self) -> None:
        self._conn.commit()

    async def rollback(self) -> None:
        self._conn.rollback()

    async def close(self) -> None:
        self._conn.close()
        self._connection = None

    def stop(self) -> None:
        self._conn.close()
        self._connection = None


async def connect(path: str) -> InlineConnection:
    """Open ``path`` on the loop's own thread. Transactions are begun by the caller (driver autocommit)."""
    return InlineConnection(sqlite3.connect(path, isolation_level=None, check_same_thread=False))
