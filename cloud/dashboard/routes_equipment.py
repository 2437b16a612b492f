"""dashboard: equipment as tree and table, and one piece of equipment in six tabs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy import func, select

from cloud.dashboard import (
    chart,
    equipment_list,
    equipment_page,
    evidence,
    history,
    lists,
    many,
    mapping,
    present,
    value,
    views,
    wall,
    web,
)
from cloud.dashboard.equipment_list import Wanted
from cloud.dashboard.equipment_page import Chart, Head, SpanLink
from cloud.dashboard.history import HistoryUnavailable, Range
from cloud.dashboard.routes_shell import Opened, PageRoute, library_of, opened, state_points
from cloud.dashboard.rows import AlarmRow, PointRow, SampleRow
from cloud.dashboard.shared import shared
from cloud.dashboard.tile import Seen, alarmed_points, condition, is_shown, worst_first
from cloud.dashboard.web import Crumb
from cloud.errors import Refused, not_found
from cloud.maintenance.samples import csv_text, samples_of
from cloud.storage import tables as t
from cloud.tickets.ticket import Role

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_POINTS: Final = 4
CSV_BUCKETS: Final = 20_000


# --- tree and table ---------------------------------------------------------------------------------------------


@router.get("/equipment")
async def show_list(request: Request) -> Response:
    of = equipment_list.wanted(request.query_params)
    async with opened(request, "equipment", [Crumb(_title(request, of))]) as o:
        everything = await _everything(o)
        shown = await _shown(o, everything, of)
        here = o.page.here
        return web.render(
            "equipment_list.html", o.page, title=_title(request, of, is_page=True), of=of, may_add=Role(o.user.role).rank >= Role.ENGINEER.rank,
            count=equipment_list.count_text(len(shown), len(everything), here.words),
            choices=equipment_list.choices(everything, o.page.sites, of, here.words),
            tree=equipment_list.tree(everything, o.page.sites, of, here), groups=equipment_list.groups(shown, here, await _due(o)),
        )  # fmt: skip


def _title(request: Request, of: Wanted, *, is_page: bool = False) -> str:
    words = web.words_of(request)
    if of.system:
        return words.or_id("system", of.system)
    return words("equipment.all") if is_page else words("equipment.title")


@router.get("/parts/equipment")
@shared
async def list_part(request: Request) -> Response:
    of = equipment_list.wanted(request.query_params)
    async with opened(request, "equipment", is_data=True) as o:
        shown = await _shown(o, await _everything(o), of)
        groups = equipment_list.groups(shown, o.page.here, await _due(o))
        return web.render("parts/equipment_rows.html", o.page, groups=groups, of=of)


async def _shown(o: Opened, everything: list[Seen], of: Wanted) -> list[Seen]:
    watched = await views.watching(o.db, of.clause) if of.clause else set()
    return [seen for seen in everything if equipment_list.fits(seen, of, o.page.here, watched)]


async def _due(o: Opened) -> dict[tuple[str, str], int]:
    """When the next test of each piece of equipment is due."""
    c = t.occurrence.c
    query = (
        select(c.site_id, c.equipment_id, func.min(c.due_at))
        .where(c.state == "due")
        .group_by(c.site_id, c.equipment_id)
    )
    return {(row[0], row[1]): row[2] for row in await o.db.execute(query)}


async def _everything(o: Opened) -> list[Seen]:
    rows = await views.equipment(o.db)
    samples = await history.latest_of_all(o.store, rows)
    alarms, tickets = await views.active_alarms(o.db), await many.of_machines(o.db, most=3)
    known = wall.Known(rows, await views.points(o.db), samples, alarms, tickets, states=state_points(o.request))
    return wall.gather(known)


# --- one piece of equipment -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class One:
    """A piece of equipment with everything its tabs draw from."""

    seen: Seen
    head: Head
    past: tuple[AlarmRow, ...]


async def _one(o: Opened, site: str, id: str, tab: str) -> One:
    row = await views.one_equipment(o.db, site, id)
    if row is None:
        raise not_found("equipment", f"{site}/{id}")
    points = (await views.points(o.db, site, id)).get(row.key, {})
    samples = await _samples(o, points, site, id) if row.gateway else {}
    own, tickets = await views.active_alarms(o.db, site, id), await views.open_tickets(o.db, site, id)
    seen = Seen(row, points, samples, own, tickets, state_points(o.request).get(row.equipment_class, ""))
    fed = await views.one_equipment(o.db, site, row.serves) if row.serves else None
    words = o.page.here.words
    fed_name = words.text(fed.name, fed.id) if fed else row.serves
    kind = library_of(o.request).classes.get(row.equipment_class)
    past = await views.past_alarms(o.db, site, id, limit=20)
    return One(seen, equipment_page.head(seen, fed_name, kind, tab, o.page.here, o.user.role), tuple(past))


async def _samples(o: Opened, points: dict[str, PointRow], site: str, id: str) -> dict[str, SampleRow]:
    """Newest samples; where one is not good, the last good value with it."""
    found = await history.latest(o.store, site, id)
    for name, sample in found.items():
        point = points.get(name)
        if point is None or point.kind not in {"gauge", "counter"}:
            continue
        if value.quality_of(sample, point, o.page.here.now) == "bad":
            found[name] = await history.last_good(o.store, site, id, name, sample)
    return found


async def _show(
    request: Request,
    site: str,
    id: str,
    tab: str,
    template: str = "equipment.html",
) -> Response:
    is_part, has_tests = template != "equipment.html", tab in {"live", "tests"}
    async with opened(request, "equipment", with_tests=has_tests, tests_of=(site, id), is_data=is_part) as o:
        _check_role(o, tab)
        one = await _one(o, site, id, tab)
        system = one.seen.equipment.system
        crumbs = (Crumb(o.page.here.words.or_id("system", system), f"/equipment?system={system}"), Crumb(one.head.name))
        page = replace(o.page, crumbs=(*o.page.crumbs, *crumbs))
        values = await _TABS[tab](o, one)
        return web.render(template, page, eq=one.head, **values)


def _check_role(o: Opened, tab: str) -> None:
    if tab not in equipment_page.tabs_of(o.user.role):
        raise Refused(403, "role", f"{o.user.role} may not read the {tab}", "ask a technician or an engineer")


@router.get("/equipment/{site}/{id}/part/{part}")
@shared
async def show_part(request: Request, site: str, id: str, part: str) -> Response:
    if part == "head":
        return await _show(request, site, id, "tickets", "parts/equipment_head.html")
    if part not in {"live", "alarms", "tickets"}:
        raise not_found("part", part)
    return await _show(request, site, id, part, f"parts/equipment_{part}_body.html")


@router.get("/equipment/{site}/{id}/history.json")
async def history_json(request: Request, site: str, id: str, p: str = "", span: str = "") -> Response:
    """One point's range for the chart script: columns of epoch ms and figures."""
    async with opened(request, "equipment", tests_of=(site, id), is_data=True) as o:
        one = await _one(o, site, id, "trends")
        point = one.seen.points.get(p)
        if point is None:
            raise not_found("point", p)
        wanted = _range(request, span, o)
        buckets = await _buckets(o, one, point, wanted)
        return JSONResponse(_columns(point, buckets or [], one, o, wanted), headers=dict(web.HEADERS))


