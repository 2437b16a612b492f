"""Storage: statements that every event runs, compiled once and handed to the driver as they are.

SQLAlchemy looks a statement up, makes a context for it and a result, each time: several times what a short one takes itself. Here
its own compiler and its own types do their work once; errors become SQLAlchemy's, as if it had run the statement.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NoReturn

from sqlalchemy import JSON, Boolean, Connection, Dialect, Float, LargeBinary
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from cloud.storage.driver import DriverConnection

Values = Mapping[str, Any]
Row = dict[str, Any]
_Process = Callable[[Any], Any] | None
_Take = Callable[[Values], tuple[Any, ...]]
_Told = list[tuple[Any, ...]]
_NOTHING: Values = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Plan:
    """A statement of one dialect, for lists of certain lengths."""

    sql: str
    parameters: _Take
    """What the driver wants, in its order."""
    names: tuple[str, ...]
    """Columns of the rows that come back; empty where none do."""
    processes: tuple[tuple[int, Callable[[Any], Any]], ...]
    """Columns that the driver does not give as they are meant."""

    def tidy(self, rows: Sequence[Any]) -> _Told:
        if not self.processes:
            return [tuple(row) for row in rows]
        return [tuple(_dressed(list(row), self.processes)) for row in rows]


class Prepared:
    """One statement. Its parameters are ``bindparam`` without a value, or the columns of an insert."""

    def __init__(self, statement: Any) -> None:  # noqa: ANN401  SELECT, INSERT, UPDATE of every dialect
        self._statement = statement
        self._plans: dict[tuple[Any, ...], _Plan] = {}

    async def rows(self, connection: AsyncConnection, values: Values = _NOTHING) -> list[Row]:
        """Every row, by the names of its columns."""
        plan = self._plan(connection.dialect, values)
        return [dict(zip(plan.names, row, strict=True)) for row in await _ask(connection, plan, values)]

    async def tuples(self, connection: AsyncConnection, values: Values = _NOTHING) -> _Told:
        """Every row, in the order of its columns."""
        return await _ask(connection, self._plan(connection.dialect, values), values)

    async def run(self, connection: AsyncConnection, *rows: Values) -> int:
        """Once for each of ``rows``, which all name the same columns; how many rows of the table that touched, where it is one."""
        if not rows:
            return 0
        plan = self._plan(connection.dialect, rows[0])
        return await _tell(connection, plan, [plan.parameters(row) for row in rows])

    def _plan(self, dialect: Dialect, values: Values) -> _Plan:
        key = (dialect.name, *values, *[_size(value) for value in values.values() if type(value) is tuple])
        if (plan := self._plans.get(key)) is None:
            plan = self._plans[key] = _planned(self._statement, dialect, values)
        return plan


def _size(value: object) -> int:
    """Lists are filled up to a power of two, so that a statement has few forms."""
    return 1 << (len(value) - 1).bit_length() if isinstance(value, tuple) and value else -isinstance(value, tuple)


def _planned(statement: Any, dialect: Dialect, values: Values) -> _Plan:  # noqa: ANN401
    is_asking = bool(statement.is_select or statement.exported_columns)
    compiled = statement.compile(dialect=dialect, column_keys=list(values), for_executemany=not is_asking)
    assert isinstance(compiled, SQLCompiler)  # noqa: S101  for mypy
    sample = {
        name: [None] * max(0, _size(value)) if isinstance(value, tuple) else None for name, value in values.items()
    }
    state = compiled.construct_expanded_state(sample)
    lists = {
        part: (name, place) for name, parts in state.parameter_expansion.items() for place, part in enumerate(parts)
    }
    found: list[_Part] = []
    for part in state.positiontup or ():
        name, place = lists.get(part, (part, -1))
        process = _given(compiled.binds[name].type, dialect)
        fixed = state.parameters.get(part) if name not in values else None
        found.append(_Part(name, place, process, name not in values, process(fixed) if process else fixed))
    columns = list(statement.exported_columns) if is_asking else []
    given = [(place, _result(column.type, dialect)) for place, column in enumerate(columns)]
    processes = tuple((place, process) for place, process in given if process is not None)
    return _Plan(state.statement, _taking(found), tuple(column.key for column in columns), processes)


def _given(kind: TypeEngine[Any], dialect: Dialect) -> _Process:
    """What makes a parameter of a value. Both drivers take bytes and truth as they are; of JSON only the text is made."""
    if isinstance(kind, LargeBinary | Boolean):
        return None
    write: Callable[[Any], str] | None = getattr(dialect, "_json_serializer", None)
    if isinstance(kind, JSON) and kind.none_as_null and write is not None:
        return lambda value: None if value is None else write(value)
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result(kind: TypeEngine[Any], dialect: Dialect) -> _Process:
    if isinstance(
        kind, Float
    ):  # both drivers give floats as they are; SQLAlchemy would first ask which kind a server sent
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)


@dataclass(frozen=True, slots=True)
class _Part:
    """One parameter: a value by its name, one of a list (``place`` in it), or what the statement itself has fixed."""

    name: str
    place: int
    process: _Process
    is_fixed: bool
    fixed: Any

    def follows(self, other: _Part) -> bool:
        """Whether it is taken together with the one before it: both fixed, both by name, or the next of the same list."""
        if self.is_fixed or other.is_fixed:
            return self.is_fixed and other.is_fixed
        return (self.place > 0) if other.place >= 0 else self.place < 0


def _taking(parts: Sequence[_Part]) -> _Take:
    """What makes the parameters of values: whole rows at a time, because an event has hundreds."""
    runs: list[list[_Part]] = []
    for part in parts:
        if runs and part.follows(runs[-1][-1]):
            runs[-1].append(part)
        else:
            runs.append([part])
    takes = [_taking_run(run) for run in runs]
    return takes[0] if len(takes) == 1 else lambda values: tuple(chain.from_iterable([take(values) for take in takes]))


def _taking_run(parts: Sequence[_Part]) -> _Take:
    if parts[0].is_fixed:
        fixed = tuple(part.fixed for part in parts)
        return lambda _: fixed
    if parts[0].place >= 0:
        return _taking_list(parts[0], len(parts))
    pick = itemgetter(*(part.name for part in parts))
    row: _Take = pick if len(parts) > 1 else lambda values: (pick(values),)
    dressed = [(place, part.process) for place, part in enumerate(parts) if part.process is not None]
    return row if not dressed else lambda values: tuple(_dressed(list(row(values)), dressed))


def _dressed(row: list[Any], processes: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    for place, process in processes:
        row[place] = process(row[place])
    return row


def _taking_list(part: _Part, size: int) -> _Take:
    """A list, filled up with its last value."""

    def take(values: Values) -> tuple[Any, ...]:
        told: tuple[Any, ...] = values[part.name]
        whole = told + told[-1:] * (size - len(told))
        return whole if part.process is None else tuple(map(part.process, whole))

    return take


# --- to the driver ------------------------------------------------------------------------------------------------


async def _ask(connection: AsyncConnection, plan: _Plan, values: Values) -> _Told:
    parameters = plan.parameters(values)
    driver = _driver(connection)
    if driver is None:
        return plan.tidy(await connection.run_sync(_fetch, plan.sql, parameters))
    try:
        return plan.tidy(await driver.ask(plan.sql, parameters))
    except Exception as error:
        await connection.run_sync(_fail, error, plan.sql, parameters)
        raise


async def _tell(connection: AsyncConnection, plan: _Plan, rows: _Told) -> int:
    driver = _driver(connection)
    if driver is None:
        return await connection.run_sync(_write, plan.sql, rows)
    try:
        return await driver.tell(plan.sql, rows)
    except Exception as error:
        await connection.run_sync(_fail, error, plan.sql, rows)
        raise


class _Postgres:
    """PostgreSQL's driver in a transaction that SQLAlchemy has begun."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401  an asyncpg connection, imported only where there is one
        self._driver = driver

    async def ask(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        found: list[Any] = await self._driver.fetch(sql, *parameters)
        return found

    async def tell(self, sql: str, rows: _Told) -> int:
        if len(rows) > 1:
            await self._driver.executemany(sql, rows)
            return -1
        status: str = await self._driver.execute(sql, *rows[0])
        return int(status.rpartition(" ")[2])


@asynccontextmanager
async def begun(connection: AsyncConnection) -> AsyncIterator[None]:
    """A brief write of SQLite. SQLAlchemy hears of its transaction when it has a statement to run itself; mostly it has none."""
    driver = _driver(connection)
    if not (isinstance(driver, DriverConnection) and driver.begin_at_once()):
        async with connection.begin():
            yield
        return
    try:
        yield
    except BaseException:
        await (connection.rollback() if connection.in_transaction() else driver.rollback())
        raise
    if connection.in_transaction():
        await connection.commit()
        return
    try:
        await driver.commit()
    except Exception as error:
        await connection.run_sync(_fail, error, "COMMIT", ())
        raise


@asynccontextmanager
async def glanced(connection: AsyncConnection) -> AsyncIterator[None]:
    """A brief read of SQLite, of which SQLAlchemy mostly hears nothing, as of a write in ``begun``."""
    driver = _driver(connection)
    assert isinstance(driver, DriverConnection)  # noqa: S101  the caller knows its database
    driver.look()
    try:
        yield
    finally:
        if connection.in_transaction():
            await connection.rollback()
        else:
            driver.look_away()


def _driver(connection: AsyncConnection) -> DriverConnection | _Postgres | None:
    """The database's own connection, which needs nobody in between; None where SQLAlchemy has its transaction to begin first."""
    assert connection.sync_connection is not None  # noqa: S101  it is in a transaction
    driver: Any = connection.sync_connection.connection.driver_connection
    if isinstance(driver, DriverConnection):
        return driver
    return _Postgres(driver) if connection.dialect.driver == "asyncpg" and driver.is_in_transaction() else None


def _fetch(connection: Connection, sql: str, parameters: tuple[Any, ...]) -> Sequence[Any]:
    cursor = connection.connection.cursor()
    try:
        cursor.execute(sql, parameters)
        return cursor.fetchall()
    except connection.dialect.loaded_dbapi.Error as error:
        connection._handle_dbapi_exception(error, sql, parameters, None, None)  # noqa: SLF001
    finally:
        cursor.close()


def _write(connection: Connection, sql: str, rows: _Told) -> int:
    cursor = connection.connection.cursor()
    try:
        if len(rows) == 1:
            cursor.execute(sql, rows[0])
        else:
            cursor.executemany(sql, rows)
        return int(cursor.rowcount)
    except connection.dialect.loaded_dbapi.Error as error:
        connection._handle_dbapi_exception(error, sql, rows, None, None)  # noqa: SLF001
    finally:
        cursor.close()


def _fail(connection: Connection, error: Exception, sql: str, parameters: Any) -> NoReturn:  # noqa: ANN401
    """What SQLAlchemy does with an error of the driver: tell those who watch, give a broken connection up, raise its own."""
    adapter: Any = connection.connection.dbapi_connection
    try:
        adapter._handle_exception(error)  # noqa: SLF001  there is no other door, here and below
    except Exception as adapted:  # noqa: BLE001  whatever it is, the next line raises it
        connection._handle_dbapi_exception(adapted, sql, parameters, None, None)  # noqa: SLF001
    raise error
