"""Tickets → people: the rows behind the API's lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.tickets import joining
from cloud.tickets.repository import stored_deadlines, timeline
from cloud.tickets.ticket import OPEN_STATES, ticket_name
from contract.conventions import EpochMs, format_instant

_OPEN = tuple(str(state) for state in OPEN_STATES)
_INSTANTS = ("began_at", "raised_at", "received_at", "opened_at", "resolved_at", "closed_at", "hold_until")
_CLOCKS = ("response", "arrival", "resolution")


async def tickets(connection: AsyncConnection, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """These tickets as the API shows them, in this order, each with the due instants of its latest clocks."""
    query = select(t.ticket).where(t.ticket.c.id.in_(numbers))
    rows = {row["id"]: row for row in (await connection.execute(query)).mappings()}
    clocks = await _latest_clocks(connection, list(rows))
    return [show(rows[number], clocks.get(number, [])) for number in numbers if number in rows]


async def one(connection: AsyncConnection, row: RowMapping) -> dict[str, Any]:
    """One ticket with its whole timeline and all that it is joined to."""
    shown = show(row, await stored_deadlines(connection, row["id"]))
    found = await joining.links(connection, row["id"])
    states = await _states(connection, [number for _, number in found])
    below = await joining.children(connection, row["id"])
    return shown | {
        "links": [{"relation": relation, "ticket": ticket_name(id), "state": states[id]} for relation, id in found],
        "children": [{"ticket": ticket_name(child["id"]), "state": child["state"]} for child in below],
        "timeline": [_line(line) for line in await timeline(connection, row["id"])],
    }


async def _states(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, str]:
    query = select(t.ticket.c.id, t.ticket.c.state).where(t.ticket.c.id.in_(numbers))
    return {row.id: row.state for row in await connection.execute(query)} if numbers else {}


def _name(number: int | None) -> str | None:
    return ticket_name(number) if number else None


async def _latest_clocks(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, list[Mapping[Any, Any]]]:
    query = select(t.deadline).where(t.deadline.c.ticket_id.in_(numbers)).order_by(t.deadline.c.activation)
    found: dict[int, list[Mapping[Any, Any]]] = {}
    for row in (await connection.execute(query)).mappings():
        found.setdefault(row["ticket_id"], []).append(row)
    return found


def show(row: RowMapping, clocks: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    """A ticket as the API shows it. Of several activations the latest call counts; a breach of any is told."""
    latest = {clock["clock"]: clock for clock in clocks}
    shown: dict[str, Any] = {
        "id": ticket_name(row["id"]),
        "kind": row["kind"],
        "site": row["site_id"],
        "equipment": row["equipment_id"],
        "fault_key": row["fault_key"],
        "previous": _name(row["previous_ticket_id"]),
        "parent": _name(row["parent_ticket_id"]),
        "merged_into": _name(row["merged_into_id"]),
        "breached": sorted({clock["clock"] for clock in clocks if clock["breached_at"] is not None}),
    }
    plain = (
        "rule", "instance", "title", "priority", "severity", "system", "clause", "emergency", "state", "holder", "is_past",
        "occurrences", "activations", "reopened", "version", "category", "description", "place", "reporter",
        "reporter_contact", "channel", "entered_by",
    )  # fmt: skip
    shown |= {name: row[name] for name in plain}
    shown |= {name: instant(row[name]) for name in _INSTANTS}
    for name in _CLOCKS:
        clock = latest.get(name)
        shown[f"{name}_due"] = instant(clock["due_at"]) if clock is not None else None
        shown[f"{name}_state"] = clock["state"] if clock is not None else None
    return shown


def instant(at: EpochMs | None) -> str | None:
    """Epoch milliseconds as the contract writes an instant."""
    return format_instant(at) if at is not None else None


def _line(row: RowMapping) -> dict[str, Any]:
    return {
        "at": instant(row["at"]),
        "kind": row["kind"],
        "actor_kind": row["actor_kind"],
        "actor": row["actor"],
        "data": row["data"],
    }


async def alarms(connection: AsyncConnection, *, state: str, equipment: str, limit: int) -> list[dict[str, Any]]:
    """Alarms, worst and oldest first."""
    order = ("life_safety", "critical", "major", "minor", "advisory")
    rank = case({name: place for place, name in enumerate(order)}, value=t.alarm.c.severity, else_=len(order))
    query = select(t.alarm).order_by(rank, t.alarm.c.raised_at, t.alarm.c.id).limit(limit)
    if state:
        query = query.where(t.alarm.c.state == state)
    if equipment:
        query = query.where(t.alarm.c.equipment_id == equipment)
    return [_alarm(row) for row in (await connection.execute(query)).mappings()]


def _alarm(row: RowMapping) -> dict[str, Any]:
    plain = ("id", "rule", "instance", "severity", "clause", "state", "because", "suppressed_by", "acknowledged_by")
    instants = ("began_at", "raised_at", "received_at", "cleared_at", "shelved_until", "acknowledged_at")
    return {
        "site": row["site_id"],
        "equipment": row["equipment_id"],
        "ticket": ticket_name(row["ticket_id"]) if row["ticket_id"] else None,
        **{name: row[name] for name in plain},
        **{name: instant(row[name]) for name in instants},
    }


async def gateways(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Gateways with what they said last and how much of theirs was set aside."""
    aside = select(t.quarantine.c.gateway_id, func.count().label("n")).group_by(t.quarantine.c.gateway_id).subquery()
    query = (
        select(t.gateway, aside.c.n)
        .outerjoin(aside, aside.c.gateway_id == t.gateway.c.id)
        .order_by(t.gateway.c.site_id, t.gateway.c.id)
    )
    rows = (await connection.execute(query)).mappings()
    return [
        {
            "id": row["id"],
            "site": row["site_id"],
            "version": row["version"],
            "interval_ms": row["interval_ms"],
            "clock_offset_ms": row["clock_offset_ms"],
            "quarantined": row["n"] or 0,
            "is_enrolled": row["credential_hash"] is not None and row["revoked_at"] is None,
            **{name: instant(row[name]) for name in ("last_seen_at", "offline_since", "revoked_at")},
        }
        for row in rows
    ]
