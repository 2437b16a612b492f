"""dashboard: trends of several points, of any equipment, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy import Select, select, tuple_

from cloud.dashboard import history, present, tile, trends, views, web
from cloud.dashboard.chart import Bucket
from cloud.dashboard.history import HistoryUnavailable, Range
from cloud.dashboard.routes_shell import Opened, PageRoute, opened
from cloud.dashboard.rows import EquipmentRow, PointRow, ticket_number
from cloud.dashboard.trends import Asked, Key, Mark, Read
from cloud.dashboard.web import Crumb
from cloud.storage import tables as t

router = APIRouter(route_class=PageRoute, include_in_schema=False)

MOST_FOUND: Final = 40
MOST_MARKS: Final = 200
CSV_BUCKETS: Final = 20_000
_DRAWN: Final = frozenset({"gauge", "counter"})


@router.get("/trends")
async def show(request: Request, find: str = "") -> Response:
    async with opened(
        request, "trends", [Crumb(web.words_of(request)("trends.title"))], site=_first_site(request)
    ) as o:
        view, here = _asked(request, o), o.page.here
        found = await _read(o, view)
        marks = await _marks(o, view)
        places = {(one.equipment.site, one.equipment.id): one.equipment for one in found}
        return web.render(
            "trends.html", o.page, view=view, panels=trends.panels(view, found, marks, here), marks=marks,
            spans=trends.spans(view), moves=trends.moves(view, here), find=find, found=await _find(o, view, find),
            unknown=[key for key in view.points if (key[0], key[1]) not in places or key not in {r.key for r in found}],
            from_local=f"{here.local(view.range.start):%Y-%m-%dT%H:%M}", to_local=f"{here.local(view.range.end):%Y-%m-%dT%H:%M}",
            is_misread=history.is_misread(request.query_params, view.range),
            step=history.step_text(view.range, trends.BUCKETS, here), may_add=len(view.points) < trends.MOST_POINTS,
        )  # fmt: skip


@router.get("/trends.json")
async def columns(request: Request) -> JSONResponse:
    """What the page's script draws: for each panel its curves as columns of epoch milliseconds and figures."""
    async with opened(request, "trends", site=_first_site(request), is_data=True) as o:
        view = _asked(request, o)
        found, marks = await _read(o, view), await _marks(o, view)
        return JSONResponse(trends.data(view, found, marks, o.page.here), headers=dict(web.HEADERS))


@router.get("/trends.csv")
async def table(request: Request) -> Response:
    """Every drawn point with up to 20,000 stretches: as read where there are no more values."""
    async with opened(request, "trends", site=_first_site(request), is_data=True) as o:
        view = _asked(request, o)
        history.check_drawable(request.query_params, view.range)
        points = await _points(o, view)
        rows = [
            (f"{equipment.id}/{point.id}", point.unit, await history.read(o.store, *key, view.range, CSV_BUCKETS))
            for key, (equipment, point) in points.items()
        ]
        headers = {**web.HEADERS, "Content-Disposition": 'attachment; filename="trends.csv"'}
        return StreamingResponse(
            history.csv_lines(rows, o.page.here), media_type="text/csv; charset=utf-8", headers=headers
        )


def _first_site(request: Request) -> str:
    """The first point's: its zone is the page's."""
    return next(iter(request.query_params.getlist("p")), "").partition("/")[0]


def _asked(request: Request, o: Opened) -> Asked:
    query = request.query_params
    wanted = history.wanted_range(query.get("span", ""), query.get("from", ""), query.get("to", ""), o.page.here)
    return trends.asked(dict(query), query.getlist("p"), wanted)


# --- points -----------------------------------------------------------------------------------------------------


async def _points(o: Opened, view: Asked) -> dict[Key, tuple[EquipmentRow, PointRow]]:
    """What the address names and this desk knows and can draw."""
    found: dict[Key, tuple[EquipmentRow, PointRow]] = {}
    for key in view.points:
        row = await views.one_equipment(o.db, key[0], key[1])
        point = (await views.points(o.db, key[0], key[1])).get((key[0], key[1]), {}).get(key[2])
        if row is not None and point is not None and point.kind in _DRAWN:
            found[key] = (row, point)
    return found


async def _read(o: Opened, view: Asked) -> list[Read]:
    found = []
    for key, (equipment, point) in (await _points(o, view)).items():
        buckets = await _buckets(o, key, view.range)
        before = await _before(o, key, view) if view.compare and buckets is not None else []
        found.append(Read(key, equipment, point, buckets, before))
    return found


