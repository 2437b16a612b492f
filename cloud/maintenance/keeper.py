"""maintenance: the background task that keeps due dates: looks when the earliest can be missed, at least each minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import func, select

from cloud.clock import Clock
from cloud.maintenance.service import sweep
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets.desk import Desk

LONGEST_NAP_S = 60.0
_SHORTEST_NAP_MS = 1000
"""After a sweep that left something behind: it goes on, and does not spin."""


class Keeper:
    """Opens due dates, records missed ones and wakes the ticker when that made a ticket."""

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
        """Look again now: equipment was announced or registered."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            await self.keep()
            with suppress(TimeoutError):
                async with asyncio.timeout(await self._nap_s()):
                    await self._woken.wait()

    async def keep(self) -> None:
        """One sweep, in one transaction."""
        async with self._database.write() as connection:
            changed = await sweep(self._desk, connection, self._clock.now_ms())
        if changed:
            self._publish("tickets", "tests")

    async def _nap_s(self) -> float:
        query = select(func.min(t.occurrence.c.missed_at)).where(t.occurrence.c.state == "due")
        async with self._database.read() as connection:
            missed_at = (await connection.execute(query)).scalar_one_or_none()
        if missed_at is None:
            return self._longest_nap_s
        left_ms = missed_at - self._clock.now_ms()
        return float(min((left_ms if left_ms > 0 else _SHORTEST_NAP_MS) / 1000, self._longest_nap_s))
