"""Tickets → sla: why a calendar is closed, or open against the week's habit, at an instant (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from cloud.sla.calendar import Calendar, Window, from_us, to_us

Cause = Literal["", "night", "break", "holiday", "closed_date", "day_off", "made_up", "opened"]
"""night: outside the day's hours; break: between or within its windows; holiday, closed_date: a date that is closed; day_off: a
weekday without hours; made_up, opened: open although the weekday is not, with or without a name."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why it is as it is; empty when the week alone says so and it is open. ``names``: what the date is called."""

    cause: Cause = ""
    names: Mapping[str, str] = field(default_factory=dict)


def reason_at(calendar: Calendar, us: int) -> Reason:
    """Why the calendar is open or closed at an instant (microseconds since 1970)."""
    local = from_us(us).astimezone(ZoneInfo(calendar.tz))
    day, second = local.date(), local.hour * 3600 + local.minute * 60 + local.second
    if calendar.open_between(us, us + 1):
        return _open(calendar, day, second)
    windows = calendar.windows(day)
    if windows:
        is_break = windows[0][0] <= second < max(end for _, end in windows) or _is_in(
            calendar.breaks.get(day, ()), second
        )
        return Reason("break" if is_break else "night")
    names = calendar.names.get(day, {})
    if day in calendar.holidays or (day in calendar.dates and names):
        return Reason("holiday", names)
    return Reason("closed_date" if day in calendar.dates else "day_off", names)


def _open(calendar: Calendar, day: date, second: int) -> Reason:
    if not _is_in(calendar.windows(day), second):  # a shift that began the evening before
        day -= timedelta(days=1)
    if day not in calendar.dates or calendar.week[day.weekday()]:
        return Reason()
    names = calendar.names.get(day, {})
    return Reason("made_up" if names else "opened", names)


def _is_in(windows: tuple[Window, ...], second: int) -> bool:
    return any(start <= second < end for start, end in windows)


def midnights(calendar: Calendar, start: datetime, end: datetime) -> list[datetime]:
    """Every local midnight in (start, end), for cutting closed time by date."""
    zone = ZoneInfo(calendar.tz)
    day = start.astimezone(zone).date() + timedelta(days=1)
    found: list[datetime] = []
    while (at := from_us(to_us(datetime(day.year, day.month, day.day, tzinfo=zone)))) < end:
        found.append(at)
        day += timedelta(days=1)
    return found


__all__ = ["Cause", "Reason", "midnights", "reason_at"]
