"""Tickets in the database, many at once: those that a few events are about, read and written together. Nothing here decides."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Integer, bindparam, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.sla.timeline import Deadline
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared, Row
from cloud.storage.sql import insert_all_new, upsert
from cloud.storage.tables_search import IS_OPEN, IS_OVER
from cloud.tickets import repository
from cloud.tickets.repository import Case, Lines
from cloud.tickets.ticket import OPEN_STATES

_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_OPEN_CASES = Prepared(
    select(t.ticket).where(t.ticket.c.fault_key.in_(_KEYS), text(IS_OPEN)).order_by(t.ticket.c.id).with_for_update()
)
_NEWEST_PAST = (
    select(func.max(t.ticket.c.id)).where(t.ticket.c.fault_key.in_(_KEYS), text(IS_OVER)).group_by(t.ticket.c.fault_key)
)
_LAST_CASES = Prepared(
    select(t.ticket).where(t.ticket.c.id.in_(_NEWEST_PAST)).order_by(t.ticket.c.id).with_for_update()
)
_BREACHED = Prepared(
    select(t.deadline).where(
        t.deadline.c.ticket_id.in_(bindparam("ids", expanding=True)), t.deadline.c.breached_at.is_not(None)
    )
)


async def open_cases(connection: AsyncConnection, fault_keys: Sequence[str]) -> list[Row]:
    """The open tickets of faults, locked in one order for everybody."""
    return await _OPEN_CASES.rows(connection, {"keys": tuple(fault_keys)})


async def last_cases(connection: AsyncConnection, fault_keys: Sequence[str]) -> list[Row]:
    """The newest closed or cancelled ticket of each fault, locked."""
    return await _LAST_CASES.rows(connection, {"keys": tuple(fault_keys)})


async def heirs(connection: AsyncConnection, past: Sequence[Row]) -> dict[str, Row]:
    """By fault the open ticket that goes on with a merged one, locked; asks nothing where none was merged."""
    found: dict[str, Row] = {}
    waiting = {row["fault_key"]: row for row in past if row["state"] == "merged"}
    while waiting:
        numbers = sorted({row["merged_into_id"] for row in waiting.values()})
        query = select(t.ticket).where(t.ticket.c.id.in_(numbers)).order_by(t.ticket.c.id).with_for_update()
        next_ones = {row["id"]: dict(row) for row in (await connection.execute(query)).mappings()}
        waiting = {key: next_ones[row["merged_into_id"]] for key, row in waiting.items()}
        found |= {key: row for key, row in waiting.items() if row["state"] in OPEN_STATES}
        waiting = {key: row for key, row in waiting.items() if row["state"] == "merged"}
    return found


async def read_cases(
    connection: AsyncConnection, rows: Sequence[Row], unwritten: Lines, *, has_lines: bool
) -> list[Case]:
    """Tickets, with their timelines and their stored breaches when they are asked for."""
    cases = {row["id"]: Case(dict(row), unwritten, before=row, is_read=has_lines) for row in rows}
    if not cases or not has_lines:
        return list(cases.values())
    for row in await repository.lines(connection, tuple(cases)):
        case = cases[row["ticket_id"]]
        case.entries.append(repository.entry_of(row))
        case.recorded.update([row["dedupe"]] if row["dedupe"] is not None else [])
    for row in await _BREACHED.rows(connection, {"ids": tuple(cases)}):
        cases[row["ticket_id"]].breaches[row["clock"], row["activation"]] = row["breached_at"]
    return list(cases.values())


async def write_cases(connection: AsyncConnection, cases: Sequence[Case], unwritten: Lines) -> None:
    """Write tickets, lines and clocks. The database refuses a second open ticket of a fault (IntegrityError)."""
    changed = [case for case in cases if case.is_changed]
    worked_out: dict[int, Row] = {}
    clocks: list[tuple[Case, list[Row]]] = []
    for case in changed:
        if case.clocks:  # none: nothing moved them
            rows = [_kept(case, deadline, worked_out) for deadline in case.clocks]
            case.row |= repository.pressing(rows)
            clocks.append((case, rows))
    await _update_tickets(connection, [case for case in changed if not case.is_new])
    await _insert_tickets(connection, [case for case in changed if case.is_new])
    await insert_all_new(
        connection, t.timeline, [repository.line_row(case.row["id"], happening) for case, happening in unwritten]
    )
    numbered = [{**row, "ticket_id": case.row["id"]} for case, rows in clocks for row in rows]
    await upsert(connection, t.deadline, ("ticket_id", "clock", "activation"), numbered)


_CHANGING = (
    "state", "priority", "severity", "is_past", "occurrences", "activations", "reopened", "hold_until", "resolved_at",
    "closed_at", "version", "planned_version", "indexed_version", "next_due_at", "breached_at",
)  # fmt: skip
"""What an event can change of a ticket."""
_INSERT_ONE = Prepared(t.ticket.insert().returning(t.ticket.c.id))
_INSERT = Prepared(t.ticket.insert())
_LAST_NUMBER = Prepared(select(func.max(t.ticket.c.id)))
_NEXT_NUMBERS = Prepared(
    select(func.nextval(func.pg_get_serial_sequence("ticket", "id"))).select_from(
        func.generate_series(1, bindparam("many", type_=Integer))
    )
)


async def _update_tickets(connection: AsyncConnection, cases: Sequence[Case]) -> None:
    groups: dict[tuple[str, ...], list[Row]] = {}
    for case in cases:
        names = tuple(name for name in _CHANGING if case.row[name] != case.before[name])
        groups.setdefault(names, []).append({"number": case.row["id"], **{name: case.row[name] for name in names}})
    for names, rows in groups.items():
        await _update(names).run(connection, *rows)


@cache
def _update(names: tuple[str, ...]) -> Prepared:
    """Only what differs: to name a column costs SQLite every index that knows it, also where its value stays."""
    to: dict[str, Any] = {name: bindparam(name) for name in names}
    return Prepared(update(t.ticket).where(t.ticket.c.id == bindparam("number")).values(to))


async def _insert_tickets(connection: AsyncConnection, cases: Sequence[Case]) -> None:
    """New tickets get their numbers in the order in which they were opened."""
    if len(cases) == 1:
        row = {name: value for name, value in cases[0].row.items() if name != "id"}
        ((cases[0].row["id"],),) = await _INSERT_ONE.tuples(connection, row)
    elif cases:
        for case, number in zip(cases, await _numbers(connection, len(cases)), strict=True):
            case.row["id"] = number
        await _INSERT.run(connection, *(case.row for case in cases))


async def _numbers(connection: AsyncConnection, many: int) -> Sequence[int]:
    """Numbers that the database gives to so many new tickets. SQLite has one writer, who counts on as it would itself."""
    if connection.dialect.name == "sqlite":
        ((last,),) = await _LAST_NUMBER.tuples(connection)
        return range((last or 0) + 1, (last or 0) + many + 1)
    return sorted(number for (number,) in await _NEXT_NUMBERS.tuples(connection, {"many": many}))


def _kept(case: Case, deadline: Deadline, worked_out: dict[int, Row]) -> Row:
    """A clock as a row, whose ticket is named later. Tickets that one envelope opens share their clocks: ``worked_out`` has those by identity."""
    row = worked_out.get(id(deadline))
    if row is None:
        row = worked_out[id(deadline)] = repository.deadline_row(0, deadline)
    stored = case.breaches.get((deadline.clock, deadline.activation))
    return row if stored is None else row | repository.broken(stored)
