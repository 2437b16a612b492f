"""HTTP → tickets: evidence, readings by hand, parts, hours, and who watches."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from cloud.describing import needs
from cloud.errors import invalid
from cloud.people.access import SignedIn, require
from cloud.people.service import User
from cloud.storage import tables as t
from cloud.tickets import repository, watchers, work, work_lines
from cloud.tickets.attachments_routes import ticket_number
from cloud.tickets.listing import instant
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role
from cloud.tickets.work_lines import Hours, Part
from contract.conventions import instant_ms

router = APIRouter(prefix="/api/v1", tags=["evidence"])
Technician = Annotated[User, Depends(require(Role.TECHNICIAN))]
Line = Annotated[int | None, Field(ge=0, lt=2**63, description="The line that this one corrects", examples=[None])]
_Text = Annotated[str, Field(max_length=400)]


class NeedShown(BaseModel):
    """One thing that must be shown before the ticket is resolved."""

    id: str = Field(examples=["reading:power_factor"])
    kind: Literal["photo", "reading", "note"]
    state: str = Field(
        examples=["waiting"], description="attached, measured, noted; missing, outside, waiting, unknown"
    )
    is_met: bool = Field(examples=[False])
    text: dict[str, str] = Field(
        examples=[{"en": "Power factor ≥ 0.9 for 15 min", "zh": "功率因数 ≥ 0.9，持续 15 分钟"}]
    )
    detail: dict[str, str] = Field(examples=[{"en": "0.94, 6 of 15 min so far", "zh": "0.94，已达标 6/15 分钟"}])


class EvidenceShown(BaseModel):
    """Everything that the ticket's rule asks for; empty where it asks for nothing."""

    needs: list[NeedShown]


class HandReadingBody(BaseModel):
    """A value that a person measured, for a point that the ticket needs and nothing reads well."""

    model_config = ConfigDict(extra="forbid")
    point: str = Field(max_length=200, examples=["power_factor"])
    value: float = Field(ge=-1e15, le=1e15, examples=[0.95])
    instrument: str = Field(min_length=1, max_length=400, examples=["clamp meter 12, calibrated to 2027-03"])


class PartBody(BaseModel):
    """A line of parts. ``cost_cents`` is of the whole line. A correction with quantity 0 takes its line back."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=400, examples=["Contactor"])
    number: _Text = Field(default="", examples=["LC1-D25"])
    quantity: float = Field(ge=0, le=work_lines.MOST_QUANTITY, examples=[1])
    unit: _Text = Field(default="", examples=["pc"])
    cost_cents: int | None = Field(default=None, ge=0, le=work_lines.MOST_MONEY, examples=[18500])
    currency: str = Field(default="CNY", pattern="^[A-Z]{3}$", examples=["CNY"])
    note: _Text = ""
    replaces: Line = None


class HoursBody(BaseModel):
    """A line of hours: ``minutes``, or ``from`` and ``to``. A correction with 0 minutes takes its line back."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    person: str = Field(default="", max_length=400, description="Left out: you", examples=["electrician_a"])
    minutes: int | None = Field(default=None, ge=0, le=work_lines.MOST_MINUTES, examples=[90])
    start: str | None = Field(default=None, alias="from", max_length=40, examples=["2026-11-21T07:05:00.000Z"])
    end: str | None = Field(default=None, alias="to", max_length=40, examples=["2026-11-21T08:35:00.000Z"])
    note: _Text = ""
    replaces: Line = None


class PartShown(BaseModel):
    """A line of parts as it was written."""

    id: int
    name: str
    number: str
    quantity: float
    unit: str
    cost_cents: int | None
    currency: str
    note: str
    added_at: str
    added_by: str
    replaces: int | None
    counts: bool = Field(description="Whether it is neither corrected nor taken back")


class HoursShown(BaseModel):
    """A line of hours as it was written."""

    id: int
    person: str
    start: str | None = Field(serialization_alias="from")
    minutes: int
    note: str
    added_at: str
    added_by: str
    replaces: int | None
    counts: bool


class WorkShown(BaseModel):
    """Parts and hours of a ticket with their sums."""

    parts: list[PartShown]
    hours: list[HoursShown]
    minutes: int = Field(examples=[90])
    minutes_by_person: dict[str, int] = Field(examples=[{"electrician_a": 90}])
    cost_cents: dict[str, int] = Field(examples=[{"CNY": 18500}])


class WatchersShown(BaseModel):
    """Who hears of every step of a ticket."""

    watchers: list[str] = Field(examples=[["manager_b"]])


@router.get("/tickets/{ticket}/evidence", summary="What must be shown before the ticket is resolved, and how it stands")
async def show_evidence(ticket: str, request: Request, _user: SignedIn) -> EvidenceShown:
    return await _evidence(request, ticket_number(ticket))


async def _evidence(request: Request, number: int) -> EvidenceShown:
    state = request.app.state
    seen = await work.readings(state.database, state.store, number, state.clock.now_ms())
    async with state.database.read() as connection:
        found = await work.evidence(connection, await repository.ticket(connection, number), seen)
    return EvidenceShown(needs=[
        NeedShown(id=one.id, kind=one.kind, state=one.state, is_met=one.is_met, text=dict(one.text), detail=dict(one.detail))
        for one in found
    ])  # fmt: skip


