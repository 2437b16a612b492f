"""dashboard: voltage, frequency, harmonics and leakage of an incomer over a month → figures against their limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.dashboard import chart, present
from cloud.dashboard.chart import Bucket
from cloud.dashboard.power import CURRENTS, Month, gather
from cloud.dashboard.present import DASH, Here
from cloud.dashboard.rows import PointRow
from cloud.dashboard.value import figure, limit_text


@dataclass(frozen=True, slots=True)
class QuantityLine:
    """One point's month: extremes as read, mean, and the share of its quarter hours whose mean is beyond a limit."""

    name: str
    least: str
    mean: str
    greatest: str
    limit: str
    beyond: str
    severity: str
    clause: str


def wanted(points: Mapping[str, PointRow]) -> list[PointRow]:
    """Gauges with a limit that no curve of the page shows."""
    shown = {"power_factor", *CURRENTS}
    return [one for one in points.values() if one.device and one.kind == "gauge" and one.limits and one.id not in shown]


def lines(read: Sequence[tuple[PointRow, Sequence[Bucket]]], month: Month, here: Here) -> tuple[QuantityLine, ...]:
    return tuple(
        _line(point, list(gather(buckets, month.start, month.slots).values()), here) for point, buckets in read
    )


def _line(point: PointRow, slots: Sequence[Bucket], here: Here) -> QuantityLine:
    words = here.words
    known = [one for one in slots if one.mean is not None]
    name, limit = words.text(point.name, point.id), present.with_unit(limit_text(point, words), point.unit, words)
    clause = next((mark.clause for mark in point.limits), "")
    if not known:
        return QuantityLine(name, DASH, DASH, DASH, limit, DASH, "", clause)
    beyond = [one for one in known if chart.is_out(point, one.mean or 0.0)]
    share = present.with_unit(present.number(len(beyond) / len(known) * 100, 1), "%", words)
    crossed = [mark for one in beyond for mark in point.limits if _is_beyond(mark.op, mark.value, one.mean or 0.0)]
    worst = min(crossed, key=lambda mark: present.severity_rank(mark.severity), default=None)
    figures = (
        min(one.low if one.low is not None else one.mean or 0.0 for one in known),
        sum(one.mean or 0.0 for one in known) / len(known),
        max(one.high if one.high is not None else one.mean or 0.0 for one in known),
    )
    least, mean, greatest = (present.with_unit(figure(value, point, words), point.unit, words) for value in figures)
    return QuantityLine(
        name,
        least,
        mean,
        greatest,
        limit,
        share,
        present.css(worst.severity) if worst else "",
        worst.clause if worst else clause,
    )


def _is_beyond(op: str, limit: float, value: float) -> bool:
    return value < limit if op.startswith("<") else value > limit
