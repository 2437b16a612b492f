"""dashboard: points of any equipment on one time axis: what an address asks for, and the panels it gives. Pure.

A panel is one unit with its own scale, at most four curves told apart by their dashes; never two scales in one panel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import urlencode

from cloud.dashboard import chart, equipment_page, present
from cloud.dashboard.chart import Bucket, Frame, Line, Trend
from cloud.dashboard.history import SPANS, Range
from cloud.dashboard.present import Here
from cloud.dashboard.rows import EquipmentRow, PointRow, Text

Key = tuple[str, str, str]
"""Site, equipment, point."""
Compare = Literal["", "week", "before"]
COMPARISONS: Final[tuple[Compare, ...]] = ("week", "before")
MOST_POINTS: Final = 8
MOST_A_PANEL: Final = 4
BUCKETS: Final = 500
WEEK_MS: Final = 7 * 86_400_000
SHORTEST_MS: Final = 10_000
SIZE: Final = (800.0, 240.0)
_MOST_DOUBTS: Final = 60


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address says. The same address gives the same view again."""

    points: tuple[Key, ...]
    range: Range
    compare: Compare = ""
    is_apart: bool = False
    """A panel for each point instead of one for each unit."""

    @property
    def query(self) -> str:
        pairs = [("p", "/".join(key)) for key in self.points]
        pairs += [("compare", self.compare)] if self.compare else []
        pairs += [("apart", "1")] if self.is_apart else []
        return "&".join(part for part in (urlencode(pairs, safe="/"), self.range.query) if part)

    @property
    def shift_ms(self) -> int:
        """How far back lies what it is compared with."""
        return WEEK_MS if self.compare == "week" else self.range.end - self.range.start

    def without(self, key: Key) -> Asked:
        return replace(self, points=tuple(one for one in self.points if one != key))

    def plus(self, key: Key) -> Asked:
        return replace(self, points=tuple(dict.fromkeys((*self.points, key)))[:MOST_POINTS])


def asked(query: Mapping[str, str], points: Iterable[str], wanted: Range) -> Asked:
    """Read an address. What it names wrongly is left out, at most eight points are taken."""
    keys = [tuple(text.split("/")) for text in points]
    known = [(key[0], key[1], key[2]) for key in keys if len(key) == 3 and all(key)]
    compare: Compare = next((one for one in COMPARISONS if one == query.get("compare")), "")
    return Asked(tuple(dict.fromkeys(known))[:MOST_POINTS], wanted, compare, query.get("apart") == "1")


# --- moving about -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """A link that changes the range and nothing else. No address: there is nowhere further."""

    id: str
    href: str


