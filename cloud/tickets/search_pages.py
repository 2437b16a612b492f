"""Which tickets → one page of them: numbers by keyset, counts that are exact as far as that is cheap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.tickets.search_filter import After, Wanted, conditions, follows, query
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
    where = conditions(wanted, now, is_sqlite=connection.dialect.name == "sqlite")
    some = select(t.ticket.c.id).where(*where).limit(most + 1).subquery()
    found = int((await connection.execute(select(func.count()).select_from(some))).scalar_one())
    return Count(min(found, most), found > most)


async def counts(
    connection: AsyncConnection, wanted: Sequence[Wanted], now: EpochMs, most: int = MOST_COUNTED
) -> list[Count]:
    """Of several lists."""
    return [await count(connection, one, now, most) for one in wanted]
