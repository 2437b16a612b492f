"""Tickets: parts, hours and readings by hand. A line that was wrong is corrected by a new line that replaces it; nothing is overwritten."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import RowMapping, Table, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid
from cloud.storage import tables as t
from cloud.tickets import repository, work
from cloud.tickets.desk import Desk, record
from cloud.tickets.repository import Happening
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, ticket_name
from cloud.tickets.work_words import reading_words
from contract.conventions import EpochMs

MOST_MINUTES: Final = 100 * 24 * 60
MOST_MONEY: Final = 10**12
MOST_QUANTITY: Final = 10.0**9


@dataclass(frozen=True, slots=True)
class Part:
    """What was built in or used up. ``cost_cents`` is of the whole line; a quantity of 0 takes back the line it replaces."""

    name: str
    quantity: float
    number: str = ""
    unit: str = ""
    cost_cents: int | None = None
    currency: str = "CNY"
    note: str = ""
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Hours:
    """How long somebody worked: from an instant on, or only how long. 0 minutes take back the line they replace."""

    person: str
    minutes: int
    from_at: EpochMs | None = None
    note: str = ""
    replaces: int | None = None


@dataclass(frozen=True, slots=True)
class Sums:
    """What a ticket took in all: minutes by person, money in cents by currency (of the lines that name a cost)."""

    minutes: int
    by_person: Mapping[str, int]
    cents: Mapping[str, int]


async def add_part(desk: Desk, connection: AsyncConnection, number: int, part: Part, actor: Actor, now: EpochMs) -> int:
    """Add a line of parts; its number. Raises Refused: 404, 403, 422 what cannot be, 409 corrected meanwhile."""
    if not part.name.strip():
        raise invalid("name", "the part has no name", "say what was used")
    _in_range("quantity", part.quantity, MOST_QUANTITY, is_zero_fine=part.replaces is not None)
    if part.cost_cents is not None:
        _in_range("cost", part.cost_cents, MOST_MONEY, is_zero_fine=True)
    values = {
        "name": part.name.strip(), "number": part.number.strip(), "unit": part.unit.strip(), "quantity": part.quantity,
        "cost_cents": part.cost_cents, "currency": part.currency.strip() or "CNY", "note": part.note.strip(),
    }  # fmt: skip
    told = " ".join(w for w in (f"{part.quantity:g}", part.unit.strip(), part.name.strip(), part.number.strip()) if w)
    kind = "part_corrected" if part.replaces is not None else "part_added"
    return await _add(desk, connection, number, t.proof.part_used, _Line(kind, values, told, part.replaces), actor, now)


async def add_hours(
    desk: Desk, connection: AsyncConnection, number: int, hours: Hours, actor: Actor, now: EpochMs
) -> int:
    """Add a line of hours; its number. Raises Refused as ``add_part``."""
    if not hours.person.strip():
        raise invalid("person", "nobody is named", "say who worked")
    _in_range("minutes", hours.minutes, MOST_MINUTES, is_zero_fine=hours.replaces is not None)
    if hours.from_at is not None and hours.from_at > now:
        raise invalid("from", "is in the future", "hours are written down after they were worked")
    values = {
        "person": hours.person.strip(), "minutes": hours.minutes, "from_at": hours.from_at, "note": hours.note.strip(),
    }  # fmt: skip
    told = f"{hours.minutes // 60}:{hours.minutes % 60:02d} h {values['person']}"
    kind = "hours_corrected" if hours.replaces is not None else "hours_added"
    return await _add(
        desk, connection, number, t.proof.hours_worked, _Line(kind, values, told, hours.replaces), actor, now
    )


@dataclass(frozen=True, slots=True)
class HandReading:
    """A value that a person measured, and with what."""

    point: str
    value: float
    instrument: str


async def measure(
    desk: Desk, connection: AsyncConnection, number: int, reading: HandReading, actor: Actor, now: EpochMs
) -> None:
    """Keep what a person measured of a point that a ticket needs.

    It stands where the history knows nothing; what the history shows outside its limits is outside all the same.
    Raises Refused: 404, 403, 422 this point is not asked for, or the value lies outside.
    """
    _check_may_write(actor)
    ticket = await repository.ticket(connection, number, is_locked=True)
    asked = {one.point: one for one in await work.asked_of(connection, ticket)}.get(reading.point)
    if asked is None:
        raise invalid("point", f"no reading of {reading.point!r} is needed here", "see GET /tickets/{ticket}/evidence")
    if not asked.bounds or any(bound.is_beyond(reading.value) for bound in asked.bounds):
        message = f"{reading.value:g} {asked.unit} does not show: {reading_words(asked)['en']}"
        raise invalid("value", message, "the repair goes on; write a note if the value tells something")
    facts = {"value": reading.value, "by": actor.name, "instrument": reading.instrument.strip()}
    row = {"ticket_id": number, "point": reading.point, "since_at": now, "until_at": now, "facts": facts}
    await connection.execute(t.proof.reading_proof.insert().values(**row))
    told = f"{reading.point} {reading.value:g} {asked.unit}, {reading.instrument.strip()}"
    await record(desk, connection, ticket, Happening(now, "measured", actor.kind, actor.name, {"note": told}), now)


def minutes_of(minutes: int | None, start: EpochMs | None, end: EpochMs | None) -> int:
    """How long, of whichever was said: minutes, or from and to (pure). Raises Refused (422)."""
    if minutes is not None:
        return minutes
    if start is None or end is None:
        raise invalid("minutes", "neither minutes nor from and to are given", "give how long, or both instants")
    if end < start:
        raise invalid("to", "lies before from", "exchange them")
    return round((end - start) / 60_000)


async def lines(connection: AsyncConnection, table: Table, number: int) -> list[RowMapping]:
    """Every line of a ticket as it was written, oldest first, the corrected ones too."""
    query = select(table).where(table.c.ticket_id == number).order_by(table.c.id)
    return list((await connection.execute(query)).mappings())


def standing(rows: Sequence[RowMapping], amount: str) -> list[RowMapping]:
    """The lines that count: not replaced, and not taken back (pure). ``amount`` is ``quantity`` or ``minutes``."""
    replaced = {row["replaces_id"] for row in rows}
    return [row for row in rows if row["id"] not in replaced and row[amount]]


def sums(parts: Iterable[Mapping[Any, Any]], hours: Iterable[Mapping[Any, Any]]) -> Sums:
    """Add up the lines that count (pure)."""
    by_person: dict[str, int] = {}
    cents: dict[str, int] = {}
    for row in hours:
        by_person[row["person"]] = by_person.get(row["person"], 0) + row["minutes"]
    for row in parts:
        if row["cost_cents"] is not None:
            cents[row["currency"]] = cents.get(row["currency"], 0) + row["cost_cents"]
    return Sums(sum(by_person.values()), by_person, cents)


@dataclass(frozen=True, slots=True)
class _Line:
    kind: str
    values: dict[str, Any]
    told: str
    replaces: int | None


async def _add(
    desk: Desk, connection: AsyncConnection, number: int, table: Table, line: _Line, actor: Actor, now: EpochMs
) -> int:
    _check_may_write(actor)
    ticket = await repository.ticket(connection, number, is_locked=True)
    if line.replaces is not None:
        await _check_replaced(connection, table, number, line.replaces)
    values = {**line.values, "ticket_id": number, "added_at": now, "added_by": actor.name, "replaces_id": line.replaces}
    try:
        found = await connection.execute(table.insert().values(**values).returning(table.c.id))
    except IntegrityError as error:
        raise _corrected(line.replaces) from error
    added = int(found.scalar_one())
    data = {"line": added, "note": line.told, "replaces": line.replaces}
    await record(desk, connection, ticket, Happening(now, line.kind, actor.kind, actor.name, data), now)
    return added


def _check_may_write(actor: Actor) -> None:
    if Role(actor.role).rank < Role.TECHNICIAN.rank:
        raise Refused(403, "role", f"{actor.role} may not write this", f"ask a person with role {Role.TECHNICIAN}")


async def _check_replaced(connection: AsyncConnection, table: Table, number: int, replaces: int) -> None:
    query = select(table.c.id).where(table.c.id == replaces, table.c.ticket_id == number)
    if (await connection.execute(query)).first() is None:
        raise invalid("replaces", f"{ticket_name(number)} has no line {replaces}", "take a number from its list")
    query = select(table.c.id).where(table.c.replaces_id == replaces)
    if (await connection.execute(query)).first() is not None:
        raise _corrected(replaces)


def _corrected(line: int | None) -> Refused:
    return conflict(
        "corrected", f"line {line} was corrected meanwhile", "read the list again and correct the newest line"
    )


def _in_range(path: str, value: float, most: float, *, is_zero_fine: bool) -> None:
    if not math.isfinite(value) or value > most or value < 0 or (value == 0 and not is_zero_fine):
        raise invalid(
            path, f"{value:g} cannot be", f"write a number {'from' if is_zero_fine else 'above'} 0 to {most:g}"
        )
