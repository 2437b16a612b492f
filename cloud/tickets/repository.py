"""Tickets in the database: every query of this package, and nothing that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import conflict, not_found
from cloud.sla.timeline import Deadline, Entry
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared, Row
from cloud.storage.sql import insert_all_new, insert_new, upsert
from cloud.storage.tables_search import IS_HELD, NEVER
from cloud.tickets.ticket import OPEN_STATES, ticket_name
from cloud.tickets.triage import Known
from contract.conventions import EpochMs, from_ms, to_ms

_OPEN = tuple(str(state) for state in OPEN_STATES)


@dataclass(frozen=True, slots=True)
class Happening:
    """A new line of a timeline. ``dedupe`` is unique for ever: the same line is never recorded twice."""

    at: EpochMs
    kind: str
    actor_kind: str
    actor: str
    data: Mapping[str, Any]
    dedupe: str | None = None


Lines = list[tuple["Case", Happening]]


@dataclass(slots=True)
class Case:
    """A ticket at hand, locked or new: what is entered in it is written later, together with that of other cases."""

    row: dict[str, Any]
    """The ticket's columns; ``id`` is negative until a new one is written."""
    unwritten: Lines
    """New lines in the order in which they were entered, of all cases that are written together."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """The columns as they were read."""
    entries: list[Entry] = field(default_factory=list)
    recorded: set[str] = field(default_factory=set)
    """The ``dedupe`` of every line that has one."""
    breaches: dict[tuple[str, int], EpochMs] = field(default_factory=dict)
    """Breaches that were stored, by clock and activation: they stay."""
    clocks: tuple[Deadline, ...] = ()
    """Clocks to be written; none where nothing moved them."""
    is_changed: bool = False
    is_read: bool = True
    """False while its timeline was not read: enough for what moves no clock."""

    @property
    def is_new(self) -> bool:
        return bool(self.row["id"] < 0)

    def append(self, happening: Happening) -> bool:
        """Add a line. False when a line with its ``dedupe`` is there already."""
        if happening.dedupe is not None:
            if happening.dedupe in self.recorded:
                return False
            self.recorded.add(happening.dedupe)
        self.entries.append(entry(happening))
        self.unwritten.append((self, happening))
        return True


async def ticket(connection: AsyncConnection, number: int, *, is_locked: bool = False) -> RowMapping:
    """One ticket. Raises Refused (404) when there is none."""
    query = select(t.ticket).where(t.ticket.c.id == number)
    found = (await connection.execute(query.with_for_update() if is_locked else query)).mappings().one_or_none()
    if found is None:
        raise not_found("ticket", ticket_name(number))
    return found


async def locked(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, RowMapping]:
    """These tickets, locked in one order for everybody. Raises Refused (404) naming the first that does not exist."""
    query = select(t.ticket).where(t.ticket.c.id.in_(numbers)).order_by(t.ticket.c.id).with_for_update()
    found = {row["id"]: row for row in (await connection.execute(query)).mappings()}
    for number in numbers:
        if number not in found:
            raise not_found("ticket", ticket_name(number))
    return found


async def open_by_fault(connection: AsyncConnection, fault_key: str) -> RowMapping | None:
    """The open ticket of a fault."""
    query = select(t.ticket).where(t.ticket.c.fault_key == fault_key, t.ticket.c.state.in_(_OPEN)).with_for_update()
    return (await connection.execute(query)).mappings().one_or_none()


def known(case: Case | None) -> Known | None:
    """A ticket as triage sees it."""
    row = case.row if case is not None else None
    return Known(row["id"], row["state"], row["priority"], row["closed_at"]) if row is not None else None


async def insert_ticket(connection: AsyncConnection, values: Mapping[str, Any]) -> int:
    """A new ticket; its number. The database refuses a second open one of the same fault (IntegrityError)."""
    result = await connection.execute(t.ticket.insert().values(**values).returning(t.ticket.c.id))
    return int(result.scalar_one())


async def update_ticket(connection: AsyncConnection, row: RowMapping, values: Mapping[str, Any]) -> None:
    """Change a ticket that is still as it was read. Raises Refused (409) when somebody was faster."""
    statement = (
        update(t.ticket)
        .where(t.ticket.c.id == row["id"], t.ticket.c.version == row["version"])
        .values(**values, version=row["version"] + 1)
    )
    if (await connection.execute(statement)).rowcount != 1:
        raise changed_meanwhile(row["id"])


def changed_meanwhile(number: int) -> Exception:
    """409: what the caller saw is not what is there."""
    return conflict(
        "changed", f"{ticket_name(number)} was changed meanwhile", "read it again and repeat what still fits"
    )


_QUIET = ("warned", "breached", "retargeted")
"""Lines that the passing of time writes; a person who saw the ticket before them saw what still is."""


_MOST_QUIET = 50


async def is_as_seen(connection: AsyncConnection, row: RowMapping, version: int) -> bool:
    """Whether nothing but the passing of time has changed a ticket since somebody saw this version of it."""
    since = range(version + 1, row["version"] + 1)
    if not since or len(since) > _MOST_QUIET:
        return bool(version == row["version"])
    lines = t.timeline.c
    query = select(lines.data).where(lines.ticket_id == row["id"], lines.kind.in_(_QUIET)).order_by(lines.id.desc())
    told = {line.data.get("version") for line in await connection.execute(query.limit(20 + len(since)))}
    return set(since) <= told


async def append(connection: AsyncConnection, number: int, happening: Happening) -> bool:
    """Add a line to the timeline. False when a line with its ``dedupe`` is there already."""
    return await insert_new(connection, t.timeline, line_row(number, happening))


def line_row(number: int, happening: Happening) -> dict[str, Any]:
    """A line as a row of ``timeline``."""
    return {
        "ticket_id": number,
        "at": happening.at,
        "kind": happening.kind,
        "actor_kind": happening.actor_kind,
        "actor": happening.actor,
        "data": dict(happening.data),
        "dedupe": happening.dedupe,
    }


async def is_recorded(connection: AsyncConnection, dedupe: str) -> bool:
    """Whether a line with this ``dedupe`` exists."""
    return (await connection.execute(select(t.timeline.c.id).where(t.timeline.c.dedupe == dedupe))).first() is not None


def entry(happening: Happening) -> Entry:
    """A line of the timeline as the clocks read it."""
    data = happening.data
    return _as_entry(happening.at, happening.kind, data)


def _as_entry(at: EpochMs, kind: str, data: Mapping[str, Any]) -> Entry:
    if kind == "retargeted":
        return Entry(from_ms(at), kind, version=data.get("policy", ""), was=data.get("was", ""))
    return _known_entry(at, kind, data.get("priority", ""), data.get("reason", ""))


@lru_cache(maxsize=4096)
def _known_entry(at: EpochMs, kind: str, priority: str, why: str) -> Entry:
    """Lines of one envelope are mostly alike to the clocks."""
    return Entry(from_ms(at), kind, priority, why)


async def timeline(connection: AsyncConnection, number: int) -> Sequence[RowMapping]:
    """Every line, oldest first."""
    query = select(t.timeline).where(t.timeline.c.ticket_id == number).order_by(t.timeline.c.id)
    return (await connection.execute(query)).mappings().all()


async def entries(connection: AsyncConnection, number: int) -> list[Entry]:
    """The timeline as the clocks read it."""
    return (await story(connection, number))[0]


async def story(connection: AsyncConnection, number: int) -> tuple[list[Entry], set[str | None]]:
    """The timeline as the clocks read it, and the ``dedupe`` of its lines."""
    rows = await _STORY.tuples(connection, {"number": number})
    return [_as_entry(at, kind, data) for at, kind, data, _ in rows], {dedupe for *_, dedupe in rows}


async def stories(connection: AsyncConnection, numbers: Sequence[int]) -> list[tuple[RowMapping, list[Entry]]]:
    """Tickets with their timelines."""
    rows = (await connection.execute(select(t.ticket).where(t.ticket.c.id.in_(numbers)))).mappings()
    found = {row["id"]: row for row in rows}
    told = await timelines(connection, numbers)
    return [(found[number], told[number]) for number in numbers if number in found]


async def timelines(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, list[Entry]]:
    """The timelines of tickets as the clocks read them."""
    found: dict[int, list[Entry]] = {number: [] for number in numbers}
    for number, at, kind, data in await _TOLD.tuples(connection, {"numbers": tuple(numbers)}):
        found[number].append(_as_entry(at, kind, data))
    return found


_LINE = t.timeline.c
_STORY = Prepared(
    select(_LINE.at, _LINE.kind, _LINE.data, _LINE.dedupe)
    .where(_LINE.ticket_id == bindparam("number"))
    .order_by(_LINE.id)
)
_TOLD = Prepared(
    select(_LINE.ticket_id, _LINE.at, _LINE.kind, _LINE.data)
    .where(_LINE.ticket_id.in_(bindparam("numbers", expanding=True)))
    .order_by(_LINE.id)
)
_LINES = Prepared(
    select(t.timeline).where(t.timeline.c.ticket_id.in_(bindparam("numbers", expanding=True))).order_by(t.timeline.c.id)
)


async def lines(connection: AsyncConnection, numbers: Sequence[int]) -> list[Row]:
    """Every line of these tickets, oldest first."""
    return await _LINES.rows(connection, {"numbers": tuple(numbers)})


async def append_all(connection: AsyncConnection, number: int, happenings: Sequence[Happening]) -> None:
    """Add lines to the timeline, without those that are there already."""
    await insert_all_new(connection, t.timeline, [line_row(number, happening) for happening in happenings])


def entry_of(row: Mapping[Any, Any]) -> Entry:
    """A stored line as the clocks read it."""
    return _as_entry(row["at"], row["kind"], row["data"])


_CLOCK = t.deadline.c
_CLOCKS = Prepared(
    select(t.deadline).where(_CLOCK.ticket_id == bindparam("number")).order_by(_CLOCK.activation, _CLOCK.id)
)
_PRESS: dict[str, Any] = {"next_due_at": bindparam("due"), "breached_at": bindparam("breach")}
_PRESSED = Prepared(update(t.ticket).where(t.ticket.c.id == bindparam("number")).values(_PRESS))


async def stored_deadlines(connection: AsyncConnection, number: int) -> list[Row]:
    """The clocks of a ticket as last stored."""
    return await _CLOCKS.rows(connection, {"number": number})


async def store_deadlines(connection: AsyncConnection, number: int, found: Sequence[Deadline]) -> None:
    """Bring the rows of ``deadline`` to what the timeline says. A breach that was stored stays stored."""
    before = {(row["clock"], row["activation"]): row for row in await stored_deadlines(connection, number)}
    rows = []
    for deadline in found:
        row = deadline_row(number, deadline)
        old = before.get((deadline.clock, deadline.activation))
        if old is not None and old["breached_at"] is not None:
            row |= broken(old["breached_at"])
        rows.append(row)
    gone = [row["id"] for key, row in before.items() if key not in {(d.clock, d.activation) for d in found}]
    if gone:  # another policy does not have this clock; one that was met or late stays
        is_undecided = t.deadline.c.breached_at.is_(None) & t.deadline.c.met_at.is_(None)
        await connection.execute(delete(t.deadline).where(t.deadline.c.id.in_(gone), is_undecided))
    await upsert(connection, t.deadline, ("ticket_id", "clock", "activation"), rows)
    pressed = pressing(rows)
    which = {"number": number, "due": pressed["next_due_at"], "breach": pressed["breached_at"]}
    await _PRESSED.run(connection, which)


def pressing(rows: Sequence[Mapping[str, Any]]) -> dict[str, EpochMs | None]:
    """What a ticket's own row says of its clocks, so that a list can be sorted by it: next due instant, first breach."""
    due = [row["due_at"] for row in rows if row["met_at"] is None and row["due_at"] is not None]
    breaches = [row["breached_at"] for row in rows if row["breached_at"] is not None]
    return {"next_due_at": min(due, default=NEVER), "breached_at": min(breaches, default=None)}


