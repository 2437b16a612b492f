"""Before physics: what people do at an hour of their own clock, and how much of it until now (pure).

A ``Profile`` is a day of work and a day of rest as shares by hour, with straight lines between. Its sum up to an instant
has a closed form: whole weeks, the days of this week, the hours of this day, and a correction for each holiday and each
change of the clock. So a counter costs the same after a minute and after ten years.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY_S, WEEK_DAYS = 86_400.0, 7
_MONDAY = 4
"""Day 4 of 1970 was a Monday."""
_FIRST_REST = 5
"""Saturday."""
_REMEMBERED = 64
_INSTANTS = 256
"""Instants of which is remembered what all equipment of a site has in common."""
DEFAULT_ZONE = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Local:
    """An instant on the wall clock of a site. ``day`` counts from 1970-01-01, ``hour`` is 0 to below 24."""

    day: int
    hour: float
    is_rest: bool

    @property
    def weekday(self) -> int:
        """0 is Monday."""
        return (self.day - _MONDAY) % WEEK_DAYS


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """The zone of a site and its days off beside Saturday and Sunday."""

    zone: str = DEFAULT_ZONE
    holidays: tuple[int, ...] = ()
    """Days since 1970-01-01, in order."""
    _tz: tzinfo = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tz", ZoneInfo(self.zone))

    def local(self, now_s: float) -> Local:
        """What the clock on the wall shows."""
        return _local(self, now_s)

    def is_rest(self, day: int) -> bool:
        return (day - _MONDAY) % WEEK_DAYS >= _FIRST_REST or day in self.holidays

    def wall_s(self, now_s: float) -> float:
        """Seconds since 1970-01-01 00:00 on the wall clock."""
        return _wall_s(self, now_s)


def make_calendar(zone: str = DEFAULT_ZONE, holidays: Iterable[date] = ()) -> Calendar:
    """The calendar of a site. Raises ZoneInfoNotFoundError for a zone that does not exist."""
    days = {(day - date(1970, 1, 1)).days for day in holidays}
    return Calendar(zone, tuple(sorted(days)))


@lru_cache(maxsize=_INSTANTS)
def _local(calendar: Calendar, now_s: float) -> Local:
    wall = calendar.wall_s(now_s)
    day = math.floor(wall / DAY_S)
    return Local(day, (wall - day * DAY_S) / 3600, calendar.is_rest(day))


@lru_cache(maxsize=_INSTANTS)
def _wall_s(calendar: Calendar, now_s: float) -> float:
    # Zones change their offset at full quarters of an hour.
    return now_s + _offset_in(calendar._tz, math.floor(now_s / 900))  # noqa: SLF001


@lru_cache(maxsize=4096)
def _offset_in(zone: tzinfo, quarter: int) -> float:
    offset = datetime.fromtimestamp(quarter * 900, UTC).astimezone(zone).utcoffset()
    return offset.total_seconds() if offset else 0.0


@lru_cache(maxsize=64)
def _shifts(zone: tzinfo, first_day: int, last_day: int) -> tuple[tuple[float, float], ...]:
    """Changes of the clock between two days UTC: (wall seconds before, wall seconds after) each."""
    found = []
    for day in range(first_day, last_day):
        low, high = day * 96, (day + 1) * 96
        before, after = _offset_in(zone, low), _offset_in(zone, high)
        if before == after:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset_in(zone, middle) == before else (low, middle)
        found.append((high * 900 + before, high * 900 + after))
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Shares at each full hour of a working day and of a day of rest; both begin with the same share."""

    work: tuple[float, ...]
    rest: tuple[float, ...]
    _sums: tuple[tuple[float, ...], tuple[float, ...]] = field(init=False, repr=False, compare=False)
    _starts: dict[tuple[str, tuple[int, ...], float], float] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if len(self.work) != 24 or len(self.rest) != 24 or self.work[0] != self.rest[0]:
            raise ValueError("a profile has 24 shares for each kind of day, and both begin alike")
        object.__setattr__(self, "_sums", (_summed(self.work), _summed(self.rest)))

    def share(self, at: Local) -> float:
        """The share at this instant."""
        hours = self.rest if at.is_rest else self.work
        whole = int(at.hour)
        here = hours[whole]
        return here + ((hours[whole + 1] if whole < 23 else hours[0]) - here) * (at.hour - whole)

    def mapped(self, shape: dict[float, float]) -> Profile:
        """The same hours with each share replaced."""
        return Profile(tuple(shape[one] for one in self.work), tuple(shape[one] for one in self.rest))

    def hours(self, calendar: Calendar, since_s: float, now_s: float) -> float:
        """Sum of share times hours from one instant to another, in hours at full share."""
        if now_s < since_s:
            return -self.hours(calendar, now_s, since_s)
        return _hours(self, calendar, since_s, now_s)

    def _between(self, calendar: Calendar, since_s: float, now_s: float) -> float:
        start, end = calendar.wall_s(since_s), calendar.wall_s(now_s)
        total = self._until(calendar, end) - self._begun(calendar, start)
        zone = calendar._tz  # noqa: SLF001
        for before, after in _shifts(
            zone, math.floor(since_s / DAY_S / 366) * 366, math.ceil(now_s / DAY_S / 366) * 366
        ):
            if start < before <= end or start < after <= end:
                total -= self._until(calendar, after) - self._until(calendar, before)
        return total

    def _begun(self, calendar: Calendar, wall_s: float) -> float:
        """As ``_until``, for the one instant that all counters of a plant begin at."""
        key = (calendar.zone, calendar.holidays, wall_s)
        known = self._starts.get(key)
        if known is None:
            if len(self._starts) > _REMEMBERED:
                self._starts.clear()
            known = self._starts[key] = self._until(calendar, wall_s)
        return known

    def _until(self, calendar: Calendar, wall_s: float) -> float:
        """Sum from 1970 on the wall clock, changes of the clock left out."""
        day = math.floor(wall_s / DAY_S)
        hour = (wall_s - day * DAY_S) / 3600
        weeks, days = divmod(day - _MONDAY, WEEK_DAYS)
        work, rest = self._sums[0][24], self._sums[1][24]
        total = weeks * (5 * work + 2 * rest) + min(days, 5) * work + max(0, days - 5) * rest
        off = sum(1 for one in calendar.holidays if one < day and (one - _MONDAY) % WEEK_DAYS < _FIRST_REST)
        return total + off * (rest - work) + self._today(hour, is_rest=calendar.is_rest(day))

    def _today(self, hour: float, *, is_rest: bool) -> float:
        hours, sums = (self.rest, self._sums[1]) if is_rest else (self.work, self._sums[0])
        whole = int(hour)
        part = hour - whole
        here, after = hours[whole], hours[(whole + 1) % 24]
        return sums[whole] + part * (here + part * (after - here) / 2)


