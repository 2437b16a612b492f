"""tickets: what joins them: merging, links, parents and children. Each change is a line on the timelines of both.

A merge never helps a clock: the ticket that goes on takes the higher of both priorities and must be due no later than the merged
one, which keeps its own clocks and breaches on record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import conflict, invalid
from cloud.sla.policy import is_higher
from cloud.sla.timeline import Deadline
from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from cloud.tickets import repository, work
from cloud.tickets.desk import Desk, record
from cloud.tickets.repository import Happening
from cloud.tickets.ticket import Action, State, parse_ticket, ticket_name, transition
from contract.conventions import EpochMs

RELATIONS = ("related", "duplicate", "previous")
"""What another ticket is to this one: about the same matter, the one that this repeats, the one before."""
_BACK: Mapping[str, str] = MappingProxyType(
    {"related": "related", "duplicate": "duplicated_by", "previous": "following"}
)
_MOST_ABOVE = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One joining step: the ticket, the other one, the line to write, and when."""

    desk: Desk
    connection: AsyncConnection
    ticket: RowMapping
    other: RowMapping
    happening: Happening
    now: EpochMs

    def line(self, of: RowMapping, kind: str, data: Mapping[str, Any]) -> Happening:
        """A line about this step on another ticket; written once when a call is repeated."""
        dedupe = self.happening.dedupe and f"{self.happening.dedupe}:{of['id']}:{kind}"
        return replace(self.happening, kind=kind, data=data, dedupe=dedupe)

    async def write(self, of: RowMapping, line: Happening, values: Mapping[str, Any] | None = None) -> RowMapping:
        return await record(self.desk, self.connection, of, line, self.now, values)


def number_of(field: str, name: str) -> int:
    """The number of a ticket that somebody named. Raises Refused (422) naming the field."""
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise invalid(field, str(error), "take the number from the other ticket's page") from error


async def join(action: Action, step: Step, relation: str) -> RowMapping:
    """Do what an action of this kind does; the ticket as it is then. Raises Refused (409, 422)."""
    if step.other["id"] == step.ticket["id"]:
        raise conflict("same_ticket", "a ticket is not joined to itself", "name another ticket")
    match action:
        case Action.MERGE:
            return await _merge(step)
        case Action.LINK | Action.UNLINK:
            if relation not in RELATIONS:
                raise invalid("relation", f"{relation!r} is no relation", f"choose one of {', '.join(RELATIONS)}")
            return await (_link if action is Action.LINK else _unlink)(step, relation)
        case _:
            return await _set_parent(step)


# --- merging ------------------------------------------------------------------------------------------------------


async def _merge(step: Step) -> RowMapping:
    ticket, into = step.ticket, step.other
    _check_merge(ticket, into)
    if await work.asks_more(step.connection, ticket, into):
        message = (
            f"{ticket_name(ticket['id'])} is resolved with evidence that {ticket_name(into['id'])} does not ask for"
        )
        remedy = f"merge {ticket_name(into['id'])} into {ticket_name(ticket['id'])}, or link the two"
        raise conflict("merge_evidence", message, remedy)
    if is_higher(ticket["priority"], into["priority"]):
        data = {"priority": ticket["priority"], "from": into["priority"], "merged": ticket_name(ticket["id"])}
        values = {"priority": ticket["priority"], "severity": ticket["severity"] or into["severity"]}
        into = await step.write(into, step.line(into, "reclassified", data), values)
    await _check_clocks(step, into)
    data = {"ticket": ticket_name(ticket["id"]), "occurrences": ticket["occurrences"], **_reason(step)}
    above = {"parent_ticket_id": ticket["parent_ticket_id"]} if into["parent_ticket_id"] == ticket["id"] else {}
    values = {"occurrences": into["occurrences"] + ticket["occurrences"], **above}
    into = await step.write(into, step.line(into, "absorbed", data), values)
    await _move(step.connection, ticket["id"], into["id"])
    below = [child for child in await children(step.connection, ticket["id"]) if child["id"] != into["id"]]
    await _adopt(step, into, below)
    over = {"state": str(State.MERGED), "merged_into_id": into["id"], "closed_at": step.now, "hold_until": None}
    return await step.write(ticket, step.happening, over)


