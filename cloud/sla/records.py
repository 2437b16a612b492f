"""Tickets → sla: what a timeline is made of, and what follows from it: entries, pauses, clocks, lines of a sum (pure)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cloud.sla.calendar import Calendar
from cloud.sla.policy import SHARES, ClockName, Target
from cloud.sla.reasons import Cause

State = Literal["running", "held", "met", "breached"]
LineKind = Literal["running", "held", "resolved", "closed", "ahead", "late"]

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a ticket. Kinds that no clock knows are passed over.

    Kinds: opened, activated, acknowledged, arrived, started, restored, held, resumed, resolved, reopened, reclassified,
    retargeted, closed, cancelled, merged. ``priority`` goes with opened and reclassified, ``why`` with held, ``version`` with
    retargeted: from then on another version of the policy binds.
    """

    at: datetime
    kind: str
    priority: str = ""
    why: str = ""
    version: str = ""
    was: str = ""
    """The version that bound before."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which a pausing clock stands: on hold, or resolved until reopened. ``end`` None: still."""

    kind: Literal["held", "resolved"]
    start: datetime
    end: datetime | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Deadline:
    """One clock of a ticket as it stands."""

    clock: ClockName
    activation: int
    """1 for the ticket itself; a life-safety condition that comes again starts 2, 3 …"""
    target: Target
    start: datetime
    due: datetime | None
    """None while held: a held clock has no due instant."""
    state: State
    stopped_at: datetime | None
    breached_at: datetime | None
    is_breached_by_reclassification: bool
    used: timedelta
    pauses: tuple[Pause, ...]
    length: timedelta = timedelta(0)
    """The whole target in counted time; for the end of a day what lay between start and due."""
    version: str = ""
    """The version of the policy that binds now; empty for the one the ticket was opened under."""
    warnings: tuple[tuple[float, datetime], ...] = ()
    """Share of the target and the instant at which the clock warns, or warned, while it ran."""
    is_breached_by_retargeting: bool = False
    """Another version of the policy was in force, and by it the clock was late already."""
    next_at: datetime | None = None
    """The next instant at which this clock has something to record, a warning or its breach; None when it has not."""

    @property
    def late(self) -> timedelta:
        """By how much it was, or so far is, over its target; zero when it is not."""
        return max(timedelta(0), self.used - self.length)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the sum. ``wall`` is its length, ``counts`` what of it counts, ``used`` the sum so far."""

    start: datetime
    end: datetime
    kind: LineKind
    why: str
    wall: timedelta
    counts: timedelta
    used: timedelta
    cause: Cause = ""
    """Why the calendar is closed, or open against the week's habit."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What that date is called, by language."""


Targets = Callable[[str], Sequence[Target]]
"""Priority to targets, for instance a policy's with the ticket's emergency filled in."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A version of the policy as it binds one ticket."""

    targets: Targets
    calendars: Mapping[str, Calendar]
    shares: tuple[float, ...] = SHARES
    version: str = ""

    def calendar(self, target: Target) -> Calendar | None:
        return self.calendars[target.calendar] if target.calendar else None
