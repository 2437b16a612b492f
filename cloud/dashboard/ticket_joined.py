"""dashboard: what a ticket is joined to, what was reported, and each time its alarm was raised, for the ticket page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard.present import Here
from cloud.dashboard.rows import TicketRow, ticket_number
from cloud.storage import tables as t
from cloud.tickets import joining
from cloud.tickets.joining import RELATIONS
from cloud.tickets.ticket import OPEN_STATES, Action, State, transition

MOST_OCCURRENCES: Final = 50
MOST_OFFERED: Final = 20


@dataclass(frozen=True, slots=True)
class Other:
    """Another ticket as a line of this one's page."""

    relation: str
    number: str
    title: str
    state: str
    is_open: bool
    words: str = ""
    """What it is to this one."""
    may_leave: bool = False
    """A person linked it, so a person can take the link away."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that an alarm of this ticket was raised."""

    what: str
    raised: str
    cleared: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Joined:
    """All that a page shows around one ticket."""

    parent: Other | None
    merged_into: Other | None
    links: tuple[Other, ...]
    children: tuple[Other, ...]
    resolvable: tuple[tuple[str, str], ...]
    """Children that can be resolved now."""
    facts: tuple[tuple[str, str], ...]
    """What was reported, by whom and how, label and text."""
    description: str
    reporter: str
    place: str
    occurrences: tuple[Occurrence, ...]
    offered: tuple[tuple[str, str], ...]
    is_alarm_active: bool

    @property
    def open_children(self) -> int:
        return sum(child.is_open for child in self.children)

    @property
    def is_alone(self) -> bool:
        return not (self.parent or self.merged_into or self.links)


async def joined(db: AsyncConnection, ticket: TicketRow, here: Here) -> Joined:
    """Everything around a ticket. What a person entered stands on the ticket alone, so it is read here."""
    row = (await db.execute(select(t.ticket).where(t.ticket.c.id == ticket.id))).mappings().one()
    links = await joining.links(db, ticket.id)
    below = await joining.children(db, ticket.id)
    named = [number for _, number in links] + [
        row[name] for name in ("parent_ticket_id", "merged_into_id") if row[name]
    ]
    known = await _others(db, named, here)
    raised = await _occurrences(db, ticket.id, here)
    can = [child for child in below if transition(Action.RESOLVE, child["kind"], child["state"]) is not None]
    return Joined(
        parent=known.get(row["parent_ticket_id"]), merged_into=known.get(row["merged_into_id"]),
        links=tuple(_linked(relation, known[number], here) for relation, number in links),
        children=tuple(_other(child["id"], child["title"], child["state"], here) for child in below),
        resolvable=tuple((ticket_number(one["id"]), _named(one["id"], one["title"], here)) for one in can),
        facts=_facts(dict(row), here), description=row["description"], reporter=row["reporter"], place=row["place"],
        occurrences=raised, offered=await _offered(db, ticket, here),
        is_alarm_active=any(one.is_active for one in raised),
    )  # fmt: skip


async def _others(db: AsyncConnection, numbers: Sequence[int], here: Here) -> dict[int | None, Other]:
    query = select(t.ticket.c.id, t.ticket.c.title, t.ticket.c.state).where(t.ticket.c.id.in_(numbers))
    return {row.id: _other(row.id, row.title, row.state, here) for row in await db.execute(query)} if numbers else {}


def _other(number: int, title: dict[str, str], state: str, here: Here) -> Other:
    words = here.words
    shown = words.text(title, ticket_number(number))
    return Other("", ticket_number(number), shown, words.or_id("state", state), State(state).is_open)


def _linked(relation: str, other: Other, here: Here) -> Other:
    return Other(
        relation, other.number, other.title, other.state, other.is_open, here.words.or_id("relation", relation),
        may_leave=relation in RELATIONS,
    )  # fmt: skip


def _named(number: int, title: dict[str, str], here: Here) -> str:
    return f"{ticket_number(number)} {here.words.text(title, '')}"


def _facts(row: dict[str, str], here: Here) -> tuple[tuple[str, str], ...]:
    words = here.words
    chosen = (
        ("desk.kind", words.or_id("kind", row["kind"]) if row["kind"] != "fault" or row["entered_by"] else ""),
        ("desk.category", words.or_id("category", row["category"]) if row["category"] else ""),
        ("desk.emergency", words.or_id("emergency", row["emergency"]) if row["emergency"] else ""),
        ("desk.place", row["place"]), ("desk.reporter", row["reporter"]), ("desk.reporter_contact", row["reporter_contact"]),
        ("desk.channel", words.or_id("channel", row["channel"]) if row["entered_by"] else ""),
        ("desk.entered_by", row["entered_by"]),
    )  # fmt: skip
    return tuple((words(label), text) for label, text in chosen if text)


async def _occurrences(db: AsyncConnection, ticket: int, here: Here) -> tuple[Occurrence, ...]:
    """The newest first. Alarms of a merged ticket are here too."""
    a, r = t.alarm, t.rule
    own = (r.c.site_id == a.c.site_id) & (r.c.equipment_id == a.c.equipment_id) & (r.c.id == a.c.rule)
    query = (
        select(a.c.raised_at, a.c.cleared_at, a.c.state, a.c.rule, a.c.instance, r.c.name)
        .select_from(a.outerjoin(r, own))
        .where(a.c.ticket_id == ticket)
        .order_by(a.c.raised_at.desc(), a.c.id.desc())
        .limit(MOST_OCCURRENCES)
    )
    return tuple(
        Occurrence(
            " ".join(part for part in (here.words.text(row.name, here.words.or_id("rule", row.rule)), row.instance) if part),
            here.when(row.raised_at, seconds=True),
            here.when(row.cleared_at, seconds=True) if row.cleared_at is not None else "",
            row.state == "active",
        )
        for row in await db.execute(query)
    )  # fmt: skip


async def _offered(db: AsyncConnection, ticket: TicketRow, here: Here) -> tuple[tuple[str, str], ...]:
    """Tickets that this one is likely to be joined to: the open ones of the same equipment, newest first."""
    c = t.ticket.c
    open_states = [str(state) for state in OPEN_STATES]
    query = (
        select(c.id, c.title)
        .where(
            c.site_id == ticket.site, c.equipment_id == ticket.equipment, c.state.in_(open_states), c.id != ticket.id
        )
        .order_by(c.opened_at.desc())
        .limit(MOST_OFFERED)
    )
    return tuple((ticket_number(row.id), here.words.text(row.title, "")) for row in await db.execute(query))
