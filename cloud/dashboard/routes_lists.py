"""dashboard: the list of tickets with its filters, my work, and search. Everything that narrows a list is in its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select

from cloud.dashboard import find_page, lists, many, proof, views, web
from cloud.dashboard.find_page import PAGE_SIZE
from cloud.dashboard.lists import TicketLine
from cloud.dashboard.routes_shell import Opened, PageRoute, opened
from cloud.dashboard.rows import TicketRow
from cloud.dashboard.web import Crumb
from cloud.storage import tables as t
from cloud.tickets import search_index, search_pages
from cloud.tickets.search_filter import After, Reading, Wanted, read
from cloud.tickets.ticket import Role

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_IN_TAB: Final = 1000
MOST_MINE: Final = 50
Names = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages with counts and a link to each; never an endless scroll."""

    page: int
    pages: int
    path: str

    def href(self, page: int) -> str:
        return f"{self.path}{'&' if '?' in self.path else '?'}page={page}"


# --- list -------------------------------------------------------------------------------------------------------


@router.get("/tickets")
async def show_tickets(request: Request, page: int = 1) -> Response:
    return await _list(request, page, "tickets.html")


@router.get("/parts/tickets")
async def tickets_part(request: Request, page: int = 1) -> Response:
    return await _list(request, page, "parts/tickets.html")


def given_of(request: Request) -> dict[str, str]:
    """What the address says. ``show`` names a saved view, as in a bookmark of old."""
    given = dict(request.query_params)
    return {**find_page.VIEWS.get(given.get("show", ""), {}), **given}


async def _list(request: Request, page: int, template: str) -> Response:
    given = given_of(request)
    unwritten = await search_index.catch_up(request.app.state.database) if given.get("text") else 0
    async with opened(request, "tickets", [Crumb(web.words_of(request)("ticket.title"))]) as o:
        here = o.page.here
        reading = read(given, o.user.name, here.zone, is_open="1")
        names, systems = await names_of(o)
        wrong = (*reading.wrong, *await search_pages.unknown(o.db, reading))
        shown = await _page_of(o, reading, page, given.get("after", "")) if not wrong else _NOTHING
        return web.render(
            template, o.page, 422 if wrong else 200, wrong=[find_page.wrong_text(one, here.words) for one in wrong],
            rows=[lists.ticket_line(ticket, here, 3) for ticket in shown.rows], total=find_page.count_text(shown.count, here.words),
            pager=find_page.pager(reading.given, shown.page, shown.count, shown.after, shown.next, here.words),
            chips=find_page.chips(reading.given, here.words, names), tabs=find_page.tabs(reading.given, await _tab_counts(o)),
            selects=find_page.selects(reading.given, here.words, names, systems), given=reading.given, unwritten=unwritten,
            export=find_page.address(reading.given, "/tickets/export"), here_now=find_page.address(reading.given),
            people=names["holder"], may_act=Role(o.user.role).rank >= Role.TECHNICIAN.rank, may_manage=Role(o.user.role).rank >= Role.ENGINEER.rank,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """One page of a list."""

    rows: tuple[TicketRow, ...]
    count: search_pages.Count
    page: int = 1
    after: After | None = None
    next: After | None = None


_NOTHING: Final = Shown((), search_pages.Count(0))


async def _page_of(o: Opened, reading: Reading, page: int, place: str) -> Shown:
    now, wanted = o.page.here.now, reading.wanted
    count = await search_pages.count(o.db, wanted, now)
    after = find_page.read_token(place)
    page = min(max(1, page), max(1, -(-count.n // PAGE_SIZE)))
    skip = 0 if after else (page - 1) * PAGE_SIZE
    found = await search_pages.page(o.db, wanted, now, PAGE_SIZE, skip=skip, after=after)
    return Shown(tuple(await many.rows(o.db, found.numbers)), count, page, after, found.next)


async def names_of(o: Opened) -> tuple[Names, list[str]]:
    """What sites and people are called, and which systems there are."""
    people = dict(await views.people(o.db))
    systems = [
        row.system for row in await o.db.execute(select(t.equipment.c.system).distinct().order_by(t.equipment.c.system))
    ]
    return {"site": {site.id: site.name for site in o.page.sites}, "holder": people}, [one for one in systems if one]


async def _tab_counts(o: Opened) -> dict[str, search_pages.Count]:
    here = o.page.here
    wanted = [read(find_page.VIEWS[name], o.user.name, here.zone).wanted for name in find_page.COUNTED]
    found = await search_pages.counts(o.db, wanted, here.now, MOST_IN_TAB)
    return dict(zip(find_page.COUNTED, found, strict=True))


# --- my work ----------------------------------------------------------------------------------------------------


@router.get("/my")
async def show_my(request: Request) -> Response:
    async with opened(request, "my", [Crumb(web.words_of(request)("my.title"))], with_tests=True) as o:
        return web.render("my.html", o.page, groups=await _groups(o))


@router.get("/parts/my")
async def my_part(request: Request) -> Response:
    async with opened(request, "my", with_tests=True) as o:
        return web.render("parts/my.html", o.page, groups=await _groups(o))


async def _groups(o: Opened) -> list[dict[str, Any]]:
    here, words = o.page.here, o.page.here.words
    waiting = {"state": ("new", "dispatched")}
    mine, n_mine = await _work(o, Wanted(is_open=True, holder=o.user.name, sort="due"))
    untaken, n_untaken = await _work(o, Wanted(holder="", equal=waiting, sort="due"))
    tests = [
        TicketLine(group[0].key, group[0].href if len(group) == 1 else "/tests", lists.due_name(group, words), "", "", "", "",
                   (), "", (group[0].due, group[0].every, group[0].proof), group[0].is_missed, group[0].due_at)
        for group in lists.due_soon(o.tests, here)
    ]  # fmt: skip
    return [
        {"name": words("my.now"), "note": find_page.count_text(n_mine, words), "rows": mine,
         "empty": words("my.none"), "empty_text": words("my.none_text")},
        {"name": words("my.untaken"), "note": find_page.brief(n_untaken) or "0", "rows": untaken, "empty": words("my.untaken_none"), "empty_text": ""},
        {"name": words("my.tests"), "note": words("my.tests_span"), "rows": tests, "empty": words("my.tests_none"),
         "empty_text": ""},
        await proof.watched(o),
    ]  # fmt: skip


async def _work(o: Opened, wanted: Wanted) -> tuple[list[TicketLine], search_pages.Count]:
    """What is due next, worst first among it, and how many there are in all."""
    here = o.page.here
    found = await search_pages.page(o.db, wanted, here.now, MOST_MINE)
    tickets = lists.worst_first(await many.rows(o.db, found.numbers), here)
    return [lists.ticket_line(ticket, here) for ticket in tickets], await search_pages.count(o.db, wanted, here.now)
