"""Tickets → sla: an append-only timeline in, every clock and every line of its sum out (pure).

Nothing is counted up anywhere: whoever replays the same entries gets the same due times. Rules 10 and 11 of the
architecture: response and arrival never pause; resolution pauses on hold and while resolved; stopping exactly at due is
on time; a breach stays; a changed priority counts from the original start and never moves an earlier due time later.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from types import MappingProxyType

from cloud.sla.calendar import Calendar, Hold, Span, from_us, to_us
from cloud.sla.days import due_of, share_of, used_of
from cloud.sla.policy import CLOCKS, SHARES, ClockName, Target
from cloud.sla.reasons import Cause, Reason, midnights, reason_at
from cloud.sla.records import MILLISECOND, Deadline, Entry, Line, LineKind, Pause, Ruling, State, Targets

__all__ = ["Deadline", "Entry", "Line", "Pause", "Ruling", "deadlines", "explain"]

_ENDS: Mapping[ClockName, frozenset[str]] = {
    "response": frozenset({"acknowledged", "arrived", "started", "resolved", "closed", "cancelled", "merged"}),
    "arrival": frozenset({"arrived", "resolved", "closed", "cancelled", "merged"}),
    "service": frozenset({"restored", "resolved", "closed", "cancelled", "merged"}),
    "resolution": frozenset({"resolved", "closed", "cancelled", "merged"}),
}
_HOLD_ENDS = frozenset({"resumed", "resolved", "closed", "cancelled", "merged"})


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A target that bound the clock from ``since`` on, and the due instant it gives."""

    since: datetime
    target: Target
    due: datetime | None

    @property
    def breach(self) -> datetime | None:
        return max(self.due, self.since) if self.due else None


@dataclass(frozen=True, slots=True)
class _Phase:
    """A stretch of a clock under one version of the policy. ``end``: when it stopped, was replaced, or now."""

    ruling: Ruling
    since: datetime
    end: datetime
    candidates: tuple[_Candidate, ...]

    @property
    def breach(self) -> datetime | None:
        return min((c.breach for c in self.candidates if c.breach and self.end > c.breach), default=None)


def deadlines(
    entries: Sequence[Entry],
    targets: Targets,
    calendars: Mapping[str, Calendar],
    now: datetime,
    later: Mapping[str, Ruling] = MappingProxyType({}),
    shares: tuple[float, ...] = SHARES,
    version: str = "",
) -> tuple[Deadline, ...]:
    """Every clock that the policy sets, by activation, in the order response, arrival, service, resolution.

    ``entries`` are in the order in which they were recorded. ``later`` has the ruling of every version that a ``retargeted``
    entry names; one that is not there changes nothing; ``version`` is the one at the beginning. Raises KeyError for a target with an unknown calendar.
    """
    story = _Story(entries, Ruling(targets, calendars, shares, version), later, now)
    found: list[Deadline] = []
    activation = 0
    for index, entry in enumerate(entries):
        if entry.kind not in {"opened", "activated"}:
            continue
        activation += 1
        clocks = CLOCKS if activation == 1 else CLOCKS[:2]  # the repair goes on; the call and the journey begin again
        for clock in clocks:
            deadline = _deadline(story, index, clock, activation)
            found += [deadline] if deadline else []
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Story:
    entries: Sequence[Entry]
    first: Ruling
    later: Mapping[str, Ruling]
    now: datetime

    def rulings(self, index: int, stop: int | None) -> list[tuple[datetime, Ruling]]:
        """Every version that bound a clock: the one at its start, and each later one while it ran."""
        last = len(self.entries) if stop is None else stop
        changes = [
            (place, entry.at, self.later[entry.version])
            for place, entry in enumerate(self.entries[:last])
            if entry.kind == "retargeted" and entry.version in self.later
        ]
        before = [ruling for place, _, ruling in changes if place < index]
        start = self.entries[index].at
        return [
            (start, before[-1] if before else self.first),
            *((max(at, start), ruling) for place, at, ruling in changes if place > index),
        ]


