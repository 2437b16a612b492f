"""Buttons: what they do, who may, and what is said when they cannot."""

import httpx
import pytest

from cloud.dashboard import views
from cloud.dashboard.rows import TicketRow
from cloud.tickets.ticket import Action
from tests.dashboard.conftest import client
from tests.dashboard.world import World

NEW = 5  # fire pump 2: nobody has taken it


async def ticket(desk: World, number: int = NEW) -> TicketRow:
    async with desk.database.read() as db:
        found = await views.one_ticket(db, number)
    assert found is not None
    return found


async def test_taking_a_ticket_stops_its_response_clock_and_names_the_holder(
    desk: World, reader: httpx.AsyncClient
) -> None:
    answer = await reader.post("/tickets/T-000005/acknowledge", data={"version": (await ticket(desk)).version})
    assert (answer.status_code, answer.headers["location"]) == (303, "/tickets/T-000005")
    after = await ticket(desk)
    assert (after.state, after.holder, after.holder_name) == ("acknowledged", "duty_engineer", "Duty engineer")
    assert {one.clock: one.state for one in after.deadlines} == {"response": "met", "resolution": "running"}
    assert "response met" in (await reader.get("/tickets")).text


async def test_every_action_tells_the_open_pages(desk: World, reader: httpx.AsyncClient) -> None:
    heard = desk.app.state.hub.subscribe()
    first = anext(heard)
    import asyncio

    waiting = asyncio.ensure_future(first)
    await asyncio.wait([waiting], timeout=0)
    await reader.post("/tickets/T-000005/acknowledge")
    assert await waiting in {"tickets", "alarms"}


async def test_a_whole_life_through_the_buttons(desk: World, reader: httpx.AsyncClient) -> None:
    path = "/tickets/T-000005"
    for action, data in (
        ("acknowledge", {}), ("arrive", {}), ("start", {}), ("hold", {"reason": "waiting for the key", "until": "2026-11-21T18:00"}), ("resume", {}),
        ("resolve", {"cause": "left in manual after works", "action": "selector back to automatic"}), ("verify", {"asked": "the guard", "answer": "it runs"}),
        ("close", {"reason": "alarm is tested at night"}), ("reopen", {"reason": "came back"}),
    ):  # fmt: skip
        answer = await reader.post(f"{path}/{action}", data=data)
        assert answer.status_code == 303, (action, answer.text)
    text = (await reader.get(path)).text
    assert "waiting for the key" in text
    assert "selector back to automatic" in text
    assert (await ticket(desk)).state == "in_progress"


async def test_a_step_that_does_not_fit_any_more_is_refused_in_words(reader: httpx.AsyncClient) -> None:
    answer = await reader.post("/tickets/T-000005/verify")
    assert answer.status_code == 409
    assert "this step does not apply any more" in answer.text
    assert 'href="/tickets/T-000005"' in answer.text


async def test_what_a_step_needs_must_be_said(desk: World, reader: httpx.AsyncClient) -> None:
    assert (await reader.post("/tickets/T-000001/hold", data={"reason": "  "})).status_code == 422
    assert (await reader.post("/tickets/T-000001/hold", data={"reason": "part", "until": "soon"})).status_code == 422
    answer = await reader.post("/tickets/T-000001/resolve", data={"cause": "x"})
    assert answer.status_code == 422
    assert "It is about: What was done." in answer.text
    assert (await ticket(desk, 1)).state == "in_progress"


async def test_a_page_that_is_out_of_date_does_not_overwrite_another_persons_work(
    desk: World, reader: httpx.AsyncClient
) -> None:
    seen = (await ticket(desk)).version
    await desk.act(NEW, Action.ACKNOWLEDGE, desk.clock.now_ms())
    answer = await reader.post("/tickets/T-000005/hold", data={"reason": "part", "version": seen})
    assert answer.status_code == 409
    assert "Somebody else changed this ticket meanwhile" in answer.text
    assert (await ticket(desk)).state == "acknowledged"


async def test_a_viewer_sees_no_button_and_cannot_act_without_one(desk: World) -> None:
    await desk.add_user("visitor", "viewer")
    async with client(desk, "visitor") as viewer:
        page = (await viewer.get("/tickets/T-000005")).text
        assert "/tickets/T-000005/acknowledge" not in page
        assert "Your role (viewer) cannot act" in page
        assert (await viewer.post("/tickets/T-000005/acknowledge")).status_code == 403
        assert (await viewer.get("/equipment/new")).status_code == 403
        assert "/acknowledge" not in (await viewer.get("/alarms")).text


