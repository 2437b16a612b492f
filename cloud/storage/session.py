"""Storage: one database behind ``DATABASE_URL``, and the only two ways in: ``read()`` and ``write()``.

SQLite runs in WAL with foreign keys, full durability and one writer at a time; a write begins with ``BEGIN IMMEDIATE``,
so what was read in it is still true when it commits. PostgreSQL locks rows where the repositories ask for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, DisconnectionError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from cloud.clock import SystemClock
from cloud.storage import driver, prepared

log = structlog.get_logger("cloud")
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={driver.BUSY_MS}")

DAMAGE_REMEDY = "stop the cloud and put a backup in its place, or what can be read of it (docs/operations.md)"
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PASSING = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PASSING_STATES = ("08", "40", "53", "57P0")
"""PostgreSQL: the connection, two in each other's way, room or connections used up, starting or stopping."""
_DATA_STATE, _DISK_FULL = "22", "53100"


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says that the file itself is broken."""
    return _sqlite_code(error) in _DAMAGE


def is_passing(error: BaseException | None) -> bool:
    """Whether trying again later may help: a server that is away or starting, a disk that is full."""
    if isinstance(error, OSError) or _sqlite_code(error) in _PASSING:
        return True
    return _state(error).startswith(_PASSING_STATES)


def _state(error: BaseException | None) -> str:
    """PostgreSQL's five characters for what went wrong, empty for anything else."""
    return str(getattr(error, "sqlstate", None) or "")


def _sqlite_code(error: BaseException | None) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF  # its low byte says what, the rest where


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


_ENCODER = msgspec.json.Encoder()
_LENIENT = json.JSONEncoder(ensure_ascii=False)


def _plain(value: object) -> str:
    """JSON as it is stored: as text, so that half a character is refused when it is written, not when it is read."""
    try:
        return _ENCODER.encode(value).decode()
    except UnicodeEncodeError:
        return _LENIENT.encode(value)


def _prepare_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:  # noqa: ANN401  the dialect's own type
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


_RESTING_MS = 2_000
"""A connection that lay for so long is asked whether its server is there still, in three round trips; one in use shows it itself."""


def _note_rest(_connection: Any, record: ConnectionPoolEntry) -> None:  # noqa: ANN401  the dialect's own type
    record.info["rests_since"] = SystemClock().now_ms()


def _wake(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401
    now = SystemClock().now_ms()
    if abs(now - record.info.get("rests_since", now)) > _RESTING_MS:
        try:
            connection.ping()
        except connection.dbapi.Error as error:
            raise DisconnectionError from error  # the pool opens another


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    raw: Any = connection.connection.driver_connection
    if raw.is_begun:  # a brief write, which needs SQLAlchemy for one of its statements only now
        return
    is_brief = options.get("is_brief", False)
    if is_brief and raw.begin_at_once():
        return
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("is_write", False) else "BEGIN")
    if is_brief:
        raw.be_brief()


def _read(text: str | bytes) -> Any:  # noqa: ANN401  any JSON
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # what only Python calls JSON: NaN, half a character
        return json.loads(text)


