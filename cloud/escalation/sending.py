"""Escalation, its statements: which notices are due, taking one so that nobody else sends it, and what became of it.

A notice is taken (``sending``, a lease, a token) and committed before it is sent, and recorded afterwards. Whoever dies in between
leaves a lease that runs out; planning then lets the notice wait again, with the same key and marked as a possible repeat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.escalation.chain import Step
from cloud.escalation.contacts import Directory
from cloud.escalation.courier import Letter
from cloud.escalation.message import Facts, body, title
from cloud.escalation.planning import numbered
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared
from cloud.tickets.ticket import ticket_name
from contract.conventions import EpochMs, from_ms

LEASE_MS = 25_000
"""Longer than anybody waits for one message."""
BACK_OFF_MS = (15_000, 60_000, 240_000, 900_000, 1_800_000, 3_600_000)
"""How long to wait after every channel of somebody was tried, before trying them again; after the last it is given up."""
LOOKED_AT = 500
_notice = t.calls.notice
_IS_PENDING = _notice.c.state.in_((literal_column("'waiting'"), literal_column("'sending'")))
"""Written out: a partial index is used only for a condition that can be read."""
_NEXT_CALL = Prepared(select(func.min(t.ticket.c.next_call_at)).where(t.ticket.c.next_call_at.is_not(None)))
_NEXT_NOTICE = Prepared(select(func.min(_notice.c.next_at)).where(_IS_PENDING))
_IS_WAITING = _notice.c.state == "waiting"


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that may be sent now, with the address it goes to (empty: the owner has no channel any more)."""

    row: Mapping[Any, Any]
    url: str
    channel_id: int
    label: str
    channels: int
    letter: Letter


async def due(connection: AsyncConnection, known: Directory, urls: Sequence[Mapping[Any, Any]], public_url: str, now: EpochMs) -> list[Due]:  # fmt: skip
    """What may be sent now, life safety first."""
    first = case((t.ticket.c.priority == "life_safety", 0), else_=1)
    at_clock = (
        (t.deadline.c.ticket_id == _notice.c.ticket_id)
        & (t.deadline.c.clock == _notice.c.clock)
        & (t.deadline.c.activation == _notice.c.activation)
    )
    columns = (t.ticket.c[name] for name in ("title", "priority", "clause", "is_past", "site_id", "chain"))
    query = (
        select(_notice, *columns, t.deadline.c.due_at.label("clock_due_at"), t.site.c.name.label("site"), t.equipment.c.name.label("equipment"))
        .join(t.ticket, t.ticket.c.id == _notice.c.ticket_id)
        .outerjoin(t.deadline, at_clock)
        .outerjoin(t.site, t.site.c.id == t.ticket.c.site_id)
        .outerjoin(t.equipment, (t.equipment.c.site_id == t.ticket.c.site_id) & (t.equipment.c.id == t.ticket.c.equipment_id))
        .where(_IS_PENDING, _IS_WAITING, _notice.c.next_at <= now, t.ticket.c.planned_version == t.ticket.c.version)
        .order_by(first, _notice.c.next_at, _notice.c.id)
        .limit(LOOKED_AT)
    )  # fmt: skip
    rows = (await connection.execute(query)).mappings().all()
    return [_due(row, known, urls, public_url, now) for row in rows]


def _due(row: Mapping[Any, Any], known: Directory, urls: Sequence[Mapping[Any, Any]], public_url: str, now: EpochMs) -> Due:  # fmt: skip
    step = dict(numbered(row["chain"] or [])).get(row["step"])
    own = [one for one in urls if one["owner"] == row["owner"]] if known.kinds(row["owner"]) else []
    wanted = [one for one in own if step is None or not step.by or one["kind"] in step.by] or own
    chosen = wanted[min(row["channel"], len(wanted) - 1)] if wanted else None
    letter = _letter(row, known, step, public_url, now)
    if chosen is None:
        return Due(row, "", 0, "", 0, letter)
    return Due(row, chosen["url"], chosen["id"], chosen["label"], len(wanted), letter)


