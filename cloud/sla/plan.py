"""Tickets → sla: a calendar as people keep it: whose zone, which country's holidays, which years are confirmed (pure).

What the ``holidays`` package says is copied into a plan when the plan is saved, so that a version means the same for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Self

from cloud.sla.calendar import Calendar, CalendarError

Names = Mapping[str, str]
"""What a date is called: en, zh."""


@dataclass(frozen=True)
class CalendarPlan:
    """One named calendar. ``hours`` has the keys of ``Calendar.from_dict``; without ``tz`` it keeps each site's zone."""

    name: str
    hours: Mapping[str, Any] = field(default_factory=dict)
    country: str = ""
    """ISO 3166-1 of the public holidays; empty: none."""
    subdivision: str = ""
    holidays: Mapping[str, Names] = field(default_factory=dict)
    """Closed dates of the country with their names, as copied."""
    workdays: Mapping[str, Names] = field(default_factory=dict)
    """Days off on which work is made up, as copied; they have the windows of the weekday they stand for."""
    years: tuple[int, ...] = ()
    """Which years were copied."""
    confirmed: tuple[int, ...] = ()
    """Years whose dates a person has compared with the authority's notice."""
    _made: dict[str, Calendar] = field(default_factory=dict, init=False, repr=False, compare=False)

    def calendar(self, zone: str) -> Calendar:
        """The calendar in its own zone, or in that of a site. Raises CalendarError."""
        tz = str(self.hours.get("tz") or zone or "UTC")
        if tz not in self._made:
            self._made[tz] = Calendar.from_dict(self.as_hours(tz))
        return self._made[tz]

    def as_hours(self, tz: str) -> dict[str, Any]:
        """Plain data for ``Calendar.from_dict``: what was set by hand for a date wins over what was copied."""
        own = {key: value for key, value in self.hours.items() if key not in {"tz", "dates", "holidays", "names"}}
        by_hand = dict(self.hours.get("dates", {}))
        closed = {str(day) for day in self.hours.get("holidays", ())}
        made_up = {day: self._working_windows() for day in self.workdays if day not in by_hand and day not in closed}
        return {
            **own,
            "tz": tz,
            "dates": {**made_up, **by_hand},
            "holidays": sorted({*closed, *self.holidays}),
            "names": {**self.holidays, **self.workdays, **dict(self.hours.get("names", {}))},
        }

    def _working_windows(self) -> list[Any]:
        """The windows of the first day of the week that has any: what a made-up day is worked like."""
        week = self.hours.get("week")
        if week is None:
            return [["00:00", "24:00"]]
        return next((list(week[day]) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun") if week.get(day)), [])

    def unconfirmed(self, today: date, ahead_days: int) -> tuple[int, ...]:
        """Years that begin within ``ahead_days`` (or run already) and that nobody has confirmed; none without a country."""
        if not self.country:
            return ()
        last = date.fromordinal(today.toordinal() + ahead_days).year
        return tuple(year for year in range(today.year, last + 1) if year not in self.confirmed)

    def as_json(self) -> dict[str, Any]:
        """Plain data, the inverse of ``of_json``."""
        return {
            "name": self.name,
            "hours": _plain(self.hours),
            "country": self.country,
            "subdivision": self.subdivision,
            "holidays": {day: dict(names) for day, names in sorted(self.holidays.items())},
            "workdays": {day: dict(names) for day, names in sorted(self.workdays.items())},
            "years": list(self.years),
            "confirmed": list(self.confirmed),
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> Self:
        """From ``as_json``. Raises CalendarError with the path of the first mistake."""
        plan = cls(
            name=str(data["name"]),
            hours=dict(data.get("hours", {})),
            country=str(data.get("country", "")),
            subdivision=str(data.get("subdivision", "")),
            holidays=_names(data.get("holidays", {})),
            workdays=_names(data.get("workdays", {})),
            years=tuple(sorted({int(year) for year in data.get("years", ())})),
            confirmed=tuple(sorted({int(year) for year in data.get("confirmed", ())})),
        )
        plan.calendar("UTC")
        return plan


def _names(dates: Mapping[str, Any]) -> dict[str, Names]:
    return {str(day): {str(tongue): str(text) for tongue, text in names.items()} for day, names in dates.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401  plain data
    """YAML reads an unquoted date as one; JSON has only texts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, date) else value


__all__ = ["CalendarError", "CalendarPlan", "Names"]
