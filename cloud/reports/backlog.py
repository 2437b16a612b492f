"""Tickets → reports: how many tickets were open at the end of each day, and how old they were (pure).

A ticket is open at an instant when it was opened before it and not closed, cancelled or merged before it. Between a closing
and a reopening it is not open, though its row no longer tells of that: the timeline does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cloud.reports.figures import AGES_H
from contract.conventions import EpochMs

BUCKET_MS: Final = 900_000
"""Openings and closings are counted by quarter hours: since 2000 every zone's midnights lie on one."""
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Point:
    """So many tickets were open at this instant."""

    at: EpochMs
    count: int


@dataclass(frozen=True, slots=True)
class Age:
    """Open tickets older than ``over_h`` hours and not older than ``up_to_h``; None: any age above."""

    over_h: int
    up_to_h: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """The last point is the end of the period, or now when it still runs; the ages are of those tickets."""

    points: tuple[Point, ...]
    ages: tuple[Age, ...]


@dataclass(frozen=True, slots=True)
class Away:
    """A ticket opened at ``opened_at`` was closed from ``start`` until it was reopened at ``end``."""

    opened_at: EpochMs
    start: EpochMs
    end: EpochMs

    def is_at(self, at: EpochMs) -> bool:
        return self.start < at <= self.end


def aways(opened_at: EpochMs, entries: Iterable[tuple[EpochMs, str]]) -> list[Away]:
    """The stretches in which a ticket was over, from the ``closed``, ``cancelled`` and ``reopened`` lines in their order."""
    found: list[Away] = []
    closed: EpochMs | None = None
    for at, kind in entries:
        if kind != "reopened":
            closed = at if closed is None else closed
        elif closed is not None:
            found.append(Away(opened_at, closed, at))
            closed = None
    return found


def points(
    marks: Sequence[EpochMs],
    start: EpochMs,
    carried: int,
    opened: Mapping[int, int],
    closed: Mapping[int, int],
    gone: Sequence[Away],
) -> tuple[Point, ...]:
    """Open tickets at each mark: those carried in at ``start``, and what was opened and closed a quarter hour since.

    ``carried``, ``opened`` and ``closed`` know only how tickets ended; ``gone`` takes out who was away in between.
    """
    found: list[Point] = []
    changes = sorted((bucket, opened.get(bucket, 0) - closed.get(bucket, 0)) for bucket in {*opened, *closed})
    index, count = 0, carried
    for mark in marks:
        while index < len(changes) and start + (changes[index][0] + 1) * BUCKET_MS <= mark:
            count += changes[index][1]
            index += 1
        found.append(Point(mark, count - sum(one.is_at(mark) for one in gone)))
    return tuple(found)


def ages(at: EpochMs, counts: Mapping[int, int], gone: Sequence[Away]) -> tuple[Age, ...]:
    """Classes of age at ``at``; ``counts`` has one number a class, the youngest first."""
    bounds = (0, *AGES_H, None)
    left = dict(counts)
    for one in gone:
        if one.is_at(at):
            left[age_class(at - one.opened_at)] = left.get(age_class(at - one.opened_at), 0) - 1
    return tuple(Age(low or 0, high, left.get(number, 0)) for number, (low, high) in enumerate(pairwise(bounds)))


def age_class(age_ms: int) -> int:
    """The number of the class of an age."""
    return sum(age_ms > hours * _HOUR_MS for hours in AGES_H)
