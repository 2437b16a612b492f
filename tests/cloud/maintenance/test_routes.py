"""Periodic tests through the API: equipment without telemetry, forms, and what a gateway observed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import AnnouncedEquipment, AnnouncedTest, TestObserved, Text
from tests.support.desk import HOUR, Desk, announcement, desk, rows

DAY = 24 * HOUR
PUMP = "/api/v1/equipment/riverside/fire_pump_9"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as found:
        await (await found.gateway()).tell(announcement())
        await found.sign_in()
        answer = await found.http.post(
            "/api/v1/equipment",
            json={"site": "riverside", "id": "fire_pump_9", "class": "fire_pump", "name_en": "Fire pump 9"},
        )
        assert answer.status_code == 201, answer.text
        await found.app.state.keeper.keep()
        yield found


async def _answer(office: Desk, test: str, answers: dict[str, Any], key: str = "k1", **more: Any) -> Any:
    body = {"answers": answers, **more}
    return await office.http.post(f"{PUMP}/tests/{test}/results", json=body, headers={"Idempotency-Key": key})


async def _later(office: Desk, ms: int) -> None:
    office.clock.ms += ms
    await office.sign_in("technician_a", "technician")  # the first session has ended meanwhile


async def test_equipment_without_telemetry_has_the_tests_of_its_class_with_due_dates(office: Desk) -> None:
    listed = (await office.http.get("/api/v1/tests?equipment=fire_pump_9")).json()["tests"]
    due = {one["test"]: one["due_on"] for one in listed}
    assert due["weekly_automatic_start"] == "2026-11-28"
    assert due["monthly_manual_start"] == "2026-12-21"
    assert {one["clause"] for one in listed if one["test"] == "weekly_automatic_start"}


async def test_a_form_answered_in_its_window_closes_the_due_date_once(office: Desk) -> None:
    await _later(office, 30 * DAY - HOUR)
    answers = {"started": True, "supply": True, "pressure": 0.72}
    first = await _answer(office, "monthly_manual_start", answers)
    assert (first.status_code, first.json()["outcome"]) == (201, "done")
    assert (await _answer(office, "monthly_manual_start", answers)).json()["outcome"] == "repeated"
    states = {row["due_on"]: row["state"] for row in await _dues(office, "monthly_manual_start")}
    assert states == {"2026-12-21": "done", "2027-01-21": "due"}


async def test_a_form_that_fails_opens_a_ticket_that_says_why(office: Desk) -> None:
    await _later(office, 30 * DAY)
    answer = await _answer(office, "monthly_manual_start", {"started": False, "supply": True, "pressure": 0.1})
    assert answer.json()["outcome"] == "failed"
    assert answer.json()["reasons"] == ["Each main pump started by hand: no"]
    (ticket,) = (await office.http.get("/api/v1/tickets")).json()["tickets"]
    assert (ticket["kind"], ticket["equipment"]) == ("test", "fire_pump_9")


async def test_an_unreadable_form_is_sent_back_with_every_mistake(office: Desk) -> None:
    answer = await _answer(office, "monthly_manual_start", {"started": "yes", "mood": 3.0})
    assert answer.status_code == 422
    paths = {one["path"] for one in answer.json()["errors"]}
    assert paths == {"answers.started", "answers.mood", "answers.supply", "answers.pressure"}
    assert await rows(office.database, t.test_result) == []


async def test_work_of_the_future_is_refused(office: Desk) -> None:
    answers = {"started": True, "supply": True, "pressure": 0.72}
    later = format_instant(office.clock.ms + 1)
    answer = await _answer(office, "monthly_manual_start", answers, made_at=later)
    assert answer.status_code == 422
    assert "future" in answer.json()["title"]


async def test_an_unknown_test_is_not_found(office: Desk) -> None:
    assert (await office.http.get(f"{PUMP}/tests/dance/form")).status_code == 404
    assert (await office.http.get("/api/v1/equipment/riverside/nobody/tests/x/form")).status_code == 404


async def test_the_form_names_its_questions_with_units_and_limits(office: Desk) -> None:
    fields = (await office.http.get(f"{PUMP}/tests/monthly_manual_start/form")).json()["fields"]
    assert fields["pressure"]["unit"] == "MPa"


async def test_a_test_that_a_gateway_observed_closes_its_due_date(tmp_path: Path) -> None:
    async with desk(tmp_path) as found:
        gateway = await found.gateway()
        weekly = AnnouncedTest(
            id="weekly", name=Text(en="Weekly", zh="每周"), every="P7D", clause="c", proof="observed", window="P7D"
        )
        pump = AnnouncedEquipment(
            id="fire_pump_1", equipment_class="fire_pump", name=Text(en="P", zh="泵"), system="fire", tests=[weekly]
        )
        await gateway.tell(announcement(equipment=[pump], devices=[]))
        await found.app.state.keeper.keep()
        found.clock.ms += 2 * DAY
        at = format_instant(found.clock.ms)
        seen = TestObserved(equipment="fire_pump_1", test="weekly", started_at=at, ended_at=at, passed=True)
        await gateway.tell(seen)
        states = {row["due_on"]: row["state"] for row in await rows(found.database, t.occurrence)}
        assert states == {"2026-11-28": "done", "2026-11-30": "due"}


async def _dues(office: Desk, test: str) -> list[dict[str, Any]]:
    return await rows(office.database, t.occurrence, equipment_id="fire_pump_9", test=test)


async def test_what_was_due_and_what_was_done_can_be_read_back(office: Desk) -> None:
    await _later(office, 26 * DAY)
    answers = {"started": True, "supply": True, "pressure": 0.8}
    await _answer(office, "monthly_manual_start", answers)
    found = (await office.http.get(f"{PUMP}/tests/monthly_manual_start/results")).json()
    assert [one["state"] for one in found["occurrences"]] == ["due", "done"]
    (result,) = found["results"]
    assert (result["passed"], result["reasons"]) == (True, [])
    assert {"name": "pressure", "value": 0.8} in result["evidence"]
    assert (await office.http.get(f"{PUMP}/tests/nonsense/results")).status_code == 404
