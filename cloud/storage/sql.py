"""Storage: the one statement that SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

Values = Mapping[str, Any]


async def insert_new(connection: AsyncConnection, table: Table, values: Values) -> bool:
    """Insert unless a unique key says it is there already. True when it was inserted."""
    statement = _insert(connection, table).values(**values).on_conflict_do_nothing()
    return (await connection.execute(statement)).rowcount > 0


async def insert_all_new(connection: AsyncConnection, table: Table, rows: Sequence[Values]) -> None:
    """Insert many rows, without those that a unique key says are there already."""
    if rows:
        await connection.execute(_insert(connection, table).on_conflict_do_nothing(), list(rows))


async def upsert(connection: AsyncConnection, table: Table, keys: Sequence[str], rows: Sequence[Values]) -> None:
    """Insert rows, or bring those with the same ``keys`` to the given values; columns not given keep theirs."""
    if not rows:
        return
    statement = _insert(connection, table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    if changed:
        statement = statement.on_conflict_do_update(index_elements=list(keys), set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(keys))
    await connection.execute(statement, list(rows))


def _insert(connection: AsyncConnection, table: Table) -> Any:  # noqa: ANN401  two dialects, one shape
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
