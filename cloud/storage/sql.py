"""Storage: the one statement that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage.prepared import Prepared

Values = Mapping[str, Any]


async def insert_new(connection: AsyncConnection, table: Table, values: Values) -> bool:
    """Insert unless a unique key says it is there already. True when it was inserted."""
    return await _insert_new(connection.dialect.name, table).run(connection, values) > 0


async def insert_all_new(connection: AsyncConnection, table: Table, rows: Sequence[Values]) -> None:
    """Insert many rows, without those that a unique key says are there already."""
    if rows:
        await _insert_new(connection.dialect.name, table).run(connection, *rows)


async def upsert(connection: AsyncConnection, table: Table, keys: Sequence[str], rows: Sequence[Values]) -> None:
    """Insert rows, or bring those with the same ``keys`` to the given values; columns not given keep theirs."""
    if rows:
        await _upsert(connection.dialect.name, table, tuple(keys), tuple(rows[0])).run(connection, *rows)


@cache
def _insert_new(dialect: str, table: Table) -> Prepared:
    return Prepared(_insert(dialect, table).on_conflict_do_nothing())


@cache
def _upsert(dialect: str, table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Prepared:
    statement = _insert(dialect, table)
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    if changed:
        return Prepared(statement.on_conflict_do_update(index_elements=list(keys), set_=changed))
    return Prepared(statement.on_conflict_do_nothing(index_elements=list(keys)))


def _insert(dialect: str, table: Table) -> Any:  # noqa: ANN401  two dialects, one shape
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)
