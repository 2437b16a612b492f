"""Permits over HTTP: ``/api/v1/permits``. Everything a button does, a call does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud import examples
from cloud.describing import needs
from cloud.errors import Refused, invalid
from cloud.people.access import SignedIn
from cloud.tickets import permits, permits_drafting, permits_service, repository
from cloud.tickets.listing import instant
from cloud.tickets.permits import LEAD_H, STEPS, Stage, Step
from cloud.tickets.permits_drafting import Draft
from cloud.tickets.permits_service import Given
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, parse_ticket, ticket_name
from contract.conventions import EpochMs, instant_ms

router = APIRouter(prefix="/api/v1", tags=["permits"])
_EXAMPLE = "T-000123"
_LONG = 4000
_STORABLE = r"^[^\x00]*$"
Text = Annotated[str, Field(max_length=_LONG, pattern=_STORABLE)]
_INSTANTS = (
    "from_at", "until_at", "asked_at", "approved_at", "notified_at", "cut_at", "done_at", "restore_approved_at",
    "restored_at",
)  # fmt: skip
_PLAIN = (
    "stage", "work", "workers", "contractor", "affected", "window_reason", "watch_instead", "measures", "is_notice_needed",
    "lead_h", "notice_en", "notice_zh", "notice_how", "drafted_by", "asked_by", "approved_by", "done_by", "restore_by",
)  # fmt: skip


class DraftBody(BaseModel):
    """A planned outage. Notices that are left empty are written from the rest."""

    model_config = ConfigDict(extra="forbid")
    site: str = Field(max_length=200, pattern=_STORABLE, examples=["riverside"])
    equipment: list[Text] = Field(min_length=1, max_length=permits_drafting.MOST_EQUIPMENT, examples=[["incomer_1"]])
    planned_from: str = Field(alias="from", examples=["2026-11-28T12:00:00.000Z"])
    planned_until: str = Field(alias="until", examples=["2026-11-28T16:00:00.000Z"])
    work: Text = Field(examples=["Yearly overhaul of the low-voltage switchgear"])
    measures: list[Text] = Field(max_length=50, examples=[["isolated", "locked", "tested_dead", "earthed"]])
    workers: Text = Field(default="", examples=["electrician_a, electrician_b"])
    contractor: Text = Field(default="", examples=["Northside Switchgear Ltd"])
    affected: Text = Field(default="", examples=["Floors 3 to 12, both car parks"])
    is_notice_needed: bool = True
    lead_h: int = Field(default=LEAD_H, ge=0, le=8760)
    notice_en: Text = ""
    notice_zh: Text = ""
    window_reason: Text = Field(default="", description="Why it lies in office hours, where it does")
    watch_instead: Text = Field(default="", description="Who or what guards life meanwhile, where that is taken away")
    version: int | None = Field(
        default=None, ge=0, lt=2**63, description="The ticket's version you saw; 409 when it has changed"
    )


class StepBody(BaseModel):
    """What goes with a step; each asks for its own."""

    model_config = ConfigDict(extra="forbid")
    version: int | None = Field(
        default=None, ge=0, lt=2**63, description="The ticket's version you saw; 409 when it has changed"
    )
    reason: Text = Field(default="", examples=[""])
    how: Text = Field(default="", examples=["Posted in both lobbies, message to all floors"])
    checked: list[Text] = Field(default_factory=list, max_length=100, examples=[[]])
    action: Text = Field(default="", examples=[""])
    until: str | None = Field(default=None, examples=[None])
    note: Text = Field(default="", examples=[""])


class PermitThing(BaseModel):
    """Equipment of a permit, and what became of the newest wish about it. ``applied`` null: not answered yet."""

    id: str = Field(examples=["incomer_1"])
    gateway: str | None = Field(examples=["gw_1"])
    wish: str | None = Field(examples=["out_of_service"])
    asked_at: str | None
    sent_at: str | None
    applied_at: str | None
    applied: bool | None
    answer: str | None


class PermitShown(BaseModel):
    """A permit. Instants are UTC as ``2026-11-21T07:05:00.123Z``; ``until_at`` is the end as extended."""

    model_config = ConfigDict(extra="allow")
    ticket: str = Field(examples=[_EXAMPLE])
    site: str = Field(examples=["riverside"])
    stage: str = Field(examples=["notified"])
    from_at: str
    until_at: str
    is_overrun: bool
    version: int
    equipment: list[PermitThing]
    steps: list[str] = Field(examples=[["cut", "withdraw"]])


class PermitList(BaseModel):
    """Permits: those that are out first, then by when they begin."""

    permits: list[PermitShown]


class StepShown(BaseModel):
    """One row of the table of steps."""

    step: str = Field(examples=["approve_cut"])
    sources: list[str] = Field(alias="from", examples=[["asked"]])
    to: str | None = Field(examples=["approved"])
    role: str = Field(examples=["manager"])
    needs: list[str] = Field(examples=[[]])
    clause: str = Field(examples=["h-5.3.1-auth"])


class PermitQuery(BaseModel):
    """Which permits; conditions that are left out bind nothing."""

    model_config = ConfigDict(extra="forbid")
    site: str = Field(default="", pattern=_STORABLE)
    stage: list[Stage] = Field(default_factory=list)
    limit: int = Field(default=200, ge=1, le=1000)


def _number(name: str) -> int:
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise Refused(404, "not_found", str(error), "take the id from the list of permits") from error


def _instant(path: str, text: str) -> EpochMs:
    try:
        return instant_ms(text)
    except ValueError as error:
        raise invalid(path, str(error), "write UTC with milliseconds") from error


def _draft(body: DraftBody) -> Draft:
    plain = body.model_dump(exclude={"planned_from", "planned_until", "version"})
    return Draft(**plain, from_at=_instant("from", body.planned_from), until_at=_instant("until", body.planned_until))


def _told(request: Request) -> None:
    state = request.app.state
    state.hub.publish("tickets", "gateways", "equipment")
    state.wake(("tickets", "permits"))


@router.post(
    "/permits", status_code=201, summary="Draft a planned outage; it gets a ticket", responses=needs(Role.ENGINEER)
)
async def draft(body: DraftBody, request: Request, user: SignedIn) -> PermitShown:
    state = request.app.state
    now = state.clock.now_ms()
    async with state.database.write() as connection:
        actor = Actor(user.name, user.role)
        number = await permits_drafting.draft(state.desk, connection, _draft(body), actor, now)
        shown = await _one(connection, number, user.role, now)
    _told(request)
    return shown


@router.put("/permits/{ticket}", summary="Write a draft anew", responses=needs(Role.ENGINEER))
async def change(ticket: str, body: DraftBody, request: Request, user: SignedIn) -> PermitShown:
    state, number = request.app.state, _number(ticket)
    now, actor = state.clock.now_ms(), Actor(user.name, user.role)
    async with state.database.write() as connection:
        await permits_drafting.change(state.desk, connection, number, _draft(body), actor, now, version=body.version)
        shown = await _one(connection, number, user.role, now)
    _told(request)
    return shown


@router.get("/permits", summary="Coming, current and past outages")
async def list_permits(request: Request, user: SignedIn, asked: Annotated[PermitQuery, Query()]) -> PermitList:
    state = request.app.state
    now = state.clock.now_ms()
    async with state.database.read() as connection:
        rows = await permits_service.listed(connection, site=asked.site, stages=asked.stage, limit=asked.limit)
        found = [await _shown(connection, row, user.role, now) for row in rows]
    return PermitList(permits=found)


@router.get("/permits/{ticket}", summary="One permit")
async def show_permit(ticket: str, request: Request, user: SignedIn) -> PermitShown:
    state = request.app.state
    async with state.database.read() as connection:
        return await _one(connection, _number(ticket), user.role, state.clock.now_ms())


@router.post("/permits/{ticket}/steps/{step}", summary="Take one step of a permit", responses=needs(Role.TECHNICIAN))
async def take(
    ticket: str,
    step: Step,
    body: StepBody,
    request: Request,
    user: SignedIn,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> PermitShown:
    if step is Step.CHANGE:
        raise invalid("step", "a draft is changed as a whole", "PUT /api/v1/permits/{ticket}")
    state, number = request.app.state, _number(ticket)
    now, actor = state.clock.now_ms(), Actor(user.name, user.role)
    said = body.model_dump(exclude={"version", "until"})
    given = Given(**said, until=_instant("until", body.until) if body.until else None)
    async with state.database.write() as connection:
        await permits_service.take(
            state.desk, connection, number, step, actor, now, given, version=body.version, key=key
        )
        shown = await _one(connection, number, user.role, now)
    _told(request)
    return shown


@router.get(
    "/permit-steps",
    summary="The one table: which step applies to which stage, for which role",
    responses=examples.answers([{
        "step": "approve_cut", "from": ["asked"], "to": "approved", "role": "manager", "needs": [], "clause": "h-5.3.1-auth",
    }]),
)  # fmt: skip
async def steps(_user: SignedIn) -> list[StepShown]:
    return [
        StepShown(**{"from": list(row.sources)}, step=row.step, to=row.to, role=row.role, needs=list(row.needs),
                  clause=row.clause)
        for row in STEPS
    ]  # fmt: skip


async def _one(connection: AsyncConnection, number: int, role: str, now: EpochMs) -> PermitShown:
    permit = await permits_service.permit_of(connection, number)
    ticket = await repository.ticket(connection, number)
    return await _shown(connection, {**permit, "version": ticket["version"]}, role, now)


async def _shown(connection: AsyncConnection, permit: Any, role: str, now: EpochMs) -> PermitShown:  # noqa: ANN401
    things = await permits_service.equipment_of(connection, permit["ticket_id"])
    return PermitShown(
        ticket=ticket_name(permit["ticket_id"]),
        site=permit["site_id"],
        is_overrun=permits.is_overrun(permit["stage"], permit["until_at"], now),
        version=permit["version"],
        equipment=_things(things),
        steps=[str(step) for step in permits.allowed(permit["stage"], role)],
        **{name: permit[name] for name in _PLAIN},
        **{name: instant(permit[name]) for name in _INSTANTS},
    )


def _things(things: Sequence[RowMapping]) -> list[PermitThing]:
    return [
        PermitThing(
            id=one["equipment_id"], gateway=one["gateway_id"], wish=one["wish"], applied=one["applied"],
            answer=one["answer"] if one["applied_at"] is not None else None,
            **{name: instant(one[name]) for name in ("asked_at", "sent_at", "applied_at")},
        )
        for one in things
    ]  # fmt: skip
