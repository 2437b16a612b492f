"""physics: one piece of equipment that lives in time. Faults in, true values out (pure).

Values are functions of the instant, the seed and the faults, in closed form: asking twice gives the same answer, asking
rarely or often gives the same answer, and years may pass between two questions. A fault shows in full at the instant it
is injected, where nature would take minutes, so that tests and demonstrations measure the gateway and not the iron.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

PointValue = float | bool | str
Values = dict[str, PointValue]
"""True value of every point of the class, in the class's units."""
DAY_S = 86_400.0
COUNTERS_SINCE_S = 1_760_000_000.0
"""Counters count from here, so that they stay small enough for a meter's four-byte float."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything a behaviour may look at: the instant, the nameplate, the limits and what is broken."""

    now_s: float
    seed: int
    faults: Mapping[str, float]
    """Fault to the seconds it has been there this time."""
    past: Mapping[str, float]
    """Fault to the seconds it was there before, all in all."""
    ratings: Mapping[str, float | str]
    limits: Mapping[str, float]

    def has(self, fault: str) -> bool:
        return fault in self.faults

    def suffered(self, fault: str) -> float:
        """Seconds a fault has been there altogether."""
        return self.past.get(fault, 0.0) + self.faults.get(fault, 0.0)

    def rating(self, name: str, otherwise: float) -> float:
        """A nameplate figure, or a usual one where the site gives none."""
        value = self.ratings.get(name)
        return float(value) if isinstance(value, int | float) else otherwise

    def limit(self, name: str, otherwise: float) -> float:
        """A limit as it is set for this equipment."""
        return float(self.limits.get(name, otherwise))

    @property
    def counted_s(self) -> float:
        """Seconds that counters have been counting; never falls as time passes."""
        return self.now_s - COUNTERS_SINCE_S if self.now_s >= COUNTERS_SINCE_S else self.now_s

    def noise(self, name: str, size: float, every_s: float = 7.0) -> float:
        """Smooth noise within ±size that changes its mind every so often; the same for the same instant."""
        step = math.floor(self.now_s / every_s)
        share = self.now_s / every_s - step
        share = share * share * (3 - 2 * share)
        before, after = self.chance(name, step), self.chance(name, step + 1)
        return size * (2 * (before + (after - before) * share) - 1)

    def chance(self, name: str, step: int) -> float:
        """A number from 0 to below 1 that belongs to this name and step."""
        return zlib.crc32(f"{self.seed}/{name}/{step}".encode()) / 2**32

    def daily(self, peak_h: float, size: float) -> float:
        """A daily wave of ±size with its crest at the given hour UTC."""
        return size * math.cos(2 * math.pi * (self.now_s / DAY_S - peak_h / 24))


Behaviour = Callable[[Circumstances], Values]


@dataclass(slots=True)
class Plant:
    """One living piece of equipment. ``now_s`` is any clock in seconds that does not run backwards."""

    behaviour: Behaviour
    known_faults: tuple[str, ...]
    seed: int
    ratings: Mapping[str, float | str]
    limits: Mapping[str, float]
    constants: Values = field(default_factory=dict)
    """What points show that the behaviour says nothing about."""
    _since: dict[str, float] = field(default_factory=dict)
    _past: dict[str, float] = field(default_factory=dict)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is broken now, oldest first."""
        return tuple(self._since)

    def values(self, now_s: float) -> Values:
        """True values of every point at this instant."""
        faults = {fault: max(0.0, now_s - since) for fault, since in self._since.items()}
        circumstances = Circumstances(now_s, self.seed, faults, self._past, self.ratings, self.limits)
        return self.constants | self.behaviour(circumstances)

    def inject(self, fault: str, now_s: float) -> None:
        """Let a fault happen. Injecting what is there changes nothing. Raises ValueError for an unknown one."""
        self._check(fault)
        self._since.setdefault(fault, now_s)

    def clear(self, fault: str, now_s: float) -> None:
        """Repair it. Raises ValueError for an unknown one."""
        self._check(fault)
        since = self._since.pop(fault, None)
        if since is not None:
            self._past[fault] = self._past.get(fault, 0.0) + max(0.0, now_s - since)

    def _check(self, fault: str) -> None:
        if fault not in self.known_faults:
            raise ValueError(f"{fault} is no fault here; there are {', '.join(self.known_faults)}")
