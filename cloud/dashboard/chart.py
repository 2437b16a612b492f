"""dashboard: history buckets → the geometry of a trend. Pure: coordinates only; trend.html writes the SVG.

A line beyond its limit is drawn in the severity's colour; a gap is drawn as a gap with its cause, never bridged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cloud.dashboard import present
from cloud.dashboard.present import Here
from cloud.dashboard.rows import PointRow

LEFT: Final = 48.0
RIGHT: Final = 18.0
TOP: Final = 14.0
FOOT: Final = 28.0
_ROOM_FOR_TEXT: Final = 500
_NOISE: Final = 1e-6
_STEPS_S: Final = (
    60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 345_600, 604_800, 1_209_600, 2_592_000,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bucket:
    """Mean, least and greatest value of one stretch of time; None where there was no good value."""

    at: int
    mean: float | None
    low: float | None = None
    high: float | None = None
    quality: str = "good"
    cause: str = "none"
    count: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    is_out: bool


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A rectangle across the plot, or (with ``y``) beside a limit."""

    x: float
    width: float
    y: float
    height: float
    text: str = ""


@dataclass(frozen=True, slots=True)
class LimitLine:
    y: float
    text: str
    severity: str
    text_y: float


@dataclass(frozen=True, slots=True)
class Event:
    """A moment marked on the time axis: an alarm raised, a test."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Trend:
    width: float
    height: float
    lines: tuple[Line, ...]
    gaps: tuple[Band, ...]
    zones: tuple[Band, ...]
    limits: tuple[LimitLine, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    events: tuple[Event, ...]
    severity: str
    left: float = LEFT
    right: float = RIGHT
    top: float = TOP

    @property
    def plot_right(self) -> float:
        return self.width - self.right

    @property
    def plot_bottom(self) -> float:
        return self.height - FOOT

    @property
    def is_empty(self) -> bool:
        return not self.lines


@dataclass(frozen=True, slots=True)
class Frame:
    """Where instants and values lie on the drawing."""

    start: int
    end: int
    low: float
    high: float
    width: float
    height: float

    def x(self, at: int) -> float:
        return round(LEFT + (at - self.start) / max(1, self.end - self.start) * (self.width - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return round(self.height - FOOT - min(1.0, max(0.0, share)) * (self.height - FOOT - TOP), 1)


def draw(point: PointRow, buckets: Sequence[Bucket], span: tuple[int, int], here: Here, *, size: tuple[float, float],
         events: Sequence[tuple[int, str]] = (), step_ms: int = 0) -> Trend:  # fmt: skip
    """One point over ``span`` (epoch ms). ``step_ms`` is the spacing beyond which a silence is a gap."""
    grid = grid_of([point], buckets)
    frame = Frame(span[0], span[1], grid[0], grid[-1], *size)
    spacing = step_ms or spacing_of(buckets)
    severity = next((mark.severity for mark in point.limits), "")
    return Trend(
        width=size[0], height=size[1], lines=runs(point, buckets, frame, spacing), gaps=gaps(buckets, frame, spacing, here),
        zones=zones(point, frame), limits=limit_lines(point, frame, here),
        rows=tuple(Tick(frame.y(value), present.number(value, digits_of(grid, point.digits))) for value in grid),
        columns=columns(frame, here), events=events_of(events, frame), severity=present.css(severity),
    )  # fmt: skip


# --- the value axis ---------------------------------------------------------------------------------------------


def grid_of(points: Sequence[PointRow], buckets: Sequence[Bucket]) -> list[float]:
    """Round grid values that hold every drawn value of one or several points, and every limit near them."""
    values = [v for bucket in buckets for v in (bucket.mean, bucket.low, bucket.high) if v is not None]
    if not values:
        values = list(points[0].plausible or (0.0, 1.0))
    low, high = min(values), max(values)
    reach = max(high - low, abs(high) * 0.05, 10.0 ** -max(point.digits for point in points) * 4)
    for mark in (mark for point in points for mark in point.limits):
        if low - 2 * reach <= mark.value <= high + 2 * reach:
            low, high = min(low, mark.value), max(high, mark.value)
    spread = high - low
    if spread <= _NOISE * max(1.0, abs(high), abs(low)):
        spread = reach  # a mean of equal values differs from them in its last digit
    step = _round_step(spread * 1.1 / 4)
    first = int(low // step)
    grid = [round(first * step, 6)]
    while grid[-1] < high or len(grid) < 3:
        grid.append(round(grid[-1] + step, 6))
    return grid


def _round_step(wanted: float) -> float:
    power = 1.0
    while power > wanted:
        power /= 10
    while power * 10 <= wanted:
        power *= 10
    return next((power * factor for factor in (1, 2, 2.5, 5) if power * factor >= wanted), power * 10)


def digits_of(grid: Sequence[float], digits: int) -> int:
    needed = next((places for places in range(5) if all(abs(v - round(v, places)) < 1e-9 for v in grid)), 4)
    return max(needed, min(digits, 2) if needed else 0)


# --- the line ---------------------------------------------------------------------------------------------------


def spacing_of(buckets: Sequence[Bucket]) -> int:
    steps = sorted(b.at - a.at for a, b in pairwise(buckets))
    return steps[len(steps) // 2] if steps else 60_000


def is_out(point: PointRow, value: float) -> bool:
    """Beyond one of the point's limits."""
    return any((value < m.value) if m.op.startswith("<") else (value > m.value) for m in point.limits)


