"""Ingest → tickets: a storm of alarms becomes one alarm of its own, with one ticket, and lists its members.

The storm's alarm and ticket live like those of any fault: the database keeps one open ticket for each kind of storm in one
place, a storm that comes back joins it, and its priority is that of its worst member. What a gateway tells may come twice or,
out of quarantine, in any order; a storm is known by the id its gateway gave it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, RowMapping, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.sql import insert_new, upsert
from cloud.tickets import faults, joining, repository
from cloud.tickets.desk import Desk, record
from cloud.tickets.docket import Place
from cloud.tickets.faults import Ended, News
from cloud.tickets.repository import Happening
from cloud.tickets.ticket import OPEN_STATES, ticket_name
from cloud.tickets.triage import CHATTERING, FLOOD
from contract.conventions import EpochMs
from contract.messages import Severity


@dataclass(frozen=True, slots=True)
class Member:
    """One activation of an alarm that belongs to a storm."""

    place: Place
    severity: str
    raised_at: EpochMs


@dataclass(frozen=True, slots=True)
class Storm:
    """A storm as its gateway told it. Instants in epoch milliseconds."""

    gateway_id: str
    id: str
    kind: str
    place: Place
    """Of its own alarm: the gateway, or the equipment whose alarm chatters."""
    began_at: EpochMs
    recognised_at: EpochMs
    within_ms: int = 0


def place_of(site_id: str, gateway_id: str, chatters: Place) -> Place:
    """Where a storm's own alarm lives. ``chatters`` is the alarm that chatters, without a rule for a flood."""
    if not chatters.rule:
        return Place(site_id, gateway_id, FLOOD)
    instance = "/".join(part for part in (chatters.rule, chatters.instance) if part)
    return Place(site_id, chatters.equipment_id, CHATTERING, instance)


async def began(
    desk: Desk, connection: AsyncConnection, storm: Storm, members: Sequence[Member], event_id: str, now: EpochMs
) -> None:
    """A storm was recognised: its alarm and its one ticket. Told again, nothing changes."""
    await add_members(connection, storm.gateway_id, storm.id, members)
    row = await _keep(connection, storm)
    if row["ticket_id"] is not None:
        return
    severity, clause = await _worst(connection, storm)
    news = News(
        storm.place, severity, clause, storm.began_at, storm.recognised_at, [], event_id,
        is_over=row["ended_at"] is not None, source=storm.gateway_id,
    )  # fmt: skip
    await faults.raised(desk, connection, news, now)
    alarm = await faults.active_alarm(connection, storm.place)
    if alarm is not None and alarm["raised_at"] == storm.recognised_at:
        await connection.execute(update(t.storm).where(_is(storm)).values(ticket_id=alarm["ticket_id"]))
        await _take_in(desk, connection, alarm["ticket_id"], _members(storm.gateway_id, storm.id), event_id, now)
    if row["ended_at"] is not None:
        await faults.cleared(desk, connection, Ended(storm.place, row["ended_at"], event_id), now)


async def ended(desk: Desk, connection: AsyncConnection, storm: Storm, end: Ended, raises: int, now: EpochMs) -> None:
    """A storm is over: its ticket notes it, with how often its members were raised, and can be closed without a reason."""
    await _keep(connection, storm)
    await connection.execute(update(t.storm).where(_is(storm)).values(ended_at=end.at))
    alarm = await faults.active_alarm(connection, storm.place)
    if alarm is not None and alarm["raised_at"] <= storm.recognised_at:
        facts = {"raises": raises}
        await faults.cleared(desk, connection, Ended(end.place, end.at, end.event_id, facts, end.is_old_news), now)


async def joined(
    desk: Desk, connection: AsyncConnection, gateway_id: str, ids: Sequence[str], member: Member, event_id: str, now: EpochMs
) -> None:  # fmt: skip
    """An alarm was raised inside these storms. One that is worse than their tickets raises them."""
    for name in ids:
        await add_members(connection, gateway_id, name, [member])
    await worsened(desk, connection, member, event_id, now)
    if member.severity == Severity.LIFE_SAFETY:  # nothing else that is raised inside a storm opens a ticket of its own
        await take_in(desk, connection, member, event_id, now)


async def take_in(desk: Desk, connection: AsyncConnection, member: Member, event_id: str, now: EpochMs) -> None:
    """A member has a ticket of its own now: the ticket of its storm becomes the parent of that."""
    own = and_(t.storm_member.c.fault_key == member.place.key, t.storm_member.c.raised_at == member.raised_at)
    for storm in await storms_of(connection, member):
        if storm["ticket_id"] is not None:
            await _take_in(desk, connection, storm["ticket_id"], own, event_id, now)