def _check_merge(ticket: RowMapping, into: RowMapping) -> None:
    name, other = ticket_name(ticket["id"]), ticket_name(into["id"])
    if transition(Action.MERGE, into["kind"], into["state"]) is None:
        message = f"{other} is {into['state']} and of kind {into['kind']}: nothing is merged into it"
        raise conflict("merge_over", message, "link the two instead, or reopen that one first")
    if ticket["site_id"] != into["site_id"]:
        raise conflict("merge_site", f"{other} is at another site", "link the two instead")
    if ticket["emergency"] not in {"", into["emergency"]}:
        message = f"{name} is an emergency ({ticket['emergency']}) with clocks of its own"
        raise conflict("merge_emergency", message, "link the two instead")


async def _check_clocks(step: Step, into: RowMapping) -> None:
    """Raises Refused (409) when a clock that still runs would end later in the other ticket."""
    clock = eased(await _clocks(step, step.ticket), await _clocks(step, into))
    if clock:
        name, other = ticket_name(step.ticket["id"]), ticket_name(into["id"])
        message = f"the {clock} of {name} would be due later as part of {other}"
        raise conflict("merge_clock", message, f"merge {other} into {name}, or link the two")


async def _clocks(step: Step, ticket: RowMapping) -> tuple[Deadline, ...]:
    return step.desk.deadlines(ticket, await repository.entries(step.connection, ticket["id"]), step.now)


def eased(merged: Sequence[Deadline], into: Sequence[Deadline]) -> str:
    """The clock that still runs in one ticket and would be due later in the other; empty when a merge helps none."""
    latest = {deadline.clock: deadline for deadline in into}
    running = {deadline.clock: deadline for deadline in merged}
    return next((str(clock) for clock, deadline in running.items() if _is_eased(deadline, latest.get(clock))), "")


def _is_eased(deadline: Deadline, other: Deadline | None) -> bool:
    if deadline.stopped_at is not None or deadline.breached_at is not None or deadline.due is None:
        return False
    if other is None:
        return True
    if other.stopped_at is not None or other.breached_at is not None:
        return False
    return other.due is None or other.due > deadline.due


async def _move(connection: AsyncConnection, number: int, into: int) -> None:
    """Alarms, storms, due dates of tests and watchers follow; what was written down stays where it was written."""
    for table in (t.alarm, t.storm, t.occurrence):
        await connection.execute(update(table).where(table.c.ticket_id == number).values(ticket_id=into))
    watcher = t.proof.watcher
    found = (await connection.execute(select(watcher).where(watcher.c.ticket_id == number))).mappings().all()
    rows = [{**row, "ticket_id": into} for row in found]
    for row in rows:
        await insert_new(connection, watcher, row)


def _reason(step: Step) -> dict[str, Any]:
    return {"reason": step.happening.data["reason"]} if step.happening.data.get("reason") else {}


# --- links --------------------------------------------------------------------------------------------------------


async def _link(step: Step, relation: str) -> RowMapping:
    ticket, other = step.ticket["id"], step.other["id"]
    if relation == "previous" and other > ticket:
        message = f"{ticket_name(other)} is younger: it is not the one before"
        raise conflict("link_younger", message, f"link {ticket_name(other)} to {ticket_name(ticket)} instead")
    first, second = sorted((ticket, other)) if relation == "related" else (ticket, other)
    values = {"ticket_id": first, "other_id": second, "relation": relation}
    person = {"created_at": step.now, "created_by": step.happening.actor}
    if not await insert_new(step.connection, t.desk.ticket_link, {**values, **person}):
        raise conflict(
            "linked", f"{ticket_name(ticket)} and {ticket_name(other)} are linked so already", "nothing to do"
        )
    return await _both(step, "linked", relation)


