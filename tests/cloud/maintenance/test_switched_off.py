"""A test that a site switches off is due no more; switched on again it is due from then on, and nothing was missed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.maintenance import keeper
from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import AnnouncedEquipment, AnnouncedTest, TestObserved
from tests.support.desk import HOUR, START, Desk, Gateway, announcement, desk, rows, words

DAY = 24 * HOUR
RESULTS = "/api/v1/equipment/riverside/fire_pump_1/tests/weekly/results"


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with desk(tmp_path) as office:
        found = await office.gateway()
        await announce(found, "weekly", "monthly")
        yield found


async def announce(gateway: Gateway, *names: str) -> None:
    """What a gateway says after its site file was changed: the tests that are on."""
    every = {"weekly": "P7D", "monthly": "P1M"}
    tests = [
        AnnouncedTest(id=name, name=words(name), every=every[name], clause="c", proof="observed", window="P3D")
        for name in names
    ]
    pump = AnnouncedEquipment(
        id="fire_pump_1", equipment_class="fire_pump", name=words("pump"), system="fire", tests=tests
    )
    await gateway.tell(announcement(equipment=[pump], devices=[], content_hash=" ".join(names)))
    await gateway.desk.app.state.keeper.keep()


async def later(gateway: Gateway, days: int) -> None:
    gateway.desk.clock.ms += days * DAY
    await gateway.desk.app.state.keeper.keep()


async def dues(office: Desk) -> list[tuple[str, str]]:
    return [(row["due_on"], row["state"]) for row in await rows(office.database, t.occurrence, test="weekly")]


async def test_a_test_that_is_switched_off_is_due_no_more_and_makes_no_ticket(gateway: Gateway) -> None:
    assert await dues(gateway.desk) == [("2026-11-28", "due")]
    await announce(gateway, "monthly")
    assert await dues(gateway.desk) == [("2026-11-28", "withdrawn")]
    await later(gateway, 20)
    assert await dues(gateway.desk) == [("2026-11-28", "withdrawn")]
    assert await rows(gateway.desk.database, t.ticket) == []
    await gateway.desk.sign_in()
    listed = (await gateway.desk.http.get("/api/v1/tests?equipment=fire_pump_1")).json()["tests"]
    assert [one["test"] for one in listed] == ["monthly"]


async def test_a_test_switched_off_by_mistake_for_a_day_is_due_as_before(gateway: Gateway) -> None:
    await announce(gateway, "monthly")
    await later(gateway, 1)
    await announce(gateway, "weekly", "monthly")
    assert await dues(gateway.desk) == [("2026-11-28", "due")]


async def test_what_fell_into_the_time_it_was_off_was_not_missed(gateway: Gateway) -> None:
    await announce(gateway, "monthly")
    await later(gateway, 25)
    await announce(gateway, "weekly", "monthly")
    assert await dues(gateway.desk) == [("2026-11-28", "withdrawn"), ("2026-12-19", "due")]
    assert await rows(gateway.desk.database, t.ticket) == []
    await later(gateway, 6)
    assert await dues(gateway.desk) == [("2026-11-28", "withdrawn"), ("2026-12-19", "missed"), ("2026-12-26", "due")]


async def test_the_evidence_of_a_test_that_is_off_now_can_still_be_read(gateway: Gateway) -> None:
    at = format_instant(START)
    await gateway.tell(TestObserved(equipment="fire_pump_1", test="weekly", started_at=at, ended_at=at, passed=True))
    await announce(gateway, "monthly")
    await gateway.desk.sign_in()
    found = (await gateway.desk.http.get(RESULTS)).json()
    assert [one["passed"] for one in found["results"]] == [True]
    assert (await gateway.desk.http.get(RESULTS.replace("weekly", "daily"))).status_code == 404


async def test_nothing_that_is_due_no_more_keeps_the_keeper_awake(gateway: Gateway) -> None:
    await announce(gateway, "monthly")
    await later(gateway, 25)
    assert await gateway.desk.app.state.keeper._nap_s() == keeper.LONGEST_NAP_S
