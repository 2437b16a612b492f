"""Quarantine → ingest: one record that was set aside, tried again after what was wrong has been put right."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import not_found
from cloud.ingest import apply
from cloud.ingest.accept import SetAside, judge
from cloud.people import gateways
from cloud.people.service import audit
from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from cloud.tickets.desk import Desk
from cloud.tickets.listing import instant
from contract.conventions import EpochMs
from contract.messages import SampleBatch, event_id


async def listed(connection: AsyncConnection, gateway: str = "", limit: int = 200) -> list[dict[str, Any]]:
    """What is set aside, newest first; of one gateway or of all."""
    query = select(t.quarantine).order_by(t.quarantine.c.id.desc()).limit(limit)
    if gateway:
        query = query.where(t.quarantine.c.gateway_id == gateway)
    rows = (await connection.execute(query)).mappings().all()
    return [
        {
            "id": row["id"],
            "gateway": row["gateway_id"],
            **{name: row[name] for name in ("epoch", "lane", "seq", "reason")},
            "received_at": instant(row["received_at"]),
            "body": row["body"].decode("utf-8", "replace"),
        }
        for row in rows
    ]


async def replay(
    desk: Desk, connection: AsyncConnection, number: int, actor: str, now: EpochMs
) -> tuple[str, tuple[str, ...]]:
    """Try quarantined record ``number``: the reason when it still cannot be used (else empty), and what changed.

    Raises Refused (404) when it is not, or no longer, in quarantine.
    """
    query = select(t.quarantine).where(t.quarantine.c.id == number).with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("quarantined record", str(number))
    item = judge(row["seq"], row["body"], now)
    if isinstance(item, SetAside):
        return item.reason, ()
    topics: tuple[str, ...] = ("samples",)
    is_event = not isinstance(item.record, SampleBatch)
    if is_event:
        gateway = await gateways.find(connection, row["gateway_id"])
        name = event_id(row["gateway_id"], row["epoch"], row["lane"], row["seq"])
        try:
            async with connection.begin_nested():
                topics = await apply.apply(apply.Context(desk, connection, gateway, name, now, now), item.record)
        except apply.SENSELESS as error:
            return str(error), ()
    key = {column: row[column] for column in ("gateway_id", "epoch", "lane", "seq")}
    kept = {"type": type(item.record).__name__, "body": row["body"], "received_at": row["received_at"]}
    await insert_new(connection, t.record, {**key, **kept, "applied_at": now if is_event else None})
    await connection.execute(delete(t.quarantine).where(t.quarantine.c.id == number))
    await audit(connection, actor, "quarantine_replayed", str(number), now, {**key, "reason": row["reason"]})
    return "", (*apply.shown(topics), "gateways")
