"""Time, as an argument for every arrow: the only file of the edge that reads a clock or waits."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from contract.conventions import EpochMs
from edge.decode.sample import Moment


class Clock(Protocol):
    """What a shell may ask about time. Pure code gets the answers as arguments."""

    def moment(self) -> Moment:
        """Now on both axes, read together."""

    def now_ms(self) -> EpochMs:
        """Wall clock, UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait; also the way to give others a turn (0)."""


class SystemClock:
    """The machine's own clocks. ``steady_ms`` starts at the wall clock and then follows the monotonic clock alone."""

    __slots__ = ("_anchor_ns",)

    def __init__(self) -> None:
        self._anchor_ns = time.time_ns() - time.monotonic_ns()

    def moment(self) -> Moment:
        return Moment(
            wall_ms=time.time_ns() // 1_000_000, steady_ms=(self._anchor_ns + time.monotonic_ns()) // 1_000_000
        )

    def now_ms(self) -> EpochMs:
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
