"""A clock that moves when somebody sleeps, and the log that goes with it."""

import asyncio
from collections.abc import Callable

from edge.decode.sample import Moment


class FakeClock:
    """Sleeping takes no time and moves the clock. It is also a log that keeps its lines."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms
        self.slept_s = 0.0
        self.lines: list[tuple[str, dict[str, object]]] = []

    def moment(self) -> Moment:
        return Moment(wall_ms=self._now_ms, steady_ms=self._now_ms)

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep(self, seconds: float) -> None:
        self.slept_s += max(seconds, 0.0)
        self._now_ms += round(max(seconds, 0.0) * 1000)
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._now_ms += round(seconds * 1000)

    async def until(self, reached: Callable[[], bool], turns: int = 2_000) -> None:
        """Give the others turns until a condition holds. Fails rather than hangs."""
        for _ in range(turns):
            if reached():
                return
            await asyncio.sleep(0)
        raise AssertionError("it never happened")

    def info(self, event: str, **values: object) -> None:
        self.lines.append((event, values))

    def warning(self, event: str, **values: object) -> None:
        self.lines.append((event, values))

    def error(self, event: str, **values: object) -> None:
        self.lines.append((event, values))

    def exception(self, event: str, **values: object) -> None:
        self.lines.append((event, values))

    def said(self, event: str) -> list[dict[str, object]]:
        """What was logged under a name."""
        return [values for name, values in self.lines if name == event]
