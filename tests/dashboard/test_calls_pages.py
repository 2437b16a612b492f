"""Calling steps, contacts and messages as people see and change them."""

from pathlib import Path

import pytest
from sqlalchemy import select

from cloud.escalation.notifier import Notifier
from cloud.storage import tables as t
from tests.dashboard.conftest import client
from tests.dashboard.world import World
from tests.support.calls import Postbox
from tests.support.desk import rows

SECRET = "token-that-nobody-may-see"
URL = f"jsons://hooks.example/{SECRET}"


@pytest.fixture
async def box(desk: World) -> Postbox:
    await desk.add_user("chief", "manager", "Chief")
    made = Postbox()
    desk.app.state.courier = made
    return made


async def planned(desk: World, box: Postbox) -> None:
    await Notifier(desk.database, desk.desk, desk.clock, lambda *_: None, box, "https://desk.example").tick()


async def test_a_desk_without_channels_says_so_everywhere(desk: World, box: Postbox) -> None:
    await planned(desk, box)
    async with client(desk, "chief") as reader:
        for path in ("/tickets", "/settings/calls", "/notices"):
            assert "Nobody could be told of" in (await reader.get(path)).text, path
        assert "nobody told" in (await reader.get("/wall")).text
        assert "No channel is configured." in (await reader.get("/settings/calls")).text


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_channel_is_added_and_tested_and_its_secret_is_never_shown_again(
    desk: World, box: Postbox, language: str
) -> None:
    async with client(desk, "chief", language) as reader:
        answer = await reader.post("/settings/calls/channels", data={"owner": "person:chief", "url": URL})
        assert answer.status_code == 303
        page = (await reader.get("/settings/calls?done=channel")).text
        assert "jsons://hooks.example/…" in page
        tested = (await reader.post("/settings/calls/test", data={"owner": "person:chief"})).text
        assert "250 taken" in tested
        await planned(desk, box)
        notices = (await reader.get("/notices")).text
        assert SECRET not in page + tested + notices
    assert SECRET not in repr(await rows(desk.database, t.audit))


async def test_a_wrong_address_is_refused_in_words_and_not_repeated(desk: World, box: Postbox) -> None:
    async with client(desk, "chief") as reader:
        answer = await reader.post(
            "/settings/calls/channels", data={"owner": "person:chief", "url": f"nonsense://{SECRET}"}
        )
    assert answer.status_code == 422
    assert "nonsense is unknown" in answer.text
    assert SECRET not in answer.text


async def test_everybody_changes_their_own_and_only_managers_others(desk: World, box: Postbox) -> None:
    async with client(desk, "duty_engineer") as reader:
        own = {
            "owner": "person:duty_engineer",
            "language": "en",
            "zone": "",
            "quiet_from": "22:00",
            "quiet_to": "07:00",
        }
        assert (await reader.post("/settings/calls/contact", data=own)).status_code == 303
        page = (await reader.get("/settings/calls")).text
        assert "quiet 22:00 to 07:00" in page
        assert "Save this chain" not in page
        other = await reader.post("/settings/calls/contact", data=own | {"owner": "person:chief"})
        assert other.status_code == 403
        assert (await reader.post("/settings/calls/chains", data={})).status_code == 403


async def test_a_chain_is_changed_row_by_row_and_returned_to_the_shipped_one(desk: World, box: Postbox) -> None:
    blank = ["", ""]
    form = {
        "site_id": "", "kind": "", "priority": "urgent", "emergency": "", "when": ["response/opened", "response/breached", "reopened"],
        "share": ["75", "75", "75"], "after": ["5", *blank], "whom": ["role:technician, holder", "person:chief", ""], "by": ["", *blank],
        "every": ["", "30", ""], "repeats": ["", "2", ""], "until": ["", "resolved", ""],
    }  # fmt: skip
    async with client(desk, "chief") as reader:
        assert (await reader.post("/settings/calls/chains", data=form)).status_code == 303
        (kept,) = await rows(desk.database, t.calls.chain)
        assert [(s["whom"], s["after_s"], s["repeat_every_s"], s["repeats"], s["until"]) for s in kept["steps"]] == [
            (["role:technician", "holder"], 300, 0, 0, ""), (["person:chief"], 0, 1800, 2, "resolved")
        ]  # fmt: skip
        page = (await reader.get("/settings/calls")).text
        assert "every 30 min, 2 more times" in page
        wrong = await reader.post("/settings/calls/chains", data=form | {"whom": ["person:stranger", "", ""]})
        assert wrong.status_code == 422
        assert "stranger" in wrong.text
        assert (await reader.post(f"/settings/calls/chains/{kept['id']}/remove")).status_code == 303
    assert await rows(desk.database, t.calls.chain) == []


async def test_a_failure_is_seen_in_the_list_with_its_reason(desk: World, box: Postbox) -> None:
    async with client(desk, "chief") as reader:
        await reader.post("/settings/calls/channels", data={"owner": "person:chief", "url": URL})
        box.refusing.add(URL)
        await planned(desk, box)
        page = (await reader.get("/notices?state=waiting")).text
        assert "Failed 1 times: refused" in page
        async with desk.database.read() as db:
            (number,) = (
                await db.execute(select(t.calls.notice.c.ticket_id).where(t.calls.notice.c.owner != "").limit(1))
            ).one()
        ticket = (await reader.get(f"/tickets/T-{number:06d}")).text
        assert "Who was told" in ticket
        assert "Failed 1 times: refused" in ticket


async def test_a_named_duty_and_a_group_are_shown(desk: World, box: Postbox, tmp_path: Path) -> None:
    async with client(desk, "chief") as reader:
        await reader.post("/settings/calls/channels", data={"address": "night_desk", "url": URL})
        form = {"role": "manager", "site_id": "riverside", "owners": "address:night_desk, chief"}
        assert (await reader.post("/settings/calls/duty", data=form)).status_code == 303
        page = (await reader.get("/settings/calls")).text
        assert "night_desk, chief" in page
        channel = (await rows(desk.database, t.calls.channel))[0]["id"]
        await reader.post(f"/settings/calls/channels/{channel}/remove")
    assert await rows(desk.database, t.calls.channel) == []
