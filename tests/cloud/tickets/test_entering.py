"""What staff enter: once, complete, with clocks from when it was reported."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from cloud.storage import tables as t
from cloud.tickets.entering import Entered, Known, check
from contract.conventions import format_instant
from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, desk, raised, rows

TAP: dict[str, Any] = {
    "kind": "request", "title": "Tap drips", "place": "floor 12", "system": "water", "reporter": "Ms Wang",
    "reporter_contact": "4012",
}  # fmt: skip
KNOWN = Known(("riverside",), {"lift_1": "lifts"}, {"g-4.1"}, START)


async def entered(d: Desk, key: str | None = None, **changes: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await d.http.post("/api/v1/tickets", json=TAP | changes, headers=headers)


async def opened_desk(d: Desk, role: str = "technician") -> None:
    gateway = await d.gateway()
    await gateway.tell(announcement())
    await d.sign_in("anna", role)


async def test_a_request_is_entered_with_who_reported_it_and_its_clocks_start(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d)
        answer = await entered(d)
        assert answer.status_code == 201, answer.text
        shown = answer.json()
        said = (
            "id",
            "kind",
            "site",
            "system",
            "place",
            "reporter",
            "reporter_contact",
            "entered_by",
            "state",
            "channel",
        )
        assert [shown[name] for name in said] == [
            "T-000001", "request", "riverside", "water", "floor 12", "Ms Wang", "4012", "anna", "new", "phone",
        ]  # fmt: skip
        assert (shown["title"], shown["fault_key"]) == ({"en": "Tap drips", "zh": "Tap drips"}, None)
        assert {row["start_at"] for row in await rows(d.database, t.deadline)} == {START}
        (line,) = await rows(d.database, t.timeline)
        assert (line["kind"], line["actor_kind"], line["actor"]) == ("opened", "person", "anna")


async def test_equipment_gives_its_system_and_its_site(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d)
        shown = (await entered(d, kind="fault", equipment="lift_1", place="", system="")).json()
        assert (shown["equipment"], shown["system"], shown["site"]) == ("lift_1", "lifts", "riverside")
        listed = (await d.http.get("/api/v1/tickets", params={"equipment": "lift_1"})).json()["tickets"]
        assert [one["id"] for one in listed] == ["T-000001"]


async def test_people_trapped_is_life_safety_whatever_was_chosen_and_somebody_must_be_there_soon(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d)
        shown = (await entered(d, kind="fault", equipment="lift_1", emergency="entrapment", priority="general")).json()
        assert (shown["priority"], shown["severity"]) == ("life_safety", "life_safety")
        assert shown["arrival_due"] == format_instant(START + 30 * MINUTE)


async def test_the_same_key_enters_one_ticket_and_another_matter_under_it_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d)
        answers = [await entered(d, "k1") for _ in range(3)]
        assert [(answer.status_code, answer.json()["id"]) for answer in answers] == [(201, "T-000001")] * 3
        other = await entered(d, "k1", title="Lamp out")
        assert (other.status_code, other.json()["code"]) == (409, "key_used")
        assert (await entered(d, "k2")).json()["id"] == "T-000002"
        assert len(await rows(d.database, t.ticket)) == 2


async def test_its_clocks_start_when_it_was_reported_and_both_instants_are_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d)
        at = START - 3 * HOUR
        await entered(d, kind="fault", reported_at=format_instant(at))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["opened_at"], ticket["received_at"]) == (at, START)
        clocks = {row["clock"]: row for row in await rows(d.database, t.deadline)}
        assert (clocks["response"]["start_at"], clocks["response"]["breached_at"]) == (at, at + 2 * HOUR)
        (opened,) = await rows(d.database, t.timeline, kind="opened")
        (breach,) = await rows(d.database, t.timeline, kind="breached")
        assert (opened["at"], opened["data"]["entered_at"], breach["at"]) == (at, START, at + 2 * HOUR)


async def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d)
        answer = await entered(
            d, kind="test", title=" ", place="", priority="very high", clause="x-1", channel="pigeon"
        )
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
        told = {error["path"] for error in answer.json()["errors"]}
        assert told == {"kind", "title", "place", "priority", "clause", "channel"}
        assert all(error["remedy"] for error in answer.json()["errors"])
        assert await rows(d.database, t.ticket) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"site": "elsewhere"}, "site"), ({"equipment": "lift_9"}, "equipment"), ({"system": "steam"}, "system"),
     ({"emergency": "flood"}, "emergency"), ({"category": "odd"}, "category"), ({"title": "x" * 201}, "title"),
     ({"reported_at": START + 1}, "reported_at"), ({"reported_at": START - 8 * 24 * HOUR}, "reported_at")],
)  # fmt: skip
def test_each_field_is_judged_for_itself(changes: dict[str, Any], field: str) -> None:
    plain: dict[str, Any] = {
        "kind": "request",
        "title": "Tap drips",
        "site": "riverside",
        "place": "floor 12",
        "system": "water",
    }
    assert check(Entered(**plain), KNOWN) == ()
    assert [found.path for found in check(Entered(**(plain | changes)), KNOWN)] == [field]


async def test_who_may_only_look_may_not_enter(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d, "viewer")
        answer = await entered(d)
        assert (answer.status_code, answer.json()["code"]) == (403, "role")


async def test_a_request_is_closed_after_the_follow_up_call_or_by_a_manager_with_a_reason(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d, "engineer")
        await entered(d)
        await d.act("T-000001", "acknowledge")
        await d.act("T-000001", "resolve", cause="worn seal", action="replaced")
        assert (await d.act("T-000001", "close")).status_code == 403
        await d.act("T-000001", "verify", asked="Ms Wang", answer="dry since")
        assert (await d.act("T-000001", "close")).json()["state"] == "closed"
        (call,) = await rows(d.database, t.timeline, kind="verified")
        assert call["data"] == {"asked": "Ms Wang", "answer": "dry since"}
        await entered(d)
        await d.sign_in("chief", "manager")
        await d.act("T-000002", "acknowledge")
        await d.act("T-000002", "resolve", cause="worn seal", action="replaced")
        assert (await d.act("T-000002", "close")).status_code == 422
        assert (await d.act("T-000002", "close", reason="left no number")).json()["state"] == "closed"


async def test_what_a_priority_would_move_is_told_before_it_is_chosen(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), raised(START))
        d.clock.ms += 90 * MINUTE
        answer = await d.http.get("/api/v1/tickets/T-000001/priorities")
        moves = {one["priority"]: one["moves"] for one in answer.json()}
        assert moves["general"] == moves["major"] == []
        assert moves["urgent"] == [
            {"clock": "response", "activation": 1, "before": format_instant(START + 2 * HOUR),
             "after": format_instant(START + HOUR), "is_breached": True},
        ]  # fmt: skip
        assert len(await rows(d.database, t.timeline)) == 1


async def test_a_step_is_not_refused_because_time_passed_since_the_ticket_was_seen(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await opened_desk(d)
        seen = (await entered(d)).json()["version"]
        async with d.database.write() as connection:
            line = {"ticket_id": 1, "at": START, "kind": "warned", "data": {"version": seen + 1}}
            await connection.execute(t.timeline.insert().values(**line))
            await connection.execute(t.ticket.update().values(version=seen + 1))
        assert (await d.act("T-000001", "note", note="a person", version=seen)).status_code == 200
        assert (await d.act("T-000001", "acknowledge", version=seen)).status_code == 409
