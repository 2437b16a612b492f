"""dashboard: what every page route shares: who asks, what the shell shows, and errors as pages a person can read."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import quote

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import lists, many, views, web
from cloud.dashboard.lists import TestLine
from cloud.dashboard.wall import Band, bands
from cloud.dashboard.web import Counts, Crumb, Page
from cloud.errors import Refused
from cloud.escalation import showing
from cloud.people import access
from cloud.people.service import User
from cloud.tickets import search_pages, targets
from cloud.tickets.search_filter import Wanted
from device_profiles import library
from device_profiles.library import Library

_MOST_UNREACHED = 100
_MOST_BESIDE = 1_000
"""Beside a link a number counts so far, and has a plus where there are more: every page pays for it."""


class SignInNeeded(Exception):
    """Nobody is signed in."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A page being made: its shell, one snapshot of the database, and what most pages need from it."""

    request: Request
    user: User
    page: Page
    db: AsyncConnection
    tests: tuple[TestLine, ...]

    def at(self, site: str) -> Opened:
        """The same in this site's own zone."""
        return replace(self, page=web.at_site(self.page, site))

    @property
    def store(self) -> Any:  # noqa: ANN401 - telemetry's protocol
        return self.request.app.state.store


@contextlib.asynccontextmanager
async def opened(
    request: Request,
    section: str,
    crumbs: Sequence[Crumb] = (),
    *,
    wanted: str = "",
    with_tests: bool = False,
    tests_of: tuple[str, str] = ("", ""),
    site: str = "",
    is_data: bool = False,
) -> AsyncIterator[Opened]:
    """Open a page for the person who asks, in the zone of ``site`` or the first one. Raises SignInNeeded.

    With every periodic test, or those of one site and equipment. What ``is_data``, or a part of a page, has no shell to fill.
    """
    user = await access.current_user(request)
    if user is None:
        raise SignInNeeded
    database = request.app.state.database
    async with database.read(is_brief=is_data and bool(tests_of[1])) as db:  # about one machine
        sites = await views.sites(db)
        notice = web.words_of(request, user)("error.database_damaged") if database.damage else _calendars(request, user)
        page = web.at_site(
            web.page_of(request, user, sites, section, wanted=wanted, notice=notice), site or tests_of[0]
        )
        due = await views.tests(db, *tests_of) if with_tests else []
        tests = tuple(lists.due_test(test, page.here) for test in due)
        page = replace(page, crumbs=(Crumb(page.site_name, "/wall"), *crumbs))
        if not is_data:
            page = replace(
                page,
                counts=await _counts(db, user, page),
                bands=await _bands(db, user, page),
                unreached=await _unreached(db, page),
            )
        yield Opened(request, user, page, db, tests)


def _calendars(request: Request, user: User) -> str:
    """For managers: a year that begins soon has holidays that nobody confirmed, so due times may be wrong."""
    state = request.app.state
    if user.role not in {"manager", "admin"}:
        return ""
    words = web.words_of(request, user)
    missing = targets.unconfirmed(state.desk.policy, state.clock.now_ms())
    return " ".join(words("targets.unconfirmed", calendar=name, year=year) for name, year in missing)


async def _counts(db: AsyncConnection, user: User, page: Page) -> Counts:
    now = page.here.now
    everything, mine = await search_pages.counts(
        db, [Wanted(is_open=True), Wanted(is_open=True, holder=user.name)], now, _MOST_BESIDE
    )
    return Counts(
        alarms=await many.count_alarms(db, now), tickets=web.some(everything), mine=web.some(mine),
        missed=await many.count_missed_tests(db, now),
    )  # fmt: skip


async def _unreached(db: AsyncConnection, page: Page) -> str:
    """That nobody could be told of tickets: every page says so until somebody can."""
    found = len(await showing.troubled(db, _MOST_UNREACHED))
    if found == _MOST_UNREACHED:
        return page.here.words("calls.unreached_many", n=found - 1)
    return page.here.words.count("calls.unreached_some", found) if found else ""


async def _bands(db: AsyncConnection, user: User, page: Page) -> tuple[Band, ...]:
    """Life-safety alarms that nobody has acknowledged, with their tickets."""
    alarms = await many.life_alarms(db)
    numbers = [alarm.ticket for alarm in alarms if alarm.ticket]
    return bands(alarms, await many.rows(db, numbers), page.here, user.role)


@cache
def shipped_library() -> Library:
    return library.load()


def library_of(request: Request) -> Library:
    """The clauses and classes that this cloud knows: its own configured ones, else the shipped ones."""
    return getattr(request.app.state, "library", None) or shipped_library()


def state_points(request: Request) -> dict[str, str]:
    """Class id to the point whose word is the equipment's state."""
    return {id: of.state_point for id, of in library_of(request).classes.items() if of.state_point}


# --- errors as pages --------------------------------------------------------------------------------------------

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route that answers people: sign-in where it is missing, our own origin for forms, errors as pages."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        methods = set(options.pop("methods", None) or ("GET",))
        if "GET" in methods:
            methods.add("HEAD")  # link checkers and chat previews ask so first
        super().__init__(path, endpoint, methods=methods, **options)

    def get_route_handler(self) -> Handler:
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            if request.method == "POST" and not web.is_same_origin(request):
                return await error_page(request, 403, "forbidden", origin=True)
            try:
                return await handler(request)
            except SignInNeeded:
                return sign_in_first(request)
            except Refused as refused:
                return await refused_page(request, refused)
            except RequestValidationError:
                return await error_page(request, 422, "forbidden", code="invalid")
            except HTTPException as error:
                return await error_page(request, error.status_code, "not_found")

        return answer


def wants_page(request: Request) -> bool:
    """Whether a person mistyped an address, and not a program."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith("/api/")


def sign_in_first(request: Request) -> Response:
    """To the sign-in page, and back afterwards. A part of a page says 401, and the page's script reloads the page."""
    if request.headers.get("hx-request") or request.url.path == "/events":
        return Response(status_code=401, headers=dict(web.HEADERS))
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return web.go(f"/sign-in?next={quote(wanted, safe='')}" if request.method == "GET" else "/sign-in")


async def error_page(request: Request, status: int, kind: str, *, code: str = "", origin: bool = False) -> Response:
    page = await web.plain_page(request, "")
    words = page.here.words
    text = words("error.origin") if origin else words(f"error.{kind}_text")
    return web.render(
        "error.html", page, status, title=words(f"error.{kind}"), text=text, remedy="", code=code, back=""
    )


async def refused_page(request: Request, refused: Refused) -> Response:
    """What was refused and why, in the reader's language where we have the words, with a way back."""
    page = await web.plain_page(request, "")
    words = page.here.words
    if refused.status == 404:
        return await error_page(request, 404, "not_found", code=refused.code)
    key = f"refused.{refused.code}"
    text = words(key) if words.has(key) else refused.message
    named = [words(f"form.{one.path}") for one in refused.errors if words.has(f"form.{one.path}")]
    if named:
        text = words("error.fields", text=text, fields=words("sep_and").join(named))
    remedy = "" if words.language == "zh" else refused.remedy
    back = request.url.path.rsplit("/", 1)[0] if request.method == "POST" and request.url.path.count("/") > 1 else ""
    return web.render("error.html", page, refused.status, title=words("error.title"), text=text, remedy=remedy,
                      code=refused.code, back=back)  # fmt: skip