async def test_an_alarm_without_a_ticket_can_be_acknowledged_in_its_row(desk: World, reader: httpx.AsyncClient) -> None:
    async with desk.database.read() as db:
        advisory = next(alarm for alarm in await views.active_alarms(db) if alarm.severity == "advisory")
    answer = await reader.post(f"/alarms/{advisory.id}/acknowledge", data={"back": "/alarms"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/alarms")
    async with desk.database.read() as db:
        after = await views.one_alarm(db, advisory.id)
    assert after is not None
    assert after.acknowledged_by == "Duty engineer"
    assert (await reader.post("/alarms/99999/acknowledge")).status_code == 404


async def test_acknowledging_an_alarm_takes_its_ticket(desk: World, reader: httpx.AsyncClient) -> None:
    async with desk.database.read() as db:
        alarm = next(one for one in await views.active_alarms(db) if one.ticket == NEW)
    await reader.post(f"/alarms/{alarm.id}/acknowledge")
    assert (await ticket(desk)).state == "acknowledged"


async def test_unknown_actions_and_tickets_are_not_found(reader: httpx.AsyncClient) -> None:
    assert (await reader.post("/tickets/T-000005/explode")).status_code == 404
    assert (await reader.post("/tickets/T-999999/acknowledge")).status_code == 404


async def test_language_and_theme_are_kept_in_a_cookie_and_on_the_user(desk: World, reader: httpx.AsyncClient) -> None:
    answer = await reader.post("/display", data={"language": "zh", "theme": "dark", "back": "/alarms"})
    assert answer.headers["location"] == "/alarms"
    page = (await reader.get("/alarms")).text
    assert 'lang="zh-CN" data-theme="dark"' in page
    assert "没有权限" not in page
    async with client(desk, "duty_engineer", "en") as other_browser:
        assert 'lang="zh-CN" data-theme="dark"' in (await other_browser.get("/alarms")).text
    await reader.post("/display", data={"language": "tlh", "theme": "neon", "back": "/alarms"})
    assert 'lang="zh-CN" data-theme="dark"' in (await reader.get("/alarms")).text


# --- equipment without telemetry --------------------------------------------------------------------------------

ONE = {
    "site": "riverside",
    "id": "fire_door_1",
    "class": "fire_pump",
    "name_en": "Fire pump 3",
    "name_zh": "3 号消防泵",
    "place": "Roof",
}


async def test_equipment_without_telemetry_enters_the_register_by_form(reader: httpx.AsyncClient) -> None:
    answer = await reader.post("/equipment/new", data=ONE)
    assert answer.headers["location"] == "/equipment/new?added=1"
    assert "1 piece of equipment added" in (await reader.get("/equipment/new?added=1")).text
    page = (await reader.get("/equipment/riverside/fire_door_1")).text
    assert "Fire pump 3" in page
    assert "No points" in page


async def test_a_form_with_mistakes_says_each_and_keeps_what_was_typed(reader: httpx.AsyncClient) -> None:
    answer = await reader.post("/equipment/new", data=ONE | {"id": "Bad Id", "name_en": ""})
    assert answer.status_code == 422
    assert "Bad Id" in answer.text
    assert "name_en" in answer.text
    assert "3 号消防泵" in answer.text
    taken = await reader.post("/equipment/new", data=ONE | {"id": "lift_1"})
    assert taken.status_code == 422
    assert "lift_1" in taken.text


async def test_equipment_enters_the_register_by_csv_all_or_none(reader: httpx.AsyncClient) -> None:
    good = "id,class,name_en,name_zh,place\npump_7,pump,Pump 7,7 号水泵,B3\npump_8,pump,Pump 8,8 号水泵,B3\n"
    answer = await reader.post(
        "/equipment/csv", data={"site": "riverside"}, files={"file": ("things.csv", good.encode(), "text/csv")}
    )
    assert answer.headers["location"] == "/equipment/new?added=2"
    bad = "id,class,name_en\npump_9,pump,Pump 9\npump_10,spaceship,Pump 10\n"
    answer = await reader.post(
        "/equipment/csv", data={"site": "riverside"}, files={"file": ("things.csv", bad.encode(), "text/csv")}
    )
    assert answer.status_code == 422
    assert "things.csv:3" in answer.text
    assert (await reader.get("/equipment/riverside/pump_9")).status_code == 404


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"id,class,name_en\n", b""])
async def test_a_csv_that_holds_nothing_readable_is_refused_in_words(reader: httpx.AsyncClient, content: bytes) -> None:
    answer = await reader.post(
        "/equipment/csv", data={"site": "riverside"}, files={"file": ("x.csv", content, "text/csv")}
    )
    assert answer.status_code == 422
    assert "Not added." in answer.text