def moves(view: Asked, here: Here) -> tuple[Move, ...]:
    """Earlier, later, closer and wider; nothing lies later than now."""
    start, end = view.range.start, view.range.end
    length = end - start
    later = min(length // 2, here.now - end)
    return (
        _move("earlier", view, start - length // 2, end - length // 2),
        _move("later", view, start + later, end + later) if later > 0 else Move("later", ""),
        _move("closer", view, start + length // 4, end - length // 4) if length > SHORTEST_MS else Move("closer", ""),
        _move("wider", view, start - length // 2, min(here.now, end + length // 2)),
    )


def _move(name: str, view: Asked, start: int, end: int) -> Move:
    return Move(name, f"/trends?{replace(view, range=Range(max(0, start), end)).query}")


def spans(view: Asked) -> tuple[equipment_page.SpanLink, ...]:
    """The named spans. They end now, and the page follows."""
    end = view.range.end
    return tuple(
        equipment_page.SpanLink(
            name, f"/trends?{replace(view, range=Range(end - ms, end, name)).query}", name == view.range.span
        )
        for name, ms in SPANS.items()
    )


# --- panels -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """One point as the store gave it; ``buckets`` None when it could not be read, ``before`` is moved to now's axis."""

    key: Key
    equipment: EquipmentRow
    point: PointRow
    buckets: Sequence[Bucket] | None
    before: Sequence[Bucket] = ()


@dataclass(frozen=True, slots=True)
class Doubt:
    """Where values are uncertain or bad, marked at the foot of the panel."""

    x: float
    quality: str
    text: str


@dataclass(frozen=True, slots=True)
class Curve:
    """One point in a panel. ``dash`` is its number among the panel's strokes."""

    key: Key
    name: str
    href: str
    dash: int
    lines: tuple[Line, ...]
    was: tuple[Line, ...]
    figures: tuple[str, ...]
    remove: str
    label_y: float
    severity: str = ""
    """Of its first limit: what lies beyond one is drawn thick and in its colour."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One unit with its own scale."""

    unit: str
    curves: tuple[Curve, ...]
    trend: Trend
    doubts: tuple[Doubt, ...]
    label: str
    is_raw: bool
    failures: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not any(curve.lines for curve in self.curves)

    @property
    def is_beyond(self) -> bool:
        return any(line.is_out for curve in self.curves for line in curve.lines)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened in the range: an alarm, a test."""

    at: int
    text: str
    href: str
    severity: str = ""
    parts: tuple[str, ...] = field(default_factory=tuple)


def panels(view: Asked, found: Sequence[Read], marks: Sequence[Mark], here: Here) -> tuple[Panel, ...]:
    """Points of a unit together, four at most; each by itself when asked apart."""
    return tuple(_panel(view, part, marks, here) for part in groups(view, found))


def groups(view: Asked, found: Sequence[Read]) -> list[list[Read]]:
    """Which points share a panel, in the order in which they were asked for."""
    if view.is_apart:
        return [[one] for one in found]
    units = dict.fromkeys(one.point.unit for one in found)
    rows = [[one for one in found if one.point.unit == unit] for unit in units]
    return [row[i : i + MOST_A_PANEL] for row in rows for i in range(0, len(row), MOST_A_PANEL)]


def _panel(view: Asked, part: Sequence[Read], marks: Sequence[Mark], here: Here) -> Panel:
    span = (view.range.start, view.range.end)
    frame, grid = frame_of(part, span)
    is_single = len(part) == 1
    first = part[0]
    digits = chart.digits_of(grid, max(one.point.digits for one in part))
    trend = Trend(
        width=SIZE[0], height=SIZE[1], lines=(), severity="",
        gaps=chart.gaps(first.buckets or [], frame, chart.spacing_of(first.buckets or []), here) if is_single else (),
        zones=chart.zones(first.point, frame) if is_single else (), limits=_limits(part, frame, here),
        rows=tuple(chart.Tick(frame.y(value), present.number(value, digits)) for value in grid),
        columns=chart.columns(frame, here), events=chart.events_of([(mark.at, mark.text) for mark in marks], frame),
    )  # fmt: skip
    return Panel(
        unit=present.unit_sign(first.point.unit),
        curves=tuple(_curve(view, one, index, frame, here) for index, one in enumerate(part)),
        trend=trend, doubts=tuple(_doubts(part, frame, here)), is_raw=is_raw(part),
        label=here.words("trend.label", point=", ".join(name_of(one, here) for one in part),
                         **{"from": here.when(span[0]), "to": here.when(span[1])}),
        failures=tuple(name_of(one, here) for one in part if one.buckets is None),
    )  # fmt: skip


def frame_of(part: Sequence[Read], span: tuple[int, int]) -> tuple[Frame, list[float]]:
    """The scale of a panel: round values that hold every curve, what it is compared with, and the limits near them."""
    values = [bucket for one in part for bucket in (*(one.buckets or ()), *one.before)]
    grid = chart.grid_of([one.point for one in part], values)
    return Frame(span[0], span[1], grid[0], grid[-1], *SIZE), grid


def is_raw(part: Sequence[Read]) -> bool:
    """Whether every value is drawn as it was read."""
    return all(bucket.count <= 1 for one in part for bucket in one.buckets or ())


def name_of(one: Read, here: Here) -> str:
    return called(one.equipment, one.point.name, one.point.id, here)


def called(equipment: EquipmentRow, name: Text, id: str, here: Here) -> str:
    """A point by the names of its equipment and its own."""
    return f"{here.words.text(equipment.name, equipment.id)} · {here.words.text(name, id)}"


def _limits(part: Sequence[Read], frame: Frame, here: Here) -> tuple[chart.LimitLine, ...]:
    """Every limit once, however many curves share it."""
    found = {line.y: line for one in part for line in chart.limit_lines(one.point, frame, here)}
    return tuple(found.values())


def _curve(view: Asked, one: Read, index: int, frame: Frame, here: Here) -> Curve:
    buckets = one.buckets or ()
    lines = chart.runs(one.point, buckets, frame, chart.spacing_of(buckets))
    last = next((bucket.mean for bucket in reversed(buckets) if bucket.mean is not None), None)
    return Curve(
        key=one.key, name=name_of(one, here), href=f"/equipment/{one.key[0]}/{one.key[1]}", dash=index, lines=lines,
        was=chart.runs(one.point, one.before, frame, chart.spacing_of(one.before)),
        figures=equipment_page.statistics(one.point, buckets, (view.range.start, view.range.end), here, BUCKETS),
        remove=f"/trends?{view.without(one.key).query}", label_y=frame.y(last) if last is not None else 0.0,
        severity=present.css(next((mark.severity for mark in one.point.limits), "")),
    )  # fmt: skip


def _doubts(part: Sequence[Read], frame: Frame, here: Here) -> Iterable[Doubt]:
    """Marks where not every value was good; thinned so that they stay marks."""
    for one in part:
        doubtful = [bucket for bucket in one.buckets or () if bucket.quality != "good"]
        for bucket in doubtful[:: max(1, len(doubtful) // _MOST_DOUBTS)]:
            yield Doubt(frame.x(bucket.at), bucket.quality, doubt_text(bucket, here))


def doubt_text(bucket: Bucket, here: Here) -> str:
    """``16:05 bad: no response``."""
    quality = here.words.or_id("quality", bucket.quality)
    has_cause = bucket.cause not in {"", "none"}
    cause = f": {here.words.or_id('cause', bucket.cause)}" if has_cause else ""
    return f"{here.when(bucket.at)} {quality}{cause}"


# --- for the script ---------------------------------------------------------------------------------------------


def data(view: Asked, found: Sequence[Read], marks: Sequence[Mark], here: Here) -> dict[str, Any]:
    """Everything the script draws, as columns of epoch milliseconds and figures."""
    return {
        "start": view.range.start, "end": view.range.end, "isLive": bool(view.range.span),
        "events": [{"at": mark.at, "text": mark.text} for mark in marks],
        "panels": [_panel_data(part, here) for part in groups(view, found)],
        "words": {"time": here.words("point.sampled_at"), "was": here.words("trends.was")},
    }  # fmt: skip


def _panel_data(part: Sequence[Read], here: Here) -> dict[str, Any]:
    limits = {
        (mark.op, mark.value): {
            "op": mark.op, "value": mark.value, "severity": present.css(mark.severity),
            "text": here.words("trend.limit", limit=present.number(mark.value, one.point.digits), clause=mark.clause),
        }
        for one in part for mark in one.point.limits
    }  # fmt: skip
    return {
        "unit": present.unit_sign(part[0].point.unit), "digits": max(one.point.digits for one in part),
        "limits": list(limits.values()), "gaps": chart.gap_spans(part[0].buckets or ()) if len(part) == 1 else [],
        "series": [_series(one, here) for one in part],
    }  # fmt: skip


def _series(one: Read, here: Here) -> dict[str, Any]:
    at, mean, low, high = chart.with_gaps(one.buckets or ())
    was_at, was, _, _ = chart.with_gaps(one.before)
    doubts = [
        {"at": b.at, "quality": b.quality, "text": doubt_text(b, here)}
        for b in one.buckets or ()
        if b.quality != "good"
    ]
    return {
        "name": name_of(one, here), "at": at, "mean": mean, "low": low, "high": high, "was": {"at": was_at, "mean": was},
        "doubts": doubts,
        "limits": [{"op": m.op, "value": m.value, "severity": present.css(m.severity)} for m in one.point.limits],
    }  # fmt: skip


def moved(buckets: Iterable[Bucket], by_ms: int) -> list[Bucket]:
    """What lies before, on the axis of now."""
    return [replace(bucket, at=bucket.at + by_ms) for bucket in buckets]
