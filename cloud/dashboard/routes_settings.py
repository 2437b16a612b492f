"""dashboard: settings of targets and calendars. Every change is shown before → after with what it moves, then confirmed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from cloud.dashboard import settings_form, settings_page, web
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, library_of, opened
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, invalid, not_found
from cloud.people import access
from cloud.people.service import User
from cloud.sla.plan import CalendarPlan
from cloud.sla.policy import CATEGORIES, CLOCKS, EMERGENCIES, KINDS, PRIORITIES, Policy
from cloud.sla.written import line_json, policy_json
from cloud.tickets import targets
from cloud.tickets.targets import Change
from cloud.tickets.targets_holidays import MOST_ICAL_BYTES, confirm, with_ical, with_years
from cloud.tickets.targets_routes import plan_of, put_in_force
from cloud.tickets.ticket import Role
from contract.conventions import from_ms
from device_profiles.reading import Finding

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_CHOICES: Final = {
    "clock": CLOCKS,
    "kind": KINDS,
    "category": CATEGORIES,
    "emergency": EMERGENCIES,
    "priority": PRIORITIES,
}
_BLANK: Final = {
    "clock": "response", "priority": "", "emergency": "", "kind": "", "category": "", "system": "", "site": "", "unit": "elapsed",
    "within_s": 7200.0, "calendar": "", "clause": "", "source": "", "conflict": "",
}  # fmt: skip
_HOME: Final = "/settings/targets"


def _policy(request: Request) -> Policy:
    found: Policy = request.app.state.desk.policy
    return found


def _year(request: Request) -> int:
    return from_ms(request.app.state.clock.now_ms()).year


async def _manager(request: Request) -> User:
    """The person, when a manager. Raises SignInNeeded, Refused (403)."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    if Role(user.role).rank < Role.MANAGER.rank:
        raise Refused(403, "role", f"{user.role} may not do this", f"ask a person with role {Role.MANAGER}")
    return user


async def _form(request: Request) -> dict[str, Any]:
    """What was sent; of a file its content, as far as one may be long."""
    async with request.form() as form:
        return {
            key: await value.read(MOST_ICAL_BYTES + 1) if isinstance(value, UploadFile) else str(value)
            for key, value in form.items()
        }


def _is_manager(o: Opened) -> bool:
    return Role(o.user.role).rank >= Role.MANAGER.rank


@router.get("/settings")
async def home() -> Response:
    return web.go(_HOME)


