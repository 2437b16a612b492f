"""Storage: statements that every event runs, compiled once and handed to the driver as they are.

SQLAlchemy looks a statement up, makes a context for it and a result, each time: several times what a short one takes itself. Here
its own compiler and its own types do their work once; errors become SQLAlchemy's, as if it had run the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

from sqlalchemy import Connection, Dialect, Float
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from cloud.storage.driver import DriverConnection

Values = Mapping[str, Any]
Row = dict[str, Any]
_Process = Callable[[Any], Any] | None
_Take = Callable[[Values], Any]
_Told = list[tuple[Any, ...]]
_NOTHING: Values = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Plan:
    """A statement of one dialect, for lists of certain lengths."""

    sql: str
    takes: tuple[_Take, ...]
    """What makes each parameter, in the order in which the driver wants them."""
    names: tuple[str, ...]
    """Columns of the rows that come back; empty where none do."""
    processes: tuple[tuple[int, Callable[[Any], Any]], ...]
    """Columns that the driver does not give as they are meant."""

    def parameters(self, values: Values) -> tuple[Any, ...]:
        return tuple([take(values) for take in self.takes])

    def tidy(self, rows: Sequence[Any]) -> _Told:
        if not self.processes:
            return [tuple(row) for row in rows]
        return [self._tidy(list(row)) for row in rows]

    def _tidy(self, row: list[Any]) -> tuple[Any, ...]:
        for place, process in self.processes:
            row[place] = process(row[place])
        return tuple(row)


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
        key = (dialect.name, *[(name, _size(value)) for name, value in values.items()])
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
    takes = []
    for part in state.positiontup or ():
        name, place = lists.get(part, (part, -1))
        bound = compiled.binds[name]
        process = bound.type.dialect_impl(dialect).bind_processor(dialect)
        if name in values:
            takes.append(_taking(name, place, process))
        else:
            fixed = state.parameters[part]
            takes.append(_always(process(fixed) if process else fixed))
    columns = list(statement.exported_columns) if is_asking else []
    found = [(place, _result(column.type, dialect)) for place, column in enumerate(columns)]
    processes = tuple((place, process) for place, process in found if process is not None)
    return _Plan(state.statement, tuple(takes), tuple(column.key for column in columns), processes)


def _result(kind: TypeEngine[Any], dialect: Dialect) -> _Process:
    if isinstance(
        kind, Float
    ):  # both drivers give floats as they are; SQLAlchemy would first ask which kind a server sent
        return None
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _always(value: Any) -> _Take:  # noqa: ANN401  a parameter
    return lambda _: value


def _taking(name: str, place: int, process: _Process) -> _Take:
    if place >= 0:
        taken: _Take = lambda values: values[name][min(place, len(values[name]) - 1)]  # noqa: E731
    else:
        taken = lambda values: values[name]  # noqa: E731
    return taken if process is None else lambda values: process(taken(values))


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
