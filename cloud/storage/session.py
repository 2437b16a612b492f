"""Storage: one database behind ``DATABASE_URL``, and the only two ways in: ``read()`` and ``write()``.

SQLite runs in WAL with foreign keys, full durability and one writer at a time; a write begins with ``BEGIN IMMEDIATE``,
so what was read in it is still true when it commits. PostgreSQL locks rows where the repositories ask for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from cloud.storage import inline

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000")


def database_url(text: str) -> URL:
    """``sqlite:///path`` or ``postgresql://…`` with the driver this product uses. Raises ValueError for any other."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ValueError("is not the address of a database; write sqlite:///FILE or postgresql://HOST/NAME") from error
    backend = url.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise ValueError(f"{backend} is not a database Plantroom knows; write sqlite:///FILE or postgresql://HOST/NAME")
    return url.set(drivername=_DRIVERS[backend])


def _prepare_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:  # noqa: ANN401  the dialect's own type
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    is_write = connection.get_execution_options().get("is_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


class Database:
    """An engine and its rules. ``read()`` sees one snapshot; ``write()`` commits when its block ends without an error."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._writer = asyncio.Lock()
        self.is_writable = True
        """False after a write that the database itself refused, until one succeeds: a full disk still answers reads."""

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection for SELECTs; nothing done with it is kept."""
        async with self.engine.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction for read-then-write. Await nothing but the database inside."""
        turn = self._writer if self.is_sqlite else contextlib.nullcontext()
        async with turn, self.engine.connect() as connection:
            await connection.execution_options(is_write=True)
            with self._noticing():
                async with connection.begin():
                    yield connection

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except OperationalError:
            self.is_writable = False
            raise
        self.is_writable = True

    async def close(self) -> None:
        await self.engine.dispose()


def open_database(url: str, *, is_inline: bool = False) -> Database:
    """The database at ``url``; nothing is read yet.

    ``is_inline`` runs SQLite calls on the loop itself, without a thread, for virtual time. Raises ValueError for a URL
    that names no known database, or for inline with anything but SQLite.
    """
    parsed = database_url(url)
    if parsed.get_backend_name() != "sqlite":
        if is_inline:
            raise ValueError("only SQLite runs inline; drop is_inline or use a sqlite:/// URL")
        return Database(create_async_engine(parsed, pool_pre_ping=True))
    path = parsed.database or ":memory:"
    how: dict[str, Any] = (
        {"async_creator": lambda: inline.connect(path)} if is_inline else {"connect_args": {"isolation_level": None}}
    )
    engine = create_async_engine(parsed, **how)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return Database(engine)
