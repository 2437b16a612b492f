"""What was set aside, over HTTP: seen, counted, and tried again after a fix."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from cloud import examples
from cloud.ingest.replay import listed, replay
from cloud.people.access import RowId, SignedIn, require
from cloud.people.service import User
from cloud.tickets.ticket import Role

router = APIRouter(prefix="/api/v1/quarantine", tags=["gateways"])


class Replayed(BaseModel):
    """Whether the record could be used this time, and if not, why."""

    applied: bool = Field(examples=[True])
    reason: str = Field(examples=[""])


@router.get(
    "",
    summary="Records that nobody could use, newest first",
    responses=examples.answers({"quarantine": [examples.QUARANTINED]}),
)
async def list_quarantine(
    request: Request, _user: SignedIn, gateway: str = "", limit: Annotated[int, Query(ge=1, le=1000)] = 200
) -> dict[str, list[dict[str, Any]]]:
    async with request.app.state.database.read() as connection:
        return {"quarantine": await listed(connection, gateway, limit)}


@router.post("/{id}/replay", summary="Try one again, after what was wrong is put right")
async def replay_one(id: RowId, request: Request, user: Annotated[User, Depends(require(Role.ADMIN))]) -> Replayed:
    state = request.app.state
    async with state.database.write() as connection:
        reason, topics = await replay(state.desk, connection, id, user.name, state.clock.now_ms())
    state.hub.publish(*topics)
    state.wake(topics)
    return Replayed(applied=not reason, reason=reason)
