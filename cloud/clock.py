"""The one place in the cloud where time passes (architecture decision 12)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

from contract.conventions import EpochMs, to_ms


class Clock(Protocol):
    """What everything else is given instead of the time. Instants are UTC."""

    def now(self) -> datetime:
        """The present instant, aware, UTC."""

    def now_ms(self) -> EpochMs:
        """The present instant in epoch milliseconds."""

    async def sleep(self, seconds: float) -> None:
        """Let this many seconds pass; zero or less only yields to the loop."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def now_ms(self) -> EpochMs:
        return to_ms(self.now())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
