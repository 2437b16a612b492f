"""Tickets → sla: an append-only timeline in, every clock and every line of its sum out (pure).

Nothing is counted up anywhere: whoever replays the same entries gets the same due times. Rules 10 and 11 of the
architecture: response and arrival never pause; resolution pauses on hold and while resolved; stopping exactly at due is
on time; a breach stays; a changed priority counts from the original start and never moves an earlier due time later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from cloud.sla.calendar import Calendar, Hold, Span, due, elapsed, from_us, to_us
from cloud.sla.policy import CLOCKS, ClockName, Target

State = Literal["running", "held", "met", "breached"]
LineKind = Literal["running", "held", "resolved", "closed", "ahead", "late"]

_ENDS: Mapping[ClockName, frozenset[str]] = {
    "response": frozenset({"acknowledged", "arrived", "started", "resolved", "closed", "cancelled", "merged"}),
    "arrival": frozenset({"arrived", "resolved", "closed", "cancelled", "merged"}),
    "service": frozenset({"restored", "resolved", "closed", "cancelled", "merged"}),
    "resolution": frozenset({"resolved", "closed", "cancelled", "merged"}),
}
_HOLD_ENDS = frozenset({"resumed", "resolved", "closed", "cancelled", "merged"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened to a ticket. Kinds that no clock knows are passed over.

    Kinds: opened, activated, acknowledged, arrived, started, held, resumed, resolved, reopened, reclassified, closed,
    cancelled, merged, restored. ``priority`` goes with opened and reclassified, ``why`` with held.
    """

    at: datetime
    kind: str
    priority: str = ""
    why: str = ""


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

    @property
    def late(self) -> timedelta:
        """By how much it was, or so far is, over its target; zero when it is not."""
        return max(timedelta(0), self.used - self.target.target)


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


Targets = Callable[[str], Sequence[Target]]
"""Priority to targets, for instance a policy's with the ticket's emergency filled in."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A target that bound the clock from ``since`` on, and the due instant it gives."""

    since: datetime
    target: Target
    due: datetime | None

    @property
    def breach(self) -> datetime | None:
        return max(self.due, self.since) if self.due else None


def deadlines(
    entries: Sequence[Entry], targets: Targets, calendars: Mapping[str, Calendar], now: datetime
) -> tuple[Deadline, ...]:
    """Every clock that the policy sets, by activation, in the order response, arrival, service, resolution.

    ``entries`` are in the order in which they were recorded. Raises KeyError for a target with an unknown calendar.
    """
    found: list[Deadline] = []
    activation = 0
    for index, entry in enumerate(entries):
        if entry.kind not in {"opened", "activated"}:
            continue
        activation += 1
        clocks = CLOCKS if activation == 1 else CLOCKS[:2]  # the repair goes on; the call and the journey begin again
        for clock in clocks:
            deadline = _deadline(entries, index, clock, activation, _Setting(targets, calendars, now))
            found += [deadline] if deadline else []
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Setting:
    targets: Targets
    calendars: Mapping[str, Calendar]
    now: datetime

    def calendar(self, target: Target) -> Calendar | None:
        return self.calendars[target.calendar] if target.calendar else None


def _deadline(
    entries: Sequence[Entry], index: int, clock: ClockName, activation: int, setting: _Setting
) -> Deadline | None:
    start = entries[index].at
    stop_index = _stop(entries, index, clock)
    stopped_at = entries[stop_index].at if stop_index is not None else None
    pauses = _pauses(entries, clock)
    candidates = [
        _Candidate(max(since, start), target, _due(start, target, pauses, setting))
        for since, priority in _priorities(entries, index, stop_index)
        for target in setting.targets(priority)
        if target.clock == clock
    ]
    if not candidates:
        return None
    binding = min(reversed(candidates), key=_pressing)  # of equals the priority it has now
    end = stopped_at or setting.now
    breach = min((c.breach for c in candidates if c.breach and end > c.breach), default=None)
    counted = _counting(pauses, binding.target, end)
    return Deadline(
        clock=clock,
        activation=activation,
        target=binding.target,
        start=start,
        due=binding.due,
        state=_state(breach, stopped_at, binding.due),
        stopped_at=stopped_at,
        breached_at=breach,
        is_breached_by_reclassification=breach is not None and breach not in {c.due for c in candidates},
        used=elapsed(start, max(start, end), setting.calendar(binding.target), counted),
        pauses=tuple(p for p in pauses if p.kind == "resolved" or binding.target.is_pausing),
    )


def _pressing(candidate: _Candidate) -> tuple[bool, datetime]:
    return (candidate.due is None, candidate.due or candidate.since)


def _state(breach: datetime | None, stopped_at: datetime | None, due_at: datetime | None) -> State:
    if breach:
        return "breached"
    if stopped_at:
        return "met"
    return "running" if due_at else "held"


