"""The equipment register over HTTP: what gateways announced, and what people entered (JSON, or a CSV file)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Query, Request, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from cloud import examples
from cloud.ingest import register
from cloud.ingest.register import Thing
from cloud.people.access import SignedIn, require
from cloud.people.service import User
from cloud.storage import tables as t
from cloud.tickets.ticket import Role
from device_profiles.reading import Finding

router = APIRouter(prefix="/api/v1", tags=["equipment"])
Engineer = Annotated[User, Depends(require(Role.ENGINEER))]
_MAX_CSV = 4 * 1024 * 1024


class EquipmentBody(BaseModel):
    """Equipment that no device serves."""

    model_config = ConfigDict(extra="forbid")
    site: str = Field(examples=["riverside"])
    id: str = Field(examples=["fire_tank_1"])
    equipment_class: str = Field(alias="class", examples=["pump"])
    name_en: str = Field(examples=["Fire water tank"])
    name_zh: str = Field(default="", examples=["消防水池"])
    place: str = Field(default="", examples=["B2"])
    serves: str = Field(default="", examples=[""])
    roles: list[str] = Field(default=[], examples=[[]])


class Added(BaseModel):
    """How many were added: all, or none."""

    added: int = Field(examples=[1])


@router.get("/equipment", summary="The register", responses=examples.answers({"equipment": [examples.EQUIPMENT]}))
async def list_equipment(
    request: Request, _user: SignedIn, site: str = "", system: Annotated[str, Query(examples=["fire"])] = ""
) -> dict[str, list[dict[str, Any]]]:
    query = select(t.equipment).order_by(t.equipment.c.site_id, t.equipment.c.id)
    if site:
        query = query.where(t.equipment.c.site_id == site)
    if system:
        query = query.where(t.equipment.c.system == system)
    async with request.app.state.database.read() as connection:
        rows = (await connection.execute(query)).mappings().all()
    plain = ("id", "system", "name", "roles", "place", "serves", "ratings", "out_of_service")
    return {
        "equipment": [
            {
                "site": row["site_id"],
                "class": row["class_id"],
                "gateway": row["gateway_id"],
                "has_telemetry": row["gateway_id"] is not None,
                **{name: row[name] for name in plain},
            }
            for row in rows
        ]
    }


@router.post("/equipment", status_code=201, summary="Register equipment without telemetry")
async def add_equipment(body: EquipmentBody, request: Request, user: Engineer) -> Added:
    thing = Thing(body.id, body.equipment_class, body.name_en, body.name_zh, body.place, body.serves, tuple(body.roles))
    return await _add(request, user, body.site, [thing])


@router.post(
    "/equipment/import", status_code=201, summary="Register equipment from a CSV file", openapi_extra=examples.CSV
)
async def import_equipment(
    request: Request,
    user: Engineer,
    site: Annotated[str, Query(examples=["riverside"])],
    file: Annotated[UploadFile, File(description=f"First line: {','.join(register.COLUMNS)}")],
) -> Added:
    name = file.filename or "equipment.csv"
    content = await file.read(_MAX_CSV + 1)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise register.refused([Finding(name, 0, "", "is not UTF-8 text", "Save it as CSV UTF-8")]) from error
    if len(content) > _MAX_CSV:
        raise register.refused([Finding(name, 0, "", f"is larger than {_MAX_CSV} bytes", "Split it")])
    things, found = register.parse_csv(text, name)
    if found:
        raise register.refused(found)
    return await _add(request, user, site, things)


async def _add(request: Request, user: User, site: str, things: list[Thing]) -> Added:
    state = request.app.state
    async with state.database.write() as connection:
        added = await register.add(connection, site, things, state.clock.now_ms(), user.name)
    state.hub.publish("equipment")
    state.wake(("equipment",))
    return Added(added=added)
