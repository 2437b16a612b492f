"""dashboard: the wall, the life-safety band and the stream of live changes."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from cloud.dashboard import history, live, many, views, wall, web
from cloud.dashboard.routes_shell import Opened, PageRoute, SignInNeeded, opened, state_points
from cloud.dashboard.shared import shared
from cloud.people import access
from cloud.tickets.search_filter import Wanted

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SOUNDS: Final = ("advisory", "minor", "major", "critical", "life_safety")
MONTH_MS: Final = 30 * 86_400_000


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
async def events(request: Request, page: str = "") -> Response:
    """Server-sent events for one open page (``cloud.dashboard.live``)."""
    query = request.query_params
    parts = live.parts_of({name: query.getlist(name) for name in ("live", "part")})
    if await access.current_user(request) is None:
        raise SignInNeeded
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **web.HEADERS}
    told = live.stream(request, parts, web.local_path(page))
    return StreamingResponse(told, media_type="text/event-stream", headers=headers)
