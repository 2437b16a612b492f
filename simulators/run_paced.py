"""A virtual loop in step with the wall clock: simulated time passes ``speed`` times as fast as real time, or slower if it must."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

from simulators.clock import SystemClock, VirtualLoop

T = TypeVar("T")
_MOST_S = 0.1
"""The thread is never blocked longer, so that Ctrl-C is heard."""


class PacedLoop(VirtualLoop):
    """Waits before it jumps, until the wall clock has come as far."""

    def __init__(self, speed: float) -> None:
        self._speed, self._real = speed, SystemClock()
        self._began_s = self._real.monotonic_s()
        super().__init__()

    def _advance(self, seconds: float) -> None:
        wait_s = self._began_s + (self.time() + seconds) / self._speed - self._real.monotonic_s()
        if wait_s > _MOST_S:
            self._real.pause(_MOST_S)
            super()._advance(min(seconds, _MOST_S * self._speed))
            return
        if wait_s > 0:
            self._real.pause(wait_s)
        super()._advance(seconds)


def run_paced(main: Coroutine[Any, Any, T], speed: float) -> T:
    """Run one coroutine on a paced loop of its own to its end. Raises VirtualTimeStuck for a deadlock."""
    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed)) as runner:
        return runner.run(main, context=contextvars.Context())
