"""Merging, links, parents and children: nothing is lost, and no clock is helped by it."""

from pathlib import Path
from typing import Any

import httpx

from cloud.storage import tables as t
from tests.support.desk import HOUR, MINUTE, START, Desk, Gateway, announcement, cleared, desk, raised, rows, trapped

SECOND_RULE: dict[str, Any] = {"rule": "thd_high", "instance": ""}


async def two_faults(d: Desk, role: str = "manager", later_ms: int = MINUTE) -> Gateway:
    """T-000001 of the power factor and, later, T-000002 of the harmonics."""
    gateway = await d.gateway()
    await d.sign_in(role=role)
    await gateway.tell(announcement(), raised(START))
    d.clock.ms += later_ms
    await gateway.tell(raised(d.clock.ms, "thd_high"))
    return gateway


async def ticket(d: Desk, number: int) -> dict[str, Any]:
    (row,) = await rows(d.database, t.ticket, id=number)
    return row


async def lines(d: Desk, number: int, kind: str) -> list[dict[str, Any]]:
    return [row["data"] for row in await rows(d.database, t.timeline, ticket_id=number, kind=kind)]


async def do(d: Desk, name: str, verb: str, /, **body: Any) -> httpx.Response:
    answer = await d.act(name, verb, **body)
    assert answer.status_code == 200, answer.text
    return answer


# --- merging ------------------------------------------------------------------------------------------------------


