"""Tickets: what people do to them. One function, ``act``, behind every button and every API call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid, not_found
from cloud.sla.policy import PRIORITIES
from cloud.sla.timeline import Deadline, Entry, Line
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets import joining, repository, work
from cloud.tickets.desk import Desk, end_hold, record
from cloud.tickets.directives import mark_seen
from cloud.tickets.joining import Step
from cloud.tickets.repository import Happening
from cloud.tickets.ticket import Action, Role, State, Transition, allowed, rows_of, ticket_name, transition
from cloud.tickets.work_proof import History, Reading
from contract.conventions import EpochMs, from_ms, to_ms

__all__ = ["Actor", "Desk", "Details", "acknowledge_alarm", "act", "clocks", "seen_before"]

Seen = Mapping[int, Sequence[Reading]]
"""What the history showed, by ticket."""
_REMEDIES: Mapping[str, str] = {
    "reason": "say why",
    "cause": "say what was wrong",
    "action": "say what was done",
    "holder": "name who takes it",
    "note": "write the note",
    "asked": "name who was asked",
    "answer": "say what they answered",
    "into": "name the ticket that goes on, such as T-000123",
    "other": "name the other ticket, such as T-000123",
    "relation": f"choose one of {', '.join(joining.RELATIONS)}",
    "parent": "name the ticket that it belongs to, such as T-000123",
    "priority": f"choose one of {', '.join(PRIORITIES)}",
}


_SEEN_BY = frozenset({Action.ACKNOWLEDGE, Action.ARRIVE, Action.START, Action.RESOLVE, Action.CLOSE, Action.CANCEL})
"""Who does this to a ticket has seen its alarms."""


_JOINING: Mapping[Action, str] = {
    Action.MERGE: "into",
    Action.LINK: "other",
    Action.UNLINK: "other",
    Action.SET_PARENT: "parent",
}
"""What names the other ticket."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. ``kind`` is that of the timeline's line: a person of the house, or a contractor."""

    name: str
    role: str
    kind: str = "person"


@dataclass(frozen=True, slots=True)
class Details:
    """What goes with an action. Each action needs its own (``ticket.needs``); a note is always welcome."""

    reason: str = ""
    until: EpochMs | None = None
    """When a hold ends by itself."""
    cause: str = ""
    action: str = ""
    holder: str = ""
    priority: str = ""
    note: str = ""
    asked: str = ""
    """Who was asked in the follow-up call."""
    answer: str = ""
    """What they said."""
    into: str = ""
    """The ticket that goes on with a merged one. Tickets are named as ``T-000123``."""
    other: str = ""
    relation: str = ""
    """What ``other`` is to this one: ``joining.RELATIONS``."""
    parent: str = ""
    children: tuple[str, ...] = ()
    """The children to be resolved with their parent, by the same cause and action; those not named stay as they are."""

    def given(self) -> dict[str, Any]:
        """What was said, without what was left empty."""
        everything = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in everything.items() if value not in {"", None, ()}}


async def act(  # noqa: PLR0913  the two last are guards that a caller may leave out
    desk: Desk,
    connection: AsyncConnection,
    number: int,
    action: Action,
    actor: Actor,
    now: EpochMs,
    details: Details = Details(),
    *,
    version: int | None = None,
    key: str | None = None,
    seen: Seen = MappingProxyType({}),
) -> RowMapping:
    """Do one thing to a ticket and return it as it is then.

    ``version`` is the one the person saw (409 when it has changed); ``key`` makes a repeated call do nothing more.
    ``seen`` is what the history showed of the tickets that are resolved (``seen_before``).
    Raises Refused: 404 no such ticket, 403 not this role, 409 not in this state, 422 something is missing.
    """
    others = _others(number, action, details)
    found = await repository.locked(connection, (number, *others))
    ticket = found[number]
    dedupe = f"key:{number}:{action}:{key}" if key else None
    if dedupe and await repository.is_recorded(connection, dedupe):
        return ticket
    shown, ticket = ticket, await end_hold(desk, connection, ticket, now)  # the ticker may be late
    row = applicable(ticket, action, actor)
    _check(row, details, now)
    if version is not None and not await repository.is_as_seen(connection, shown, version):
        raise repository.changed_meanwhile(number)
    await _check_world(desk, connection, ticket, row, details, now)
    if action is Action.RESOLVE:
        await work.require(connection, ticket, seen.get(number, ()))
    happening = Happening(now, row.entry, actor.kind, actor.name, details.given(), dedupe)
    if action in _JOINING:
        step = Step(desk, connection, ticket, found[others[0]], happening, now)
        return await joining.join(action, step, details.relation)
    if action in _SEEN_BY:
        await mark_seen(connection, t.alarm.c.ticket_id == number, actor.name, now)
    try:
        done = await record(desk, connection, ticket, happening, now, _values(ticket, row, actor, details, now))
    except IntegrityError as error:  # another replica opened a ticket for the same fault since we looked
        raise _fault_open("another ticket") from error
    for child in others:
        if found[child]["parent_ticket_id"] != number:
            message = f"{ticket_name(child)} does not belong to {ticket_name(number)}"
            raise invalid("children", message, "name this ticket's own children")
        await _resolve_child(desk, connection, child, actor, now, details, key, seen)
    return done


