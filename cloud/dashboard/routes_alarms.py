"""dashboard: alarms with their acknowledgement, and tests due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from cloud.dashboard import history, lists, views, web
from cloud.dashboard.lists import AlarmLine
from cloud.dashboard.present import SEVERITIES
from cloud.dashboard.routes_lists import Pages
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, opened
from cloud.dashboard.rows import AlarmRow, Text
from cloud.dashboard.shared import shared
from cloud.dashboard.tile import condition, is_shown, worst_first
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, not_found
from cloud.people import access
from cloud.people.service import audit
from cloud.tickets import directives, service
from cloud.tickets.ticket import Role
from contract.conventions import format_instant
from contract.messages import Directive

router = APIRouter(route_class=PageRoute, include_in_schema=False)

PAGE_SIZE: Final = 50
SHOWN: Final = ("active", "returned", "silenced", "history")


# --- alarms -----------------------------------------------------------------------------------------------------


@router.get("/alarms")
async def show_alarms(request: Request, show: str = "active", severity: str = "", page: int = 1) -> Response:
    return await _alarms(request, show, severity, page, "alarms.html")


@router.get("/parts/alarms")
@shared
async def alarms_part(request: Request, show: str = "active", severity: str = "", page: int = 1) -> Response:
    return await _alarms(request, show, severity, page, "parts/alarms.html")


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    rows: tuple[AlarmLine, ...]


async def _alarms(request: Request, show: str, severity: str, page: int, template: str) -> Response:
    show = show if show in SHOWN else "active"
    crumbs = [Crumb(web.words_of(request)("alarm.title"))]
    async with opened(request, "alarms", crumbs) as o:
        here = o.page.here
        everything = await views.active_alarms(o.db)
        active = [alarm for alarm in everything if is_shown(alarm, here.now)]
        silenced = [alarm for alarm in everything if not is_shown(alarm, here.now)]
        past = await views.count_past_alarms(o.db)
        returned = await views.count_past_alarms(o.db, unseen=True)
        counts = {"active": len(active), "returned": returned, "silenced": len(silenced), "history": past}
        last = max(1, -(-counts.get(show, 0) // PAGE_SIZE))
        pages = Pages(min(max(1, page), last), last, f"/alarms?show={show}")
        rows: list[AlarmRow] | None = {"active": active, "silenced": silenced}.get(show)
        if rows is None:
            unseen, skip = show == "returned", (pages.page - 1) * PAGE_SIZE
            rows = await views.past_alarms(o.db, unseen=unseen, limit=PAGE_SIZE, skip=skip)
        kept = [alarm for alarm in rows if severity not in SEVERITIES or alarm.severity == severity]
        title, text = await _empty(o, show)
        return web.render(
            template, o.page, show=show, groups=_groups(kept, o, show, await views.names(o.db, {alarm.equipment for alarm in kept})), is_flood=lists.is_flood(active, here.now),
            empty_title=title, empty_text=text, pages=pages if show in {"history", "returned"} else None,
            tabs=[{"id": name, "href": f"/alarms?show={name}", "n": counts[name]} for name in SHOWN],
        )  # fmt: skip


def _groups(alarms: Sequence[AlarmRow], o: Opened, show: str, names: Mapping[str, Text]) -> list[Group]:
    """Worst first; in a flood by equipment, except life safety, which never groups. History stays newest first."""
    here = o.page.here
    if show in {"history", "returned"}:
        return [Group("", tuple(_lines(alarms, o, names)))] if alarms else []
    ordered = worst_first(alarms)
    if show != "active" or not lists.is_flood(alarms, here.now):
        return [Group("", tuple(_lines(ordered, o, names)))] if ordered else []
    first = [alarm for alarm in ordered if alarm.severity == "life_safety"]
    found = [Group("", tuple(_lines(first, o, names)))] if first else []
    by_equipment: dict[tuple[str, str], list[AlarmRow]] = {}
    for alarm in ordered:
        if alarm.severity != "life_safety":
            by_equipment.setdefault((alarm.site, alarm.equipment), []).append(alarm)
    return found + [
        Group(here.words.text(rows[0].equipment_name, rows[0].equipment), tuple(_lines(rows, o, names)))
        for rows in by_equipment.values()
    ]  # fmt: skip


def _lines(alarms: Sequence[AlarmRow], o: Opened, names: Mapping[str, Text]) -> list[AlarmLine]:
    return [lists.alarm_line(alarm, o.page.here, o.user.role, names) for alarm in alarms]


async def _empty(o: Opened, show: str) -> tuple[str, str]:
    words = o.page.here.words
    if show != "active":
        return words(f"alarm.empty_{show}"), words(f"alarm.empty_{show}_text")
    last = await views.past_alarms(o.db, limit=1)
    if not last or last[0].cleared_at is None:
        return words("alarm.empty"), words("alarm.empty_never")
    one = last[0]
    return words("alarm.empty"), words(
        "alarm.empty_last", at=o.page.here.when(one.cleared_at or 0), equipment=words.text(one.equipment_name, one.equipment),
        condition=condition(one, words),
    )  # fmt: skip


@router.post("/alarms/{id}/acknowledge")
async def acknowledge(request: Request, id: int) -> Response:
    """A person has seen this alarm; its ticket is theirs then. Never more than one alarm at a time."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    form = await request.form()
    state = request.app.state
    async with state.database.write() as db:
        if await views.one_alarm(db, id) is None:
            raise not_found("alarm", str(id))
        actor = service.Actor(user.name, user.role)
        await service.acknowledge_alarm(state.desk, db, id, actor, state.clock.now_ms())
    state.hub.publish("alarms", "tickets")
    state.wake(("tickets",))
    return web.go(web.local_path(str(form.get("back", "")), "/alarms"))


