"""dashboard: power quality of each low-voltage incomer: a month by quarter hours, and a year by its energies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from fastapi import APIRouter, Request
from fastapi.responses import Response
from sqlalchemy import select

from cloud.dashboard import history, power, power_drawing, power_page, power_quantities, present, value, views, web
from cloud.dashboard.history import HistoryUnavailable, Range
from cloud.dashboard.power import SLOT_MS, Bounds, Month, Slot
from cloud.dashboard.power_energy import EnergyMonth, months_of
from cloud.dashboard.power_kept import PowerKept
from cloud.dashboard.power_page import Heat, View
from cloud.dashboard.present import Here
from cloud.dashboard.routes_shell import Opened, PageRoute, opened
from cloud.dashboard.rows import EquipmentRow, LimitMark, PointRow
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, not_found
from cloud.storage import tables as t

router = APIRouter(route_class=PageRoute, include_in_schema=False)
MONTHS: Final = 12
ACTIVE, REACTIVE = "energy_import", "reactive_energy_import"


@dataclass(frozen=True, slots=True)
class Asked:
    """One incomer with what binds it, in its own site's zone."""

    row: EquipmentRow
    points: Mapping[str, PointRow]
    bounds: Bounds
    view: View
    here: Here


@router.get("/power")
async def show(request: Request) -> Response:
    async with opened(request, "power", [Crumb(web.words_of(request)("power.title"))]) as o:
        rows = await _incomers(o)
        if not rows:
            return web.render("power.html", o.page, asked=None)
        asked = await _asked(o, rows)
        return web.render(
            "power.html", web.at_site(o.page, asked.row.site), **await _values(o, asked, [row for row, _ in rows])
        )


@router.get("/power.csv")
async def quarter_hours(request: Request) -> Response:
    """The month's quarter hours, for one incomer."""
    async with opened(request, "power") as o:
        asked = _understood(o, await _asked(o, await _incomers(o)))
        text = power_page.slots_csv(await _slots(o, asked), asked.bounds, asked.here)
    return _csv(text, f"{asked.row.id}_{asked.view.month.id}.csv")


@router.get("/power/months.csv")
async def months(request: Request) -> Response:
    """Twelve months of energies, for one incomer."""
    async with opened(request, "power") as o:
        asked = _understood(o, await _asked(o, await _incomers(o)))
        text = power_page.months_csv(await _months(o, asked), asked.here)
    return _csv(text, f"{asked.row.id}_months.csv")


def _understood(o: Opened, asked: Asked) -> Asked:
    """A file has no place for a notice. Raises Refused (422) for an address that would give another month's."""
    if told := power_page.misread(o.request.query_params, asked.view, asked.here):
        raise Refused(422, "address", told)
    return asked


