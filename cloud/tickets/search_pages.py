"""Which tickets → one page of them: numbers by keyset, counts that are exact as far as that is cheap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Integer, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.tickets.search_filter import COLUMNS, After, Reading, Wanted, Wrong, conditions, follows, query
from contract.conventions import EpochMs

MOST_COUNTED: Final = 10_000
"""Above it a list says "more than"; its pages up to there have numbers, those beyond are reached one after another."""


@dataclass(frozen=True, slots=True)
class Count:
    """How many; ``is_more`` when there are more than were counted."""

    n: int
    is_more: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """One page: its tickets in their order, and where the next one begins."""

    numbers: tuple[int, ...]
    next: After | None


async def page(
    connection: AsyncConnection, wanted: Wanted, now: EpochMs, size: int, *, skip: int = 0, after: After | None = None
) -> Found:
    """So many tickets of a list, from a place in it or after a ticket."""
    asked = query(wanted, now, is_sqlite=connection.dialect.name == "sqlite").limit(size + 1).offset(skip)
    if after is not None:
        asked = asked.where(follows(wanted.sort, after))
    rows = (await connection.execute(asked)).all()
    last = rows[size - 1] if len(rows) > size else None
    return Found(tuple(row.id for row in rows[:size]), After(last.id, last.next_due_at) if last else None)


async def count(connection: AsyncConnection, wanted: Wanted, now: EpochMs, most: int = MOST_COUNTED) -> Count:
    """How many tickets a list has, ``most`` at most."""
    return (await counts(connection, [wanted], now, most))[0]


async def counts(
    connection: AsyncConnection, wanted: Sequence[Wanted], now: EpochMs, most: int = MOST_COUNTED
) -> list[Count]:
    """How many tickets each of several lists has, asked in one statement.

    The limit is written out: PostgreSQL plans a statement that it has seen often without looking at its parameters, and would
    plan for all rows.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    enough: ColumnElement[int] = literal_column(str(int(most) + 1), Integer)
    asked = []
    for one in wanted:
        some = select(t.ticket.c.id).where(*conditions(one, now, is_sqlite=is_sqlite)).limit(enough).subquery()
        asked.append(select(func.count()).select_from(some).scalar_subquery())
    found = (await connection.execute(select(*asked))).one()
    return [Count(min(n, most), n > most) for n in found]


_PLACES: Final[Mapping[str, tuple[Column[Any], ...]]] = {
    "site": (t.site.c.id, t.ticket.c.site_id), "system": (t.equipment.c.system, t.ticket.c.system),
    "equipment": (t.equipment.c.id, t.ticket.c.equipment_id), "rule": (t.rule.c.id, t.ticket.c.rule),
    "clause": (t.rule.c.clause, t.periodic_test.c.clause, t.ticket.c.clause),
    "holder": (t.app_user.c.name, t.ticket.c.holder),
}  # fmt: skip
"""Where the ids of a filter are known from."""
_ALWAYS: Final = ("periodic_test", "gateway_silent")


async def unknown(connection: AsyncConnection, reading: Reading) -> list[Wrong]:
    """Values of the right form that name nothing here: told, instead of a list that is empty for no visible reason."""
    said = {name: (reading.wanted.equal or {}).get(COLUMNS[name], ()) for name in _PLACES if name in COLUMNS}
    said["holder"] = (reading.wanted.holder,) if reading.wanted.holder else ()
    return [
        Wrong(name, value) for name, values in said.items() for value in values
        if value not in _ALWAYS and not await _is_known(connection, _PLACES[name], value)
    ]  # fmt: skip


async def _is_known(connection: AsyncConnection, columns: Sequence[Column[Any]], value: str) -> bool:
    for column in columns:
        if (await connection.execute(select(column).where(column == value).limit(1))).first() is not None:
            return True
    return False
