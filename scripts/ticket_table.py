"""Writes the table of transitions into docs/tickets.md. Run it after a change of ``TRANSITIONS``; a test compares."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cloud.tickets.ticket import ENTERED_KINDS, EVERY_KIND, OPEN_STATES, TRANSITIONS, Kind, State, Transition

PAGE = Path(__file__).resolve().parents[1] / "docs/tickets.md"
BEGIN, END = "<!-- transitions: scripts/ticket_table.py -->", "<!-- end of transitions -->"
_WORK = tuple(kind for kind in Kind if kind is not Kind.OUTAGE)


def table() -> str:
    """The table as Markdown, a row for each row of ``TRANSITIONS``."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| step | kinds | from | to | least role | asks for |"
    yield "|---|---|---|---|---|---|"
    for row in TRANSITIONS:
        to = _plain(row.to) if row.to is not None else "stays"
        asks = ", ".join(map(_plain, row.needs))
        yield f"| {_plain(row.action)} | {_kinds(row.kinds)} | {_sources(row)} | {to} | {row.role} | {asks} |"


def _kinds(kinds: Sequence[Kind]) -> str:
    if tuple(kinds) == EVERY_KIND:
        return "all"
    if set(kinds) == set(_WORK):
        return "all but outage"
    missing = [kind for kind in _WORK if kind not in kinds]
    few = len(kinds) <= len(missing)
    return ", ".join(kinds) if few or tuple(kinds) == ENTERED_KINDS else f"all but {', '.join([*missing, Kind.OUTAGE])}"


def _sources(row: Transition) -> str:
    if not row.sources:
        return "(nothing)"
    if set(row.sources) == set(State):
        return "any"
    if set(row.sources) == set(OPEN_STATES):
        return "any open"
    before = [state for state in OPEN_STATES if state not in {State.RESOLVED, State.VERIFIED}]
    return "any before resolved" if set(row.sources) == set(before) else ", ".join(map(_plain, row.sources))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def with_table(page: str) -> str:
    """A page with the table between its marks. Raises ValueError for a page without them."""
    before, _, rest = page.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        raise ValueError(f"the page has no place for the table: {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{table()}\n{mark}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stderr.write(f"wrote the table of {PAGE}\n")
