"""dashboard: what is done to many tickets of a list at once: steps on the chosen ones, export of all that the filters leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cloud.dashboard import find_page, views, web
from cloud.dashboard.routes_lists import given_of
from cloud.dashboard.routes_shell import PageRoute, SignInNeeded, opened
from cloud.dashboard.web import Crumb
from cloud.dashboard.words import Words
from cloud.errors import Refused, invalid
from cloud.people import access
from cloud.tickets import search_bulk, search_export, search_index, search_pages
from cloud.tickets.search_bulk import BULK, MOST, Done, Hands
from cloud.tickets.search_export import CLOCKS, COLUMNS, Reader
from cloud.tickets.search_filter import read
from cloud.tickets.service import Actor, Details
from cloud.tickets.ticket import Action, parse_ticket, ticket_name

router = APIRouter(route_class=PageRoute, include_in_schema=False)

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.post("/tickets/bulk")
async def bulk(request: Request) -> Response:
    """Do one thing to the chosen tickets; the page says of each what happened."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    form = await request.form(max_fields=MOST + 20)
    given = {key: str(text).strip()[:2000] for key, text in form.items()}
    action = given.get("action", "")
    if action not in set(BULK):
        raise invalid("action", f"{action!r} cannot be done to many tickets", f"one of {', '.join(BULK)}")
    numbers = _numbers([str(one) for one in form.getlist("ticket")])
    details = Details(
        holder=given.get("holder", ""),
        priority=given.get("priority", ""),
        reason=given.get("reason", ""),
        note=given.get("note", ""),
    )
    state = request.app.state
    done = await search_bulk.act_on_each(
        Hands(state.desk, state.database, state.clock), numbers, Action(action), Actor(user.name, user.role), details
    )
    state.hub.publish("tickets", "alarms")
    state.wake(("tickets",))
    async with opened(request, "tickets", [Crumb(web.words_of(request)("ticket.title"), "/tickets")]) as o:
        words = o.page.here.words
        lines = [_line(one, words) for one in done]
        back = web.local_path(given.get("back", ""), "/tickets")
        return web.render("bulk.html", o.page, lines=lines, n_done=sum(one.refused is None for one in done),
                          n_refused=sum(one.refused is not None for one in done), back=back, action=action)  # fmt: skip


def _numbers(names: Sequence[str]) -> list[int]:
    if len(names) > MOST:
        raise invalid("ticket", f"{len(names)} tickets are too many at once", f"choose at most {MOST}")
    try:
        return [parse_ticket(name) for name in names]
    except ValueError as error:
        raise invalid("ticket", str(error), "choose from the list") from error


def _line(done: Done, words: Words) -> dict[str, Any]:
    name = ticket_name(done.number)
    line = {"number": name, "href": f"/tickets/{name}", "is_done": done.refused is None}
    if done.refused is None:
        return line | {"text": words("bulk.ok"), "state": words.or_id("state", done.state)}
    key = f"refused.{done.refused.code}"
    is_known = words.has(key) and (words.language == "zh" or done.refused.code == "bulk_life_safety")
    remedy = "" if words.language == "zh" or not done.refused.remedy else f": {done.refused.remedy}"
    return line | {"text": words(key) if is_known else f"{done.refused.message}{remedy}", "state": ""}


@router.get("/tickets/export")
async def export(request: Request) -> Response:
    """All tickets that the address's filters leave, as CSV or XLSX, in the reader's language and the site's zone."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    state, form = request.app.state, request.query_params.get("as", "csv")
    if form not in {"csv", "xlsx"}:
        raise invalid("as", f"{form!r} is not a form of export", "csv or xlsx")
    if request.query_params.get("text"):
        await search_index.catch_up(state.database)
    async with state.database.read() as db:
        page = web.page_of(request, user, await views.sites(db), "tickets")
        reading = read(given_of(request), user.name, page.here.zone, is_open="1")
        wrong = (*reading.wrong, *await search_pages.unknown(db, reading))
    words = page.here.words
    if wrong:
        raise Refused(422, "invalid", " ".join(find_page.wrong_text(one, words) for one in wrong), "")
    zones = {site.id: web.zone_of([site]) for site in page.sites}
    reader = Reader(words.language, page.here.zone, words.or_id, zones)
    found = search_export.rows(state.database, reading.wanted, page.here.now, reader)
    head = [head_of(column, words) for column in COLUMNS]
    name = f"tickets-{page.here.local(page.here.now):%Y%m%d-%H%M}.{form}"
    headers = {**web.HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    if form == "csv":
        return StreamingResponse(
            search_export.csv_lines(head, found), media_type="text/csv; charset=utf-8", headers=headers
        )
    file = await search_export.xlsx_file(head, found, words("sheet.tickets"))
    return StreamingResponse(search_export.chunks(file), media_type=XLSX, headers=headers)


_HEADS: Final = {"number": "ticket.number", "title": "ticket.what", "kind": "find.kind_label", "priority": "ticket.priority", "state": "ticket.state_label",
                 "system": "find.system_label", "rule": "find.rule_label", "clause": "find.clause_label", "holder": "ticket.holder",
                 "opened": "ticket.opened"}  # fmt: skip


def head_of(column: str, words: Words) -> str:
    """A column's name."""
    clock, dot, part = column.partition(".")
    if dot and clock in CLOCKS:
        return words(f"sheet.clock.{part}", clock=words(f"clock.{clock}.name"))
    return words(_HEADS.get(column, f"sheet.{column}"))
