"""Ingest → tickets: what an alarm means for the desk. Every decision is a named value with its reason (pure).

Exactly one open ticket per fault key: an alarm that comes again joins it. Life safety calls again each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloud.sla.policy import is_higher, priority_of

FLOOD, CHATTERING = "alarm_flood", "alarm_chattering"
"""The rules of a storm's own alarm: many alarms at once, or one that comes again and again."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm as the cloud accepted it. Instants in epoch milliseconds."""

    fault_key: str
    severity: str
    raised_at: int
    accepted_at: int
    suppressed_by: str = ""
    is_known: bool = False
    """This very activation was accepted before."""
    is_over: bool = False
    """It was over before anybody could be told of it: the gateway was cut off."""

    @property
    def is_life_safety(self) -> bool:
        return self.severity == "life_safety"


@dataclass(frozen=True, slots=True)
class Known:
    """A ticket of the same fault: the open one, or else the last closed one."""

    id: int
    state: str
    priority: str
    closed_at: int | None = None

    @property
    def is_resolved(self) -> bool:
        return self.state in {"resolved", "verified"}


@dataclass(frozen=True, slots=True)
class IgnoreDuplicate:
    """The same activation again: nothing changes."""


@dataclass(frozen=True, slots=True)
class IgnoreSuppressed:
    """Silenced by design: recorded, no ticket."""

    by: str


@dataclass(frozen=True, slots=True)
class IgnoreAdvisory:
    """Worth knowing, not worth a ticket."""


@dataclass(frozen=True, slots=True)
class Open:
    """A new ticket, linked to the last one of this fault if there was one."""

    priority: str
    previous: int | None = None


@dataclass(frozen=True, slots=True)
class OpenPast:
    """A new ticket for something that began and ended unheard: marked as past, calls nobody."""

    priority: str
    previous: int | None = None


@dataclass(frozen=True, slots=True)
class AppendTo:
    """Another occurrence of an open ticket, which may press more than before."""

    ticket: int
    raise_to: str | None = None


@dataclass(frozen=True, slots=True)
class ActivateAgain:
    """Life safety came again on an open ticket: new response and arrival clocks, and calls."""

    ticket: int
    raise_to: str | None = None


@dataclass(frozen=True, slots=True)
class Reopen:
    """The fault is back after its repair, within the reopen window: the same ticket and clocks go on."""

    ticket: int
    is_activation: bool
    raise_to: str | None = None


@dataclass(frozen=True, slots=True)
class MarkCleared:
    """The condition went away: the ticket notes it and stays open."""

    ticket: int
    is_past: bool
    """It was over before anybody could be told of it."""


Decision = IgnoreDuplicate | IgnoreSuppressed | IgnoreAdvisory | Open | OpenPast | AppendTo | ActivateAgain | Reopen


def on_raised(alarm: Raised, current: Known | None, last: Known | None, reopen_window_ms: int) -> Decision:
    """What to do with a raised alarm. ``current`` is the open ticket of its fault key, ``last`` the latest closed one."""
    if alarm.is_known:
        return IgnoreDuplicate()
    if alarm.suppressed_by:
        return IgnoreSuppressed(alarm.suppressed_by)
    priority = priority_of(alarm.severity)
    if priority is None:
        return IgnoreAdvisory()
    return _join(alarm, current, priority) if current else _begin(alarm, last, priority, reopen_window_ms)


def on_cleared(ticket: Known | None, *, is_old_news: bool) -> MarkCleared | None:
    """What to do when a condition is seen gone; None without an open ticket."""
    return MarkCleared(ticket.id, is_past=is_old_news) if ticket is not None else None


def _begin(alarm: Raised, last: Known | None, priority: str, reopen_window_ms: int) -> Decision:
    previous = last.id if last else None
    if alarm.is_over:
        return OpenPast(priority, previous)
    if last is not None and _is_within(alarm, last, reopen_window_ms):
        return Reopen(last.id, alarm.is_life_safety, _raise(priority, last.priority))
    return Open(priority, previous)


def _join(alarm: Raised, ticket: Known, priority: str) -> Decision:
    more = _raise(priority, ticket.priority)
    if alarm.is_over:
        return AppendTo(ticket.id, more)
    if ticket.is_resolved:
        return Reopen(ticket.id, alarm.is_life_safety, more)
    return ActivateAgain(ticket.id, more) if alarm.is_life_safety else AppendTo(ticket.id, more)


def _is_within(alarm: Raised, last: Known, window_ms: int) -> bool:
    """Only a closed ticket comes back; a cancelled one was no fault."""
    return last.state == "closed" and last.closed_at is not None and alarm.accepted_at - last.closed_at <= window_ms


def _raise(priority: str, present: str) -> str | None:
    return priority if is_higher(priority, present) else None