async def _buckets(o: Opened, key: Key, wanted: Range) -> list[Bucket] | None:
    try:
        return await history.read(o.store, *key, wanted, trends.BUCKETS)
    except HistoryUnavailable:
        return None


async def _before(o: Opened, key: Key, view: Asked) -> list[Bucket]:
    earlier = Range(max(0, view.range.start - view.shift_ms), max(1, view.range.end - view.shift_ms))
    return trends.moved(await _buckets(o, key, earlier) or [], view.shift_ms)


async def _find(o: Opened, view: Asked, text: str) -> list[dict[str, Any]]:
    """Points whose equipment or own name holds every word; without words the main points of the first equipment."""
    here, asked_for = o.page.here, text.casefold().split()
    first = 0 if asked_for else 2 * MOST_FOUND
    rows = {row.key: row for row in await views.equipment(o.db, most=first)}
    found: list[dict[str, Any]] = []
    for point in await o.db.execute(_names(list(rows) if first else [])):
        row = rows.get((point.site_id, point.equipment_id))
        if row is None or (not asked_for and point.id not in row.main_points[:1]):
            continue
        key, name = (*row.key, point.id), trends.called(row, point.name, point.id, here)
        searched = f"{name} {row.id} {point.id} {row.place}".casefold()
        if all(word in searched for word in asked_for):
            found.append({
                "name": name, "unit": present.unit_sign(point.unit), "system": here.words.or_id("system", row.system),
                "href": f"/trends?{view.plus(key).query}", "is_on": key in view.points,
            })  # fmt: skip
        if len(found) >= MOST_FOUND:
            break
    return found


def _names(machines: Sequence[tuple[str, str]]) -> Select[Any]:
    """What points that can be drawn are called: those of these machines, or all. A page needs no more of thousands."""
    c = t.point.c
    query = select(c.site_id, c.equipment_id, c.id, c.name, c.unit).where(c.kind.in_(sorted(_DRAWN)))
    if machines:
        query = query.where(tuple_(c.site_id, c.equipment_id).in_(machines))
    return query.order_by(c.site_id, c.equipment_id, c.position)


# --- what happened ----------------------------------------------------------------------------------------------


async def _marks(o: Opened, view: Asked) -> list[Mark]:
    """Alarms raised and tests done in the range, on the drawn equipment, oldest first; the newest where there are many."""
    places = sorted({(key[0], key[1]) for key in view.points})
    if not places:
        return []
    found = [*await _alarms(o, places, view.range), *await _tests(o, places, view.range)]
    return sorted(found, key=lambda mark: mark.at)[-MOST_MARKS:]


async def _alarms(o: Opened, places: Sequence[tuple[str, str]], within: Range) -> list[Mark]:
    here, a = o.page.here, t.alarm.c
    where = tuple_(a.site_id, a.equipment_id).in_(places) & a.raised_at.between(within.start, within.end)
    rows = await views.alarms(o.db, where)
    return [
        Mark(
            row.raised_at, here.words("trend.alarm", at=here.when(row.raised_at)),
            f"/tickets/{ticket_number(row.ticket)}" if row.ticket else f"/equipment/{row.site}/{row.equipment}/alarms",
            row.severity, (here.words.text(row.equipment_name, row.equipment), tile.condition(row, here.words)),
        )
        for row in rows[-MOST_MARKS:]
    ]  # fmt: skip


async def _tests(o: Opened, places: Sequence[tuple[str, str]], within: Range) -> list[Mark]:
    here, r, p, m = o.page.here, t.test_result, t.periodic_test, t.equipment
    same = (p.c.site_id == r.c.site_id) & (p.c.equipment_id == r.c.equipment_id) & (p.c.id == r.c.test)
    of = (m.c.site_id == r.c.site_id) & (m.c.id == r.c.equipment_id)
    query = select(
        r.c.site_id, r.c.equipment_id, r.c.test, r.c.started_at, r.c.passed, p.c.name, m.c.name.label("equipment")
    ).select_from(r.join(m, of).outerjoin(p, same))
    where = tuple_(r.c.site_id, r.c.equipment_id).in_(places) & r.c.started_at.between(within.start, within.end)
    newest = await o.db.execute(query.where(where).order_by(r.c.started_at.desc()).limit(MOST_MARKS))
    words = here.words
    return [
        Mark(
            row.started_at, words("trends.test", at=here.when(row.started_at)), f"/equipment/{row.site_id}/{row.equipment_id}/tests", "",
            (words.text(row.equipment, row.equipment_id), words.text(row.name, row.test), words("trends.passed" if row.passed else "trends.failed")),
        )
        for row in newest
    ]  # fmt: skip
