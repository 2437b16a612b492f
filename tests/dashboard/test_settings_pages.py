"""Targets and calendars as people see and change them: before → after, what it moves, then in force."""

import html
import re

import httpx
import pytest

from cloud.storage import tables as t
from cloud.tickets import targets
from cloud.tickets.ticker import Ticker
from tests.dashboard.conftest import client
from tests.dashboard.world import World
from tests.support.desk import rows

ICAL = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;VALUE=DATE:20270101\r\n"
    "DTEND;VALUE=DATE:20270104\r\nSUMMARY:元旦\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:2\r\nDTSTART;VALUE=DATE:20270109\r\n"
    "SUMMARY:元旦（班）\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


@pytest.fixture
async def settings(desk: World) -> World:
    await desk.add_user("chief", "manager", "Chief")
    await targets.begin(desk.database, desk.desk, desk.clock.now_ms())
    return desk


async def confirmed(reader: httpx.AsyncClient, page: str) -> httpx.Response:
    """Press "put in force" on a review page."""
    hidden = {name: html.unescape(value) for name, value in re.findall(r'name="(body|seen)" value="([^"]*)"', page)}
    return await reader.post("/settings/targets/save", data={**hidden, "note": "as agreed"})


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_line_shows_its_clause_and_where_the_documents_disagree(settings: World, language: str) -> None:
    async with client(settings, "chief") as reader:
        reader.cookies.set("plantroom_language", language)
        page = (await reader.get("/settings/targets")).text
    for clause in ("m-2.3.3-2h", "m-2.3.3-48h", "m-2.1.3-72", "g-4.1.2-sameday", "c-8.6.3-1wd", "m-4.3-gen-2h"):
        assert clause in page
    assert {"en": "The documents disagree", "zh": "文件规定不一致"}[language] in page
    assert {"en": "source not verified", "zh": "来源未核实"}[language] in page


async def test_a_changed_line_shows_before_and_after_and_what_it_moves_and_then_binds(settings: World) -> None:
    lines = settings.desk.policy.grants
    number = next(at for at, one in enumerate(lines) if one.target.clock == "resolution" and not any(one.conditions))
    form = {"n": str(number), "clock": "resolution", "unit": "elapsed", "within": "96", "clause": "m-2.3.3-48h"}
    async with client(settings, "chief") as reader:
        review = (await reader.post("/settings/targets/line", data=form)).text
        assert "later due time" in review
        assert len(await rows(settings.database, t.targets.version)) == 1  # nothing is in force yet
        assert (await confirmed(reader, review)).status_code == 303
        again = await confirmed(reader, review)
        assert again.status_code == 409  # somebody saved meanwhile
        page = (await reader.get("/settings/targets")).text
        assert "as agreed" in page
        assert "v2" in page
    await Ticker(settings.database, settings.desk, settings.clock, lambda *_: None).tick()
    told = [row for row in await rows(settings.database, t.timeline) if row["kind"] == "retargeted"]
    assert told
    assert all(row["data"]["policy"] == "v2" for row in told)


async def test_only_managers_change_targets(settings: World) -> None:
    await settings.add_user("hands", "technician", "Hands")
    async with client(settings, "hands") as reader:
        assert (await reader.get("/settings/targets")).status_code == 200
        assert (
            await reader.post("/settings/targets/line", data={"clock": "response", "within": "9"})
        ).status_code == 403
        assert (await reader.post("/settings/targets/save", data={"body": "{}"})).status_code == 403


@pytest.mark.parametrize(
    ("field", "text"), [("within", "soon"), ("unit", "fortnights"), ("clock", "breakfast"), ("calendar", "moon")]
)
async def test_a_mistake_in_a_line_is_answered_in_words(settings: World, field: str, text: str) -> None:
    form = {"n": "0", "clock": "response", "unit": "working", "within": "2", "calendar": "office", field: text}
    async with client(settings, "chief") as reader:
        answer = await reader.post("/settings/targets/line", data=form)
    assert answer.status_code == 422
    assert text in html.unescape(answer.text)


async def test_a_coming_year_that_nobody_confirmed_is_alarmed_until_a_person_does(settings: World) -> None:
    async with client(settings, "chief") as reader:
        assert "nobody has confirmed the holidays of 2027" in (await reader.get("/settings/calendars/office")).text
        assert "nobody has confirmed" in (await reader.get("/tickets")).text
        review = (await reader.post("/settings/calendars/office", data={"do": "confirm", "year": "2027"})).text
        assert (await confirmed(reader, review)).status_code == 303
        assert "nobody has confirmed" not in (await reader.get("/settings/calendars/office")).text
    noted = [row["object"] for row in await rows(settings.database, t.audit) if row["action"] == "calendar.unconfirmed"]
    assert noted == ["office/2027"]


async def test_an_ical_file_replaces_the_dates_of_its_years_and_opens_make_up_days(settings: World) -> None:
    async with client(settings, "chief") as reader:
        file = {"file": ("cn.ics", ICAL.encode(), "text/calendar")}
        review = (await reader.post("/settings/calendars/office", data={"do": "import"}, files=file)).text
        assert "01-09 元旦（班）" in review
        await confirmed(reader, review)
        broken = {"file": ("cn.ics", b"hello", "text/calendar")}
        answer = await reader.post("/settings/calendars/office", data={"do": "import"}, files=broken)
        assert answer.status_code == 422
    plan = settings.desk.policy.plans["office"]
    assert [day for day in plan.holidays if day.startswith("2027")] == ["2027-01-01", "2027-01-02", "2027-01-03"]
    assert [day for day in plan.workdays if day.startswith("2027")] == ["2027-01-09"]


async def test_a_calendar_is_written_by_hand_with_nights_breaks_and_dates(settings: World) -> None:
    form = {
        "name": "night_shift", "tz": "Asia/Shanghai", "mon": "22:00-06:00", "dates": "2026-12-24 09:00-12:00 half day\n2026-12-25",
        "breaks": "2026-12-21 23:00-23:30",
    }  # fmt: skip
    async with client(settings, "chief") as reader:
        review = (await reader.post("/settings/calendars/new", data=form)).text
        assert (await confirmed(reader, review)).status_code == 303
        shown = (await reader.get("/settings/calendars/night_shift")).text
        assert "2026-12-24 09:00-12:00 half day" in shown
        wrong = await reader.post("/settings/calendars/new", data={**form, "mon": "9 to 5"})
        assert wrong.status_code == 422
    assert settings.desk.policy.plans["night_shift"].hours["dates"]["2026-12-25"] == []


@pytest.mark.parametrize(
    "path", ["/settings/targets/line", "/settings/targets/line?n=0", "/settings/calendars", "/settings/calendars/new"]
)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_settings_page_opens(settings: World, path: str, language: str) -> None:
    async with client(settings, "chief") as reader:
        reader.cookies.set("plantroom_language", language)
        assert (await reader.get(path)).status_code == 200


async def test_a_version_is_shown_against_the_one_in_force(settings: World) -> None:
    async with client(settings, "chief") as reader:
        review = (await reader.post("/settings/targets/other", data={"shares": "60", "reopen": "24"})).text
        await confirmed(reader, review)
        page = (await reader.get("/settings/targets/versions/shipped-1")).text
        assert "60%" in page
        assert (await reader.get("/settings/targets/versions/nothing")).status_code == 404
