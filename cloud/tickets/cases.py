"""Tickets in the database, many at once: those that a few events are about, read and written together. Nothing here decides."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, bindparam, func, select, text, update
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
    for case in changed:
        if case.clocks:  # none: nothing moved them
            case.row |= repository.pressing([_kept(case, deadline) for deadline in case.clocks])
    await _update_tickets(connection, [case for case in changed if not case.is_new])
    await _insert_tickets(connection, [case for case in changed if case.is_new])
    await insert_all_new(
        connection, t.timeline, [repository.line_row(case.row["id"], happening) for case, happening in unwritten]
    )
    rows = [_kept(case, deadline) for case in changed for deadline in case.clocks]
    await upsert(connection, t.deadline, ("ticket_id", "clock", "activation"), rows)


_CHANGING = (
    "state", "priority", "severity", "is_past", "occurrences", "activations", "reopened", "hold_until", "resolved_at",
    "closed_at", "version", "planned_version", "indexed_version", "next_due_at", "breached_at",
)  # fmt: skip
"""What an event can change of a ticket."""
_INSERT_ALL = t.ticket.insert().returning(t.ticket.c.id, t.ticket.c.fault_key)
_INSERT = Prepared(_INSERT_ALL)


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
    """New tickets get their numbers in the order in which they were opened, and are known by their faults."""
    if cases:
        rows = [{name: value for name, value in case.row.items() if name != "id"} for case in cases]
        if connection.dialect.name == "sqlite" or len(rows) == 1:
            found = [one for row in rows for one in await _INSERT.tuples(connection, row)]
        else:  # over a network one statement of many rows is better than many of one
            found = [tuple(one) for one in await connection.execute(_INSERT_ALL, rows)]
        numbers = {fault_key: number for number, fault_key in found}
        for case in cases:
            case.row["id"] = numbers[case.row["fault_key"]]


def _kept(case: Case, deadline: Deadline) -> dict[str, Any]:
    row, stored = (
        repository.deadline_row(case.row["id"], deadline),
        case.breaches.get((deadline.clock, deadline.activation)),
    )
    return row if stored is None else row | repository.broken(stored)
