"""Equipment without telemetry: entered by form or CSV, it has tests, forms and tickets all the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, not_found
from cloud.maintenance import service as maintenance
from cloud.people.service import audit
from cloud.storage import tables as t
from contract.conventions import EpochMs
from device_profiles import library
from device_profiles.reading import Finding, did_you_mean
from device_profiles.schema import EquipmentClass, check_identifier

COLUMNS = ("id", "class", "name_en", "name_zh", "place", "serves", "roles")
"""Of a CSV file; ``roles`` are separated by spaces. Only the first three must be there and filled."""
_REQUIRED = COLUMNS[:3]


@dataclass(frozen=True, slots=True)
class Thing:
    """One piece of equipment as a person describes it."""

    id: str
    equipment_class: str
    name_en: str
    name_zh: str = ""
    place: str = ""
    serves: str = ""
    roles: tuple[str, ...] = ()


@cache
def classes() -> Mapping[str, EquipmentClass]:
    """The equipment classes of the shipped library."""
    return library.load().classes


def mistakes(thing: Thing, file: str = "", line: int = 0) -> list[Finding]:
    """Everything wrong with a description, each with what to do."""
    found = []
    try:
        check_identifier(thing.id)
    except ValueError as error:
        found.append(Finding(file, line, "id", str(error), "Write an id such as fire_pump_1"))
    if thing.equipment_class not in classes():
        message = f"there is no equipment class {thing.equipment_class!r}"
        found.append(Finding(file, line, "class", message, did_you_mean(thing.equipment_class, classes())))
    if not thing.name_en.strip():
        found.append(Finding(file, line, "name_en", "is empty", "Write what people call it"))
    return found


def parse_csv(text: str, file: str = "") -> tuple[list[Thing], list[Finding]]:
    """The rows of a CSV file and every mistake in it, with its line."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    head = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in _REQUIRED if name not in head]
    unknown = [name for name in head if name not in COLUMNS]
    if missing or unknown:
        message = f"the first line lacks {', '.join(missing)}" if missing else f"unknown columns {', '.join(unknown)}"
        return [], [Finding(file, 1, "", message, f"The first line is {','.join(COLUMNS)}")]
    things: list[Thing] = []
    found: list[Finding] = []
    for row in reader:
        thing = _thing({name.strip(): (value or "").strip() for name, value in row.items() if name})
        found += mistakes(thing, file, reader.line_num)
        if any(thing.id == other.id for other in things):
            found.append(Finding(file, reader.line_num, "id", f"{thing.id} stands here twice", "Give each its own id"))
        things.append(thing)
    return things, found


def _thing(row: Mapping[str, str]) -> Thing:
    return Thing(
        row.get("id", ""),
        row.get("class", ""),
        row.get("name_en", ""),
        row.get("name_zh", ""),
        row.get("place", ""),
        row.get("serves", ""),
        tuple(row.get("roles", "").split()),
    )


async def add(
    connection: AsyncConnection, site_id: str, things: Sequence[Thing], now: EpochMs, actor: str, file: str = ""
) -> int:
    """Register equipment, all or none; how many. Raises Refused: 404 no such site, 409 known ids, 422 every mistake."""
    wrong = [finding for thing in things for finding in mistakes(thing, file)]
    if wrong:
        raise refused(wrong)
    if (await connection.execute(select(t.site.c.id).where(t.site.c.id == site_id))).first() is None:
        raise not_found("site", site_id)
    await _check_new(connection, site_id, things)
    if things:
        await connection.execute(t.equipment.insert(), [_row(site_id, thing, now) for thing in things])
    for thing in things:
        await maintenance.plan(connection, site_id, thing.id, classes()[thing.equipment_class], thing.roles)
        await audit(connection, actor, "equipment_added", f"{site_id}/{thing.id}", now)
    return len(things)


def refused(found: Iterable[Finding]) -> Refused:
    """422 with every mistake."""
    return Refused(
        422, "invalid", "the equipment is not described as it must be", "change what errors name", tuple(found)
    )


async def _check_new(connection: AsyncConnection, site_id: str, things: Sequence[Thing]) -> None:
    ids = [thing.id for thing in things]
    query = select(t.equipment.c.id).where(t.equipment.c.site_id == site_id, t.equipment.c.id.in_(ids))
    known = sorted((await connection.execute(query)).scalars())
    if known:
        raise Refused(
            409, "id_taken", f"{site_id} has {', '.join(known)} already", "choose other ids; nothing was added"
        )


def _row(site_id: str, thing: Thing, now: EpochMs) -> dict[str, object]:
    return {
        "site_id": site_id,
        "id": thing.id,
        "class_id": thing.equipment_class,
        "system": classes()[thing.equipment_class].system,
        "name": {"en": thing.name_en, "zh": thing.name_zh or thing.name_en},
        "roles": list(thing.roles),
        "place": thing.place,
        "serves": thing.serves,
        "ratings": {},
        "main_points": [],
        "gateway_id": None,
        "registered_at": now,
    }
