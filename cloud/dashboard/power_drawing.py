"""dashboard: quarter hours and months of an incomer → coordinates of drawings. Pure; power.html writes the SVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from cloud.dashboard import chart, present, trends
from cloud.dashboard.chart import Band, Bucket, Frame, LimitLine, Tick, Trend
from cloud.dashboard.power import SLOT_MS, Bounds, Slot
from cloud.dashboard.power_energy import EnergyMonth
from cloud.dashboard.present import Here
from cloud.dashboard.rows import LimitMark, PointRow

SIZE: Final = (1100.0, 260.0)
_LOW: Final = (1100.0, 150.0)
_MOST_DOUBTS: Final = 60
_SPACING_MS: Final = SLOT_MS * 7 // 10
"""Beyond two and a half times this a line ends: one missing quarter hour is a gap."""
Span = tuple[int, int]


# --- curves -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curve:
    """A line over time with what is doubtful marked at its foot."""

    trend: Trend
    doubts: tuple[trends.Doubt, ...]


def curve(
    slots: Sequence[Slot], value: Callable[[Slot], float | None], point: PointRow, span: Span, here: Here,
    events: Sequence[tuple[int, str]] = (),
) -> Curve:  # fmt: skip
    """One figure of the quarter hours that lie within ``span``; a quarter hour without one is a gap with its cause."""
    own = [slot for slot in slots if span[0] <= slot.at < span[1]]
    buckets = [Bucket(slot.at + SLOT_MS // 2, value(slot), quality=slot.quality, cause=slot.cause) for slot in own]
    trend = chart.draw(point, buckets, span, here, size=SIZE, events=events, step_ms=_SPACING_MS)
    frame = _frame(point, buckets, span)
    doubtful = [one for one in buckets if one.quality != "good" and one.mean is not None]
    thinned = doubtful[:: max(1, len(doubtful) // _MOST_DOUBTS)]
    doubts = tuple(trends.Doubt(frame.x(one.at), one.quality, trends.doubt_text(one, here)) for one in thinned)
    return Curve(replace(trend, gaps=gaps(own, value, frame, here)), doubts)


def gaps(slots: Sequence[Slot], value: Callable[[Slot], object], frame: Frame, here: Here) -> tuple[Band, ...]:
    """Every stretch of quarter hours without a value, with its cause; none where there is no value at all."""
    silent = [(is_void, list(run)) for is_void, run in groupby(slots, key=lambda slot: value(slot) is None)]
    return tuple(_gap(run, frame, here) for is_void, run in silent if is_void) if len(silent) > 1 else ()


def _gap(run: Sequence[Slot], frame: Frame, here: Here) -> Band:
    start, end = run[0].at, run[-1].at + SLOT_MS
    causes = [slot.cause for slot in run if slot.cause not in {"", "none"}]
    cause = here.words.or_id("cause", causes[0]) if causes else here.words("trend.no_data")
    x, height = frame.x(start), frame.height - chart.FOOT - chart.TOP
    return Band(x, max(2.0, frame.x(end) - x), chart.TOP, height, f"{cause} {here.when(start)} – {here.when(end)}")


def _frame(point: PointRow, buckets: Sequence[Bucket], span: Span) -> Frame:
    grid = chart.grid_of([point], buckets)
    return Frame(span[0], span[1], grid[0], grid[-1], *SIZE)


def named_limit(of: Curve, text: str) -> Curve:
    """Its limit is no clause's but a figure of the equipment, and is named so."""
    return replace(of, trend=replace(of.trend, limits=tuple(replace(one, text=text) for one in of.trend.limits)))


