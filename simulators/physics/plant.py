"""physics: one piece of equipment that lives in time. Faults in, true values out (pure).

Values are functions of the instant, the seed and the faults, in closed form or integrated from a fixed anchor: asking
twice gives the same answer, asking rarely or often gives the same answer, and years may pass between two questions. A
fault shows in full at the instant it is injected, where nature would take minutes, so that tests and demonstrations
measure the gateway and not the iron; with an ``onset`` it develops as it would.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

from simulators.physics.calendar import DAY_S, Calendar, Local, Profile, Routine

__all__ = ["COUNTERS_SINCE_S", "DAY_S", "Behaviour", "Circumstances", "Fault", "Plant", "PointValue", "Turn", "Values"]

PointValue = float | bool | str
Values = dict[str, PointValue]
"""True value of every point of the class, in the class's units."""
T = TypeVar("T")
COUNTERS_SINCE_S = 1_760_000_000.0
"""Counters count from here, so that they stay small enough for a meter's four-byte float."""
CHINA = Calendar()
_REMEMBERED = 32
_HEALTHY: Mapping[str, Fault] = MappingProxyType({})
_HALF = 2.0**31
_TIME_CONSTANTS = 4.0
"""An onset is this many time constants of what develops exponentially; then it is taken for complete."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is there: for how long this time, and how long it takes to show in full."""

    age_s: float
    onset_s: float = 0.0

    @property
    def share(self) -> float:
        """From 0 to 1, evenly over the onset."""
        return 1.0 if self.age_s >= self.onset_s else self.age_s / self.onset_s

    @property
    def eased(self) -> float:
        """From 0 to 1 as a time constant has it: fast first, then ever slower."""
        share = self.share
        return 1.0 if share >= 1 else math.expm1(-_TIME_CONSTANTS * share) / math.expm1(-_TIME_CONSTANTS)


@dataclass(frozen=True, slots=True)
class Turn:
    """What equipment that takes turns with its like knows of the other."""

    is_standby: bool
    other_faults: tuple[str, ...]


