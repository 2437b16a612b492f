"""true values → what a sensor makes of them, between physics and the wire (pure and seeded).

A sensor that lies is no fault of the equipment: truth stays as it is, and can be read beside what was sent.

| kind | what it shows | figures |
|---|---|---|
| noise | the truth ± something new every so often | size, every_s |
| resolution | the truth in coarse steps | step |
| drift | the truth and ever more beside it | per_day, most |
| stuck | what it showed when it stuck | value |
| dropout | now and then nothing: its sentinel, or null | share, every_s |
| range_end | the end of its range | end (low or high), value |
| nan | not a number | |
| sentinel | the value its model has for "not available" | |
| swap | what another point of the same device shows, and that one this | other |

Figures are in the class's units. Where a mapping has no way to say nothing, the device goes on showing what it showed.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from contract.messages import Value
from device_profiles.schema import Point

Kind = Literal["noise", "resolution", "drift", "stuck", "dropout", "range_end", "nan", "sentinel", "swap"]
KINDS: tuple[str, ...] = get_args(Kind)
DAY_S = 86_400.0
_FIGURES: Mapping[str, tuple[str, ...]] = {
    "noise": ("size", "every_s"), "resolution": ("step",), "drift": ("per_day", "most"), "stuck": ("value",),
    "dropout": ("share", "every_s"), "range_end": ("end", "value"), "nan": (), "sentinel": (), "swap": ("other",),
}  # fmt: skip
_NUMBERS_ONLY = ("noise", "resolution", "drift", "range_end", "nan")
_SPAN_SHARE = 0.02
"""Noise, step and daily drift when no figure is given, against the point's plausible range."""


class BadLie(ValueError):
    """A sensor cannot lie like that. The text says why and what is possible."""


@dataclass(frozen=True, slots=True)
class Lie:
    """How one point of one device is wrong since an instant. Make it with ``make_lie``."""

    kind: Kind
    since_s: float
    size: float = 0.0
    """Noise, step or drift per day; the share of the time for a dropout."""
    every_s: float = 1.0
    most: float = math.inf
    value: Value = None
    other: str = ""


def make_lie(
    kind: str, points: Mapping[str, Point], point: str, shown: Value, now_s: float, figures: Mapping[str, object]
) -> Lie:
    """A checked lie about one device point. ``shown`` is what it shows now. Raises BadLie.

    ``points`` are all the points of the device.
    """
    if kind not in _FIGURES:
        raise BadLie(f"{kind} is no way for a sensor to be wrong; there are {', '.join(KINDS)}")
    if point not in points:
        raise BadLie(f"the device shows no {point}; it shows {', '.join(points)}")
    if kind in _NUMBERS_ONLY and points[point].kind not in ("gauge", "counter"):
        raise BadLie(f"{point} is no number: it can be stuck, dropout, sentinel or swap")
    if foreign := set(figures) - set(_FIGURES[kind]):
        raise BadLie(f"{kind} knows no {', '.join(sorted(foreign))}; it knows {', '.join(_FIGURES[kind]) or 'nothing'}")
    if kind == "swap" and (figures.get("other") not in points or figures.get("other") == point):
        raise BadLie(f"other: name another point of the device: {', '.join(name for name in points if name != point)}")
    return _made(kind, points[point], shown, now_s, figures)  # type: ignore[arg-type]


def _made(kind: Kind, of: Point, shown: Value, now_s: float, figures: Mapping[str, object]) -> Lie:
    low, high = of.plausible or (0.0, 100.0)
    usual = 0.3 if kind == "dropout" else _SPAN_SHARE * min(high - low, 1000.0)
    size = _number(figures, {"resolution": "step", "drift": "per_day", "dropout": "share"}.get(kind, "size"), usual)
    if kind in ("noise", "resolution", "dropout") and size <= 0:
        raise BadLie(f"{kind} needs a figure above 0, not {size:g}")
    every_s = _number(figures, "every_s", 60.0 if kind == "dropout" else 1.0)
    if every_s <= 0:
        raise BadLie(f"every_s must be above 0, not {every_s:g}")
    value = figures.get("value", shown)
    if kind == "range_end" and "value" not in figures:
        if figures.get("end", "low") not in ("low", "high"):
            raise BadLie("end: low or high")
        value = high + 1 if figures.get("end") == "high" else low - 1
    most = _number(figures, "most", math.inf)
    return Lie(kind, now_s, size, every_s, most, value, str(figures.get("other", "")))  # type: ignore[arg-type]


def _number(figures: Mapping[str, object], name: str, otherwise: float) -> float:
    value = figures.get(name, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise BadLie(f"{name} must be a number, not {value!r}")
    return float(value)


def shown(
    truth: Mapping[str, Value], lies: Mapping[str, Sequence[Lie]], points: Mapping[str, Point], now_s: float, seed: int
) -> dict[str, Value]:
    """What a device shows of the truth: lies by device point, several on one point told one after the other."""
    told = dict(truth)
    for point, kinds in lies.items():
        for lie in kinds:
            if lie.kind == "swap":
                told[point], told[lie.other] = told[lie.other], told[point]
    for point, kinds in lies.items():
        for lie in kinds:
            told[point] = tell(lie, told[point], now_s, f"{seed}/{point}")
    return {name: _fitting(value, points[name]) if name in lies else value for name, value in told.items()}


def _fitting(value: Value, of: Point) -> Value:
    """A counter that counts backwards below nothing is one no register can hold."""
    return max(0.0, value) if of.kind == "counter" and isinstance(value, float) else value


def tell(lie: Lie, truth: Value, now_s: float, seed: str) -> Value:
    """One value as one lie makes it; None is nothing. The same for the same instant and seed."""
    match lie.kind:
        case "stuck" | "range_end":
            return lie.value
        case "nan":
            return math.nan
        case "sentinel":
            return None
        case "dropout":
            return None if _chance(seed, now_s, lie.every_s) < lie.size else truth
    if lie.kind == "swap" or isinstance(truth, bool) or not isinstance(truth, int | float):
        return truth
    return truth + _beside(lie, float(truth), now_s, seed)


def _beside(lie: Lie, truth: float, now_s: float, seed: str) -> float:
    if lie.kind == "noise":
        one, two = _chance(seed, now_s, lie.every_s), _chance(seed + "/again", now_s, lie.every_s)
        return lie.size * (one + two - 1)
    if lie.kind == "resolution":
        return round(truth / lie.size) * lie.size - truth
    drifted = lie.size * max(0.0, now_s - lie.since_s) / DAY_S
    return max(-lie.most, min(lie.most, drifted))


def _chance(seed: str, now_s: float, every_s: float) -> float:
    """From 0 to below 1."""
    # A checksum of neighbours is a neighbour's checksum: two rounds of multiplying and folding part them.
    mixed = zlib.crc32(f"{seed}/{math.floor(now_s / every_s)}".encode())
    for odd in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9):
        mixed = mixed * odd & 0xFFFF_FFFF_FFFF_FFFF
        mixed ^= mixed >> 29
    return (mixed >> 11) / 2**53
