"""What people do to tickets, through the API."""

from pathlib import Path
from typing import Any

from cloud.storage import tables as t
from contract.conventions import format_instant
from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, cleared, desk, raised, rows, trapped


async def with_ticket(d: Desk, role: str = "manager") -> None:
    gateway = await d.gateway()
    await d.sign_in(role=role)
    await gateway.tell(announcement(), raised(START))


async def states(d: Desk) -> dict[str, str]:
    return {row["clock"]: row["state"] for row in await rows(d.database, t.deadline)}


async def kinds(d: Desk) -> list[str]:
    return [row["kind"] for row in await rows(d.database, t.timeline)]


async def walk(d: Desk, *steps: tuple[str, dict[str, Any]]) -> None:
    for verb, body in steps:
        answer = await d.act("T-000001", verb, **body)
        assert answer.status_code == 200, answer.text


RESOLVE: tuple[str, dict[str, Any]] = ("resolve", {"cause": "coil open", "action": "contactor replaced"})
CALL: tuple[str, dict[str, Any]] = ("verify", {"asked": "shop 12", "answer": "works again"})


async def test_a_ticket_goes_from_new_to_closed_and_every_step_is_on_its_timeline(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(
            d,
            ("dispatch", {"holder": "electrician_a"}), ("acknowledge", {}), ("arrive", {}), ("start", {}),
            ("hold", {"reason": "waiting for part"}), ("resume", {}), RESOLVE, CALL,
            ("close", {"reason": "the meter is being replaced"}),
        )  # fmt: skip
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], ticket["holder"], ticket["cause_text"]) == ("closed", "electrician_a", "coil open")
        assert await kinds(d) == [
            "opened", "dispatched", "acknowledged", "arrived", "started", "held", "resumed", "resolved", "verified",
            "closed",
        ]  # fmt: skip
        assert await states(d) == {"response": "met", "resolution": "met"}


async def test_acknowledging_stops_the_response_and_marks_the_alarm_seen_here_and_on_site(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in("anna", "technician")
        await gateway.tell(announcement(), raised(START))
        d.clock.ms += MINUTE
        await walk(d, ("acknowledge", {}))
        (alarm,) = await rows(d.database, t.alarm)
        assert (alarm["acknowledged_by"], alarm["acknowledged_at"]) == ("anna", START + MINUTE)
        (ticket,) = await rows(d.database, t.ticket)
        assert ticket["holder"] == "anna"
        (wish,) = (await gateway.tell()).directives
        assert (wish.kind, wish.by, wish.equipment, wish.rule) == ("acknowledge", "anna", "incomer_1", "pf_low")


async def test_an_acknowledgement_does_not_stop_the_way_to_the_lift(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), trapped(START))
        await walk(d, ("acknowledge", {}))
        assert await states(d) == {"response": "met", "arrival": "running", "resolution": "running"}
        await walk(d, ("arrive", {}))
        assert (await states(d))["arrival"] == "met"


async def test_who_began_from_afar_can_still_arrive(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), trapped(START))
        await walk(d, ("acknowledge", {}), ("start", {}))
        assert (await states(d))["arrival"] == "running"
        await walk(d, ("arrive", {}))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], (await states(d))["arrival"]) == ("on_site", "met")


async def test_a_hold_stands_still_and_moves_the_due_instant_by_its_length(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("acknowledge", {}), ("hold", {"reason": "waiting for part"}))
        (resolution,) = await rows(d.database, t.deadline, clock="resolution")
        assert (resolution["state"], resolution["due_at"]) == ("held", None)
        d.clock.ms += 5 * HOUR
        await walk(d, ("resume", {}))
        (resolution,) = await rows(d.database, t.deadline, clock="resolution")
        assert (resolution["state"], resolution["due_at"]) == ("running", START + 53 * HOUR)


