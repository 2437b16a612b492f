"""dashboard: the table of transitions → the buttons and forms of a ticket. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloud.dashboard.present import Here
from cloud.dashboard.rows import TicketRow
from cloud.sla.policy import PRIORITIES
from cloud.tickets.joining import RELATIONS
from cloud.tickets.service import Move
from cloud.tickets.ticket import Action, allowed, needs

Choice = tuple[str, str]
"""What a field sends, and how it is called."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the forms offer besides the ticket's own values."""

    people: Sequence[Choice] = ()
    tickets: Sequence[Choice] = ()
    """Tickets that this one may be joined to, offered while somebody types a number."""
    children: Sequence[Choice] = ()
    """Open parts of this ticket that can be resolved now."""
    moves: Mapping[str, Sequence[Move]] = field(default_factory=dict)
    """By priority what choosing it would move."""
    reporter: str = ""
    """Whom the follow-up call asks first."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    label: str
    kind: str
    is_required: bool
    choices: tuple[Choice, ...] = ()
    chosen: str = ""
    notes: tuple[tuple[str, ...], ...] = ()
    """Beside each choice, what choosing it would mean."""


@dataclass(frozen=True, slots=True)
class Step:
    id: str
    is_primary: bool
    is_form: bool
    fields: tuple[Field, ...]

    @property
    def is_joining(self) -> bool:
        """It is about other tickets and stands with them."""
        return self.id in _JOINING


_PRIMARY: Final = ("acknowledge", "arrive", "start", "resume", "resolve", "verify", "close")
_JOINING: Final = frozenset({"merge", "link", "unlink", "set_parent", "leave_parent"})
_OPTIONAL: Final[Mapping[str, tuple[str, ...]]] = {"hold": ("until",), "resolve": ("children",)}
_KINDS: Final = {
    "cause": "long", "action": "long", "reason": "line", "note": "long", "until": "until", "answer": "long",
    "into": "ticket", "other": "ticket", "parent": "ticket",
}  # fmt: skip


def steps(ticket: TicketRow, role: str, around: Around, here: Here) -> tuple[Step, ...]:
    """The buttons that the table of transitions allows this role in this state, the next one first."""
    possible = [action for action in allowed(ticket.state, role, ticket.kind) if action is not Action.NOTE]
    primary = next_step([str(action) for action in possible], ticket)
    ordered = sorted(possible, key=lambda action: str(action) != primary)
    return tuple(_step(action, ticket, around, here, is_primary=str(action) == primary) for action in ordered)


def next_step(possible: Sequence[str], ticket: TicketRow) -> str:
    """The one primary button: take it, be there where an arrival clock runs, start, resolve, verify, close."""
    is_arriving = any(d.clock == "arrival" and d.met_at is None for d in ticket.deadlines)
    return next((name for name in _PRIMARY if name in possible and (name != "arrive" or is_arriving)), "")


def _step(action: Action, ticket: TicketRow, around: Around, here: Here, *, is_primary: bool) -> Step:
    asked = needs(action, ticket.kind, ticket.state)
    required = (*asked, "reason") if action is Action.CLOSE and ticket.is_alarm_active else asked
    optional = tuple(name for name in _OPTIONAL.get(str(action), ()) if name != "children" or around.children)
    names = dict.fromkeys((*required, *optional))
    fields = tuple(_field(name, action, ticket, around, here, is_required=name in required) for name in names)
    return Step(str(action), is_primary, bool(fields), fields)


def _field(name: str, action: Action, ticket: TicketRow, around: Around, here: Here, *, is_required: bool) -> Field:
    words = here.words
    match name:
        case "holder":
            return Field(name, words("form.to"), "choice", is_required, tuple(around.people), ticket.holder)
        case "priority":
            return _priority(ticket, around, here)
        case "relation":
            choices = tuple((one, words(f"relation.{one}")) for one in RELATIONS)
            return Field(name, words("form.relation"), "choice", is_required, choices)
        case "children":
            return Field(name, words("form.children"), "ticks", is_required, tuple(around.children))
    label = {"reason": "form.hold_reason" if action is Action.HOLD else "form.reason", "note": "form.text"}
    kind = _KINDS.get(name, "line")
    offered = tuple(around.tickets) if kind == "ticket" else ()
    chosen = around.reporter if name == "asked" else ""
    return Field(name, words(label.get(name, f"form.{name}")), kind, is_required, offered, chosen)


def _priority(ticket: TicketRow, around: Around, here: Here) -> Field:
    """Each priority with the due instants before and after: what is chosen is seen first."""
    words = here.words
    choices = tuple((one, words.or_id("priority", one)) for one in PRIORITIES)
    notes = tuple(moved(around.moves.get(one, ()), here) if around.moves else () for one in PRIORITIES)
    return Field("priority", words("form.priority"), "priority", is_required=True, choices=choices, chosen=ticket.priority, notes=notes)  # fmt: skip


def moved(moves: Sequence[Move], here: Here) -> tuple[str, ...]:
    """Due instants before and after, a line a clock."""
    words = here.words
    if not moves:
        return (words("form.moves_none"),)
    found = []
    for move in moves:
        name = words(f"clock.{move.clock}.name")
        line = words("form.moves", clock=name, before=_at(move.before, here), after=_at(move.after, here))
        found.append(f"{line}, {words('form.moves_late')}" if move.is_breached else line)
    return tuple(found)


def _at(due: int | None, here: Here) -> str:
    return here.when(due) if due is not None else here.words("form.held")
