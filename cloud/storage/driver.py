"""Storage on SQLite: calls that run where they stand or on the connection's own thread, in the shape SQLAlchemy's dialect uses.

aiosqlite goes to its thread and back four times for each statement. Here it is once: the statement with all its rows. Between
``be_brief`` and the commit it is not at all: what a short write does besides waiting for the disk takes microseconds, and going to
a thread takes ten times that. ``is_inline`` knows no thread (architecture decision 12): coroutines never suspend, a transaction is
one step of the loop, and a run under a virtual clock gives the same bytes every time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

_Work = tuple["asyncio.Future[Any]", Callable[[], Any]]
BUSY_MS = 10_000
"""How long a write waits for that of another process."""
_STATEMENTS_KEPT = 256
"""Prepared statements that one connection remembers."""


class Cursor:
    """A cursor that has its rows already when it has executed."""

    def __init__(self, connection: DriverConnection, cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor
        self._rows: list[Any] = []

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
        def work() -> list[Any]:
            return self._cursor.execute(operation, parameters).fetchall()

        self._rows = work() if self._connection.is_here else await self._connection.go(work)
        return self

    async def executemany(self, operation: str, parameters: Sequence[Sequence[Any]]) -> Self:
        def work() -> None:
            self._cursor.executemany(operation, parameters)

        if self._connection.is_here:
            work()
        else:
            await self._connection.go(work)
        return self

    async def fetchone(self) -> Any:  # noqa: ANN401
        return self._rows.pop(0) if self._rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        count = size or self._cursor.arraysize
        rows, self._rows = self._rows[:count], self._rows[count:]
        return rows

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._cursor.close()


class _Doorstep:
    """Where the dialect leaves work for aiosqlite's thread; here it is done at once."""

    def put_nowait(self, work: _Work) -> None:
        future, function = work
        future.set_result(function())


class DriverConnection:
    """One SQLite connection in the shape of aiosqlite's, on a thread of its own or on none."""

    def __init__(self, connection: sqlite3.Connection, thread: ThreadPoolExecutor | None) -> None:
        self._conn = connection
        self._connection: sqlite3.Connection | None = connection
        self._thread = thread
        self._tx = _Doorstep()
        self.is_here = thread is None
        """Whether statements run where they stand."""

    def be_brief(self) -> None:
        """Until it is committed, the transaction at hand is one of short statements."""
        self.is_here = True

    async def go(self, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Do something that may take its time: after what was begun before, also where nobody waits for that any more."""
        self.is_here = self._thread is None
        if self._thread is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    @property
    def is_begun(self) -> bool:
        """Whether a transaction is open."""
        return self._conn.in_transaction

    @property
    def isolation_level(self) -> str | None:
        return self._conn.isolation_level

    async def ask(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        """The rows of one statement."""

        def work() -> list[Any]:
            return self._conn.execute(sql, parameters).fetchall()

        return work() if self.is_here else await self.go(work)

    async def tell(self, sql: str, rows: Sequence[Sequence[Any]]) -> int:
        """One statement for each of ``rows``; how many rows of its table it touched."""

        def work() -> int:
            done = self._conn.execute(sql, rows[0]) if len(rows) == 1 else self._conn.executemany(sql, rows)
            return done.rowcount

        return work() if self.is_here else await self.go(work)

    def cursor(self) -> Cursor:
        return Cursor(self, self._conn.cursor())

    async def create_function(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        self._conn.create_function(*args, **kwargs)

    def begin_at_once(self) -> bool:
        """Begin a write where this stands, and a brief one. False when another process writes: that is worth waiting for."""
        try:
            self._conn.execute("PRAGMA busy_timeout=0")
            self._conn.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            return False
        finally:
            self._conn.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        self.is_here = True
        return True

    def look(self) -> None:
        """Begin a read where this stands, and a brief one."""
        self._conn.execute("BEGIN")
        self.is_here = True

    def look_away(self) -> None:
        """End it."""
        self._conn.rollback()
        self.is_here = self._thread is None

    async def commit(self) -> None:
        await self.go(self._conn.commit)

    async def rollback(self) -> None:
        if self._conn.in_transaction:
            await self.go(self._conn.rollback)
        else:
            self.is_here = self._thread is None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self.go(connection.close)
            self._end()

    def stop(self) -> None:
        """Close it as soon as what it does has ended; nobody waits."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._thread is None:
                connection.close()
            else:
                self._thread.submit(connection.close)
            self._end()

    def _end(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)


async def connect(path: str, *, is_inline: bool) -> DriverConnection:
    """Open ``path``. Transactions are begun by the caller (driver autocommit)."""
    thread = None if is_inline else ThreadPoolExecutor(1, "sqlite")

    def work() -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS_KEPT)

    try:
        connection = work() if thread is None else await asyncio.get_running_loop().run_in_executor(thread, work)
    except BaseException:
        if thread is not None:
            thread.shutdown(wait=False)
        raise
    return DriverConnection(connection, thread)
