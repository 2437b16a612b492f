"""dashboard: the ticket page. Every button ends in tickets.service.act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import (
    calls_page,
    contractor_page,
    evidence,
    history,
    lists,
    proof,
    storms,
    ticket_joined,
    ticket_page,
    ticket_steps,
    value,
    views,
    web,
)
from cloud.dashboard.chart import draw
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, library_of, opened
from cloud.dashboard.rows import AlarmRow, PointRow, SampleRow, TicketRow
from cloud.dashboard.tile import blamed, condition
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, not_found
from cloud.people import access
from cloud.tickets import service
from cloud.tickets.ticket import Action, Role, parse_ticket

router = APIRouter(route_class=PageRoute, include_in_schema=False)

HOUR_MS: Final = 3_600_000


# --- one ticket -------------------------------------------------------------------------------------------------


@router.get("/tickets/{name}")
async def show_ticket(request: Request, name: str) -> Response:
    return await _ticket(request, name, "ticket.html")


@router.get("/tickets/{name}/part/{part}")
async def ticket_part(request: Request, name: str, part: str) -> Response:
    if part not in {"top", "body", "side", "dock"}:
        raise not_found("part", part)
    return await _ticket(request, name, f"parts/ticket_{part}.html")


def _number(name: str) -> int:
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise not_found("ticket", name) from error


async def _ticket(request: Request, name: str, template: str) -> Response:
    async with opened(request, "tickets") as o:
        ticket = await views.one_ticket(o.db, _number(name))
        if ticket is None:
            raise not_found("ticket", name)
        page = replace(
            o.page, crumbs=(*o.page.crumbs, Crumb(o.page.here.words("ticket.title"), "/tickets"), Crumb(ticket.number))
        )
        return web.render(template, page, **await _about(o, ticket))


async def _about(o: Opened, ticket: TicketRow) -> dict[str, Any]:
    here, words = o.page.here, o.page.here.words
    sums = await service.clocks(o.request.app.state.desk, o.db, ticket.id, here.now)
    alarm = await views.ticket_alarm(o.db, ticket.id)
    people = await views.people(o.db)
    around = await ticket_joined.joined(o.db, ticket, here)
    ticket = replace(ticket, is_alarm_active=around.is_alarm_active, place=around.place or ticket.place)
    steps = ticket_steps.steps(ticket, o.user.role, await _around(o, ticket, people, around), here)
    role = words.or_id("role", o.user.role)
    shown = ticket_page.newest(sums)
    return {
        "ticket": _head(ticket, sums, alarm, o), "timeline": ticket_page.moments(await _story(o, ticket, alarm, people), here),
        "sums": [ticket_page.sum_table(one, ticket, here) for one in reversed(shown) if one[0].clock != "response" or len(shown) == 1],
        "actions": steps, "no_action": words("ticket.done") if ticket.closed_at else words("ticket.not_yours", role=role),
        "may_note": Role(o.user.role).rank >= Role.TECHNICIAN.rank, "clause": _clause(o, ticket, sums),
        "people": [], "earlier": await _earlier(o, ticket), "now": await _now(o, ticket, alarm),
        "storms": await storms.of_ticket(o.db, ticket.id, here), "part_of": await storms.part_of(o.db, ticket.id, here),
        "calls": await calls_page.of_ticket(o, ticket.id), "evidence": await evidence.of_ticket(o.db, ticket, here), "joined": around,
        **await contractor_page.beside(o.db, ticket, o.user.role, here),
        "may_unlink": any(step.id == "unlink" for step in steps), "hidden_steps": _hidden(ticket, o),
        "proof": await proof.of_ticket(o, ticket),
    }  # fmt: skip


async def _around(
    o: Opened, ticket: TicketRow, people: Sequence[tuple[str, str]], around: ticket_joined.Joined
) -> ticket_steps.Around:
    moves = await service.priorities(o.request.app.state.desk, o.db, ticket.id, o.page.here.now)
    return ticket_steps.Around(people, around.offered, around.resolvable, dict(moves), around.reporter)


def _hidden(ticket: TicketRow, o: Opened) -> tuple[str, ...]:
    """Service is back only where a clock waits for it; what was closed long ago is not opened again."""
    waits = any(d.clock == "service" and d.met_at is None for d in ticket.deadlines)
    may_reopen = service.may_reopen(o.request.app.state.desk, {"closed_at": ticket.closed_at}, o.page.here.now)
    return (*(() if waits else ("restore",)), *(() if may_reopen else ("reopen",)))


def _head(ticket: TicketRow, sums: Sequence[ticket_page.Sum], alarm: AlarmRow | None, o: Opened) -> dict[str, Any]:
    here, words = o.page.here, o.page.here.words
    facts = [words("ticket.past")] if ticket.is_past else []
    if ticket.occurrences > 1:
        facts.append(words.count("ticket.occurrences", ticket.occurrences))
    is_known = bool(ticket.equipment_name)
    return {
        "number": ticket.number, "href": f"/tickets/{ticket.number}", "title": lists.title_of(ticket, words),
        "priority": words("ticket.priority_is", priority=words.or_id("priority", ticket.priority)),
        "equipment": words.text(ticket.equipment_name, ticket.equipment),
        "equipment_href": f"/equipment/{ticket.site}/{ticket.equipment}" if is_known else "",
        "holder": ticket.holder_name, "facts": facts, "severity": ticket.severity or "major",
        "state": words.or_id("state", ticket.state), "version": ticket.version, "place": ticket.place,
        "clocks": ticket_page.big_clocks(sums, here), "is_alarm_active": ticket.is_alarm_active,
        "alarm_text": _alarm_text(ticket, alarm, o),
    }  # fmt: skip


async def _story(
    o: Opened, ticket: TicketRow, alarm: AlarmRow | None, people: Sequence[tuple[str, str]]
) -> ticket_page.Story:
    words = o.page.here.words
    lines = await views.timeline(o.db, ticket.id)
    what = condition(alarm, words) if alarm else ""
    terms = next((line.data.get("because", ()) for line in lines if line.kind == "opened"), ())
    delay = alarm.rule.on_delay_ms if alarm else 0
    names = await views.names(o.db, {ticket.equipment})
    return ticket_page.Story(ticket, lines, what, lists.because(terms, names, words), delay, dict(people))


def _alarm_text(ticket: TicketRow, alarm: AlarmRow | None, o: Opened) -> str:
    here = o.page.here
    if ticket.is_alarm_active:
        return here.words("alarm.ticket_active_plain")
    cleared = alarm.cleared_at if alarm else None
    return here.words("alarm.ticket_cleared", at=here.when(cleared)) if cleared is not None else ""


def _clause(o: Opened, ticket: TicketRow, sums: Sequence[ticket_page.Sum]) -> dict[str, Any]:
    """What the ticket answers for, and which clauses or sources set its clocks."""
    words = o.page.here.words
    clauses = library_of(o.request).clauses
    found = clauses.get(ticket.clause)
    cite = ""
    if found is not None:
        source = found.source
        parts = (
            words.text(source.document.model_dump()),
            source.section,
            words("ticket.unverified") if source.unverified else "",
        )
        cite = words("sep_and").join(part for part in parts if part)
    targets = [
        (words(f"clock.{d.clock}.name"), d.target.clause if d.target.clause in clauses else d.target.source or d.target.clause)
        for d, _ in ticket_page.newest(sums)
    ]  # fmt: skip
    return {
        "id": ticket.clause,
        "summary": words.text(found.summary.model_dump()) if found else "",
        "cite": cite,
        "targets": targets,
    }


async def _earlier(o: Opened, ticket: TicketRow) -> list[dict[str, str]]:
    found = await views.tickets(o.db, *views.of_equipment(ticket.site, ticket.equipment), limit=6)
    return [
        {"number": one.number, "title": lists.title_of(one, o.page.here.words), "day": o.page.here.day(one.opened_at)}
        for one in found if one.id != ticket.id
    ][:5]  # fmt: skip


async def _now(o: Opened, ticket: TicketRow, alarm: AlarmRow | None) -> dict[str, Any] | None:
    """The machine as it is, beside the work of people: values that the rule looks at, with quality, and their trend."""
    if alarm is None:
        return None
    here, words = o.page.here, o.page.here.words
    points = (await views.points(o.db, ticket.site, ticket.equipment)).get((ticket.site, ticket.equipment), {})
    samples = await history.latest(o.store, ticket.site, ticket.equipment)
    names = await views.names(o.db, {ticket.equipment})
    looked = dict.fromkeys([*blamed(alarm, points), *alarm.rule.points])
    wanted = [points[name] for name in looked if name in points][:5]
    lasting = here.words("tile.lasting", duration=here.since(alarm.began_at))
    text = lasting if alarm.state == "active" else _alarm_text(ticket, alarm, o)
    drawn, label = await _trend(o, ticket, wanted, samples)
    return {
        "severity": alarm.severity, "text": text, "because": lists.because(alarm.because, names, words),
        "points": [value.show(point, samples.get(point.id), here) for point in wanted],
        "cause": words.text(alarm.rule.cause), "action": words.text(alarm.rule.action), "trend": drawn, "trend_label": label,
    }  # fmt: skip


async def _trend(
    o: Opened, ticket: TicketRow, wanted: Sequence[PointRow], samples: dict[str, SampleRow]
) -> tuple[Any, str]:
    """The cut-out of history around the fault: from an hour before it began until now, at most a day."""
    point = next((one for one in wanted if one.kind in {"gauge", "counter"} and one.id in samples), None)
    if point is None:
        return None, ""
    here = o.page.here
    began = ticket.began_at or ticket.opened_at
    end = min(here.now, (ticket.closed_at or here.now) + HOUR_MS)
    lead = min(HOUR_MS, max(60_000, end - began))
    span = history.Range(max(began - lead, end - 24 * HOUR_MS), end)
    try:
        buckets = await history.read(o.store, ticket.site, ticket.equipment, point.id, span, 150)
    except history.HistoryUnavailable:
        return None, ""
    name = here.words.text(point.name, point.id)
    label = here.words("trend.label", point=name, **{"from": here.when(span.start), "to": here.when(span.end)})
    return draw(point, buckets, (span.start, span.end), here, size=(330, 140)), label


# --- buttons ----------------------------------------------------------------------------------------------------


@router.post("/tickets/{name}/{action}")
async def do(request: Request, name: str, action: str) -> Response:
    """One press of a button. A refusal is a page that says why; nothing is half done."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    number = _number(name)
    form = await request.form()
    given = {key: str(text).strip() for key, text in form.items()}
    state = request.app.state
    version = int(given["version"]) if given.get("version", "").isdigit() else None
    async with state.database.read() as db:
        details = await _details(request, given, db, tuple(str(name) for name in form.getlist("children")))
    actor, step, now = service.Actor(user.name, user.role), _action(action), state.clock.now_ms()
    seen = await service.seen_before(state.database, state.store, number, step, now, details)
    async with state.database.write() as db:
        await service.act(state.desk, db, number, step, actor, now, details, version=version, seen=seen)
    state.hub.publish("tickets", "alarms")
    state.wake(("tickets",))
    return web.go(web.local_path(given.get("back", ""), f"/tickets/{name}"))


def _action(name: str) -> Action:
    if name not in set(Action):
        raise not_found("action", name)
    return Action(name)


async def _details(
    request: Request,
    given: dict[str, str],
    db: AsyncConnection,
    children: tuple[str, ...],
) -> service.Details:
    here = web.page_of(request, None, await views.sites(db), "").here
    until = history.local_instant(given["until"], here) if given.get("until") else None
    if given.get("until") and until is None:
        raise Refused(422, "invalid", "the end of the hold is not a date and time")
    return service.Details(
        reason=given.get("reason", ""), until=until, cause=given.get("cause", ""), action=given.get("action", ""),
        holder=given.get("holder", ""), priority=given.get("priority", ""), note=given.get("note", ""),
        asked=given.get("asked", ""), answer=given.get("answer", ""), into=given.get("into", ""), other=given.get("other", ""),
        relation=given.get("relation", ""), parent=given.get("parent", ""), children=children,
    )  # fmt: skip
