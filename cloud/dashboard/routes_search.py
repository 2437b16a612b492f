"""dashboard: search over tickets, equipment and clauses, in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select

from cloud.dashboard import find_page, lists, many, web
from cloud.dashboard.lists import TicketLine
from cloud.dashboard.routes_shell import Opened, PageRoute, library_of, opened
from cloud.storage import tables as t
from cloud.tickets import search_index
from cloud.tickets.search_pages import Count
from cloud.tickets.search_ranked import Hit, best
from cloud.tickets.search_words import Question, ask, known_words, segments
from cloud.tickets.ticket import parse_ticket, ticket_name

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST: Final = 20
LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class Line:
    """A ticket that was found, with the piece of text that says why."""

    ticket: TicketLine
    title: list[tuple[str, bool]]
    field: str
    pieces: Sequence[tuple[str, bool]]


@router.get("/search")
async def search(request: Request, q: str = "") -> Response:
    wanted = q.strip()[:LONGEST]
    question = ask(wanted)
    unwritten = await search_index.catch_up(request.app.state.database) if question else 0
    async with opened(request, "", [], wanted=wanted) as o:
        number = await _number(o, wanted)
        if number:
            return web.go(f"/tickets/{ticket_name(number)}")
        found, total = await best(o.db, question, o.page.here.now, MOST) if question else ([], Count(0))
        return web.render(
            "search.html", o.page, machines=await _machines(o, question) if question else [], clauses=_clauses(o, question) if question else [],
            tickets=await _tickets(o, question, found), total=find_page.count_text(total, o.page.here.words), unwritten=unwritten,
            all_href=f"/tickets?{urlencode({'open': 'any', 'text': wanted})}",
        )  # fmt: skip


async def _number(o: Opened, wanted: str) -> int:
    """The ticket whose number was typed: ``T-000123``, ``T-123`` or ``t123``; 0 for anything else."""
    typed = wanted.upper().replace(" ", "")
    typed = f"T-{typed[1:]}" if typed[:1] == "T" and typed[1:].isdecimal() else typed
    try:
        number = parse_ticket(typed)
    except ValueError:
        return 0
    return (await o.db.execute(select(t.ticket.c.id).where(t.ticket.c.id == number))).scalar() or 0


async def _tickets(o: Opened, question: Question, found: Sequence[Hit]) -> list[Line]:
    here = o.page.here
    rows = {row.id: row for row in await many.rows(o.db, [hit.number for hit in found])}
    lines = []
    for hit in found:
        if row := rows.get(hit.number):
            line = lists.ticket_line(row, here)
            field = here.words(f"find.in.{hit.field}") if here.words.has(f"find.in.{hit.field}") else ""
            lines.append(Line(line, segments(line.title, question), field, hit.pieces))
    return lines


async def _machines(o: Opened, question: Question) -> list[dict[str, Any]]:
    """Equipment whose name, id, place or class has every word; few enough to be compared here."""
    here = o.page.here
    found = []
    e = t.equipment.c
    for row in await o.db.execute(select(e.site_id, e.id, e.place, e.class_id, e.name).order_by(e.site_id, e.id)):
        if has_all([row.id, row.place, row.class_id, *row.name.values()], question):
            name = here.words.text(row.name, row.id)
            found.append(
                {"href": f"/equipment/{row.site_id}/{row.id}", "name": segments(name, question), "place": row.place}
            )
    return found[:MOST]


def _clauses(o: Opened, question: Question) -> list[dict[str, Any]]:
    """Clauses by id and text, each with the tickets that cite it."""
    here, found = o.page.here, []
    for clause in library_of(o.request).clauses.values():
        summary = clause.summary.model_dump()
        if has_all([clause.id, *summary.values()], question):
            text = here.words.text(summary)
            found.append(
                {
                    "id": clause.id,
                    "text": segments(text, question),
                    "href": f"/tickets?{urlencode({'open': 'any', 'clause': clause.id})}",
                }
            )
    return found[:MOST]


def has_all(texts: Sequence[str], question: Question) -> bool:
    """Whether every word of the question is there, as the database would find it."""
    there = known_words(*texts)
    return there.issuperset(question.words) and all(
        any(word.startswith(one) for word in there) for one in question.prefixes
    )
