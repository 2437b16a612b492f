"""Wishes to gateways over HTTP: shelve, out of service, a limit, refresh; and what became of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud import examples
from cloud.errors import invalid
from cloud.people.access import SignedIn, require
from cloud.people.service import User, audit
from cloud.storage import tables as t
from cloud.tickets import directives
from cloud.tickets.listing import instant
from cloud.tickets.ticket import Role
from contract.conventions import parse_instant
from contract.messages import Directive

router = APIRouter(prefix="/api/v1", tags=["gateways"])
Kind = Literal["acknowledge", "shelve", "unshelve", "out_of_service", "in_service", "set_limit", "refresh"]


class Wish(BaseModel):
    """What the gateway of a piece of equipment is asked to do."""

    model_config = ConfigDict(extra="forbid")
    site: str = Field(examples=["riverside"])
    equipment: str = Field(examples=["lift_1"])
    kind: Kind = Field(examples=["shelve"])
    rule: str = Field(default="", examples=["door_fault"])
    instance: str = Field(default="", examples=[""])
    reason: str = Field(default="", examples=["works until noon"])
    until: str | None = Field(default=None, examples=["2026-11-21T04:00:00.000Z"])
    limit: str = Field(default="", examples=[""])
    value: float | None = Field(default=None, examples=[None])


class Sent(BaseModel):
    """The wish's id and the gateway it goes to."""

    id: str = Field(examples=["token"])
    gateway: str = Field(examples=["gw_1"])


@router.post("/directives", status_code=202, summary="Ask a gateway for something; it answers when it is heard next")
async def send(body: Wish, request: Request, user: Annotated[User, Depends(require(Role.ENGINEER))]) -> Sent:
    state = request.app.state
    now = state.clock.now_ms()
    said = body.model_dump(exclude={"site"})
    wanted = Directive(id=state.tokens(), by=user.name, **said)
    if body.until is not None:
        _check_instant(body.until)
    async with state.database.write() as connection:
        gateway = await directives.wish(connection, body.site, wanted, now)
        await audit(connection, user.name, f"asked_{body.kind}", f"{body.site}/{body.equipment}", now, said)
    state.hub.publish("gateways")
    return Sent(id=wanted.id, gateway=gateway)


def _check_instant(text: str) -> None:
    try:
        parse_instant(text)
    except ValueError as error:
        raise invalid("until", str(error), "write UTC with milliseconds") from error


@router.get(
    "/directives",
    summary="Wishes and their answers, newest first",
    responses=examples.answers({"directives": [examples.DIRECTIVE]}),
)
async def list_directives(
    request: Request, _user: SignedIn, gateway: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> dict[str, list[dict[str, Any]]]:
    query = select(t.directive).order_by(t.directive.c.created_at.desc(), t.directive.c.id).limit(limit)
    if gateway:
        query = query.where(t.directive.c.gateway_id == gateway)
    async with request.app.state.database.read() as connection:
        rows = (await connection.execute(query)).mappings().all()
    return {
        "directives": [
            {
                "gateway": row["gateway_id"],
                "applied": row["applied"],
                "answer": row["reason"],
                **row["body"],
                **{name: instant(row[name]) for name in ("created_at", "sent_at", "applied_at")},
            }
            for row in rows
        ]
    }