@router.post("/alarms/{id}/shelve")
async def shelve(request: Request, id: int) -> Response:
    """Hide an alarm for a time, with a reason; the gateway does it when it is heard next."""
    form = await request.form()
    return await _wish(request, id, form, "shelve")


@router.post("/alarms/{id}/unshelve")
async def unshelve(request: Request, id: int) -> Response:
    return await _wish(request, id, await request.form(), "unshelve")


async def _wish(request: Request, id: int, form: FormData, kind: Literal["shelve", "unshelve"]) -> Response:
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    if Role(user.role).rank < Role.ENGINEER.rank:
        raise Refused(403, "role", f"{user.role} may not {kind}", f"ask a person with role {Role.ENGINEER}")
    state = request.app.state
    now = state.clock.now_ms()
    async with state.database.write() as db:
        alarm = await views.one_alarm(db, id)
        if alarm is None:
            raise not_found("alarm", str(id))
        here = web.page_of(request, user, await views.sites(db), "").here
        until = history.local_instant(str(form.get("until", "")), here)
        wanted = Directive(
            id=state.tokens(), kind=kind, by=user.name, reason=str(form.get("reason", "")).strip(), equipment=alarm.equipment,
            rule=alarm.rule.id, instance=alarm.instance, until=None if until is None else format_instant(until),
        )  # fmt: skip
        await directives.wish(db, alarm.site, wanted, now)
        about = {"rule": alarm.rule.id, "reason": wanted.reason, "until": wanted.until}
        await audit(db, user.name, f"asked_{kind}", f"{alarm.site}/{alarm.equipment}", now, about)
    state.hub.publish("gateways")
    return web.go(web.local_path(str(form.get("back", "")), "/alarms"))


# --- tests ------------------------------------------------------------------------------------------------------


@router.get("/tests")
async def show_tests(request: Request) -> Response:
    async with opened(request, "tests", [Crumb(web.words_of(request)("tests.title"))], with_tests=True) as o:
        missed = sum(test.is_missed for test in o.tests)
        note = o.page.here.words("tests.missed_count", n=missed) if missed else ""
        return web.render("tests.html", o.page, tests=_by_due(o), note=note)


@router.get("/parts/tests")
async def tests_part(request: Request) -> Response:
    async with opened(request, "tests", with_tests=True) as o:
        return web.render("parts/tests.html", o.page, tests=_by_due(o))


def _by_due(o: Opened) -> list[lists.TestLine]:
    return sorted(o.tests, key=lambda test: (test.due_at, test.key))
