"""Sla → escalation: when does which step of a chain call, and what ends it (pure).

A chain is a list of steps. Each has a trigger (a clock's start, a share of its target, its breach, or a line of the timeline), a
delay in that clock's own time base, whom it calls, and what stops it. Nothing is remembered here: the same timeline gives the same calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Literal

import msgspec

from cloud.sla.calendar import Calendar, Hold, due, elapsed
from cloud.sla.timeline import Deadline, Entry

Trigger = Literal["opened", "warned", "breached", "event"]
TRIGGERS: tuple[Trigger, ...] = ("opened", "warned", "breached", "event")
MOST_REPEATS = 100
_OVER = frozenset({"resolved", "closed", "cancelled", "merged"})
STOPS: Mapping[str, frozenset[str]] = {
    "acknowledged": frozenset({"acknowledged", "arrived", "started"}) | _OVER,
    "arrived": frozenset({"arrived"}) | _OVER,
    "restored": frozenset({"restored"}) | _OVER,
    "resolved": _OVER,
}
"""Stop condition to the lines of the timeline that meet it."""
STOP_OF: Mapping[str, str] = {
    "response": "acknowledged", "arrival": "arrived", "service": "restored", "resolution": "resolved",
}  # fmt: skip
"""What ends a step that says nothing itself: an acknowledgement ends the calls of the response clock and of no other."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a chain.

    ``whom``: ``role:NAME``, ``person:NAME``, ``address:NAME``, ``holder`` or ``watchers``. ``by``: kinds of channel, empty for any.
    ``share`` goes with ``warned`` (of the target used up), ``event`` with the trigger of that name (a kind of line).
    """

    whom: tuple[str, ...]
    clock: str = "response"
    trigger: Trigger = "opened"
    after: timedelta = timedelta(0)
    by: tuple[str, ...] = ()
    repeat_every: timedelta | None = None
    repeats: int = 0
    until: str = ""
    share: float = 0.75
    event: str = ""

    @property
    def group(self) -> str:
        """What its calls are counted by: the clock, or the kind of event."""
        return self.event if self.trigger == "event" else self.clock

    @property
    def stop(self) -> str:
        """Which condition ends it."""
        return self.until or STOP_OF.get("resolution" if self.trigger == "event" else self.clock, "resolved")


Chain = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One moment at which a step calls. ``stopped_at`` is when its stop condition came, if it has."""

    clock: str
    activation: int
    step: int
    repeat: int
    trigger: str
    due: datetime
    stopped_at: datetime | None

    @property
    def group(self) -> tuple[str, int]:
        return self.clock, self.activation

    @property
    def key(self) -> tuple[str, int, int, int]:
        return self.clock, self.activation, self.step, self.repeat

    @property
    def is_live(self) -> bool:
        """Whether it still has to be made: nothing had stopped it."""
        return self.stopped_at is None

    @property
    def was_wanted(self) -> bool:
        """Whether its instant came before its stop condition."""
        return self.stopped_at is None or self.due < self.stopped_at


@dataclass(frozen=True, slots=True)
class Story:
    """What a ticket's calls follow from. ``entries`` in the order of recording; ``numbered`` is the chain with its steps' numbers."""

    entries: Sequence[Entry]
    deadlines: Sequence[Deadline]
    calendars: Mapping[str, Calendar]
    numbered: Sequence[tuple[int, Step]]


def calls(story: Story) -> list[Call]:
    """Every call that the chain makes if nothing more happens, past and to come, by instant."""
    found: list[Call] = []
    for number, step in story.numbered:
        found += _of_events(story, number, step) if step.trigger == "event" else _of_clocks(story, number, step)
    return sorted(found, key=lambda call: (call.due, call.step, call.repeat))


def _of_clocks(story: Story, number: int, step: Step) -> Iterator[Call]:
    for deadline in story.deadlines:
        if deadline.clock == step.clock:
            first = _position(story.entries, deadline.activation)
            stopped_at = _stopped(story.entries, first, step.stop)
            for repeat, at in _instants(story, deadline, step):
                yield Call(step.clock, deadline.activation, number, repeat, step.trigger, at, stopped_at)


def _of_events(story: Story, number: int, step: Step) -> Iterator[Call]:
    count = 0
    for index, entry in enumerate(story.entries):
        if entry.kind == step.event:
            count += 1
            stopped_at = _stopped(story.entries, index, step.stop, is_final=True)
            for repeat in range(_repeats(step) + 1):
                at = entry.at + step.after + repeat * (step.repeat_every or timedelta(0))
                yield Call(step.event, count, number, repeat, "event", at, stopped_at)


def _repeats(step: Step) -> int:
    return min(step.repeats, MOST_REPEATS) if step.repeat_every else 0


def _position(entries: Sequence[Entry], activation: int) -> int:
    """Where the line stands with which an activation began."""
    starts = [index for index, entry in enumerate(entries) if entry.kind in {"opened", "activated"}]
    return starts[activation - 1] if activation <= len(starts) else 0


def _stopped(entries: Sequence[Entry], first: int, stop: str, *, is_final: bool = False) -> datetime | None:
    """When the condition came that ends a step begun at line ``first``. Unless ``is_final``, reopening undoes a resolution."""
    found: datetime | None = None
    for entry in entries[first + 1 :]:
        if found is None and entry.kind in STOPS[stop]:
            found = entry.at
        elif entry.kind == "reopened" and stop == "resolved" and not is_final:
            found = None
    return found


