"""The form for new tickets, and what a ticket's page shows of other tickets, as a person meets them."""

import re

import httpx

from cloud.dashboard import views
from cloud.dashboard.rows import TicketRow
from cloud.storage import tables as t
from tests.dashboard.conftest import client
from tests.dashboard.world import World

TAP = {
    "kind": "request", "title": "Tap drips", "place": "floor 12", "system": "water", "priority": "general", "channel": "phone",
    "description": "Since this morning\nthe floor is wet", "reporter": "Ms Wang", "reporter_contact": "4012",
}  # fmt: skip


async def entered(reader: httpx.AsyncClient, **changes: str) -> str:
    """The address of a new ticket."""
    answer = await reader.post("/tickets/new", data={**TAP, **changes})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def ticket(desk: World, path: str) -> TicketRow:
    async with desk.database.read() as db:
        found = await views.one_ticket(db, int(path.rpartition("-")[2]))
    assert found is not None
    return found


async def test_a_request_is_entered_by_form_and_its_page_tells_who_reported_what(
    desk: World, reader: httpx.AsyncClient
) -> None:
    path = await entered(reader)
    text = (await reader.get(path)).text
    for said in ("Tap drips", "Request", "floor 12", "Ms Wang", "4012", "the floor is wet", "phone"):
        assert said in text
    assert (await ticket(desk, path)).kind == "request"


async def test_the_form_sent_twice_makes_one_ticket(reader: httpx.AsyncClient) -> None:
    form = (await reader.get("/tickets/new")).text
    (key,) = re.findall(r'name="key" value="([^"]+)"', form)
    assert await entered(reader, key=key) == await entered(reader, key=key)
    assert await entered(reader) != await entered(reader)


async def test_from_a_machines_page_the_form_knows_the_machine_and_what_is_open_on_it(
    reader: httpx.AsyncClient,
) -> None:
    page = (await reader.get("/equipment/riverside/incomer_2")).text
    assert 'href="/tickets/new?equipment=riverside/incomer_2"' in page
    form = (await reader.get("/tickets/new?equipment=riverside/incomer_2")).text
    assert '<option value="riverside/incomer_2" selected>' in form
    assert "Open on this equipment" in form


async def test_an_equipments_tab_lists_tickets_of_every_kind(reader: httpx.AsyncClient) -> None:
    await entered(reader, kind="complaint", title="Hums at night", equipment="riverside/incomer_1", place="")
    text = (await reader.get("/equipment/riverside/incomer_1/tickets")).text
    assert "Hums at night" in text


async def test_what_is_wrong_is_said_in_the_readers_language_and_nothing_is_lost(reader: httpx.AsyncClient) -> None:
    bad = {**TAP, "place": "", "title": "", "reported_at": "yesterday"}
    answer = await reader.post("/tickets/new", data=bad)
    assert answer.status_code == 422
    for said in ("Choose the equipment or name the place.", "Give it a title", "at most 7 days ago", "Ms Wang"):
        assert said in answer.text
    reader.cookies.set("plantroom_language", "zh")
    assert "请选择设备或填写地点。" in (await reader.post("/tickets/new", data=bad)).text


async def test_a_text_that_is_too_long_is_named(reader: httpx.AsyncClient) -> None:
    answer = await reader.post("/tickets/new", data={**TAP, "reporter_contact": "1" * 201, "description": "x" * 4001})
    assert answer.status_code == 422
    assert "How to reach them is too long." in answer.text
    assert "What was said or seen is too long." in answer.text


async def test_who_may_only_look_gets_no_form(desk: World) -> None:
    await desk.add_user("visitor", "viewer")
    async with client(desk, "visitor") as viewer:
        assert (await viewer.get("/tickets/new")).status_code == 403
        assert (await viewer.post("/tickets/new", data=TAP)).status_code == 403
        assert "/tickets/new" not in (await viewer.get("/equipment/riverside/incomer_1")).text


async def test_priorities_show_what_they_would_move_before_one_is_chosen(reader: httpx.AsyncClient) -> None:
    path = await entered(reader, kind="fault", title="No light", equipment="riverside/incomer_1", place="")
    text = (await reader.get(path)).text
    assert "no due time moves" in text
    assert re.search(r"Response: \S+ → \S+", text)


async def test_linked_merged_and_belonging_tickets_are_on_the_page_and_can_be_parted(
    desk: World, reader: httpx.AsyncClient
) -> None:
    first, second, third = [await entered(reader, title=f"Tap {n}") for n in (1, 2, 3)]
    names = [path.rpartition("/")[2] for path in (first, second, third)]
    assert (await reader.post(f"{second}/link", data={"other": names[0], "relation": "related"})).status_code == 303
    assert (await reader.post(f"{second}/set_parent", data={"parent": names[0]})).status_code == 303
    assert (await reader.post(f"{third}/merge", data={"into": names[0], "reason": "the same tap"})).status_code == 303
    page = (await reader.get(first)).text
    for said in ("Tap 2", "Tap 3", "merged into this one", "related to", "Parts of this ticket", "1 of 1 open"):
        assert said in page
    gone = (await reader.get(third)).text
    assert "merged into" in gone
    assert names[0] in gone
    assert (await reader.post(f"{first}/unlink", data={"other": names[1], "relation": "related"})).status_code == 303
    assert (await reader.post(f"{second}/leave_parent", data={"reason": "another tap"})).status_code == 303
    assert "Parts of this ticket" not in (await reader.get(first)).text


async def test_a_parents_parts_are_offered_when_it_is_resolved_and_only_those_ticked_follow(
    desk: World, reader: httpx.AsyncClient
) -> None:
    paths = [await entered(reader, title=f"Tap {n}") for n in (1, 2, 3)]
    names = [path.rpartition("/")[2] for path in paths]
    for path in paths:
        await reader.post(f"{path}/acknowledge")
    for path in paths[1:]:
        await reader.post(f"{path}/set_parent", data={"parent": names[0]})
    assert f'name="children" value="{names[1]}"' in (await reader.get(paths[0])).text
    said = {"cause": "seal", "action": "replaced", "children": [names[1]]}
    assert (await reader.post(f"{paths[0]}/resolve", data=said)).status_code == 303
    assert [(await ticket(desk, path)).state for path in paths] == ["resolved", "resolved", "acknowledged"]


async def test_the_follow_up_call_asks_first_who_reported_it(reader: httpx.AsyncClient) -> None:
    path = await entered(reader)
    await reader.post(f"{path}/acknowledge")
    await reader.post(f"{path}/resolve", data={"cause": "seal", "action": "replaced"})
    assert re.search(r'name="asked"[^>]* value="Ms Wang"', (await reader.get(path)).text)
    await reader.post(f"{path}/verify", data={"asked": "Ms Wang", "answer": "dry since"})
    assert "dry since" in (await reader.get(path)).text


async def test_each_time_an_alarm_of_the_ticket_was_raised_is_listed(desk: World, reader: httpx.AsyncClient) -> None:
    async with desk.database.write() as db:
        for number, state in ((1, "cleared"), (2, "active")):
            await db.execute(t.alarm.insert().values(
                site_id="riverside", equipment_id="incomer_1", rule=f"test_rule_{number}", fault_key=f"k{number}", state=state,
                began_at=number, raised_at=number, received_at=number, because=[], ticket_id=5,
            ))  # fmt: skip
    text = (await reader.get("/tickets/T-000005")).text
    assert 'id="occurrences"' in text
    assert "still active" in text
