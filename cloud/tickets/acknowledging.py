"""People → alarms: who has seen an alarm. The gateway is told, so that its sounder stops on site too."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from contract.conventions import EpochMs
from contract.messages import Directive


async def mark_seen(connection: AsyncConnection, which: ColumnElement[bool], by: str, now: EpochMs) -> int:
    """Mark the active alarms that match and nobody has seen yet; how many."""
    unseen = which & (t.alarm.c.state == "active") & t.alarm.c.acknowledged_at.is_(None)
    alarms = (await connection.execute(select(t.alarm).where(unseen))).mappings().all()
    if alarms:
        await connection.execute(update(t.alarm).where(unseen).values(acknowledged_at=now, acknowledged_by=by))
    for alarm in alarms:
        await _tell_gateway(connection, alarm, by, now)
    return len(alarms)


async def _tell_gateway(connection: AsyncConnection, alarm: RowMapping, by: str, now: EpochMs) -> None:
    query = select(t.equipment.c.gateway_id).where(
        t.equipment.c.site_id == alarm["site_id"], t.equipment.c.id == alarm["equipment_id"]
    )
    gateway_id = (await connection.execute(query)).scalar()
    if gateway_id is None:
        return  # noticed by the cloud itself, or on equipment that no gateway serves
    wish = Directive(
        id=f"acknowledge-{alarm['id']}",
        kind="acknowledge",
        by=by,
        equipment=alarm["equipment_id"],
        rule=alarm["rule"],
        instance=alarm["instance"],
    )
    await send(connection, gateway_id, wish, now)


async def send(connection: AsyncConnection, gateway_id: str, wish: Directive, now: EpochMs) -> bool:
    """Put a wish into the gateway's next receipts until it answers. False when this id was sent before."""
    values = {
        "id": wish.id,
        "gateway_id": gateway_id,
        "kind": wish.kind,
        "body": msgspec.to_builtins(wish),
        "created_by": wish.by,
        "created_at": now,
    }
    return await insert_new(connection, t.directive, values)
