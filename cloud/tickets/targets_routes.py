"""Targets and calendars over HTTP: ``/api/v1/targets``, ``/api/v1/calendars``. Everything a button does, a call does."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import not_found
from cloud.people.access import SignedIn, require
from cloud.people.service import User
from cloud.sla.conflicts import CONFLICTS
from cloud.sla.plan import CalendarPlan
from cloud.sla.written import policy_json
from cloud.tickets import targets
from cloud.tickets.desk import Desk
from cloud.tickets.listing import instant
from cloud.tickets.targets import Change, Effect
from cloud.tickets.targets_holidays import confirm, with_ical, with_years
from cloud.tickets.ticket import Role
from contract.conventions import from_ms

router = APIRouter(prefix="/api/v1", tags=["targets"])
Manager = Annotated[User, Depends(require(Role.MANAGER))]
Name = Annotated[str, Path(max_length=60, examples=["office"])]
_STORABLE = r"^[^\x00]*$"
_LINE = {
    "clock": "resolution", "priority": "", "emergency": "", "kind": "request", "category": "", "system": "", "site": "",
    "unit": "working", "within_s": 28800, "calendar": "office", "clause": "g-4.1.2-sameday", "source": "", "conflict": "",
}  # fmt: skip
_CALENDAR = {
    "name": "office", "hours": {"week": {"mon": [["09:00", "12:00"], ["13:00", "18:00"]]}}, "country": "CN", "subdivision": "",
    "holidays": {"2026-10-01": {"en": "National Day", "zh": "国庆节"}}, "workdays": {}, "years": [2026], "confirmed": [2026],
}  # fmt: skip
_BODY = {"lines": [_LINE], "calendars": {"office": _CALENDAR}, "shares": [0.5, 0.75, 0.9], "reopen_window_s": 259200}


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")
    seen: str = Field(
        max_length=100, description="The version you started from; 409 when another is in force", examples=["v2"]
    )
    note: str = Field(
        default="", max_length=1000, pattern=_STORABLE, description="Why", examples=["as agreed with the owners"]
    )


class ChangeBody(_Said):
    """A whole policy: every line, every calendar."""

    body: dict[str, Any] = Field(examples=[_BODY])


class CalendarBody(_Said):
    """One calendar. ``hours`` has the keys tz (empty: each site's own), week, dates, breaks, holidays, names."""

    hours: dict[str, Any] = Field(examples=[_CALENDAR["hours"]])
    country: str = Field(default="", max_length=3, examples=["CN"])
    subdivision: str = Field(default="", max_length=10, examples=[""])


class YearBody(_Said):
    """A year whose dates a person has compared with the authority's notice."""

    year: int = Field(ge=2000, le=2100, examples=[2027])


class IcalBody(_Said):
    """An iCal file: all-day events close their dates, one that says 班 or "working day" opens them."""

    ical: str = Field(max_length=1_000_000, examples=["BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n"])


class VersionShown(BaseModel):
    """One version of the targets. ``origin``: file or edited."""

    version: str = Field(examples=["v2"])
    at: str | None = Field(examples=["2026-11-21T07:05:00.123Z"])
    origin: str = Field(examples=["edited"])
    by: str = Field(examples=["chief"])
    note: str


class WholeVersionShown(VersionShown):
    """One version with all its targets and calendars."""

    body: dict[str, Any] = Field(examples=[_BODY])


class TargetsShown(WholeVersionShown):
    """The targets with where the documents disagree, and calendars with years that nobody has confirmed."""

    conflicts: dict[str, Any]
    unconfirmed: list[dict[str, Any]] = Field(examples=[[{"calendar": "office", "year": 2027}]])


class MoveShown(BaseModel):
    """A clock that gets another due instant; null where it is held or not set."""

    ticket: str = Field(examples=["T-000123"])
    clock: str = Field(examples=["resolution"])
    before: str | None
    after: str | None


class EffectShown(BaseModel):
    """What a change would do to open tickets: each counts once, as late at once, else earlier, else later, else kept."""

    tickets: int
    looked_at: int
    kept: int
    later: int
    earlier: int
    late_at_once: int
    moves: list[MoveShown]


class CalendarShown(BaseModel):
    """One calendar of the targets in force."""

    version: str = Field(examples=["v2"])
    calendar: dict[str, Any] = Field(examples=[_CALENDAR])
    unconfirmed: list[int] = Field(examples=[[2027]])


def effect_shown(effect: Effect) -> EffectShown:
    """As the API tells it."""
    moves = [
        MoveShown(ticket=m.ticket, clock=m.clock, before=instant(m.before), after=instant(m.after))
        for m in effect.moves
    ]
    names = ("tickets", "looked_at", "kept", "later", "earlier", "late_at_once")
    return EffectShown(**{name: getattr(effect, name) for name in names}, moves=moves)


@router.get("/targets", summary="The targets in force")
async def show_targets(request: Request, _user: SignedIn) -> TargetsShown:
    state = request.app.state
    async with state.database.read() as connection:
        return await _targets(connection, state.desk, state.clock.now_ms())


async def _targets(connection: AsyncConnection, desk: Desk, now: int) -> TargetsShown:
    await targets.learn(connection, desk)
    rows = [row for row in await targets.versions(connection) if row["label"] == desk.policy.version]
    row = rows[0] if rows else {"label": desk.policy.version, "at": None, "origin": "file", "actor": "", "note": ""}
    return TargetsShown(
        **_version(row).model_dump(),
        body=policy_json(desk.policy),
        conflicts={
            name: {"clauses": one.clauses, "says": one.says, "chosen": one.chosen} for name, one in CONFLICTS.items()
        },
        unconfirmed=[{"calendar": name, "year": year} for name, year in targets.unconfirmed(desk.policy, now)],
    )


def _version(row: Any) -> VersionShown:  # noqa: ANN401  a row, or what stands for it before the first one
    at = instant(row["at"])
    return VersionShown(version=row["label"], at=at, origin=row["origin"], by=row["actor"], note=row["note"])


@router.get("/targets/versions", summary="Every version of the targets, newest first")
async def list_versions(request: Request, _user: SignedIn) -> list[VersionShown]:
    async with request.app.state.database.read() as connection:
        return [_version(row) for row in await targets.versions(connection)]


@router.get("/targets/versions/{version}", summary="One version, whole")
async def show_version(
    version: Annotated[str, Path(max_length=100, examples=["v2"])], request: Request, _user: SignedIn
) -> WholeVersionShown:
    async with request.app.state.database.read() as connection:
        row = await targets.version(connection, version)
    return WholeVersionShown(**_version(row).model_dump(), body=row["body"])


@router.post("/targets/preview", summary="What a change would do to open tickets; changes nothing")
async def preview(told: ChangeBody, request: Request, _user: Manager) -> EffectShown:
    state = request.app.state
    policy = targets.checked(Change(told.body, told.seen))
    async with state.database.read() as connection:
        await targets.learn(connection, state.desk)
        return effect_shown(await targets.preview(connection, state.desk, policy, state.clock.now_ms()))


@router.post("/targets", summary="Put targets in force; open tickets follow within seconds")
async def save(told: ChangeBody, request: Request, user: Manager) -> TargetsShown:
    return await put_in_force(request, Change(told.body, told.seen, told.note), user)


async def put_in_force(request: Request, change: Change, user: User) -> TargetsShown:
    """Save, take over here at once, and let the ticker follow."""
    state = request.app.state
    async with state.database.write() as connection:
        await targets.save(connection, state.desk, change, user.name, state.clock.now_ms())
    async with state.database.read() as connection:
        shown = await _targets(connection, state.desk, state.clock.now_ms())
    state.hub.publish("tickets")
    state.wake(("tickets",))
    return shown


# --- calendars ----------------------------------------------------------------------------------------------------


@router.get("/calendars", summary="Calendars in force")
async def list_calendars(request: Request, _user: SignedIn) -> list[CalendarShown]:
    state = request.app.state
    return [_calendar(state.desk, plan, state.clock.now_ms()) for plan in state.desk.policy.plans.values()]


def _calendar(desk: Desk, plan: CalendarPlan, now: int) -> CalendarShown:
    years = [year for name, year in targets.unconfirmed(desk.policy, now) if name == plan.name]
    return CalendarShown(version=desk.policy.version, calendar=plan.as_json(), unconfirmed=years)


@router.get("/calendars/{name}", summary="One calendar")
async def show_calendar(name: Name, request: Request, _user: SignedIn) -> CalendarShown:
    state = request.app.state
    return _calendar(state.desk, plan_of(state.desk, name), state.clock.now_ms())


@router.put("/calendars/{name}", summary="Change a calendar, or make one")
async def put_calendar(name: Name, told: CalendarBody, request: Request, user: Manager) -> CalendarShown:
    state = request.app.state
    known = state.desk.policy.plans.get(name) or CalendarPlan(name)
    plan = replace(known, hours=told.hours, country=told.country, subdivision=told.subdivision)
    if (plan.country, plan.subdivision) != (known.country, known.subdivision):
        plan = replace(plan, holidays={}, workdays={}, years=(), confirmed=())
    plan = with_years(plan, from_ms(state.clock.now_ms()).year)
    return await _save_calendar(request, plan, told, user)


@router.post(
    "/calendars/{name}/confirm", summary="Say that a year's holidays were compared with the authority's notice"
)
async def confirm_year(name: Name, told: YearBody, request: Request, user: Manager) -> CalendarShown:
    return await _save_calendar(request, confirm(plan_of(request.app.state.desk, name), told.year), told, user)


@router.post("/calendars/{name}/import", summary="Take the dates of an iCal file")
async def import_ical(name: Name, told: IcalBody, request: Request, user: Manager) -> CalendarShown:
    text = told.ical.encode("utf-8", "replace")
    return await _save_calendar(request, with_ical(plan_of(request.app.state.desk, name), text), told, user)


async def _save_calendar(request: Request, plan: CalendarPlan, told: _Said, user: User) -> CalendarShown:
    state = request.app.state
    await put_in_force(request, Change(targets.with_calendar(state.desk.policy, plan), told.seen, told.note), user)
    return _calendar(state.desk, state.desk.policy.plans[plan.name], state.clock.now_ms())


def plan_of(desk: Desk, name: str) -> CalendarPlan:
    """A calendar in force. Raises Refused (404)."""
    if name not in desk.policy.plans:
        raise not_found("calendar", name)
    return desk.policy.plans[name]