async def test_a_merged_ticket_says_where_it_went_and_its_alarms_and_occurrences_go_there(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        await do(d, "T-000002", "merge", into="T-000001", reason="the same contactor")
        merged, into = await ticket(d, 2), await ticket(d, 1)
        assert (merged["state"], merged["merged_into_id"], merged["closed_at"]) == ("merged", 1, d.clock.ms)
        assert into["occurrences"] == 2
        assert {alarm["ticket_id"] for alarm in await rows(d.database, t.alarm)} == {1}
        assert await lines(d, 2, "merged") == [{"into": "T-000001", "reason": "the same contactor"}]
        assert await lines(d, 1, "absorbed") == [
            {"ticket": "T-000002", "occurrences": 1, "reason": "the same contactor"}
        ]
        shown = (await d.http.get("/api/v1/tickets/T-000001")).json()
        assert shown["links"] == [{"relation": "merged_here", "ticket": "T-000002", "state": "merged"}]
        assert (await d.http.get("/api/v1/tickets/T-000002")).json()["merged_into"] == "T-000001"


async def test_a_merged_tickets_clocks_stay_on_record_and_its_breach_is_not_lost(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        d.clock.ms += 3 * HOUR
        await do(d, "T-000002", "merge", into="T-000001", reason="the same")
        clocks = {row["clock"]: row for row in await rows(d.database, t.deadline, ticket_id=2)}
        assert clocks["response"]["breached_at"] == START + MINUTE + 2 * HOUR
        assert {clock["state"] for clock in clocks.values()} == {"breached", "met"}
        await d.tick(100 * HOUR)
        assert {row["clock"]: row for row in await rows(d.database, t.deadline, ticket_id=2)} == clocks


async def test_an_alarm_of_a_merged_ticket_keeps_the_other_from_closing_without_a_reason(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await two_faults(d)
        first = raised(START)
        await gateway.tell(cleared(first, d.clock.ms))
        await do(d, "T-000002", "merge", into="T-000001", reason="the same")
        await do(d, "T-000001", "acknowledge")
        await do(d, "T-000001", "resolve", cause="coil open", action="replaced")
        answer = await d.act("T-000001", "close")
        assert (answer.status_code, answer.json()["title"]) == (422, "its alarm is still active")


async def test_a_merge_takes_the_higher_priority_along(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        await do(d, "T-000002", "set_priority", priority="urgent", reason="the theatre plays tonight")
        await do(d, "T-000002", "merge", into="T-000001", reason="the same")
        assert (await ticket(d, 1))["priority"] == "urgent"
        (told,) = await lines(d, 1, "reclassified")
        assert (told["priority"], told["merged"]) == ("urgent", "T-000002")
        assert told["due"]["response:1"]["after"] == START + HOUR


async def test_a_merge_that_would_let_a_clock_end_later_is_refused_and_says_the_other_way_round(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        answer = await d.act("T-000001", "merge", into="T-000002", reason="the same")
        assert (answer.status_code, answer.json()["code"]) == (409, "merge_clock")
        assert "merge T-000002 into T-000001" in answer.json()["remedy"]
        assert (await ticket(d, 2))["occurrences"] == 1


async def test_what_goes_on_must_be_at_work_at_the_same_site_and_an_emergency_stays_alone(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await two_faults(d)
        await gateway.tell(trapped(d.clock.ms))
        for into, code in (("T-000003", "same_ticket"), ("T-000001", "merge_emergency")):
            answer = await d.act("T-000003", "merge", into=into, reason="the same")
            assert (answer.status_code, answer.json()["code"]) == (409, code)
        await do(d, "T-000001", "cancel", reason="no fault")
        assert (await d.act("T-000002", "merge", into="T-000001", reason="x")).json()["code"] == "merge_over"
        assert (await d.act("T-000002", "merge", into="T-000009", reason="x")).status_code == 404
        assert (await d.act("T-000002", "merge", into="the other", reason="x")).status_code == 422


async def test_a_fault_that_comes_again_after_its_ticket_was_merged_joins_the_one_that_goes_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await two_faults(d)
        await do(d, "T-000002", "merge", into="T-000001", reason="the same")
        second = raised(START + MINUTE, "thd_high")
        d.clock.ms += HOUR
        await gateway.tell(cleared(second, d.clock.ms))
        await gateway.tell(raised(d.clock.ms + 1, "thd_high"))
        assert len(await rows(d.database, t.ticket)) == 2
        assert (await ticket(d, 1))["occurrences"] == 3
        assert [len(await lines(d, 1, kind)) for kind in ("cleared", "recurred")] == [1, 1]
        assert {alarm["ticket_id"] for alarm in await rows(d.database, t.alarm)} == {1}


async def test_who_watched_a_merged_ticket_watches_the_one_that_goes_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        async with d.database.write() as connection:
            for number, person in ((1, "anna"), (2, "anna"), (2, "ben")):
                values = {"ticket_id": number, "person": person, "since_at": START}
                await connection.execute(t.proof.watcher.insert().values(**values))
        await do(d, "T-000002", "merge", into="T-000001", reason="the same")
        assert [row["person"] for row in await rows(d.database, t.proof.watcher, ticket_id=1)] == ["anna", "ben"]


# --- links --------------------------------------------------------------------------------------------------------


async def test_a_link_is_seen_from_both_sides_and_made_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d, "technician")
        await do(d, "T-000002", "link", other="T-000001", relation="related")
        for name, other in (("T-000001", "T-000002"), ("T-000002", "T-000001")):
            shown = (await d.http.get(f"/api/v1/tickets/{name}")).json()
            assert shown["links"] == [{"relation": "related", "ticket": other, "state": "new"}]
        again = await d.act("T-000001", "link", other="T-000002", relation="related")
        assert (again.status_code, again.json()["code"]) == (409, "linked")
        await do(d, "T-000001", "unlink", other="T-000002", relation="related")
        assert await rows(d.database, t.desk.ticket_link) == []
        assert [row["kind"] for row in await rows(d.database, t.timeline, ticket_id=1)] == [
            "opened",
            "linked",
            "unlinked",
        ]


async def test_duplicate_and_previous_have_a_direction(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        await do(d, "T-000002", "link", other="T-000001", relation="duplicate")
        shown = (await d.http.get("/api/v1/tickets/T-000001")).json()
        assert shown["links"] == [{"relation": "duplicated_by", "ticket": "T-000002", "state": "new"}]
        younger = await d.act("T-000001", "link", other="T-000002", relation="previous")
        assert (younger.status_code, younger.json()["code"]) == (409, "link_younger")
        assert (await d.act("T-000001", "link", other="T-000002", relation="sibling")).status_code == 422


async def test_a_fault_that_comes_back_later_is_linked_in_both_directions(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        alarm = raised(START)
        await gateway.tell(announcement(), alarm, cleared(alarm, START))
        for verb, body in (("acknowledge", {}), ("resolve", {"cause": "a", "action": "b"}), ("close", {})):
            await do(d, "T-000001", verb, **body)
        d.clock.ms += 100 * HOUR
        await gateway.tell(raised(d.clock.ms))
        shown = [(await d.http.get(f"/api/v1/tickets/{name}")).json()["links"] for name in ("T-000001", "T-000002")]
        assert shown == [
            [{"relation": "following", "ticket": "T-000002", "state": "new"}],
            [{"relation": "previous", "ticket": "T-000001", "state": "closed"}],
        ]


# --- parents and children -----------------------------------------------------------------------------------------


async def test_a_parent_shows_its_children_and_a_child_can_leave(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        await do(d, "T-000002", "set_parent", parent="T-000001")
        shown = (await d.http.get("/api/v1/tickets/T-000001")).json()
        assert shown["children"] == [{"ticket": "T-000002", "state": "new"}]
        assert (await d.http.get("/api/v1/tickets/T-000002")).json()["parent"] == "T-000001"
        loop = await d.act("T-000001", "set_parent", parent="T-000002")
        assert (loop.status_code, loop.json()["code"]) == (409, "parent_loop")
        await do(d, "T-000002", "leave_parent", reason="another cause")
        assert (await ticket(d, 2))["parent_ticket_id"] is None
        assert (await d.act("T-000002", "leave_parent", reason="again")).json()["code"] == "no_parent"


async def test_resolving_a_parent_leaves_its_children_alone_unless_they_are_named(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        await do(d, "T-000002", "set_parent", parent="T-000001")
        for name in ("T-000001", "T-000002"):
            await do(d, name, "acknowledge")
        await do(d, "T-000001", "resolve", cause="fuse", action="replaced")
        assert (await ticket(d, 2))["state"] == "acknowledged"
        await do(d, "T-000001", "reopen", reason="with the child")
        await do(d, "T-000001", "resolve", cause="fuse", action="replaced", children=["T-000002"])
        child = await ticket(d, 2)
        assert (child["state"], child["cause_text"], child["action_text"]) == ("resolved", "fuse", "replaced")


async def test_a_child_that_cannot_be_resolved_yet_is_named_and_nothing_is_half_done(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        await do(d, "T-000002", "set_parent", parent="T-000001")
        await do(d, "T-000001", "acknowledge")
        answer = await d.act("T-000001", "resolve", cause="fuse", action="replaced", children=["T-000002"])
        assert (answer.status_code, answer.json()["code"]) == (409, "child")
        assert "T-000002 is new" in answer.json()["title"]
        assert (await ticket(d, 1))["state"] == "acknowledged"


async def test_only_a_tickets_own_children_are_resolved_with_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await two_faults(d)
        await do(d, "T-000001", "acknowledge")
        answer = await d.act("T-000001", "resolve", cause="fuse", action="replaced", children=["T-000002"])
        assert [error["path"] for error in answer.json()["errors"]] == ["children"]


async def test_the_children_of_a_merged_ticket_go_with_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await two_faults(d)
        await gateway.tell(raised(d.clock.ms, "door", "lift_1"))
        await do(d, "T-000003", "set_parent", parent="T-000002")
        await do(d, "T-000002", "merge", into="T-000001", reason="the same")
        assert (await ticket(d, 3))["parent_ticket_id"] == 1
        assert await lines(d, 1, "child_joined") == [{"tickets": ["T-000003"]}]
