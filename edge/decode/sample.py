"""decode → Sample: the only form in which a value travels. Never without quality and time.

Both are msgspec structs: one is made for every value read, and a frozen dataclass takes twenty times as long to make.
"""

from __future__ import annotations

import msgspec

from contract.conventions import EpochMs
from contract.messages import Cause, Quality, Value


class Moment(msgspec.Struct, frozen=True, gc=False):
    """An instant on both axes. Recorded instants use ``wall_ms``; ages, delays and windows use ``steady_ms``.

    ``steady_ms`` runs with the monotonic clock, anchored to the wall clock once at process start, so that a wall clock
    that is set forward or back moves no delay.
    """

    wall_ms: EpochMs
    steady_ms: int


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value of one standard point, in the class's unit, with its quality and the instant its reply arrived."""

    device: str
    equipment: str
    point: str
    value: Value
    quality: Quality
    cause: Cause
    sampled_at_ms: EpochMs
    steady_ms: int

    @property
    def path(self) -> str:
        """Point path, ``meter_1/power_factor``."""
        return f"{self.device}/{self.point}"
