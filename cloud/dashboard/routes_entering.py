"""dashboard: the form by which staff enter a ticket, empty or with a piece of equipment filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import history, lists, views, web
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, library_of, opened
from cloud.dashboard.rows import EquipmentRow
from cloud.dashboard.web import Crumb
from cloud.dashboard.words import Words
from cloud.errors import Refused
from cloud.people import access
from cloud.people.service import User
from cloud.sla.policy import CATEGORIES, EMERGENCIES, PRIORITIES
from cloud.tickets import entering
from cloud.tickets.entering import CHANNELS, SYSTEMS, Entered
from cloud.tickets.ticket import ENTERED_KINDS, FINAL_STATES, ticket_name
from device_profiles.reading import Finding

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_FIELDS: Final = (
    "kind", "category", "site", "equipment", "place", "system", "title", "description", "priority", "emergency", "reporter",
    "reporter_contact", "channel", "reported_at", "clause",
)  # fmt: skip
_UNSENT: Final = {"kind": "request", "priority": "general", "channel": "phone"}
MOST_OPEN: Final = 10


@router.get("/tickets/new")
async def show_form(request: Request, equipment: str = "", kind: str = "") -> Response:
    """The form. ``equipment`` is ``site/id``."""
    await _may_enter(request)
    given = _UNSENT | {"equipment": equipment, **({"kind": kind} if kind in set(ENTERED_KINDS) else {})}
    return await _form(request, given)


async def _may_enter(request: Request) -> User:
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    entering.check_role(user.role)
    return user


async def _form(request: Request, given: Mapping[str, str], problems: Sequence[str] = ()) -> Response:
    words = web.words_of(request)
    crumbs = [Crumb(words("ticket.title"), "/tickets"), Crumb(words("desk.new"))]
    async with opened(request, "tickets", crumbs) as o:
        shown = {name: given.get(name, "") for name in _FIELDS}
        return web.render(
            "ticket_new.html", o.page, 422 if problems else 200, problems=list(problems), given=shown,
            key=given.get("key") or request.app.state.tokens(), sites=o.page.sites,
            machines=_machines(await views.equipment(o.db), o.page.here.words), open_here=await _open_here(o, shown["equipment"]),
            clauses=[(id, o.page.here.words.text(one.summary.model_dump())) for id, one in library_of(request).clauses.items()],
            kinds=ENTERED_KINDS, priorities=PRIORITIES, categories=CATEGORIES, emergencies=EMERGENCIES, channels=CHANNELS,
            systems=SYSTEMS,
        )  # fmt: skip


def _machines(found: Sequence[EquipmentRow], words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
    """Equipment by system, each with what the form sends and how it is called."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for one in found:
        name = words.text(one.name, one.id)
        text = f"{name} ({one.place})" if one.place else name
        groups.setdefault(words.or_id("system", one.system), []).append((f"{one.site}/{one.id}", text))
    return [(name, sorted(things, key=lambda thing: thing[1])) for name, things in groups.items()]


async def _open_here(o: Opened, equipment: str) -> list[dict[str, str]]:
    """What is open on this equipment already, so that nobody enters it twice."""
    site, _, id = equipment.partition("/")
    if not id:
        return []
    found = await views.tickets(o.db, *views.of_equipment(site, id), limit=MOST_OPEN * 3)
    return [
        {"number": one.number, "title": lists.title_of(one, o.page.here.words)}
        for one in found if one.state not in set(FINAL_STATES)
    ][:MOST_OPEN]  # fmt: skip


@router.post("/tickets/new")
async def enter(request: Request) -> Response:
    user = await _may_enter(request)
    given = {key: str(text).strip() for key, text in (await request.form()).items()}
    state: Any = request.app.state
    try:
        async with state.database.write() as db:
            entered = await _entered(request, given, db)
            known = frozenset(library_of(request).clauses)
            now, key = state.clock.now_ms(), given.get("key", "")[:200] or None
            row = await entering.enter(state.desk, db, entered, user.name, user.role, known, now, key)
    except Refused as refused:
        if not refused.errors:
            raise
        words = web.words_of(request, user)
        return await _form(request, given, [_problem(one, words) for one in refused.errors])
    state.hub.publish("tickets")
    state.wake(("tickets",))
    return web.go(f"/tickets/{ticket_name(row['id'])}")


async def _entered(request: Request, given: Mapping[str, str], db: AsyncConnection) -> Entered:
    """What the form said. An instant that cannot be read becomes one that is refused."""
    site, _, equipment = given.get("equipment", "").rpartition("/")
    here = web.page_of(request, None, await views.sites(db), "").here
    at = history.local_instant(given["reported_at"], here) if given.get("reported_at") else None
    unreadable = -1 if given.get("reported_at") and at is None else at
    plain = ("kind", "category", "place", "system", "title", "description", "priority", "emergency", "reporter",
             "reporter_contact", "channel", "clause")  # fmt: skip
    texts = {name: given.get(name, "") for name in plain}
    return Entered(**texts, site=site or given.get("site", ""), equipment=equipment, reported_at=unreadable)


def _problem(found: Finding, words: Words) -> str:
    key = f"desk.wrong.{found.path}"
    return words(key) if words.has(key) else words("desk.wrong.long", field=words(f"desk.{found.path}"))