async def seen_before(
    database: Database, history: History, number: int, action: Action, now: EpochMs, details: Details = Details()
) -> Seen:
    """What the history shows of the tickets that this action resolves: asked before its transaction, as it may take its time."""
    if action is not Action.RESOLVE:
        return {}
    return {
        one: await work.readings(database, history, one, now) for one in (number, *_others(number, action, details))
    }


def _others(number: int, action: Action, details: Details) -> tuple[int, ...]:
    """The other tickets that an action changes. Raises Refused (422) for what is no ticket's name."""
    field = _JOINING.get(action)
    if field is not None:
        name = getattr(details, field).strip()
        return (joining.number_of(field, name) if name else number,)
    names = details.children if action is Action.RESOLVE else ()
    return tuple(sorted({joining.number_of("children", name) for name in names} - {number}))


async def _resolve_child(
    desk: Desk,
    connection: AsyncConnection,
    child: int,
    actor: Actor,
    now: EpochMs,
    details: Details,
    key: str | None,
    seen: Seen,
) -> None:
    """Resolve a child with its parent. All or nothing: a refusal names the child."""
    alone = replace(details, children=(), note="")
    try:
        await act(desk, connection, child, Action.RESOLVE, actor, now, alone, key=key, seen=seen)
    except Refused as refused:
        message = f"{ticket_name(child)}: {refused.message}"
        remedy = "leave it out and resolve it on its own page"
        raise Refused(refused.status, "child", message, remedy, refused.errors) from refused


async def acknowledge_alarm(
    desk: Desk, connection: AsyncConnection, alarm_id: int, actor: Actor, now: EpochMs
) -> RowMapping | None:
    """Acknowledge an alarm: through its ticket when that still waits for an answer, else the alarm alone.

    Returns the ticket when it was answered. Raises Refused: 404 no such alarm, 403 not this role.
    """
    alarm = (await connection.execute(select(t.alarm).where(t.alarm.c.id == alarm_id))).mappings().one_or_none()
    if alarm is None:
        raise not_found("alarm", str(alarm_id))
    if alarm["ticket_id"]:
        ticket = await repository.ticket(connection, alarm["ticket_id"])
        if transition(Action.ACKNOWLEDGE, ticket["kind"], ticket["state"]) is not None:
            return await act(desk, connection, ticket["id"], Action.ACKNOWLEDGE, actor, now)
    _check_role(rows_of(Action.ACKNOWLEDGE, "fault")[0], actor)
    await mark_seen(connection, t.alarm.c.id == alarm_id, actor.name, now)
    return None


async def clocks(
    desk: Desk, connection: AsyncConnection, number: int, now: EpochMs
) -> list[tuple[Deadline, tuple[Line, ...]]]:
    """Every clock of a ticket with every line of its sum. Raises Refused (404)."""
    ticket = await repository.ticket(connection, number)
    found = desk.deadlines(ticket, await repository.entries(connection, number), now)
    return [(deadline, desk.explain(ticket, deadline, now)) for deadline in found]


def _check_role(row: Transition, actor: Actor) -> None:
    if Role(actor.role).rank < row.role.rank:
        raise Refused(403, "role", f"{actor.role} may not {row.action}", f"ask a person with role {row.role}")


@dataclass(frozen=True, slots=True)
class Move:
    """A clock's due instant before and after a change; None while it is held, or where it is not set."""

    clock: str
    activation: int
    before: EpochMs | None
    after: EpochMs | None
    is_breached: bool
    """It has passed already: the change itself would be the breach."""


async def priorities(
    desk: Desk, connection: AsyncConnection, number: int, now: EpochMs
) -> list[tuple[str, tuple[Move, ...]]]:
    """What each priority would move, without changing anything. Raises Refused (404)."""
    ticket = await repository.ticket(connection, number)
    entries = await repository.entries(connection, number)
    before = desk.deadlines(ticket, entries, now)
    found = []
    for priority in PRIORITIES:
        after = desk.deadlines(ticket, [*entries, Entry(from_ms(now), "reclassified", priority)], now)
        found.append((str(priority), moves(before, after, from_ms(now))))
    return found


def moves(before: Sequence[Deadline], after: Sequence[Deadline], now: datetime) -> tuple[Move, ...]:
    """The clocks that a change moves, breaches or sets."""
    old = {(deadline.clock, deadline.activation): deadline for deadline in before}
    found = []
    for deadline in after:
        was = old.get((deadline.clock, deadline.activation))
        is_past = deadline.stopped_at is None and deadline.due is not None and deadline.due < now
        is_breached = is_past and (was is None or was.breached_at is None)
        if is_breached or _due(was) != _due(deadline):
            found.append(Move(deadline.clock, deadline.activation, _due(was), _due(deadline), is_breached))
    return tuple(found)


