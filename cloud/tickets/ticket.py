"""Ticket: its states, and the one table that says which action takes it where and who may do it (pure).

Buttons, API, tests and documentation are derived from ``TRANSITIONS``.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """What a ticket is about."""

    FAULT = "fault"
    """An alarm, or what a person saw without one."""
    TEST = "test"
    """A periodic test that was missed or failed."""
    MAINTENANCE = "maintenance"
    REQUEST = "request"
    COMPLAINT = "complaint"
    INSPECTION = "inspection"
    """A finding of a round."""
    OUTAGE = "outage"
    """A planned interruption, with its permit to work."""


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
    MERGED = "merged"
    """Over: another ticket goes on with it (``merged_into_id``)."""

    @property
    def is_open(self) -> bool:
        return self not in {State.CLOSED, State.CANCELLED, State.MERGED}


class Action(enum.StrEnum):
    """What a person does to a ticket."""

    ENTER = "enter"
    DISPATCH = "dispatch"
    ACKNOWLEDGE = "acknowledge"
    ARRIVE = "arrive"
    START = "start"
    RESTORE = "restore"
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
    MERGE = "merge"
    LINK = "link"
    UNLINK = "unlink"
    SET_PARENT = "set_parent"
    LEAVE_PARENT = "leave_parent"


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


EVERY_KIND: tuple[Kind, ...] = tuple(Kind)
ENTERED_KINDS: tuple[Kind, ...] = (Kind.FAULT, Kind.MAINTENANCE, Kind.REQUEST, Kind.COMPLAINT, Kind.INSPECTION)
"""What staff enter. Tests come from the schedule, outages have a form of their own."""
CUSTOMER_KINDS: tuple[Kind, ...] = (Kind.REQUEST, Kind.COMPLAINT)
"""Somebody waits for the answer: closing needs the follow-up call, or a manager's reason for doing without (g-4.1.2-revisit)."""
_WORK = tuple(kind for kind in Kind if kind is not Kind.OUTAGE)  # an outage is walked by its permit (permits.STEPS)
_OTHER_WORK = tuple(kind for kind in _WORK if kind not in CUSTOMER_KINDS)


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. ``to`` None keeps the state; ``entry`` is the kind of the timeline's new line."""

    action: Action
    sources: tuple[State, ...]
    """Empty: the ticket does not exist yet."""
    to: State | None
    role: Role
    """The least role that may; every later role may too."""
    entry: str
    needs: tuple[str, ...] = ()
    """What must be given with it."""
    kinds: tuple[Kind, ...] = _WORK
    """Which tickets it applies to. An action has at most one row for a kind and a state."""


S, A, R = State, Action, Role
_WAITING = (S.NEW, S.DISPATCHED)
_WORKING = (S.ACKNOWLEDGED, S.ON_SITE, S.IN_PROGRESS)
_UNRESOLVED = (*_WAITING, *_WORKING, S.ON_HOLD)
_OPEN = tuple(state for state in State if state.is_open)
_ANY = tuple(State)

