"""dashboard: a point's newest sample → figure, quality, age and limit bar. Pure. A value never stands alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from cloud.dashboard import present
from cloud.dashboard.present import DASH, Here
from cloud.dashboard.rows import LimitMark, PointRow, SampleRow, Value
from cloud.dashboard.words import Words

LEAST_STALE_MS: Final = 15_000
_ICONS: Final = {"uncertain": "q-unc", "bad": "q-bad", "stale": "q-stale"}


@dataclass(frozen=True, slots=True)
class Bar:
    """A value against its limits. All figures are per cent of the bar's width; ``at`` is None where nothing is known."""

    ok_from: float
    ok_width: float
    ticks: tuple[float, ...]
    at: float | None
    beyond: str = ""
    """``low`` or ``high`` when the value lies past the end of the scale."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One value as it is written: figure and unit apart, quality in words, its age, its bar."""

    point: str
    label: str
    figure: str
    unit: str
    quality: str
    quality_word: str
    icon: str
    age: str
    limit: str
    bar: Bar | None
    is_word: bool = False
    severity: str = ""
    last_good: str = ""
    clause: str = ""
    is_void: bool = False


def quality_of(sample: SampleRow | None, point: PointRow, now: int) -> str:
    """``good``, ``uncertain``, ``bad`` or ``stale``; a good sample grows stale after three intervals, at least 15 s."""
    if sample is None:
        return "bad"
    if sample.quality == "bad":
        return "stale" if sample.cause == "stale" else "bad"
    return "stale" if now - sample.at > max(LEAST_STALE_MS, 3 * point.expected_every_ms) else sample.quality


def figure(value: Value, point: PointRow, words: Words) -> str:
    """A value without its unit: digits from the profile, states and bits in words."""
    if value is None:
        return DASH
    key = str(value).lower() if isinstance(value, bool) else str(value)
    if key in point.states:
        return words.text(point.states[key], key)
    if isinstance(value, bool):
        return words(f"bit.{key}")
    return present.number(value, point.digits) if isinstance(value, int | float) else value


def show(point: PointRow, sample: SampleRow | None, here: Here, alarmed: Mapping[str, str] | None = None) -> Shown:
    """One point. ``alarmed`` maps points of active alarms to the worst severity they are in."""
    words = here.words
    quality = quality_of(sample, point, here.now)
    value = sample.value if sample and quality != "bad" else None
    text = figure(value, point, words)
    severity = (alarmed or {}).get(point.id, "")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    base = Shown(
        point=point.id, label=words.text(point.name, point.id), figure=text,
        unit=present.unit_sign(point.unit) if point.kind in {"gauge", "counter"} else "",
        quality=quality, quality_word=quality_words(sample, quality, here), icon=_ICONS.get(quality, ""),
        age=present.age((here.now - sample.at) / 1000, words) if sample else "",
        limit=limit_text(point, words), bar=bar(point, value if quality in {"good", "uncertain"} else None),
        is_word=not is_number and point.kind not in {"gauge", "counter"}, severity=severity,
        clause=_clause(point, severity), is_void=quality in {"bad", "stale"},
    )  # fmt: skip
    return replace(base, last_good=_last_good(sample, point, here)) if quality == "bad" and sample else base


def _last_good(sample: SampleRow, point: PointRow, here: Here) -> str:
    if sample.last_good_at is None:
        return ""
    text = present.with_unit(figure(sample.last_good, point, here.words), point.unit, here.words)
    return here.words("quality.last_good", value=text, at=here.when(sample.last_good_at))


def quality_words(sample: SampleRow | None, quality: str, here: Here) -> str:
    """``good``, or what is wrong in a technician's words: ``bad, no response``."""
    words = here.words
    if sample is None:
        return words("quality.with_cause", quality=words("quality.bad"), cause=words("cause.not_yet"))
    if quality == "stale":
        return words("quality.with_cause", quality=words("quality.stale"), cause=here.when(sample.at))
    if sample.cause == "none":
        return words(f"quality.{quality}")
    cause = words.or_id("cause", sample.cause)
    return words("quality.with_cause", quality=words(f"quality.{quality}"), cause=cause)


