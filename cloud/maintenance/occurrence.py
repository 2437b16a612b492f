"""maintenance: when a periodic test is due, may be done, and is missed (pure).

Periods are ISO 8601. Days, weeks, months and years are calendar time in the site's zone: a test due on a date is on time
until that day ends there, whatever daylight saving does to the length of the day. Due dates of a fixed anchor are counted
from the anchor itself, never from the previous due date, so that a test of the 31st returns to the 31st after February.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

_PERIOD = re.compile(r"^P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?$")


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar period of whole months and days."""

    months: int
    days: int

    def __bool__(self) -> bool:
        return bool(self.months or self.days)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often one test of one piece of equipment is due.

    ``fixed`` counts from ``start``; ``floating`` from the day it was last done. ``window`` is how early it may be done and
    still count, ``grace`` how long after its due date it is not yet missed.
    """

    every: Period
    anchor: Literal["fixed", "floating"]
    window: Period
    grace: Period
    zone: str
    start: date
    since: date | None = None
    """Of a recurrence, whose ``start`` is itself a due date: the first day that matters here."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One due date. On time from ``opens_at`` up to ``due_at``; missed at ``missed_at`` (UTC instants, ends exclusive)."""

    due_on: date
    opens_at: datetime
    due_at: datetime
    missed_at: datetime


def parse_period(text: str) -> Period:
    """``P7D``, ``P2W``, ``P6M``, ``P1Y`` … Raises ValueError for anything else, also for periods shorter than a day."""
    match = _PERIOD.match(text)
    if match is None:
        msg = f"{text!r} is not a period of whole days, weeks, months or years, such as P7D, P6M or P1Y"
        raise ValueError(msg)
    years, months, weeks, days = (int(part or 0) for part in match.groups())
    return Period(years * 12 + months, weeks * 7 + days)


def parse_every(text: str) -> tuple[Period, date | None]:
    """How often, and since when of a recurrence: ``P7D``, or ``R/2026-01-31/P1M`` (ISO 8601). Raises ValueError."""
    start = None
    if text.startswith("R/"):
        _, begin, text = text.split("/", 2)
        start = date.fromisoformat(begin)
    period = parse_period(text)
    if not period:
        msg = f"{text!r} comes round every zero days"
        raise ValueError(msg)
    return period, start


def add(start: date, period: Period, times: int = 1) -> date:
    """``start`` plus ``times`` periods. The day of the month is cut to the month's length, for this result only."""
    month = start.year * 12 + start.month - 1 + period.months * times
    year, index = divmod(month, 12)
    day = min(start.day, calendar.monthrange(year, index + 1)[1])
    return date(year, index + 1, day) + timedelta(days=period.days * times)


def subtract(start: date, period: Period) -> date:
    """``start`` minus one period."""
    return add(start, period, -1)


def occurrence(schedule: Schedule, due_on: date) -> Occurrence:
    """The instants of one due date in the site's zone. A window never reaches back past the previous due date."""
    opens_on = max(subtract(due_on, schedule.window), subtract(due_on, schedule.every))
    return Occurrence(
        due_on=due_on,
        opens_at=_start_of_day(opens_on + timedelta(days=1) if opens_on < due_on else due_on, schedule.zone),
        due_at=_start_of_day(due_on + timedelta(days=1), schedule.zone),
        missed_at=_start_of_day(add(due_on, schedule.grace) + timedelta(days=1), schedule.zone),
    )


def first_due(schedule: Schedule, last_done: date | None = None) -> date:
    """The first due date: one period after ``start``, or after the day it was last done when that is known.

    Of a recurrence, the first of its own dates that is not over.
    """
    if schedule.since is not None:
        begin = schedule.start - timedelta(days=1)
        after = max(schedule.since - timedelta(days=1), last_done or date.min)
        return schedule.start if after <= begin else next_due(schedule, after, None)
    if schedule.anchor == "floating" and last_done is not None:
        return add(last_done, schedule.every)
    due = add(schedule.start, schedule.every)
    return due if last_done is None else next_due(schedule, last_done, last_done)


def next_due(schedule: Schedule, due_on: date, done_on: date | None) -> date:
    """The due date after ``due_on``. ``done_on`` is the local day the test was done, None when it was missed.

    Fixed: the next date of the series, whenever the work was done. Floating: one period after the day it was done; a
    missed one stays due, so its successor is one period after the missed date.
    """
    if schedule.anchor == "floating":
        return add(done_on if done_on is not None else due_on, schedule.every)
    longest_days = schedule.every.months * 31 + schedule.every.days
    number = max((due_on - schedule.start).days // longest_days, 1)  # as far as one can leap at once
    while (due := add(schedule.start, schedule.every, number)) <= due_on:
        number += 1
    return due


def local_date(instant: datetime, zone: str) -> date:
    """The calendar day of an aware instant at the site."""
    return instant.astimezone(ZoneInfo(zone)).date()


def is_missed(due: Occurrence, now: datetime) -> bool:
    """True once the grace after the due date is over."""
    return now >= due.missed_at


def counts_for(due: Occurrence, done_at: datetime) -> bool:
    """True when work done at this instant fulfils this due date: not before its window opens. Late work counts, late."""
    return done_at >= due.opens_at


def _start_of_day(day: date, zone: str) -> datetime:
    """Local midnight as UTC. Where daylight saving skips midnight, the first instant of the day."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)
