"""What is due, what evidence closes, what is missed: with a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from cloud.maintenance.service import PeriodicTest, Result, made, periodic_tests, sweep
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets.desk import Desk
from contract.conventions import from_ms, to_ms
from tests.support.databases import database_at

REGISTERED = datetime(2026, 11, 2, 1, 0, tzinfo=UTC)  # 09:00 at the site
DESK = Desk()


def _ms(days: float, hours: float = 0) -> int:
    return to_ms(REGISTERED + timedelta(days=days, hours=hours))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await database_at(tmp_path / "cloud.db", is_inline=False)
    yield database
    await database.close()


async def _register(database: Database, *, every: str = "P7D", anchor: str = "fixed", **changes: str) -> None:
    async with database.write() as connection:
        await connection.execute(t.site.insert().values(id="riverside", name="Riverside", zone="Asia/Shanghai"))
        await connection.execute(
            t.equipment.insert().values(
                site_id="riverside",
                id="fire_pump_1",
                class_id="fire_pump",
                system="fire",
                name={"en": "Fire pump 1", "zh": "1 号消防泵"},
                roles=[],
                ratings={},
                main_points=[],
                registered_at=to_ms(REGISTERED),
            )
        )
        await connection.execute(
            t.periodic_test.insert().values(
                site_id="riverside",
                equipment_id="fire_pump_1",
                id="weekly_start",
                name={"en": "Weekly start", "zh": "每周启动"},
                every=every,
                clause="gb50974-weekly",
                proof="observed",
                anchor=anchor,
                **changes,
            )
        )


async def _sweep(database: Database, now: int) -> bool:
    async with database.write() as connection:
        return await sweep(DESK, connection, now)


async def _made(database: Database, result: Result, now: int) -> str:
    async with database.write() as connection:
        return await made(DESK, connection, await _test(database, connection), result, now)


async def _test(database: Database, connection: Any) -> PeriodicTest:
    return (await periodic_tests(connection))[0]


async def _dues(database: Database) -> list[tuple[str, str]]:
    async with database.read() as connection:
        rows = await connection.execute(select(t.occurrence.c.due_on, t.occurrence.c.state).order_by("due_on"))
        return [(row.due_on, row.state) for row in rows]


async def _tickets(database: Database) -> list[Any]:
    async with database.read() as connection:
        return list((await connection.execute(select(t.ticket))).mappings())


async def test_a_new_piece_of_equipment_has_its_first_due_date_one_period_later(database: Database) -> None:
    await _register(database)
    assert await _sweep(database, _ms(0))
    assert not await _sweep(database, _ms(0))
    assert await _dues(database) == [("2026-11-09", "due")]


async def test_a_test_not_made_by_the_end_of_its_day_becomes_one_ticket(database: Database) -> None:
    await _register(database)
    end = to_ms(datetime(2026, 11, 9, 16, tzinfo=UTC))
    await _sweep(database, end - 1)
    assert await _tickets(database) == []
    await _sweep(database, end)
    await _sweep(database, end + 1)
    (ticket,) = await _tickets(database)
    assert ticket["fault_key"] == "riverside/fire_pump_1/periodic_test/weekly_start"
    assert (ticket["kind"], ticket["priority"], ticket["clause"]) == ("test", "major", "gb50974-weekly")
    assert ticket["title"]["en"] == "Fire pump 1: Weekly start"
    assert from_ms(ticket["began_at"]) == from_ms(end)
    assert await _dues(database) == [("2026-11-09", "missed"), ("2026-11-16", "due")]


async def test_a_cloud_that_slept_a_month_records_each_missed_date_once_and_opens_one_ticket(
    database: Database,
) -> None:
    await _register(database)
    await _sweep(database, _ms(0))
    assert await _sweep(database, _ms(30))
    assert not await _sweep(database, _ms(30))
    assert await _dues(database) == [
        ("2026-11-09", "missed"),
        ("2026-11-16", "missed"),
        ("2026-11-23", "missed"),
        ("2026-11-30", "missed"),
        ("2026-12-07", "due"),
    ]
    (ticket,) = await _tickets(database)
    assert ticket["occurrences"] == 4


async def test_evidence_in_time_closes_the_due_date_and_opens_the_next(database: Database) -> None:
    await _register(database, anchor="floating", window="P3D")
    await _sweep(database, _ms(0))
    assert await _made(database, Result("gw_1:1:events:9", _ms(5), passed=True), _ms(5)) == "done"
    assert await _dues(database) == [("2026-11-09", "done"), ("2026-11-14", "due")]
    assert await _tickets(database) == []


async def test_late_evidence_closes_the_due_date_as_late_within_grace(database: Database) -> None:
    await _register(database, grace="P3D")
    await _sweep(database, _ms(0))
    assert await _made(database, Result("gw_1:1:events:9", _ms(8, 15), passed=True), _ms(8, 15)) == "late"
    await _sweep(database, _ms(12))
    assert await _tickets(database) == []


async def test_a_test_that_this_release_cannot_read_leaves_the_others_alone(database: Database) -> None:
    await _register(database)
    async with database.write() as connection:
        await connection.execute(update(t.periodic_test).values(every="R5/whenever"))
    assert not await _sweep(database, _ms(30))
    assert await _dues(database) == []


async def test_a_recurrence_is_due_on_its_own_dates(database: Database) -> None:
    await _register(database, every="R/2026-01-31/P1M")
    await _sweep(database, _ms(0))
    ((due_on, state),) = await _dues(database)
    assert (due_on[-2:], state) == ("30", "due")


async def test_a_failed_test_opens_a_ticket_at_once_and_stays_due(database: Database) -> None:
    await _register(database)
    await _sweep(database, _ms(0))
    failed = Result("gw_1:1:events:9", _ms(6), passed=False, reasons=("pressure stayed below 0.60 MPa",))
    assert await _made(database, failed, _ms(6)) == "failed"
    assert await _made(database, failed, _ms(6)) == "failed"
    (ticket,) = await _tickets(database)
    assert ticket["occurrences"] == 1
    assert await _dues(database) == [("2026-11-09", "due")]


async def test_work_long_before_its_window_closes_nothing(database: Database) -> None:
    await _register(database)
    await _sweep(database, _ms(0))
    assert await _made(database, Result("gw_1:1:events:9", _ms(2), passed=True), _ms(2)) == "early"
    assert await _dues(database) == [("2026-11-09", "due")]


async def test_a_missed_test_made_later_leaves_its_ticket_to_a_person(database: Database) -> None:
    await _register(database, anchor="floating", window="P7D")
    await _sweep(database, _ms(8))
    assert await _made(database, Result("gw_1:1:events:9", _ms(9), passed=True), _ms(9)) == "done"
    (ticket,) = await _tickets(database)
    assert ticket["state"] == "new"
    async with database.read() as connection:
        kinds = (await connection.execute(select(t.timeline.c.kind).order_by(t.timeline.c.id))).scalars()
        told = [kind for kind in kinds if kind != "warned"]
        assert told == ["opened", "cleared", "breached"]  # nobody answered for a day