def _instants(story: Story, deadline: Deadline, step: Step) -> Iterator[tuple[int, datetime]]:
    """A step's moments on one clock: delay and repeats run as the clock itself does, in its calendar and outside its holds."""
    calendar = story.calendars.get(deadline.target.calendar) if deadline.target.calendar else None
    holds = [(pause.start, pause.end) for pause in deadline.pauses if pause.end is not None]
    standing = next((pause.start for pause in deadline.pauses if pause.end is None), None)
    begin = _begin(deadline, step, calendar, holds)
    if begin is None or (step.trigger != "opened" and deadline.stopped_at is not None and deadline.stopped_at <= begin):
        return  # a clock that was met in time warns of nothing, whatever its steps wait for
    for repeat in range(_repeats(step) + 1):
        wait = step.after + repeat * (step.repeat_every or timedelta(0))
        at = due(begin, wait, calendar, holds) if wait else begin
        if standing is not None and at > standing:
            return  # the clock stands: nothing is called for until it runs again
        yield repeat, at


def _begin(deadline: Deadline, step: Step, calendar: Calendar | None, holds: Sequence[Hold]) -> datetime | None:
    """The instant of a step's trigger; None while a held clock has none."""
    if step.trigger == "opened":
        return deadline.start
    if step.trigger == "breached":
        return deadline.breached_at or deadline.due
    if deadline.due is None:
        return None
    whole = elapsed(deadline.start, max(deadline.due, deadline.start), calendar, holds)
    return due(deadline.start, whole * step.share, calendar, holds)


# --- choosing -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """A chain as it was configured, and the tickets that it binds; an empty condition binds all."""

    steps: Chain
    site: str = ""
    kind: str = ""
    priority: str = ""
    emergency: str = ""

    def rank(self, ticket: Mapping[str, Any]) -> int:
        """How precisely it names a ticket: 0 not at all. An emergency says most, then priority, kind, site."""
        asked = (
            (self.emergency, "emergency"),
            (self.priority, "priority"),
            (self.kind, "kind"),
            (self.site, "site_id"),
        )
        rank = 1
        for value, name in asked:
            if value and value != ticket[name]:
                return 0
            rank = 2 * rank + bool(value)
        return rank


def choose(kept: Sequence[Kept], ticket: Mapping[str, Any]) -> Chain:
    """The chain of a ticket: of those that bind it the most precise, else the shipped one."""
    best = max((*kept, *SHIPPED), key=lambda one: one.rank(ticket))
    return best.steps


_MINUTE = timedelta(minutes=1)
_WORK = ("holder", "watchers", "role:technician")
_EVENTS: Chain = tuple(
    Step(whom, trigger="event", event=event)
    for event, whom in (
        ("reopened", _WORK),
        ("permit_ending", ("holder", "role:engineer")),
        ("permit_overrun", ("holder", "role:engineer", "role:manager")),
        ("permit_unapplied", ("holder", "role:engineer")),
    )
)
SHIPPED: tuple[Kept, ...] = (
    Kept(
        (
            Step(_WORK),
            Step(("role:engineer",), trigger="warned", share=0.75),
            Step(("role:manager",), trigger="breached", repeat_every=30 * _MINUTE, repeats=3),
            Step(("holder", "role:engineer"), "arrival", "warned", share=0.75),
            Step(("role:manager",), "arrival", "breached"),
            Step(("holder", "watchers", "role:engineer"), "resolution", "warned", share=0.9),
            Step(("holder", "role:manager"), "resolution", "breached"),
            Step(("role:engineer", "role:manager"), "service", "warned", share=0.5),
            Step(("role:manager",), "service", "breached"),
            *_EVENTS,
        )
    ),
    Kept(
        (
            Step(("role:technician", "role:engineer", "watchers"), repeat_every=2 * _MINUTE, repeats=5),
            Step(("role:manager",), after=5 * _MINUTE, repeat_every=5 * _MINUTE, repeats=6),
            Step(("role:manager", "role:admin"), trigger="breached", repeat_every=10 * _MINUTE, repeats=6),
            Step(("holder", "role:engineer"), "arrival", "warned", share=0.5),
            Step(("role:manager",), "arrival", "breached", repeat_every=10 * _MINUTE, repeats=6),
            Step(("holder", "role:engineer"), "resolution", "warned", share=0.75),
            Step(("role:manager",), "resolution", "breached"),
            *_EVENTS,
        ),
        priority="life_safety",
    ),
)
"""The calling steps that apply until a site has its own: responsible people first, then who answers for them (clause g-3.11-report)."""


# --- as plain data ------------------------------------------------------------------------------------------------


def to_plain(steps: Chain) -> list[dict[str, Any]]:
    """A chain as JSON keeps it; durations in whole seconds."""
    return [
        {
            "whom": list(step.whom), "clock": step.clock, "trigger": step.trigger, "after_s": _seconds(step.after),
            "by": list(step.by), "repeat_every_s": _seconds(step.repeat_every), "repeats": step.repeats,
            "until": step.until, "share": step.share, "event": step.event,
        }
        for step in steps
    ]  # fmt: skip


def _seconds(length: timedelta | None) -> int:
    return round(length.total_seconds()) if length else 0


def from_plain(rows: Sequence[Mapping[str, Any]]) -> Chain:
    """The reverse of ``to_plain``. Most tickets have the same chain: it is made once."""
    return _made(msgspec.json.encode(rows))


@lru_cache(maxsize=64)
def _made(rows: bytes) -> Chain:
    return tuple(
        Step(
            whom=tuple(row["whom"]), clock=row["clock"], trigger=row["trigger"], after=timedelta(seconds=row["after_s"]),
            by=tuple(row["by"]), repeat_every=timedelta(seconds=row["repeat_every_s"]) or None, repeats=row["repeats"],
            until=row["until"], share=row["share"], event=row["event"],
        )
        for row in msgspec.json.decode(rows)
    )  # fmt: skip