TRANSITIONS: tuple[Transition, ...] = (
    Transition(A.ENTER, (), S.NEW, R.TECHNICIAN, "opened", ("title",), ENTERED_KINDS),
    Transition(A.DISPATCH, _WAITING, S.DISPATCHED, R.ENGINEER, "dispatched", ("holder",)),
    Transition(A.ACKNOWLEDGE, _WAITING, S.ACKNOWLEDGED, R.TECHNICIAN, "acknowledged"),
    Transition(A.ARRIVE, (*_WAITING, S.ACKNOWLEDGED, S.IN_PROGRESS), S.ON_SITE, R.TECHNICIAN, "arrived"),
    Transition(A.START, (S.ACKNOWLEDGED, S.ON_SITE), S.IN_PROGRESS, R.TECHNICIAN, "started"),
    Transition(A.RESTORE, (*_WAITING, *_WORKING, S.ON_HOLD), None, R.TECHNICIAN, "restored"),
    Transition(A.HOLD, _WORKING, S.ON_HOLD, R.TECHNICIAN, "held", ("reason",)),
    Transition(A.RESUME, (S.ON_HOLD,), S.IN_PROGRESS, R.TECHNICIAN, "resumed"),
    Transition(A.RESOLVE, (*_WORKING, S.ON_HOLD), S.RESOLVED, R.TECHNICIAN, "resolved", ("cause", "action")),
    Transition(A.VERIFY, (S.RESOLVED,), S.VERIFIED, R.ENGINEER, "verified", ("asked", "answer")),
    Transition(A.CLOSE, (S.RESOLVED, S.VERIFIED), S.CLOSED, R.ENGINEER, "closed", (), _OTHER_WORK),
    Transition(A.CLOSE, (S.VERIFIED,), S.CLOSED, R.ENGINEER, "closed", (), CUSTOMER_KINDS),
    Transition(A.CLOSE, (S.RESOLVED,), S.CLOSED, R.MANAGER, "closed", ("reason",), CUSTOMER_KINDS),
    Transition(A.REOPEN, (S.RESOLVED, S.VERIFIED, S.CLOSED), S.IN_PROGRESS, R.TECHNICIAN, "reopened", ("reason",)),
    Transition(A.CANCEL, _UNRESOLVED, S.CANCELLED, R.MANAGER, "cancelled", ("reason",)),
    Transition(A.NOTE, _ANY, None, R.TECHNICIAN, "noted", ("note",), EVERY_KIND),
    Transition(A.HAND_OVER, _UNRESOLVED, None, R.TECHNICIAN, "handed_over", ("holder",), EVERY_KIND),
    Transition(A.SET_PRIORITY, _UNRESOLVED, None, R.ENGINEER, "reclassified", ("priority", "reason")),
    Transition(A.MERGE, _UNRESOLVED, S.MERGED, R.ENGINEER, "merged", ("into", "reason")),
    Transition(A.LINK, _ANY, None, R.TECHNICIAN, "linked", ("other", "relation"), EVERY_KIND),
    Transition(A.UNLINK, _ANY, None, R.TECHNICIAN, "unlinked", ("other", "relation"), EVERY_KIND),
    Transition(A.SET_PARENT, _OPEN, None, R.ENGINEER, "joined_parent", ("parent",), EVERY_KIND),
    Transition(A.LEAVE_PARENT, _OPEN, None, R.ENGINEER, "left_parent", ("reason",), EVERY_KIND),
)
OPEN_STATES: tuple[State, ...] = _OPEN
FINAL_STATES: tuple[State, ...] = tuple(state for state in State if not state.is_open)
_NAME = re.compile(r"T-(\d{1,12})")


def rows_of(action: Action, kind: Kind | str) -> tuple[Transition, ...]:
    """Every row of an action for a kind of ticket; empty when it does not apply to that kind."""
    return tuple(row for row in TRANSITIONS if row.action is action and kind in row.kinds)


def transition(action: Action, kind: Kind | str, state: State | str) -> Transition | None:
    """The one row that applies; None when the action does not."""
    return next((row for row in rows_of(action, kind) if state in row.sources), None)


def allowed(state: State | str, role: Role | str, kind: Kind | str) -> tuple[Action, ...]:
    """What a person of this role may do to a ticket of this kind in this state, in the table's order."""
    rank = Role(role).rank
    return tuple(
        row.action for row in TRANSITIONS if state in row.sources and kind in row.kinds and rank >= row.role.rank
    )


def needs(action: Action, kind: Kind | str, state: State | str) -> tuple[str, ...]:
    """Which details an action asks for."""
    row = transition(action, kind, state)
    return row.needs if row is not None else ()


def ticket_name(number: int) -> str:
    """``T-000123``."""
    return f"T-{number:06d}"


def parse_ticket(name: str) -> int:
    """The number of ``T-000123``. Raises ValueError saying what a ticket's name looks like."""
    match = _NAME.fullmatch(name.strip())
    if match is None:
        raise ValueError(f"{name!r} is not a ticket; write T- and its number, such as T-000123")
    return int(match[1])
