"""Tickets → sla: which targets bind a ticket, each with the clause or source that sets it (pure).

The shipped figures are those of the users' documents. Where the documents disagree (``x-sla-order``: a major problem may
wait 4 h although all service is promised within 2 h) the stricter figure is shipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

from cloud.sla.calendar import Calendar

Priority = Literal["general", "major", "urgent", "life_safety"]
ClockName = Literal["response", "arrival", "resolution"]

PRIORITIES: tuple[Priority, ...] = ("general", "major", "urgent", "life_safety")
"""Least pressing first."""
CLOCKS: tuple[ClockName, ...] = ("response", "arrival", "resolution")
"""In the order in which they are shown."""
_PRIORITY_OF: Mapping[str, Priority] = MappingProxyType(
    {"minor": "general", "major": "major", "critical": "urgent", "life_safety": "life_safety"}
)


@dataclass(frozen=True, slots=True)
class Target:
    """How long one clock may run, and who says so."""

    clock: ClockName
    target: timedelta
    clause: str = ""
    """Id in the clause library; empty when no clause of the users' documents sets it."""
    source: str = ""
    """Where the figure comes from, in words."""
    calendar: str = ""
    """Name of the calendar whose open time counts; empty counts every hour."""
    is_pausing: bool = False
    """True when a hold stops it: the resolution of anything but life safety."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a policy: a target and the tickets it binds. An empty condition binds all."""

    target: Target
    priority: Priority | None = None
    emergency: str = ""

    def rank(self, priority: str, emergency: str) -> int:
        """How precisely this line names the ticket: 0 not at all, higher wins."""
        if self.emergency and self.emergency != emergency:
            return 0
        if self.priority and self.priority != priority:
            return 0
        return 1 + bool(self.priority) + 2 * bool(self.emergency)


@dataclass(frozen=True, slots=True)
class Policy:
    """Every target of a site. ``version`` is written on each ticket that it was applied to."""

    version: str
    grants: tuple[Grant, ...]
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    reopen_window: timedelta = timedelta(hours=72)
    """A fault that comes back this soon after its ticket was closed resumes that ticket and its clocks."""

    def targets(self, priority: str, emergency: str = "") -> tuple[Target, ...]:
        """The targets of a ticket, one a clock; a clock without one is not set."""
        chosen = (self._most_precise(clock, priority, emergency) for clock in CLOCKS)
        return tuple(target for target in chosen if target is not None)

    def _most_precise(self, clock: str, priority: str, emergency: str) -> Target | None:
        ranked = [
            (grant.rank(priority, emergency), grant.target) for grant in self.grants if grant.target.clock == clock
        ]
        best = max((rank for rank, _ in ranked), default=0)
        return next((target for rank, target in ranked if rank == best), None) if best else None


def priority_of(severity: str) -> Priority | None:
    """The priority of a ticket that an alarm of this severity opens; None: it opens none (advisory)."""
    return _PRIORITY_OF.get(severity)


def is_higher(priority: str, than: str) -> bool:
    """Whether one priority presses more than another."""
    known: Sequence[str] = PRIORITIES
    return known.index(priority) > known.index(than)


def _hours(hours: float) -> timedelta:
    return timedelta(hours=hours)


_MANUAL = "property service standardisation manual 2025"
SHIPPED = Policy(
    version="shipped-1",
    grants=(
        Grant(Target("response", _hours(2), "m-2.3.3-2h", f"{_MANUAL}, 2.3.3; also m-1.1.2-resp")),
        Grant(Target("resolution", _hours(48), "m-2.3.3-48h", f"{_MANUAL}, 2.3.3", is_pausing=True)),
        Grant(Target("response", _hours(1), "m-3.1-urgent", f"{_MANUAL}, 3.1"), priority="urgent"),
        Grant(Target("response", _hours(1), "m-3.1-urgent", f"{_MANUAL}, 3.1"), priority="life_safety"),
        Grant(Target("resolution", _hours(48), "m-2.3.3-48h", f"{_MANUAL}, 2.3.3"), priority="life_safety"),
        Grant(
            Target(
                "arrival",
                _hours(0.5),
                "city-lift-entrapment-30min",
                "city lift rules; not checked as law for this site",
            ),
            emergency="entrapment",
        ),
        Grant(
            Target("arrival", timedelta(minutes=3), "fire-station-3min", "micro fire-station practice; unverified"),
            emergency="fire",
        ),
    ),
)
"""Targets that apply until a site's own are configured. All run in elapsed time."""
