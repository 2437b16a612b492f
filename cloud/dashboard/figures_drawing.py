"""dashboard: the backlog of a period → the coordinates of its drawing, and its classes of age. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from cloud.dashboard import present
from cloud.dashboard.figures_page import Number
from cloud.dashboard.present import Here
from cloud.reports.backlog import Age, Point
from cloud.reports.reading import Figures
from contract.conventions import format_instant

_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A drawing of open tickets at the ends of days: coordinates only; the template writes the SVG."""

    bars: tuple[Bar, ...]
    grid: tuple[tuple[float, str], ...]
    width: float = 760.0
    height: float = 180.0
    left: float = 52.0
    foot: float = 24.0

    @property
    def bottom(self) -> float:
        return self.height - self.foot


def bars_of(points: Sequence[Point], here: Here) -> Bars:
    """One bar a point, from zero; at most eight of them carry their day."""
    empty = Bars((), ())
    top = _round_up(max((one.count for one in points), default=0))
    if not points:
        return empty
    step = (empty.width - empty.left) / len(points)
    every = -(-len(points) // 8)
    bars = []
    for number, one in enumerate(points):
        height = round(one.count / top * (empty.bottom - 12), 1)
        day = here.when(one.at) if one.at == here.now else here.day(one.at - 1)
        is_named = (len(points) - 1 - number) % every == 0
        bars.append(Bar(round(empty.left + number * step, 1), round(empty.bottom - height, 1), round(step * 0.72, 1), height,
                        f"{day}: {present.number(one.count, 0)}", day if is_named else ""))  # fmt: skip
    grid = tuple(
        (round(empty.bottom - part * (empty.bottom - 12), 1), present.number(top * part, 0)) for part in (0, 0.5, 1)
    )
    return Bars(tuple(bars), grid)


def _round_up(count: int) -> int:
    """The next number of the form 2, 4, 10, 20, 40, 100 …: even, so that its half is whole."""
    top = 2
    while top < count:
        top = top * 2 if str(top)[0] == "2" or str(top)[0] == "1" else top * 5 // 2
    return top


def ages_of(found: Figures, here: Here) -> list[tuple[str, Number]]:
    """Open tickets by age, with their list while the period reaches to now."""
    points = found.backlog.points
    is_now = bool(points) and points[-1].at == found.now
    return [(_age_name(one, here), _aged(one, found) if is_now else Number(present.number(one.count, 0)))
            for one in found.backlog.ages]  # fmt: skip


def _age_name(one: Age, here: Here) -> str:
    over, up_to = (present.duration(hours * 3600, here.words) if hours else "" for hours in (one.over_h, one.up_to_h))
    if not up_to:
        return here.words("figures.age.over", over=over)
    return (
        here.words("figures.age.between", over=over, up_to=up_to)
        if over
        else here.words("figures.age.up_to", up_to=up_to)
    )


def _aged(one: Age, found: Figures) -> Number:
    bounds: dict[str, object] = {"open": "1", "sort": "oldest", "site": found.asked.site}
    if one.up_to_h is not None:
        bounds["from"] = format_instant(found.now - one.up_to_h * _HOUR_MS)
    if one.over_h:
        bounds["to"] = format_instant(found.now - one.over_h * _HOUR_MS)
    given = urlencode({name: value for name, value in bounds.items() if value})
    return Number(present.number(one.count, 0), f"/tickets?{given}" if one.count else "")
