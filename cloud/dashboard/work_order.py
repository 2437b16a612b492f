"""dashboard: a ticket → a work order on one A4 in black and white, with a QR code that leads back to the ticket."""

from __future__ import annotations

from typing import Any, Final

from cloud.dashboard import lists, proof, views
from cloud.dashboard.clocks import ORDER
from cloud.dashboard.routes_shell import Opened, library_of
from cloud.dashboard.rows import TicketRow
from cloud.dashboard.tile import condition
from cloud.dashboard.words import Words
from cloud.tickets import repository, work

MOST_LINES: Final = 5
BLANK_LINES: Final = 3
MOST_LETTERS: Final = 230
_CHECKS: Final = 5


async def of_ticket(o: Opened, ticket: TicketRow, address: str) -> dict[str, Any]:
    """The values of work_order.html."""
    here, words = o.page.here, o.page.here.words
    alarm = await views.ticket_alarm(o.db, ticket.id)
    needs = await work.evidence(o.db, await repository.ticket(o.db, ticket.id))
    worked = await proof.worked(o.db, ticket.id, dict(await views.people(o.db)), here)
    parts = worked["parts"]
    return {
        "number": ticket.number, "title": short(lists.title_of(ticket, words), 110), "address": address, "qr": qr(address),
        "facts": _facts(o, ticket), "condition": short(condition(alarm, words)) if alarm else "",
        "cause": short(words.text(alarm.rule.cause)) if alarm else "",
        "action": short(words.text(alarm.rule.action)) if alarm else "", "clause": _clause(o, ticket),
        "clocks": _clocks(o, ticket), "checks": checks(ticket.system, words), "parts": parts[:MOST_LINES],
        "more_parts": max(0, len(parts) - MOST_LINES), "blank": range(max(1, BLANK_LINES - len(parts))),
        "sums": worked["sums"], "needs": [words.text(need.text) for need in needs],
        "said": [short(text, 160) for text in (ticket.cause_text, ticket.action_text)],
        "printed": words("order.printed", at=here.when(here.now), who=o.page.user_name),
    }  # fmt: skip


def short(text: str, most: int = MOST_LETTERS) -> str:
    """A text that leaves room for the others on the page."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def qr(address: str) -> str:
    """The address as an SVG drawing of one path: attributes only, as the content policy wants it."""
    import segno

    return segno.make(address, error="m", micro=False).svg_inline(
        border=4, svgclass=None, lineclass=None, omitsize=True
    )


def checks(system: str, words: Words) -> list[str]:
    """What to see to before anything is touched, by the system the equipment belongs to."""
    known = system if words.has(f"order.safety.{system}.1") else "any"
    keys = [f"order.safety.{known}.{number}" for number in range(1, _CHECKS + 1)]
    return [words(key) for key in keys if words.has(key)]


def _facts(o: Opened, ticket: TicketRow) -> list[tuple[str, str]]:
    here, words = o.page.here, o.page.here.words
    since = ticket.began_at or ticket.opened_at
    return [
        (words("order.site"), o.page.site_name), (words("order.equipment"), words.text(ticket.equipment_name, ticket.equipment)),
        (words("order.place"), short(ticket.place, 90) or "—"), (words("order.since"), here.when(since)),
        (words("order.priority"), words.or_id("priority", ticket.priority)),
        (words("order.holder"), ticket.holder_name or words("ticket.nobody")),
    ]  # fmt: skip


def _clause(o: Opened, ticket: TicketRow) -> tuple[str, str]:
    words, found = o.page.here.words, library_of(o.request).clauses.get(ticket.clause)
    return ticket.clause, short(words.text(found.summary.model_dump())) if found else ""


def _clocks(o: Opened, ticket: TicketRow) -> list[tuple[str, str, str]]:
    """Each clock's newest activation: its name, when it is due and the clause that sets it."""
    here, words = o.page.here, o.page.here.words
    newest = {deadline.clock: deadline for deadline in ticket.deadlines}
    found = []
    for kind in (*ORDER, *(kind for kind in newest if kind not in ORDER)):
        if (one := newest.get(kind)) is not None:
            due = here.when(one.due_at) if one.due_at is not None else words("sumstate.held")
            found.append((words(f"clock.{kind}.name"), due, one.clause or one.source))
    return found
