"""dashboard: the figures of a period, and the clocks behind each number."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from cloud.dashboard import figures_drawing as drawing
from cloud.dashboard import figures_page as shown
from cloud.dashboard import web
from cloud.dashboard.routes_shell import Opened, PageRoute, library_of, opened
from cloud.dashboard.web import Crumb
from cloud.errors import Refused
from cloud.reports import reading
from cloud.reports.figures import BY
from cloud.reports.reading import Asked, Behind, Figures
from cloud.reports.routes import BehindQuery, PeriodQuery, asked_of
from cloud.tickets.ticket import Role

router = APIRouter(route_class=PageRoute, include_in_schema=False)
_PART: Final = 200
_GIVEN: Final = ("period", "from", "to", "site", "by")


@router.get("/figures")
async def figures(request: Request) -> Response:
    given = {name: request.query_params.get(name, "").strip() for name in _GIVEN}
    words = web.words_of(request)
    async with opened(request, "figures", [Crumb(words("figures.title"))]) as o:
        _check_role(o)
        try:
            asked = await asked_of(o.db, _query(PeriodQuery, given), o.page.here.now)
        except Refused as refused:
            return web.render("figures.html", o.page, refused.status, **_values(o, given), wrong=refused.message)
        found = await reading.read(o.db, asked, o.page.here.now)
        before = await reading.read(o.db, Asked(asked.period.before(), asked.site), o.page.here.now)
        return web.render("figures.html", o.page, wrong="", **_values(o, given), **_shown(o, found, before))


def _check_role(o: Opened) -> None:
    if Role(o.user.role).rank < Role.ENGINEER.rank:
        raise Refused(403, "role", f"{o.user.role} may not read figures", "ask an engineer")


def _query(of: type[Any], given: dict[str, str]) -> Any:  # noqa: ANN401  one of the API's own
    try:
        return of(**{name: value for name, value in given.items() if value})
    except ValidationError as error:
        names = ", ".join(".".join(str(part) for part in one["loc"]) for one in error.errors())
        raise Refused(422, "invalid", f"cannot be read: {names}", "choose from the lists") from error


def _values(o: Opened, given: dict[str, str]) -> dict[str, Any]:
    """What the form shows, whatever was asked for."""
    period = given["period"] or ("" if given["from"] or given["to"] else "this_month")
    by = given["by"] if given["by"] in BY else ""
    return {
        "given": given, "by": by, "groupings": BY, "presets": shown.presets(period, given["site"], by), "sites": o.page.sites,
    }  # fmt: skip


def _shown(o: Opened, found: Figures, before: Figures) -> dict[str, Any]:
    here = o.page.here
    clauses = {id: here.words.text({"en": of.summary.en, "zh": of.summary.zh}) for id, of in _clauses(o).items()}
    names, groups = shown.group_lines(found, here, {site.id: site.name for site in o.page.sites}, clauses)
    return {
        "found": found, "period": found.asked.period, "period_words": shown.period_words(found.asked.period, here),
        "before_words": shown.period_words(before.asked.period, here), "sections": shown.sections(found, before, here),
        "ticket_facts": shown.facts(found, before, here), "news": shown.cells_of(found.total.tickets.news_late),
        "clock_names": names, "groups": groups, "bars": drawing.bars_of(found.backlog.points, here),
        "ages": drawing.ages_of(found, here), "before_open": before.backlog.points[-1:],
        "csv": shown.address(found, "/api/v1/figures", format="csv"), "worst": found.worst,
        "equipment_href": lambda one: shown.tickets_address(found, open="any", kind="fault", site=one.site, equipment=one.equipment),
        "site_names": {site.id: site.name for site in o.page.sites}, "is_empty": _is_empty(found),
    }  # fmt: skip


def _is_empty(found: Figures) -> bool:
    return not any(found.total.clocks.values()) and not found.total.tickets.opened


def _clauses(o: Opened) -> dict[str, Any]:
    return dict(library_of(o.request).clauses)


@router.get("/figures/clocks")
async def clocks(request: Request) -> Response:
    words = web.words_of(request)
    crumbs = [Crumb(words("figures.title"), f"/figures?{request.url.query}"), Crumb(words("figures.behind"))]
    async with opened(request, "figures", crumbs) as o:
        _check_role(o)
        query = _query(BehindQuery, dict(request.query_params))
        asked = await asked_of(o.db, query, o.page.here.now)
        key = query.key if query.by else None
        rows = await reading.behind(o.db, asked, Behind(query.clock, query.of, query.outcome, key), o.page.here.now)
        part = rows[query.offset : query.offset + _PART]
        return web.render(
            "figures_clocks.html", o.page, query=query, count=len(rows), lines=[shown.behind_line(row, o.page.here) for row in part],
            period_words=shown.period_words(asked.period, o.page.here), first=query.offset + 1, last=query.offset + len(part),
            more=_next(request, query.offset + _PART) if query.offset + _PART < len(rows) else "",
        )  # fmt: skip


def _next(request: Request, offset: int) -> str:
    url = request.url.include_query_params(offset=offset)
    return f"{url.path}?{url.query}"