@dataclass(slots=True)
class Circumstances:
    """Everything a behaviour may look at: the instant, the nameplate, the limits and what is broken.

    Nobody changes it; it is not frozen because one is made for every question, and a frozen one takes twice as long.
    """

    now_s: float
    seed: int
    faults: Mapping[str, Fault]
    past: Mapping[str, float]
    """Fault to the seconds it was there before, all in all."""
    ratings: Mapping[str, float | str]
    limits: Mapping[str, float]
    calendar: Calendar = CHINA
    roles: tuple[str, ...] = ()
    memory: dict[Hashable, Any] = field(default_factory=dict)
    """What ``once`` remembers; nothing else may look into it."""
    turn: Turn | None = None
    wanted: frozenset[str] | None = None
    """Points that are asked for; None asks for all."""

    def part(self, make: Callable[..., Values], *known: object, **more: object) -> Values:
        """What ``make(self, *known, **more)`` gives, or nothing where nothing of it is asked for.

        It must give the same points every time: which ones is learned from the first time.
        """
        given = _GIVEN.get(make)
        if given is not None and self.wanted is not None and given.isdisjoint(self.wanted):
            return {}
        values = make(self, *known, **more)
        if given is None:
            _GIVEN[make] = frozenset(values)
        return values

    def at(self, instant_s: float) -> Circumstances:
        """The same equipment at another instant."""
        return Circumstances(
            instant_s,
            self.seed,
            self.faults,
            self.past,
            self.ratings,
            self.limits,
            self.calendar,
            self.roles,
            self.memory,
        )

    def has(self, fault: str) -> bool:
        """True once it is there in full."""
        found = self.faults.get(fault)
        return found is not None and found.age_s >= found.onset_s

    def has_any(self, faults: Collection[str]) -> bool:
        """True once one of these is there in full."""
        return bool(self.faults) and any(fault in faults and self.has(fault) for fault in self.faults)

    def grown(self, fault: str) -> float:
        """How far a fault has developed, from 0 (not there) to 1, evenly over its onset."""
        found = self.faults.get(fault)
        return 0.0 if found is None else found.share

    def towards(self, fault: str, usual: float, target: float) -> float:
        """A figure on its way from the usual one to what the fault makes of it, along a time constant."""
        found = self.faults.get(fault)
        return usual if found is None else usual + (target - usual) * found.eased

    def suffered(self, fault: str) -> float:
        """Seconds a fault has been there altogether."""
        found = self.faults.get(fault)
        return self.past.get(fault, 0.0) + (found.age_s if found else 0.0)

    def rating(self, name: str, otherwise: float) -> float:
        """A nameplate figure, or a usual one where the site gives none."""
        value = self.ratings.get(name)
        return otherwise if value is None or isinstance(value, str) else float(value)

    def limit(self, name: str, otherwise: float) -> float:
        """A limit as it is set for this equipment."""
        return float(self.limits.get(name, otherwise))

    @property
    def counted_s(self) -> float:
        """Seconds that counters have been counting; never falls as time passes."""
        return self.now_s - self.counting_since_s

    @property
    def counting_since_s(self) -> float:
        return COUNTERS_SINCE_S if self.now_s >= COUNTERS_SINCE_S else 0.0

    def local(self) -> Local:
        """The instant on the site's own wall clock."""
        return self.calendar.local(self.now_s)

    def counted_hours(self, profile: Profile) -> float:
        """Hours at full share of a profile since counters count; never falls as time passes."""
        return profile.hours(self.calendar, self.counting_since_s, self.now_s)

    def under_way(self, routine: Routine) -> float | None:
        """Seconds since a routine began, while it is under way."""
        return routine.since(self.calendar, self.now_s)

    def counted_times(self, routine: Routine) -> int:
        """How often a routine began since counters count."""
        return routine.times(self.calendar, self.counting_since_s, self.now_s)

    def noise(self, name: str, size: float, every_s: float = 7.0) -> float:
        """Smooth noise within ±size that changes its mind every so often; the same for the same instant."""
        step, after_it, share = _step(self.now_s, every_s)
        begun = _begun(self.seed, name)
        before, after = zlib.crc32(step, begun), zlib.crc32(after_it, begun)
        return size * ((before + (after - before) * share) / _HALF - 1)

    def chance(self, name: str, step: int) -> float:
        """A number from 0 to below 1 that belongs to this name and step."""
        return zlib.crc32(b"%d" % step, _begun(self.seed, name)) / 2**32

    def daily(self, peak_h: float, size: float) -> float:
        """A daily wave of ±size with its crest at the given hour of the wall clock."""
        return size * math.cos(2 * math.pi * (self.calendar.wall_s(self.now_s) / DAY_S - peak_h / 24))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What depends on the seed, the nameplate and this key only, worked out once and then remembered for a while."""
        known: T | None = self.memory.get(key)
        if known is None:
            if len(self.memory) >= _REMEMBERED:
                self.memory.clear()
            known = self.memory[key] = make()
        return known


@lru_cache(maxsize=65_536)
def _begun(seed: int, name: str) -> int:
    """The part of a checksum that stays the same from step to step."""
    return zlib.crc32(f"{seed}/{name}/".encode())


@lru_cache(maxsize=256)
def _step(now_s: float, every_s: float) -> tuple[bytes, bytes, float]:
    """The step of noise that an instant lies in, the one after it, and how far it is on the smooth way between them."""
    step = math.floor(now_s / every_s)
    share = now_s / every_s - step
    return b"%d" % step, b"%d" % (step + 1), share * share * (3 - 2 * share)


_GIVEN: dict[Callable[..., Values], frozenset[str]] = {}
"""The points that each part of a behaviour gives, once it has been asked."""
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
    calendar: Calendar = field(default_factory=Calendar)
    roles: tuple[str, ...] = ()
    partner: Plant | None = None
    """The one it takes turns with; set by ``take_turns``."""
    is_standby: bool = False
    _since: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Fault to when it came and to its onset in seconds."""
    _past: dict[str, float] = field(default_factory=dict)
    _memory: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is broken now, oldest first."""
        return tuple(self._since)

    def values(self, now_s: float, wanted: frozenset[str] | None = None) -> Values:
        """True values of every point at this instant; of those ``wanted`` at least, which costs less."""
        turn = None if self.partner is None else Turn(self.is_standby, tuple(self.partner._full(now_s)))  # noqa: SLF001
        shown = self.behaviour(
            Circumstances(
                now_s, self.seed, self._faults(now_s), self._past, self.ratings, self.limits, self.calendar, self.roles,
                self._memory, turn, wanted,
            )
        )  # fmt: skip
        if wanted is None:
            return self.constants | shown
        for name in wanted - shown.keys():
            shown[name] = self.constants[name]
        return shown

    def _faults(self, now_s: float) -> Mapping[str, Fault]:
        if not self._since:
            return _HEALTHY
        return {fault: Fault(max(0.0, now_s - since), onset) for fault, (since, onset) in self._since.items()}

    def _full(self, now_s: float) -> list[str]:
        """Faults that show in full."""
        return [name for name, one in self._faults(now_s).items() if one.share >= 1]

    def inject(self, fault: str, now_s: float, onset_s: float = 0.0) -> None:
        """Let a fault happen; it shows in full at once, or after ``onset_s`` seconds in which it develops.

        Injecting what is there changes nothing. Raises ValueError for an unknown fault or a negative onset.
        """
        self._check(fault)
        if not onset_s >= 0:
            raise ValueError(f"a fault cannot take {onset_s} s to develop")
        self._since.setdefault(fault, (now_s, onset_s))

    def clear(self, fault: str, now_s: float) -> None:
        """Repair it; all is as if it had not been, but for what it counted. Raises ValueError for an unknown one."""
        self._check(fault)
        found = self._since.pop(fault, None)
        if found is not None:
            self._past[fault] = self._past.get(fault, 0.0) + max(0.0, now_s - found[0])

    def take_turns(self, standby: Plant) -> None:
        """Let another one stand in for this one when it fails, and share the work with it otherwise."""
        self.partner, standby.partner, standby.is_standby = standby, self, True

    def _check(self, fault: str) -> None:
        if fault not in self.known_faults:
            raise ValueError(f"{fault} is no fault here; there are {', '.join(self.known_faults)}")
