"""Tickets → reports: the rows behind the figures, read in parts, so that a large month holds up nobody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Select,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.reports import backlog
from cloud.reports.backlog import BUCKET_MS, Away, Backlog
from cloud.reports.figures import (
    AGES_H,
    REPEAT_MS,
    ClockRow,
    Group,
    Outcome,
    Population,
    Repeats,
    Tally,
    TicketRow,
    outcome,
    population,
)
from cloud.reports.period import Period
from cloud.storage import tables as t
from cloud.storage.tables_search import IS_OPEN
from contract.conventions import EpochMs

_PART: Final = 8000
_HOUR_MS: Final = 3_600_000
_C, _D = t.ticket.c, t.deadline.c
_KEYS: Final[dict[str, tuple[ColumnElement[Any], ColumnElement[Any]]]] = {
    "": (literal(""), literal("")),
    "site": (_C.site_id, _C.site_id),
    "system": (_C.system, _C.system),
    "person": (_C.holder, _C.holder),
    "clause": (_D.clause, _C.clause),
    "kind": (_C.kind, _C.kind),
    "priority": (_C.priority, _C.priority),
}
"""What clocks and tickets are grouped by; a clock's clause is the one that sets its target, a ticket's the one broken."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which figures. Without ``site`` of all sites."""

    period: Period
    site: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was asked for, at ``now``."""

    asked: Asked
    now: EpochMs
    total: Group
    groups: tuple[Group, ...]
    worst: tuple[Repeats, ...]
    backlog: Backlog


async def read(connection: AsyncConnection, asked: Asked, now: EpochMs) -> Figures:
    """Every figure of a period."""
    await _plan_for_all(connection)
    tally = Tally(now)
    async for clocks in _parts(connection, _clocks(asked)):
        tally.add_clocks(map(ClockRow._make, clocks))
    async for tickets in _parts(connection, _tickets(asked)):
        tally.add_tickets(map(TicketRow._make, tickets))
    return Figures(
        asked,
        now,
        tally.total(),
        tally.groups() if asked.by else (),
        tally.worst(),
        await _backlog(connection, asked, now),
    )


async def _plan_for_all(connection: AsyncConnection) -> None:
    """Every row is read to the end: PostgreSQL plans a cursor for its first rows, and compiles what runs for a second."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SET LOCAL cursor_tuple_fraction = 1"))
        await connection.execute(text("SET LOCAL jit = off"))


async def _parts(connection: AsyncConnection, query: Any) -> AsyncIterator[Any]:  # noqa: ANN401  any SELECT
    result = await connection.stream(query, execution_options={"yield_per": _PART})
    try:
        async for part in result.partitions(_PART):
            yield part
    finally:
        await result.close()


def _of(asked: Asked) -> list[ColumnElement[bool]]:
    return [_C.site_id == asked.site] if asked.site else []


def _clocks(asked: Asked) -> Any:  # noqa: ANN401  a UNION
    """The clocks that were breached in the period, and those that were due in it and not breached."""
    columns = (
        _KEYS[asked.by][0], _D.ticket_id, _D.clock, _D.activation, _D.start_at, _D.due_at, _D.met_at, _D.breached_at, _D.used_s,
        _C.state, _C.priority, _C.is_past, _C.began_at, _C.closed_at,
    )  # fmt: skip
    of = select(*columns).join(t.ticket, _C.id == _D.ticket_id).where(*_of(asked))
    is_due = _D.state.in_(("running", "met", "held")) & _within(_D.due_at, asked.period)
    is_breached = (_D.state == "breached") & _within(_D.breached_at, asked.period)
    return union_all(of.where(is_due), of.where(is_breached))


def _within(column: Column[Any], period: Period) -> ColumnElement[bool]:
    return (column >= period.start) & (column < period.end)