async def test_a_breach_that_nobody_had_recorded_yet_is_recorded_with_the_late_answer(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        d.clock.ms += 3 * HOUR
        await walk(d, ("acknowledge", {}))
        (response,) = await rows(d.database, t.deadline, clock="response")
        assert (response["state"], response["breached_at"], response["met_at"]) == (
            "breached", START + 2 * HOUR, START + 3 * HOUR,
        )  # fmt: skip
        (breach,) = await rows(d.database, t.timeline, kind="breached")
        assert (breach["at"], breach["data"]["clock"]) == (START + 2 * HOUR, "response")


async def test_a_call_with_the_same_key_is_done_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        path, key = "/api/v1/tickets/T-000001/actions/note", {"Idempotency-Key": "k1"}
        for _ in range(3):
            answer = await d.http.post(path, json={"note": "panel 2P1 is open"}, headers=key)
            assert answer.status_code == 200
        assert await kinds(d) == ["opened", "noted"]


async def test_two_people_who_saw_the_same_ticket_do_not_overwrite_each_other(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        seen = (await d.http.get("/api/v1/tickets/T-000001")).json()["version"]
        assert (await d.act("T-000001", "hand_over", holder="anna", version=seen)).status_code == 200
        second = await d.act("T-000001", "hand_over", holder="ben", version=seen)
        assert (second.status_code, second.json()["code"]) == (409, "changed")


async def test_what_does_not_apply_says_what_is_possible(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        answer = await d.act("T-000001", "resume")
        assert (answer.status_code, answer.json()["code"]) == (409, "state")
        assert "possible now: dispatch, acknowledge, arrive" in answer.json()["remedy"]
        assert answer.headers["content-type"] == "application/problem+json"


async def test_what_is_missing_is_named(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("acknowledge", {}))
        answer = await d.act("T-000001", "resolve", cause="coil open")
        assert answer.status_code == 422
        assert [error["path"] for error in answer.json()["errors"]] == ["action"]
        wrong = await d.act("T-000001", "set_priority", priority="very high", reason="because")
        assert "general, major, urgent, life_safety" in wrong.json()["remedy"]


async def test_a_viewer_may_look_and_not_touch(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d, role="viewer")
        assert (await d.http.get("/api/v1/tickets")).status_code == 200
        assert (await d.act("T-000001", "acknowledge")).status_code == 403


async def test_a_ticket_whose_alarm_is_still_active_closes_only_with_a_reason(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("acknowledge", {}), RESOLVE)
        answer = await d.act("T-000001", "close")
        assert (answer.status_code, answer.json()["title"]) == (422, "its alarm is still active")
        assert (await d.act("T-000001", "close", reason="  \n")).status_code == 422, "blanks are no reason"
        await walk(d, ("close", {"reason": "waived by the owner"}))


async def test_a_closed_ticket_is_not_reopened_beside_an_open_one_of_the_same_fault(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        alarm = raised(START)
        await gateway.tell(announcement(), alarm, cleared(alarm, START))
        await walk(d, ("acknowledge", {}), RESOLVE, ("close", {}))
        d.clock.ms += 100 * HOUR
        await gateway.tell(raised(d.clock.ms))
        answer = await d.act("T-000001", "reopen", reason="came back")
        assert (answer.status_code, answer.json()["code"]) == (409, "fault_open")


async def test_people_too_reopen_within_the_reopen_window_only(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("acknowledge", {}), RESOLVE, ("close", {"reason": "waived"}))
        d.clock.ms += 72 * HOUR
        await d.sign_in("second")
        button = 'action="/tickets/T-000001/reopen"'
        assert button in (await d.http.get("/tickets/T-000001")).text
        await walk(d, ("reopen", {"reason": "noise again"}), RESOLVE, ("close", {"reason": "waived"}))
        d.clock.ms += 72 * HOUR + 1
        await d.sign_in("third")
        assert button not in (await d.http.get("/tickets/T-000001")).text
        answer = await d.act("T-000001", "reopen", reason="noise again")
        assert (answer.status_code, answer.json()["code"]) == (409, "reopen_window")


async def test_a_hold_cannot_end_before_it_begins(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("acknowledge", {}))
        answer = await d.act("T-000001", "hold", reason="part", until=format_instant(START - 1))
        assert [error["path"] for error in answer.json()["errors"]] == ["until"]


async def test_a_hold_is_no_longer_than_it_was_given_although_nobody_looked_at_its_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("acknowledge", {}), ("hold", {"reason": "part", "until": format_instant(START + HOUR)}))
        d.clock.ms += 10 * HOUR
        await walk(d, RESOLVE)
        (resolution,) = await rows(d.database, t.deadline, clock="resolution")
        assert (resolution["due_at"], resolution["used_s"]) == (START + 49 * HOUR, 9 * 3600)
        assert [row["at"] for row in await rows(d.database, t.timeline, kind="resumed")] == [START + HOUR]


async def test_a_step_on_a_page_that_shows_a_hold_which_is_over_is_no_conflict(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("acknowledge", {}), ("hold", {"reason": "part", "until": format_instant(START + HOUR)}))
        d.clock.ms += 2 * HOUR
        seen = (await d.http.get("/api/v1/tickets/T-000001")).json()["version"]
        assert (await d.act("T-000001", RESOLVE[0], version=seen, **RESOLVE[1])).status_code == 200


async def test_a_lowered_priority_keeps_the_earlier_due_instant_and_notes_the_change(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        await walk(d, ("set_priority", {"priority": "urgent", "reason": "whole block"}))
        await walk(d, ("set_priority", {"priority": "general", "reason": "one flat only"}))
        (response,) = await rows(d.database, t.deadline, clock="response")
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["priority"], response["due_at"]) == ("general", START + HOUR)


async def test_an_alarm_without_a_ticket_can_be_acknowledged_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in("anna", "technician")
        await gateway.tell(announcement(), raised(START, suppressed_by="supply_lost"))
        assert (await d.http.post("/api/v1/alarms/1/acknowledge")).status_code == 204
        (alarm,) = await rows(d.database, t.alarm)
        assert alarm["acknowledged_by"] == "anna"
        assert (await d.http.post("/api/v1/alarms/99/acknowledge")).status_code == 404


async def test_the_clocks_of_a_ticket_are_told_line_by_line(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_ticket(d)
        d.clock.ms += HOUR
        answer = (await d.http.get("/api/v1/tickets/T-000001/clocks")).json()
        assert [(clock["clock"], clock["state"], clock["used_s"]) for clock in answer] == [
            ("response", "running", 3600.0),
            ("resolution", "running", 3600.0),
        ]
        assert [(line["kind"], line["counts_s"], line["used_s"]) for line in answer[0]["lines"]] == [
            ("running", 3600.0, 3600.0),
            ("ahead", 3600.0, 7200.0),
        ]


async def test_the_list_is_filtered_and_paged(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), raised(START), trapped(START))

        async def ids(query: str) -> list[str]:
            return [one["id"] for one in (await d.http.get(f"/api/v1/tickets?{query}")).json()["tickets"]]

        assert await ids("") == ["T-000002", "T-000001"]
        assert await ids("system=lifts") == ["T-000002"]
        assert await ids("open=false") == []
        assert await ids("priority=major&state=new") == ["T-000001"]
        first = (await d.http.get("/api/v1/tickets?limit=1")).json()
        assert (first["next"], await ids(f"limit=1&before={first['next']}")) == ("T-000002", ["T-000001"])
        assert (await d.http.get("/api/v1/tickets?stat=new")).status_code == 422


async def test_a_name_that_is_no_ticket_is_not_found(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.sign_in()
        for name in ("T-000001", "nonsense"):
            answer = await d.http.get(f"/api/v1/tickets/{name}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
