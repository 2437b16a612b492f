"""People → tickets over HTTP: ``POST /api/v1/tickets``, and what a change of priority would move."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel, ConfigDict, Field

from cloud.describing import needs
from cloud.errors import invalid
from cloud.people.access import SignedIn
from cloud.tickets import entering, listing, service
from cloud.tickets.entering import CHANNELS, SYSTEMS, Entered
from cloud.tickets.listing import instant
from cloud.tickets.routes import TicketShown, number_of
from cloud.tickets.ticket import ENTERED_KINDS, Role, allowed
from contract.conventions import instant_ms
from device_profiles import library

router = APIRouter(prefix="/api/v1", tags=["tickets"])


class TicketBody(BaseModel):
    """What somebody reported. Texts are in whichever language people speak here."""

    model_config = ConfigDict(extra="forbid")
    kind: str = Field(max_length=40, description=f"One of {', '.join(ENTERED_KINDS)}", examples=["request"])
    title: str = Field(max_length=200, examples=["Tap drips in the tea kitchen, floor 12"])
    site: str = Field(
        default="", max_length=100, description="May be left out where there is one site", examples=["riverside"]
    )
    equipment: str = Field(default="", max_length=100, examples=[""])
    place: str = Field(
        default="", max_length=200, description="Where there is no equipment", examples=["Floor 12, tea kitchen"]
    )
    system: str = Field(default="", max_length=40, description=f"That of the equipment, else one of {', '.join(SYSTEMS)}", examples=["water"])  # fmt: skip
    priority: str = Field(default="general", max_length=40, examples=["general"])
    emergency: str = Field(default="", max_length=40, description="entrapment or fire: life safety, whatever the priority", examples=[""])  # fmt: skip
    category: str = Field(
        default="", max_length=40, description="What it is in particular, for its targets", examples=[""]
    )
    description: str = Field(default="", max_length=4000, examples=["Since this morning, the floor is wet"])
    reporter: str = Field(default="", max_length=200, examples=["Ms Wang, shop 12"])
    reporter_contact: str = Field(default="", max_length=200, examples=["extension 4012"])
    channel: str = Field(
        default="phone", max_length=40, description=f"One of {', '.join(CHANNELS)}", examples=["phone"]
    )
    clause: str = Field(default="", max_length=100, examples=[""])
    reported_at: str | None = Field(
        default=None, max_length=40, description="Its clocks start here; at most 7 days ago, now when left out",
        examples=[None],
    )  # fmt: skip


class Move(BaseModel):
    """One clock's due instant now and with another priority; null where it is held or not set."""

    clock: str = Field(examples=["response"])
    activation: int = Field(examples=[1])
    before: str | None = Field(examples=["2026-11-21T09:20:00.301Z"])
    after: str | None = Field(examples=["2026-11-21T08:20:00.301Z"])
    is_breached: bool = Field(examples=[False], description="The new due instant has passed already")


class PriorityShown(BaseModel):
    """What choosing a priority would move."""

    priority: str = Field(examples=["urgent"])
    moves: list[Move]


@cache
def clauses() -> frozenset[str]:
    """The ids of the shipped clause library."""
    return frozenset(library.load().clauses)


@router.post("/tickets", status_code=201, summary="Enter a ticket", responses=needs(Role.TECHNICIAN))
async def enter(
    body: TicketBody,
    request: Request,
    user: SignedIn,
    key: Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)] = None,
) -> TicketShown:
    """Sent again with the same ``Idempotency-Key``, it answers with the ticket that the first call made."""
    state = request.app.state
    at = _instant(body.reported_at)
    texts = {name: text.strip() for name, text in body.model_dump(exclude={"reported_at"}).items()}
    async with state.database.write() as connection:
        row = await entering.enter(
            state.desk, connection, Entered(**texts, reported_at=at), user.name, user.role, clauses(),
            state.clock.now_ms(), key,
        )  # fmt: skip
        shown = await listing.one(connection, row)
    state.hub.publish("tickets")
    state.wake(("tickets",))
    return TicketShown(**shown, actions=list(allowed(row["state"], user.role, row["kind"])))


def _instant(text: str | None) -> int | None:
    try:
        return instant_ms(text) if text else None
    except ValueError as error:
        raise invalid("reported_at", str(error), "write UTC with milliseconds") from error


@router.get("/tickets/{ticket}/priorities", summary="What each priority would move")
async def show_priorities(ticket: str, request: Request, _user: SignedIn) -> list[PriorityShown]:
    """Due instants before and after, for each priority; nothing is changed."""
    state = request.app.state
    async with state.database.read() as connection:
        found = await service.priorities(state.desk, connection, number_of(ticket), state.clock.now_ms())
    return [
        PriorityShown(
            priority=priority,
            moves=[
                Move(
                    clock=move.clock, activation=move.activation, before=instant(move.before), after=instant(move.after),
                    is_breached=move.is_breached,
                )
                for move in moves
            ],
        )
        for priority, moves in found
    ]  # fmt: skip
