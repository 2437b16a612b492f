"""What a gateway went through, for its page: audit rows → lines a person reads. Thinned samples, other disks, credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard.present import Here, number
from cloud.storage import tables as t
from contract.conventions import instant_ms

_WORDS = "gateway.note"
ACTIONS = (
    "samples_thinned", "outbox_restored", "outbox_new", "gateway_cloned", "gateway_added", "gateway_enrolled",
    "gateway_rotated", "gateway_revoked",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NoteLine:
    """One thing that happened, when the cloud learnt of it, and through whom."""

    at: str
    actor: str
    text: str


async def notes(db: AsyncConnection, gateway: str, here: Here, limit: int = 50) -> list[NoteLine]:
    """The newest first."""
    query = select(t.audit).where(t.audit.c.object == gateway, t.audit.c.action.in_(ACTIONS))
    rows = await db.execute(query.order_by(t.audit.c.id.desc()).limit(limit))
    return [NoteLine(here.when(row.at, seconds=True), row.actor, _text(row.action, row.data, here)) for row in rows]


def _text(action: str, data: Mapping[str, Any], here: Here) -> str:
    values = {key: number(value, 0) if isinstance(value, int) else str(value) for key, value in data.items()}
    for key in ("from_at", "to_at"):
        if key in data:
            values[key] = here.when(instant_ms(data[key]), seconds=True)
    return here.words(f"{_WORDS}.{action}", **values)