@router.get("/equipment/{site}/{id}/history.csv")
async def history_csv(request: Request, site: str, id: str, span: str = "") -> Response:
    async with opened(request, "equipment", with_tests=True, tests_of=(site, id)) as o:
        one = await _one(o, site, id, "trends")
        wanted = _range(request, span, o)
        history.check_drawable(request.query_params, wanted)
        rows = [
            (point.id, point.unit, await history.read(o.store, site, id, point.id, wanted, CSV_BUCKETS))
            for point in _chosen(request, one)
        ]
        headers = {**web.HEADERS, "Content-Disposition": f'attachment; filename="{site}_{id}.csv"'}
        return StreamingResponse(
            history.csv_lines(rows, o.page.here), media_type="text/csv; charset=utf-8", headers=headers
        )


@router.get("/equipment/{site}/{id}/tests/{test}/samples.csv")
async def test_samples_csv(request: Request, site: str, id: str, test: str, event: str = "") -> Response:
    """The raw samples of one observed test, whatever the history still has."""
    async with opened(request, "equipment") as o:
        c = t.test_result.c
        same = (c.site_id == site) & (c.equipment_id == id) & (c.test == test) & (c.event_id == event)
        if (await o.db.execute(select(c.event_id).where(same))).one_or_none() is None:
            raise not_found("result", f"{event} of {test} of {site}/{id}")
        series, here = await samples_of(o.db, event), o.at(site).page.here
    text = "".join(csv_text(series, lambda at: here.local(at).isoformat(timespec="milliseconds")))
    headers = {**web.HEADERS, "Content-Disposition": f'attachment; filename="{site}_{id}_{test}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/equipment/{site}/{id}")
async def show_live(request: Request, site: str, id: str) -> Response:
    return await _show(request, site, id, "live")


@router.get("/equipment/{site}/{id}/{tab}")
async def show_tab(request: Request, site: str, id: str, tab: str) -> Response:
    if tab not in _TABS:
        raise not_found("tab", tab)
    return await _show(request, site, id, tab)


# --- the tabs ---------------------------------------------------------------------------------------------------


async def _live(o: Opened, one: One) -> dict[str, Any]:
    here, words = o.page.here, o.page.here.words
    devices = await views.devices(o.db, site=one.seen.equipment.site, ids=_devices(one))
    shown = worst_first([alarm for alarm in one.seen.alarms if is_shown(alarm, here.now)])
    sampled = ", ".join(
        words("point.sampled", every=present.period(d.every_ms, words), device=d.id) for d in devices[:2]
    )  # fmt: skip
    names = await views.names(o.db, {one.seen.equipment.id})
    first, rest = equipment_page.split(equipment_page.values(one.seen, here), one.seen)
    return {
        "main": await _main(o, one), "values": first, "more_values": rest, "sampled": sampled,
        "alarms": [lists.alarm_line(alarm, here, o.user.role, names) for alarm in shown],
        "alarm_counts": words("alarm.counts", n=len(shown), silenced=len(one.seen.alarms) - len(shown)),
        "alarm_empty": _alarm_empty(one, o), "tests": _own_tests(o, one),
    }  # fmt: skip


def _read_range(o: Opened) -> Range:
    """The range in the reader's address, also when a part of the page is asked for later."""
    query = dict(parse_qsl(urlsplit(o.page.path).query))
    return history.wanted_range(query.get("span", ""), query.get("from", ""), query.get("to", ""), o.page.here)


def _devices(one: One) -> list[str]:
    return list(dict.fromkeys(point.device for point in one.seen.points.values() if point.device))


def _own_tests(o: Opened, one: One) -> list[lists.TestLine]:
    prefix = f"{one.seen.equipment.site}.{one.seen.equipment.id}."
    return sorted((test for test in o.tests if test.key.startswith(prefix)), key=lambda test: test.due_at)


def _alarm_empty(one: One, o: Opened) -> str:
    words, last = o.page.here.words, one.past[0] if one.past else None
    if last is None or last.cleared_at is None:
        return words("alarm.empty_never")
    return words("alarm.empty_last", at=o.page.here.when(last.cleared_at), equipment=one.head.name,
                 condition=condition(last, words))  # fmt: skip


async def _main(o: Opened, one: One) -> Chart | None:
    point = equipment_page.main_point(one.seen, o.page.here)
    if point is None:
        return None
    return await _chart(o, one, point, _read_range(o), one.head.href)


async def _chart(o: Opened, one: One, point: PointRow, wanted: Range, path: str) -> Chart:
    here, words = o.page.here, o.page.here.words
    buckets = await _buckets(o, one, point, wanted)
    ends = (wanted.start, wanted.end)
    shown = value.show(point, one.seen.samples.get(point.id), here, alarmed_points(one.seen.alarms, one.seen.points))
    name = words.text(point.name, point.id)
    label = words("trend.label", point=name, **{"from": here.when(wanted.start), "to": here.when(wanted.end)})
    step = history.step_text(wanted, history.BUCKETS, here)
    return Chart(
        id=point.id, name=name, unit=present.unit_sign(point.unit), severity=shown.severity, label=label,
        note=words("trend.mean", step=step), facts=equipment_page.trend_facts(point, one.seen, here),
        spans=spans(path, wanted), trend=equipment_page.draw(point, buckets or [], ends, _with_past(one), here),
        figures=equipment_page.statistics(point, buckets or [], ends, here),
        failure="" if buckets is not None else history.UNAVAILABLE, query=f"p={point.id}&{wanted.query}",
    )  # fmt: skip


def _with_past(one: One) -> Seen:
    return replace(one.seen, alarms=[*one.seen.alarms, *one.past])


def spans(path: str, wanted: Range, query: str = "") -> tuple[SpanLink, ...]:
    return tuple(SpanLink(name, f"{path}?span={name}{query}", name == wanted.span) for name in history.SPANS)


async def _buckets(o: Opened, one: One, point: PointRow, wanted: Range) -> list[chart.Bucket] | None:
    """What the store has; None when it cannot be read."""
    row = one.seen.equipment
    try:
        return await history.read(o.store, row.site, row.id, point.id, wanted)
    except HistoryUnavailable:
        return None


def _range(request: Request, span: str, o: Opened) -> Range:
    query = request.query_params
    return history.wanted_range(span or query.get("span", ""), query.get("from", ""), query.get("to", ""), o.page.here)


def _chosen(request: Request, one: One) -> list[PointRow]:
    """The points in the address, at most four; else the main points."""
    names = request.query_params.getlist("p") or list(one.seen.equipment.main_points)
    drawable = [name for name in names if name in one.seen.points]
    points = [one.seen.points[name] for name in dict.fromkeys(drawable)]
    first = equipment_page.main_point(one.seen) if not points else None
    return [point for point in points if point.kind in {"gauge", "counter"}][:MOST_POINTS] or ([first] if first else [])


async def _trends(o: Opened, one: One) -> dict[str, Any]:
    here = o.page.here
    wanted = _range(o.request, "", o)
    points = _chosen(o.request, one)
    together = "".join(f"&p={point.id}" for point in points)
    path = f"{one.head.href}/trends"
    charts = [
        replace(await _chart(o, one, point, wanted, path), points_query=together.removeprefix("&")) for point in points
    ]  # fmt: skip
    chosen = {point.id for point in points}
    choices = [
        {"id": point.id, "name": here.words.text(point.name, point.id), "is_on": point.id in chosen}
        for point in one.seen.points.values() if point.kind in {"gauge", "counter"}
    ]  # fmt: skip
    return {
        "charts": charts, "choices": choices, "is_misread": history.is_misread(o.request.query_params, wanted), "span": wanted.span, "spans": spans(path, wanted, together), "query": f"{wanted.query}{together}",
        "from_local": f"{here.local(wanted.start):%Y-%m-%dT%H:%M}", "to_local": f"{here.local(wanted.end):%Y-%m-%dT%H:%M}",
    }  # fmt: skip


def _columns(point: PointRow, buckets: list[chart.Bucket], one: One, o: Opened, wanted: Range) -> dict[str, Any]:
    words = o.page.here.words
    limits = [
        {"op": mark.op, "value": mark.value, "severity": present.css(mark.severity),
         "text": words("trend.limit", limit=present.number(mark.value, point.digits), clause=mark.clause)}
        for mark in point.limits
    ]  # fmt: skip
    events = [{"at": at} for at in equipment_page.alarm_instants(point, _with_past(one))]
    at, mean, low, high = chart.with_gaps(buckets)
    return {
        "at": at, "mean": mean, "low": low, "high": high, "limits": limits, "events": events, "gaps": chart.gap_spans(buckets),
        "name": words.text(point.name, point.id), "unit": present.unit_sign(point.unit), "digits": point.digits,
        "time": words("point.sampled_at"), "least": words("trend.minimum"), "greatest": words("trend.maximum"),
        "none": words("trend.no_data"), "start": wanted.start, "end": wanted.end,
    }  # fmt: skip


async def _alarms(o: Opened, one: One) -> dict[str, Any]:
    here, role = o.page.here, o.user.role
    names = await views.names(o.db, {one.seen.equipment.id})
    return {
        "alarms": [lists.alarm_line(alarm, here, role, names) for alarm in worst_first(one.seen.alarms)],
        "past": [lists.alarm_line(alarm, here, role, names) for alarm in one.past], "alarm_empty": _alarm_empty(one, o),
    }  # fmt: skip


async def _tests(o: Opened, one: One) -> dict[str, Any]:
    tests = _own_tests(o, one)
    shown = [await evidence.of_event(o.db, test.event, o.page.here) for test in tests if test.samples]
    return {"tests": tests, "evidence": [card for card in shown if card is not None]}


async def _tickets(o: Opened, one: One) -> dict[str, Any]:
    row = one.seen.equipment
    found = await views.tickets(o.db, *views.of_equipment(row.site, row.id), limit=100)
    return {"tickets": [lists.ticket_line(ticket, o.page.here) for ticket in found]}


async def _mapping(o: Opened, one: One) -> dict[str, Any]:
    devices = await views.devices(o.db, site=one.seen.equipment.site, ids=_devices(one))
    return {"devices": mapping.mapped(one.seen, devices, o.page.here, library_of(o.request).models.get)}


_TABS: Final[dict[str, Any]] = {
    "live": _live, "trends": _trends, "alarms": _alarms, "tests": _tests, "tickets": _tickets, "mapping": _mapping,
}  # fmt: skip