def _deadline(story: _Story, index: int, clock: ClockName, activation: int) -> Deadline | None:
    entries, start = story.entries, story.entries[index].at
    stop_index = _stop(entries, index, clock)
    stopped_at = entries[stop_index].at if stop_index is not None else None
    pauses = _pauses(entries, clock)
    phases = _phases(story, index, stop_index, clock, pauses)
    broken = next((phase for phase in phases if phase.breach), None)
    phase = phases[-1] if phases[-1].candidates else broken
    if phase is None:
        return None
    if phase is not phases[-1]:  # the clock was taken away after it was late: it stays late, and stands
        stopped_at = min(phase.end, stopped_at or phase.end)
    binding = min(reversed(phase.candidates), key=_pressing)  # of equals the priority it has now
    breach = broken.breach if broken else None
    end = stopped_at or story.now
    calendar = phase.ruling.calendar(binding.target)
    counted = _counting(pauses, binding.target, end)
    length = _length(start, binding, calendar, pauses)
    told = _Told(start, end, length, breach)
    since = {later.since for later in phases[1:]}
    known = {c.due for one in phases for c in one.candidates}
    state, warnings = _state(breach, stopped_at, binding.due), _warnings(told, binding, phase.ruling, pauses)
    return Deadline(
        clock=clock,
        activation=activation,
        target=binding.target,
        start=start,
        due=binding.due,
        state=state,
        stopped_at=stopped_at,
        breached_at=breach,
        is_breached_by_reclassification=breach is not None and breach not in known and breach not in since,
        used=used_of(start, max(start, end), binding.target, calendar, counted),
        pauses=tuple(p for p in pauses if p.kind == "resolved" or binding.target.is_pausing),
        length=length,
        version=phase.ruling.version,
        warnings=warnings,
        is_breached_by_retargeting=breach is not None and breach not in known and breach in since,
        next_at=_next(warnings, binding.due, story.now) if state == "running" else None,
    )


def _next(warnings: Sequence[tuple[float, datetime]], due_at: datetime | None, now: datetime) -> datetime | None:
    """What comes after ``now``; at its due instant a clock is not late yet."""
    ahead = [at for _, at in warnings if at > now]
    return min([*ahead, due_at + MILLISECOND]) if due_at else None