@lru_cache(maxsize=_INSTANTS)
def _hours(profile: Profile, calendar: Calendar, since_s: float, now_s: float) -> float:
    return profile._between(calendar, since_s, now_s)  # noqa: SLF001


def _summed(hours: tuple[float, ...]) -> tuple[float, ...]:
    sums = [0.0]
    for index, here in enumerate(hours):
        sums.append(sums[-1] + (here + hours[(index + 1) % 24]) / 2)
    return tuple(sums)


@dataclass(frozen=True, slots=True)
class Routine:
    """Something that happens by itself every so many days at an hour of the wall clock, such as a weekly test."""

    every_days: int
    on_day: int
    """Which of these days; 0 is a Monday where ``every_days`` is whole weeks."""
    hour: float
    lasts_s: float

    def since(self, calendar: Calendar, now_s: float) -> float | None:
        """Seconds since it began, while it is under way."""
        into = (calendar.wall_s(now_s) - self._first_s()) % (self.every_days * DAY_S)
        return into if into < self.lasts_s else None

    def ago(self, calendar: Calendar, now_s: float) -> float:
        """Seconds since it began last."""
        return (calendar.wall_s(now_s) - self._first_s()) % (self.every_days * DAY_S)

    def times(self, calendar: Calendar, since_s: float, now_s: float) -> int:
        """How often it began between two instants."""
        period, first = self.every_days * DAY_S, self._first_s()
        begun = [math.floor((calendar.wall_s(one) - first) / period) for one in (since_s, now_s)]
        return begun[1] - begun[0]

    def _first_s(self) -> float:
        return (_MONDAY + self.on_day) * DAY_S + self.hour * 3600