def _due(deadline: Deadline | None) -> EpochMs | None:
    return to_ms(deadline.due) if deadline is not None and deadline.due is not None else None


def applicable(ticket: RowMapping, action: Action, actor: Actor) -> Transition:
    """The row of the table by which this person may do this now. Raises Refused: 403 not this role, 409 not here and now."""
    name, kind, state = ticket_name(ticket["id"]), ticket["kind"], ticket["state"]
    possible = ", ".join(allowed(state, actor.role, kind)) or "nothing"
    rows = rows_of(action, kind)
    if not rows:
        raise conflict("kind", f"{name} is of kind {kind}: {action} does not apply", f"possible now: {possible}")
    row = transition(action, kind, state)
    _check_role(row or min(rows, key=lambda one: one.role.rank), actor)
    if row is None:
        raise conflict("state", f"{name} is {state}: {action} does not apply", f"possible now: {possible}")
    return row


def _check(row: Transition, details: Details, now: EpochMs) -> None:
    for field in row.needs:
        if not getattr(details, field).strip():
            raise invalid(field, f"{row.action} needs {field}", _REMEDIES[field])
    if row.action is Action.SET_PRIORITY and details.priority not in PRIORITIES:
        raise invalid("priority", f"{details.priority!r} is not a priority", _REMEDIES["priority"])
    if details.until is not None and details.until <= now:
        raise invalid("until", "the hold would end before it begins", "give a later instant, or none")


async def _check_world(
    desk: Desk, connection: AsyncConnection, ticket: RowMapping, row: Transition, details: Details, now: EpochMs
) -> None:
    """What the ticket alone does not know: is its alarm still active, is another ticket open for its fault."""
    if row.action is Action.CLOSE and not details.reason.strip() and await _is_active(connection, ticket["id"]):
        remedy = "say why it may be closed although the condition lasts, or wait until it clears"
        raise invalid("reason", "its alarm is still active", remedy)
    if row.action is Action.REOPEN and ticket["state"] == State.CLOSED and ticket["fault_key"]:
        other = await repository.open_by_fault(connection, ticket["fault_key"])
        if other is not None:
            raise _fault_open(ticket_name(other["id"]))
    if row.action is Action.REOPEN and not may_reopen(desk, ticket, now):
        raise _closed_too_long(ticket, desk)
    if row.action is Action.RESTORE and ticket["category"] != "interruption":
        remedy = "only an interruption of service is restored; resolve the ticket"
        raise conflict("no_interruption", f"{ticket_name(ticket['id'])} is no interruption of service", remedy)
    if row.action is Action.LEAVE_PARENT and ticket["parent_ticket_id"] is None:
        raise conflict("no_parent", f"{ticket_name(ticket['id'])} has no parent", "nothing to do")


def may_reopen(desk: Desk, ticket: Mapping[Any, Any], now: EpochMs) -> bool:
    """Whether a closed ticket is still within the reopen window; what comes later is a new ticket, as when its fault comes back."""
    return ticket["closed_at"] is None or now - ticket["closed_at"] <= desk.reopen_window_ms


def _closed_too_long(ticket: Mapping[Any, Any], desk: Desk) -> Refused:
    name, hours = ticket_name(ticket["id"]), desk.reopen_window_ms // 3_600_000
    remedy = f"enter a new ticket and link {name} to it as the previous one"
    return conflict("reopen_window", f"{name} was closed more than {hours} h ago", remedy)


def _fault_open(name: str) -> Refused:
    return conflict("fault_open", f"{name} is open for the same fault", "work on that one")


async def _is_active(connection: AsyncConnection, number: int) -> bool:
    query = select(t.alarm.c.id).where(t.alarm.c.ticket_id == number, t.alarm.c.state == "active")
    return (await connection.execute(query)).first() is not None


def _values(ticket: RowMapping, row: Transition, actor: Actor, details: Details, now: EpochMs) -> dict[str, Any]:
    """The ticket's own columns after an action."""
    values: dict[str, Any] = {"hold_until": None} if ticket["hold_until"] and row.to else {}
    if row.to is not None:
        values["state"] = str(row.to)
    match row.action:
        case Action.DISPATCH | Action.HAND_OVER:
            values["holder"] = details.holder
        case Action.ACKNOWLEDGE | Action.ARRIVE:
            values["holder"] = ticket["holder"] or (actor.name if actor.kind == "person" else "")
        case Action.HOLD:
            values["hold_until"] = details.until
        case Action.RESOLVE:
            values |= {"cause_text": details.cause, "action_text": details.action, "resolved_at": now}
        case Action.CLOSE | Action.CANCEL:
            values["closed_at"] = now
        case Action.REOPEN:
            values |= {"closed_at": None, "resolved_at": None, "reopened": ticket["reopened"] + 1}
        case Action.SET_PRIORITY:
            values["priority"] = details.priority
        case Action.LEAVE_PARENT:
            values["parent_ticket_id"] = None
    return values
