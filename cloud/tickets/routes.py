"""Tickets and alarms over HTTP: ``/api/v1/tickets``, ``/api/v1/alarms``. Everything a button does, a call does."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from cloud import examples
from cloud.describing import needs
from cloud.errors import Refused, invalid
from cloud.people.access import RowId, SignedIn
from cloud.tickets import listing, repository, service
from cloud.tickets.joining import RELATIONS
from cloud.tickets.service import Actor, Details
from cloud.tickets.ticket import TRANSITIONS, Action, Role, allowed, parse_ticket
from contract.conventions import instant_ms

router = APIRouter(prefix="/api/v1", tags=["tickets"])
_EXAMPLE = "T-000123"


class TicketShown(BaseModel):
    """A ticket. Instants are UTC as ``2026-11-21T07:05:00.123Z``; ``…_due`` is null while that clock is held or not set."""

    model_config = ConfigDict(extra="allow")
    id: str = Field(examples=[_EXAMPLE])
    kind: str = Field(examples=["fault"])
    equipment: str = Field(examples=["incomer_1"])
    rule: str = Field(examples=["power_factor_low"])
    clause: str = Field(examples=["h-5.3.1-pf"])
    priority: str = Field(examples=["major"])
    state: str = Field(examples=["new"])
    title: dict[str, str] = Field(examples=[{"en": "LV incomer 1: power factor low", "zh": "低压进线1：功率因数低"}])
    began_at: str | None = Field(examples=["2026-11-21T07:05:00.123Z"])
    raised_at: str | None = Field(examples=["2026-11-21T07:20:00.123Z"])
    received_at: str | None = Field(examples=["2026-11-21T07:20:00.301Z"])
    response_due: str | None = Field(examples=["2026-11-21T09:20:00.301Z"])
    arrival_due: str | None = Field(examples=[None])
    resolution_due: str | None = Field(examples=["2026-11-23T07:20:00.301Z"])
    breached: list[str] = Field(examples=[[]])
    version: int = Field(examples=[1])


class TicketList(BaseModel):
    """One page of tickets. ``next`` is the ``before`` of the following page, null at the end."""

    tickets: list[TicketShown]
    next: str | None = Field(examples=[None])


class ActionBody(BaseModel):
    """What goes with an action; each asks for its own."""

    model_config = ConfigDict(extra="forbid")
    version: int | None = Field(default=None, description="The version you saw; 409 when it has changed", examples=[1])
    reason: str = Field(default="", max_length=4000, examples=["waiting for part: contactor K5"])
    until: str | None = Field(default=None, description="When a hold ends by itself", examples=[None])
    cause: str = Field(default="", max_length=4000, examples=[""])
    action: str = Field(default="", max_length=4000, examples=[""])
    holder: str = Field(default="", max_length=4000, examples=[""])
    priority: str = Field(default="", max_length=4000, examples=[""])
    note: str = Field(default="", max_length=4000, examples=[""])
    asked: str = Field(default="", max_length=4000, description="Who was asked in the follow-up call", examples=[""])
    answer: str = Field(default="", max_length=4000, description="What they said", examples=[""])
    into: str = Field(default="", max_length=40, description="The ticket that goes on with a merged one", examples=[""])
    other: str = Field(default="", max_length=40, examples=[""])
    relation: str = Field(default="", max_length=40, description=f"One of {', '.join(RELATIONS)}", examples=[""])
    parent: str = Field(default="", max_length=40, examples=[""])
    children: tuple[str, ...] = Field(default=(), max_length=1000, description="Children to be resolved with it")


def number_of(name: str) -> int:
    """The number of a ticket by its name. Raises Refused (404)."""
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise Refused(404, "not_found", str(error), "take the id from the list of tickets") from error


@router.get("/tickets/{ticket}", summary="One ticket with its timeline")
async def show_ticket(ticket: str, request: Request, user: SignedIn) -> TicketShown:
    async with request.app.state.database.read() as connection:
        row = await repository.ticket(connection, number_of(ticket))
        shown = await listing.one(connection, row)
    return TicketShown(**shown, actions=list(allowed(row["state"], user.role, row["kind"])))


@router.post("/tickets/{ticket}/actions/{action}", summary="Do one thing to a ticket", responses=needs(Role.TECHNICIAN))
async def act(
    ticket: str,
    action: Action,
    body: ActionBody,
    request: Request,
    user: SignedIn,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> TicketShown:
    state, number = request.app.state, number_of(ticket)
    said = body.model_dump(exclude={"version", "until"})
    details, now = Details(**said, until=_until(body.until)), state.clock.now_ms()
    seen = await service.seen_before(state.database, state.store, number, action, now, details)
    async with state.database.write() as connection:
        row = await service.act(
            state.desk,
            connection,
            number,
            action,
            Actor(user.name, user.role),
            now,
            details,
            version=body.version,
            key=key,
            seen=seen,
        )
        shown = await listing.one(connection, row)
    state.hub.publish("tickets", "alarms")
    state.wake(("tickets",))
    return TicketShown(**shown, actions=list(allowed(row["state"], user.role, row["kind"])))


def _until(text: str | None) -> int | None:
    try:
        return instant_ms(text) if text else None
    except ValueError as error:
        raise invalid("until", str(error), "write UTC with milliseconds") from error


@router.get(
    "/transitions",
    summary="The one table: which action applies to which state, for which role",
    responses=examples.answers([examples.TRANSITION]),
)
async def transitions(_user: SignedIn) -> list[dict[str, Any]]:
    return [
        {
            "action": row.action,
            "kinds": list(row.kinds),
            "from": list(row.sources),
            "to": row.to,
            "role": row.role,
            "needs": list(row.needs),
        }
        for row in TRANSITIONS
    ]


@router.get(
    "/alarms",
    summary="Alarms, worst and oldest first",
    tags=["alarms"],
    responses=examples.answers({"alarms": [examples.ALARM]}),
)
async def list_alarms(
    request: Request,
    _user: SignedIn,
    state: Annotated[str, Query(examples=["active"])] = "",
    equipment: str = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> dict[str, list[dict[str, Any]]]:
    async with request.app.state.database.read() as connection:
        return {"alarms": await listing.alarms(connection, state=state, equipment=equipment, limit=limit)}


@router.post(
    "/alarms/{alarm}/acknowledge",
    status_code=204,
    summary="Acknowledge an alarm",
    tags=["alarms"],
    responses=needs(Role.TECHNICIAN),
)
async def acknowledge_alarm(alarm: RowId, request: Request, user: SignedIn) -> None:
    state = request.app.state
    async with state.database.write() as connection:
        now = state.clock.now_ms()
        await service.acknowledge_alarm(state.desk, connection, alarm, Actor(user.name, user.role), now)
    state.hub.publish("alarms", "tickets")
    state.wake(("tickets",))


@router.get(
    "/gateways",
    summary="Gateways and when they were last heard",
    tags=["gateways"],
    responses=examples.answers({"gateways": [examples.GATEWAY]}),
)
async def list_gateways(request: Request, _user: SignedIn) -> dict[str, list[dict[str, Any]]]:
    async with request.app.state.database.read() as connection:
        return {"gateways": await listing.gateways(connection)}
