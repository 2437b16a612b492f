"""dashboard: planned outages: the list, the form, the notice, every button; and equipment taken out of service without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select
from starlette.datastructures import FormData

from cloud.dashboard import history, permit_page, views, web, words
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, opened
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, invalid, not_found
from cloud.people import access
from cloud.people.service import User
from cloud.storage import tables as t
from cloud.tickets import permits_drafting, permits_service, repository
from cloud.tickets.permits import COMING_STAGES, LEAD_H, MEASURES, OUT_STAGES, OVER_STAGES, Stage, Step
from cloud.tickets.permits_drafting import Draft
from cloud.tickets.permits_service import Given
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, parse_ticket, ticket_name

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_TEXTS: Final = (
    "site", "from", "until", "work", "other_measures", "workers", "contractor", "affected", "lead_h", "window_reason",
    "watch_instead", "notice_en", "notice_zh",
)  # fmt: skip
MOST_LISTED: Final = 200
_LONGEST: Final = 4000


# --- the list -----------------------------------------------------------------------------------------------------


@router.get("/permits")
async def show_list(request: Request) -> Response:
    async with opened(request, "permits", [Crumb(web.words_of(request)("permit.title"))]) as o:
        groups = [
            ("out", await _lines(o, (*OUT_STAGES, Stage.RESTORED))), ("coming", await _lines(o, COMING_STAGES)),
            ("over", (await _lines(o, OVER_STAGES))[::-1]),
        ]  # fmt: skip
        may_draft = Role(o.user.role).rank >= Role.ENGINEER.rank
        return web.render("permits.html", o.page, groups=groups, may_draft=may_draft)


async def _lines(o: Opened, stages: tuple[Stage, ...]) -> list[permit_page.PermitLine]:
    rows = await permits_service.listed(o.db, stages=stages, limit=MOST_LISTED)
    return [
        permit_page.line(row, await permits_service.equipment_of(o.db, row["ticket_id"]), o.page.here) for row in rows
    ]


# --- drafting -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in the form."""

    texts: dict[str, str]
    equipment: tuple[str, ...]
    measures: tuple[str, ...]
    is_notice_needed: bool
    version: str = ""


@router.get("/permits/new")
async def show_new(request: Request, site: str = "", equipment: str = "") -> Response:
    empty = dict.fromkeys(_TEXTS, "") | {"site": site, "lead_h": str(LEAD_H)}
    return await _form(request, Filled(empty, (equipment,) if equipment else (), (), is_notice_needed=True))


@router.post("/permits/new")
async def draft(request: Request) -> Response:
    user = await _user(request)
    filled = _filled(await request.form())
    state = request.app.state
    try:
        wanted = await _draft(request, filled)
        async with state.database.write() as db:
            actor = Actor(user.name, user.role)
            number = await permits_drafting.draft(state.desk, db, wanted, actor, state.clock.now_ms())
    except Refused as refused:
        return await _form(request, filled, refused)
    _told(request)
    return web.go(f"/tickets/{ticket_name(number)}")


@router.get("/permits/{name}/change")
async def show_change(request: Request, name: str) -> Response:
    await _user(request)
    number = _number(name)
    async with request.app.state.database.read() as db:
        permit = await permits_service.permit_of(db, number)
        things = await permits_service.equipment_of(db, number)
        ticket = await repository.ticket(db, number)
        here = web.page_of(request, None, await views.sites(db), "").here
    texts = {key: str(permit[key]) for key in _TEXTS if key in permit}
    texts |= {
        "site": permit["site_id"], "from": f"{here.local(permit['from_at']):%Y-%m-%dT%H:%M}",
        "until": f"{here.local(permit['until_at']):%Y-%m-%dT%H:%M}",
        "other_measures": "\n".join(one for one in permit["measures"] if one not in MEASURES),
    }  # fmt: skip
    chosen = tuple(one["equipment_id"] for one in things)
    filled = Filled(texts, chosen, tuple(permit["measures"]), permit["is_notice_needed"], str(ticket["version"]))
    return await _form(request, filled, name=name)


@router.post("/permits/{name}/change")
async def change(request: Request, name: str) -> Response:
    user, number = await _user(request), _number(name)
    filled = _filled(await request.form())
    state = request.app.state
    try:
        wanted = await _draft(request, filled)
        version = int(filled.version) if filled.version.isdigit() else None
        async with state.database.write() as db:
            actor = Actor(user.name, user.role)
            await permits_drafting.change(state.desk, db, number, wanted, actor, state.clock.now_ms(), version=version)
    except Refused as refused:
        if refused.status == 422:
            return await _form(request, filled, refused, name=name)
        raise
    _told(request)
    return web.go(f"/tickets/{name}")


def _filled(form: FormData) -> Filled:
    texts = {key: str(form.get(key, "")).strip()[:_LONGEST] for key in _TEXTS}
    chosen = tuple(str(one) for one in form.getlist("equipment"))
    measures = tuple(str(one) for one in form.getlist("measures"))
    return Filled(texts, chosen, measures, "is_notice_needed" in form, str(form.get("version", "")))