def _in_words(endpoint: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """What was typed wrongly is answered with the place and what to write instead, and a way back."""

    @wraps(endpoint)
    async def answer(*args: Any, **values: Any) -> Response:  # noqa: ANN401
        try:
            return await endpoint(*args, **values)
        except Refused as refused:
            if refused.status not in {409, 422}:
                raise
            page = await web.plain_page(values["request"], "")
            told = refused.errors or [Finding("", 0, "", refused.message, refused.remedy)]
            text = "; ".join(": ".join(filter(None, (one.path, one.message))) for one in told)
            return web.render(
                "error.html", page, refused.status, title=page.here.words("targets.problem"), text=text,
                remedy="; ".join(one.remedy for one in told), code=refused.code, back=_HOME,
            )  # fmt: skip

    return answer


# --- targets ------------------------------------------------------------------------------------------------------


@router.get("/settings/targets")
async def show_targets(request: Request, done: str = "") -> Response:
    words = web.words_of(request)
    clauses = {id: one.summary.model_dump() for id, one in library_of(request).clauses.items()}
    async with opened(request, "settings", [Crumb(words("targets.title"))]) as o:
        policy, here = _policy(request), o.page.here
        rows = [(row["label"], here.when(row["at"]), row["actor"] or here.words(f"targets.origin.{row['origin']}"), row["note"])
                for row in (await targets.versions(o.db))[:20]]  # fmt: skip
        return web.render(
            "settings_targets.html", o.page, groups=settings_page.lines(policy, clauses, here.words), is_manager=_is_manager(o),
            version=policy.version, versions=rows, shares=" ".join(f"{share * 100:g}" for share in policy.shares), done=bool(done),
            reopen=f"{policy.reopen_window.total_seconds() / 3600:g}", unconfirmed=targets.unconfirmed(policy, here.now),
        )  # fmt: skip


@router.get("/settings/targets/line")
async def show_line(request: Request, n: int = -1) -> Response:
    await _manager(request)
    policy = _policy(request)
    line = line_json(policy.grants[n]) if 0 <= n < len(policy.grants) else _BLANK
    return await _line_page(request, n, line)


async def _line_page(request: Request, number: int, line: Mapping[str, Any]) -> Response:
    words = web.words_of(request)
    crumbs = [Crumb(words("targets.title"), _HOME), Crumb(words("targets.line"))]
    library = library_of(request)
    async with opened(request, "settings", crumbs) as o:
        policy = _policy(request)
        return web.render(
            "settings_target.html", o.page, number=number, line=line, within=settings_form.within_text(line), choices=_CHOICES,
            units=settings_form.UNITS, calendars=list(policy.plans), version=policy.version,
            clauses=[(id, o.page.here.words.text(one.summary.model_dump())) for id, one in library.clauses.items() if "sla" in one.kind],
        )  # fmt: skip


@router.post("/settings/targets/line")
@_in_words
async def review_line(request: Request) -> Response:
    await _manager(request)
    form, body = await _form(request), policy_json(_policy(request))
    number = int(form.get("n", "-1")) if str(form.get("n", "-1")).lstrip("-").isdigit() else -1
    is_known = 0 <= number < len(body["lines"])
    if form.get("do") == "remove":
        if is_known:
            del body["lines"][number]
        return await _review(request, body)
    line = settings_form.line_of(form, body["lines"][number] if is_known else _BLANK)
    body["lines"] = (
        [line, *body["lines"]]
        if not is_known
        else [line if at == number else one for at, one in enumerate(body["lines"])]
    )
    return await _review(request, body)


@router.post("/settings/targets/other")
@_in_words
async def review_other(request: Request) -> Response:
    """Shares at which clocks warn, and the reopen window."""
    await _manager(request)
    form, body = await _form(request), policy_json(_policy(request))
    body["shares"] = settings_form.shares_of(form.get("shares", ""))
    try:
        body["reopen_window_s"] = float(form.get("reopen", "")) * 3600
    except ValueError as error:
        raise invalid("reopen", "not a number of hours", "write hours such as 72") from error
    return await _review(request, body)


async def _review(request: Request, body: Mapping[str, Any]) -> Response:
    """Before → after, and what it moves, with the button that puts it in force."""
    words = web.words_of(request)
    policy = targets.checked(Change(body, ""))
    async with opened(request, "settings", [Crumb(words("targets.title"), _HOME), Crumb(words("targets.review"))]) as o:
        state, here = request.app.state, o.page.here
        found = await targets.preview(o.db, state.desk, policy, here.now)
        return web.render(
            "settings_review.html", o.page, differences=settings_page.differences(_policy(request), policy, here.words),
            effect=settings_page.effect(found, here), body=json.dumps(body, ensure_ascii=False), version=_policy(request).version,
        )  # fmt: skip


@router.post("/settings/targets/save")
@_in_words
async def save(request: Request) -> Response:
    user, form = await _manager(request), await _form(request)
    try:
        body = json.loads(form.get("body", ""))
    except ValueError as error:
        raise invalid("body", "not a policy", "go back and try again") from error
    await put_in_force(request, Change(body, form.get("seen", ""), form.get("note", "")[:1000]), user)
    return web.go(f"{_HOME}?done=1")


# --- calendars ----------------------------------------------------------------------------------------------------


@router.get("/settings/calendars")
async def show_calendars(request: Request) -> Response:
    words = web.words_of(request)
    async with opened(request, "settings", [Crumb(words("targets.calendars"))]) as o:
        policy = _policy(request)
        missing = targets.unconfirmed(policy, o.page.here.now)
        rows = [(name, [(what, text) for what, text in settings_page.facts(plan, o.page.here.words).items() if text and not what[:4].isdigit()],
                 [year for one, year in missing if one == name]) for name, plan in policy.plans.items()]  # fmt: skip
        return web.render(
            "settings_calendars.html", o.page, rows=rows, is_manager=_is_manager(o), version=policy.version
        )


@router.get("/settings/calendars/{name}")
async def show_calendar(name: str, request: Request) -> Response:
    plan = CalendarPlan(name) if name == "new" else plan_of(request.app.state.desk, name)
    words = web.words_of(request)
    crumbs = [Crumb(words("targets.calendars"), "/settings/calendars"), Crumb(name)]
    async with opened(request, "settings", crumbs) as o:
        here, week = o.page.here, plan.hours.get("week")
        missing = [year for one, year in targets.unconfirmed(_policy(request), here.now) if one == name]
        return web.render(
            "settings_calendar.html", o.page, id=name, plan=plan, is_manager=_is_manager(o), missing=missing, always=week is None,
            week=[(day, settings_form.windows_text((week or {}).get(day, []))) for day in settings_form.DAYS],
            dates=settings_form.dates_text(plan.hours), breaks=settings_form.dates_text(plan.hours, "breaks"),
            years=settings_page.years(plan, _year(request)), zone=plan.hours.get("tz", ""),
        )  # fmt: skip


@router.post("/settings/calendars/{name}")
@_in_words
async def review_calendar(name: str, request: Request) -> Response:
    await _manager(request)
    form = await _form(request)
    wanted = str(form.get("name", "")).strip() if name == "new" else name
    known = _policy(request).plans.get(wanted) or CalendarPlan(wanted)
    plan = _changed(request, form, known)
    return await _review(request, targets.with_calendar(_policy(request), plan))


def _changed(request: Request, form: Mapping[str, Any], known: CalendarPlan) -> CalendarPlan:
    match form.get("do", ""):
        case "confirm":
            year = str(form.get("year", ""))
            return confirm(known, int(year) if year.isdigit() and len(year) == 4 else 0)
        case "import":
            file = form.get("file")
            if not isinstance(file, bytes):
                raise invalid("file", "no file came", "choose an .ics file")
            return with_ical(known, file)
        case "copy":
            return with_years(replace(known, years=()), _year(request))
    return with_years(settings_form.plan_of(form, known), _year(request))


@router.get("/settings/targets/versions/{label}")
async def show_version(label: str, request: Request) -> Response:
    """A version as it was, beside the one in force."""
    words = web.words_of(request)
    async with opened(request, "settings", [Crumb(words("targets.title"), _HOME), Crumb(label)]) as o:
        row = await targets.version(o.db, label)
        if row is None:
            raise not_found("version", label)
        then = targets.checked(Change(row["body"], ""), label)
        found = settings_page.differences(then, _policy(request), o.page.here.words)
        return web.render("settings_version.html", o.page, label=label, differences=found, version=_policy(request).version,
                          at=o.page.here.when(row["at"]), by=row["actor"], note=row["note"])  # fmt: skip