@router.post("/tickets/{ticket}/readings", status_code=201, summary="Give a reading that a person took by hand")
async def add_reading(ticket: str, body: HandReadingBody, request: Request, user: Technician) -> EvidenceShown:
    number, state = ticket_number(ticket), request.app.state
    async with state.database.write() as connection:
        reading = work_lines.HandReading(body.point, body.value, body.instrument)
        await work_lines.measure(
            state.desk, connection, number, reading, Actor(user.name, user.role), state.clock.now_ms()
        )
    _tell(request)
    return await _evidence(request, number)


@router.get("/tickets/{ticket}/work", summary="Parts and hours of a ticket, with their sums")
async def show_work(ticket: str, request: Request, _user: SignedIn) -> WorkShown:
    number = ticket_number(ticket)
    async with request.app.state.database.read() as connection:
        await repository.ticket(connection, number)
        parts = await work_lines.lines(connection, t.proof.part_used, number)
        hours = await work_lines.lines(connection, t.proof.hours_worked, number)
    kept_parts, kept_hours = work_lines.standing(parts, "quantity"), work_lines.standing(hours, "minutes")
    sums = work_lines.sums(kept_parts, kept_hours)
    return WorkShown(
        parts=[_part(row, kept_parts) for row in parts], hours=[_hours(row, kept_hours) for row in hours],
        minutes=sums.minutes, minutes_by_person=dict(sums.by_person), cost_cents=dict(sums.cents),
    )  # fmt: skip


@router.post("/tickets/{ticket}/parts", status_code=201, summary="Write down a part, or correct a line")
async def add_part(ticket: str, body: PartBody, request: Request, user: Technician) -> WorkShown:
    number, state = ticket_number(ticket), request.app.state
    async with state.database.write() as connection:
        part = Part(**body.model_dump())
        actor = Actor(user.name, user.role)
        await work_lines.add_part(state.desk, connection, number, part, actor, state.clock.now_ms())
    _tell(request)
    return await show_work(ticket, request, user)


@router.post("/tickets/{ticket}/hours", status_code=201, summary="Write down hours, or correct a line")
async def add_hours(ticket: str, body: HoursBody, request: Request, user: Technician) -> WorkShown:
    number, state = ticket_number(ticket), request.app.state
    start, end = _instant("from", body.start), _instant("to", body.end)
    minutes = work_lines.minutes_of(body.minutes, start, end)
    async with state.database.write() as connection:
        hours = Hours(body.person or user.name, minutes, start, body.note, body.replaces)
        actor = Actor(user.name, user.role)
        await work_lines.add_hours(state.desk, connection, number, hours, actor, state.clock.now_ms())
    _tell(request)
    return await show_work(ticket, request, user)


@router.get("/tickets/{ticket}/watchers", summary="Who hears of every step of a ticket")
async def show_watchers(ticket: str, request: Request, _user: SignedIn) -> WatchersShown:
    number = ticket_number(ticket)
    async with request.app.state.database.read() as connection:
        await repository.ticket(connection, number)
        return WatchersShown(watchers=await watchers.watching(connection, number))


@router.post(
    "/tickets/{ticket}/watch", summary="Hear of every step of a ticket from now on", responses=needs(Role.VIEWER)
)
async def watch(ticket: str, request: Request, user: SignedIn) -> WatchersShown:
    number, state = ticket_number(ticket), request.app.state
    async with state.database.write() as connection:
        await watchers.watch(connection, number, user.name, state.clock.now_ms())
        return WatchersShown(watchers=await watchers.watching(connection, number))


@router.post("/tickets/{ticket}/unwatch", summary="Stop hearing of it", responses=needs(Role.VIEWER))
async def unwatch(ticket: str, request: Request, user: SignedIn) -> WatchersShown:
    number = ticket_number(ticket)
    async with request.app.state.database.write() as connection:
        await watchers.unwatch(connection, number, user.name)
        return WatchersShown(watchers=await watchers.watching(connection, number))


def _tell(request: Request) -> None:
    request.app.state.hub.publish("tickets")
    request.app.state.wake(("tickets",))


def _instant(path: str, text: str | None) -> int | None:
    try:
        return instant_ms(text) if text else None
    except ValueError as error:
        raise invalid(path, str(error), "write UTC with milliseconds") from error


def _part(row: RowMapping, kept: list[RowMapping]) -> PartShown:
    same = ("id", "name", "number", "quantity", "unit", "cost_cents", "currency", "note", "added_by")
    return PartShown(
        **{name: row[name] for name in same}, added_at=instant(row["added_at"]) or "", replaces=row["replaces_id"],
        counts=row in kept,
    )  # fmt: skip


def _hours(row: RowMapping, kept: list[RowMapping]) -> HoursShown:
    return HoursShown(
        **{name: row[name] for name in ("id", "person", "minutes", "note", "added_by")}, start=instant(row["from_at"]),
        added_at=instant(row["added_at"]) or "", replaces=row["replaces_id"], counts=row in kept,
    )  # fmt: skip