async def _draft(request: Request, filled: Filled) -> Draft:
    """The form as a draft. Raises Refused (422) for what is not a time or a number."""
    async with request.app.state.database.read() as db:
        here = web.page_of(request, None, await views.sites(db), "").here
    text = filled.texts
    instants = {name: history.local_instant(text[name], here) for name in ("from", "until")}
    start, end = instants["from"], instants["until"]
    if start is None or end is None:
        raise invalid("from" if start is None else "until", "no date and time is given", "fill it in")
    if not text["lead_h"].isdigit() or int(text["lead_h"]) > 8760:
        raise invalid("lead_h", "the hours of notice are no number", "write 0 to 8760")
    own = [one.strip() for one in text["other_measures"].splitlines() if one.strip()]
    plain = ("work", "workers", "contractor", "affected", "window_reason", "watch_instead", "notice_en", "notice_zh")
    return Draft(
        site=text["site"], equipment=filled.equipment, from_at=start, until_at=end,
        measures=[*(one for one in MEASURES if one in filled.measures), *own],
        is_notice_needed=filled.is_notice_needed, lead_h=int(text["lead_h"]), **{key: text[key] for key in plain},
    )  # fmt: skip


async def _form(request: Request, filled: Filled, refused: Refused | None = None, *, name: str = "") -> Response:
    await _user(request)
    w = web.words_of(request)
    crumbs = [Crumb(w("permit.title"), "/permits"), Crumb(name or w("permit.new"))]
    async with opened(request, "permits", crumbs) as o:
        site = filled.texts["site"] or (o.page.sites[0].id if o.page.sites else "")
        rows = await views.equipment(o.db, site)
        w = o.page.here.words
        things = [(row.id, w.text(row.name, row.id), w.or_id("system", row.system)) for row in rows]
        measures = [(one, w(f"permit.measure.{one}")) for one in MEASURES]
        return web.render(
            "permit_new.html", o.page, refused.status if refused else 200, given=filled, text=filled.texts | {"site": site},
            problems=_problems(refused, w), things=things, measures=measures, number=name, sites=o.page.sites,
            action=f"/permits/{name}/change" if name else "/permits/new",
        )  # fmt: skip


def _problems(refused: Refused | None, w: words.Words) -> list[str]:
    """What is wrong with the form, in the reader's language where we have the words."""
    if refused is None:
        return []
    paths = [one.path for one in refused.errors] or [refused.code]
    told = [str(one.message) for one in refused.errors] or [refused.message]
    keys = [f"permit.wrong.{path}" for path in paths]
    return [w(key) if w.has(key) else text for key, text in zip(keys, told, strict=True)]


# --- notice and steps ---------------------------------------------------------------------------------------------


@router.get("/permits/{name}")
async def show_one(name: str) -> Response:
    return web.go(f"/tickets/{ticket_name(_number(name))}")


@router.get("/permits/{name}/notice")
async def show_notice(request: Request, name: str) -> Response:
    """One A4 sheet in both languages, to be posted."""
    number = _number(name)
    w = web.words_of(request)
    crumbs = [Crumb(w("permit.title"), "/permits"), Crumb(name, f"/tickets/{name}"), Crumb(w("permit.notice"))]
    async with opened(request, "permits", crumbs) as o:
        permit = await permits_service.permit_of(o.db, number)
        things = await permits_service.equipment_of(o.db, number)
        site = (await o.db.execute(select(t.site.c.name).where(t.site.c.id == permit["site_id"]))).scalar_one()
        here = o.page.here
        times = {key: f"{here.local(permit[key]):%Y-%m-%d %H:%M}" for key in ("from_at", "until_at")}
        return web.render(
            "permit_notice.html", o.page, permit=permit, times=times, site=site, number=ticket_name(number),
            names={lang: [(one["name"] or {}).get(lang) or one["equipment_id"] for one in things] for lang in ("zh", "en")},
            system=things[0]["system"] if things else "", zh=words.load("zh"), en=words.load("en"),
            is_withdrawn=permit["stage"] == Stage.WITHDRAWN, today=f"{here.local(here.now):%Y-%m-%d}",
        )  # fmt: skip


@router.post("/permits/{name}/{step}")
async def take(request: Request, name: str, step: str) -> Response:
    """One press of a button. A refusal is a page that says why; nothing is half done."""
    user, number = await _user(request), _number(name)
    if step not in set(Step) or step == Step.CHANGE:
        raise not_found("step", step)
    form, state = await request.form(), request.app.state
    given = await _given(request, form)
    version = str(form.get("version", ""))
    async with state.database.write() as db:
        actor, now = Actor(user.name, user.role), state.clock.now_ms()
        await permits_service.take(
            state.desk, db, number, Step(step), actor, now, given, version=int(version) if version.isdigit() else None
        )
    _told(request)
    return web.go(f"/tickets/{name}")


async def _given(request: Request, form: FormData) -> Given:
    async with request.app.state.database.read() as db:
        here = web.page_of(request, None, await views.sites(db), "").here
    text = {key: str(form.get(key, "")).strip()[:_LONGEST] for key in ("reason", "how", "action", "until", "note")}
    until = history.local_instant(text["until"], here) if text["until"] else None
    if text["until"] and until is None:
        raise invalid("until", "the new end is not a date and time", "fill it in")
    checked = tuple(str(one) for one in form.getlist("checked"))
    return Given(text["reason"], text["how"], checked, text["action"], until, text["note"])


def _number(name: str) -> int:
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise not_found("permit", name) from error


async def _user(request: Request) -> User:
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    return user


def _told(request: Request) -> None:
    state = request.app.state
    state.hub.publish("tickets", "gateways", "equipment")
    state.wake(("tickets", "permits"))
