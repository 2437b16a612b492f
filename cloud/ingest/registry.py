"""DeviceAnnounced → ingest: sites, equipment, points, limits, rules, tests and devices. What is announced wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Table, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.sql import upsert
from contract.conventions import EpochMs
from contract.messages import AnnouncedDevice, AnnouncedEquipment, AnnouncedPoint, DeviceAnnounced

Row = dict[str, Any]


async def announce(
    connection: AsyncConnection, gateway: Mapping[Any, Any], told: DeviceAnnounced, now: EpochMs
) -> None:
    """Bring the register to what a gateway says it serves. Raises ValueError when it speaks for what is not its own."""
    if told.site != gateway["site_id"]:
        raise ValueError(f"announces site {told.site}, but this gateway belongs to site {gateway['site_id']}")
    await _check_owner(connection, gateway, told)
    values = {"version": told.version, "interval_ms": told.interval_ms, "announced_hash": told.content_hash}
    await connection.execute(update(t.gateway).where(t.gateway.c.id == gateway["id"]).values(**values))
    is_whole = not told.other_equipment and not told.other_devices
    if is_whole and told.content_hash and told.content_hash == gateway["announced_hash"]:
        return
    await upsert(connection, t.site, ("id",), [{"id": told.site, "name": told.site_name, "zone": told.zone}])
    await _equipment(connection, gateway["id"], told, now)
    await _devices(connection, gateway["id"], told)


async def _check_owner(connection: AsyncConnection, gateway: Mapping[Any, Any], told: DeviceAnnounced) -> None:
    for table, ids in ((t.equipment, [e.id for e in told.equipment]), (t.device, [d.id for d in told.devices])):
        query = select(table.c.id, table.c.gateway_id).where(
            table.c.site_id == told.site, table.c.id.in_(ids), table.c.gateway_id != gateway["id"]
        )
        other = (await connection.execute(query.limit(1))).one_or_none()
        if other is not None:
            raise ValueError(
                f"{table.name} {other.id} is served by gateway {other.gateway_id}; ids are unique in a site"
            )


async def _equipment(connection: AsyncConnection, gateway_id: str, told: DeviceAnnounced, now: EpochMs) -> None:
    """Equipment that is no longer announced stays in the register, without telemetry."""
    site, ids = told.site, [equipment.id for equipment in told.equipment]
    await connection.execute(
        update(t.equipment)
        .where(t.equipment.c.gateway_id == gateway_id, t.equipment.c.id.not_in([*ids, *told.other_equipment]))
        .values(gateway_id=None)
    )
    rows = [_equipment_row(site, gateway_id, equipment) for equipment in told.equipment]
    since = {
        row.id: row.registered_at
        for row in await connection.execute(
            select(t.equipment.c.id, t.equipment.c.registered_at).where(t.equipment.c.site_id == site)
        )
    }
    rows = [{**row, "registered_at": since.get(row["id"], now)} for row in rows]
    await upsert(connection, t.equipment, ("site_id", "id"), rows)
    every = told.equipment
    points = [_point_row(e.id, place, point) for e in every for place, point in enumerate(e.points)]
    await _replace(connection, t.point, site, ids, points)
    await _replace(connection, t.limit_value, site, ids, [_of(e.id, limit) for e in every for limit in e.limits])
    await _replace(connection, t.rule, site, ids, [_of(e.id, rule) for e in every for rule in e.rules])
    await _replace(connection, t.periodic_test, site, ids, [_of(e.id, test) for e in every for test in e.tests])


async def _replace(connection: AsyncConnection, table: Table, site: str, ids: Sequence[str], rows: list[Row]) -> None:
    await connection.execute(delete(table).where(table.c.site_id == site, table.c.equipment_id.in_(ids)))
    if rows:
        await connection.execute(table.insert(), [{"site_id": site, **row} for row in rows])


async def _devices(connection: AsyncConnection, gateway_id: str, told: DeviceAnnounced) -> None:
    ids = [device.id for device in told.devices]
    gone = (t.device.c.gateway_id == gateway_id) & t.device.c.id.not_in([*ids, *told.other_devices])
    await connection.execute(delete(t.device).where(gone))
    rows = [_device_row(told.site, gateway_id, device) for device in told.devices]
    await upsert(connection, t.device, ("site_id", "id"), rows)


def _plain(thing: msgspec.Struct) -> Row:
    """A message as plain JSON values."""
    values: Row = msgspec.to_builtins(thing)
    return values


def _equipment_row(site: str, gateway_id: str, equipment: AnnouncedEquipment) -> Row:
    return {
        "site_id": site,
        "id": equipment.id,
        "class_id": equipment.equipment_class,
        "system": equipment.system,
        "name": _plain(equipment.name),
        "roles": equipment.roles,
        "place": equipment.place,
        "serves": equipment.serves,
        "ratings": equipment.ratings,
        "main_points": equipment.main_points,
        "building": equipment.building,
        "gateway_id": gateway_id,
    }


def _point_row(equipment_id: str, position: int, point: AnnouncedPoint) -> Row:
    row = {**_of(equipment_id, point), "position": position}
    low, high = row.pop("plausible") or (None, None)
    return {
        **{("device_id" if name == "device" else name): value for name, value in row.items()},
        "plausible_low": low,
        "plausible_high": high,
    }


def _of(equipment_id: str, thing: msgspec.Struct) -> Row:
    return {"equipment_id": equipment_id, **_plain(thing)}


def _device_row(site: str, gateway_id: str, device: AnnouncedDevice) -> Row:
    return {"site_id": site, "gateway_id": gateway_id, **_plain(device)}
