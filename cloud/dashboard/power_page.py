"""dashboard: quarter hours, days and months of an incomer → what the page of power quality says. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlencode

from cloud.dashboard import present
from cloud.dashboard.power import EARLIEST_YEAR, HOUR_MS, SLOT_MS, Bounds, Cell, Day, Month, Slot, Total
from cloud.dashboard.power_drawing import month_name
from cloud.dashboard.power_energy import EnergyMonth
from cloud.dashboard.present import DASH, Here
from cloud.dashboard.rows import EquipmentRow, LimitMark, PointRow

HEATS: Final = ("power_factor", "load")
SPANS: Final = (1, 7, 31)
MOST_DAYS: Final = 31
_LEVELS: Final = 4
_PF_FLOOR: Final = 0.8
"""Only of the shading, where no limit binds."""
Heat = Literal["power_factor", "load"]


# --- the address ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class View:
    """What the address asks for."""

    at: str
    """``site/equipment``."""
    month: Month
    heat: Heat
    days: int
    last: int
    """Number of the drawn days' last one in the month, from 1."""

    def href(self, **changes: object) -> str:
        values: dict[str, object] = {
            "at": self.at,
            "month": self.month.id,
            "heat": self.heat,
            "days": self.days,
            "last": self.last,
        }
        return f"/power?{urlencode({**values, **changes})}"

    @property
    def query(self) -> str:
        return urlencode({"at": self.at, "month": self.month.id})


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    href: str
    is_here: bool = False


def incomers(rows: Sequence[EquipmentRow], view: View, here: Here) -> tuple[Link, ...]:
    keep = {"month": view.month.id, "heat": view.heat}
    names = [(f"{row.site}/{row.id}", here.words.text(row.name, row.id)) for row in rows]
    return tuple(Link(name, f"/power?{urlencode({'at': at, **keep})}", at == view.at) for at, name in names)


def month_links(view: View, here: Here) -> tuple[Link | None, Link | None]:
    """The month before, and the one after unless it is still to come."""
    number = view.month.year * 12 + view.month.month - 1
    found = []
    for step in (-1, 1):
        year, month = divmod(number + step, 12)
        link = Link(
            month_name(year, month + 1, here),
            f"/power?{urlencode({'at': view.at, 'month': f'{year:04d}-{month + 1:02d}', 'heat': view.heat})}",
        )
        found.append(link if step < 0 or view.month.is_over else None)
    return found[0], found[1]


def misread(given: Mapping[str, str], view: View, here: Here) -> str:
    """What the address says and the page cannot show, and what it shows instead; "" where it is understood."""
    days, last = given.get("days", ""), given.get("last", "")
    wrong = {
        "month": given.get("month", "") not in ("", view.month.id),
        "heat": given.get("heat", "") not in ("", *HEATS),
        "days": days not in ("", *map(str, SPANS)),
        "last": bool(last) and not (last.isdecimal() and len(last) <= 2 and 1 <= int(last) <= MOST_DAYS),
    }
    said = ", ".join(f"{name}={given[name][:20]}" for name in wrong if wrong[name])
    month = month_name(view.month.year, view.month.month, here)
    return here.words("power.misread", said=said, month=month, first=EARLIEST_YEAR) if said else ""


def drawn_span(view: View, days: Sequence[Day]) -> tuple[int, int]:
    """Start and end of the days that the curves show."""
    if not days:
        return view.month.start, max(view.month.until, view.month.start + SLOT_MS)
    last = min(max(1, view.last), len(days))
    first = max(1, last - view.days + 1)
    end = days[last].start if last < len(days) else view.month.until
    return days[first - 1].start, max(end, days[first - 1].start + SLOT_MS)


# --- does this month meet the clause? ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    answer: Literal["yes", "no", "unknown", "unbound"]
    text: str
    severity: str
    clause: str
    facts: tuple[tuple[str, str], ...]
    """Name and value."""
    notes: tuple[str, ...]


