"""Contractors' links over HTTP: make, list and revoke. What a link opens is a page of its own (``/c/…``)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import RowMapping

from cloud.describing import needs
from cloud.errors import not_found
from cloud.people.access import RowId, SignedIn, require
from cloud.people.service import User
from cloud.tickets import contractors, repository
from cloud.tickets.contractors import DEFAULT_DAYS, MOST_DAYS, Wanted
from cloud.tickets.listing import instant
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, parse_ticket
from contract.conventions import EpochMs

router = APIRouter(prefix="/api/v1", tags=["contractors"])
_STORABLE = r"^[^\x00]*$"
_AT = "2026-11-21T07:20:00.301Z"


class LinkBody(BaseModel):
    """Who gets the link and for how long."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200, pattern=_STORABLE, examples=["Northside Lifts"])
    contact: str = Field(default="", max_length=200, pattern=_STORABLE, examples=["+86 10 5555 0100"])
    days: int = Field(default=DEFAULT_DAYS, ge=1, le=MOST_DAYS)
    may_close: bool = Field(default=False, description="Whether the contractor may close the ticket after the report")


class LinkShown(BaseModel):
    """A link; its secret is never told again. ``state``: good, used, over (ticket closed), revoked or expired."""

    id: int = Field(examples=[7])
    name: str = Field(examples=["Northside Lifts"])
    contact: str = Field(examples=["+86 10 5555 0100"])
    state: str = Field(examples=["good"])
    created_by: str = Field(examples=["duty_engineer"])
    created_at: str = Field(examples=[_AT])
    expires_at: str = Field(examples=["2026-11-28T07:20:00.301Z"])
    revoked_at: str | None
    seen_at: str | None
    accepted_at: str | None
    arrived_at: str | None
    done_at: str | None
    closed_at: str | None
    may_close: bool = Field(examples=[False])


class LinkMade(LinkShown):
    """A new link with its address, which is told this once."""

    url: str = Field(examples=["https://desk.example/c/pX0w…"])


class LinkList(BaseModel):
    """Every link of a ticket, newest first."""

    links: list[LinkShown]


def number_of(name: str) -> int:
    """A ticket's number. Raises Refused (404)."""
    try:
        return parse_ticket(name)
    except ValueError as error:
        raise not_found("ticket", name) from error


def address_of(request: Request, token: str) -> str:
    """Where a link leads: the configured public address, else the one that was asked."""
    configured = getattr(request.app.state, "config", None)
    base = (configured.public_url if configured else "") or str(request.base_url)
    return f"{base.rstrip('/')}/c/{token}"


@router.post(
    "/tickets/{ticket}/links", status_code=201, summary="Make a link for a contractor; its address is told once",
    responses=needs(Role.ENGINEER),
)  # fmt: skip
async def make(ticket: str, body: LinkBody, request: Request, user: SignedIn) -> LinkMade:
    state, number = request.app.state, number_of(ticket)
    now, actor = state.clock.now_ms(), Actor(user.name, user.role)
    async with state.database.write() as connection:
        wanted = Wanted(body.name, body.contact, body.days, body.may_close)
        link, token = await contractors.make(state.desk, connection, number, wanted, actor, now, state.tokens)
        made = await contractors.link_of(connection, link)
        found = await repository.ticket(connection, number)
    state.hub.publish("tickets")
    return LinkMade(**_values(made, found["state"], now), url=address_of(request, token))


@router.get("/tickets/{ticket}/links", summary="Links of a ticket")
async def list_links(
    ticket: str, request: Request, _user: Annotated[User, Depends(require(Role.TECHNICIAN))]
) -> LinkList:
    state, number = request.app.state, number_of(ticket)
    async with state.database.read() as connection:
        found = await repository.ticket(connection, number)
        rows = await contractors.links(connection, number)
    now = state.clock.now_ms()
    return LinkList(links=[LinkShown(**_values(row, found["state"], now)) for row in rows])


@router.post("/links/{link}/revoke", summary="End a link at once", responses=needs(Role.ENGINEER))
async def revoke(link: RowId, request: Request, user: SignedIn) -> LinkShown:
    state = request.app.state
    now = state.clock.now_ms()
    async with state.database.write() as connection:
        row = await contractors.revoke(state.desk, connection, link, Actor(user.name, user.role), now)
        found = await repository.ticket(connection, row["ticket_id"])
    state.hub.publish("tickets")
    return LinkShown(**_values(row, found["state"], now))


def _values(row: RowMapping, ticket_state: str, now: EpochMs) -> dict[str, object]:
    instants = (
        "created_at",
        "expires_at",
        "revoked_at",
        "seen_at",
        "accepted_at",
        "arrived_at",
        "done_at",
        "closed_at",
    )
    return {
        **{name: row[name] for name in ("id", "name", "contact", "created_by", "may_close")},
        **{name: instant(row[name]) for name in instants},
        "state": str(contractors.link_state(row, ticket_state, now)),
    }
