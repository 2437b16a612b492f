"""Reports → spreadsheets: the figures as CSV, one line a clock and population, with numerators and denominators (pure)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cloud.reports.figures import POPULATIONS, ClockFigures, ClockRow, Durations, Group, Share
from cloud.reports.reading import Figures
from cloud.tickets.ticket import ticket_name
from contract.conventions import EpochMs, format_instant

Cell = str | int | float | None
_MEASURES: Final = ("elapsed", "working", "since_began")
_PARTS: Final = ("count", "mean_s", "p50_s", "p90_s", "p95_s", "max_s")
_CLOCKS: Final = (
    "from", "to", "zone", "by", "key", "population", "clock", "due", "met", "breached", "running", "left_out",
    "in_time_numerator", "in_time_denominator", "in_time_percent",
    *(f"{measure}_{part}" for measure in _MEASURES for part in _PARTS),
)  # fmt: skip
_TICKETS: Final = (
    "from", "to", "zone", "by", "key", "opened", "past", "left_out", "handled_numerator", "handled_denominator", "handled_percent", "reopened_numerator", "reopened_denominator",
    "reopened_percent", "repeats_numerator", "repeats_denominator", "repeats_percent",
    *(f"news_late_{part}" for part in _PARTS),
)  # fmt: skip
_BEHIND: Final = ("ticket", "clock", "activation", "start_at", "due_at", "stopped_at", "breached_at", "used_s")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *map(chr, (0xFF1D, 0xFF0B, 0xFF0D, 0xFF20)))
"""Also the wide ones, which a spreadsheet set to Chinese or Japanese takes for the narrow."""


def figures(found: Figures) -> str:
    """Three tables with an empty line between: clocks, tickets, backlog."""
    period = found.asked.period
    head = [period.first.isoformat(), period.last.isoformat(), period.zone.key, found.asked.by]
    groups = (found.total, *found.groups)
    clocks = [[*head, *row] for group in groups for row in _clock_rows(group)]
    tickets = [[*head, *_ticket_row(group)] for group in groups]
    backlog: list[list[Cell]] = [[format_instant(one.at), one.count] for one in found.backlog.points]
    return _text([_CLOCKS, *clocks, [], _TICKETS, *tickets, [], ("at", "open_tickets"), *backlog])


def clocks(rows: Iterable[ClockRow]) -> str:
    """The clocks behind a number, one a line."""
    return _text([_BEHIND, *(_behind(row) for row in rows)])


def _clock_rows(group: Group) -> Iterator[list[Cell]]:
    for of in POPULATIONS:
        for one in group.clocks[of]:
            counts = (one.due, one.met, one.breached, one.running, _left_out(one.left_out.items()))
            yield [_key(group), of, one.clock, *counts, *_share(one.in_time), *_measures(one)]


def _measures(one: ClockFigures) -> Iterator[Cell]:
    for measure in (one.elapsed, one.working, one.since_began):
        yield from _durations(measure)


def _ticket_row(group: Group) -> list[Cell]:
    one = group.tickets
    counts = (one.opened, one.past, _left_out(one.left_out.items()))
    return [
        _key(group),
        *counts,
        *_share(one.handled),
        *_share(one.reopened),
        *_share(one.repeats),
        *_durations(one.news_late),
    ]


def _behind(row: ClockRow) -> list[Cell]:
    at = (_at(row.start_at), _at(row.due_at), _at(row.met_at), _at(row.breached_at))
    return [ticket_name(row.ticket), row.clock, row.activation, *at, row.used_s]


def _key(group: Group) -> str:
    return "(all)" if group.key is None else group.key


def _share(one: Share) -> tuple[Cell, ...]:
    return one.numerator, one.denominator, None if one.percent is None else round(one.percent, 3)


def _durations(one: Durations) -> tuple[Cell, ...]:
    return one.count, one.mean_s, one.p50_s, one.p90_s, one.p95_s, one.max_s


def _left_out(counts: Iterable[tuple[str, int]]) -> str:
    return " ".join(f"{why}:{number}" for why, number in counts)


def _at(at: EpochMs | None) -> str | None:
    return None if at is None else format_instant(at)


def _text(rows: Sequence[Sequence[Cell]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: Cell) -> Cell:
    """A name that a spreadsheet would compute is told as text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