def verdict(of: EnergyMonth, total: Total, bounds: Bounds, here: Here) -> Verdict:
    words, mark = here.words, bounds.month
    name = month_name(of.month.year, of.month.month, here)
    answer: Literal["yes", "no", "unknown", "unbound"] = (
        "unbound" if mark is None else "unknown" if of.meets is None else "yes" if of.meets else "no"
    )
    limit = present.number(mark.value, 2) if mark else ""
    values = {
        "month": name,
        "limit": limit,
        "value": factor_text(of.power_factor),
        "why": why_text(of, bounds, here) if answer == "unknown" else "",
    }
    running = "" if of.month.is_over else "_running"
    text = words(f"power.verdict.{answer}{running if answer in {'yes', 'no'} else ''}", **values)
    return Verdict(
        answer, text, present.css(mark.severity) if mark and answer == "no" else "", mark.clause if mark else "",
        _facts(of, total, bounds, here), notes_of(of, here),
    )  # fmt: skip


def factor_text(value: float | None) -> str:
    return DASH if value is None else present.number(value, 3)


def why_text(of: EnergyMonth, bounds: Bounds, here: Here) -> str:
    lost = present.duration(of.unread_ms / 1000, here.words)
    least = present.with_unit(present.number(bounds.month_kwh, 0), "kWh", here.words)
    return here.words(f"power.why.{of.why}", lost=lost, least=least)


def _facts(of: EnergyMonth, total: Total, bounds: Bounds, here: Here) -> tuple[tuple[str, str], ...]:
    words = here.words
    quantity = [(name, present.with_unit(present.number(value, 0), unit, words) if value is not None else DASH)
                for name, value, unit in (("kwh", of.kwh, "kWh"), ("kvarh", of.kvarh, "kvarh"))]  # fmt: skip
    share = present.with_unit(present.number(total.low / total.judged * 100, 1), "%", words) if total.judged else DASH
    below = (
        words("power.fact.below_of", share=share, judged=_hours(total.judged, here)) if bounds.power_factor else DASH
    )
    found = [("factor", factor_text(of.power_factor)), *quantity, ("below", below), ("least", _moment(total.least, "power_factor", here)),
             ("peak", _moment(total.peak, "kw", here)), ("missing", _hours(total.missing, here))]  # fmt: skip
    return tuple((words(f"power.fact.{name}"), text) for name, text in found)


def _hours(slots: int, here: Here) -> str:
    return present.duration(slots * SLOT_MS / 1000, here.words)


def _moment(slot: Slot | None, what: str, here: Here) -> str:
    if slot is None:
        return DASH
    if what == "kw":
        value = present.with_unit(present.number(slot.kw or 0.0, 0), "kW", here.words)
    else:
        value = factor_text(slot.power_factor)
    return here.words("power.fact.at", value=value, at=here.when(slot.at))


def notes_of(of: EnergyMonth, here: Here) -> tuple[str, ...]:
    """What makes its energies less than the whole month's, or less sure."""
    words, month, found = here.words, of.month, []
    if of.kwh is not None and of.first_at - month.start > 2 * HOUR_MS:
        found.append(words("power.note.from", at=here.when(of.first_at)))
    if not month.is_over:
        found.append(words("power.note.running", at=here.when(min(of.last_at or month.until, here.now))))
    elif of.kwh is not None and month.end - of.last_at > 2 * HOUR_MS:
        found.append(words("power.note.to", at=here.when(of.last_at)))
    found += [words("power.note.reset", at=here.when(at)) for at in of.resets]
    found += [words("power.note.jump", at=here.when(at)) for at in of.jumps]
    return tuple(found)


# --- month by hour ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One hour: its figure, its shading, and what a reader who points at it is told."""

    text: str
    css: str
    told: str


@dataclass(frozen=True, slots=True)
class HeatRow:
    day: str
    href: str
    hours: tuple[HeatCell, ...]
    whole: HeatCell
    below: str
    peak: str
    is_drawn: bool


