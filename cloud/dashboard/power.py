"""dashboard: history of an incomer → its quarter hours, hours and days of one month. Pure.

The power factor of a quarter hour is |P| / √(P² + Q²) of the means of active and reactive power, as the rule judges it
(clause h-5.3.1-pf); where a meter tells no reactive power, the mean of its own power factor, without its sign.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Final

from cloud.dashboard.chart import Bucket
from cloud.dashboard.rows import EquipmentRow, LimitMark, PointRow
from contract.conventions import EpochMs, from_ms

SLOT_MS: Final = 900_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
CURRENTS: Final = ("current_l1", "current_l2", "current_l3")
STAGES: Final = "capacitor_stages_on"
READ: Final = ("active_power", "reactive_power", "power_factor", *CURRENTS, STAGES)
"""The points that a month is drawn from."""
_TELLING: Final = {"power_factor", STAGES, "demand"}
_ROLES: Final = ("compensated_incomer", "incomer")
_QUALITIES: Final = ("good", "uncertain", "bad")
EARLIEST_YEAR: Final = 2000


# --- which equipment, which month -------------------------------------------------------------------------------


def is_metered(row: EquipmentRow, points: Mapping[str, PointRow]) -> bool:
    """Whether a meter or controller gives what this page draws."""
    return any(name in _TELLING and point.device for name, point in points.items()) or (
        row.equipment_class == "lv_switchgear" and any(point.device for point in points.values())
    )


def rank(row: EquipmentRow) -> tuple[int, str, str]:
    """Compensated incomers first, then other incomers, then feeders and whatever else has a power meter."""
    place = next((number for number, role in enumerate(_ROLES) if role in row.roles), len(_ROLES))
    return place, row.site, row.id


@dataclass(frozen=True, slots=True)
class Month:
    """One calendar month of the site: [start, end) in epoch ms, and the part of it that is over in whole quarter hours."""

    year: int
    month: int
    start: EpochMs
    end: EpochMs
    until: EpochMs

    @property
    def id(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def is_over(self) -> bool:
        return self.until == self.end

    @property
    def slots(self) -> int:
        return (self.until - self.start) // SLOT_MS


def month_at(year: int, month: int, zone: tzinfo, now: EpochMs) -> Month:
    start, end = _border(year, month, zone), _border(year + month // 12, month % 12 + 1, zone)
    until = end if now >= end else start + max(0, now - start) // SLOT_MS * SLOT_MS
    return Month(year, month, start, end, until)


def _border(year: int, month: int, zone: tzinfo) -> EpochMs:
    return int(datetime(year, month, 1, tzinfo=zone).timestamp() * 1000)


def wanted_month(text: str, zone: tzinfo, now: EpochMs) -> Month:
    """``2026-11``; anything else, and what is still to come, is the month of now."""
    today = from_ms(now).astimezone(zone)
    year, dash, month = text.partition("-")
    is_month = (
        dash and year.isdecimal() and month.isdecimal() and (len(year), len(month)) == (4, 2) and 1 <= int(month) <= 12
    )
    asked = (int(year), int(month)) if is_month else (today.year, today.month)
    if not (EARLIEST_YEAR, 1) <= asked <= (today.year, today.month):
        asked = (today.year, today.month)
    return month_at(*asked, zone, now)


def split_today(month: Month, zone: tzinfo) -> tuple[Month, Month]:
    """The days of a month that are over, and the one that is running; either may be of no length."""
    if month.is_over:
        return month, replace(month, start=month.end)
    there = from_ms(month.until).astimezone(zone)
    midnight = int(there.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
    border = max(month.start, midnight)
    return replace(month, end=border, until=border), replace(month, start=border)


def pieces(month: Month) -> list[tuple[EpochMs, EpochMs, int]]:
    """Start, end and step of the stretches by which a month's counters are read: hours at its ends, days between.

    The days between are whole ones: what a changed clock adds or takes falls to the last piece.
    """
    if month.until - month.start <= 3 * DAY_MS:
        return [(month.start, month.until, HOUR_MS)] if month.slots else []
    first = month.start + DAY_MS
    last = first + (month.until - DAY_MS - first) // DAY_MS * DAY_MS
    return [(month.start, first, HOUR_MS), (first, last, DAY_MS), (last, month.until, HOUR_MS)]


def months_before(of: Month, count: int, zone: tzinfo, now: EpochMs) -> tuple[Month, ...]:
    """``count`` months that end with this one, oldest first."""
    last = of.year * 12 + of.month - 1
    return tuple(month_at(number // 12, number % 12 + 1, zone, now) for number in range(last - count + 1, last + 1))


# --- what binds it ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bounds:
    """The equipment's own limits, as its gateway announced them; None for what no rule of it has."""

    power_factor: LimitMark | None = None
    least_load: float = 0.0
    """Per cent of the rated current below which the power factor is not judged."""
    month: LimitMark | None = None
    month_kwh: float = 0.0
    """Energy of a month below which its power factor is not judged."""
    load: tuple[LimitMark, ...] = ()
    """In per cent of the rated current."""
    rated_a: float = 0.0
    rated_kva: float = 0.0
    contract_kw: float = 0.0
    stages: int = 0

    def judges(self, load: float | None) -> bool:
        return load is None or load > self.least_load

    def is_low(self, power_factor: float | None, load: float | None) -> bool:
        mark = self.power_factor
        return mark is not None and power_factor is not None and self.judges(load) and power_factor < mark.value

    def load_mark(self, load: float | None) -> LimitMark | None:
        """The outermost limit of the load that this is beyond."""
        beyond = [mark for mark in self.load if load is not None and load > mark.value]
        return max(beyond, key=lambda mark: mark.value, default=None)