async def _unlink(step: Step, relation: str) -> RowMapping:
    gone = await step.connection.execute(delete(t.desk.ticket_link).where(_is_link(step, relation)))
    if gone.rowcount == 0:
        raise conflict("not_linked", f"{ticket_name(step.other['id'])} is not linked so", "look at the ticket's links")
    return await _both(step, "unlinked", relation)


def _is_link(step: Step, relation: str) -> ColumnElement[bool]:
    link, ticket, other = t.desk.ticket_link.c, step.ticket["id"], step.other["id"]
    first, second = sorted((ticket, other)) if relation == "related" else (ticket, other)
    return and_(link.ticket_id == first, link.other_id == second, link.relation == relation)


async def _both(step: Step, kind: str, relation: str) -> RowMapping:
    """The line on both timelines, each naming the other."""
    told = {"other": ticket_name(step.ticket["id"]), "relation": _BACK[relation]}
    await step.write(step.other, step.line(step.other, kind, told))
    return await step.write(step.ticket, step.happening)


async def links(connection: AsyncConnection, number: int) -> list[tuple[str, int]]:
    """Every link of a ticket: what the other is to it, and the other's number. Both ways round, older first."""
    link = t.desk.ticket_link.c
    query = select(link.ticket_id, link.other_id, link.relation).where(
        (link.ticket_id == number) | (link.other_id == number)
    )
    found = {
        (row.relation, row.other_id) if row.ticket_id == number else (_BACK[row.relation], row.ticket_id)
        for row in await connection.execute(query)
    }
    ticket = t.ticket.c
    own = select(ticket.previous_ticket_id).where(ticket.id == number, ticket.previous_ticket_id.is_not(None))
    found |= {("previous", row[0]) for row in await connection.execute(own)}
    after = select(ticket.id).where(ticket.previous_ticket_id == number)
    found |= {("following", row[0]) for row in await connection.execute(after)}
    merged = select(ticket.id).where(ticket.merged_into_id == number)
    found |= {("merged_here", row[0]) for row in await connection.execute(merged)}
    return sorted(found, key=lambda one: (one[1], one[0]))


# --- parents and children -----------------------------------------------------------------------------------------


async def children(connection: AsyncConnection, number: int) -> list[RowMapping]:
    """The tickets that belong to one, oldest first."""
    query = select(t.ticket).where(t.ticket.c.parent_ticket_id == number).order_by(t.ticket.c.id)
    return list((await connection.execute(query)).mappings())


async def _set_parent(step: Step) -> RowMapping:
    if not State(step.other["state"]).is_open:
        raise conflict(
            "parent_over", f"{ticket_name(step.other['id'])} is {step.other['state']}", "name an open ticket"
        )
    if step.ticket["id"] in await above(step.connection, step.other):
        message = f"{ticket_name(step.other['id'])} belongs to {ticket_name(step.ticket['id'])} itself"
        raise conflict("parent_loop", message, "name a ticket that is not below this one")
    await step.write(step.other, step.line(step.other, "child_joined", {"tickets": [ticket_name(step.ticket["id"])]}))
    return await step.write(step.ticket, step.happening, {"parent_ticket_id": step.other["id"]})


async def _adopt(step: Step, parent: RowMapping, below: Sequence[RowMapping]) -> None:
    """Give a merged ticket's children to the one that goes on."""
    if not below:
        return
    await step.write(
        parent, step.line(parent, "child_joined", {"tickets": [ticket_name(child["id"]) for child in below]})
    )
    for child in below:
        line = step.line(child, "joined_parent", {"parent": ticket_name(parent["id"])})
        await step.write(child, line, {"parent_ticket_id": parent["id"]})


async def above(connection: AsyncConnection, ticket: RowMapping) -> list[int]:
    """A ticket's parent, its parent's parent and so on, the ticket itself first."""
    found, upper = [ticket["id"]], ticket["parent_ticket_id"]
    while upper is not None and upper not in found and len(found) < _MOST_ABOVE:
        found.append(upper)
        query = select(t.ticket.c.parent_ticket_id).where(t.ticket.c.id == upper)
        upper = (await connection.execute(query)).scalar_one_or_none()
    return found
