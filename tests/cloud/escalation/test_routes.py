"""Calls over HTTP and on the console: the same checks, the same words, no secret."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cloud.storage import tables as t
from tests.support.calls import Postbox, notifier
from tests.support.desk import Desk, announcement, desk, raised, rows

SECRET = "token-that-nobody-may-see"
CHANNEL = {"owner": "person:chief", "url": f"jsons://hooks.example/{SECRET}"}
STEP = {"whom": ["role:technician"], "trigger": "opened"}


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path) as found:
        await found.sign_in("chief", "manager")
        found.app.state.courier = Postbox()
        yield found


async def test_a_channel_is_added_shown_without_its_secret_tested_and_removed(there: Desk) -> None:
    added = await there.http.post("/api/v1/calls/channels", json=CHANNEL)
    assert added.status_code == 201
    assert added.json()["label"] == "jsons://hooks.example/…"
    settings = await there.http.get("/api/v1/calls/settings")
    tested = await there.http.post("/api/v1/calls/test", json={"owner": "person:chief"})
    assert tested.json() == {"results": [{"label": "jsons://hooks.example/…", "is_sent": True, "said": "250 taken"}]}
    assert SECRET not in settings.text + tested.text + added.text
    assert (await there.http.delete(f"/api/v1/calls/channels/{added.json()['id']}")).status_code == 204
    assert await rows(there.database, t.calls.channel) == []


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("channels", CHANNEL | {"owner": "person:stranger"}, 404),
        ("channels", CHANNEL | {"owner": "stranger"}, 422),
        ("channels", CHANNEL | {"url": f"nonsense://{SECRET}"}, 422),
        ("contacts", {"owner": "person:chief", "quiet_from": "25:00", "quiet_to": "07:00"}, 422),
        ("contacts", {"owner": "person:chief", "quiet_from": "22:00"}, 422),
        ("contacts", {"owner": "person:chief", "zone": "Mars/Base"}, 422),
        ("duties", {"role": "manager", "site_id": "nowhere", "owners": []}, 404),
        ("chains", {"steps": [STEP | {"clock": "sundial"}]}, 422),
        ("chains", {"steps": [STEP | {"whom": ["person:stranger"]}]}, 404),
        ("chains", {"steps": [STEP | {"trigger": "event"}]}, 422),
        ("chains", {"steps": [STEP], "priority": "whatever"}, 422),
    ],
)
async def test_what_cannot_be_is_refused_with_a_remedy(
    there: Desk, path: str, body: dict[str, object], status: int
) -> None:
    send = there.http.post if path == "channels" else there.http.put
    answer = await send(f"/api/v1/calls/{path}", json=body)
    assert answer.status_code == status
    assert answer.json()["remedy"]
    assert SECRET not in answer.text


async def test_a_sites_own_chain_binds_the_next_ticket_and_its_page_says_who_is_next(there: Desk) -> None:
    steps = [STEP, {"whom": ["person:chief"], "trigger": "breached"}]
    assert (await there.http.put("/api/v1/calls/chains", json={"priority": "major", "steps": steps})).status_code == 204
    await there.http.post("/api/v1/calls/channels", json=CHANNEL)
    gateway = await there.gateway()
    await gateway.tell(announcement(), raised(there.clock.ms))
    await notifier(there, Postbox()).tick()
    told = (await there.http.get("/api/v1/tickets/T-000001/calls")).json()
    assert [(one["owner"], one["state"], one["why"]) for one in told["told"]] == [
        ("person:chief", "sent", "nobody_before")
    ]
    assert [(one["trigger"], one["owners"]) for one in told["next"]] == [("breached", ["person:chief"])]
    listed = (await there.http.get("/api/v1/notices?state=sent")).json()["notices"]
    assert [one["ticket"] for one in listed] == ["T-000001"]


async def test_only_managers_change_how_others_are_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as there:
        await there.sign_in("chief", "manager")
        await there.sign_in("wang", "technician")
        assert (await there.http.post("/api/v1/calls/channels", json=CHANNEL)).status_code == 403
        assert (await there.http.put("/api/v1/calls/chains", json={"steps": [STEP]})).status_code == 403
        assert (await there.http.get("/api/v1/calls/settings")).status_code == 403
        own = await there.http.post("/api/v1/calls/channels", json=CHANNEL | {"owner": "person:wang"})
        assert own.status_code == 201


def test_the_examples_of_the_document_are_json() -> None:
    from cloud.escalation import routes

    for example in (routes._CHAIN, routes._CHANNEL, routes._NOTICE, routes._NEXT, routes._TESTED):
        assert json.loads(json.dumps(example)) == example
