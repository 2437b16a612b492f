"""People → tickets: what staff enter: a fault without an alarm, a request, a complaint, a finding, maintenance.

The clocks start when it was reported, at most a week before it is entered; both instants are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict
from cloud.sla.policy import CATEGORIES, EMERGENCIES, PRIORITIES
from cloud.storage import tables as t
from cloud.tickets import repository
from cloud.tickets.desk import Desk, record
from cloud.tickets.repository import Happening
from cloud.tickets.ticket import ENTERED_KINDS, Action, Kind, Role, rows_of, ticket_name
from contract.conventions import EpochMs
from device_profiles.reading import Finding

CHANNELS = ("phone", "counter", "message", "round", "other")
"""How it came to us (g-4.1)."""
SYSTEMS = ("lifts", "power", "water", "fire", "other")
"""The systems of the class library, and all the rest."""
MOST_BACK_MS = 7 * 24 * 3_600_000
_LONGEST: Mapping[str, int] = {
    "title": 200, "description": 4000, "place": 200, "reporter": 200, "reporter_contact": 200, "clause": 100,
}  # fmt: skip
_SEVERITY: Mapping[str, str] = {
    "general": "minor", "major": "major", "urgent": "critical", "life_safety": "life_safety",
}  # fmt: skip
_CHOICES: Mapping[str, tuple[Collection[str], str]] = {
    "kind": (tuple(str(kind) for kind in ENTERED_KINDS), "choose one of {}"),
    "priority": (PRIORITIES, "choose one of {}"),
    "emergency": (("", *EMERGENCIES), "choose one of {}, or none"),
    "category": (("", *CATEGORIES), "choose one of {}, or none"),
    "channel": (CHANNELS, "choose one of {}"),
    "system": (SYSTEMS, "choose one of {}"),
}


@dataclass(frozen=True, slots=True)
class Entered:
    """What somebody reported, as it was entered. Texts are as people wrote them, in whichever language."""

    kind: str
    title: str
    site: str = ""
    """May be left out where there is one site only."""
    equipment: str = ""
    place: str = ""
    """In words, where there is no equipment."""
    system: str = ""
    """That of the equipment, where there is one."""
    priority: str = "general"
    emergency: str = ""
    """``entrapment`` or ``fire``: life safety, whatever the priority."""
    category: str = ""
    description: str = ""
    reporter: str = ""
    reporter_contact: str = ""
    channel: str = "phone"
    clause: str = ""
    reported_at: EpochMs | None = None
    """When it was reported; None: now."""


@dataclass(frozen=True, slots=True)
class Known:
    """What an entry must agree with."""

    sites: tuple[str, ...]
    equipment: Mapping[str, str]
    """The systems of the equipment at the entry's site."""
    clauses: Collection[str]
    now: EpochMs


def check(entered: Entered, known: Known) -> tuple[Finding, ...]:
    """Everything that is wrong with an entry, each with its field and what to do."""
    found = [
        _finding(field, message, remedy)
        for field, message, remedy in (*_wrong_choices(entered), *_wrong_place(entered, known))
    ]
    if not entered.title:
        found.append(_finding("title", "the title is missing", "say in a few words what it is about"))
    for field, most in _LONGEST.items():
        if len(getattr(entered, field)) > most:
            found.append(_finding(field, f"{field} is longer than {most} characters", "shorten it"))
    if entered.clause and entered.clause not in known.clauses:
        found.append(_finding("clause", f"there is no clause {entered.clause}", "take its id from the clause library"))
    at = entered.reported_at
    if at is not None and not known.now - MOST_BACK_MS <= at <= known.now:
        remedy = "give an instant of the last 7 days, or none for now"
        found.append(_finding("reported_at", "reported in the future or too long ago", remedy))
    return tuple(found)


def _wrong_choices(entered: Entered) -> list[tuple[str, str, str]]:
    found = []
    for field, (choices, remedy) in _CHOICES.items():
        value = getattr(entered, field)
        if value not in choices and not (field == "system" and entered.equipment):
            found.append((field, f"{value!r} is no {field}", remedy.format(", ".join(filter(None, choices)))))
    return found