async def _take_in(
    desk: Desk, connection: AsyncConnection, parent: int, which: ColumnElement[bool], event_id: str, now: EpochMs
) -> None:
    """The open tickets of these members that have no parent yet get this one, each change a line on its timeline."""
    m, ticket = t.storm_member, t.ticket.c
    own = and_(t.alarm.c.fault_key == m.c.fault_key, t.alarm.c.raised_at == m.c.raised_at)
    of_members = select(t.alarm.c.ticket_id).select_from(m.join(t.alarm, own)).where(which)
    alone = and_(ticket.parent_ticket_id.is_(None), ticket.state.in_([str(state) for state in OPEN_STATES]))
    query = select(t.ticket).where(ticket.id.in_(of_members), ticket.id != parent, alone).order_by(ticket.id)
    rows = (await connection.execute(query.with_for_update())).mappings().all()
    storm = await repository.ticket(connection, parent) if rows else None
    upper = await joining.above(connection, storm) if storm is not None else []
    children = [row for row in rows if row["id"] not in upper]
    if storm is None or not children:
        return
    for child in children:
        line = Happening(
            now, "joined_parent", "machine", "", {"parent": ticket_name(parent)}, f"storm:{parent}:{child['id']}"
        )
        await record(desk, connection, child, line, now, {"parent_ticket_id": parent})
    told = {"tickets": [ticket_name(child["id"]) for child in children]}
    joined_now = Happening(now, "child_joined", "machine", "", told, f"storm:{parent}:{event_id}")
    await record(desk, connection, storm, joined_now, now)


def _members(gateway_id: str, storm_id: str) -> ColumnElement[bool]:
    return and_(t.storm_member.c.gateway_id == gateway_id, t.storm_member.c.storm_id == storm_id)


async def worsened(desk: Desk, connection: AsyncConnection, member: Member, event_id: str, now: EpochMs) -> None:
    """A member is as severe as this now; so is each of its running storms at least."""
    for storm in await storms_of(connection, member):
        if storm["ended_at"] is not None:
            continue
        query = select(t.alarm).where(t.alarm.c.fault_key == storm["fault_key"], t.alarm.c.state == "active")
        alarm = (await connection.execute(query)).mappings().one_or_none()
        if alarm is not None and Severity(member.severity).rank > Severity(alarm["severity"]).rank:
            place = Place(alarm["site_id"], alarm["equipment_id"], alarm["rule"], alarm["instance"])
            values = {"severity": member.severity}
            await faults.changed(desk, connection, place, values, f"{event_id}:{storm['id']}", now)


async def storms_of(connection: AsyncConnection, member: Member) -> Sequence[RowMapping]:
    """The storms that an activation belongs to."""
    own = and_(t.storm.c.gateway_id == t.storm_member.c.gateway_id, t.storm.c.id == t.storm_member.c.storm_id)
    query = (
        select(t.storm)
        .join(t.storm_member, own)
        .where(t.storm_member.c.fault_key == member.place.key, t.storm_member.c.raised_at == member.raised_at)
        .order_by(t.storm.c.recognised_at, t.storm.c.id)
    )
    return (await connection.execute(query)).mappings().all()


async def add_members(connection: AsyncConnection, gateway_id: str, storm_id: str, members: Sequence[Member]) -> None:
    """Note who belongs to a storm, each activation once."""
    rows = {
        (one.place.key, one.raised_at): {
            "gateway_id": gateway_id, "storm_id": storm_id, "fault_key": one.place.key, "raised_at": one.raised_at,
            "site_id": one.place.site_id, "equipment_id": one.place.equipment_id, "rule": one.place.rule,
            "instance": one.place.instance, "severity": one.severity,
        }
        for one in members
    }  # fmt: skip
    await upsert(connection, t.storm_member, ("gateway_id", "storm_id", "fault_key", "raised_at"), list(rows.values()))


async def _keep(connection: AsyncConnection, storm: Storm) -> RowMapping:
    """The storm's row, made when it is not there."""
    values = {
        "gateway_id": storm.gateway_id, "id": storm.id, "site_id": storm.place.site_id, "kind": storm.kind,
        "fault_key": storm.place.key, "began_at": storm.began_at, "recognised_at": storm.recognised_at,
        "within_ms": storm.within_ms,
    }  # fmt: skip
    is_new = await insert_new(connection, t.storm, values)
    if not is_new and storm.within_ms:
        await connection.execute(update(t.storm).where(_is(storm)).values(within_ms=storm.within_ms))
    return (await connection.execute(select(t.storm).where(_is(storm)))).mappings().one()


def _is(storm: Storm) -> ColumnElement[bool]:
    return and_(t.storm.c.gateway_id == storm.gateway_id, t.storm.c.id == storm.id)


async def _worst(connection: AsyncConnection, storm: Storm) -> tuple[str, str]:
    """The worst severity among the members known so far, and the clause of that member."""
    m = t.storm_member
    own = and_(t.alarm.c.fault_key == m.c.fault_key, t.alarm.c.raised_at == m.c.raised_at)
    query = (
        select(m.c.severity, t.alarm.c.clause)
        .select_from(m.outerjoin(t.alarm, own))
        .where(m.c.gateway_id == storm.gateway_id, m.c.storm_id == storm.id)
        .order_by(m.c.raised_at, m.c.fault_key)
    )
    found = [(Severity(severity), clause or "") for severity, clause in await connection.execute(query)]
    severity, clause = max(found, key=lambda one: one[0].rank, default=(Severity.MINOR, ""))
    return str(severity), clause
