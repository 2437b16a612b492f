"""maintenance → tickets: a periodic test that was missed or failed becomes one open ticket of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.tickets import repository
from cloud.tickets.desk import Desk, record
from cloud.tickets.repository import Happening
from contract.conventions import EpochMs
from contract.messages import fault_key

RULE = "periodic_test"
PRIORITY = "major"
"""A missed test ranks as major (design guide, section 4)."""


@dataclass(frozen=True, slots=True)
class Duty:
    """What is owed: a test of one piece of equipment, why a person is needed, and the event that said so."""

    site_id: str
    equipment_id: str
    test: str
    clause: str
    title: Mapping[str, str]
    why: str
    """``missed`` or ``failed``."""
    since: EpochMs
    event: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return fault_key(self.site_id, self.equipment_id, RULE, self.test)


async def call_for(desk: Desk, connection: AsyncConnection, duty: Duty, now: EpochMs) -> int:
    """The open ticket of a duty, opened if there is none; told again, the same event changes nothing. Its number."""
    row = await repository.open_by_fault(connection, duty.key)
    kind = "recurred" if row is not None else "opened"
    happening = Happening(
        now, kind, "system", "", {**_facts(duty), "priority": PRIORITY}, f"{RULE}:{duty.why}:{duty.event}"
    )
    if row is None:
        number = await repository.insert_ticket(connection, await _values(desk, connection, duty, now))
        await record(desk, connection, await repository.ticket(connection, number), happening, now)
        return number
    await record(desk, connection, row, happening, now, {"occurrences": row["occurrences"] + 1})
    return int(row["id"])


async def note_done(desk: Desk, connection: AsyncConnection, duty: Duty, now: EpochMs) -> None:
    """The test was passed after all: its open ticket notes it and waits for a person to close it."""
    row = await repository.open_by_fault(connection, duty.key)
    if row is not None:
        happening = Happening(now, "cleared", "system", "", _facts(duty), f"{RULE}:done:{duty.event}")
        await record(desk, connection, row, happening, now)


def _facts(duty: Duty) -> dict[str, Any]:
    return {"test": duty.test, "why": duty.why, "since": duty.since, "event": duty.event, **duty.facts}


async def _values(desk: Desk, connection: AsyncConnection, duty: Duty, now: EpochMs) -> dict[str, Any]:
    query = select(t.equipment.c.system).where(
        t.equipment.c.site_id == duty.site_id, t.equipment.c.id == duty.equipment_id
    )
    return {
        "kind": "test",
        "fault_key": duty.key,
        "site_id": duty.site_id,
        "equipment_id": duty.equipment_id,
        "rule": RULE,
        "instance": duty.test,
        "title": dict(duty.title),
        "priority": PRIORITY,
        "severity": PRIORITY,
        "system": (await connection.execute(query)).scalar_one(),
        "clause": duty.clause,
        "began_at": duty.since,
        "raised_at": duty.since,
        "received_at": now,
        "opened_at": now,
        "policy": desk.policy.version,
    }
