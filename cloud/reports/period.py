"""Tickets → reports: from which day to which, in a site's zone, and what was before (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from contract.conventions import EpochMs, to_ms

EARLIEST: Final = date(2000, 1, 1)
LATEST: Final = date(2199, 12, 31)
PRESETS: Final = ("this_month", "last_month", "this_quarter", "last_quarter", "this_year", "last_year")
_DAY: Final = timedelta(days=1)
_MOST_DAYS, _MOST_WEEKS = 45, 370
"""Up to so many days the backlog is told day by day, then week by week, then month by month."""


class PeriodError(ValueError):
    """A period that cannot be: the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, both included, in one zone."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> EpochMs:
        """The first instant that belongs to it."""
        return midnight(self.first, self.zone)

    @property
    def end(self) -> EpochMs:
        """The first instant after it."""
        return midnight(self.last + _DAY, self.zone)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def before(self) -> Period:
        """The period to compare with: as many whole months before whole months, else as many days before."""
        last = self.first - _DAY
        if self.first.day != 1 or (self.last + _DAY).day != 1:
            return Period(last - (self.last - self.first), last, self.zone)
        months = (self.last.year - self.first.year) * 12 + self.last.month - self.first.month + 1
        return Period(_month(self.first, -months), last, self.zone)

    def marks(self) -> tuple[EpochMs, ...]:
        """The instants at which the backlog is told: the end of each day, week (Sunday) or month, and of the period."""
        step = "day" if self.days <= _MOST_DAYS else "week" if self.days <= _MOST_WEEKS else "month"
        days = (self.first + _DAY * number for number in range(1, self.days + 1))
        begun = [day for day in days if step == "day" or (day.weekday() == 0 if step == "week" else day.day == 1)]
        ends = {*begun, self.last + _DAY}
        return tuple(midnight(day, self.zone) for day in sorted(ends))


def midnight(day: date, zone: ZoneInfo) -> EpochMs:
    """The instant at which a date begins there; where that hour is skipped, the first one after it."""
    return to_ms(datetime.combine(day, time(), zone))


def read_period(preset: str, first: str, last: str, today: date, zone: ZoneInfo) -> Period:
    """What an address asks for: a preset, or two dates (both included). Nothing at all is this month.

    Raises PeriodError.
    """
    if preset:
        return preset_period(preset, today, zone)
    if not first and not last:
        return preset_period("this_month", today, zone)
    begin = _date(first, "from") if first else _date(last, "to").replace(day=1)
    end = _date(last, "to") if last else max(today, begin)
    if end < begin:
        raise PeriodError(f"from: {begin} lies after to: {end}; write the earlier day first")
    return Period(begin, end, zone)


def preset_period(preset: str, today: date, zone: ZoneInfo) -> Period:
    """A named period around ``today``. Raises PeriodError for a name that is none."""
    months = {"month": 1, "quarter": 3, "year": 12}.get(preset.partition("_")[2])
    if preset not in PRESETS or months is None:
        raise PeriodError(f"period: {preset!r} is none; write one of {', '.join(PRESETS)}")
    first = today.replace(day=1, month=(today.month - 1) // months * months + 1)
    if preset.startswith("last"):
        first = _month(first, -months)
    return Period(first, _month(first, months) - _DAY, zone)


def _month(first: date, months: int) -> date:
    """The first of the month so many months away."""
    number = first.year * 12 + first.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def _date(text: str, name: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise PeriodError(f"{name}: {text!r} is not a date; write one such as 2026-11-01") from error
    if not EARLIEST <= found <= LATEST:
        raise PeriodError(f"{name}: {found} is out of reach; write a date from {EARLIEST} to {LATEST}")
    return found
