"""Tickets → sla: which targets bind a ticket, each with the clause or source that sets it (pure).

A policy is a list of lines (``Grant``). Each names a clock, how long it may run and the tickets it binds; of the lines that
fit a ticket the most precise one binds its clock. The shipped lines are in ``cloud.sla.shipped``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from cloud.sla.calendar import Calendar
from cloud.sla.plan import CalendarPlan
from cloud.sla.shipped import GRANTS, PLANS
from cloud.sla.target import (
    CATEGORIES,
    CLOCKS,
    EMERGENCIES,
    KINDS,
    PRIORITIES,
    PRIORITY_OF,
    SHARES,
    ClockName,
    Grant,
    Priority,
    Target,
)

__all__ = [
    "CATEGORIES",
    "CLOCKS",
    "EMERGENCIES",
    "KINDS",
    "PRIORITIES",
    "SHARES",
    "SHIPPED",
    "ClockName",
    "Grant",
    "Policy",
    "Priority",
    "Target",
    "is_higher",
    "is_zone",
    "priority_of",
]


@dataclass(frozen=True, slots=True)
class Policy:
    """Every target of a desk. ``version`` is written on each ticket that it was applied to."""

    version: str
    grants: tuple[Grant, ...]
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    """Calendars with a zone of their own."""
    reopen_window: timedelta = timedelta(hours=72)
    """A fault that comes back this soon after its ticket was closed resumes that ticket and its clocks."""
    plans: Mapping[str, CalendarPlan] = field(default_factory=dict)
    """Calendars as people edit them; one without a zone is kept in the zone of each site."""
    shares: tuple[float, ...] = SHARES
    """Shares of a target at which its clock warns, each above 0 and below 1."""
    _known: dict[tuple[str, ...], tuple[Target, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _zones: dict[str, Mapping[str, Calendar]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def targets(
        self,
        priority: str,
        emergency: str = "",
        *,
        kind: str = "fault",
        system: str = "",
        site: str = "",
        category: str = "",
    ) -> tuple[Target, ...]:
        """The targets of a ticket, one a clock; a clock without one is not set. Life safety knows no calendar and no hold."""
        case = (emergency, category, priority, kind, system, site)
        if case not in self._known:
            self._known[case] = tuple(self._targets(case))
        return self._known[case]

    def _targets(self, case: tuple[str, ...]) -> Iterator[Target]:
        for clock in CLOCKS:
            grant = self._most_precise(clock, case)
            if grant is not None and not grant.is_unset:
                is_restless = case[2] == "life_safety" or bool(grant.emergency)
                yield _without_rest(grant.target) if is_restless else grant.target

    def line(self, clock: str, priority: str, emergency: str = "", **case: str) -> Grant | None:
        """The line that binds a clock, for showing; ``case`` as in ``targets``."""
        names = ("category", "kind", "system", "site")
        category, kind, system, site = (case.get(name, "") for name in names)
        return self._most_precise(clock, (emergency, category, priority, kind, system, site))

    def in_zone(self, zone: str) -> Mapping[str, Calendar]:
        """Every calendar by name, those without a zone in that of a site (IANA name)."""
        if zone not in self._zones:
            own = {name: plan.calendar(zone) for name, plan in self.plans.items()}
            self._zones[zone] = {**own, **self.calendars}
        return self._zones[zone]

    def _most_precise(self, clock: str, case: tuple[str, ...]) -> Grant | None:
        ranked = [(grant.rank(case), grant) for grant in self.grants if grant.target.clock == clock]
        best = max((rank for rank, _ in ranked), default=0)
        return next((grant for rank, grant in ranked if rank == best), None) if best else None


def _without_rest(target: Target) -> Target:
    """The same figure in elapsed time, which nothing pauses."""
    if not (target.calendar or target.is_pausing or target.is_days):
        return target
    whole = max(target.target, timedelta(days=1)) if target.is_days else target.target
    return replace(target, target=whole, calendar="", is_pausing=False, is_days=False, is_end_of_day=False)


def priority_of(severity: str) -> Priority | None:
    """The priority of a ticket that an alarm of this severity opens; None: it opens none (advisory)."""
    return PRIORITY_OF.get(severity)


def is_higher(priority: str, than: str) -> bool:
    """Whether one priority presses more than another."""
    known: Sequence[str] = PRIORITIES
    return known.index(priority) > known.index(than)


def is_zone(name: str) -> bool:
    """Whether this is an IANA zone this machine knows."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


SHIPPED = Policy("shipped-1", GRANTS, plans=PLANS)
"""Targets that apply until a desk has its own."""