def heat_rows(days: Sequence[Day], view: View, bounds: Bounds, here: Here) -> tuple[HeatRow, ...]:
    span = drawn_span(view, days)
    floor = heat_floor(days, view.heat, bounds)
    rows = []
    for number, day in enumerate(days, 1):
        name = here.due_day(day.start)
        hours = tuple(
            _heat_cell(cell, name, f"{hour:02d}:00", view.heat, bounds, floor, here)
            for hour, cell in enumerate(day.hours)
        )
        whole = _heat_cell(day.whole, name, "", view.heat, bounds, floor, here)
        below = (
            present.with_unit(present.number(day.low / day.judged * 100, 0), "%", here.words)
            if day.judged and bounds.power_factor
            else DASH
        )
        rows.append(
            HeatRow(
                name,
                view.href(days=1, last=number),
                hours,
                whole,
                below,
                _moment(day.peak, "kw", here),
                span[0] <= day.start < span[1],
            )
        )
    return tuple(rows)


def heat_floor(days: Sequence[Day], heat: Heat, bounds: Bounds) -> float:
    """The value with the darkest grey: the limit where there is one."""
    if heat == "load":
        return bounds.load[0].value if bounds.load else 100.0
    if bounds.power_factor:
        return bounds.power_factor.value
    return min(
        (cell.power_factor for day in days for cell in day.hours if cell.power_factor is not None), default=_PF_FLOOR
    )


def _heat_cell(cell: Cell, day: str, hour: str, heat: Heat, bounds: Bounds, floor: float, here: Here) -> HeatCell:
    words = here.words
    value = cell.power_factor if heat == "power_factor" else cell.load
    if cell.slots == 0:
        return HeatCell("", "off", "")
    where = f"{day} {hour}".strip()
    if value is None:
        return HeatCell(DASH, "none", words("power.heat.none", where=where))
    mark = _beyond(cell, heat, bounds)
    text = present.number(value, 3 if heat == "power_factor" else 0)
    css = [_shade(value, heat, floor, bounds, cell) if mark is None else f"out sev-{present.css(mark.severity)}"]
    told = [words("power.heat.told", where=where, factor=factor_text(cell.power_factor), load=_share(cell.load, here))]
    if mark is not None:
        told.append(
            words(f"power.heat.beyond_{heat}", limit=present.number(mark.value, 2 if heat == "power_factor" else 0))
        )
    elif heat == "power_factor" and not bounds.judges(cell.load):
        told.append(words("power.heat.idle", least=_share(bounds.least_load, here)))
    if cell.is_partial:
        css.append("part")
        told.append(words("power.heat.part", known=cell.known, slots=cell.slots))
    return HeatCell(text, " ".join(css), words("power.heat.sep").join(told))


def _share(value: float | None, here: Here) -> str:
    return DASH if value is None else present.with_unit(present.number(value, 0), "%", here.words)


def _beyond(cell: Cell, heat: Heat, bounds: Bounds) -> LimitMark | None:
    if heat == "load":
        return bounds.load_mark(cell.load)
    return bounds.power_factor if bounds.is_low(cell.power_factor, cell.load) else None


def _shade(value: float, heat: Heat, floor: float, bounds: Bounds, cell: Cell) -> str:
    """l0 … l4, darker nearer to the limit; ``idle`` where the power factor is not judged."""
    if heat == "power_factor" and not bounds.judges(cell.load):
        return "idle"
    share = (1.0 - value) / max(1e-6, 1.0 - floor) if heat == "power_factor" else value / max(1e-6, floor)
    return f"l{min(_LEVELS, max(0, int(share * _LEVELS + 0.5)))}"


# --- points of the curves ---------------------------------------------------------------------------------------