def bounds_of(
    row: EquipmentRow, points: Mapping[str, PointRow], limits: Mapping[str, float], month: LimitMark | None
) -> Bounds:
    """``month`` is the limit of the rule over a month's energy, where the equipment has that rule."""
    rated, volts = _figure(row, "rated_a"), _figure(row, "nominal_v")
    own = points.get("power_factor")
    below = [mark for mark in (own.limits if own else ()) if mark.op.startswith("<")]
    over = [mark for mark in (points["current_l1"].limits if "current_l1" in points else ()) if mark.op.startswith(">")]
    shares = [LimitMark(m.rule, m.op, m.value / rated * 100, m.severity, m.clause) for m in over] if rated else []
    return Bounds(
        power_factor=max(below, key=lambda mark: mark.value, default=None), least_load=limits.get("pf_min_load", 0.0), month=month,
        month_kwh=limits.get("pf_month_energy", 0.0), load=tuple(sorted(shares, key=lambda mark: mark.value)), rated_a=rated,
        rated_kva=3 * volts * rated / 1000, contract_kw=_figure(row, "contract_kw"),
        stages=round(_figure(row, "capacitor_stages")),
    )  # fmt: skip


def _figure(row: EquipmentRow, name: str) -> float:
    value = row.ratings.get(name, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


# --- quarter hours ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Slot:
    """A quarter hour that begins at ``at``. None is what nobody knows."""

    at: EpochMs
    power_factor: float | None = None
    kw: float | None = None
    kvar: float | None = None
    load: float | None = None
    """Per cent of the rated current, the mean of the phases."""
    stages: tuple[float, float] | None = None
    """Fewest and most capacitor stages in use."""
    quality: str = "good"
    """The worst of what it was made of."""
    cause: str = "none"

    @property
    def is_known(self) -> bool:
        return any(one is not None for one in (self.power_factor, self.kw, self.load))


def slots_of(columns: Mapping[str, Sequence[Bucket]], month: Month, rated_a: float) -> tuple[Slot, ...]:
    """Every quarter hour of the part of the month that is over, from stretches of its points, however they are cut."""
    gathered = {name: gather(buckets, month.start, month.slots) for name, buckets in columns.items()}
    return tuple(
        _slot(
            month.start + number * SLOT_MS,
            {name: found[number] for name, found in gathered.items() if number in found},
            rated_a,
        )
        for number in range(month.slots)
    )


def gather(buckets: Sequence[Bucket], start: EpochMs, count: int) -> dict[int, Bucket]:
    """The number of a quarter hour → what lies in it, as one."""
    parts: dict[int, list[Bucket]] = {}
    for bucket in buckets:
        number = (bucket.at - start) // SLOT_MS
        if 0 <= number < count:
            parts.setdefault(number, []).append(bucket)
    return {number: own[0] if len(own) == 1 else _merged(own) for number, own in parts.items()}


def _merged(parts: Sequence[Bucket]) -> Bucket:
    known = [one for one in parts if one.mean is not None]
    weight = sum(max(1, one.count) for one in known)
    mean = sum((one.mean or 0.0) * max(1, one.count) for one in known) / weight if known else None
    worst = max(parts, key=lambda one: _QUALITIES.index(one.quality) if one.quality in _QUALITIES else 0)
    return Bucket(
        parts[0].at, mean, min((one.low for one in known if one.low is not None), default=None),
        max((one.high for one in known if one.high is not None), default=None), worst.quality, worst.cause, weight,
    )  # fmt: skip


def _slot(at: EpochMs, own: Mapping[str, Bucket], rated_a: float) -> Slot:
    kw, kvar = (_mean(own, name) for name in ("active_power", "reactive_power"))
    currents = [mean for name in CURRENTS if (mean := _mean(own, name)) is not None]
    load = sum(currents) / len(currents) / rated_a * 100 if currents and rated_a else None
    factor = factor_of(kw, kvar)
    if factor is None and (told := _mean(own, "power_factor")) is not None:
        factor = abs(told)
    stages = own.get(STAGES)
    worst = max(own.values(), key=lambda one: _QUALITIES.index(one.quality), default=Bucket(at, None))
    return Slot(
        at, factor, kw, kvar, load,
        (stages.low, stages.high) if stages and stages.low is not None and stages.high is not None else None,
        worst.quality if own else "bad", worst.cause if own else "none",
    )  # fmt: skip


def _mean(own: Mapping[str, Bucket], name: str) -> float | None:
    return own[name].mean if name in own else None


def factor_of(active: float | None, reactive: float | None) -> float | None:
    """|P| / √(P² + Q²), of powers or of energies; None where one is unknown or both are nothing."""
    if active is None or reactive is None:
        return None
    apparent = math.hypot(active, reactive)
    return abs(active) / apparent if apparent > 0 else None


# --- hours and days ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """An hour of a day, or a whole day: means over its quarter hours."""

    power_factor: float | None = None
    load: float | None = None
    known: int = 0
    """Quarter hours with a value, of ``slots``."""
    slots: int = 0
    quality: str = "good"

    @property
    def is_partial(self) -> bool:
        return self.known < self.slots or self.quality != "good"


@dataclass(frozen=True, slots=True)
class Day:
    """One local day: its hours as the clock shows them (an hour that a change of the clock leaves out is empty)."""

    start: EpochMs
    hours: tuple[Cell, ...]
    whole: Cell
    judged: int = 0
    """Quarter hours in which the power factor was known and judged."""
    low: int = 0
    """Those of them below the limit."""
    peak: Slot | None = None
    """The quarter hour of the greatest demand."""


def days_of(slots: Sequence[Slot], zone: tzinfo, bounds: Bounds) -> tuple[Day, ...]:
    dated: dict[tuple[int, int, int], list[tuple[int, Slot]]] = {}
    for slot in slots:
        there = from_ms(slot.at).astimezone(zone)
        dated.setdefault((there.year, there.month, there.day), []).append((there.hour, slot))
    return tuple(_day(own, bounds) for own in dated.values())


def _day(own: Sequence[tuple[int, Slot]], bounds: Bounds) -> Day:
    every = [slot for _, slot in own]
    total = total_of(every, bounds)
    hours = tuple(cell_of([slot for hour, slot in own if hour == number]) for number in range(24))
    return Day(every[0].at, hours, cell_of(every), total.judged, total.low, total.peak)


def cell_of(slots: Sequence[Slot]) -> Cell:
    known = [slot for slot in slots if slot.is_known]
    both = [(slot.kw, slot.kvar) for slot in known if slot.kw is not None and slot.kvar is not None]
    factor = factor_of(sum(kw for kw, _ in both), sum(kvar for _, kvar in both)) if both else None
    if factor is None:
        factor = _average([slot.power_factor for slot in known])
    quality = "good" if all(slot.quality == "good" for slot in known) else "uncertain"
    return Cell(factor, _average([slot.load for slot in known]), len(known), len(slots), quality)


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


# --- the month in figures ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Total:
    """A stretch of quarter hours in figures."""

    judged: int = 0
    low: int = 0
    missing: int = 0
    least: Slot | None = None
    peak: Slot | None = None
    loads: tuple[float, ...] = field(default=())
    """Greatest first: the load duration curve."""


def total_of(slots: Sequence[Slot], bounds: Bounds) -> Total:
    judged = [slot for slot in slots if slot.power_factor is not None and bounds.judges(slot.load)]
    return Total(
        judged=len(judged), low=sum(bounds.is_low(slot.power_factor, slot.load) for slot in judged),
        missing=sum(not slot.is_known for slot in slots),
        least=min(judged, key=lambda slot: slot.power_factor or 0.0, default=None),
        peak=max((slot for slot in slots if slot.kw is not None), key=lambda slot: abs(slot.kw or 0.0), default=None),
        loads=tuple(sorted((slot.load for slot in slots if slot.load is not None), reverse=True)),
    )  # fmt: skip
