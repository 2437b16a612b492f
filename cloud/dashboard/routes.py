"""dashboard: every page behind one router, and the static files beside it."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles

from cloud.dashboard import (
    routes_account,
    routes_alarms,
    routes_calls,
    routes_contractors,
    routes_entering,
    routes_equipment,
    routes_figures,
    routes_gateways,
    routes_lists,
    routes_many,
    routes_permits,
    routes_power,
    routes_proof,
    routes_register,
    routes_search,
    routes_service_permits,
    routes_settings,
    routes_tickets,
    routes_trends,
    routes_wall,
    web,
)
from cloud.dashboard.routes_shell import PageRoute

STATIC: Final = web.STATIC
router: Final = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/favicon.ico")
async def favicon() -> Response:
    return FileResponse(STATIC / "favicon.svg", media_type="image/svg+xml")


_pages: Final = APIRouter()
"""All of them as applications take them, put together once a process."""
for _part in (
    routes_wall,
    routes_register,
    routes_permits,
    routes_service_permits,
    routes_contractors,
    routes_equipment,
    routes_trends,
    routes_power,
    routes_figures,
    routes_entering,
    routes_lists,
    routes_many,  # before a ticket's own address, which any last part may be
    routes_search,
    routes_proof,  # its addresses lie below a ticket's, whose last part is any action
    routes_tickets,
    routes_alarms,
    routes_gateways,
    routes_calls,
    routes_account,
    routes_settings,
):
    router.include_router(_part.router)
_pages.include_router(router)


def mount(app: FastAPI) -> None:
    """Put the pages and their static files on an application that has the cloud's state."""
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.router.routes.extend(_pages.routes)
