"""dashboard: contractors' links on a ticket's page, and what a link shows of its ticket: no more than the job needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import permit_page
from cloud.dashboard.permit_page import measure_text
from cloud.dashboard.present import Here
from cloud.dashboard.rows import TicketRow
from cloud.storage import tables as t
from cloud.tickets import contractors, permits_service
from cloud.tickets.contractors import DEFAULT_DAYS, MOST_DAYS, LinkState, Verb
from cloud.tickets.repository import stored_deadlines
from cloud.tickets.ticket import Kind, Role, State, ticket_name

_WAS: Final = ("seen_at", "accepted_at", "arrived_at", "done_at", "closed_at")
_CLOCKS: Final = ("response", "arrival", "resolution")


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A link in the list on a ticket."""

    id: int
    name: str
    state: str
    facts: tuple[str, ...]
    may_revoke: bool


async def beside(db: AsyncConnection, ticket: TicketRow, role: str, here: Here) -> dict[str, Any]:
    """The cards of a permit and of contractors' links, for a ticket's page."""
    return {
        "permit": await permit_page.of_ticket(db, ticket.id, role, here),
        "contractors": await of_ticket(db, ticket.id, ticket.state, role, here),
    }


async def of_ticket(db: AsyncConnection, ticket: int, state: str, role: str, here: Here) -> dict[str, Any] | None:
    """The card of links; None for whom it is nothing."""
    may = Role(role).rank >= Role.ENGINEER.rank
    rows = await contractors.links(db, ticket)
    if not rows and not (may and State(state).is_open):
        return None
    return {
        "number": ticket_name(ticket), "links": [_line(row, state, here, may=may) for row in rows],
        "may_make": may and State(state).is_open, "days": DEFAULT_DAYS, "most_days": MOST_DAYS,
    }  # fmt: skip


def _line(row: RowMapping, ticket_state: str, here: Here, *, may: bool) -> LinkLine:
    words, state = here.words, contractors.link_state(row, ticket_state, here.now)
    was = [words(f"contractor.was.{name}", at=here.when(row[name])) for name in _WAS if row[name] is not None]
    until = words("contractor.until", at=here.when(row["expires_at"]))
    facts = tuple(text for text in (row["contact"], until, *was) if text)
    return LinkLine(row["id"], row["name"], words(f"contractor.state.{state}"), facts, may and state is LinkState.GOOD)


# --- through the link ---------------------------------------------------------------------------------------------


async def job(db: AsyncConnection, link: RowMapping, here: Here, path: str, *, has_files: bool) -> dict[str, Any]:
    """One ticket as the holder of its link sees it. Ended links show that they are, closed tickets only their result."""
    ticket = (await db.execute(select(t.ticket).where(t.ticket.c.id == link["ticket_id"]))).mappings().one()
    permit = await permits_service.permit_or_none(db, ticket["id"]) if ticket["kind"] == Kind.OUTAGE else None
    state = contractors.link_state(link, ticket["state"], here.now)
    verbs = contractors.verbs(link, ticket, permit["stage"] if permit else None) if state is LinkState.GOOD else ()
    words = here.words
    shown: dict[str, Any] = {
        "number": ticket_name(ticket["id"]), "title": ticket_name(ticket["id"]), "path": path, "head": (), "facts": [],
        "measures": (), "steps": (), "gone": "", "verbs": [str(verb) for verb in verbs], "wait": "", "until": "",
        "is_outage": permit is not None, "may_photo": has_files,
    }  # fmt: skip
    if state is not LinkState.GOOD:
        shown["gone"] = words(f"contractor.page.gone_{state}")
    if state in {LinkState.EXPIRED, LinkState.REVOKED}:
        return shown
    shown["title"] = words.text(ticket["title"], shown["number"])
    if state in {LinkState.OVER, LinkState.USED}:
        return shown | {"facts": _result(ticket, here), "steps": _steps(link, here)}
    return shown | await _work(db, link, ticket, permit, here) | {"wait": _wait(link, permit, verbs, here)}


def _wait(link: RowMapping, permit: RowMapping | None, verbs: tuple[Verb, ...], here: Here) -> str:
    if link["accepted_at"] is None or Verb.DONE in verbs:
        return ""
    is_early = permit is not None and permit["cut_at"] is None
    return here.words("contractor.page.wait_cut" if is_early else "contractor.page.wait")


def _result(ticket: RowMapping, here: Here) -> list[tuple[str, str]]:
    words = here.words
    found = [
        (words("contractor.page.result"), words.or_id("state", ticket["state"])),
        (words("contractor.page.cause"), ticket["cause_text"]),
        (words("contractor.page.action"), ticket["action_text"]),
    ]
    return [(label, text) for label, text in found if text]


def _steps(link: RowMapping, here: Here) -> tuple[str, ...]:
    keys = (("accepted_at", "accepted"), ("arrived_at", "arrived"), ("done_at", "reported"), ("closed_at", "closed"))
    return tuple(
        here.words(f"contractor.page.{key}", at=here.when(link[name])) for name, key in keys if link[name] is not None
    )


async def _work(
    db: AsyncConnection, link: RowMapping, ticket: RowMapping, permit: RowMapping | None, here: Here
) -> dict[str, Any]:
    words = here.words
    c = t.equipment.c
    query = select(c.name, c.place).where(c.site_id == ticket["site_id"], c.id == ticket["equipment_id"])
    thing = (await db.execute(query)).mappings().one_or_none()
    site = (await db.execute(select(t.site.c.name).where(t.site.c.id == ticket["site_id"]))).scalar()
    place = [site or "", ticket["place"] or (thing["place"] if thing else "")]
    where = words("sep_and").join(text for text in place if text)
    facts = [
        (words("contractor.page.what"), words.text(thing["name"], ticket["equipment_id"]) if thing else ""),
        (words("contractor.page.where"), where),
        (words("contractor.page.work"), permit["work"] if permit else ticket["description"]),
        *(_plan(permit, here) if permit else await _due(db, ticket, here)),
    ]
    return {
        "head": (words("contractor.page.for", name=link["name"]), words("ticket.priority_is", priority=words.or_id("priority", ticket["priority"]))),
        "facts": [(label, text) for label, text in facts if text], "steps": _steps(link, here),
        "measures": tuple(measure_text(one, words) for one in permit["measures"]) if permit else (),
        "until": words("contractor.page.link_until", at=here.when(link["expires_at"])),
    }  # fmt: skip


def _plan(permit: RowMapping, here: Here) -> list[tuple[str, str]]:
    words = here.words
    return [
        (words("permit.from"), here.when(permit["from_at"])), (words("permit.until"), here.when(permit["until_at"])),
        (words("permit.stage_label"), words(f"permit.stage.{permit['stage']}")),
    ]  # fmt: skip


async def _due(db: AsyncConnection, ticket: RowMapping, here: Here) -> list[tuple[str, str]]:
    """The newest call's due instants that still run."""
    newest = {row["clock"]: row for row in await stored_deadlines(db, ticket["id"])}
    words = here.words
    return [
        (words(f"clock.{name}.name"), words(f"contractor.page.{name}", at=here.when(newest[name]["due_at"])))
        for name in _CLOCKS
        if name in newest and newest[name]["due_at"] is not None and newest[name]["met_at"] is None
    ]