def _stop(entries: Sequence[Entry], index: int, clock: ClockName) -> int | None:
    """Where the clock stopped: for good, except that reopening starts the resolution clock again."""
    stop: int | None = None
    for position in range(index + 1, len(entries)):
        kind = entries[position].kind
        if stop is None and kind in _ENDS[clock]:
            stop = position
        elif kind == "reopened" and clock == "resolution":
            stop = None
    return stop


def _priorities(entries: Sequence[Entry], index: int, stop: int | None) -> list[tuple[datetime, str]]:
    """Every priority that bound the clock: the one at its start, and each later one while it ran."""
    last = len(entries) if stop is None else stop
    known = [(entry.at, entry.priority) for entry in entries[: index + 1] if entry.priority]
    later = [(entry.at, entry.priority) for entry in entries[index + 1 : last] if entry.kind == "reclassified"]
    return [*known[-1:], *later]


def _pauses(entries: Sequence[Entry], clock: ClockName) -> tuple[Pause, ...]:
    if clock != "resolution":
        return ()
    found: list[Pause] = []
    held: Entry | None = None
    resolved: Entry | None = None
    for entry in entries:
        if entry.kind == "held" and held is None:
            held = entry
        elif entry.kind in _HOLD_ENDS and held is not None:
            found.append(Pause("held", held.at, entry.at, held.why))
            held = None
        if entry.kind in _ENDS["resolution"] and resolved is None:
            resolved = entry
        elif entry.kind == "reopened" and resolved is not None:
            found.append(Pause("resolved", resolved.at, entry.at, resolved.why))
            resolved = None
    if held is not None:
        found.append(Pause("held", held.at, None, held.why))
    return tuple(found)


def _counting(pauses: Sequence[Pause], target: Target, end: datetime) -> list[Hold]:
    """The pauses that this target knows, a lasting one up to ``end``. Life safety knows no holds."""
    known = (p for p in pauses if p.kind == "resolved" or target.is_pausing)
    return [(p.start, max(p.start, p.end or end)) for p in known]


def _due(start: datetime, target: Target, pauses: Sequence[Pause], setting: _Setting) -> datetime | None:
    known = [p for p in pauses if p.kind == "resolved" or target.is_pausing]
    ended = [(p.start, p.end) for p in known if p.end]
    at = due(start, target.target, setting.calendar(target), ended)
    lasting = next((p.start for p in known if p.end is None), None)
    return None if lasting and lasting < at else at


def explain(deadline: Deadline, calendars: Mapping[str, Calendar], now: datetime) -> tuple[Line, ...]:
    """Every line of the sum, from the start to the stop, or to the due instant or now, whichever is later.

    ``held`` and ``resolved`` lines carry their reason; ``closed`` is outside the calendar, ``ahead`` is still to come,
    ``late`` lies beyond the due instant.
    """
    end = deadline.stopped_at or max(deadline.due or now, now)
    if end <= deadline.start:
        return ()
    calendar = calendars[deadline.target.calendar] if deadline.target.calendar else None
    edges = _edges(deadline, calendar, end, now)
    lines: list[Line] = []
    used = timedelta(0)
    for start, stop in pairwise(edges):
        kind, why = _kind(deadline, calendar, start, now)
        counts = stop - start if kind in {"running", "ahead"} else timedelta(0)
        if kind == "late":
            counts = elapsed(start, stop, calendar, _counting(deadline.pauses, deadline.target, stop))
        used += counts
        lines.append(Line(start, stop, kind, why, stop - start, counts, used))
    return tuple(lines)


def _edges(deadline: Deadline, calendar: Calendar | None, end: datetime, now: datetime) -> list[datetime]:
    """Where one line ends and the next begins."""
    last = min(end, deadline.due or end)
    spans: list[Span] = calendar.spans(to_us(deadline.start), to_us(last)) if calendar else []
    edges = {from_us(us) for span in spans for us in span}
    for pause in deadline.pauses:
        edges |= {pause.start, pause.end or now}
    if deadline.stopped_at is None:
        edges.add(now)
    inside = {edge for edge in edges if deadline.start < edge < last}
    return sorted({deadline.start, *inside, last, end})


def _kind(deadline: Deadline, calendar: Calendar | None, at: datetime, now: datetime) -> tuple[LineKind, str]:
    if deadline.due is not None and at >= deadline.due:
        return "late", ""
    for pause in deadline.pauses:
        if pause.start <= at < (pause.end or now):
            return pause.kind, pause.why
    us = to_us(at)
    if calendar is not None and not calendar.open_between(us, us + 1):
        return "closed", ""
    is_ahead = deadline.stopped_at is None and at >= now
    return ("ahead" if is_ahead else "running"), ""
