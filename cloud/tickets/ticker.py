"""Tickets → sla: the passing of time itself.

Deadlines are rows: a restart, two replicas and a late wake all come to the question "what is due now?". A new version of the
targets is followed here too, so that every replica and every open ticket comes to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.clock import Clock
from cloud.storage.session import Database
from cloud.tickets import repository, silence, targets
from cloud.tickets.desk import Desk, end_hold, refresh
from contract.conventions import EpochMs

_DAY_MS = 86_400_000
LONGEST_NAP_S = 5.0
"""How long it sleeps at most: another replica may have written an earlier deadline."""
GATHER_S = 0.25
"""How long it rests at least: many tickets that change in one second are looked at together. Breaches bear their own instants."""


class Ticker:
    """Sleeps until the earliest deadline, records what has come due, and starts again."""

    def __init__(
        self,
        database: Database,
        desk: Desk,
        clock: Clock,
        publish: Callable[..., None],
        longest_nap_s: float = LONGEST_NAP_S,
    ) -> None:
        self._database = database
        self._desk = desk
        self._clock = clock
        self._publish = publish
        self._longest_nap_ms = longest_nap_s * 1000
        self._listening_since = clock.now_ms()
        self._woken = asyncio.Event()
        self._settled = ""
        self._looked_ahead = clock.now_ms()

    def wake(self) -> None:
        """Look again now: a ticket was opened or changed."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            await self.tick()
            await self._clock.sleep(GATHER_S)
            nap_ms = max(1.0, await self._next() - self._clock.now_ms())
            with suppress(TimeoutError):
                async with asyncio.timeout(min(nap_ms, self._longest_nap_ms) / 1000):
                    await self._woken.wait()

    async def tick(self) -> None:
        """Record every breach, ended hold and silent gateway up to now, each once and stamped with its own instant."""
        now = self._clock.now_ms()
        async with self._database.glance() as connection:
            await targets.learn(connection, self._desk)
            others = await self._others(connection)
            late = await repository.overdue(connection, now)
            quiet = [
                row["id"]
                for row in await silence.candidates(connection)
                if silence.silent_from(row, self._listening_since) <= now
            ]
        for number in late:
            async with self._database.write(is_brief=True) as connection:
                await catch_up(self._desk, connection, number, now)
        for gateway_id in quiet:
            async with self._database.write() as connection:
                await silence.fall_silent(self._desk, connection, gateway_id, self._listening_since, now)
        await self._follow(others, now)
        if late or quiet or others:
            self._publish("tickets", "alarms", *(["gateways"] if quiet else []))

    async def _others(self, connection: AsyncConnection) -> list[int]:
        """Some tickets that another version of the targets binds; none as soon as all follow the one in force."""
        if not self._desk.is_read or self._settled == self._desk.policy.version:
            return []
        found = await targets.stale(connection, self._desk)
        if not found:
            self._settled = self._desk.policy.version
        return found

    async def _follow(self, numbers: list[int], now: EpochMs) -> None:
        if numbers:
            await targets.follow(self._database, self._desk, numbers, now)
            self.wake()  # there may be more
        if now - self._looked_ahead > _DAY_MS:
            self._looked_ahead = now
            async with self._database.write() as connection:
                await targets.note_unconfirmed(connection, self._desk, now)

    async def _next(self) -> EpochMs:
        async with self._database.glance() as connection:
            due = await repository.next_instant(connection)
            quiet = [silence.silent_from(row, self._listening_since) for row in await silence.candidates(connection)]
        instants = [*([due] if due is not None else []), *quiet]
        return min(instants, default=self._clock.now_ms() + int(self._longest_nap_ms))


async def catch_up(desk: Desk, connection: AsyncConnection, number: int, now: EpochMs) -> None:
    """Bring one ticket to ``now``: end a hold whose time is over, at that time, and record breaches."""
    ticket = await repository.ticket(connection, number, is_locked=True)
    ticket = await end_hold(desk, connection, ticket, now)
    await refresh(desk, connection, ticket, now)
