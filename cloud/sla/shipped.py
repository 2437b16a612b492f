"""Tickets → sla: the targets that apply until a desk has its own: the figures of the users' documents, clause by clause (pure).

Where documents disagree the line names the conflict, and ``conflicts.CONFLICTS`` says what was chosen and why. All run in
elapsed time except the two that speak of days.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cloud.sla.plan import CalendarPlan
from cloud.sla.target import ClockName, Grant, Target

_MANUAL = "property service standardisation manual 2025"
_MEASURES = "property service improvement measures"
_COMMUNITY = "DB35 urban community services (draft)"
_CLOCKS: tuple[ClockName, ...] = ("response", "resolution")
_WORKING = [["09:00", "12:00"], ["13:00", "18:00"]]


def _line(clock: ClockName, hours: float, clause: str, source: str, conflict: str = "", **where: Any) -> Grant:  # noqa: ANN401
    """A target in elapsed hours; a repair pauses on hold unless it is life safety."""
    is_pausing = clock == "resolution" and where.get("priority") != "life_safety"
    return Grant(
        Target(clock, timedelta(hours=hours), clause, source, is_pausing=is_pausing, conflict=conflict), **where
    )


def _days(clock: ClockName, days: int, clause: str, source: str, calendar: str, **where: Any) -> Grant:  # noqa: ANN401
    """A target in whole working days; zero days end with the same day."""
    conflict = where.pop("conflict", "")
    target = Target(
        clock, timedelta(days=days), clause, source, calendar, clock == "resolution", is_days=True,
        is_end_of_day=days == 0, conflict=conflict,
    )  # fmt: skip
    return Grant(target, **where)


def _none(clock: ClockName, clause: str, source: str, **where: Any) -> Grant:  # noqa: ANN401
    return Grant(Target(clock, timedelta(0), clause, source), is_unset=True, **where)


_FAULTS = (
    _line("response", 2, "m-2.3.3-2h", f"{_MANUAL}, 2.3.3; also m-1.1.2-resp", "sla_order"),
    _line("resolution", 48, "m-2.3.3-48h", f"{_MANUAL}, 2.3.3", "minor_repair"),
    _line("response", 1, "m-3.1-urgent", f"{_MANUAL}, 3.1", "sla_order", priority="urgent"),
    _line("response", 1, "m-3.1-urgent", f"{_MANUAL}, 3.1", priority="life_safety"),
    _line("resolution", 48, "m-2.3.3-48h", f"{_MANUAL}, 2.3.3", priority="life_safety"),
    _line(
        "arrival",
        0.5,
        "city-lift-entrapment-30min",
        "city lift rules; not checked as law for this site",
        emergency="entrapment",
    ),
    _line("arrival", 0.05, "fire-station-3min", "micro fire-station practice; unverified", emergency="fire"),
)
_REQUESTS = (
    _line("response", 2, "m-1.1.2-resp", f"{_MANUAL}, 1.1.2; also m-3.1-gen", "sla_order", kind="request"),
    _line("response", 4, "m-3.1-major", f"{_MANUAL}, 3.1", "sla_order", kind="request", priority="major"),
    _days("resolution", 0, "g-4.1.2-sameday", f"{_MEASURES}, 4.1.2", "every_day", kind="request", priority="general",
          conflict="minor_repair"),
    _line("response", 24, "g-4.5", f"{_MEASURES}, 4.5", "complaint_time", kind="request", category="special"),
    _none("resolution", "g-4.5", f"{_MEASURES}, 4.5 sets an answer and no settlement", kind="request", category="special"),
)  # fmt: skip
_COMPLAINTS = (
    _line("response", 24, "m-2.1.3-24", f"{_MANUAL}, 2.1.3", "complaint_time", kind="complaint"),
    _line("response", 4, "m-3.1-major", f"{_MANUAL}, 3.1", "sla_order", kind="complaint", priority="major"),
    _line("resolution", 72, "m-2.1.3-72", f"{_MANUAL}, 2.1.3", "complaint_time", kind="complaint"),
    _days("response", 1, "c-8.6.3-1wd", f"{_COMMUNITY}, 8.6.3", "office", category="objection"),
)
_INTERRUPTIONS = (
    _line("response", 2, "m-4.2-sys2h", f"{_MANUAL}, 4.2", category="interruption", priority="general"),
    _line("response", 2, "m-4.2-sys2h", f"{_MANUAL}, 4.2", "sla_order", category="interruption", priority="major"),
    _line("service", 2, "m-4.3-gen-2h", f"{_MANUAL}, 4.3", "interruption", category="interruption", priority="general"),
    _line("resolution", 48, "m-4.3-gen-48h", f"{_MANUAL}, 4.3", "interruption", category="interruption", priority="general"),
    _line("service", 24, "m-4.3-mid-24h", f"{_MANUAL}, 4.3", "interruption", category="interruption", priority="major"),
    _line("resolution", 48, "m-2.3.3-48h", f"{_MANUAL}, 2.3.3", "interruption", category="interruption", priority="major"),
    _line("resolution", 48, "m-4.3-maj-48h", f"{_MANUAL}, 4.3", "interruption", category="interruption", priority="urgent"),
)  # fmt: skip
_PLANNED = tuple(
    _none(clock, "o-outage-planned", "a planned outage keeps the times of its permit", kind="outage")
    for clock in _CLOCKS
)
_OFFICE = CalendarPlan(
    "office",
    {"week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), _WORKING)},
    country="CN",
)
_EVERY_DAY = CalendarPlan("every_day")

GRANTS = (*_FAULTS, *_REQUESTS, *_COMPLAINTS, *_INTERRUPTIONS, *_PLANNED)
PLANS = {"office": _OFFICE, "every_day": _EVERY_DAY}