def _phases(story: _Story, index: int, stop: int | None, clock: ClockName, pauses: Sequence[Pause]) -> list[_Phase]:
    start = story.entries[index].at
    rulings = story.rulings(index, stop)
    priorities = _priorities(story.entries, index, stop)
    end = story.entries[stop].at if stop is not None else story.now
    ends = [*(since for since, _ in rulings[1:]), end]
    return [
        _Phase(
            ruling,
            since,
            until,
            tuple(
                _Candidate(max(asked, since), target, _due(start, target, pauses, ruling))
                for asked, priority in priorities
                if asked < until or asked <= since or ruling is rulings[-1][1]
                for target in ruling.targets(priority)
                if target.clock == clock
            ),
        )
        for (since, ruling), until in zip(rulings, ends, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Told:
    start: datetime
    end: datetime
    length: timedelta
    breach: datetime | None


def _warnings(
    told: _Told, binding: _Candidate, ruling: Ruling, pauses: Sequence[Pause]
) -> tuple[tuple[float, datetime], ...]:
    """When the clock warns: at shares of its target, while it runs. A held clock does not warn, a late one no more."""
    calendar, ended, lasting = ruling.calendar(binding.target), *_known(pauses, binding.target)
    found: list[tuple[float, datetime]] = []
    for share in ruling.shares:
        need = _milliseconds(told.length * share)
        at = max(share_of(told.start, need, binding.target, calendar, ended), binding.since)
        is_before = (binding.due is None or at < binding.due) and (told.breach is None or at < told.breach)
        if is_before and (lasting is None or at <= lasting) and (binding.due is not None or at <= told.end):
            found.append((share, at))
    return tuple(found)


def _milliseconds(length: timedelta) -> timedelta:
    return -(-length // MILLISECOND) * MILLISECOND


def _length(start: datetime, binding: _Candidate, calendar: Calendar | None, pauses: Sequence[Pause]) -> timedelta:
    target = binding.target
    if not (target.is_days and target.is_end_of_day):
        return target.target
    ended, _ = _known(pauses, target)
    return used_of(start, binding.due or due_of(start, target, calendar, ended), target, calendar, ended)


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


def _known(pauses: Sequence[Pause], target: Target) -> tuple[list[Hold], datetime | None]:
    """The pauses that this target knows: those that ended, and since when one lasts."""
    known = [p for p in pauses if p.kind == "resolved" or target.is_pausing]
    return [(p.start, p.end) for p in known if p.end], next((p.start for p in known if p.end is None), None)


def _due(start: datetime, target: Target, pauses: Sequence[Pause], ruling: Ruling) -> datetime | None:
    ended, lasting = _known(pauses, target)
    at = due_of(start, target, ruling.calendar(target), ended)
    return None if lasting and lasting < at else at


def explain(deadline: Deadline, calendars: Mapping[str, Calendar], now: datetime) -> tuple[Line, ...]:
    """Every line of the sum, from the start to the stop, or to the due instant or now, whichever is later.

    ``held`` and ``resolved`` lines carry their reason; ``closed`` is outside the calendar and says why, ``ahead`` is still to
    come, ``late`` lies beyond the due instant. ``calendars`` are those of ``deadline.version``.
    """
    end = deadline.stopped_at or max(deadline.due or now, now)
    if end <= deadline.start:
        return ()
    kept = calendars[deadline.target.calendar] if deadline.target.calendar else None
    calendar = kept.whole_days() if kept and deadline.target.is_days else kept
    lines: list[Line] = []
    used = timedelta(0)
    for start, stop in pairwise(_edges(deadline, calendar, end, now)):
        kind, why = _kind(deadline, calendar, start, now)
        counts = timedelta(0)
        if kind in {"running", "ahead", "late"}:
            pauses = _counting(deadline.pauses, deadline.target, stop) if kind == "late" else []
            counts = used_of(start, stop, deadline.target, kept, pauses)
        used += counts
        reason = reason_at(calendar, to_us(start)) if calendar and kind != "late" else Reason()
        _add(lines, Line(start, stop, kind, why, stop - start, counts, used, reason.cause, reason.names))
    return tuple(lines)


_REST = frozenset({"night", "day_off"})


def _add(lines: list[Line], line: Line) -> None:
    """A closed line goes on from the one before when both are closed for the same reason; a weekend has its nights."""
    last = lines[-1] if lines else None
    if last is None or not (last.kind == line.kind == "closed" and _is_one(last, line)):
        lines.append(line)
        return
    cause: Cause = "day_off" if "day_off" in {last.cause, line.cause} else line.cause
    wall, counts = last.wall + line.wall, last.counts + line.counts
    lines[-1] = replace(last, end=line.end, wall=wall, counts=counts, used=line.used, cause=cause)


def _is_one(last: Line, line: Line) -> bool:
    is_rest = {last.cause, line.cause} <= _REST and not (last.names or line.names)
    return is_rest or (last.cause, last.names) == (line.cause, line.names)


def _edges(deadline: Deadline, calendar: Calendar | None, end: datetime, now: datetime) -> list[datetime]:
    """Where one line ends and the next begins."""
    last = min(end, deadline.due or end)
    spans: list[Span] = calendar.spans(to_us(deadline.start), to_us(last)) if calendar else []
    edges = {from_us(us) for span in spans for us in span}
    if calendar is not None:
        edges |= {at for at in midnights(calendar, deadline.start, last) if not _is_within(spans, to_us(at))}
    for pause in deadline.pauses:
        edges |= {pause.start, pause.end or now}
    if deadline.stopped_at is None:
        edges.add(now)
    inside = {edge for edge in edges if deadline.start < edge < last}
    return sorted({deadline.start, *inside, last, end})


def _is_within(spans: Sequence[Span], us: int) -> bool:
    place = bisect_right(spans, (us, us)) - 1
    return place >= 0 and spans[place][0] < us < spans[place][1]


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
