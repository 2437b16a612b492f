"""physics: a car between two floors: it speeds up evenly, travels at rated speed, slows down evenly (pure).

Words are those of the BACnet lift object where they exist (drive status: stationary, accelerate, rated_speed,
decelerate; door status: closed, opening, open, closing). Metres and seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Drive = Literal["stationary", "accelerate", "rated_speed", "decelerate"]
ACCELERATION = 0.8
"""m/s², comfortable for standing people."""


@dataclass(frozen=True, slots=True)
class Run:
    """One trip of some length at some rated speed. A short one never reaches the rated speed."""

    distance: float
    rated_speed: float
    acceleration: float = ACCELERATION

    @property
    def top_speed(self) -> float:
        return min(self.rated_speed, math.sqrt(self.acceleration * self.distance))

    @property
    def ramp_s(self) -> float:
        return self.top_speed / self.acceleration

    @property
    def lasts_s(self) -> float:
        if self.distance <= 0:
            return 0.0
        return self.distance / self.top_speed + self.ramp_s

    def drive(self, at_s: float) -> Drive:
        """What the drive does so long after the start."""
        if not 0 < at_s < self.lasts_s:
            return "stationary"
        if at_s < self.ramp_s:
            return "accelerate"
        return "rated_speed" if at_s <= self.lasts_s - self.ramp_s else "decelerate"

    def speed(self, at_s: float) -> float:
        """m/s, never below 0."""
        if not 0 < at_s < self.lasts_s:
            return 0.0
        return min(self.top_speed, self.acceleration * at_s, self.acceleration * (self.lasts_s - at_s))

    def travelled(self, at_s: float) -> float:
        """Metres from where it started."""
        if at_s <= 0:
            return 0.0
        left = self.lasts_s - at_s
        if left <= 0:
            return self.distance
        if at_s < self.ramp_s:
            return self.acceleration * at_s * at_s / 2
        if left < self.ramp_s:
            return self.distance - self.acceleration * left * left / 2
        return self.top_speed * (at_s - self.ramp_s / 2)


@dataclass(frozen=True, slots=True)
class Door:
    """How long a door takes to open, stays open and takes to close."""

    opening_s: float = 3.0
    open_s: float = 6.0
    closing_s: float = 3.0

    @property
    def lasts_s(self) -> float:
        return self.opening_s + self.open_s + self.closing_s

    def status(self, at_s: float) -> str:
        """Closed, opening, open or closing, so long after the car has stopped."""
        if not 0 <= at_s < self.lasts_s:
            return "closed"
        if at_s < self.opening_s:
            return "opening"
        return "open" if at_s < self.opening_s + self.open_s else "closing"
