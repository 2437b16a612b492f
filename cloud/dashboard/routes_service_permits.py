"""dashboard: "take out of service…" and "put back in service" of one piece of equipment, through the API's own wishes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select

from cloud.dashboard import history, permit_page, views, web
from cloud.dashboard.present import Here
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, opened
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, invalid, not_found
from cloud.people import access
from cloud.people.service import audit
from cloud.storage import tables as t
from cloud.tickets import directives
from cloud.tickets.ticket import Role, ticket_name
from contract.conventions import format_instant
from contract.messages import Directive

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/equipment/{site}/{id}/service")
async def show(request: Request, site: str, id: str) -> Response:
    async with opened(request, "equipment") as o:
        return await _page(o, site, id)


async def _page(o: Opened, site: str, id: str) -> Response:
    row = await views.one_equipment(o.db, site, id)
    if row is None:
        raise not_found("equipment", f"{site}/{id}")
    here, words = o.page.here, o.page.here.words
    name, href = words.text(row.name, row.id), f"/equipment/{site}/{id}"
    page = replace(o.page, crumbs=(*o.page.crumbs, Crumb(name, href), Crumb(words("service.title"))))
    holder = await directives.held_by(o.db, site, id)
    about = row.out_of_service or {}
    return web.render(
        "service.html", page, title=name, href=href, site=site, id=id, holder=ticket_name(holder) if holder else "",
        out=_out(about, here) if row.out_of_service else None, unwatched=await permit_page.unwatched(o.db, site, id, words),
        asked=await _asked(o, row.gateway, id), has_gateway=bool(row.gateway), may=Role(o.user.role).rank >= Role.ENGINEER.rank,
        role=words.or_id("role", o.user.role),
    )  # fmt: skip


def _out(about: Any, here: Here) -> dict[str, str]:  # noqa: ANN401  plain JSON
    return {
        "reason": str(about.get("reason", "")),
        "since": here.when(about["at"]) if about.get("at") else "",
        "until": here.when(about["until"]) if about.get("until") else "",
    }


async def _asked(o: Opened, gateway: str | None, id: str) -> str:
    """The newest wish about this equipment's service that its gateway has not answered, or has refused."""
    d = t.directive.c
    kinds = ("out_of_service", "in_service")
    query = (
        select(t.directive)
        .where(d.gateway_id == gateway, d.kind.in_(kinds))
        .order_by(d.created_at.desc(), d.id)
        .limit(200)
    )
    rows = (await o.db.execute(query)).mappings()
    newest = next((row for row in rows if row["body"].get("equipment") == id), None)
    if newest is None or newest["applied"]:
        return ""
    words, here = o.page.here.words, o.page.here
    if newest["applied_at"] is not None:
        return words("permit.thing.refused", reason=newest["reason"])
    kind = "out" if newest["kind"] == "out_of_service" else "back"
    return words(f"permit.thing.{kind}_asked", at=here.when(newest["created_at"]))


@router.post("/equipment/{site}/{id}/service")
async def change(request: Request, site: str, id: str) -> Response:
    """Out with a reason and an end, or back."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    if Role(user.role).rank < Role.ENGINEER.rank:
        raise Refused(403, "role", f"{user.role} may not do this", "ask an engineer")
    form, state = await request.form(), request.app.state
    now = state.clock.now_ms()
    is_back = form.get("back") is not None
    reason = str(form.get("reason", "")).strip()[:4000]
    until = None if is_back else await _until(request, str(form.get("until", "")))
    wanted = Directive(
        id=state.tokens(), kind="in_service" if is_back else "out_of_service", by=user.name, reason=reason, equipment=id,
        until=until,
    )  # fmt: skip
    async with state.database.write() as db:
        await directives.wish(db, site, wanted, now)
        data = {"reason": reason, "until": until}
        await audit(db, user.name, f"asked_{wanted.kind}", f"{site}/{id}", now, data)
    state.hub.publish("gateways", "equipment")
    return web.go(f"/equipment/{site}/{id}/service")


async def _until(request: Request, text: str) -> str:
    async with request.app.state.database.read() as db:
        here = web.page_of(request, None, await views.sites(db), "").here
    at = history.local_instant(text, here)
    if at is None:
        raise invalid("until", "the end is not a date and time", "say until when; it can be moved later")
    return format_instant(at)
