"""Storage: the one statement that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Values = Mapping[str, Any]


async def insert_new(connection: AsyncConnection, table: Table, values: Values) -> bool:
    """Insert unless a unique key says it is there already. True when it was inserted."""
    return (await connection.execute(_insert_new(connection.dialect.name, table), values)).rowcount > 0


async def insert_all_new(connection: AsyncConnection, table: Table, rows: Sequence[Values]) -> None:
    """Insert many rows, without those that a unique key says are there already."""
    if rows:
        await connection.execute(_insert_new(connection.dialect.name, table), list(rows))


async def upsert(connection: AsyncConnection, table: Table, keys: Sequence[str], rows: Sequence[Values]) -> None:
    """Insert rows, or bring those with the same ``keys`` to the given values; columns not given keep theirs."""
    if rows:
        await connection.execute(_upsert(connection.dialect.name, table, tuple(keys), tuple(rows[0])), list(rows))


@cache
def _insert_new(dialect: str, table: Table) -> Any:  # noqa: ANN401  two dialects, one shape
    """Made once: SQLAlchemy recognises its own statement sooner than an equal one."""
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def _upsert(dialect: str, table: Table, keys: tuple[str, ...], names: tuple[str, ...]) -> Any:  # noqa: ANN401
    statement = _insert(dialect, table)
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    if changed:
        return statement.on_conflict_do_update(index_elements=list(keys), set_=changed)
    return statement.on_conflict_do_nothing(index_elements=list(keys))


def _insert(dialect: str, table: Table) -> Any:  # noqa: ANN401
    return (sqlite if dialect == "sqlite" else postgresql).insert(table)
