"""physics: the power triangle and a bank of capacitors that corrects it stage by stage (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass


def tangent(power_factor: float) -> float:
    """Reactive against active power at a (lagging) power factor."""
    return math.sqrt(1 - power_factor * power_factor) / power_factor


def factor(active: float, reactive: float) -> float:
    """Power factor of a triangle; 1 where nothing flows."""
    apparent = math.hypot(active, reactive)
    return active / apparent if apparent else 1.0


def needed(active: float, before: float, after: float) -> float:
    """Reactive power of capacitors that brings ``active`` from one power factor to another: P(tan a - tan b)."""
    return active * (tangent(before) - tangent(after))


@dataclass(frozen=True, slots=True)
class Bank:
    """Equal stages of capacitors and the controller that switches them."""

    stages: int
    stage: float
    """Reactive power of one stage, in the unit of the powers given."""
    band: float = 0.65
    """How much of a stage must be missing or too much before the controller switches: above a half, or it hunts."""

    def ideal(self, wanted: float) -> int:
        """Stages that come nearest to what is wanted."""
        return max(0, min(self.stages, round(wanted / self.stage)))

    def switched(self, on: int, wanted: float) -> int:
        """Stages after the controller has looked, given what is on: it leaves well alone within its band."""
        missing = wanted - on * self.stage
        return on if abs(missing) <= self.band * self.stage else self.ideal(wanted)

    def given(self, on: int, voltage: float = 1.0) -> float:
        """Reactive power of so many stages; it goes with the square of the voltage against nominal."""
        return on * self.stage * voltage * voltage