# --- limits -----------------------------------------------------------------------------------------------------


def _sides(limits: Collection[LimitMark]) -> tuple[list[float], list[float]]:
    """Values below which and above which a rule is in alarm, each innermost first."""
    low = sorted((mark.value for mark in limits if mark.op.startswith("<")), reverse=True)
    high = sorted(mark.value for mark in limits if mark.op.startswith(">"))
    return low, high


def limit_text(point: PointRow, words: Words) -> str:
    """The permitted range: ``≥ 0.90``, ``≤ 1600``, ``353 – 407``, or ``none``."""
    low, high = _sides(point.limits)
    if low and high:
        return f"{present.number(low[0], point.digits)} – {present.number(high[0], point.digits)}"
    if low:
        return f"≥ {present.number(low[0], point.digits)}"
    return f"≤ {present.number(high[0], point.digits)}" if high else words("limit.none")


def bar(point: PointRow, value: Value) -> Bar | None:
    """The limit bar of a number; None for words, and for a point with neither limits nor a plausible range."""
    if point.kind not in {"gauge", "counter"} or not (span := scale(point)):
        return None
    start, end = span
    low, high = _sides(point.limits)
    place = _placer(start, end)
    ok_from = place(low[0]) if low else 0.0
    ok_to = place(high[0]) if high else 100.0 if low else 0.0
    ticks = tuple(place(limit) for limit in [*low, *high] if start <= limit <= end)
    at, beyond = None, ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        at = place(value)
        beyond = "low" if value < start else "high" if value > end else ""
    return Bar(ok_from, max(0.0, ok_to - ok_from), ticks, at, beyond)


def scale(point: PointRow) -> tuple[float, float] | None:
    """The bar's ends: the plausible range, cut on the forbidden side to 30 % of the permitted span past the limit.

    Where limits stand on one side only, the permitted side is cut too: at zero below an upper limit, and at three times
    a lower one, so that a pump of 7 kW does not vanish on a scale that its class makes wide enough for every pump.
    """
    low, high = _sides(point.limits)
    ends = [*low, *high, *list(point.plausible or ())]
    if len(ends) < 2 or min(ends) == max(ends):
        return None
    floor, ceiling = point.plausible or (min(0.0, *ends), max(ends) * 1.3)
    if high and not low and floor < 0 < high[0]:
        floor = 0.0
    if low and not high and low[0] > 0:
        floor, ceiling = max(floor, 0.0), min(ceiling, 3 * low[0])
    permitted = max((high[0] if high else ceiling) - (low[0] if low else floor), 0.0)
    # A limit near the end of the range (a power factor of 0.9) would leave the forbidden side too narrow to see.
    past = permitted * (1.0 if permitted < 0.25 * (ceiling - floor) and not (low and high) else 0.3)
    start = max(floor, low[-1] - past) if low else floor
    if low and not high and floor < start < low[-1] / 2:
        start = floor  # so near the end of the range that the rest may be seen too
    end = min(ceiling, high[-1] + past) if high else ceiling
    return (start, end) if end > start else None


def _placer(start: float, end: float) -> Callable[[float], float]:
    def place(value: float) -> float:
        return round(min(100.0, max(0.0, (value - start) / (end - start) * 100)), 2)

    return place


def _clause(point: PointRow, severity: str) -> str:
    """The clause of the alarm's own limit, else of the limit that is met first."""
    low, high = _sides(point.limits)
    innermost = {*low[:1], *high[:1]}
    own = [mark for mark in point.limits if severity and mark.severity == severity]
    marks = own or [mark for mark in point.limits if mark.value in innermost]
    return next((mark.clause for mark in marks if mark.clause), "")