# --- capacitor stages -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Steps:
    """Stages in use over time: bars up to what was in use throughout, and above them what was in use at times."""

    steady: tuple[Band, ...]
    at_times: tuple[Band, ...]
    gaps: tuple[Band, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    width: float = _LOW[0]
    height: float = _LOW[1]
    left: float = chart.LEFT
    top: float = chart.TOP

    @property
    def plot_right(self) -> float:
        return self.width - chart.RIGHT

    @property
    def plot_bottom(self) -> float:
        return self.height - chart.FOOT


def steps(slots: Sequence[Slot], bounds: Bounds, span: Span, here: Here) -> Steps | None:
    """None where nobody tells how many stages are in use."""
    own = [slot for slot in slots if span[0] <= slot.at < span[1]]
    known = [slot.stages[1] for slot in own if slot.stages is not None]
    if not known:
        return None
    most = max(bounds.stages, round(max(known)), 1)
    frame = Frame(span[0], span[1], 0.0, float(most), *_LOW)
    runs = _runs(own)
    return Steps(
        steady=tuple(_bar(start, end, 0.0, low, frame, _told(start, end, low, high, here)) for start, end, low, high in runs if low > 0),
        at_times=tuple(_bar(start, end, low, high, frame, _told(start, end, low, high, here)) for start, end, low, high in runs if high > low),
        gaps=gaps(own, lambda slot: slot.stages, frame, here),
        rows=tuple(Tick(frame.y(value), present.number(value, 0)) for value in sorted({0, most // 2, most})),
        columns=chart.columns(frame, here),
    )  # fmt: skip


def _runs(slots: Sequence[Slot]) -> list[tuple[int, int, float, float]]:
    """Start, end, fewest and most stages of neighbouring quarter hours that are alike."""
    found: list[tuple[int, int, float, float]] = []
    for slot in slots:
        if slot.stages is None:
            continue
        if found and found[-1][1] == slot.at and found[-1][2:] == slot.stages:
            found[-1] = (found[-1][0], slot.at + SLOT_MS, *slot.stages)
        else:
            found.append((slot.at, slot.at + SLOT_MS, *slot.stages))
    return found


def _bar(start: int, end: int, low: float, high: float, frame: Frame, text: str) -> Band:
    x, y = frame.x(start), frame.y(high)
    return Band(x, round(frame.x(end) - x, 1), y, round(frame.y(low) - y, 1), text)


def _told(start: int, end: int, low: float, high: float, here: Here) -> str:
    stages = present.number(low, 0) if low == high else f"{present.number(low, 0)} – {present.number(high, 0)}"
    return here.words("power.stages_told", start=here.when(start), end=here.when(end), stages=stages)


# --- months -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MonthBar:
    x: float
    y: float
    width: float
    height: float
    figure: str
    text: str
    label: str
    is_low: bool
    is_partial: bool


@dataclass(frozen=True, slots=True)
class MonthBars:
    """Power factors of months, from nothing to one, with the limit across them."""

    bars: tuple[MonthBar, ...]
    limit: LimitLine | None
    grid: tuple[Tick, ...]
    width: float = 1100.0
    height: float = 190.0
    left: float = chart.LEFT

    @property
    def bottom(self) -> float:
        return self.height - chart.FOOT


def month_bars(months: Sequence[EnergyMonth], mark: LimitMark | None, here: Here) -> MonthBars:
    empty = MonthBars((), None, ())
    wide = (empty.width - empty.left - chart.RIGHT) / max(1, len(months))
    frame = Frame(0, 1, 0.0, 1.0, empty.width, empty.height)
    bars = []
    for number, one in enumerate(months):
        if one.power_factor is None:
            y, figure = empty.bottom, present.DASH
        else:
            y, figure = frame.y(one.power_factor), present.number(one.power_factor, 3)
        label = here.words(f"month.{one.month.month}")
        bars.append(MonthBar(
            round(empty.left + (number + 0.14) * wide, 1), y, round(wide * 0.72, 1), round(empty.bottom - y, 1), figure,
            f"{month_name(one.month.year, one.month.month, here)}: {figure}", label, one.meets is False, one.is_partial,
        ))  # fmt: skip
    return MonthBars(
        tuple(bars), _limit(mark, frame, here), tuple(Tick(frame.y(v), present.number(v, 1)) for v in (0.0, 0.5, 1.0))
    )


def _limit(mark: LimitMark | None, frame: Frame, here: Here) -> LimitLine | None:
    if mark is None:
        return None
    text = here.words("trend.limit", limit=present.number(mark.value, 2), clause=mark.clause)
    return LimitLine(frame.y(mark.value), text, present.css(mark.severity), frame.y(mark.value) + 16)


def month_name(year: int, month: int, here: Here) -> str:
    """Nov 2026, in the order of the language."""
    return here.words("power.month", y=year, month=here.words(f"month.{month}"))


# --- load duration ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Duration:
    """Loads of a month, greatest first, over the share of its time."""

    path: str
    limits: tuple[LimitLine, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    width: float = 1100.0
    height: float = 200.0
    left: float = chart.LEFT
    top: float = chart.TOP

    @property
    def plot_right(self) -> float:
        return self.width - chart.RIGHT

    @property
    def plot_bottom(self) -> float:
        return self.height - chart.FOOT


def duration(loads: Sequence[float], point: PointRow, here: Here) -> Duration | None:
    """None for fewer than two quarter hours."""
    if len(loads) < 2:
        return None
    grid = chart.grid_of([point], [Bucket(0, load) for load in (*loads, 0.0)])
    frame = Frame(0, 100, min(0.0, grid[0]), grid[-1], 1100.0, 200.0)
    every = max(1, len(loads) // 400)
    places = [*range(0, len(loads), every), len(loads) - 1]
    left, wide = chart.LEFT, 1100.0 - chart.LEFT - chart.RIGHT
    path = "M" + " L".join(f"{left + at / (len(loads) - 1) * wide:.1f},{frame.y(loads[at]):.1f}" for at in places)
    columns = tuple(
        Tick(frame.x(share), present.with_unit(str(share), "%", here.words)) for share in (0, 25, 50, 75, 100)
    )
    return Duration(
        path,
        chart.limit_lines(point, frame, here),
        tuple(Tick(frame.y(v), present.number(v, 0)) for v in grid),
        columns,
    )
