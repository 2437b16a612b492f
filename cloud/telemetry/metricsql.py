"""Telemetry store ↔ VictoriaMetrics' language: samples to line protocol, MetricsQL answers to samples and buckets (pure).

VictoriaMetrics keeps numbers only, each by its name and labels. So a sample is two of its points, with the labels site, equipment, point and
month (``2026-11``, UTC; what a deletion is about):

================== ==============================================================================================
``sample_state``    1, with the labels quality, cause, kind (number, bit, text, none) and text: what the sample was
``sample_value``    its number or bit, when it is not bad
``sample_spoiled``  its number or bit, when it is bad
================== ==============================================================================================

A window of the language is open at its beginning and closed at its end; ours are the other way round. Instants are whole
milliseconds, so a stretch [start, end) is the window of its length that ends at ``end - 1``. Points that lie on one instant twice
are dropped by a server that runs with ``-dedup.minScrapeInterval=1ms``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.telemetry.store import QUALITIES, Bucket, Held, Key, Row, Sample
from contract.conventions import EpochMs, from_ms
from contract.messages import Value

_NO_CAUSE = "none"
_BAD = QUALITIES[-1]
_TAG_ESCAPES = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\=", "\n": r"\ ", "\\": r"\\"})
_OURS = '{__name__=~"sample_(state|value|spoiled)"'
Labels = Mapping[str, str]


def to_lines(rows: Sequence[Row]) -> str:
    """Line protocol with millisecond timestamps, one or two lines a sample."""
    return "\n".join(line for row in rows for line in _lines(row))


def _lines(row: Row) -> Iterator[str]:
    sample, kind = row.sample, _kind(row.sample.value)
    where = {"equipment": row.equipment, "month": month_of(sample.at_ms), "point": row.point, "site": row.site}
    text = str(sample.value) if kind == "text" else ""
    state = {"cause": sample.cause, "kind": kind, "quality": sample.quality, "text": text}
    yield f"sample,{_tags(where | state)} state=1 {sample.at_ms}"
    if kind in ("number", "bit"):
        name = "spoiled" if sample.quality == _BAD else "value"
        yield f"sample,{_tags(where)} {name}={float(sample.value or 0)!r} {sample.at_ms}"


def _tags(tags: Mapping[str, str]) -> str:
    return ",".join(f"{name}={value.translate(_TAG_ESCAPES)}" for name, value in tags.items() if value)


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "bit"
    if isinstance(value, str):
        return "text"
    return "none" if value is None or not math.isfinite(value) else "number"


def month_of(at_ms: EpochMs) -> str:
    """``2026-11`` in UTC."""
    return f"{from_ms(at_ms):%Y-%m}"


def selector(metric: str, **labels: str) -> str:
    """``sample_state{site="demo"}``; a label that ends in ``__in`` is a list of alternatives, joined by newlines."""
    parts = [
        f"{name.removesuffix('__in')}=~{_literal('|'.join(re.escape(one) for one in value.splitlines()))}"
        if name.endswith("__in")
        else f"{name}={_literal(value)}"
        for name, value in labels.items()
    ]
    return f"sample_{metric}{{{','.join(parts)}}}"


def _literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def everything_of(*point: str, **labels: str) -> str:
    """The three metrics of one point, or of all points."""
    told = dict(zip(("site", "equipment", "point"), point, strict=False)) | labels
    return _OURS + "".join(f",{name}={_literal(value)}" for name, value in told.items()) + "}"


def instant(at_ms: EpochMs) -> str:
    """An instant as the server reads it: seconds. It cuts after a multiplication, so a little is added."""
    return f"{at_ms // 1000}.{at_ms % 1000:03}4"


@dataclass(frozen=True, slots=True)
class Question:
    """Some stretches of a range. ``start`` is where the first begins as it is shown; ``width`` apart the next ones follow."""

    path: str
    parameters: Mapping[str, str]
    start: EpochMs
    width: int
    end: EpochMs
    """The instant after the first one's window."""