def _wrong_place(entered: Entered, known: Known) -> list[tuple[str, str, str]]:
    if entered.site not in known.sites:
        return [("site", f"there is no site {entered.site!r}", f"choose one of {', '.join(known.sites) or 'none yet'}")]
    if entered.equipment and entered.equipment not in known.equipment:
        return [
            ("equipment", f"there is no equipment {entered.equipment!r} at {entered.site}", "take its id from the list")
        ]
    if not entered.equipment and not entered.place:
        return [("place", "neither equipment nor place is given", "name the equipment, or the place in words")]
    return []


def _finding(field: str, message: str, remedy: str) -> Finding:
    return Finding("", 0, field, message, remedy)


async def enter(
    desk: Desk,
    connection: AsyncConnection,
    entered: Entered,
    actor: str,
    role: str,
    clauses: Collection[str],
    now: EpochMs,
    key: str | None = None,
) -> RowMapping:
    """A new ticket; with the ``key`` of an earlier call the ticket that it made.

    Raises Refused: 403 not this role, 409 the key was used for something else, 422 with everything that is wrong.
    """
    check_role(role)
    dedupe = f"enter:{actor}:{key}" if key else None
    if dedupe and (row := await _made_before(connection, dedupe)) is not None:
        if row["title"]["en"] != entered.title or row["kind"] != entered.kind:
            raise conflict("key_used", f"this key made {ticket_name(row['id'])}", "use a new key for a new ticket")
        return row
    known = await _known(connection, entered, clauses, now)
    complete = _complete(entered, known)
    if found := check(complete, known):
        told = "; ".join(one.message for one in found)
        raise Refused(422, "invalid", told, "; ".join(one.remedy for one in found), found)
    number = await repository.insert_ticket(connection, _values(desk, complete, actor, now))
    line = _opened(complete, actor, now, dedupe)
    made = await record(desk, connection, await repository.ticket(connection, number), line, now)
    if dedupe and (first := await _made_before(connection, dedupe)) is not None and first["id"] != number:
        raise conflict("key_busy", f"this key just made {ticket_name(first['id'])}", "send the same call again")
    return made


def check_role(role: str) -> None:
    """Raises Refused (403) for who may not enter tickets."""
    (row,) = rows_of(Action.ENTER, Kind.REQUEST)
    if Role(role).rank < row.role.rank:
        raise Refused(403, "role", f"{role} may not enter tickets", f"ask a person with role {row.role}")


async def _made_before(connection: AsyncConnection, dedupe: str) -> RowMapping | None:
    query = select(t.timeline.c.ticket_id).where(t.timeline.c.dedupe == dedupe)
    number = (await connection.execute(query)).scalar_one_or_none()
    return await repository.ticket(connection, number) if number is not None else None


async def _known(connection: AsyncConnection, entered: Entered, clauses: Collection[str], now: EpochMs) -> Known:
    sites = tuple((await connection.execute(select(t.site.c.id).order_by(t.site.c.id))).scalars())
    site = entered.site or (sites[0] if len(sites) == 1 else "")
    equipment = select(t.equipment.c.id, t.equipment.c.system).where(
        t.equipment.c.site_id == site, t.equipment.c.id == entered.equipment
    )
    return Known(sites, {row.id: row.system for row in await connection.execute(equipment)}, clauses, now)


def _complete(entered: Entered, known: Known) -> Entered:
    """With what follows from the rest: the only site, the equipment's system, life safety in an emergency."""
    only = known.sites[0] if len(known.sites) == 1 else ""
    return replace(
        entered,
        site=entered.site or only,
        system=known.equipment.get(entered.equipment, entered.system or "other"),
        priority="life_safety" if entered.emergency else entered.priority,
    )


def _values(desk: Desk, entered: Entered, actor: str, now: EpochMs) -> dict[str, Any]:
    at = now if entered.reported_at is None else entered.reported_at
    plain = ("kind", "emergency", "category", "priority", "system", "clause", "description", "place", "reporter",
             "reporter_contact", "channel")  # fmt: skip
    return {
        **{name: getattr(entered, name) for name in plain},
        "site_id": entered.site,
        "equipment_id": entered.equipment,
        "title": {"en": entered.title, "zh": entered.title},
        "severity": _SEVERITY[entered.priority],
        "opened_at": at,
        "received_at": now,
        "entered_by": actor,
        "policy": desk.policy.version,
    }


def _opened(entered: Entered, actor: str, now: EpochMs, dedupe: str | None) -> Happening:
    at = now if entered.reported_at is None else entered.reported_at
    data = {"priority": entered.priority, **({"entered_at": now} if at != now else {})}
    return Happening(at, "opened", "person", actor, data, dedupe)
