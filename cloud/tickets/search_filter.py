"""An address → which tickets, and that → SQL. The same filters on pages, in the API and in exports (pure).

What is wrong in an address is told with what would be right; it never makes an empty list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    exists,
    literal,
    literal_column,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy import text as sql

from cloud.storage import tables as t
from cloud.storage.tables_search import IS_LATE, IS_OPEN, IS_OVER, OVER
from cloud.tickets.search_words import Question, ask
from cloud.tickets.ticket import Kind, State
from contract.conventions import EpochMs, instant_ms, to_ms

PRIORITIES: Final = ("general", "major", "urgent", "life_safety")
CLOCKS: Final = ("response", "arrival", "resolution")
SORTS: Final = ("due", "newest", "oldest")
LONGEST: Final = 200
MOST_MINUTES: Final = 60 * 24 * 366
_YES, _NO = ("1", "yes", "true"), ("0", "no", "false")
_MINUTE_MS: Final = 60_000
COLUMNS: Final = {"state": "state", "priority": "priority", "kind": "kind", "system": "system", "site": "site_id",
                   "equipment": "equipment_id", "rule": "rule", "clause": "clause"}  # fmt: skip
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "state": tuple(State), "priority": PRIORITIES, "kind": tuple(Kind), "breached": ("any", *CLOCKS), "sort": SORTS,
    "open": ("1", "0", "any"), "late": ("1", "0"), "past": ("1", "0"), "reopened": ("1", "0"),
}  # fmt: skip
NAMES: Final = (
    "open",
    *COLUMNS,
    "holder",
    "late",
    "breached",
    "past",
    "reopened",
    "due",
    "from",
    "to",
    "text",
    "sort",
)
"""Every filter's name in an address, in the order in which they are shown."""


_NOTHING: Final = Question()


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that no filter can use, and what it may be."""

    name: str
    value: str
    possible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tickets, and in which order. What is empty binds nothing."""

    is_open: bool | None = None
    equal: Mapping[str, tuple[str, ...]] | None = None
    """Column to the values of which it has one."""
    holder: str | None = None
    """Empty: nobody."""
    is_late: bool | None = None
    breached: str = ""
    is_past: bool | None = None
    is_reopened: bool | None = None
    due_ms: int | None = None
    since: EpochMs | None = None
    until: EpochMs | None = None
    """Opened before this instant."""
    question: Question = _NOTHING
    sort: str = "newest"

    @property
    def is_only_open(self) -> bool:
        """Whether nothing that is over can be among them."""
        if self.is_open is False:
            return False  # with a state that is open nothing is left, and nothing is what is shown
        states = (self.equal or {}).get("state", ())
        return self.is_open is True or (bool(states) and not set(states) & set(OVER))


@dataclass(frozen=True, slots=True)
class Reading:
    """An address as it was understood."""

    wanted: Wanted
    given: Mapping[str, str]
    """What it says, without what is empty and what was not understood."""
    wrong: tuple[Wrong, ...] = ()


def read(given: Mapping[str, str], who: str, zone: tzinfo, *, is_open: str = "any") -> Reading:
    """Understand an address. ``who`` is me; dates are days in ``zone``; ``is_open`` is what holds when nothing says."""
    said = {name: str(given[name]).strip()[:LONGEST] for name in NAMES if str(given.get(name, "")).strip()}
    wrong: list[Wrong] = []
    wanted = Wanted()
    if "open" not in said and "state" not in said:
        said = {"open": is_open, **said} if is_open != "any" else said
    for name, value in list(said.items()):
        try:
            wanted = _READERS[name](wanted, value, who, zone)
        except ValueError:
            wrong.append(Wrong(name, value, CHOICES.get(name, ())))
            del said[name]
    if "sort" not in said:
        wanted = replace(wanted, sort="due" if wanted.is_only_open else "newest")
    return Reading(wanted, said, tuple(wrong))


_Reader = Callable[[Wanted, str, str, tzinfo], Wanted]


def _with(wanted: Wanted, field: str, value: Any) -> Wanted:  # noqa: ANN401  of any field
    changes: dict[str, Any] = {field: value}
    return replace(wanted, **changes)


def _flag(field: str, wanted: Wanted, value: str, _who: str, _zone: tzinfo) -> Wanted:
    if value.lower() not in (*_YES, *_NO):
        raise ValueError(value)
    return _with(wanted, field, value.lower() in _YES)


def _open(wanted: Wanted, value: str, who: str, zone: tzinfo) -> Wanted:
    return wanted if value == "any" else _flag("is_open", wanted, value, who, zone)


def _equal(name: str, wanted: Wanted, value: str, _who: str, _zone: tzinfo) -> Wanted:
    values = tuple(dict.fromkeys(one.strip() for one in value.split(",") if one.strip()))
    known = CHOICES.get(name)
    if not values or (known is not None and not set(values) <= set(known)):
        raise ValueError(value)
    return replace(wanted, equal={**(wanted.equal or {}), COLUMNS[name]: values})


def _holder(wanted: Wanted, value: str, who: str, _zone: tzinfo) -> Wanted:
    return replace(wanted, holder={"me": who, "nobody": ""}.get(value, value))


def _one_of(field: str, name: str, wanted: Wanted, value: str, _who: str, _zone: tzinfo) -> Wanted:
    if value not in CHOICES[name]:
        raise ValueError(value)
    return _with(wanted, field, value)


def _due(wanted: Wanted, value: str, _who: str, _zone: tzinfo) -> Wanted:
    minutes = int(value)
    if not (value.isascii() and 0 < minutes <= MOST_MINUTES):
        raise ValueError(value)
    return replace(wanted, due_ms=minutes * _MINUTE_MS)


