"""cloud.yaml's calendars → when they are closed, found slowly: the wall clock of the zone is looked at minute by minute (pure).

Nothing here is shared with ``cloud.sla.calendar``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from contract.conventions import EpochMs

MINUTE_MS = 60_000
AHEAD_MS = 12 * 24 * 60 * MINUTE_MS
"""So far a clock is looked ahead."""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60

Pause = tuple[EpochMs, EpochMs | None]
"""A stretch that does not count; without an end it lasts."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Open windows of each weekday, Monday first, in minutes after midnight; one that ends beyond 1,440 ends the next day."""

    zone: ZoneInfo
    week: Sequence[Sequence[tuple[int, int]]]

    def is_open(self, at_ms: EpochMs) -> bool:
        """Whether the wall clock of the zone stands in a window."""
        local = datetime.fromtimestamp(at_ms / 1000, self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        return any(since <= minute < until for since, until in self.week[today]) or any(
            since <= minute + _DAY_MIN < until for since, until in self.week[today - 1]
        )

    def closed(self, start_ms: EpochMs) -> Iterator[Pause]:
        """Every stretch from the start on in which no window is open."""
        since: EpochMs | None = None
        first = start_ms - start_ms % MINUTE_MS
        for at_ms in range(first, first + AHEAD_MS, MINUTE_MS):
            is_open = self.is_open(at_ms)
            if not is_open and since is None:
                since = at_ms
            elif is_open and since is not None:
                yield since, at_ms
                since = None
        if since is not None:
            yield since, first + AHEAD_MS


def hours_of(told: Mapping[str, Any], zone: str) -> dict[str, Hours]:
    """The calendars of a cloud.yaml that are nothing but a week of windows in the zone of the site."""
    plain = {name: data["week"] for name, data in told.get("calendars", {}).items() if set(data) == {"week"}}
    is_in_days = any("working_days" in line for line in told.get("targets", ()))
    return {} if is_in_days else {name: Hours(ZoneInfo(zone), _week(week)) for name, week in plain.items()}


def _week(week: Mapping[str, Sequence[Sequence[str]]]) -> list[list[tuple[int, int]]]:
    return [[_window(since, until) for since, until in week.get(day, ())] for day in _DAYS]


def _window(since: str, until: str) -> tuple[int, int]:
    first, last = _minutes(since), _minutes(until)
    return first, last if last > first else last + _DAY_MIN


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def joined(pauses: Sequence[Pause]) -> list[Pause]:
    """The same stretches, none overlapping another."""
    found: list[Pause] = []
    for since, until in sorted(pauses, key=lambda one: one[0]):
        last = found[-1] if found else None
        if last is None or (last[1] is not None and last[1] < since):
            found.append((since, until))
        elif last[1] is not None:
            found[-1] = (last[0], None if until is None else max(last[1], until))
    return found
