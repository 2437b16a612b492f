"""dashboard: the wall, the life-safety band and the stream of live changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cloud.dashboard import history, many, views, wall, web
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, opened, state_points
from cloud.dashboard.shared import shared
from cloud.people import access
from cloud.tickets.search_filter import Wanted

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
    async with opened(request, "wall", with_tests=True) as o:
        wanted = sound if sound in SOUNDS else ""
        return web.render("wall.html", o.page, wall=await _wall(o, site), sound=wanted)


@router.get("/parts/wall")
@shared
async def wall_part(request: Request, site: str = "") -> Response:
    async with opened(request, "wall", with_tests=True) as o:
        return web.render("parts/wall.html", o.page, wall=await _wall(o, site))


async def _wall(o: Opened, site: str) -> wall.Wall:
    now, there = o.page.here.now, {"site_id": (site,)} if site else None
    rows = await views.equipment(o.db, site)
    open_ones = await many.count_open(o.db, now, Wanted(equal=there))
    closed = await views.tickets(o.db, views.is_closed(), limit=1) if not open_ones.n else []
    known = wall.Known(
        equipment=rows, points=await views.points(o.db, site), samples=await history.latest_of_all(o.store, rows),
        alarms=await views.active_alarms(o.db, site), tickets=await many.of_machines(o.db, site),
        work=await many.worst(o.db, site, wall.MOST_WORK), open=open_ones,
        late=await many.count_open(o.db, now, Wanted(equal=there, is_late=True)), tests=o.tests,
        gateways=await views.gateways(o.db), clauses=await views.clauses_watched(o.db),
        states=state_points(o.request), last_closed=closed[0] if closed else None, results=await views.results_since(o.db, now - MONTH_MS),
    )  # fmt: skip
    return wall.wall(known, o.page.here)


@router.get("/parts/bands")
@shared
async def bands_part(request: Request) -> Response:
    async with opened(request, "") as o:
        return web.render("parts/bands_only.html", o.page)


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