def _csv(text: str, name: str) -> Response:
    headers = {**web.HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


# --- what is asked for ------------------------------------------------------------------------------------------

Row = tuple[EquipmentRow, Mapping[str, PointRow]]


async def _incomers(o: Opened) -> list[Row]:
    """Everything with a power meter or a capacitor controller, compensated incomers first."""
    points = await views.points(o.db)
    rows = [(row, points.get(row.key, {})) for row in await views.equipment(o.db)]
    return sorted((one for one in rows if power.is_metered(*one)), key=lambda one: power.rank(one[0]))


async def _asked(o: Opened, rows: Sequence[Row]) -> Asked:
    """Raises Refused 404 for equipment that is not here or has no meter."""
    given = o.request.query_params
    at = given.get("at", "")
    found = [one for one in rows if f"{one[0].site}/{one[0].id}" == at] if at else rows[:1]
    if not found:
        raise not_found("incomer", at)
    row, points = found[0]
    here = o.at(row.site).page.here
    month = power.wanted_month(given.get("month", ""), here.zone, here.now)
    heat = cast("Heat", given["heat"]) if given.get("heat") in power_page.HEATS else "power_factor"
    days, last = (_day(given.get(name, "")) for name in ("days", "last"))
    view = View(f"{row.site}/{row.id}", month, heat, days if days in power_page.SPANS else 7, last or 31)
    return Asked(row, points, await _bounds(o, row, points), view, here)


def _day(text: str) -> int:
    """A number of days; 0 for what is none."""
    return int(text) if text.isdecimal() and len(text) <= 2 else 0


async def _bounds(o: Opened, row: EquipmentRow, points: Mapping[str, PointRow]) -> Bounds:
    c = t.limit_value.c
    query = select(c.id, c.value).where(c.site_id == row.site, c.equipment_id == row.id)
    limits = {one.id: float(one.value) for one in await o.db.execute(query)}
    over_month = [rule for rule in await views.rules(o.db, row.site, row.id) if "pf_month_min" in rule.expression]
    month = None
    if over_month and "pf_month_min" in limits:
        month = LimitMark(over_month[0].id, "<", limits["pf_month_min"], over_month[0].severity, over_month[0].clause)
    return power.bounds_of(row, points, limits, month)


# --- history ----------------------------------------------------------------------------------------------------


async def _slots(o: Opened, asked: Asked) -> tuple[Slot, ...]:
    """Raises HistoryUnavailable."""
    past, today = power.split_today(asked.view.month, asked.here.zone)
    names = tuple(name for name in power.READ if name in asked.points)
    key = (asked.row.key, names, asked.bounds.rated_a, past.start, past.until)
    kept = _kept(o.request).days
    return await kept.get(key, asked.here.now, lambda: _read(o, asked, past)) + await _read(o, asked, today)


async def _read(o: Opened, asked: Asked, part: Month) -> tuple[Slot, ...]:
    """Raises HistoryUnavailable."""
    row, span = asked.row, Range(part.start, part.until)
    if part.slots == 0:
        return ()
    names = [name for name in power.READ if name in asked.points]
    columns = {name: await history.read(o.store, row.site, row.id, name, span, part.slots) for name in names}
    return power.slots_of(columns, part, asked.bounds.rated_a)


def _kept(request: Request) -> PowerKept:
    state = request.app.state
    if getattr(state, "power_kept", None) is None:
        state.power_kept = PowerKept()
    found: PowerKept = state.power_kept
    return found


async def _months(o: Opened, asked: Asked) -> tuple[EnergyMonth, ...]:
    """Raises HistoryUnavailable."""
    wanted = power.months_before(asked.view.month, MONTHS, asked.here.zone, asked.here.now)
    energies = {name: [await _energy(o, asked, name, month) for month in wanted] for name in (ACTIVE, REACTIVE)}
    return months_of(wanted, energies[ACTIVE], energies[REACTIVE], asked.bounds)


async def _energy(o: Opened, asked: Asked, name: str, month: Month) -> list[Any]:
    if name not in asked.points:
        return []
    if not month.is_over:
        return await _read_energy(o, asked, name, month)
    key = (asked.row.key, name, month.start, month.end)
    return await _kept(o.request).energies.get(key, asked.here.now, lambda: _read_energy(o, asked, name, month))


async def _read_energy(o: Opened, asked: Asked, name: str, month: Month) -> list[Any]:
    """A counter's month: its first and its last day by the hour, because what is missing there is lost, the others by the day."""
    found: list[Any] = []
    for start, end, step_ms in power.pieces(month):
        count = -(-(end - start) // step_ms)
        span = Range(start, start + count * step_ms)
        found += await history.stretches(o.store, asked.row.site, asked.row.id, name, span, count)
    return found


async def _quantities(o: Opened, asked: Asked) -> tuple[power_quantities.QuantityLine, ...]:
    """Voltage, harmonics and the like: read where a reader asks for them. Raises HistoryUnavailable."""
    month, row = asked.view.month, asked.row
    span, wanted = Range(month.start, month.until), power_quantities.wanted(asked.points)
    if month.slots == 0:
        return ()
    read = [(point, await history.read(o.store, row.site, row.id, point.id, span, month.slots)) for point in wanted]
    return power_quantities.lines(read, month, asked.here)


# --- the page ---------------------------------------------------------------------------------------------------


async def _values(o: Opened, asked: Asked, rows: Sequence[EquipmentRow]) -> dict[str, Any]:
    view, here = asked.view, asked.here
    before, after = power_page.month_links(view, here)
    shell: dict[str, Any] = {
        "misread": power_page.misread(o.request.query_params, view, here),
        "has_quantities": bool(power_quantities.wanted(asked.points)), "asked": asked, "view": view, "incomer": here.words.text(asked.row.name, asked.row.id), "zone": str(here.zone),
        "incomers": power_page.incomers(rows, view, here), "before": before, "after": after, "href": f"/equipment/{asked.row.site}/{asked.row.id}",
        "month_name": power_drawing.month_name(view.month.year, view.month.month, here), "stale": await _stale(o, asked),
    }  # fmt: skip
    try:
        slots, energies = await _slots(o, asked), await _months(o, asked)
        shell["quantities"] = await _quantities(o, asked) if o.request.query_params.get("more") else None
    except HistoryUnavailable:
        return {**shell, "failure": history.UNAVAILABLE}
    return {**shell, "failure": "", **_drawn(asked, slots, energies, await _events(o, asked))}


def _drawn(
    asked: Asked, slots: Sequence[Slot], energies: Sequence[EnergyMonth], events: Sequence[tuple[int, str]]
) -> dict[str, Any]:
    view, here, bounds = asked.view, asked.here, asked.bounds
    days = power.days_of(slots, here.zone, bounds)
    total = power.total_of(slots, bounds)
    span = power_page.drawn_span(view, days)
    points = power_page.curve_points(bounds, asked.points.get("power_factor"), here)
    return {
        "is_empty": not any(slot.is_known for slot in slots), "has_energy": any(one.kwh is not None for one in energies),
        "verdict": power_page.verdict(energies[-1], total, bounds, here), "span": span,
        "span_label": here.words("power.span", start=here.due_day(span[0]), end=here.due_day(span[1] - 1)),
        "curves": _curves(asked, slots, points, span, events), "stages": power_drawing.steps(slots, bounds, span, here),
        "heat": power_page.heat_rows(days, view, bounds, here), "heats": power_page.HEATS, "spans": power_page.SPANS,
        "floor": power_page.heat_floor(days, view.heat, bounds), "duration": power_drawing.duration(total.loads, points["load"], here),
        "bars": power_drawing.month_bars(energies, bounds.month, here), "months": power_page.month_lines(energies, view, bounds, here),
        "last": len([day for day in days if day.start < span[1]]), "is_computed": any(slot.kvar is not None for slot in slots),
        "least_load": present.with_unit(present.number(bounds.least_load, 0), "%", here.words),
    }  # fmt: skip


def _curves(
    asked: Asked,
    slots: Sequence[Slot],
    points: Mapping[str, PointRow],
    span: tuple[int, int],
    events: Sequence[tuple[int, str]],
) -> dict[str, power_drawing.Curve]:
    here, bounds = asked.here, asked.bounds
    found = {
        "power_factor": power_drawing.curve(slots, lambda slot: slot.power_factor, points["power_factor"], span, here, events),
        "load": power_drawing.curve(slots, lambda slot: slot.load, points["load"], span, here),
    }  # fmt: skip
    demand = power_drawing.curve(slots, _contracted if bounds.contract_kw else _apparent, points["demand"], span, here)
    return {**found, "demand": power_drawing.named_limit(demand, power_page.demand_text(bounds, here))}


def _contracted(slot: Slot) -> float | None:
    return slot.kw


def _apparent(slot: Slot) -> float | None:
    """Against a rating in kVA counts what the reactive power adds."""
    return None if slot.kw is None else float((slot.kw**2 + (slot.kvar or 0.0) ** 2) ** 0.5)


async def _events(o: Opened, asked: Asked) -> list[tuple[int, str]]:
    """Alarms of the power factor's rules in the month."""
    rules = {mark.rule for mark in (asked.bounds.power_factor, asked.bounds.month) if mark is not None}
    a, month = t.alarm.c, asked.view.month
    same = (a.site_id == asked.row.site) & (a.equipment_id == asked.row.id) & a.rule.in_(sorted(rules))
    rows = await views.alarms(o.db, same & a.raised_at.between(month.start, month.end))
    return [(row.raised_at, asked.here.words("trend.alarm", at=asked.here.when(row.raised_at))) for row in rows]


async def _stale(o: Opened, asked: Asked) -> str:
    """That the newest reading is no good one, or grew old: said where the running month is shown."""
    if asked.view.month.is_over:
        return ""
    samples = await history.latest(o.store, asked.row.site, asked.row.id)
    watched = [asked.points[name] for name in power.READ[:3] if name in asked.points and asked.points[name].device]
    late = [point for point in watched if _age_ms(samples, point, asked.here.now) > SLOT_MS]
    if not late or len(late) < len(watched):
        return ""
    sample = samples.get(late[0].id)
    quality = value.quality_of(sample, late[0], asked.here.now)
    return asked.here.words("power.stale", quality=value.quality_words(sample, quality, asked.here))


def _age_ms(samples: Mapping[str, Any], point: PointRow, now: int) -> int:
    sample = samples.get(point.id)
    return now - sample.at if sample is not None and sample.quality != "bad" else now
