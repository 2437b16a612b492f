"""Permit: the passing of time. A planned end that nears, that passes, a gateway that does not do what was asked.

Each is a line of the ticket's timeline, recorded once and stamped with its own instant, however late somebody looks; calls
follow from the line. ``permit.look_at`` says when to look: a restart and two replicas come to the same question.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.clock import Clock
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets import permits, repository
from cloud.tickets.desk import Desk, record
from cloud.tickets.permits import OUT_STAGES, PATIENCE_MS, WARN_MS, Stage
from cloud.tickets.permits_service import equipment_of, permit_of, store
from cloud.tickets.repository import Happening
from contract.conventions import EpochMs

LONGEST_NAP_S = 30.0
"""How long it sleeps at most: another replica may have cut, or a gateway may have refused."""


class PermitKeeper:
    """Sleeps until the earliest permit wants to be looked at."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        clock: Clock,
        publish: Callable[..., None],
        longest_nap_s: float = LONGEST_NAP_S,
    ) -> None:
        self._database, self._desk, self._clock, self._publish = database, desk, clock, publish
        self._longest_nap_s = longest_nap_s
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look again now: a permit changed."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            await self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._nap_s()):
                    await self._woken.wait()

    async def look(self) -> None:
        """Record everything that the clock says by now, each permit in a transaction of its own."""
        now = self._clock.now_ms()
        p = t.permits.permit.c
        async with self._database.read() as connection:
            due = (await connection.execute(select(p.ticket_id).where(p.look_at <= now).order_by(p.look_at))).scalars()
            numbers = list(due)
            over = await _over(connection, now)
        for number in numbers:
            async with self._database.write() as connection:
                await look_at(self._desk, connection, number, now)
        if over:
            async with self._database.write() as connection:
                await _put_back(connection, over)
        if numbers or over:
            self._publish("tickets", "equipment")

    async def _nap_s(self) -> float:
        query = select(func.min(t.permits.permit.c.look_at))
        async with self._database.read() as connection:
            at = (await connection.execute(query)).scalar()
            ends = [row["out_of_service"]["until"] for row in await _marked(connection)]
        left_s = (min([*ends, *([] if at is None else [at])], default=math.inf) - self._clock.now_ms()) / 1000
        return min(max(left_s, 1.0), self._longest_nap_s)


async def look_at(desk: Desk, connection: AsyncConnection, number: int, now: EpochMs) -> None:
    """Bring one permit to ``now``."""
    ticket = await repository.ticket(connection, number, is_locked=True)
    permit = await permit_of(connection, number)
    things = await equipment_of(connection, number) if permit["stage"] in OUT_STAGES else ()
    for happening in lines(permit, things, now):
        ticket = await record(desk, connection, ticket, happening, now)
    await store(
        connection, number,
        {"look_at": permits.next_look(permit["stage"], permit["until_at"], permit["cut_at"], now)},
    )  # fmt: skip


def lines(permit: RowMapping, things: Sequence[RowMapping], now: EpochMs) -> list[Happening]:
    """What is to be said of a permit by now, oldest first; what was said already is known by its ``dedupe``."""
    number, until = permit["ticket_id"], permit["until_at"]
    if permit["stage"] in {Stage.APPROVED, Stage.NOTIFIED} and now >= until:
        return [_line(number, "permit_lapsed", until, until, f"lapsed:{until}")]
    if permit["stage"] not in OUT_STAGES:
        return []
    found = [
        _line(number, "permit_unapplied", one["asked_at"] + PATIENCE_MS, until, f"unapplied:{one['directive_id']}", one)
        for one in things
        if is_unapplied(one, now)
    ]
    if now >= until - WARN_MS:
        found.append(_line(number, "permit_ending", until - WARN_MS, until, f"ending:{until}"))
    if now > until:
        found.append(_line(number, "permit_overrun", until, until, f"overrun:{until}"))
    return sorted(found, key=lambda line: line.at)


def is_unapplied(thing: RowMapping, now: EpochMs) -> bool:
    """Whether the gateway refused to take it out of service, or has not answered for too long."""
    if thing["wish"] is None:
        return False
    if thing["applied_at"] is not None:
        return not thing["applied"]
    return bool(now >= thing["asked_at"] + PATIENCE_MS)


def _line(number: int, kind: str, at: EpochMs, until: EpochMs, said: str, thing: RowMapping | None = None) -> Happening:
    data: dict[str, Any] = {"until": until}
    if thing is not None:
        data |= {"equipment": thing["equipment_id"], "gateway": thing["gateway_id"], "reason": thing["answer"] or ""}
    return Happening(at, kind, "system", "", data, f"permit:{number}:{said}")


# --- equipment that no gateway serves -----------------------------------------------------------------------------


async def _marked(connection: AsyncConnection) -> list[RowMapping]:
    """Marked in the register only, with an end: a gateway would watch again by itself."""
    c = t.equipment.c
    query = select(c.site_id, c.id, c.out_of_service).where(c.gateway_id.is_(None), c.out_of_service.is_not(None))
    rows = (await connection.execute(query)).mappings().all()
    return [row for row in rows if row["out_of_service"].get("until") is not None]


async def _over(connection: AsyncConnection, now: EpochMs) -> list[RowMapping]:
    return [row for row in await _marked(connection) if row["out_of_service"]["until"] <= now]


async def _put_back(connection: AsyncConnection, over: Sequence[RowMapping]) -> None:
    for row in over:
        where = (t.equipment.c.site_id == row["site_id"]) & (t.equipment.c.id == row["id"])
        await connection.execute(update(t.equipment).where(where).values(out_of_service=None))
