"""Tickets → reports: clocks and tickets as rows in, figures with their sums out (pure).

Every share names its numerator, its denominator and what was left out and why (docs/figures.md). A clock belongs to the
period in which it was breached or, unbreached, due; so neither a later edit nor a later stop moves it to another one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal, NamedTuple

from cloud.sla.policy import CLOCKS
from contract.conventions import EpochMs

Population = Literal["ordinary", "life_safety", "past"]
POPULATIONS: Final[tuple[Population, ...]] = ("ordinary", "life_safety", "past")
"""Counted apart: life safety knows no calendar and no hold; ``past`` was over before anybody could be told."""
Outcome = Literal["met", "breached", "running", "left_out"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("met", "breached", "running", "left_out")
BY: Final = ("site", "system", "person", "clause", "kind", "priority")
DROPPED: Final = frozenset({"cancelled", "merged"})
DAY_MS: Final = 86_400_000
REPEAT_MS: Final = 30 * DAY_MS
"""A fault that had a ticket this short a time before is a repeat."""
AGES_H: Final = (24, 72, 168, 720)
"""Ages of open tickets, in hours: up to a day, three days, a week, thirty days, and above."""


class ClockRow(NamedTuple):
    """One clock of one ticket. Instants in epoch ms; ``key`` is what the figures are grouped by."""

    key: str
    ticket: int
    clock: str
    activation: int
    start_at: EpochMs
    due_at: EpochMs | None
    met_at: EpochMs | None
    breached_at: EpochMs | None
    used_s: float
    state: str
    priority: str
    is_past: bool
    began_at: EpochMs | None
    closed_at: EpochMs | None


class TicketRow(NamedTuple):
    """One ticket that was opened in the period."""

    key: str
    state: str
    is_past: bool
    began_at: EpochMs | None
    received_at: EpochMs | None
    resolved_at: EpochMs | None
    closed_at: EpochMs | None
    reopened: int
    is_fault: bool
    is_repeat: bool
    site: str
    equipment: str


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    numerator: int
    denominator: int

    @property
    def percent(self) -> float | None:
        """None when there is nothing to take a share of: never 0, never 100."""
        return 100 * self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds, to the millisecond. A percentile is a duration that occurred: of n in order, number ceil(p · n)."""

    count: int
    mean_s: float | None = None
    p50_s: float | None = None
    p90_s: float | None = None
    p95_s: float | None = None
    max_s: float | None = None

    @classmethod
    def of(cls, values_ms: Iterable[int]) -> Durations:
        ordered = sorted(values_ms)
        count = len(ordered)
        if not count:
            return cls(0)
        ranked = (ordered[-(-share * count // 100) - 1] / 1000 for share in (50, 90, 95, 100))
        return cls(count, round(sum(ordered) / count / 1000, 3), *ranked)


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """One clock in one population. ``met + breached + running`` is ``due``; ``left_out`` is not in it."""

    clock: str
    met: int
    breached: int
    running: int
    left_out: Mapping[str, int]
    """Why and how many: clocks that a cancellation or a merge stopped before they were due."""
    elapsed: Durations
    """From acceptance to the stop, every second, of the clocks that stopped."""
    working: Durations
    """The same, as far as it counts against the target: open hours of its calendar, without holds."""
    since_began: Durations
    """From when the fault began to the stop, of those clocks whose beginning is known."""

    @property
    def due(self) -> int:
        return self.met + self.breached + self.running

    @property
    def in_time(self) -> Share:
        return Share(self.met, self.met + self.breached)


@dataclass(frozen=True, slots=True)
class TicketFigures:
    """Tickets opened in the period. ``past``, ``cancelled`` and ``merged`` are in ``opened`` and in nothing else."""

    opened: int
    past: int
    left_out: Mapping[str, int]
    handled: Share
    """Of those that count, those resolved or closed by now (of complaints clause m-2.1.3-95 asks at least 95 %)."""
    reopened: Share
    """Of those resolved at least once, those opened again at least once."""
    repeats: Share
    """Of the faults, those that had a ticket in the 30 days before."""
    news_late: Durations
    """From when the fault began to when the cloud accepted the news."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """One piece of equipment whose faults came again."""

    site: str
    equipment: str
    tickets: int
    repeats: int


@dataclass(frozen=True, slots=True)
class Group:
    """All figures of one site, system, person … ; of everything together when ``key`` is None."""

    key: str | None
    clocks: Mapping[Population, tuple[ClockFigures, ...]]
    tickets: TicketFigures


@dataclass(slots=True)
class _Clock:
    met: int = 0
    breached: int = 0
    running: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    elapsed: list[int] = field(default_factory=list)
    working: list[int] = field(default_factory=list)
    since_began: list[int] = field(default_factory=list)

    def add(self, row: ClockRow, now: EpochMs) -> None:
        match outcome(row, now):
            case "left_out":
                self.left_out[row.state] = self.left_out.get(row.state, 0) + 1
                return
            case "breached":
                self.breached += 1
            case "met":
                self.met += 1
            case "running":
                self.running += 1
        if row.met_at is not None and not _was_stopped_by_end(row):
            self._measure(row, row.met_at)

    def _measure(self, row: ClockRow, stopped: EpochMs) -> None:
        self.elapsed.append(stopped - row.start_at)
        self.working.append(round(row.used_s * 1000))
        if row.began_at is not None and row.activation == 1:
            self.since_began.append(stopped - row.began_at)


def outcome(row: ClockRow, now: EpochMs) -> Outcome:
    """What became of a clock. A recorded breach stays, whatever came later."""
    if row.breached_at is not None:
        return "breached"
    if _was_stopped_by_end(row):
        return "left_out"
    if row.due_at is not None and (now if row.met_at is None else row.met_at) > row.due_at:
        return "breached"  # nobody has looked yet
    return "running" if row.met_at is None else "met"


def _was_stopped_by_end(row: ClockRow) -> bool:
    """Whether no work but a cancellation or a merge stopped it."""
    is_dropped = row.state in DROPPED and row.closed_at is not None
    return is_dropped and row.met_at is not None and row.met_at >= (row.closed_at or 0)


def population(row: ClockRow) -> Population:
    if row.is_past:
        return "past"
    return "life_safety" if row.priority == "life_safety" else "ordinary"


@dataclass(slots=True)
class _Tickets:
    opened: int = 0
    past: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    handled: int = 0
    resolved: int = 0
    reopened: int = 0
    faults: int = 0
    repeats: int = 0
    news_late: list[int] = field(default_factory=list)

    @property
    def counted(self) -> int:
        return self.opened - self.past - sum(self.left_out.values())

    def add(self, row: TicketRow) -> None:
        self.opened += 1
        if row.is_past:
            self.past += 1
            return
        if row.state in DROPPED:
            self.left_out[row.state] = self.left_out.get(row.state, 0) + 1
            return
        is_handled = row.resolved_at is not None or row.closed_at is not None
        self.handled += is_handled
        self.resolved += is_handled or row.reopened > 0
        self.reopened += row.reopened > 0
        self.faults += row.is_fault
        self.repeats += row.is_fault and row.is_repeat
        if row.began_at is not None and row.received_at is not None:
            self.news_late.append(max(0, row.received_at - row.began_at))


class Tally:
    """Takes rows in any order and as many at a time as the caller likes; ``total`` and ``groups`` say what they come to."""

    def __init__(self, now: EpochMs) -> None:
        self._now = now
        self._clocks: dict[str, dict[tuple[Population, str], _Clock]] = defaultdict(lambda: defaultdict(_Clock))
        self._tickets: dict[str, _Tickets] = defaultdict(_Tickets)
        self._equipment: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def add_clocks(self, rows: Iterable[ClockRow]) -> None:
        for row in rows:
            self._clocks[row.key][population(row), row.clock].add(row, self._now)

    def add_tickets(self, rows: Iterable[TicketRow]) -> None:
        for row in rows:
            self._tickets[row.key].add(row)
            if row.is_fault and row.state not in DROPPED and not row.is_past:
                counts = self._equipment[row.site, row.equipment]
                counts[0] += 1
                counts[1] += row.is_repeat

    def total(self) -> Group:
        """Everything together."""
        return _group(None, list(self._clocks.values()), list(self._tickets.values()))

    def groups(self) -> tuple[Group, ...]:
        """One group a key, in the keys' order."""
        keys = sorted({*self._clocks, *self._tickets})
        return tuple(
            _group(key, [self._clocks.get(key, {})], [self._tickets[key]] if key in self._tickets else [])
            for key in keys
        )

    def worst(self, most: int = 10) -> tuple[Repeats, ...]:
        """The equipment with the most repeated faults."""
        found = (Repeats(*of, *counts) for of, counts in self._equipment.items() if counts[1])
        return tuple(sorted(found, key=lambda one: (-one.repeats, -one.tickets, one.site, one.equipment))[:most])


def _group(
    key: str | None, clocks: Sequence[Mapping[tuple[Population, str], _Clock]], tickets: Sequence[_Tickets]
) -> Group:
    found: dict[Population, tuple[ClockFigures, ...]] = {}
    for of in POPULATIONS:
        parts = ((clock, [one[of, clock] for one in clocks if (of, clock) in one]) for clock in CLOCKS)
        found[of] = tuple(_clock_figures(clock, some) for clock, some in parts if some)
    return Group(key, found, _ticket_figures(tickets))


def _clock_figures(clock: str, parts: Sequence[_Clock]) -> ClockFigures:
    return ClockFigures(
        clock=clock,
        met=sum(one.met for one in parts),
        breached=sum(one.breached for one in parts),
        running=sum(one.running for one in parts),
        left_out=_added(one.left_out for one in parts),
        elapsed=Durations.of(chain.from_iterable(one.elapsed for one in parts)),
        working=Durations.of(chain.from_iterable(one.working for one in parts)),
        since_began=Durations.of(chain.from_iterable(one.since_began for one in parts)),
    )


def _ticket_figures(parts: Sequence[_Tickets]) -> TicketFigures:
    return TicketFigures(
        opened=sum(one.opened for one in parts),
        past=sum(one.past for one in parts),
        left_out=_added(one.left_out for one in parts),
        handled=Share(sum(one.handled for one in parts), sum(one.counted for one in parts)),
        reopened=Share(sum(one.reopened for one in parts), sum(one.resolved for one in parts)),
        repeats=Share(sum(one.repeats for one in parts), sum(one.faults for one in parts)),
        news_late=Durations.of(chain.from_iterable(one.news_late for one in parts)),
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in counts:
        for why, number in one.items():
            found[why] = found.get(why, 0) + number
    return dict(sorted(found.items()))
