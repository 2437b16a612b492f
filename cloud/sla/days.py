"""Tickets → sla: whole working days, a unit of its own, and one way to measure any target (pure).

A working day counts as 24 hours of the site's wall clock, from midnight to midnight; other dates count nothing. So n working
days from a moment within a working day end at the same time of day on the n-th working day after it; begun on a day off they
end with the n-th working day. Where the policy says end of day, the target is due when the calendar closes on that day. The
wall clock never goes back here: an hour that is repeated in autumn stands still the second time, a time of day that spring
skips falls on the instant of the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cloud.sla.calendar import (
    Calendar,
    CalendarError,
    Hold,
    due,
    elapsed,
    from_us,
    merge,
    offset_change,
    offset_us,
    to_us,
)

if TYPE_CHECKING:
    from cloud.sla.target import Target

_DAY_US = 86_400_000_000
_FOLD_US = 3 * 3_600_000_000
"""No zone repeats or skips more than this at once."""
_EPOCH_DAY = date(1970, 1, 1)
_LONGEST_REST = 366 * 30
_ALWAYS = Calendar()


def due_days(
    start: datetime,
    days: int,
    calendar: Calendar | None = None,
    holds: Sequence[Hold] | None = None,
    *,
    is_end_of_day: bool = False,
) -> datetime:
    """The instant (UTC) at which ``days`` whole working days have passed since ``start``; zero needs ``is_end_of_day``.

    Holds move it by the working-day time that they cover. Raises as ``due`` does.
    """
    if days < 0 or (not days and not is_end_of_day):
        raise ValueError("a target of days is at least one, or ends with the same day")
    kept = calendar or _ALWAYS
    zone, first, cuts = _on_the_wall(start, kept, holds)
    if not (is_end_of_day or cuts):
        return _instant(zone, kept.wall_days().used_up(first, days * _DAY_US))
    if not is_end_of_day:
        return _instant(zone, to_us(due(from_us(first), timedelta(days=days), kept.wall_days(), _instants(cuts))))
    return _instant(zone, _end_of_day(kept, first, days, cuts))


def elapsed_days(
    start: datetime, end: datetime, calendar: Calendar | None = None, holds: Sequence[Hold] | None = None
) -> timedelta:
    """Working-day time in [start, end): 24 hours are one working day."""
    kept = calendar or _ALWAYS
    zone, first, cuts = _on_the_wall(start, kept, holds)
    return elapsed(from_us(first), from_us(_wall(zone, to_us(end))), kept.wall_days(), _instants(cuts))


def due_of(start: datetime, target: Target, calendar: Calendar | None, holds: Sequence[Hold]) -> datetime:
    """When a target is used up, whatever its unit."""
    if target.is_days:
        return due_days(start, target.target.days, calendar, holds, is_end_of_day=target.is_end_of_day)
    return due(start, target.target, calendar, holds)


def used_of(
    start: datetime, end: datetime, target: Target, calendar: Calendar | None, holds: Sequence[Hold]
) -> timedelta:
    """How much time counted in [start, end), in the target's own unit."""
    return (elapsed_days if target.is_days else elapsed)(start, end, calendar, holds)


def share_of(
    start: datetime, need: timedelta, target: Target, calendar: Calendar | None, holds: Sequence[Hold]
) -> datetime:
    """When so much of a target is used: ``need`` is a share of its whole length."""
    if not target.is_days:
        return due(start, need, calendar, holds)
    kept = calendar or _ALWAYS
    zone, first, cuts = _on_the_wall(start, kept, holds)
    return _instant(zone, to_us(due(from_us(first), need, kept.wall_days(), _instants(cuts))))


def _end_of_day(calendar: Calendar, first: int, days: int, cuts: Sequence[tuple[int, int]]) -> int:
    """Closing time of the day reached, in wall microseconds. A hold that begins before it moves the day."""
    counted = calendar.wall_days()
    need = days * _DAY_US
    close = _close(calendar, first, counted.used_up(first, need))
    for start, end in cuts:
        if start >= close:
            break
        if end > first:
            need += counted.open_between(max(start, first), end)
            close = _close(calendar, first, counted.used_up(first, need))
    return close


def _close(calendar: Calendar, first: int, at: int) -> int:
    """When the calendar closes on the day of ``at``; when that is no later than ``first``, on the next day that opens."""
    number = (at - 1 if at > first else at) // _DAY_US
    for day in range(number, number + _LONGEST_REST):
        windows = calendar.windows(_EPOCH_DAY + timedelta(days=day))
        if windows and (close := day * _DAY_US + max(end for _, end in windows) * 1_000_000) > first:
            return close
    raise CalendarError("no more working days; the calendar opens too little")


def _on_the_wall(
    start: datetime, calendar: Calendar, holds: Sequence[Hold] | None
) -> tuple[ZoneInfo, int, list[tuple[int, int]]]:
    zone = ZoneInfo(calendar.tz)
    cuts = [(_wall(zone, to_us(a)), _wall(zone, to_us(b))) for a, b in holds or ()]
    if any(b < a for a, b in cuts):
        raise ValueError("a hold ends before it starts")
    return zone, _wall(zone, to_us(start)), merge(cuts)


def _instants(spans: Sequence[tuple[int, int]]) -> list[Hold]:
    return [(from_us(a), from_us(b)) for a, b in spans]


def _wall(zone: ZoneInfo, us: int) -> int:
    """Instant to wall microseconds that never go back."""
    local = from_us(us).astimezone(zone)
    if not local.fold:
        return to_us(local.replace(tzinfo=UTC))
    changed = offset_change(zone, us - _FOLD_US, us)
    return max(us + offset_us(zone, us), changed + offset_us(zone, us - _FOLD_US))


def _instant(zone: ZoneInfo, wall: int) -> datetime:
    """The first instant whose wall clock has reached ``wall``."""
    us = to_us(from_us(wall).replace(tzinfo=zone).astimezone(UTC))
    if us + offset_us(zone, us) != wall:  # a time of day that the change skips
        us = offset_change(zone, us - _FOLD_US, us)
    return from_us(us)
