"""Planned outages: who may do what when, and what the gateway is asked meanwhile."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.storage import tables as t
from cloud.tickets import permits
from cloud.tickets.permits import STEPS, Plan, Site, Stage, Standing, Step
from contract.conventions import format_instant
from contract.messages import AlarmChanged, DirectiveApplied
from tests.support.desk import HOUR, START, Desk, Gateway, announcement, desk, rows
from tests.support.permits import (
    APPROVE,
    APPROVE_RESTORE,
    ASK,
    CLEAR,
    CLOSE,
    DONE,
    END,
    MEASURES,
    NIGHT,
    NOTIFY,
    RESTORE,
    be,
    cut,
    draft,
    drafted,
    people,
    step,
    walk,
)


async def ready(d: Desk) -> Gateway:
    gateway = await d.gateway()
    await people(d)
    await gateway.tell(announcement())
    return gateway


async def kinds(d: Desk) -> list[str]:
    return [row["kind"] for row in await rows(d.database, t.timeline)]


# --- the table ----------------------------------------------------------------------------------------------------


def test_every_stage_is_reached_by_the_table_and_left_by_it_until_it_is_over() -> None:
    reached = {row.to for row in STEPS if row.to is not None} | {Stage.DRAFTED}
    assert reached == set(Stage)
    left = {stage for row in STEPS if row.to is not None for stage in row.sources}
    assert set(Stage) - left == set(permits.OVER_STAGES)


def test_one_row_a_step_and_a_ticket_state_for_every_stage() -> None:
    assert [row.step for row in STEPS] == list(Step)
    assert set(permits.TICKET_STATES) == set(Stage)


def test_nothing_is_cut_or_restored_without_an_approval_in_between() -> None:
    into = {
        row.to: row.sources
        for row in STEPS
        if row.to in {Stage.CUT, Stage.RESTORED} and row.step in {Step.CUT, Step.RESTORE}
    }
    assert into == {Stage.CUT: (Stage.APPROVED, Stage.NOTIFIED), Stage.RESTORED: (Stage.RESTORE_APPROVED,)}


# --- what a plan must say -----------------------------------------------------------------------------------------

PLAN = Plan(NIGHT, END, "overhaul", ["isolated"], True, 24, "", "")
POWER = Site("Asia/Shanghai", frozenset({"power"}), has_life_safety=False)


def wrong(site: Site = POWER, **changes: Any) -> list[str]:
    return [one.field for one in permits.objections(replace(PLAN, **changes), site, START)]


def test_a_plan_outside_office_hours_with_measures_is_fine() -> None:
    assert wrong() == []


def test_every_mistake_of_a_plan_is_told_at_once() -> None:
    assert wrong(until_at=NIGHT, work=" ", measures=[]) == ["until", "work", "measures"]
    assert wrong(from_at=START - 2 * HOUR, until_at=START) == ["until"]
    assert wrong(until_at=NIGHT + 32 * 24 * HOUR) == ["until"]


@pytest.mark.parametrize(("hour", "expected"), [(17, ["window_reason"]), (18, []), (5, []), (8, ["window_reason"])])
def test_power_is_cut_in_office_hours_only_with_a_reason(hour: int, expected: list[str]) -> None:
    monday = START + 33 * HOUR  # Monday 00:00 at the site
    window: dict[str, Any] = {"from_at": monday + hour * HOUR, "until_at": monday + hour * HOUR + 2 * HOUR}
    assert wrong(**window) == expected
    assert wrong(**window, window_reason="the utility comes only then") == []
    assert wrong(Site("Asia/Shanghai", frozenset({"water"}), has_life_safety=False), **window) == []


def test_what_guards_life_is_taken_away_only_with_something_in_its_place() -> None:
    fire = Site("Asia/Shanghai", frozenset({"fire"}), has_life_safety=True)
    assert wrong(fire) == ["watch_instead"]
    assert wrong(fire, watch_instead="two people with extinguishers on each floor") == []


STANDING = Standing(NIGHT, END, True, 24, START, ("isolated",))


def objected(now: int = NIGHT, checked: tuple[str, ...] = ("isolated",), reason: str = "", **changes: Any) -> list[str]:
    found = permits.cut_objections(replace(STANDING, **changes), checked, reason, now)
    return [one.field or one.code for one in found]


def test_cutting_waits_for_the_notice_the_measures_and_the_hour() -> None:
    assert objected() == []
    assert objected(notified_at=None) == ["notice"]
    assert objected(notified_at=None, is_notice_needed=False) == []
    assert objected(checked=()) == ["checked"]
    assert objected(now=NIGHT - 1) == ["reason"]
    assert objected(now=NIGHT - 1, reason="the lift is empty already") == []
    assert objected(now=END) == ["over"]


def test_a_notice_that_came_late_needs_a_reason_and_no_reason_replaces_a_measure() -> None:
    at_last = NIGHT - 24 * HOUR
    assert objected(notified_at=at_last) == []
    assert objected(notified_at=at_last + 1) == ["reason"]
    assert objected(notified_at=at_last + 1, reason="water drips on the busbar") == []
    assert objected(checked=(), reason="hurry") == ["checked"]


# --- the life of a permit -----------------------------------------------------------------------------------------


async def test_a_permit_goes_from_draft_to_closed_and_every_step_is_on_its_tickets_timeline(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await ready(d)
        ticket = await cut(d)
        (out,) = (await gateway.tell()).directives
        assert (out.kind, out.equipment, out.by, out.until) == (
            "out_of_service",
            "incomer_1",
            "anna",
            format_instant(END),
        )
        assert out.reason == f"{ticket}: yearly overhaul"
        await gateway.tell(
            AlarmChanged(equipment="incomer_1", rule="", at=format_instant(NIGHT), what="out_of_service", reason=out.reason, until=out.until),
            DirectiveApplied(directive=out.id, at=format_instant(NIGHT), applied=True),
        )  # fmt: skip
        await walk(d, ticket, DONE, APPROVE_RESTORE, RESTORE, CLOSE)
        (back,) = (await gateway.tell()).directives
        assert (back.kind, back.equipment) == ("in_service", "incomer_1")
        assert await kinds(d) == [
            "drafted", "permit_asked", "permit_cut_approved", "permit_notified", "permit_cut", "permit_done",
            "permit_restore_approved", "permit_restored", "closed",
        ]  # fmt: skip
        (row,) = await rows(d.database, t.ticket)
        assert (row["kind"], row["state"], row["action_text"]) == ("outage", "closed", "contacts cleaned")
        assert await rows(d.database, t.deadline) == []


async def test_who_asks_for_power_to_be_cut_does_not_approve_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d)
        await walk(d, ticket, ("chief", "ask", {}))
        answer = await step(d, "chief", ticket, "approve_cut")
        assert (answer.status_code, answer.json()["code"]) == (403, "four_eyes")
        assert (await step(d, "anna", ticket, "approve_cut")).status_code == 403
        await walk(d, ticket, ("chief", "refuse_cut", {"reason": "not before the fair"}), ASK, APPROVE)


async def test_who_reports_the_work_done_does_not_approve_restoring(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await cut(d)
        await walk(d, ticket, ("chief", "report_done", {"action": "done"}))
        assert (await step(d, "chief", ticket, "approve_restore", checked=CLEAR)).json()["code"] == "four_eyes"
        await walk(d, ticket, ("chief", "refuse_restore", {"reason": "an earth is still on"}), DONE)
        missing = await step(d, "chief", ticket, "approve_restore", checked=CLEAR[1:])
        assert missing.status_code == 422
        assert "people_clear" in missing.json()["title"]


async def test_for_a_lift_who_asks_may_approve(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d, equipment=["lift_1"], watch_instead="a guard at the landing")
        await walk(d, ticket, ("chief", "ask", {}), APPROVE)


async def test_occupants_are_told_before_and_the_record_says_when_and_how(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d)
        await walk(d, ticket, ASK, APPROVE)
        d.clock.ms = NIGHT
        answer = await step(d, "anna", ticket, "cut", checked=MEASURES)
        assert (answer.status_code, answer.json()["code"]) == (409, "notice")
        d.clock.ms = NIGHT - HOUR
        await walk(d, ticket, NOTIFY)
        d.clock.ms = NIGHT
        late = await step(d, "anna", ticket, "cut", checked=MEASURES)
        assert late.json()["errors"][0]["path"] == "reason"
        await walk(d, ticket, ("anna", "cut", {"checked": MEASURES, "reason": "water drips on the busbar"}))
        (line,) = await rows(d.database, t.timeline, kind="permit_cut")
        assert line["data"]["short_notice"] is True
        (permit,) = await rows(d.database, t.permits.permit)
        assert (permit["notified_at"], permit["notice_how"]) == (NIGHT - HOUR, "posted in the lobby")
        assert "2026-11-22 21:00" in permit["notice_en"]
        assert "低压进线1" in permit["notice_zh"]


async def test_a_step_that_does_not_fit_or_lacks_something_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d)
        assert (await step(d, "anna", ticket, "cut", checked=MEASURES)).json()["code"] == "state"
        assert (await step(d, "tom", ticket, "ask")).status_code == 403
        assert (await step(d, "anna", ticket, "withdraw")).status_code == 422
        assert (await step(d, "anna", ticket, "ask", version=99)).json()["code"] == "changed"
        assert (await step(d, "anna", "T-000099", "ask")).status_code == 404
        assert (await d.act(ticket, "resolve", cause="x", action="y")).status_code == 409
        await walk(d, ticket, ("anna", "withdraw", {"reason": "the firm cannot come"}))
        (row,) = await rows(d.database, t.ticket)
        assert (row["state"], row["closed_at"]) == ("cancelled", d.clock.ms)


async def test_a_draft_is_changed_until_it_is_asked_for(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d)
        body = draft(equipment=["lift_1", "incomer_1"], work="both", watch_instead="guard")
        answer = await d.http.put(f"/api/v1/permits/{ticket}", json=body)
        assert [one["id"] for one in answer.json()["equipment"]] == ["lift_1", "incomer_1"]
        await walk(d, ticket, ASK)
        assert (await d.http.put(f"/api/v1/permits/{ticket}", json=body)).status_code == 409


async def test_a_draft_with_mistakes_is_refused_with_every_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        be(d, "anna")
        answer = await d.http.post("/api/v1/permits", json=draft(until=format_instant(NIGHT), measures=[], work=" "))
        assert [one["path"] for one in answer.json()["errors"]] == ["until", "work", "measures"]
        assert (await d.http.post("/api/v1/permits", json=draft(equipment=["lift_9"]))).status_code == 404
        assert (await d.http.post("/api/v1/permits", json=draft(site="nowhere"))).status_code == 404
        be(d, "tom")
        assert (await d.http.post("/api/v1/permits", json=draft())).status_code == 403
        assert await rows(d.database, t.ticket) == []


async def test_pressing_twice_with_one_key_does_one_thing(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d)
        path, key = f"/api/v1/permits/{ticket}/steps/ask", {"Idempotency-Key": "one"}
        for _ in range(2):
            assert (await d.http.post(path, json={}, headers=key)).status_code == 200
        assert await kinds(d) == ["drafted", "permit_asked"]


async def test_of_two_approvals_at_once_one_is_told_that_it_came_second(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d)
        await walk(d, ticket, ASK)
        be(d, "chief")
        path = f"/api/v1/permits/{ticket}/steps/"
        both = await asyncio.gather(
            *(d.http.post(path + name, json={"reason": "no"}) for name in ("approve_cut", "refuse_cut"))
        )
        assert sorted(answer.status_code for answer in both) == [200, 409]
        assert len(await kinds(d)) == 3