def curve_points(bounds: Bounds, own: PointRow | None, here: Here) -> dict[str, PointRow]:
    """What the curves are drawn as: name, unit, digits and limits."""
    names: dict[str, Mapping[str, str]] = {
        name: {here.words.language: here.words(f"power.curve.{name}")} for name in ("power_factor", "load", "demand")
    }
    limit = bounds.contract_kw or bounds.rated_kva
    demand = (LimitMark("", ">", limit, "advisory", ""),) if limit else ()
    factor = (bounds.power_factor,) if bounds.power_factor else ()
    return {
        "power_factor": PointRow("power_factor", names["power_factor"], "gauge", "", own.digits if own else 3, (0.0, 1.0), limits=factor),
        "load": PointRow("load", names["load"], "gauge", "%", 0, (0.0, 100.0), limits=bounds.load),
        "demand": PointRow("demand", names["demand"], "gauge", "kW" if bounds.contract_kw else "kVA", 0, (0.0, 1000.0), limits=demand),
    }  # fmt: skip


def demand_text(bounds: Bounds, here: Here) -> str:
    unit, value = ("kW", bounds.contract_kw) if bounds.contract_kw else ("kVA", bounds.rated_kva)
    kind = "contract" if bounds.contract_kw else "rated"
    return here.words(f"power.{kind}", value=present.with_unit(present.number(value, 0), unit, here.words))


# --- months -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MonthLine:
    name: str
    href: str
    kwh: str
    kvarh: str
    factor: str
    answer: str
    is_low: bool
    is_here: bool
    is_partial: bool
    notes: tuple[str, ...]


def month_lines(months: Sequence[EnergyMonth], view: View, bounds: Bounds, here: Here) -> tuple[MonthLine, ...]:
    """Newest first."""
    return tuple(_month_line(one, view, bounds, here) for one in reversed(months))


def _month_line(of: EnergyMonth, view: View, bounds: Bounds, here: Here) -> MonthLine:
    words = here.words
    answer = (
        words(f"power.answer.{'yes' if of.meets else 'no'}")
        if of.meets is not None
        else words("power.answer.unknown", why=why_text(of, bounds, here))
    )
    figures = [DASH if value is None else present.number(value, 0) for value in (of.kwh, of.kvarh)]
    return MonthLine(
        month_name(of.month.year, of.month.month, here), f"/power?{urlencode({'at': view.at, 'month': of.month.id, 'heat': view.heat})}",
        figures[0], figures[1], factor_text(of.power_factor), answer, of.meets is False, of.month.id == view.month.id,
        of.is_partial and of.kwh is not None, notes_of(of, here),
    )  # fmt: skip


# --- tables to keep ---------------------------------------------------------------------------------------------


def slots_csv(slots: Sequence[Slot], bounds: Bounds, here: Here) -> str:
    """A line for each quarter hour; an empty cell is what nobody knows."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["from", "power_factor", "active_power_kW", "reactive_power_kvar", "load_percent", "capacitor_stages_least",
                     "capacitor_stages_most", "judged", "below_limit", "quality", "cause"])  # fmt: skip
    for one in slots:
        least, most = one.stages or (None, None)
        is_judged = one.power_factor is not None and bounds.judges(one.load)
        writer.writerow([
            here.local(one.at).isoformat(timespec="seconds"), *(_cell(v) for v in (one.power_factor, one.kw, one.kvar, one.load, least, most)),
            int(is_judged), int(bounds.is_low(one.power_factor, one.load)), one.quality, one.cause,
        ])  # fmt: skip
    return out.getvalue()


def months_csv(months: Sequence[EnergyMonth], here: Here) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["month", "active_energy_kWh", "reactive_energy_kvarh", "power_factor", "meets_limit", "partial", "read_from",
                     "read_to", "counter_resets", "why_not_judged"])  # fmt: skip
    for one in months:
        meets = "" if one.meets is None else str(int(one.meets))
        ends = [here.local(at).isoformat(timespec="seconds") if at else "" for at in (one.first_at, one.last_at)]
        writer.writerow([one.month.id, _cell(one.kwh), _cell(one.kvarh), _cell(one.power_factor), meets, int(one.is_partial), *ends,
                         len(one.resets), one.why])  # fmt: skip
    return out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if abs(value) < 1e5 else f"{value:.1f}"
