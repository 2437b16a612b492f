"""maintenance → tickets: what is due for every piece of equipment, what evidence closed, and what was missed.

Every due date is a row with a unique key, so a restart, a second replica and a late wake all come to the question "which
open due dates are past their end?". Downtime over several due dates of a fixed series records each of them once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import structlog
from sqlalchemy import RowMapping, and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.maintenance.evidence import Failed, Fulfils, decide
from cloud.maintenance.occurrence import (
    Occurrence,
    Schedule,
    first_due,
    local_date,
    next_due,
    occurrence,
    parse_every,
    parse_period,
)
from cloud.storage import tables as t
from cloud.storage.sql import insert_new, upsert
from cloud.tickets import duties
from cloud.tickets.desk import Desk
from cloud.tickets.duties import Duty
from contract.conventions import EpochMs, from_ms, to_ms
from device_profiles.schema import EquipmentClass

_log = structlog.get_logger()
MOST_AT_ONCE = 400
"""Due dates of one test that one sweep records: more than a year of days, so that a long sleep ends in a few sweeps."""


@dataclass(frozen=True, slots=True)
class PeriodicTest:
    """One periodic test of one piece of equipment, as announced or as its class says."""

    site_id: str
    equipment_id: str
    id: str
    name: Mapping[str, str]
    equipment_name: Mapping[str, str]
    clause: str
    schedule: Schedule

    @property
    def title(self) -> dict[str, str]:
        return {
            "en": f"{self.equipment_name['en']}: {self.name['en']}",
            "zh": f"{self.equipment_name['zh']}：{self.name['zh']}",
        }


@dataclass(frozen=True, slots=True)
class Result:
    """A test that was made: observed by a gateway or answered on a form."""

    event: str
    ended_at: EpochMs
    passed: bool
    reasons: tuple[str, ...] = ()


async def plan(
    connection: AsyncConnection, site_id: str, equipment_id: str, of: EquipmentClass, roles: Iterable[str]
) -> None:
    """Give a piece of equipment the tests of its class that bind its roles: equipment without telemetry announces none."""
    held = set(roles)
    rows = [
        {
            "site_id": site_id,
            "equipment_id": equipment_id,
            "id": name,
            "name": test.name.model_dump(),
            "every": test.every,
            "clause": test.clause,
            "proof": "form" if test.form else "observed",
            "anchor": test.anchor,
            "window": test.window,
            "grace": test.grace,
        }
        for name, test in of.tests.items()
        if not test.roles or held & set(test.roles)
    ]
    await upsert(connection, t.periodic_test, ("site_id", "equipment_id", "id"), rows)


async def sweep(desk: Desk, connection: AsyncConnection, now: EpochMs) -> bool:
    """See to it that every test has its open due date, and that every missed one has its ticket. True if any changed."""
    changed = await _withdraw(connection)
    query = select(t.occurrence).where(t.occurrence.c.state == "due")
    open_now = {_key(row): row for row in (await connection.execute(query)).mappings()}
    for test in await periodic_tests(connection):
        due: RowMapping | None = open_now.get((test.site_id, test.equipment_id, test.id))
        if due is None:
            due = await _first(connection, test, now)
            changed = True
        for _ in range(MOST_AT_ONCE):
            if now < due["missed_at"]:
                break
            due = await _miss(desk, connection, test, due, now)
            changed = True
    return changed


async def _withdraw(connection: AsyncConnection) -> bool:
    """Nothing is due of a test that a site has switched off. True if anything was."""
    o, p = t.occurrence.c, t.periodic_test.c
    same = and_(p.site_id == o.site_id, p.equipment_id == o.equipment_id, p.id == o.test)
    gone = update(t.occurrence).where(o.state == "due", ~exists().where(same)).values(state="withdrawn")
    return (await connection.execute(gone)).rowcount > 0


async def periodic_tests(connection: AsyncConnection, site_id: str = "", equipment_id: str = "") -> list[PeriodicTest]:
    """Every periodic test of equipment that is in use, in a stable order."""
    same = and_(t.equipment.c.site_id == t.periodic_test.c.site_id, t.equipment.c.id == t.periodic_test.c.equipment_id)
    query = (
        select(
            t.periodic_test,
            t.equipment.c.name.label("equipment_name"),
            t.equipment.c.registered_at,
            t.site.c.zone,
        )
        .join(t.equipment, same)
        .join(t.site, t.site.c.id == t.equipment.c.site_id)
        .order_by(t.periodic_test.c.site_id, t.periodic_test.c.equipment_id, t.periodic_test.c.id)
    )
    if site_id:
        query = query.where(t.periodic_test.c.site_id == site_id)
    if equipment_id:
        query = query.where(t.periodic_test.c.equipment_id == equipment_id)
    return list(_readable((await connection.execute(query)).mappings()))


async def made(desk: Desk, connection: AsyncConnection, test: PeriodicTest, result: Result, now: EpochMs) -> str:
    """Take a result into account; what it meant: ``done``, ``late``, ``failed`` or ``early``. The same event again is void."""
    due = await open_due(connection, test) or await _first(connection, test, now)
    at = from_ms(result.ended_at)
    duty = _duty(test, "failed", result.ended_at, result.event, {"reasons": list(result.reasons)})
    decision = decide(_occurrence(due), at, passed=result.passed, reasons=result.reasons)
    if isinstance(decision, Failed):
        number = await duties.call_for(desk, connection, duty, now)
        await _set(connection, due, ticket_id=number)
        return "failed"
    if not isinstance(decision, Fulfils):
        return "early"
    await _set(connection, due, state="done", done_at=result.ended_at, is_late=decision.late, result_event=result.event)
    done_on = local_date(at, test.schedule.zone)
    await _open(connection, test, next_due(test.schedule, date.fromisoformat(due["due_on"]), done_on))
    await duties.note_done(desk, connection, duty, now)
    return "late" if decision.late else "done"


async def observed(
    desk: Desk, connection: AsyncConnection, site_id: str, equipment_id: str, test_id: str, result: Result, now: EpochMs
) -> str:
    """``made`` for a test by its ids; ``unknown`` when the equipment has no such test: then the result is only kept."""
    for test in await periodic_tests(connection, site_id, equipment_id):
        if test.id == test_id:
            return await made(desk, connection, test, result, now)
    return "unknown"


async def open_due(connection: AsyncConnection, test: PeriodicTest) -> RowMapping | None:
    """The due date that is open now."""
    query = select(t.occurrence).where(_of(test), t.occurrence.c.state == "due").order_by(t.occurrence.c.due_on.desc())
    return (await connection.execute(query.limit(1))).mappings().one_or_none()


async def _first(connection: AsyncConnection, test: PeriodicTest, now: EpochMs) -> RowMapping:
    """The first due date of a test that has none open; of one that was switched off, the first that is not over."""
    query = select(t.occurrence).where(_of(test)).order_by(t.occurrence.c.due_on.desc()).limit(1)
    last = (await connection.execute(query)).mappings().one_or_none()
    if last is None:
        return await _open(connection, test, first_due(test.schedule))
    if last["state"] == "withdrawn":
        due_on = date.fromisoformat(last["due_on"])
        while to_ms(occurrence(test.schedule, due_on).missed_at) <= now:
            due_on = next_due(test.schedule, due_on, None)
        return await _open(connection, test, due_on)
    done_on = None if last["done_at"] is None else local_date(from_ms(last["done_at"]), test.schedule.zone)
    return await _open(connection, test, next_due(test.schedule, date.fromisoformat(last["due_on"]), done_on))


async def _open(connection: AsyncConnection, test: PeriodicTest, due_on: date) -> RowMapping:
    due = occurrence(test.schedule, due_on)
    await insert_new(
        connection,
        t.occurrence,
        {
            "site_id": test.site_id,
            "equipment_id": test.equipment_id,
            "test": test.id,
            "due_on": due_on.isoformat(),
            "opens_at": to_ms(due.opens_at),
            "due_at": to_ms(due.due_at),
            "missed_at": to_ms(due.missed_at),
        },
    )
    this = and_(_of(test), t.occurrence.c.due_on == due_on.isoformat())
    await connection.execute(update(t.occurrence).where(this, t.occurrence.c.state == "withdrawn").values(state="due"))
    return (await connection.execute(select(t.occurrence).where(this))).mappings().one()


async def _miss(
    desk: Desk, connection: AsyncConnection, test: PeriodicTest, due: RowMapping, now: EpochMs
) -> RowMapping:
    """Record a missed due date with its ticket, and open the next one."""
    event = f"{test.site_id}/{test.equipment_id}/{test.id}/{due['due_on']}"
    duty = _duty(test, "missed", due["missed_at"], event, {"due_on": due["due_on"]})
    number = await duties.call_for(desk, connection, duty, now)
    await _set(connection, due, state="missed", ticket_id=number)
    return await _open(connection, test, next_due(test.schedule, date.fromisoformat(due["due_on"]), None))


async def _set(connection: AsyncConnection, due: RowMapping, **values: Any) -> None:  # noqa: ANN401  columns
    statement = update(t.occurrence).where(
        *(t.occurrence.c[name] == due[name] for name in ("site_id", "equipment_id", "test", "due_on"))
    )
    await connection.execute(statement.values(**values))


def _key(due: RowMapping) -> tuple[str, str, str]:
    return (due["site_id"], due["equipment_id"], due["test"])


def _of(test: PeriodicTest) -> Any:  # noqa: ANN401  a SQL condition
    return and_(
        t.occurrence.c.site_id == test.site_id,
        t.occurrence.c.equipment_id == test.equipment_id,
        t.occurrence.c.test == test.id,
    )


def _duty(test: PeriodicTest, why: str, since: EpochMs, event: str, facts: Mapping[str, Any]) -> Duty:
    return Duty(test.site_id, test.equipment_id, test.id, test.clause, test.title, why, since, event, facts)


def _occurrence(row: RowMapping) -> Occurrence:
    instants: list[datetime] = [from_ms(row[name]) for name in ("opens_at", "due_at", "missed_at")]
    return Occurrence(date.fromisoformat(row["due_on"]), *instants)


def _readable(rows: Iterable[RowMapping]) -> Iterator[PeriodicTest]:
    """A test whose period means nothing here (a newer gateway's) is told and passed over: the others go on."""
    for row in rows:
        try:
            yield _test(row)
        except ValueError as error:
            where = {name: row[name] for name in ("site_id", "equipment_id", "id")}
            _log.warning("test_not_understood", **where, reason=str(error))


def _test(row: RowMapping) -> PeriodicTest:
    every, recurs_from = parse_every(row["every"])
    registered = local_date(from_ms(row["registered_at"]), row["zone"])
    schedule = Schedule(
        every=every,
        anchor="fixed" if row["anchor"] == "fixed" or recurs_from else "floating",
        window=parse_period(row["window"]),
        grace=parse_period(row["grace"]),
        zone=row["zone"],
        start=recurs_from or registered,
        since=registered if recurs_from else None,
    )
    return PeriodicTest(
        row["site_id"], row["equipment_id"], row["id"], row["name"], row["equipment_name"], row["clause"], schedule
    )
