"""dashboard: storms of alarms with their members, selected and put into words for the ticket page and the alarm list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Label, Row, and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import present
from cloud.dashboard.present import Here
from cloud.dashboard.rows import Text, ticket_number
from cloud.storage import tables as t

MOST_MEMBERS: Final = 100
"""Lines of one storm on a page; the rest is counted."""
_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One alarm of a storm, however often it was raised in it."""

    severity: str
    equipment: str
    href: str
    condition: str
    times: int
    first: str
    last: str
    is_active: bool
    ticket: str


@dataclass(frozen=True, slots=True)
class StormCard:
    title: str
    note: str
    why: str
    members: tuple[MemberLine, ...]
    more: int


@dataclass(frozen=True, slots=True)
class PartOf:
    """The storm that a ticket's alarm belongs to."""

    number: str
    title: str


@dataclass(slots=True)
class _Member:
    row: Row[Any]
    severity: str
    times: int = 0
    first_at: int = 2**62
    last_at: int = 0
    is_active: bool = False
    ticket: int | None = None

    def add(self, row: Row[Any]) -> None:
        self.severity = min(self.severity, row.severity, key=present.severity_rank)
        self.times += row.times
        self.first_at, self.last_at = min(self.first_at, row.first_at), max(self.last_at, row.last_at)
        self.is_active = self.is_active or bool(row.active)
        self.ticket = row.ticket or self.ticket


def storm_ticket() -> Label[int | None]:
    """The ticket of a storm that an alarm of the enclosing query is a member of."""
    m = t.storm_member
    storm = and_(m.c.gateway_id == t.storm.c.gateway_id, m.c.storm_id == t.storm.c.id)
    own = and_(m.c.fault_key == t.alarm.c.fault_key, m.c.raised_at == t.alarm.c.raised_at)
    found = select(func.max(t.storm.c.ticket_id)).select_from(t.storm.join(m, storm)).where(own)
    return found.scalar_subquery().label("storm_ticket")


async def of_ticket(db: AsyncConnection, ticket: int, here: Here) -> list[StormCard]:
    """The storms that a ticket is about, newest first, each with its members, worst first."""
    query = select(t.storm).where(t.storm.c.ticket_id == ticket).order_by(t.storm.c.recognised_at.desc())
    return [await _card(db, row, here) for row in (await db.execute(query.limit(10))).all()]


async def part_of(db: AsyncConnection, ticket: int, here: Here) -> list[PartOf]:
    """The tickets of the storms that a ticket's own alarms belong to."""
    m = t.storm_member
    own = and_(t.alarm.c.fault_key == m.c.fault_key, t.alarm.c.raised_at == m.c.raised_at)
    query = (
        select(t.ticket.c.id, t.ticket.c.title)
        .where(
            t.ticket.c.id.in_(
                select(t.storm.c.ticket_id)
                .join(m, and_(m.c.gateway_id == t.storm.c.gateway_id, m.c.storm_id == t.storm.c.id))
                .join(t.alarm, own)
                .where(t.alarm.c.ticket_id == ticket)
            )
        )
        .order_by(t.ticket.c.id)
    )
    return [PartOf(ticket_number(row.id), here.words.text(row.title)) for row in await db.execute(query)]


async def _members(db: AsyncConnection, storm: Row[Any]) -> list[_Member]:
    m, a = t.storm_member, t.alarm
    what = (m.c.site_id, m.c.equipment_id, m.c.rule, m.c.instance, m.c.severity)
    own = and_(a.c.fault_key == m.c.fault_key, a.c.raised_at == m.c.raised_at)
    is_active = case((a.c.state == "active", 1), else_=0)
    query = (
        select(
            *what, func.count().label("times"), func.min(m.c.raised_at).label("first_at"),
            func.max(m.c.raised_at).label("last_at"), func.max(a.c.ticket_id).label("ticket"),
            func.max(is_active).label("active"),
        )
        .select_from(m.outerjoin(a, own))
        .where(m.c.gateway_id == storm.gateway_id, m.c.storm_id == storm.id)
        .group_by(*what)
    )  # fmt: skip
    found: dict[_Key, _Member] = {}
    for row in await db.execute(query):
        found.setdefault((row.equipment_id, row.rule, row.instance), _Member(row, row.severity)).add(row)
    return sorted(
        found.values(), key=lambda one: (not one.is_active, present.severity_rank(one.severity), one.first_at)
    )


async def _names(db: AsyncConnection, site: str, equipment: Sequence[str]) -> tuple[dict[str, Text], dict[_Key, Text]]:
    """What the equipment and its rules are called."""
    e, r = t.equipment, t.rule
    things = await db.execute(select(e.c.id, e.c.name).where(e.c.site_id == site, e.c.id.in_(equipment)))
    rules = await db.execute(
        select(r.c.equipment_id, r.c.id, r.c.name).where(r.c.site_id == site, r.c.equipment_id.in_(equipment))
    )
    return {row.id: row.name for row in things}, {(row.equipment_id, row.id, ""): row.name for row in rules}


async def _card(db: AsyncConnection, storm: Row[Any], here: Here) -> StormCard:
    words = here.words
    members = await _members(db, storm)
    things, rules = await _names(db, storm.site_id, sorted({one.row.equipment_id for one in members}))
    lines = [
        _line(one, things.get(one.row.equipment_id), rules.get((one.row.equipment_id, one.row.rule, "")), here)
        for one in members[:MOST_MEMBERS]
    ]
    since = here.when(storm.began_at, seconds=True)
    running = words("storm.since", at=since)
    until = here.when(storm.ended_at, seconds=True) if storm.ended_at is not None else ""
    return StormCard(
        title=words(f"storm.{storm.kind}"), note=words("storm.over", since=since, until=until) if until else running,
        why=words(f"storm.why_{storm.kind}", within=present.duration(storm.within_ms / 1000, words)),
        members=tuple(lines), more=len(members) - len(lines),
    )  # fmt: skip


def _line(one: _Member, thing: Text | None, rule: Text | None, here: Here) -> MemberLine:
    row, words = one.row, here.words
    condition = words.text(rule, words.or_id("rule", row.rule))
    return MemberLine(
        severity=one.severity, equipment=words.text(thing, row.equipment_id),
        href=f"/equipment/{row.site_id}/{row.equipment_id}",
        condition=f"{condition}: {row.instance.replace('_', ' ')}" if row.instance else condition, times=one.times,
        first=here.when(one.first_at, seconds=True), last=here.when(one.last_at, seconds=True),
        is_active=one.is_active, ticket=ticket_number(one.ticket) if one.ticket else "",
    )  # fmt: skip
