"""decode, over time: a value that changes faster than it physically can, or not at all, is not believed. Pure.

One watch a point, only for points whose mapping asks for it. It forgets with the process: the first value after a start is
believed. Ages are ``steady_ms``, so a wall clock that is set spoils nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from contract.messages import Cause, Quality, Value
from edge.decode.value import Decoded

SHORTEST_MS = 100
"""Two answers closer than this are taken as this far apart: the reply's way takes that much one time or another."""


@dataclass(slots=True)
class Watch:
    """What is known of one point. ``max_rate`` is in the point's unit a second; either bound may be absent.

    A jump is uncertain until the next value confirms it: one spike never becomes the measure for what follows, and a true
    step costs one sample.
    """

    max_rate: float | None
    stuck_after_ms: int | None
    _trusted: tuple[float, int] | None = None
    _doubted: tuple[float, int] | None = None
    _value: Value = None
    _since_ms: int | None = None

    def judge(self, decoded: Decoded, steady_ms: int) -> Decoded:
        """The same value, uncertain with its cause where it cannot be believed. What is not good passes as it is."""
        if decoded.quality is not Quality.GOOD:
            return decoded
        is_too_fast = self._is_too_fast(decoded.value, steady_ms)
        if self._is_stuck(decoded.value, steady_ms):
            return Decoded(decoded.value, Quality.UNCERTAIN, Cause.STUCK)
        return Decoded(decoded.value, Quality.UNCERTAIN, Cause.RATE) if is_too_fast else decoded

    def _is_stuck(self, value: Value, steady_ms: int) -> bool:
        if self.stuck_after_ms is None:
            return False
        if value != self._value or self._since_ms is None:
            self._value, self._since_ms = value, steady_ms
        return steady_ms - self._since_ms > self.stuck_after_ms

    def _is_too_fast(self, value: Value, steady_ms: int) -> bool:
        if self.max_rate is None or isinstance(value, bool) or not isinstance(value, int | float):
            return False
        now = (float(value), steady_ms)
        if self._trusted is None or self._can_follow(self._trusted, now) or self._can_follow(self._doubted, now):
            self._trusted, self._doubted = now, None
            return False
        self._doubted = now
        return True

    def _can_follow(self, before: tuple[float, int] | None, now: tuple[float, int]) -> bool:
        if before is None or self.max_rate is None:
            return False
        passed_ms = max(abs(now[1] - before[1]), SHORTEST_MS)
        return abs(now[0] - before[0]) <= self.max_rate * passed_ms / 1000


def watch_of(max_rate: float | None, stuck_after_ms: int | None) -> Watch | None:
    """A watch for a mapping that asks for one, else None."""
    return None if max_rate is None and stuck_after_ms is None else Watch(max_rate, stuck_after_ms)
