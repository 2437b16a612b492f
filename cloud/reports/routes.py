"""Reports over HTTP: ``/api/v1/figures`` and the clocks behind each number, as JSON and CSV."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import JSONResponse, Response

from cloud.errors import invalid, not_found
from cloud.people.access import require
from cloud.people.service import User
from cloud.reports import reading, table
from cloud.reports.figures import Outcome, Population
from cloud.reports.period import Period, PeriodError, read_period
from cloud.reports.reading import Asked, Behind
from cloud.reports.shown import BehindShown, FiguresShown, clock_behind, shown
from cloud.storage import tables as t
from cloud.tickets.ticket import Role
from contract.conventions import EpochMs, from_ms

router = APIRouter(prefix="/api/v1", tags=["figures"])
Reader = Annotated[User, Depends(require(Role.ENGINEER))]
By = Literal["", "site", "system", "person", "clause", "kind", "priority"]
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class PeriodQuery(BaseModel):
    """Over which days, in the site's zone: a named period, or the first and the last day. Left out: this month."""

    model_config = ConfigDict(extra="forbid")
    period: str = Field(default="", max_length=40, examples=["last_month"])
    first: str = Field(default="", alias="from", max_length=40, examples=["2026-10-01"])
    last: str = Field(default="", alias="to", max_length=40, description="included", examples=["2026-10-31"])
    site: str = Field(default="", max_length=200, examples=["riverside"])
    by: By = Field(default="", examples=["system"])
    format: Literal["json", "csv"] = Field(default="json", examples=["json"])


class FiguresQuery(PeriodQuery):
    """The figures of a period, and if asked for of the one before it."""

    compare: bool = Field(default=False, description="also the totals of the period before", examples=[True])


class BehindQuery(PeriodQuery):
    """One number of the figures: which clock, in which population, with which outcome."""

    clock: Literal["response", "arrival", "service", "resolution"] = Field(examples=["response"])
    of: Population = Field(default="ordinary", examples=["ordinary"])
    outcome: Outcome = Field(examples=["breached"])
    key: str | None = Field(default=None, max_length=400, description="of this group only", examples=["fire"])
    limit: int = Field(default=200, ge=1, le=10_000)
    offset: int = Field(default=0, ge=0, le=10_000_000)


@router.get("/figures", summary="Figures of a period, each with its sum", response_model=FiguresShown, responses=_CSV)
async def figures(request: Request, _user: Reader, asked: Annotated[FiguresQuery, Query()]) -> Response:
    now: EpochMs = request.app.state.clock.now_ms()
    async with request.app.state.database.read() as connection:
        wanted = await asked_of(connection, asked, now)
        found = await reading.read(connection, wanted, now)
        before = await reading.read(connection, _before(wanted), now) if asked.compare else None
    if asked.format == "csv":
        return _csv(table.figures(found), "figures", wanted.period)
    return JSONResponse(shown(found, before).model_dump(mode="json", by_alias=True))


@router.get(
    "/figures/clocks",
    summary="The clocks that one number of the figures counts",
    response_model=BehindShown,
    responses=_CSV,
)
async def clocks(request: Request, _user: Reader, asked: Annotated[BehindQuery, Query()]) -> Response:
    now: EpochMs = request.app.state.clock.now_ms()
    which = Behind(asked.clock, asked.of, asked.outcome, asked.key if asked.by else None)
    async with request.app.state.database.read() as connection:
        wanted = await asked_of(connection, asked, now)
        found = await reading.behind(connection, wanted, which, now)
    part = found[asked.offset : asked.offset + asked.limit]
    if asked.format == "csv":
        return _csv(table.clocks(part), "clocks", wanted.period)
    told = BehindShown(count=len(found), clocks=[clock_behind(row, now) for row in part])
    return JSONResponse(told.model_dump(mode="json"))


async def asked_of(connection: AsyncConnection, query: PeriodQuery, now: EpochMs) -> Asked:
    """What an address asks for. Raises Refused: 404 no such site, 422 a period that cannot be."""
    zone = await _zone(connection, query.site)
    try:
        period = read_period(query.period, query.first, query.last, from_ms(now).astimezone(zone).date(), zone)
    except PeriodError as error:
        name, _, message = str(error).partition(": ")
        raise invalid(name, message, "see /api/v1/openapi.json") from error
    return Asked(period, query.site, query.by)


async def _zone(connection: AsyncConnection, site: str) -> ZoneInfo:
    """The zone of the site asked for, or of the first one."""
    query = select(t.site.c.zone).order_by(t.site.c.id).limit(1)
    name = (await connection.execute(query.where(t.site.c.id == site) if site else query)).scalar()
    if name is None and site:
        raise not_found("site", site)
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def _before(asked: Asked) -> Asked:
    return Asked(asked.period.before(), asked.site)


def _csv(text: str, what: str, period: Period) -> Response:
    name = f"{what}-{period.first}-{period.last}.csv"
    return Response(text, media_type="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'})
