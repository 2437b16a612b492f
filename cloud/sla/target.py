"""Tickets → sla: one target and the tickets it binds (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

Priority = Literal["general", "major", "urgent", "life_safety"]
ClockName = Literal["response", "arrival", "service", "resolution"]

PRIORITIES: tuple[Priority, ...] = ("general", "major", "urgent", "life_safety")
"""Least pressing first."""
CLOCKS: tuple[ClockName, ...] = ("response", "arrival", "service", "resolution")
"""In the order in which they are shown. ``service`` is basic service back, or the matter under control, after an interruption."""
KINDS = ("fault", "test", "maintenance", "request", "complaint", "inspection", "outage")
"""Kinds of tickets. An ``outage`` is a planned one with its permit."""
EMERGENCIES = ("entrapment", "fire")
CATEGORIES = ("special", "objection", "interruption")
"""What a ticket is in particular: a special request, an objection to how something was settled, an unplanned interruption of
service (priority general: a general one, major: a larger one, urgent: a major one)."""
SHARES = (0.5, 0.75, 0.9)
"""Shares of a target at which its clock warns."""
PRIORITY_OF: Mapping[str, Priority] = MappingProxyType(
    {"minor": "general", "major": "major", "critical": "urgent", "life_safety": "life_safety"}
)
"""The priority of a ticket by the severity of the alarm that opens it; advisory opens none."""


@dataclass(frozen=True, slots=True)
class Target:
    """How long one clock may run, and who says so."""

    clock: ClockName
    target: timedelta
    """With ``is_days`` whole working days of 24 hours; zero then means the same day and needs ``is_end_of_day``."""
    clause: str = ""
    """Id in the clause library; empty when no clause of the users' documents sets it."""
    source: str = ""
    """Where the figure comes from, in words."""
    calendar: str = ""
    """Name of the calendar whose open time counts; empty counts every hour."""
    is_pausing: bool = False
    """True when a hold stops it: the resolution of anything but life safety."""
    is_days: bool = False
    """Whole working days of ``calendar``: due at the same time of day on the n-th working day."""
    is_end_of_day: bool = False
    """Whole working days only: due when the calendar closes on that day."""
    conflict: str = ""
    """Key of ``conflicts.CONFLICTS`` where the documents disagree about this figure."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a policy: a target and the tickets it binds. An empty condition binds all."""

    target: Target
    priority: Priority | None = None
    emergency: str = ""
    kind: str = ""
    category: str = ""
    system: str = ""
    site: str = ""
    is_unset: bool = False
    """These tickets do not have this clock."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """In the order in which they decide between two lines."""
        return (self.emergency, self.category, self.priority or "", self.kind, self.system, self.site)

    def rank(self, case: tuple[str, ...]) -> int:
        """How precisely this line names a ticket (emergency, category, priority, kind, system, site): 0 not at all.

        Of two lines the one that names the earlier condition wins, whatever else the other names.
        """
        if any(wanted and wanted != given for wanted, given in zip(self.conditions, case, strict=True)):
            return 0
        return 1 + sum(bool(wanted) << (6 - place) for place, wanted in enumerate(self.conditions))
