"""dashboard: an address of the list → its chips, saved views, form and page links. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from cloud.dashboard import present
from cloud.dashboard.words import Words
from cloud.tickets.search_filter import CHOICES, NAMES, PRIORITIES, After, Wrong
from cloud.tickets.search_pages import MOST_COUNTED, Count
from cloud.tickets.ticket import Kind, State

PAGE_SIZE: Final = 50
NUMBERED: Final = MOST_COUNTED // PAGE_SIZE
"""Pages that have a number; beyond them one follows another."""
VIEWS: Final[Mapping[str, Mapping[str, str]]] = {
    "open": {"open": "1"}, "mine": {"open": "1", "holder": "me"}, "untaken": {"open": "1", "holder": "nobody"},
    "late": {"late": "1"}, "soon": {"open": "1", "due": "60"}, "life": {"open": "1", "priority": "life_safety"},
    "missed": {"open": "1", "rule": "periodic_test"}, "closed": {"open": "0"}, "all": {"open": "any"},
}  # fmt: skip
"""Saved views: a name and the address behind it."""
COUNTED: Final = ("open", "mine", "untaken", "late", "soon", "life", "missed")
DUE: Final = (15, 60, 240, 1440)
_IDS: Final = {"state": "state", "priority": "priority", "kind": "kind", "system": "system", "breached": "find.breached",
               "sort": "find.sort", "open": "find.open"}  # fmt: skip
_NO: Final = ("0", "no", "false")


def address(given: Mapping[str, str], path: str = "/tickets") -> str:
    """The address that says so; filters in their fixed order."""
    return f"{path}?{urlencode([(name, given[name]) for name in NAMES if given.get(name)])}"


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that holds, and where the list is without it."""

    text: str
    href: str


def chips(given: Mapping[str, str], words: Words, names: Mapping[str, Mapping[str, str]]) -> list[Chip]:
    """Filters that hold, in their order. ``names`` are what sites and people are called."""
    return [
        Chip(chip_text(name, value, words, names), address(without(given, name)))
        for name, value in given.items() if name != "sort" and not (name == "open" and value == "any")
    ]  # fmt: skip


def without(given: Mapping[str, str], name: str) -> dict[str, str]:
    """The same address without one filter. Without "open" it means both, which must be said."""
    rest = {other: value for other, value in given.items() if other != name}
    return {"open": "any", **rest} if "open" not in rest and "state" not in rest else rest


def chip_text(name: str, value: str, words: Words, names: Mapping[str, Mapping[str, str]]) -> str:
    if name in {"open", "late", "past", "reopened"}:
        return words(f"find.{name}.{'no' if value.lower() in _NO else 'yes'}")
    if name == "due":
        return words("find.within", duration=present.duration(int(value) * 60, words))
    if name == "holder" and value in {"me", "nobody"}:
        return words(f"find.holder_{value}")
    told = words("find.comma").join(_told(name, one, words, names) for one in value.split(","))
    return words("find.chip", name=words(f"find.{name}_label"), value=told)


def _told(name: str, value: str, words: Words, names: Mapping[str, Mapping[str, str]]) -> str:
    if name in _IDS:
        return words.or_id(_IDS[name], value)
    return names.get(name, {}).get(value, value)


def wrong_text(wrong: Wrong, words: Words) -> str:
    """What is wrong with a value of the address, and what would be right."""
    name = words(f"find.{wrong.name}_label")
    if wrong.possible:
        return words("find.wrong", name=name, value=wrong.value, possible=words("find.comma").join(wrong.possible))
    return words(
        f"find.wrong_{wrong.name}" if words.has(f"find.wrong_{wrong.name}") else "find.wrong_other",
        name=name,
        value=wrong.value,
    )


@dataclass(frozen=True, slots=True)
class Tab:
    id: str
    href: str
    n: str
    is_current: bool


def tabs(given: Mapping[str, str], counted: Mapping[str, Count]) -> list[Tab]:
    """Saved views as links, those of open work with their counts."""
    plain = {name: value for name, value in given.items() if name != "sort"}
    found = []
    for name, of_view in VIEWS.items():
        is_current = plain == of_view or (name == "all" and not plain)
        found.append(Tab(name, address(of_view), brief(counted[name]) if name in counted else "", is_current))
    return found