def _instant(field: str, days: int, wanted: Wanted, value: str, _who: str, zone: tzinfo) -> Wanted:
    return _with(wanted, field, _day(value, zone, days) if len(value) == len("2026-11-21") else instant_ms(value))


def _day(value: str, zone: tzinfo, days: int) -> EpochMs:
    try:
        return to_ms(datetime.combine(date.fromisoformat(value) + timedelta(days=days), time(), zone))
    except OverflowError as error:
        raise ValueError(value) from error


def _text(wanted: Wanted, value: str, _who: str, _zone: tzinfo) -> Wanted:
    question = ask(value)
    if not question:
        raise ValueError(value)
    return replace(wanted, question=question)


_READERS: Final[Mapping[str, _Reader]] = {
    "open": _open, **{name: partial(_equal, name) for name in COLUMNS}, "holder": _holder,
    "late": partial(_flag, "is_late"), "breached": partial(_one_of, "breached", "breached"),
    "past": partial(_flag, "is_past"), "reopened": partial(_flag, "is_reopened"), "due": _due,
    "from": partial(_instant, "since", 0), "to": partial(_instant, "until", 1), "text": _text,
    "sort": partial(_one_of, "sort", "sort"),
}  # fmt: skip


# --- as SQL -------------------------------------------------------------------------------------------------------


def conditions(wanted: Wanted, now: EpochMs, *, is_sqlite: bool) -> list[ColumnElement[bool]]:
    """What a row of ``ticket`` must meet. The states are written out, so that partial indexes are used."""
    c = t.ticket.c
    found: list[ColumnElement[bool]] = []
    if wanted.is_only_open:
        found.append(is_open())
    elif wanted.is_open is False:
        found.append(_written(IS_OVER))
    for column, values in (wanted.equal or {}).items():
        found.append(c[column] == values[0] if len(values) == 1 else c[column].in_(values))
    if wanted.holder is not None:
        found.append(c.holder == wanted.holder)
    found += _clocks(wanted, now)
    if wanted.is_past is not None:
        found.append(c.is_past == wanted.is_past)
    if wanted.is_reopened is not None:
        found.append(c.reopened > 0 if wanted.is_reopened else c.reopened == 0)
    if wanted.since is not None:
        found.append(c.opened_at >= wanted.since)
    if wanted.until is not None:
        found.append(c.opened_at < wanted.until)
    if wanted.question:
        found.append(has_words(wanted.question, is_sqlite=is_sqlite))
    return found


def _written(condition: str) -> ColumnElement[bool]:
    """A condition as it is written. As a Boolean SQLAlchemy would compare it with 1 on SQLite, which then knows no partial index."""
    found: ColumnElement[bool] = literal_column(f"({condition})")
    return found


def is_open() -> ColumnElement[bool]:
    """The condition of a ticket that is not over."""
    return _written(IS_OPEN)


def has_breach() -> ColumnElement[bool]:
    """The condition of a ticket with a breached clock, whatever its state: a breach stays visible after closing."""
    return _written(IS_LATE)


def is_late(now: EpochMs) -> ColumnElement[bool]:
    """A clock of it was breached, or is past its due instant: of open and of closed ones."""
    overdue = and_(is_open(), t.ticket.c.next_due_at < now)
    return or_(has_breach(), overdue)


def _clocks(wanted: Wanted, now: EpochMs) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.is_late is not None:
        found.append(is_late(now) if wanted.is_late else not_(is_late(now)))
    if wanted.breached == "any":
        found.append(has_breach())
    elif wanted.breached:
        d = t.deadline.c
        found.append(has_breach())
        found.append(
            exists().where(d.ticket_id == t.ticket.c.id, d.clock == wanted.breached, d.breached_at.is_not(None))
        )
    if wanted.due_ms is not None:
        found += [is_open(), t.ticket.c.next_due_at.between(now, now + wanted.due_ms)]
    return found


def has_words(question: Question, *, is_sqlite: bool) -> ColumnElement[bool]:
    """Every word of the question is among the ticket's."""
    if is_sqlite:
        found = sql("SELECT rowid FROM ticket_words WHERE ticket_words MATCH :asked").bindparams(
            asked=question.for_sqlite()
        )
    else:
        found = sql("SELECT ticket_id FROM ticket_words WHERE words @@ CAST(:asked AS tsquery)").bindparams(
            asked=question.for_postgresql()
        )
    return t.ticket.c.id.in_(found.columns(t.ticket.c.id).scalar_subquery())


@dataclass(frozen=True, slots=True)
class After:
    """Where a page begins: after this ticket, in the order of its list."""

    number: int
    due: EpochMs = 0


def order(sort: str) -> Sequence[Any]:
    c = t.ticket.c
    return {"due": (c.next_due_at, c.id), "newest": (c.id.desc(),), "oldest": (c.id,)}[sort]


def follows(sort: str, after: After) -> ColumnElement[bool]:
    """What comes after a ticket in an order."""
    c = t.ticket.c
    if sort == "newest":
        return c.id < after.number
    if sort == "oldest":
        return c.id > after.number
    there = tuple_(literal(after.due, BigInteger), literal(after.number, BigInteger))
    return tuple_(c.next_due_at, c.id) > there


def query(wanted: Wanted, now: EpochMs, *, is_sqlite: bool) -> Any:  # noqa: ANN401  a Select of two columns
    """Number and next due instant of every ticket that is wanted, in its order."""
    where = conditions(wanted, now, is_sqlite=is_sqlite)
    return select(t.ticket.c.id, t.ticket.c.next_due_at).where(*where).order_by(*order(wanted.sort))