def deadline_row(number: int, deadline: Deadline) -> dict[str, Any]:
    """A clock as a row of ``deadline``."""
    return {
        "ticket_id": number,
        "clock": deadline.clock,
        "activation": deadline.activation,
        "target_s": round(deadline.length.total_seconds()),
        "start_at": to_ms(deadline.start),
        "due_at": to_ms(deadline.due) if deadline.due else None,
        "calendar": deadline.target.calendar,
        "clause": deadline.target.clause,
        "source": deadline.target.source,
        "state": deadline.state,
        "met_at": to_ms(deadline.stopped_at) if deadline.stopped_at else None,
        "breached_at": to_ms(deadline.breached_at) if deadline.breached_at else None,
        "used_s": deadline.used.total_seconds(),
        "next_at": to_ms(deadline.next_at) if deadline.next_at else None,
        "policy": deadline.version,
    }


async def overdue(connection: AsyncConnection, now: EpochMs) -> list[int]:
    """Tickets with a clock that has something to record or a hold past its end, longest past first."""
    now_is = {"instant": now}
    both = [*await _OVERDUE.tuples(connection, now_is), *await _HELD_TOO_LONG.tuples(connection, now_is)]
    return list(dict.fromkeys(number for number, _ in sorted(both, key=lambda row: (row[1], row[0]))))


_OVERDUE = Prepared(select(_CLOCK.ticket_id, _CLOCK.next_at).where(_CLOCK.next_at <= bindparam("instant")))
_HELD_TOO_LONG = Prepared(
    select(t.ticket.c.id, t.ticket.c.hold_until).where(text(IS_HELD), t.ticket.c.hold_until <= bindparam("instant"))
)
_NEXT_CLOCK = Prepared(select(func.min(_CLOCK.next_at)).where(_CLOCK.next_at.is_not(None)))
_NEXT_HOLD = Prepared(select(func.min(t.ticket.c.hold_until)).where(text(IS_HELD)))


async def next_instant(connection: AsyncConnection) -> EpochMs | None:
    """The earliest instant at which a clock warns or is late, or a hold ends."""
    instants = [at for one in (_NEXT_CLOCK, _NEXT_HOLD) for (at,) in await one.tuples(connection)]
    return min((at for at in instants if at is not None), default=None)


def broken(at: EpochMs) -> dict[str, Any]:
    """A breach that was stored stays, and nothing more is to come of its clock."""
    return {"breached_at": at, "state": "breached", "next_at": None}
