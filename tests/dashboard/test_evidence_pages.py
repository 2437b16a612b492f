"""What an observed test showed: on the page of its equipment, on the ticket of a failed one, and as a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.conventions import format_instant
from contract.messages import (
    AnnouncedEquipment,
    AnnouncedPoint,
    AnnouncedTest,
    Cause,
    EvidenceSeries,
    Quality,
    TestObserved,
    Text,
)
from tests.dashboard.test_pages import words_of
from tests.support.desk import MINUTE, SECOND, START, Desk, announcement, desk, words

PAGE = "/equipment/riverside/fire_pump_1/tests"
LINK = re.compile(r'href="(/equipment/riverside/fire_pump_1/tests/weekly/samples\.csv\?[^"]+)"')


def seen(at: int, *, passed: bool) -> TestObserved:
    """A weekly start of three samples, the middle one bad."""
    instants = [at, at + SECOND, at + 2 * SECOND]
    pressure = EvidenceSeries(
        point="system_pressure", unit="MPa", at=instants, value=[0.81, None, 0.86],
        quality=[Quality.GOOD, Quality.BAD, Quality.GOOD], cause=[Cause.NONE, Cause.NO_RESPONSE, Cause.NONE],
    )  # fmt: skip
    running = EvidenceSeries(point="running", at=instants[:1], value=[True], every=2, left_out=1)
    return TestObserved(
        equipment="fire_pump_1", test="weekly", started_at=format_instant(at), ended_at=format_instant(at + MINUTE),
        passed=passed, reasons=[] if passed else ["not reached: pressure"], samples=[pressure, running],
    )  # fmt: skip


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as found:
        weekly = AnnouncedTest(
            id="weekly", name=Text(en="Weekly start", zh="每周启动"), every="P7D", clause="c", proof="observed", window="P7D"
        )  # fmt: skip
        pressure = AnnouncedPoint(
            id="system_pressure", name=Text(en="System pressure", zh="系统压力"), kind="gauge", unit="MPa", digits=2
        )  # fmt: skip
        pump = AnnouncedEquipment(
            id="fire_pump_1", equipment_class="fire_pump", name=words("Fire pump"), system="fire", tests=[weekly],
            points=[pressure, AnnouncedPoint(id="running", name=Text(en="Running", zh="运行"), kind="bit")],
        )  # fmt: skip
        gateway = await found.gateway()
        await gateway.tell(announcement(equipment=[pump], devices=[]))
        await found.app.state.keeper.keep()
        found.clock.ms += 10 * MINUTE
        await gateway.tell(seen(START, passed=False))
        await found.sign_in()
        yield found


async def test_the_page_of_the_equipment_shows_the_test_and_links_its_raw_samples(office: Desk) -> None:
    for language, said in (("en", "What the test showed"), ("zh", "试验记录")):
        answer = await office.http.get(PAGE, headers={"Accept-Language": language})
        text = words_of(answer.text)
        assert answer.status_code == 200
        assert said in text
        assert len(set(LINK.findall(answer.text))) == 1
    text = words_of((await office.http.get(PAGE, headers={"Accept-Language": "en"})).text)
    for piece in (
        "System pressure 0.81 … 0.86 MPa, 3 samples",
        "Running 2 samples",
        "Lasted 1 min",
        "one sample in 2 is kept",
    ):
        assert piece in text, piece


async def test_the_file_holds_every_raw_sample_with_its_time_and_quality(office: Desk) -> None:
    (link,) = set(LINK.findall((await office.http.get(PAGE)).text))
    answer = await office.http.get(link.replace("&amp;", "&"))
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="riverside_fire_pump_1_weekly.csv"' in answer.headers["content-disposition"]
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["point", "unit", "time", "value", "quality", "cause"],
        ["system_pressure", "MPa", "2026-11-21T15:00:00.000+08:00", "0.81", "good", "none"],
        ["system_pressure", "MPa", "2026-11-21T15:00:01.000+08:00", "", "bad", "no_response"],
        ["system_pressure", "MPa", "2026-11-21T15:00:02.000+08:00", "0.86", "good", "none"],
        ["running", "", "2026-11-21T15:00:00.000+08:00", "true", "good", "none"],
    ]


async def test_the_ticket_of_a_failed_test_shows_the_same(office: Desk) -> None:
    answer = await office.http.get("/tickets/T-000001", headers={"Accept-Language": "en"})
    text = words_of(answer.text)
    assert "What the test showed" in text
    assert "not reached: pressure" in text
    assert LINK.search(answer.text)
    assert 'class="ln"' in answer.text


async def test_a_file_of_another_equipments_result_is_not_given(office: Desk) -> None:
    (link,) = set(LINK.findall((await office.http.get(PAGE)).text))
    assert (await office.http.get(link.replace("/tests/weekly/", "/tests/monthly/"))).status_code == 404
    assert (await office.http.get(link.replace("fire_pump_1", "lift_1"))).status_code == 404
    assert (await office.http.get(link.partition("?")[0])).status_code == 404


async def test_the_api_of_results_holds_the_raw_samples(office: Desk) -> None:
    address = "/api/v1/equipment/riverside/fire_pump_1/tests/weekly/results"
    (result,) = (await office.http.get(address)).json()["results"]
    pressure, running = result["samples"]
    assert (pressure["value"], pressure["quality"]) == ([0.81, None, 0.86], ["good", "bad", "good"])
    assert (running["value"], running["every"], running["left_out"]) == ([True], 2, 1)
    (short,) = (await office.http.get(address + "?samples=false")).json()["results"]
    assert short["samples"] == []
