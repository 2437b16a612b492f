"""dashboard: equipment without telemetry enters the register, by form or by CSV. The register's own checks decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from cloud.dashboard import web
from cloud.dashboard.routes_shell import PageRoute, SignInNeeded, opened
from cloud.dashboard.web import Crumb
from cloud.errors import Refused
from cloud.ingest import register
from cloud.ingest.register import Thing
from cloud.people import access
from cloud.people.service import User
from cloud.tickets.ticket import Role

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_BYTES: Final = 2_000_000
_EMPTY: Final = {"site": "", "id": "", "class": "", "name_en": "", "name_zh": "", "place": "", "serves": ""}


@router.get("/equipment/new")
async def show_form(request: Request, added: int = 0) -> Response:
    await _engineer(request)
    return await _form(request, added=added)


async def _engineer(request: Request) -> User:
    """Who asks. Raises SignInNeeded, or Refused (403) for a role that may not."""
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    if Role(user.role).rank < Role.ENGINEER.rank:
        raise Refused(403, "role", f"{user.role} may not add equipment", "ask an engineer")
    return user


async def _form(
    request: Request, *, added: int = 0, problems: Sequence[str] = (), given: dict[str, str] | None = None
) -> Response:
    words = web.words_of(request)
    crumbs = [Crumb(words("equipment.title"), "/equipment"), Crumb(words("equipment.add_title"))]
    async with opened(request, "equipment", crumbs) as o:
        classes = sorted((id, o.page.here.words.text(of.name.model_dump())) for id, of in register.classes().items())
        return web.render(
            "equipment_new.html", o.page, 422 if problems else 200, added=max(0, added), problems=list(problems),
            given=_EMPTY | (given or {}), classes=classes, sites=o.page.sites,
        )  # fmt: skip


@router.post("/equipment/new")
async def add_one(request: Request) -> Response:
    user = await _engineer(request)
    given = {key: str(value).strip() for key, value in (await request.form()).items()}
    text = {key: given.get(key, "") for key in _EMPTY}
    thing = Thing(text["id"], text["class"], text["name_en"], text["name_zh"], text["place"], text["serves"])
    return await _add(request, user, text["site"], [thing], text)


@router.post("/equipment/csv")
async def add_many(request: Request) -> Response:
    user = await _engineer(request)
    async with request.form() as form:
        upload, site = form.get("file"), str(form.get("site", ""))
        if upload is None or isinstance(upload, str):
            return await _form(request, problems=[web.words_of(request)("equipment.csv_none")], given={"site": site})
        name, text = upload.filename or "equipment.csv", _decoded(await upload.read(MOST_BYTES + 1))
    if text is None:
        return await _form(request, problems=[web.words_of(request)("equipment.csv_unreadable")], given={"site": site})
    things, found = register.parse_csv(text, name)
    if found or not things:
        problems = [str(one) for one in found] or [web.words_of(request)("equipment.csv_empty")]
        return await _form(request, problems=problems, given={"site": site})
    return await _add(request, user, site, things, {"site": site})


def _decoded(content: bytes) -> str | None:
    """The file as text; None when it is too large or not UTF-8."""
    try:
        return content.decode("utf-8-sig") if len(content) <= MOST_BYTES else None
    except UnicodeDecodeError:
        return None


async def _add(request: Request, user: User, site: str, things: list[Thing], given: dict[str, str]) -> Response:
    state: Any = request.app.state
    try:
        async with state.database.write() as db:
            added = await register.add(db, site, things, state.clock.now_ms(), user.name)
    except Refused as refused:
        problems = [str(one) for one in refused.errors] or [f"{refused.message}. {refused.remedy}"]
        return await _form(request, problems=problems, given=given)
    state.hub.publish("equipment")
    state.wake(("equipment",))
    return web.go(f"/equipment/new?added={added}")
