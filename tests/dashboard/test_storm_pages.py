"""What people see of a storm, and of an alarm that cleared before anybody saw it."""

import re

import httpx
from sqlalchemy import select

from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import AlarmRaised, Severity, StormBegan, StormEnded, StormMember
from tests.dashboard.conftest import client
from tests.dashboard.test_pages import words_of
from tests.dashboard.world import MINUTE, World

FLOOD = "flood@1"


async def raise_inside(desk: World, equipment: str, rule: str, ago_ms: int) -> None:
    at = format_instant(desk.clock.now_ms() - ago_ms)
    await desk.tell(
        AlarmRaised(
            equipment=equipment, rule=rule, severity=Severity.MAJOR, clause="", began_at=at, raised_at=at,
            suppressed_by="storm", storms=[FLOOD],
        )
    )  # fmt: skip


async def flood(desk: World) -> tuple[int, int]:
    """A lift's door began it, two more came inside it. The tickets of the door and of the storm."""
    door = await desk.raise_alarm("lift_1", "door_slow", 3 * MINUTE)
    at = desk.clock.now_ms() - 3 * MINUTE
    began = StormBegan(
        storm=FLOOD, kind="flood", began_at=format_instant(at), recognised_at=format_instant(at + 1000), within_ms=600_000,
        members=[StormMember(equipment="lift_1", rule="door_slow", severity=Severity.MINOR, raised_at=format_instant(at))],
    )  # fmt: skip
    await desk.tell(began)
    await raise_inside(desk, "lift_2", "overload_lasting", 2 * MINUTE)
    await raise_inside(desk, "lift_2", "levelling_off", MINUTE)
    await desk.clear_alarm("lift_2", "levelling_off")
    return door, door + 1


async def test_a_storms_ticket_lists_its_members_in_both_languages(desk: World, reader: httpx.AsyncClient) -> None:
    door, storm = await flood(desk)
    text = words_of((await reader.get(f"/tickets/T-{storm:06d}")).text)
    assert "flood of alarms" in text
    assert "Members of this flood of alarms since 16:02:12" in text
    assert len(re.findall("still active", text)) == 3  # the storm itself, the door and the overload
    assert f"T-{door:06d}" in text
    async with client(desk, "duty_engineer", "zh") as other:
        other.cookies.set("plantroom_language", "zh")
        assert "本次报警泛滥包含的报警" in (await other.get(f"/tickets/T-{storm:06d}")).text


async def test_a_members_ticket_shows_its_storm(desk: World, reader: httpx.AsyncClient) -> None:
    door, storm = await flood(desk)
    page = (await reader.get(f"/tickets/T-{door:06d}")).text
    card = page[page.index('id="storm"') :]
    assert "Part of a storm" in card
    assert f'href="/tickets/T-{storm:06d}"' in card


async def test_lists_show_a_storm_as_one_line_and_silent_members_lead_to_it(
    desk: World, reader: httpx.AsyncClient
) -> None:
    _, storm = await flood(desk)
    tickets = words_of((await reader.get("/tickets")).text)
    assert tickets.count("flood of alarms") == 1
    silent = (await reader.get("/alarms?show=silenced")).text
    assert "suppressed: part of a storm" in silent
    assert f'href="/tickets/T-{storm:06d}"' in silent


async def test_the_end_of_a_storm_is_told_on_its_ticket(desk: World, reader: httpx.AsyncClient) -> None:
    _, storm = await flood(desk)
    at, now = desk.clock.now_ms() - 3 * MINUTE, desk.clock.now_ms()
    await desk.tell(
        StormEnded(
            storm=FLOOD, kind="flood", began_at=format_instant(at), recognised_at=format_instant(at + 1000),
            ended_at=format_instant(now), raises=3,
        )
    )  # fmt: skip
    text = words_of((await reader.get(f"/tickets/T-{storm:06d}")).text)
    assert "16:02:12 to 16:05:12, over" in text
    assert "Alarm cleared" in text


async def test_an_alarm_that_cleared_unseen_stays_until_a_person_acknowledges(
    desk: World, reader: httpx.AsyncClient
) -> None:
    await desk.raise_alarm("lift_1", "door_slow", MINUTE)
    await desk.clear_alarm("lift_1", "door_slow")
    page = (await reader.get("/alarms?show=returned")).text
    assert "not acknowledged" in page
    actions = re.findall(r'action="(/alarms/\d+/acknowledge)"', page)
    assert actions
    for action in actions:
        assert (await reader.post(action)).status_code == 303
    assert "Everything that cleared has been acknowledged" in (await reader.get("/alarms?show=returned")).text


async def test_an_engineer_shelves_an_alarm_with_a_reason_and_an_end(desk: World, reader: httpx.AsyncClient) -> None:
    await desk.raise_alarm("lift_1", "door_slow", MINUTE)
    page = (await reader.get("/alarms")).text
    action = re.findall(r'action="(/alarms/\d+/shelve)"', page)[-1]
    assert (await reader.post(action, data={"reason": "", "until": "2026-11-21T18:00"})).status_code == 422
    assert (await reader.post(action, data={"reason": "works", "until": "2026-11-21T18:00"})).status_code == 303
    async with desk.database.read() as db:
        (wish,) = (await db.execute(select(t.directive.c.body).where(t.directive.c.kind == "shelve"))).scalars().all()
    assert (wish["kind"], wish["reason"], wish["until"]) == ("shelve", "works", "2026-11-21T10:00:00.000Z")


async def test_life_safety_has_no_shelf_and_a_technician_no_shelving(desk: World, reader: httpx.AsyncClient) -> None:
    await desk.raise_alarm("lift_1", "entrapment_button", MINUTE)
    await desk.raise_alarm("lift_2", "door_slow", MINUTE)
    page = (await reader.get("/alarms")).text
    life = page[page.index("Alarm button in the car") : page.index("</tr>", page.index("Alarm button in the car"))]
    assert "/shelve" not in life
    number = re.findall(r"/alarms/(\d+)/acknowledge", life)[-1]
    refused = await reader.post(f"/alarms/{number}/shelve", data={"reason": "noise", "until": "2026-11-21T18:00"})
    assert refused.status_code == 422
    assert "never shelved" in refused.text
    await desk.add_user("tech", "technician")
    async with client(desk, "tech") as other:
        assert "/shelve" not in (await other.get("/alarms")).text
        answer = await other.post(f"/alarms/{number}/shelve", data={"reason": "noise", "until": "2026-11-21T18:00"})
        assert answer.status_code == 403