def runs(point: PointRow, buckets: Sequence[Bucket], frame: Frame, spacing: int) -> tuple[Line, ...]:
    """Runs of neighbouring good buckets; a run ends at a gap and changes its stroke at a limit."""
    lines: list[Line] = []
    run: list[tuple[float, float]] = []
    run_out, last_at = False, None
    for bucket in buckets:
        if bucket.mean is None or (last_at is not None and bucket.at - last_at > 2.5 * spacing):
            _end(lines, run, is_out=run_out)
            run = []
        if bucket.mean is None:
            last_at = None
            continue
        here, out = (frame.x(bucket.at), frame.y(bucket.mean)), is_out(point, bucket.mean)
        if run and out != run_out:
            run.append(here)
            _end(lines, run, is_out=run_out)
            run = []
        run.append(here)
        run_out, last_at = out, bucket.at
    _end(lines, run, is_out=run_out)
    return tuple(lines)


def _end(lines: list[Line], run: Sequence[tuple[float, float]], *, is_out: bool) -> None:
    if run:
        tail = run if len(run) > 1 else [*run, (run[0][0] + 1.5, run[0][1])]
        lines.append(Line("M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in tail), is_out))


def gaps(buckets: Sequence[Bucket], frame: Frame, spacing: int, here: Here) -> tuple[Band, ...]:
    """Stretches without a good value between the first and the last one, each with its cause and times."""
    good = [bucket for bucket in buckets if bucket.mean is not None]
    bands = []
    for before, after in pairwise(good):
        if after.at - before.at > 2.5 * spacing:
            causes = [b.cause for b in buckets if before.at < b.at < after.at and b.cause not in {"", "none"}]
            bands.append(_gap(before.at + spacing, after.at, causes, frame, here))
    return tuple(bands)


def _gap(start: int, end: int, causes: Sequence[str], frame: Frame, here: Here) -> Band:
    cause = here.words.or_id("cause", causes[0]) if causes else here.words("trend.no_data")
    text = f"{cause} {here.when(start)} – {here.when(end)}"
    x = frame.x(start)
    return Band(x, max(2.0, frame.x(end) - x), TOP, frame.height - FOOT - TOP, text)


def gap_spans(buckets: Sequence[Bucket]) -> list[tuple[int, int]]:
    """Start and end of every stretch without a good value, for the chart script."""
    spacing = spacing_of(buckets)
    good = [bucket.at for bucket in buckets if bucket.mean is not None]
    return [(before, after) for before, after in pairwise(good) if after - before > 2.5 * spacing]


Column = list[float | None]


def with_gaps(buckets: Sequence[Bucket]) -> tuple[list[int], Column, Column, Column]:
    """Instants, means, least and greatest values as columns; a gap holds a row of nothing, so that no line bridges it."""
    breaks = {after: (before + after) // 2 for before, after in gap_spans(buckets)}
    rows: list[Bucket] = []
    for bucket in buckets:
        if bucket.at in breaks:
            rows.append(Bucket(breaks[bucket.at], None))
        rows.append(bucket)
    return [b.at for b in rows], [b.mean for b in rows], [b.low for b in rows], [b.high for b in rows]


# --- limits, axes, events ---------------------------------------------------------------------------------------


def zones(point: PointRow, frame: Frame) -> tuple[Band, ...]:
    """The forbidden side of the innermost limits, tinted."""
    x, width = LEFT, frame.width - LEFT - RIGHT
    bands = []
    low = [m.value for m in point.limits if m.op.startswith("<")]
    high = [m.value for m in point.limits if m.op.startswith(">")]
    if low and max(low) > frame.low:
        y = frame.y(max(low))
        bands.append(Band(x, width, y, frame.height - FOOT - y))
    if high and min(high) < frame.high:
        y = frame.y(min(high))
        bands.append(Band(x, width, TOP, y - TOP))
    return tuple(band for band in bands if band.height > 0)


def limit_lines(point: PointRow, frame: Frame, here: Here) -> tuple[LimitLine, ...]:
    lines = []
    for mark in point.limits:
        if frame.low <= mark.value <= frame.high:
            y = frame.y(mark.value)
            text = here.words("trend.limit", limit=present.number(mark.value, point.digits), clause=mark.clause)
            text = text if frame.width >= _ROOM_FOR_TEXT else ""
            is_below = mark.op.startswith("<")
            lines.append(LimitLine(y, text, present.css(mark.severity), y + 16 if is_below else y - 6))
    return tuple(lines)


def columns(frame: Frame, here: Here) -> tuple[Tick, ...]:
    """Round local times, at most about a dozen; midnight names its day."""
    span_s = (frame.end - frame.start) / 1000
    most = max(3.0, (frame.width - LEFT - RIGHT) / 64)
    step = next((s for s in _STEPS_S if span_s / s <= most), _STEPS_S[-1]) * 1000
    offset = here.local(frame.start).utcoffset()
    shift = int(offset.total_seconds() * 1000) if offset else 0
    first = -(-(frame.start + shift) // step) * step - shift
    return tuple(_column(at, frame, here, step) for at in range(first, frame.end + 1, step))


def _column(at: int, frame: Frame, here: Here, step: int) -> Tick:
    there = here.local(at)
    if there.hour or there.minute:
        return Tick(frame.x(at), f"{there:%H:%M}")
    day = here.words(f"weekday.{there.isoweekday()}")
    return Tick(frame.x(at), f"{day} {there:%H:%M}" if step < 86_400_000 else here.day(at), is_strong=True)


def events_of(events: Sequence[tuple[int, str]], frame: Frame) -> tuple[Event, ...]:
    marks = [(frame.x(at), text) for at, text in events if frame.start <= at <= frame.end]
    middle = (LEFT + frame.width - RIGHT) / 2
    return tuple(Event(x, text, "end" if x > middle else "start") for x, text in sorted(marks)[-3:])


def sparkline(values: Sequence[float], width: float = 100, height: float = 34) -> str:
    """A grey line without axes; empty for fewer than two values."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    reach = (high - low) or 1.0
    points = (
        (index / (len(values) - 1) * width, height - 4 - (value - low) / reach * (height - 8))
        for index, value in enumerate(values)
    )
    return "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
