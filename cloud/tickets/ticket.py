"""Ticket: its states, and the one table that says which action takes it where and who may do it (pure).

Buttons, API, tests and documentation are derived from ``TRANSITIONS``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


class State(enum.StrEnum):
    """Where a ticket is in its life."""

    NEW = "new"
    DISPATCHED = "dispatched"
    ACKNOWLEDGED = "acknowledged"
    ON_SITE = "on_site"
    IN_PROGRESS = "in_progress"
    ON_HOLD = "on_hold"
    RESOLVED = "resolved"
    VERIFIED = "verified"
    CLOSED = "closed"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self not in {State.CLOSED, State.CANCELLED}


class Action(enum.StrEnum):
    """What a person does to a ticket."""

    DISPATCH = "dispatch"
    ACKNOWLEDGE = "acknowledge"
    ARRIVE = "arrive"
    START = "start"
    HOLD = "hold"
    RESUME = "resume"
    RESOLVE = "resolve"
    VERIFY = "verify"
    CLOSE = "close"
    REOPEN = "reopen"
    CANCEL = "cancel"
    NOTE = "note"
    HAND_OVER = "hand_over"
    SET_PRIORITY = "set_priority"


class Role(enum.StrEnum):
    """Who a person is here, least trusted first."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"
    ENGINEER = "engineer"
    MANAGER = "manager"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. ``to`` None keeps the state; ``entry`` is the kind of the timeline's new line."""

    action: Action
    sources: tuple[State, ...]
    to: State | None
    role: Role
    """The least role that may; every later role may too."""
    entry: str
    needs: tuple[str, ...] = ()
    """What must be given with it."""


S, A, R = State, Action, Role
_WAITING = (S.NEW, S.DISPATCHED)
_WORKING = (S.ACKNOWLEDGED, S.ON_SITE, S.IN_PROGRESS)
_UNRESOLVED = (*_WAITING, *_WORKING, S.ON_HOLD)
_OPEN = tuple(state for state in State if state.is_open)

TRANSITIONS: tuple[Transition, ...] = (
    Transition(A.DISPATCH, _WAITING, S.DISPATCHED, R.ENGINEER, "dispatched", ("holder",)),
    Transition(A.ACKNOWLEDGE, _WAITING, S.ACKNOWLEDGED, R.TECHNICIAN, "acknowledged"),
    Transition(A.ARRIVE, (*_WAITING, S.ACKNOWLEDGED, S.IN_PROGRESS), S.ON_SITE, R.TECHNICIAN, "arrived"),
    Transition(A.START, (S.ACKNOWLEDGED, S.ON_SITE), S.IN_PROGRESS, R.TECHNICIAN, "started"),
    Transition(A.HOLD, _WORKING, S.ON_HOLD, R.TECHNICIAN, "held", ("reason",)),
    Transition(A.RESUME, (S.ON_HOLD,), S.IN_PROGRESS, R.TECHNICIAN, "resumed"),
    Transition(A.RESOLVE, (*_WORKING, S.ON_HOLD), S.RESOLVED, R.TECHNICIAN, "resolved", ("cause", "action")),
    Transition(A.VERIFY, (S.RESOLVED,), S.VERIFIED, R.ENGINEER, "verified"),
    Transition(A.CLOSE, (S.RESOLVED, S.VERIFIED), S.CLOSED, R.ENGINEER, "closed"),
    Transition(A.REOPEN, (S.RESOLVED, S.VERIFIED, S.CLOSED), S.IN_PROGRESS, R.TECHNICIAN, "reopened", ("reason",)),
    Transition(A.CANCEL, _UNRESOLVED, S.CANCELLED, R.MANAGER, "cancelled", ("reason",)),
    Transition(A.NOTE, tuple(State), None, R.TECHNICIAN, "noted", ("note",)),
    Transition(A.HAND_OVER, _UNRESOLVED, None, R.TECHNICIAN, "handed_over", ("holder",)),
    Transition(A.SET_PRIORITY, _UNRESOLVED, None, R.ENGINEER, "reclassified", ("priority", "reason")),
)
OPEN_STATES: tuple[State, ...] = _OPEN
_BY_ACTION: Mapping[Action, Transition] = MappingProxyType({row.action: row for row in TRANSITIONS})
_NAME = re.compile(r"T-(\d{1,12})")


def transition(action: Action) -> Transition:
    """The row of an action."""
    return _BY_ACTION[action]


def allowed(state: State | str, role: Role | str) -> tuple[Action, ...]:
    """What a person of this role may do to a ticket in this state, in the table's order."""
    return tuple(row.action for row in TRANSITIONS if state in row.sources and Role(role).rank >= row.role.rank)


def needs(action: Action) -> tuple[str, ...]:
    """Which details an action asks for."""
    return _BY_ACTION[action].needs


def ticket_name(number: int) -> str:
    """``T-000123``."""
    return f"T-{number:06d}"


def parse_ticket(name: str) -> int:
    """The number of ``T-000123``. Raises ValueError saying what a ticket's name looks like."""
    match = _NAME.fullmatch(name.strip())
    if match is None:
        raise ValueError(f"{name!r} is not a ticket; write T- and its number, such as T-000123")
    return int(match[1])