class Database:
    """An engine and its rules. ``read()`` sees one snapshot; ``write()`` commits when its block ends without an error."""

    def __init__(self, engine: AsyncEngine, file: Path | None = None) -> None:
        self.engine = engine
        self.file = file
        """SQLite's file, where threads may look at it beside this process's own work."""
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._writer = asyncio.Lock()
        self._brief: AsyncConnection | None = None
        self._glancing = asyncio.Lock()
        self._glance: AsyncConnection | None = None
        self.is_writable = True
        """False after a write that the database itself refused, until one succeeds: a full disk still answers reads."""
        self.damage = ""
        """What is broken in the file, from when it was noticed until it is replaced and the process started anew."""
        event.listen(engine.sync_engine, "handle_error", self._look_at, retval=True)

    @contextlib.asynccontextmanager
    async def read(self, *, is_brief: bool = False) -> AsyncIterator[AsyncConnection]:
        """A connection for SELECTs; nothing done with it is kept. ``is_brief`` promises short ones, which SQLite answers where they stand."""
        async with self.engine.connect() as connection:
            if is_brief and self.is_sqlite:
                raw: Any = (await connection.get_raw_connection()).driver_connection
                raw.be_brief()
            yield connection

    @contextlib.asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncConnection]:
        """``read`` for what is asked again and again: a few short SELECTs, which SQLite answers where they stand."""
        if not self.is_sqlite:
            async with self.read() as connection:
                yield connection
            return
        async with self._glancing:
            if self._glance is None or self._glance.closed or self._glance.invalidated:
                self._glance = await self.engine.connect()
            try:
                async with prepared.glanced(self._glance):
                    yield self._glance
            except BaseException:
                glance, self._glance = self._glance, None
                if glance is not None:
                    await asyncio.shield(glance.close())
                raise

    @contextlib.asynccontextmanager
    async def write(self, *, is_brief: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction for read-then-write. Await nothing but the database inside.

        ``is_brief`` promises a few short statements, which SQLite then does where they stand; only the commit waits in a thread.
        """
        turn = self._writer if self.is_sqlite else contextlib.nullcontext()
        async with turn, self._writing(is_brief=is_brief) as connection:
            with self._noticing():
                async with prepared.begun(connection) if is_brief and self.is_sqlite else connection.begin():
                    yield connection

    @contextlib.asynccontextmanager
    async def _writing(self, *, is_brief: bool) -> AsyncIterator[AsyncConnection]:
        """A connection to write with. SQLite's one writer keeps that of brief writes: taking one costs as much as what they do."""
        if not (is_brief and self.is_sqlite):
            async with self.engine.connect() as connection:
                yield await connection.execution_options(is_write=True, is_brief=is_brief)
            return
        if self._brief is None or self._brief.closed or self._brief.invalidated:
            self._brief = await self.engine.connect()
            await self._brief.execution_options(is_write=True, is_brief=True)
        try:
            yield self._brief
        except BaseException:
            await self._give_back()
            raise

    async def _give_back(self) -> None:
        """Of the connection of a write that failed nothing is known; the pool looks at it."""
        brief, self._brief = self._brief, None
        if brief is not None:
            await asyncio.shield(brief.close())

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            if self.is_sqlite or _state(error.orig) == _DISK_FULL:
                self.is_writable = False
            raise
        self.is_writable = True

    def _look_at(self, context: ExceptionContext) -> DBAPIError | None:
        """Notice damage, and call an error on PostgreSQL what SQLite's driver calls it."""
        error = context.original_exception
        if is_damage(error):
            self.note_damage(str(error))
        if isinstance(error, getattr(context.dialect.loaded_dbapi, "InternalClientError", ())):
            context.is_disconnect = (
                True  # asyncpg was asked while it still read why the server is ending the connection
            )
            return OperationalError(context.statement, context.parameters, error, connection_invalidated=True)
        if type(context.sqlalchemy_exception) is not DBAPIError:
            return None
        if _state(error).startswith(_DATA_STATE):
            return DataError(context.statement, context.parameters, error)
        return OperationalError(context.statement, context.parameters, error) if is_passing(error) else None

    def note_damage(self, reason: str) -> None:
        """Say once that the file is broken. What can still be read and written is."""
        if not self.damage:
            where = self.engine.url.database
            log.error("database_damaged", file=where, reason=reason, remedy=DAMAGE_REMEDY)
        self.damage = reason

    async def close(self) -> None:
        await self._give_back()
        if self._glance is not None:
            await self._glance.close()
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
        engine = create_async_engine(parsed, json_serializer=_plain, json_deserializer=_read)
        event.listen(engine.sync_engine, "checkin", _note_rest)
        event.listen(engine.sync_engine, "checkout", _wake)
        return Database(engine)
    path = parsed.database or ":memory:"
    engine = create_async_engine(
        parsed,
        async_creator=lambda: driver.connect(path, is_inline=is_inline),
        json_serializer=_plain,
        json_deserializer=_read,
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return Database(engine, None if is_inline or path == ":memory:" else Path(path))
