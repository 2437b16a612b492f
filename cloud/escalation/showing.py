"""Escalation → API, pages and console: who was told of what, who is called next and when, and where nobody could be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.escalation import contacts, planning
from cloud.escalation.chain import Call, calls
from cloud.storage import tables as t
from cloud.tickets import repository, watchers
from cloud.tickets.desk import Desk
from cloud.tickets.ticket import FINAL_STATES, ticket_name
from contract.conventions import EpochMs, from_ms, to_ms

TROUBLE = ("nobody", "failed")
_notice = t.calls.notice
_INSTANTS = ("due_at", "planned_at", "next_at", "sent_at", "failed_at")
_PLAIN = ("id", "clock", "activation", "step", "repeat", "owner", "trigger", "state", "why", "key", "attempts", "via", "receipt", "error", "is_possible_repeat")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Next:
    """A call that is still to come: when, on which clock, and who would be told if it were now."""

    call: Call
    owners: tuple[str, ...]


async def notices(
    connection: AsyncConnection, *, states: Sequence[str] = (), ticket: int | None = None, before: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:  # fmt: skip
    """Notices, newest first; instants in epoch milliseconds."""
    query = select(_notice).order_by(_notice.c.id.desc()).limit(limit)
    if states:
        query = query.where(_notice.c.state.in_(states))
    if ticket is not None:
        query = query.where(_notice.c.ticket_id == ticket)
    if before is not None:
        query = query.where(_notice.c.id < before)
    return [_shown(row) for row in (await connection.execute(query)).mappings()]


def _shown(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "ticket": ticket_name(row["ticket_id"]), **{name: row[name] for name in _PLAIN},
        **{name: row[name] for name in _INSTANTS},
    }  # fmt: skip


async def coming(desk: Desk, connection: AsyncConnection, number: int, now: EpochMs) -> list[Next]:
    """The next call of each clock of a ticket, earliest first. Raises Refused (404)."""
    ticket = await repository.ticket(connection, number)
    known = await contacts.directory(connection)
    parts = planning.snapshot(ticket, known)
    story = await planning.story_of(desk, connection, ticket, parts, now)
    seen, steps = await watchers.watching(connection, number), dict(story.numbered)
    first: dict[tuple[str, int], Next] = {}
    for call in calls(story):
        if call.is_live and to_ms(call.due) > now and call.group not in first:
            owners = known.whom(steps[call.step], ticket["site_id"], ticket["holder"], seen)
            first[call.group] = Next(call, owners)
    return list(first.values())


async def troubled(connection: AsyncConnection, most: int | None = None) -> list[tuple[str, str]]:
    """Open tickets of which nobody could be told, or a message was given up, oldest first: name and which of the two.

    With ``most`` no more than so many are looked for.
    """
    query = (
        select(_notice.c.ticket_id, func.min(_notice.c.state).label("state"))
        .join(t.ticket, t.ticket.c.id == _notice.c.ticket_id)
        .where(_notice.c.state.in_(TROUBLE), t.ticket.c.state.not_in(tuple(map(str, FINAL_STATES))))
        .group_by(_notice.c.ticket_id)
        .order_by(_notice.c.ticket_id)
        .limit(most)
    )
    reached = select(_notice.c.ticket_id).where(_notice.c.state == "sent")
    failed_but_told = (_notice.c.state == "failed") & _notice.c.ticket_id.in_(reached)
    rows = await connection.execute(query.where(~failed_but_told))
    return [(ticket_name(row.ticket_id), "failed" if row.state == "failed" else "nobody") for row in rows]


async def pending(connection: AsyncConnection, now: EpochMs) -> tuple[int, float]:
    """How many notices wait, and by how many seconds the longest overdue one is late."""
    is_pending = _notice.c.state.in_(("waiting", "sending"))
    count, oldest = (
        await connection.execute(select(func.count(), func.min(_notice.c.next_at)).where(is_pending))
    ).one()
    late = max(0, now - oldest) / 1000 if oldest is not None else 0.0
    return int(count), late


async def has_channels(connection: AsyncConnection) -> bool:
    """Whether anybody at all could be told."""
    return (await connection.execute(select(t.calls.channel.c.id).limit(1))).first() is not None


def next_as_plain(one: Next) -> dict[str, Any]:
    """A coming call as API and console show it."""
    call = one.call
    return {
        "at": to_ms(call.due), "clock": call.clock, "activation": call.activation, "step": call.step, "repeat": call.repeat,
        "trigger": call.trigger, "owners": list(one.owners),
    }  # fmt: skip


def late_s(row: Mapping[str, Any]) -> float:
    """By how many seconds a notice was planned after its instant."""
    return max(0.0, (from_ms(row["planned_at"]) - from_ms(row["due_at"])).total_seconds())