def range_questions(key: Key, from_ms: EpochMs, limits: tuple[EpochMs, EpochMs], width: int) -> Iterator[Question]:
    """What to ask for stretches of ``width`` from ``from_ms`` on, of which only what is within the limits can hold samples.

    Whole stretches are one question over a range; a first or last one that is cut short is a question of its own.
    """
    begin, end = limits
    first, last = (begin - from_ms) // width, (end - 1 - from_ms) // width
    whole_from = first + (from_ms + first * width < begin)
    whole_to = last + (from_ms + (last + 1) * width <= end)
    if first < whole_from:
        yield _cut(key, from_ms + first * width, (begin, min(end, from_ms + whole_from * width)), width)
    if whole_from < whole_to:
        yield _whole(key, from_ms + whole_from * width, whole_to - whole_from, width)
    if whole_to <= last and last >= whole_from:
        yield _cut(key, from_ms + last * width, (from_ms + last * width, end), width)


def _cut(key: Key, start: EpochMs, window: tuple[EpochMs, EpochMs], width: int) -> Question:
    query = range_expression(key, window[1] - window[0])
    told = {"query": query, "time": instant(window[1] - 1), "nocache": "1"}
    return Question("query", told, start, width, window[1])


def _whole(key: Key, start: EpochMs, count: int, width: int) -> Question:
    told = {
        "query": range_expression(key, width), "start": instant(start + width - 1),
        "end": instant(start + count * width - 1), "step": f"{width}ms", "nocache": "1",
    }  # fmt: skip
    return Question("query_range", told, start, width, start + width)


def range_expression(point: Key, width_ms: int) -> str:
    """All that a bucket needs, as one question; ``is`` names the column."""
    where = dict(zip(("site", "equipment", "point"), point, strict=True))
    value, spoiled, state = (f"{selector(name, **where)}[{width_ms}ms]" for name in ("value", "spoiled", "state"))
    columns = {
        "n": f"sum(count_over_time({value}))", "total": f"sum(sum_over_time({value}))",
        "low": f"min(min_over_time({value}))", "high": f"max(max_over_time({value}))",
        "value": f"last_over_time({value})", "spoiled": f"last_over_time({spoiled})",
        "state": f"tlast_over_time({state})", "samples": f"count_over_time({state})",
    }  # fmt: skip
    return _union(columns)


def latest_expression(window_ms: int, **labels: str) -> str:
    """The newest state and value of points, within the window before the instant asked for."""
    value, spoiled, state = (
        f"{selector(name, **labels)}[{window_ms}ms]" for name in ("value", "spoiled", "state")
    )  # fmt: skip
    return _union({
        "value": f"last_over_time({value})", "spoiled": f"last_over_time({spoiled})", "state": f"tlast_over_time({state})",
    })  # fmt: skip


def held_expression(window_ms: int) -> str:
    """Count and ends of every point."""
    state = f"sample_state[{window_ms}ms]"
    return _union({
        "samples": f"sum by (site,equipment,point) (count_over_time({state}))",
        "first": f"min by (site,equipment,point) (tfirst_over_time({state}))",
        "last": f"max by (site,equipment,point) (tlast_over_time({state}))",
    })  # fmt: skip


def _union(columns: Mapping[str, str]) -> str:
    return "union(" + ", ".join(f'label_set({query}, "is", "{name}")' for name, query in columns.items()) + ")"


@dataclass(slots=True)
class _Stretch:
    """What is known of one evaluated instant."""

    sums: dict[str, float] = field(default_factory=dict)
    states: list[tuple[float, int, Labels]] = field(default_factory=list)
    """Instant of the newest sample in this state (seconds), rank of its quality, labels."""
    newest: dict[str, tuple[str, float]] = field(default_factory=dict)
    """value or spoiled → month and number of its newest sample."""
    samples: int = 0

    def take(self, labels: Labels, number: float) -> None:
        name = labels["is"]
        if name == "state":
            self.states.append((number, QUALITIES.index(labels["quality"]), labels))
        elif name == "samples":
            self.samples += int(number)
        elif name in ("value", "spoiled"):
            self.newest[name] = max(self.newest.get(name, ("", 0.0)), (labels.get("month", ""), number))
        else:
            self.sums[name] = number

    def last(self) -> tuple[float, Labels]:
        """The newest state; of two at one instant the worse one."""
        at, _, labels = max(self.states, key=lambda one: one[:2])
        return at, labels

    def value(self) -> Value:
        _, labels = self.last()
        if labels["kind"] == "none":
            return None
        if labels["kind"] == "text":
            return labels.get("text", "")
        number = self.newest["spoiled" if labels["quality"] == _BAD else "value"][1]
        return bool(number) if labels["kind"] == "bit" else number


