"""dashboard: the wall, the life-safety band, the stream of live changes, and search."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cloud.dashboard import history, lists, views, wall, web
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, opened, state_points
from cloud.people import access

router = APIRouter(route_class=PageRoute, include_in_schema=False)

BEAT_S: Final = 2.0
CALM_S: Final = 0.3
"""Between two events of one stream: what comes closer together travels together."""
STREAM_MS: Final = 900_000
"""A stream ends after a quarter of an hour; the browser asks again and is checked again."""
SOUNDS: Final = ("advisory", "minor", "major", "critical", "life_safety")
MONTH_MS: Final = 30 * 86_400_000
_WORK: Final = frozenset({"tickets", "alarms", "gateways", "equipment"})


@router.get("/")
async def home() -> Response:
    return web.go("/wall")


@router.get("/wall")
async def show_wall(request: Request, sound: str = "", site: str = "") -> Response:
    async with opened(request, "wall") as o:
        wanted = sound if sound in SOUNDS else ""
        return web.render("wall.html", o.page, wall=await _wall(o, site), sound=wanted)


@router.get("/parts/wall")
async def wall_part(request: Request, site: str = "") -> Response:
    async with opened(request, "wall") as o:
        return web.render("parts/wall.html", o.page, wall=await _wall(o, site))


async def _wall(o: Opened, site: str) -> wall.Wall:
    rows = await views.equipment(o.db, site)
    closed = await views.tickets(o.db, views.is_closed(), limit=1) if not o.tickets else []
    known = wall.Known(
        equipment=rows, points=await views.points(o.db, site), samples=await history.latest_of_all(o.store, rows),
        alarms=[alarm for alarm in o.alarms if site in {"", alarm.site}],
        tickets=[ticket for ticket in o.tickets if site in {"", ticket.site}], tests=o.tests,
        gateways=await views.gateways(o.db), clauses=await views.clauses_watched(o.db),
        states=state_points(o.request), last_closed=closed[0] if closed else None, results=await views.results_since(o.db, o.page.here.now - MONTH_MS),
    )  # fmt: skip
    return wall.wall(known, o.page.here)


@router.get("/parts/bands")
async def bands_part(request: Request) -> Response:
    async with opened(request, "", with_tests=False) as o:
        return web.render("parts/bands_only.html", o.page)


@router.get("/search")
async def search(request: Request, q: str = "") -> Response:
    wanted = q.strip()[:80]
    async with opened(request, "", [], wanted=wanted) as o:
        machines, found = await views.search(o.db, wanted) if wanted else ([], [])
        if len(found) == 1 and not machines:
            return web.go(f"/tickets/{found[0].number}")
        words = o.page.here.words
        shown = [
            {"href": f"/equipment/{m.site}/{m.id}", "name": words.text(m.name, m.id), "place": m.place} for m in machines
        ]  # fmt: skip
        return web.render(
            "search.html", o.page, machines=shown, rows=[lists.ticket_line(one, o.page.here) for one in found]
        )


# --- the stream -------------------------------------------------------------------------------------------------


@router.get("/events")
async def events(request: Request) -> Response:
    """Server-sent events: ``work`` (alarms, tickets, gateways), ``data`` (samples) and a ``beat`` every two seconds."""
    if await access.current_user(request) is None:
        raise SignInNeeded
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **web.HEADERS}
    return StreamingResponse(_stream(request), media_type="text/event-stream", headers=headers)


async def _stream(request: Request) -> AsyncIterator[str]:
    clock = request.app.state.clock
    news = request.app.state.hub.subscribe()
    ends = clock.now_ms() + STREAM_MS
    yield f"retry: 2000\nevent: beat\ndata: {clock.now_ms()}\n\n"
    waiting = _next(news)
    try:
        # Whatever changed between the page and its stream, or while the stream was lost, is looked at once.
        yield "event: work\ndata: connected\n\n"
        while clock.now_ms() < ends:
            done, _ = await asyncio.wait({waiting}, timeout=BEAT_S)
            if not done:
                yield f"event: beat\ndata: {clock.now_ms()}\n\n"
                continue
            topic, waiting = waiting.result(), _next(news)
            yield f"event: {'work' if topic in _WORK else 'data'}\ndata: {topic}\n\n"
            await clock.sleep(CALM_S)
    finally:
        waiting.cancel()  # and the subscription with it


def _next(news: AsyncIterator[str]) -> asyncio.Task[str]:
    """The next topic, awaited aside so that a beat can come in between."""
    return asyncio.create_task(_first(news), name="dashboard_events")


async def _first(news: AsyncIterator[str]) -> str:
    return await anext(news)
