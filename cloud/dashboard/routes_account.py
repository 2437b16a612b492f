"""dashboard: sign in, sign out, one-time sign-in, language and theme."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import update

from cloud.dashboard import web, words
from cloud.dashboard.routes_shell import PageRoute
from cloud.errors import Refused
from cloud.people import access, service
from cloud.storage import tables as t

router = APIRouter(route_class=PageRoute, include_in_schema=False)

YEAR_S: Final = 365 * 86_400


@router.get("/sign-in")
async def show_sign_in(request: Request, next: str = "") -> Response:  # noqa: A002 - the word in the address
    if await access.current_user(request) is not None:
        return web.go(web.local_path(next))
    return web.render("door.html", await web.plain_page(request, ""), problem="", link="", is_link_good=False,
                      next=web.local_path(next))  # fmt: skip


@router.post("/sign-in")
async def sign_in(request: Request) -> Response:
    form = await request.form()
    name, password, wanted = (str(form.get(key, "")) for key in ("name", "password", "next"))
    try:
        token = await access.door(request).by_password(name, password)
    except Refused as refused:
        page = await web.plain_page(request, "")
        problem = page.here.words("sign_in.too_many" if refused.status == 429 else "sign_in.wrong")
        return web.render("door.html", page, refused.status, problem=problem, link="", is_link_good=False,
                          next=web.local_path(wanted))  # fmt: skip
    return _signed_in(request, token, web.local_path(wanted))


def _signed_in(request: Request, token: str, path: str) -> Response:
    response = web.go(path)
    access.set_session(response, token, is_secure=request.url.scheme == "https")
    return response


@router.get("/sign-in/{code}")
async def show_link(request: Request, code: str) -> Response:
    """Asks before it signs in, so that a link preview does not use the code up."""
    state = request.app.state
    async with state.database.read() as db:
        is_good = await service.peek_code(db, code, state.clock.now_ms())
    page = await web.plain_page(request, "")
    return web.render("door.html", page, 200 if is_good else 410, problem="", link=f"/sign-in/{code}", is_link_good=is_good,
                      next="")  # fmt: skip


@router.post("/sign-in/{code}")
async def sign_in_by_link(request: Request, code: str) -> Response:
    try:
        token = await access.door(request).by_code(code)
    except Refused:
        page = await web.plain_page(request, "")
        return web.render("door.html", page, 410, problem="", link=f"/sign-in/{code}", is_link_good=False, next="")
    return _signed_in(request, token, "/wall")


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    state = request.app.state
    if token := request.cookies.get(access.COOKIE):
        async with state.database.write() as db:
            await service.sign_out(db, token)
    response = web.go("/sign-in")
    access.clear_session(response)
    return response


@router.post("/display")
async def set_display(request: Request) -> Response:
    """Language and theme: kept in a cookie, and on the user when somebody is signed in."""
    form = await request.form()
    language, theme, back = (str(form.get(key, "")) for key in ("language", "theme", "back"))
    response = web.go(web.local_path(back))
    chosen: dict[str, str] = {}
    if language in words.LANGUAGES:
        chosen["language"] = language
        response.set_cookie(web.LANGUAGE_COOKIE, language, max_age=YEAR_S, httponly=True, samesite="lax")
    if theme in web.THEMES:
        chosen["theme"] = theme
        response.set_cookie(web.THEME_COOKIE, theme, max_age=YEAR_S, httponly=True, samesite="lax")
    user = await access.current_user(request)
    if user is not None and chosen:
        async with request.app.state.database.write() as db:
            await db.execute(update(t.app_user).where(t.app_user.c.id == user.id).values(**chosen))
    return response