def read_buckets(answer: Mapping[str, Any], asked: Question, to_ms: EpochMs) -> tuple[int, list[Bucket]]:
    """How many samples there are, and their buckets, from the answer to one of ``range_questions``."""
    stretches: dict[int, _Stretch] = {}
    for series in answer["data"]["result"]:
        for at, number in series.get("values") or [series["value"]]:
            place = asked.start + (round(at * 1000) + 1 - asked.end)
            stretches.setdefault(place, _Stretch()).take(series["metric"], float(number))
    found = [(start, told) for start, told in sorted(stretches.items()) if told.states]
    buckets = [_bucket(start, min(start + asked.width, to_ms), told) for start, told in found]
    return sum(told.samples for _, told in found), buckets


def _bucket(start: EpochMs, end: EpochMs, told: _Stretch) -> Bucket:
    count = int(told.sums.get("n", 0))
    mean = told.sums["total"] / count if count else None
    worst = max(rank for _, rank, _ in told.states)
    cause = max((labels["cause"] for _, _, labels in told.states if labels["quality"] == _BAD), default="")
    return Bucket(
        start, end, count, told.sums.get("low"), mean, told.sums.get("high"), told.value(), QUALITIES[worst], cause
    )


def read_latest(answer: Mapping[str, Any]) -> dict[Key, Sample]:
    """Point → newest sample, from the answer to ``latest_expression`` at an instant."""
    points: dict[Key, _Stretch] = {}
    for series in answer["data"]["result"]:
        points.setdefault(_key(series["metric"]), _Stretch()).take(series["metric"], float(series["value"][1]))
    found = {}
    for key, told in sorted(points.items()):
        if told.states:
            at, labels = told.last()
            cause = labels.get("cause", _NO_CAUSE)
            found[key] = Sample(round(at * 1000), told.value(), labels["quality"], cause)
    return found


def read_held(answer: Mapping[str, Any]) -> list[Held]:
    """Every point, from the answer to ``held_expression`` at an instant."""
    points: dict[Key, dict[str, float]] = {}
    for series in answer["data"]["result"]:
        points.setdefault(_key(series["metric"]), {})[series["metric"]["is"]] = float(series["value"][1])
    return [
        Held(*key, int(told["samples"]), round(told["first"] * 1000), round(told["last"] * 1000))
        for key, told in sorted(points.items())
    ]


def read_samples(series: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """Samples in the order of time, from exported series of one point."""
    states: dict[EpochMs, Labels] = {}
    numbers: dict[tuple[str, EpochMs], float] = {}
    for one in series:
        labels, times = one["metric"], one["timestamps"]
        if labels["__name__"] == "sample_state":
            for at in times:
                if at not in states or _rank(states[at]) < _rank(labels):
                    states[at] = labels
        else:
            numbers.update(((labels["__name__"], at), number) for at, number in zip(times, one["values"], strict=True))
    return [_sample(at, states[at], numbers) for at in sorted(states)]


def _sample(at: EpochMs, labels: Labels, numbers: Mapping[tuple[str, EpochMs], float]) -> Sample:
    value: Value = None
    if labels["kind"] == "text":
        value = labels.get("text", "")
    elif labels["kind"] != "none":
        value = float(numbers.get(("sample_spoiled" if labels["quality"] == _BAD else "sample_value", at), math.nan))
        value = bool(value) if labels["kind"] == "bit" else value
    return Sample(at, value, labels["quality"], labels.get("cause", _NO_CAUSE))


def _rank(labels: Labels) -> int:
    return QUALITIES.index(labels["quality"])


def _key(labels: Labels) -> Key:
    return labels["site"], labels["equipment"], labels["point"]