def _tickets(asked: Asked) -> Select[*tuple[Any, ...]]:
    earlier = t.ticket.alias("earlier")
    since = _C.opened_at - REPEAT_MS
    is_repeat = exists(
        select(literal_column("1")).where(
            earlier.c.fault_key == _C.fault_key, earlier.c.opened_at >= since, earlier.c.opened_at < _C.opened_at
        )
    )
    return select(
        _KEYS[asked.by][1], _C.state, _C.is_past, _C.began_at, _C.received_at, _C.resolved_at, _C.closed_at, _C.reopened,
        (_C.kind == "fault") & _C.fault_key.is_not(None), is_repeat, _C.site_id, _C.equipment_id,
    ).where(_within(_C.opened_at, asked.period), *_of(asked))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Behind:
    """Which clocks a number counts. Without ``key`` of every group."""

    clock: str
    of: Population
    outcome: Outcome
    key: str | None = None


async def behind(connection: AsyncConnection, asked: Asked, which: Behind, now: EpochMs) -> list[ClockRow]:
    """The clocks that a number counts, by the instant at which they were due or breached."""
    await _plan_for_all(connection)
    found: list[ClockRow] = []
    async for part in _parts(connection, _clocks(asked)):
        rows = (row for row in map(ClockRow._make, part) if row.clock == which.clock and population(row) == which.of)
        found += [row for row in rows if outcome(row, now) == which.outcome and which.key in {None, row.key}]
    return sorted(found, key=lambda row: (row.breached_at or row.due_at or 0, row.ticket, row.activation))


# --- the backlog --------------------------------------------------------------------------------------------------


async def _backlog(connection: AsyncConnection, asked: Asked, now: EpochMs) -> Backlog:
    """Open tickets at the end of each day, week or month, up to now."""
    start, end = asked.period.start, min(asked.period.end, now)
    if end <= start:
        return Backlog((), ())
    gone = await _aways(connection, asked, end)
    counts = await _ages(connection, asked, end)
    last = backlog.Point(end, sum(one.count for one in backlog.ages(end, counts, gone)))
    marks = [mark for mark in asked.period.marks() if mark < end]
    carried = sum((await _ages(connection, asked, start)).values())
    opened, closed = [await _buckets(connection, asked, column, end) for column in (_C.opened_at, _C.closed_at)]
    return Backlog(
        (*backlog.points(marks, start, carried, opened, closed, gone), last), backlog.ages(end, counts, gone)
    )


async def _ages(connection: AsyncConnection, asked: Asked, at: EpochMs) -> dict[int, int]:
    """Tickets open at an instant by their class of age, as their rows tell how they ended."""
    bounds = [(_C.opened_at >= at - hours * _HOUR_MS, number) for number, hours in enumerate(AGES_H)]
    number = case(*bounds, else_=len(AGES_H))
    found: dict[int, int] = {}
    for is_there in (text(IS_OPEN), _C.closed_at >= at):
        query = select(number, func.count()).where(is_there, _C.opened_at < at, *_of(asked)).group_by(number)
        for of, count in await connection.execute(query):
            found[of] = found.get(of, 0) + count
    return found


async def _buckets(connection: AsyncConnection, asked: Asked, column: Column[Any], end: EpochMs) -> dict[int, int]:
    """How many tickets were opened (or closed) in each quarter hour since the period began."""
    start = asked.period.start
    bucket: ColumnElement[int] = literal_column(f"({column.name} - {start}) / {BUCKET_MS}")
    query = select(bucket, func.count()).where(column >= start, column < end, *_of(asked)).group_by(bucket)
    return {int(number): count for number, count in await connection.execute(query)}


async def _aways(connection: AsyncConnection, asked: Asked, end: EpochMs) -> list[Away]:
    """When tickets that were reopened had been over in between."""
    start = asked.period.start
    entries: dict[int, tuple[EpochMs, list[tuple[EpochMs, str]]]] = {}
    for is_there in (text(IS_OPEN), _C.closed_at >= start):
        query = (
            select(_C.id, _C.opened_at, t.timeline.c.at, t.timeline.c.kind)
            .join(t.timeline, t.timeline.c.ticket_id == _C.id)
            .where(is_there, _C.reopened > 0, _C.opened_at < end, *_of(asked))
            .where(t.timeline.c.kind.in_(("closed", "cancelled", "reopened")))
            .order_by(_C.id, t.timeline.c.id)
        )
        for number, opened_at, at, kind in await connection.execute(query):
            entries.setdefault(number, (opened_at, []))[1].append((at, kind))
    return [one for opened_at, lines in entries.values() for one in backlog.aways(opened_at, lines)]