def _letter(row: Mapping[Any, Any], known: Directory, step: Step | None, public_url: str, now: EpochMs) -> Letter:
    language = known.language(row["owner"])
    is_repeat = bool(row["is_possible_repeat"])
    name = ticket_name(row["ticket_id"])
    equipment = row["equipment"] or {}
    facts = Facts(
        ticket=name, title=row["title"], equipment=equipment.get(language) or next(iter(equipment.values()), ""),
        priority=row["priority"], clock=row["clock"], trigger=row["trigger"], repeat=row["repeat"],
        due=from_ms(row["clock_due_at"]) if row["clock_due_at"] else None, wanted=from_ms(row["due_at"]), now=from_ms(now),
        zone=known.zone(row["site_id"]), site=row["site"] or row["site_id"], clause=row["clause"],
        link=f"{public_url.rstrip('/')}/tickets/{name}" if public_url else "", key=row["key"], is_past=row["is_past"],
        is_possible_repeat=is_repeat, is_passed_on=row["why"] == "nobody_before", share=step.share if step else 0.0,
    )  # fmt: skip
    return Letter(row["key"], title(facts, language), body(facts, language), is_repeat)


async def take(connection: AsyncConnection, one: Due, token: str, now: EpochMs) -> bool:
    """Make a notice ours for the length of a lease. False when somebody else has it, or its ticket has changed since."""
    is_current = exists().where(t.ticket.c.id == _notice.c.ticket_id, t.ticket.c.planned_version == t.ticket.c.version)
    statement = (
        update(_notice)
        .where(*_as_seen(one), _IS_WAITING, _notice.c.next_at <= now, is_current)
        .values(
            state="sending", claim=token, claimed_until=now + LEASE_MS, next_at=now + LEASE_MS,
            attempts=_notice.c.attempts + 1, is_possible_repeat=one.letter.is_possible_repeat,
        )
    )  # fmt: skip
    return (await connection.execute(statement)).rowcount == 1


def _as_seen(one: Due) -> tuple[ColumnElement[bool], ...]:
    return _notice.c.id == one.row["id"], _notice.c.claim == one.row["claim"], _notice.c.attempts == one.row["attempts"]


async def delivered(connection: AsyncConnection, one: Due, token: str, receipt: str, now: EpochMs) -> bool:
    """Record that a message was taken by its receiver. False when the lease had passed to somebody else."""
    ours = update(_notice).where(_notice.c.id == one.row["id"], _notice.c.claim == token, _notice.c.state == "sending")
    values = {"state": "sent", "sent_at": now, "via": one.label, "receipt": receipt, "next_at": None, "error": ""}
    is_ours = (await connection.execute(ours.values(**values))).rowcount == 1
    channel = update(t.calls.channel).where(t.calls.channel.c.id == one.channel_id)
    await connection.execute(channel.values(last_ok_at=now, last_error=""))
    return is_ours


async def undelivered(
    connection: AsyncConnection, one: Due, token: str, reason: str, now: EpochMs, *, is_unknown: bool
) -> bool:
    """Record a failure: the owner's next channel at once; after the last one a pause, and the next step's people at once.

    True when it is given up for good.
    """
    seen = one.row["attempts"] + 1
    is_round_over = one.row["channel"] + 1 >= one.channels
    rounds = seen // max(1, one.channels)
    is_over: bool = is_round_over and rounds > len(BACK_OFF_MS)
    if is_round_over:  # before the notice itself: planning takes a ticket first and its notices then
        await connection.execute(
            update(t.ticket).where(t.ticket.c.id == one.row["ticket_id"]).values(planned_version=-1)
        )
    wait = BACK_OFF_MS[min(max(rounds, 1), len(BACK_OFF_MS)) - 1] if is_round_over else 0
    values: dict[str, Any] = {
        "state": "failed" if is_over else "waiting", "error": reason, "via": one.label, "claim": token,
        "next_at": None if is_over else now + wait, "channel": 0 if is_round_over else one.row["channel"] + 1,
        "is_possible_repeat": one.letter.is_possible_repeat or is_unknown,
    }  # fmt: skip
    if is_round_over:
        values["failed_at"] = func.coalesce(_notice.c.failed_at, now)
    ours = update(_notice).where(_notice.c.id == one.row["id"], _notice.c.claim == token, _notice.c.state == "sending")
    await connection.execute(ours.values(**values))
    channel = update(t.calls.channel).where(t.calls.channel.c.id == one.channel_id)
    await connection.execute(channel.values(last_failed_at=now, last_error=reason))
    return is_over


async def next_instant(connection: AsyncConnection) -> EpochMs | None:
    """When the earliest call or notice is due."""
    ((call,),) = await _NEXT_CALL.tuples(connection)
    found: list[EpochMs | None] = [call, await next_notice(connection)]
    return min((at for at in found if at is not None), default=None)


async def next_notice(connection: AsyncConnection) -> EpochMs | None:
    """When the earliest notice may be sent."""
    ((at,),) = await _NEXT_NOTICE.tuples(connection)
    found: EpochMs | None = at
    return found
