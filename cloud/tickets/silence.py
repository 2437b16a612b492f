"""Ingest → tickets: silence is a fact. A gateway that is not heard for longer than it promised becomes one open ticket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.prepared import Prepared, Row
from cloud.tickets import faults
from cloud.tickets.desk import Desk
from cloud.tickets.docket import Place
from cloud.tickets.faults import Ended, News
from contract.conventions import EpochMs

RULE = "gateway_silent"
LATE_MS = 60_000
"""News that took longer says why."""
_MISSED = 2
"""Intervals without a word: one may be lost on the way, two are silence."""


def silent_from(gateway: Mapping[Any, Any], listening_since: EpochMs) -> EpochMs:
    """The instant at which a gateway counts as silent; what was missed while the cloud itself was away does not count."""
    heard = max(gateway["last_seen_at"], listening_since)
    return int(heard + _MISSED * gateway["interval_ms"])


_LISTENS = t.gateway.c
_CANDIDATES = Prepared(
    select(_LISTENS.id, _LISTENS.last_seen_at, _LISTENS.interval_ms)
    .where(_LISTENS.last_seen_at.is_not(None), _LISTENS.revoked_at.is_(None), _LISTENS.offline_since.is_(None))
    .order_by(_LISTENS.id)
)


async def candidates(connection: AsyncConnection) -> list[Row]:
    """Gateways that were heard once, are not revoked and not known to be silent: id, last_seen_at, interval_ms."""
    return await _CANDIDATES.rows(connection)


async def fall_silent(
    desk: Desk, connection: AsyncConnection, gateway_id: str, listening_since: EpochMs, now: EpochMs
) -> bool:
    """Open the ticket of a silent gateway, once; its devices are unknown from now on. False when it was heard meanwhile."""
    query = select(t.gateway).where(t.gateway.c.id == gateway_id).with_for_update()
    gateway = (await connection.execute(query)).mappings().one()
    since = silent_from(gateway, listening_since)
    if gateway["offline_since"] is not None or now < since:
        return False
    heard = gateway["last_seen_at"]
    await connection.execute(update(t.gateway).where(t.gateway.c.id == gateway_id).values(offline_since=heard))
    await connection.execute(update(t.device).where(t.device.c.gateway_id == gateway_id).values(state="unknown"))
    place = Place(gateway["site_id"], gateway_id, RULE)
    news = News(place, "major", "", heard, since, [], f"{RULE}:{gateway_id}:{heard}")
    await faults.raised(desk, connection, news, now)
    return True


async def speak_again(desk: Desk, connection: AsyncConnection, gateway: Mapping[Any, Any], now: EpochMs) -> None:
    """A silent gateway is heard: its alarm clears, and the ticket notes how long the gap was."""
    since = gateway["offline_since"]
    await connection.execute(update(t.gateway).where(t.gateway.c.id == gateway["id"]).values(offline_since=None))
    place = Place(gateway["site_id"], gateway["id"], RULE)
    ended = Ended(place, now, f"heard:{gateway['id']}:{since}", {"gap_ms": now - since})
    await faults.cleared(desk, connection, ended, now)


async def why_late(
    connection: AsyncConnection,
    gateway: Mapping[Any, Any],
    raised_at: EpochMs,
    now: EpochMs,
    clock_offset_ms: int | None,
) -> dict[str, Any]:
    """Why news of an alarm came late, for its ticket: nothing for prompt news, else ``news_late_why`` with what goes with it.

    ``gateway_silent``: the gateway was not heard, from when to when; ``clock``: its clock is behind, so the news only looks late;
    ``held_up``: it waited on the gateway or the line while the gateway was heard, or this desk was away itself.
    """
    late_ms = now - raised_at
    if late_ms < LATE_MS:
        return {}
    if clock_offset_ms is not None and -clock_offset_ms > late_ms / 2:
        return {"news_late_why": "clock", "clock_offset_ms": clock_offset_ms}
    ended = or_(t.alarm.c.cleared_at.is_(None), t.alarm.c.cleared_at >= raised_at)
    key = Place(gateway["site_id"], gateway["id"], RULE).key
    query = select(t.alarm.c.began_at, t.alarm.c.cleared_at).where(t.alarm.c.fault_key == key, ended)
    silent = (await connection.execute(query.order_by(t.alarm.c.id.desc()).limit(1))).one_or_none()
    if silent is None:
        return {"news_late_why": "held_up"}
    return {"news_late_why": "gateway_silent", "silent_from": silent.began_at, "silent_until": silent.cleared_at or now}
