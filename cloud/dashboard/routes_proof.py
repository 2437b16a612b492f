"""dashboard: photos, parts, hours and watching by form, the files themselves, and the work order on paper."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from cloud.dashboard import history, views, web, work_order
from cloud.dashboard.routes_shell import PageRoute, SignInNeeded, opened
from cloud.errors import Refused, invalid, not_found
from cloud.people import access
from cloud.people.service import User
from cloud.tickets import attachments, watchers, work_lines
from cloud.tickets.attachments_form import form, uploads
from cloud.tickets.attachments_routes import answer_content, room
from cloud.tickets.service import Actor
from cloud.tickets.ticket import parse_ticket
from cloud.tickets.work_lines import HandReading, Hours, Part

router = APIRouter(route_class=PageRoute, include_in_schema=False)


def _number(name: str) -> int:
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise not_found("ticket", name) from error


async def _user(request: Request) -> User:
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    return user


def _done(request: Request, name: str, part: str) -> Response:
    request.app.state.hub.publish("tickets")
    request.app.state.wake(("tickets",))
    return web.go(f"/tickets/{name}#{part}")


# --- photos and papers ------------------------------------------------------------------------------------------


@router.post("/tickets/{name}/photos")
async def add_photos(request: Request, name: str) -> Response:
    """The camera's picture, or files that were chosen."""
    user, number = await _user(request), _number(name)
    async with form(request) as found:
        chosen = await uploads(found, "photo", "file")
    if not chosen:
        raise Refused(422, "no_file", "no photo was chosen", "take one, or choose a file")
    for upload in chosen:
        actor = Actor(user.name, user.role)
        await attachments.add(room(request), number, upload, actor, request.app.state.clock.now_ms())
    return _done(request, name, "evidence")


@router.post("/tickets/{name}/photos/{attachment}/remove")
async def remove_photo(request: Request, name: str, attachment: int) -> Response:
    user, number, state = await _user(request), _number(name), request.app.state
    why = str((await request.form()).get("reason", ""))
    async with state.database.write() as db:
        actor = Actor(user.name, user.role)
        await attachments.remove(state.desk, db, number, attachment, actor, why, state.clock.now_ms())
    return _done(request, name, "evidence")


@router.get("/tickets/{name}/files/{attachment}")
async def file(request: Request, name: str, attachment: int) -> Response:
    await _user(request)
    return await answer_content(request, _number(name), attachment, is_small=False)


@router.get("/tickets/{name}/files/{attachment}/small")
async def small_file(request: Request, name: str, attachment: int) -> Response:
    await _user(request)
    return await answer_content(request, _number(name), attachment, is_small=True)


@router.post("/tickets/{name}/readings")
async def add_reading(request: Request, name: str) -> Response:
    user, number, state = await _user(request), _number(name), request.app.state
    given = await request.form()
    reading = HandReading(_text(given, "point"), _figure(given, "value") or 0.0, _text(given, "instrument"))
    if not reading.instrument:
        raise invalid("instrument", "the instrument is not named", "say what it was measured with")
    async with state.database.write() as db:
        actor = Actor(user.name, user.role)
        await work_lines.measure(state.desk, db, number, reading, actor, state.clock.now_ms())
    return _done(request, name, "evidence")


# --- parts and hours --------------------------------------------------------------------------------------------


@router.post("/tickets/{name}/parts")
async def add_part(request: Request, name: str) -> Response:
    user, number, state = await _user(request), _number(name), request.app.state
    given = await request.form()
    cost = _figure(given, "cost")
    part = Part(
        name=_text(given, "name"), quantity=_figure(given, "quantity") or 0.0, number=_text(given, "number"),
        unit=_text(given, "unit"), cost_cents=None if cost is None else round(cost * 100),
        currency=_text(given, "currency") or "CNY", note=_text(given, "note"), replaces=_line(given),
    )  # fmt: skip
    async with state.database.write() as db:
        actor = Actor(user.name, user.role)
        await work_lines.add_part(state.desk, db, number, part, actor, state.clock.now_ms())
    return _done(request, name, "work")


@router.post("/tickets/{name}/hours")
async def add_hours(request: Request, name: str) -> Response:
    user, number, state = await _user(request), _number(name), request.app.state
    given = await request.form()
    async with state.database.read() as db:
        here = web.page_of(request, user, await views.sites(db), "").here
    start = history.local_instant(_text(given, "from"), here) if given.get("from") else None
    end = history.local_instant(_text(given, "to"), here) if given.get("to") else None
    minutes = _figure(given, "minutes")
    lasted = work_lines.minutes_of(None if minutes is None else round(minutes), start, end)
    hours = Hours(_text(given, "person") or user.name, lasted, start, _text(given, "note"), _line(given))
    async with state.database.write() as db:
        actor = Actor(user.name, user.role)
        await work_lines.add_hours(state.desk, db, number, hours, actor, state.clock.now_ms())
    return _done(request, name, "work")


def _text(given: FormData, field: str) -> str:
    return str(given.get(field, "")).strip()[:400]


def _figure(given: FormData, field: str) -> float | None:
    """A number as people write it: 1.5 and 1,5. Raises Refused (422)."""
    text = _text(given, field).replace(",", ".").replace("\u2009", "")
    try:
        return float(text) if text else None
    except ValueError as error:
        raise invalid(field, f"{text!r} is not a number", "write a number") from error


def _line(given: FormData) -> int | None:
    text = _text(given, "replaces")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


# --- watching ---------------------------------------------------------------------------------------------------


@router.post("/tickets/{name}/watch")
async def watch(request: Request, name: str) -> Response:
    user, number, state = await _user(request), _number(name), request.app.state
    async with state.database.write() as db:
        await watchers.watch(db, number, user.name, state.clock.now_ms())
    return _done(request, name, "watch")


@router.post("/tickets/{name}/unwatch")
async def unwatch(request: Request, name: str) -> Response:
    user, number = await _user(request), _number(name)
    async with request.app.state.database.write() as db:
        await watchers.unwatch(db, number, user.name)
    return _done(request, name, "watch")


# --- on paper ---------------------------------------------------------------------------------------------------


@router.get("/tickets/{name}/work-order")
async def show_work_order(request: Request, name: str) -> Response:
    async with opened(request, "tickets", with_tests=False) as o:
        ticket = await views.one_ticket(o.db, _number(name))
        if ticket is None:
            raise not_found("ticket", name)
        values: dict[str, Any] = await work_order.of_ticket(o, ticket, _address(request, ticket.number))
    return web.render("work_order.html", o.page, order=values)


def _address(request: Request, number: str) -> str:
    """Where a telephone finds the ticket: as people type it, else as this page was asked for."""
    config = getattr(request.app.state, "config", None)
    base = (config.public_url if config else "") or str(request.base_url)
    return f"{base.rstrip('/')}/tickets/{number}"