def brief(count: Count) -> str:
    """Nothing for none, a plus where there are more than were counted."""
    return f"{present.number(count.n, 0)}{'+' if count.is_more else ''}" if count.n else ""


def count_text(count: Count, words: Words) -> str:
    n = present.number(count.n, 0)
    return (
        words("find.more_than", n=n)
        if count.is_more
        else words.count("ticket.count", count.n)
        if count.n < 10_000
        else words("ticket.count.other", n=n)
    )


@dataclass(frozen=True, slots=True)
class PageLink:
    text: str
    href: str
    is_here: bool = False


@dataclass(frozen=True, slots=True)
class Pager:
    """Page n of m with links; where more was found than was counted, pages beyond follow one another."""

    label: str
    links: tuple[PageLink, ...]
    previous: str = ""
    following: str = ""


def pager(
    given: Mapping[str, str], page: int, count: Count, after: After | None, follows: After | None, words: Words
) -> Pager | None:
    """Links to pages. ``after`` is where this page begins when it has no number."""
    base = address(given) + "&" if given else "/tickets?"
    pages = max(1, -(-count.n // PAGE_SIZE))
    onward = f"{base}after={token(follows)}" if follows else ""
    if after is not None:
        return Pager(
            words("find.beyond", n=present.number(MOST_COUNTED, 0)), (PageLink("1", base + "page=1"),), "", onward
        )
    if pages == 1 and follows is None:
        return None
    last = page == pages
    following = onward if last else f"{base}page={page + 1}"
    label = words("find.pages_more" if count.is_more else "ticket.pages", n=page, all=pages)
    shown = sorted({1, *range(max(1, page - 2), min(pages, page + 2) + 1), pages})
    links = tuple(PageLink(str(n), f"{base}page={n}", n == page) for n in shown)
    return Pager(label, links, f"{base}page={page - 1}" if page > 1 else "", following)


def token(after: After) -> str:
    """A place in a list as an address says it."""
    return f"{after.due}-{after.number}"


def read_token(text: str) -> After | None:
    """The place that an address says; None for anything else."""
    due, dash, number = text.partition("-")
    is_place = dash and all(part.isascii() and part.isdecimal() and len(part) < 17 for part in (due, number))
    return After(int(number), int(due)) if is_place else None


@dataclass(frozen=True, slots=True)
class Option:
    value: str
    text: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Select:
    name: str
    label: str
    options: tuple[Option, ...]


def selects(
    given: Mapping[str, str], words: Words, names: Mapping[str, Mapping[str, str]], systems: Sequence[str]
) -> list[Select]:
    """The form's choices. What the address says and the list does not offer stays chosen."""
    ids = {
        "open": ("1", "0", "any"), "state": tuple(State), "priority": PRIORITIES, "kind": tuple(Kind), "system": tuple(systems),
        "site": tuple(names["site"]), "holder": ("me", "nobody", *names["holder"]), "late": ("1", "0"), "breached": CHOICES["breached"],
        "due": tuple(str(minutes) for minutes in DUE), "sort": CHOICES["sort"],
    }  # fmt: skip
    return [_select(name, values, given.get(name, ""), words, names) for name, values in ids.items()]


def _select(
    name: str, values: Sequence[str], chosen: str, words: Words, names: Mapping[str, Mapping[str, str]]
) -> Select:
    offered = dict.fromkeys(("", *values, chosen)) if name != "open" else dict.fromkeys(values)
    options = (
        Option(value, _option_text(name, value, words, names) if value else words("find.any"), value == chosen)
        for value in offered
    )
    return Select(name, words(f"find.{name}_label"), tuple(options))


def _option_text(name: str, value: str, words: Words, names: Mapping[str, Mapping[str, str]]) -> str:
    if name == "open":
        return words({"1": "find.open.yes", "0": "find.open.no"}.get(value, "find.open.any"))
    if name in {"late", "due"} or (name == "holder" and value in {"me", "nobody"}):
        return chip_text(name, value, words, names)
    return words("find.comma").join(_told(name, one, words, names) for one in value.split(","))
