"""dashboard: gateways: what waits on them, how late it is, how their devices answer, what is asked of those and what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select

from cloud.dashboard import equipment_page, gateway_notes, gateway_page, history, views, web
from cloud.dashboard.gateway_page import DirectiveRow, GatewayLine
from cloud.dashboard.routes_shell import Opened, PageRoute, opened
from cloud.dashboard.rows import DeviceRow, EquipmentRow, GatewayRow
from cloud.dashboard.shared import shared
from cloud.dashboard.web import Crumb
from cloud.errors import not_found
from cloud.storage import tables as t
from contract.conventions import EpochMs

router = APIRouter(route_class=PageRoute, include_in_schema=False)
MOST_DIRECTIVES: Final = 20


@router.get("/gateways")
async def show_gateways(request: Request) -> Response:
    async with opened(request, "gateways", [Crumb(web.words_of(request)("gateway.title"))]) as o:
        return web.render("gateways.html", o.page, gateways=await _lines(o))


@router.get("/parts/gateways")
@shared
async def gateways_part(request: Request) -> Response:
    async with opened(request, "gateways", is_data=True) as o:
        return web.render("parts/gateways.html", o.page, gateways=await _lines(o))


@router.get("/gateways/{id}")
async def show_gateway(request: Request, id: str) -> Response:
    words = web.words_of(request)
    async with opened(request, "gateways", [Crumb(words("gateway.title"), "/gateways"), Crumb(id)]) as o:
        there, values = await _gateway(o, id)
        return web.render("gateway.html", there.page, id=id, **values)


@router.get("/parts/gateways/{id}")
@shared
async def gateway_part(request: Request, id: str) -> Response:
    async with opened(request, "gateways", is_data=True) as o:
        there, values = await _gateway(o, id)
        return web.render("parts/gateway.html", there.page, **values)


async def _lines(o: Opened) -> list[GatewayLine]:
    rows = await views.gateways(o.db)
    devices = await views.devices(o.db)
    newest = await _newest(o, await views.equipment(o.db))
    return [_line(row, [one for one in devices if one.gateway == row.id], newest, o) for row in rows]


def _line(row: GatewayRow, devices: Sequence[DeviceRow], newest: Mapping[str, EpochMs], o: Opened) -> GatewayLine:
    return gateway_page.gateway_line(row, devices, newest.get(row.id), o.page.here)


async def _newest(o: Opened, rows: Sequence[EquipmentRow]) -> dict[str, EpochMs]:
    """When each gateway's newest value was read."""
    samples = await history.latest_of_all(o.store, rows)
    found: dict[str, EpochMs] = {}
    for row in rows:
        if row.gateway is not None:
            newest = max((sample.at for sample in samples.get(row.key, {}).values()), default=0)
            if newest > found.get(row.gateway, 0):
                found[row.gateway] = newest
    return found


async def _gateway(o: Opened, id: str) -> tuple[Opened, dict[str, Any]]:
    """In the zone of its site."""
    row = next((row for row in await views.gateways(o.db) if row.id == id), None)
    if row is None:
        raise not_found("gateway", id)
    o = o.at(row.site)
    here = o.page.here
    devices = await views.devices(o.db, gateway=id)
    equipment = [one for one in await views.equipment(o.db, row.site) if one.gateway == id]
    names = {one.id: here.words.text(one.name, one.id) for one in equipment}
    tab = "/mapping" if "mapping" in equipment_page.tabs_of(o.user.role) else ""
    refused = [
        {"id": f"{epoch}:{lane}:{seq}", "reason": reason} for epoch, lane, seq, reason in await views.refused(o.db, id)
    ]  # fmt: skip
    return o, {
        "gateway": _line(row, devices, await _newest(o, equipment), o), "buses": gateway_page.bus_lines(devices, here),
        "devices": [gateway_page.device_line(one, here, _served(one, names, tab)) for one in devices],
        "troubles": gateway_page.troubles(devices, here), "refused": refused, "notes": await gateway_notes.notes(o.db, id, here),
        "directives": [gateway_page.directive_line(one, here) for one in await _directives(o, id)],
    }  # fmt: skip


def _served(device: DeviceRow, names: Mapping[str, str], tab: str) -> list[tuple[str, str]]:
    return [(names[id], f"/equipment/{device.site}/{id}{tab}") for id in device.equipment if id in names]


async def _directives(o: Opened, gateway: str) -> list[DirectiveRow]:
    """The newest first."""
    c = t.directive.c
    query = (
        select(t.directive).where(c.gateway_id == gateway).order_by(c.created_at.desc(), c.id).limit(MOST_DIRECTIVES)
    )
    return [
        DirectiveRow(row.kind, row.body, row.created_by, row.created_at, row.sent_at, row.applied_at, row.applied, row.reason)
        for row in await o.db.execute(query)
    ]  # fmt: skip
