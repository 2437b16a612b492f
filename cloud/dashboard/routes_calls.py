"""dashboard: settings of calls, a test button, the list of messages. The escalation's own checks decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from starlette.datastructures import FormData

from cloud.dashboard import calls_page, web
from cloud.dashboard.routes_shell import PageRoute, SignInNeeded, opened
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, invalid
from cloud.escalation import contacts, settings, showing
from cloud.escalation.chain import STOPS
from cloud.escalation.routes import may_change, tested
from cloud.people import access
from cloud.people.service import User
from cloud.sla.policy import CLOCKS, PRIORITIES
from cloud.storage import tables as t
from cloud.tickets.ticket import Role

router = APIRouter(route_class=PageRoute, include_in_schema=False)
HOME: Final = "/settings/calls"
MOST: Final = 100
_EVENTS: Final = ("reopened", "permit_ending", "permit_overrun", "permit_unapplied")
_EMERGENCIES: Final = ("entrapment", "fire")


@router.get("/settings/calls")
async def show_settings(request: Request, done: str = "") -> Response:
    return await _page(request, done=done)


async def _page(request: Request, *, done: str = "", problem: str = "", results: Any = ()) -> Response:  # noqa: ANN401
    words = web.words_of(request)
    async with opened(request, "settings", [Crumb(words("calls.title"))]) as o:
        is_manager = Role(o.user.role).rank >= Role.MANAGER.rank
        rows = (await o.db.execute(select(t.calls.duty).order_by(*t.calls.duty.primary_key))).mappings().all()
        return web.render(
            "settings_calls.html", o.page, 422 if problem else 200, problem=problem, results=list(results),
            done=done if words.has(f"calls.done.{done}") else "", is_manager=is_manager, people=await calls_page.people(o, is_manager=is_manager),
            chains=await calls_page.chains(o), duties=calls_page.duties([dict(row) for row in rows], o.page.here.words),
            has_channels=await showing.has_channels(o.db), troubled=await showing.troubled(o.db, MOST), sites=o.page.sites,
            choices=_choices(o.page.here.words), roles=list(Role), priorities=PRIORITIES, emergencies=_EMERGENCIES, stops=list(STOPS),
        )  # fmt: skip


def _choices(words: Any) -> list[tuple[str, str]]:  # noqa: ANN401
    """Everything that can make a step call: id and words."""
    found = [
        (f"{clock}/{trigger}", words(f"calls.when.{trigger}", clock=words.or_id("calls.clock", clock), share="…"))
        for clock in CLOCKS for trigger in ("opened", "warned", "breached")
    ]  # fmt: skip
    return [*found, *((event, words.or_id("calls.event", event)) for event in _EVENTS)]


async def _user(request: Request) -> User:
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    return user


async def _manager(request: Request) -> User:
    user = await _user(request)
    if Role(user.role).rank < Role.MANAGER.rank:
        raise Refused(403, "role", f"{user.role} may not change calling steps", "ask a person with role manager")
    return user


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()


async def _refused(request: Request, refused: Refused) -> Response:
    """Back to the page with what was wrong, without what was entered: an address holds secrets."""
    if refused.status not in {404, 409, 422}:
        raise refused
    return await _page(request, problem=f"{refused.message}. {refused.remedy}")


@router.post("/settings/calls/channels")
async def add_channel(request: Request) -> Response:
    user, form = await _user(request), await request.form()
    owner = _text(form, "owner") or contacts.ADDRESS + _text(form, "address")
    state = request.app.state
    may_change(user, owner)
    try:
        async with state.database.write() as db:
            await contacts.add_channel(db, owner, _text(form, "url"), state.clock.now_ms(), user.name)
    except Refused as refused:
        return await _refused(request, refused)
    state.wake(("tickets",))
    return web.go(f"{HOME}?done=channel")


@router.post("/settings/calls/channels/{channel}/remove")
async def remove_channel(request: Request, channel: int) -> Response:
    user, state = await _user(request), request.app.state
    async with state.database.write() as db:
        owner = (await db.execute(select(t.calls.channel.c.owner).where(t.calls.channel.c.id == channel))).scalar()
        may_change(user, owner or "")
        await contacts.remove_channel(db, channel, state.clock.now_ms(), user.name)
    return web.go(f"{HOME}?done=removed")


@router.post("/settings/calls/contact")
async def set_contact(request: Request) -> Response:
    user, form = await _user(request), await request.form()
    owner, state = _text(form, "owner"), request.app.state
    may_change(user, owner)
    values = {name: _text(form, name) for name in ("language", "zone", "quiet_from", "quiet_to")}
    try:
        async with state.database.write() as db:
            await contacts.set_contact(db, owner, values, state.clock.now_ms(), user.name)
    except Refused as refused:
        return await _refused(request, refused)
    return web.go(f"{HOME}?done=contact")


@router.post("/settings/calls/duty")
async def set_duty(request: Request) -> Response:
    user, form, state = await _manager(request), await request.form(), request.app.state
    names = [name.strip() for name in _text(form, "owners").replace("，", ",").split(",") if name.strip()]
    owners = [name if ":" in name else contacts.PERSON + name for name in names]
    try:
        async with state.database.write() as db:
            role = _text(form, "role")
            await contacts.set_duty(db, _text(form, "site_id"), role, owners, state.clock.now_ms(), user.name)
    except Refused as refused:
        return await _refused(request, refused)
    state.wake(("tickets",))
    return web.go(f"{HOME}?done=duty")


@router.post("/settings/calls/chains")
async def set_chain(request: Request) -> Response:
    user, form, state = await _manager(request), await request.form(), request.app.state
    bound = {name: _text(form, name) for name in ("site_id", "kind", "priority", "emergency")}
    try:
        steps = _steps(form)
        async with state.database.write() as db:
            await settings.set_chain(db, bound, steps, state.clock.now_ms(), user.name)
    except Refused as refused:
        return await _refused(request, refused)
    return web.go(f"{HOME}?done=chain")


_FIELDS: Final = ("when", "share", "after", "whom", "by", "every", "repeats", "until")


def _steps(form: FormData) -> list[dict[str, Any]]:
    """The rows of the form that name somebody; an empty row is no step."""
    columns = [[str(value).strip() for value in form.getlist(name)] for name in _FIELDS]
    rows = [dict(zip(_FIELDS, row, strict=True)) for row in zip(*columns, strict=False)]
    return [_step(index, row) for index, row in enumerate(row for row in rows if row["whom"])]


def _step(index: int, row: Mapping[str, str]) -> dict[str, Any]:
    clock, _, trigger = row["when"].partition("/")
    event = "" if trigger else clock
    path = f"steps.{index}"
    return {
        "whom": _list(row["whom"]), "clock": clock if trigger else "resolution", "trigger": trigger or "event", "event": event,
        "after_s": _figure(path, row["after"], 60), "by": _list(row["by"]), "repeat_every_s": _figure(path, row["every"], 60),
        "repeats": _figure(path, row["repeats"]), "until": row["until"], "share": _figure(path, row["share"] or "75", 100) / 10_000,
    }  # fmt: skip


def _list(text: str) -> list[str]:
    return [one.strip() for one in text.replace("，", ",").split(",") if one.strip()]


def _figure(path: str, text: str, factor: int = 1) -> int:
    try:
        found = round(float(text or 0) * factor)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found < 10**9:
        raise invalid(path, f"{text!r} is not a figure here", "write minutes, a share in per cent or a number")
    return found


@router.post("/settings/calls/chains/{chain}/remove")
async def remove_chain(request: Request, chain: int) -> Response:
    user, state = await _manager(request), request.app.state
    async with state.database.write() as db:
        await settings.remove_chain(db, chain, state.clock.now_ms(), user.name)
    return web.go(f"{HOME}?done=shipped")


@router.post("/settings/calls/test")
async def send_test(request: Request) -> Response:
    """A test message by every channel of somebody; the page says what each receiver answered."""
    user, form, state = await _user(request), await request.form(), request.app.state
    owner = _text(form, "owner")
    may_change(user, owner)
    async with state.database.read() as db:
        rows = await contacts.channel_rows(db, owner)
        language = (await contacts.directory(db)).language(owner)
    key = state.tokens()
    results = [await tested(state.courier, row["url"], row["label"], language, key) for row in rows]
    return await _page(request, results=results)


@router.get("/notices")
async def show_notices(request: Request, state: str = "", before: int | None = None) -> Response:
    words = web.words_of(request)
    chosen = state if state in calls_page.STATES else ""
    async with opened(request, "settings", [Crumb(words("calls.title"), HOME), Crumb(words("calls.notices"))]) as o:
        rows = await showing.notices(o.db, states=[chosen] if chosen else (), before=before, limit=calls_page.PAGE + 1)
        lines = [calls_page.line(row, o.page.here) for row in rows[: calls_page.PAGE]]
        return web.render(
            "notices.html", o.page, lines=lines, chosen=chosen, states=calls_page.STATES, troubled=await showing.troubled(o.db, MOST),
            has_channels=await showing.has_channels(o.db), older=lines[-1].id if len(rows) > calls_page.PAGE else 0,
        )  # fmt: skip
