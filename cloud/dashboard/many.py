"""dashboard: what the shell, the wall and the lists need of tickets and alarms, however many there are.

Nothing here reads all open tickets: counts stop where they are no longer cheap, and rows are asked for by their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, and_, distinct, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import views
from cloud.dashboard.rows import AlarmRow, TicketRow
from cloud.storage import tables as t
from cloud.tickets import search_pages
from cloud.tickets.search_filter import Wanted, is_open
from cloud.tickets.search_pages import Count
from contract.conventions import EpochMs

WORST_FIRST: Final = (("life_safety",), ("critical",), ("major", ""), ("minor",), ("advisory",))
"""Severities as work is sorted: what has none, a missed test or what a person entered, ranks as major."""


def is_shown(now: EpochMs) -> ColumnElement[bool]:
    """An active alarm that is not silenced (tile.is_shown says the same of a row)."""
    a = t.alarm.c
    return and_(a.state == "active", a.suppressed_by == "", or_(a.shelved_until.is_(None), a.shelved_until <= now))


async def count_alarms(db: AsyncConnection, now: EpochMs) -> int:
    return int((await db.execute(select(func.count()).select_from(t.alarm).where(is_shown(now)))).scalar_one())


async def life_alarms(db: AsyncConnection) -> list[AlarmRow]:
    """Active life-safety alarms that nobody has acknowledged, oldest first."""
    a = t.alarm.c
    return await views.alarms(db, a.state == "active", a.severity == "life_safety", a.acknowledged_at.is_(None))


async def rows(db: AsyncConnection, numbers: Sequence[int]) -> list[TicketRow]:
    """These tickets, in this order."""
    found = (
        {row.id: row for row in await views.tickets(db, t.ticket.c.id.in_(numbers), limit=len(numbers))}
        if numbers
        else {}
    )
    return [found[number] for number in numbers if number in found]


async def count_open(db: AsyncConnection, now: EpochMs, wanted: Wanted | None = None) -> Count:
    return await search_pages.count(db, replace(wanted or Wanted(), is_open=True), now)


async def worst(db: AsyncConnection, site: str, most: int) -> list[TicketRow]:
    """Open tickets by severity, then by what is due next."""
    c = t.ticket.c
    numbers: list[int] = []
    for severities in WORST_FIRST:
        query = select(c.id, c.next_due_at).where(is_open(), *([c.site_id == site] if site else []))
        found = [row for one in severities for row in await db.execute(
            query.where(c.severity == one).order_by(c.next_due_at, c.id).limit(most))]  # fmt: skip
        numbers += [row.id for row in sorted(found, key=lambda row: (row.next_due_at, row.id))]
        if len(numbers) >= most:
            break
    return await rows(db, numbers[:most])


async def of_machines(db: AsyncConnection, site: str = "", most: int = 1) -> list[TicketRow]:
    """The oldest open tickets of each piece of equipment, so many of each."""
    e, c = t.equipment.c, t.ticket.c
    own = select(c.id).where(is_open(), c.site_id == e.site_id, c.equipment_id == e.id).order_by(c.id).limit(1)
    query = select(*(own.offset(place).scalar_subquery() for place in range(most))).select_from(t.equipment)
    found = await db.execute(query.where(e.site_id == site) if site else query)
    return await rows(db, sorted(number for row in found for number in row if number is not None))


async def count_missed_tests(db: AsyncConnection, now: EpochMs) -> int:
    """Tests whose due day is over without a pass."""
    o, r, p = t.occurrence.c, t.test_result.c, t.periodic_test.c
    passed = exists().where(
        r.site_id == o.site_id, r.equipment_id == o.equipment_id, r.test == o.test, r.passed, r.ended_at >= o.due_at
    )
    known = and_(p.site_id == o.site_id, p.equipment_id == o.equipment_id, p.id == o.test)
    is_missed = or_(and_(o.state == "missed", ~passed), and_(o.state == "due", o.due_at < now))
    key = o.site_id + "/" + o.equipment_id + "/" + o.test
    query = select(func.count(distinct(key))).select_from(t.occurrence.join(t.periodic_test, known)).where(is_missed)
    return int((await db.execute(query)).scalar_one())
