"""Versions of targets: previewed, put in force, followed by open tickets with every earlier due time on record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud.sla.plan import CalendarPlan
from cloud.sla.policy import SHIPPED
from cloud.sla.written import PolicyError, policy_json, policy_of
from cloud.storage import tables as t
from cloud.tickets import targets
from cloud.tickets.desk import Desk as Rules
from cloud.tickets.ticker import Ticker
from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, desk, raised, rows

RESOLUTION = {"clock": "resolution", "unit": "elapsed", "within_s": 48 * 3600.0}


async def begun(d: Desk) -> Rules:
    """A desk with one open fault and a manager, as after its start."""
    rules: Rules = d.app.state.desk
    await targets.begin(d.database, rules, d.clock.ms)
    await (await d.gateway()).tell(announcement(), raised(START))
    await d.sign_in()
    return rules


def changed(body: dict[str, Any], clock: str = "resolution", **values: Any) -> dict[str, Any]:
    """The body with the line that binds all tickets changed."""
    plain = ("priority", "emergency", "kind", "category", "system", "site")
    lines = [
        line | values if line["clock"] == clock and not any(line[name] for name in plain) else line
        for line in body["lines"]
    ]
    return body | {"lines": lines}


async def put(d: Desk, body: dict[str, Any], seen: str = "shipped-1") -> Any:
    return await d.http.post("/api/v1/targets", json={"body": body, "seen": seen, "note": "agreed"})


async def told(d: Desk, kind: str) -> list[dict[str, Any]]:
    return [row for row in await rows(d.database, t.timeline, ticket_id=1) if row["kind"] == kind]


async def test_the_file_is_the_first_version_and_a_saved_one_wins_from_then_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        rules = await begun(d)
        assert (await d.http.get("/api/v1/targets")).json()["version"] == "shipped-1"
        assert (await put(d, changed(policy_json(rules.policy), within_s=3600.0))).json()["version"] == "v2"
        restarted = Rules(SHIPPED)
        await targets.begin(d.database, restarted, d.clock.ms)
        assert restarted.policy.version == "v2"
        assert [row["label"] for row in await rows(d.database, t.targets.version)] == ["shipped-1", "v2"]


async def test_a_restart_with_the_same_file_makes_no_version_and_a_changed_file_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await begun(d)
        for policy in (SHIPPED, SHIPPED, replace(SHIPPED, shares=(0.8,)), replace(SHIPPED, shares=(0.8,))):
            await targets.begin(d.database, Rules(policy), d.clock.ms + 1)
        labels = [row["label"] for row in await rows(d.database, t.targets.version)]
        assert labels == ["shipped-1", f"shipped-1.{d.clock.ms + 1}"]


async def test_a_country_that_nobody_knows_stops_no_start_and_stays_alarmed(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        rules = Rules(replace(SHIPPED, plans={**SHIPPED.plans, "depot": CalendarPlan("depot", country="XX")}))
        await targets.begin(d.database, rules, d.clock.ms)
        assert targets.unconfirmed(rules.policy, d.clock.ms) == [("office", 2027), ("depot", 2026), ("depot", 2027)]


async def test_open_tickets_follow_and_every_earlier_due_time_stays_on_record(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        rules = await begun(d)
        body = changed(policy_json(rules.policy), unit="working", calendar="office", within_s=8 * 3600.0)
        effect = (await d.http.post("/api/v1/targets/preview", json={"body": body, "seen": "shipped-1"})).json()
        assert (effect["tickets"], effect["later"], effect["kept"], effect["late_at_once"]) == (1, 1, 0, 0)
        await put(d, body)
        await d.tick(MINUTE)
        (line,) = await told(d, "retargeted")
        assert (line["data"]["was"], line["data"]["policy"], line["actor"]) == ("shipped-1", "v2", "chief")
        monday = START + 51 * HOUR  # Saturday 15:00 in Shanghai; eight hours end on Monday at 18:00
        assert line["data"]["due"]["resolution:1"] == {"before": START + 48 * HOUR, "after": monday}
        clocks = (await d.http.get("/api/v1/tickets/T-000001/clocks")).json()
        resolution = next(one for one in clocks if one["clock"] == "resolution")
        assert (resolution["version"], resolution["unit"], len(resolution["earlier"])) == ("v2", "working", 1)
        assert {line["cause"] for line in resolution["lines"]} == {"day_off", "break", ""}
        assert resolution["conflict"] is not None
        await d.tick(MINUTE)
        assert len(await told(d, "retargeted")) == 1


async def test_a_change_never_takes_a_breach_back_and_breaks_at_the_change_what_it_finds_late(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        rules = await begun(d)
        await d.tick(3 * HOUR)  # the response is late
        body = changed(changed(policy_json(rules.policy), "response", within_s=90 * 3600.0), within_s=3600.0)
        await put(d, body)
        await d.tick(MINUTE)
        await d.tick(1)  # at the very instant of the change a clock is not late yet
        by_clock = {row["clock"]: row for row in await rows(d.database, t.deadline, ticket_id=1)}
        assert (by_clock["response"]["state"], by_clock["response"]["breached_at"]) == ("breached", START + 2 * HOUR)
        assert by_clock["resolution"]["breached_at"] == START + 3 * HOUR + MINUTE
        broken = {line["data"]["clock"]: line["data"] for line in await told(d, "breached")}
        assert broken["resolution"]["by_retargeting"]


async def test_a_clock_that_a_policy_sets_no_more_goes_unless_it_was_met(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        rules = await begun(d)
        await d.act("T-000001", "acknowledge")
        body = policy_json(rules.policy)
        await put(d, body | {"lines": [line for line in body["lines"] if line["priority"] or line["kind"]]})
        await d.tick(MINUTE)
        states = {row["clock"]: row["state"] for row in await rows(d.database, t.deadline, ticket_id=1)}
        assert states == {"response": "met"}


async def test_a_closed_ticket_is_explained_by_the_version_it_was_judged_by(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        rules = await begun(d)
        await d.act("T-000001", "acknowledge")
        assert (await d.act("T-000001", "cancel", reason="none")).status_code == 200
        await put(d, changed(policy_json(rules.policy), within_s=3600.0))
        await d.tick(5 * HOUR)
        clocks = (await d.http.get("/api/v1/tickets/T-000001/clocks")).json()
        assert {(one["version"], one["target_s"]) for one in clocks} == {("shipped-1", 7200), ("shipped-1", 172800)}


async def test_warnings_are_recorded_once_at_their_own_instants_across_restarts_late_wakes_and_replicas(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as d:
        rules = await begun(d)
        before = (await rows(d.database, t.ticket, id=1))[0]["version"]
        d.clock.ms += 110 * MINUTE  # nobody was there to see 50, 75 and 90 per cent pass
        other = Rules(SHIPPED)
        for one in (rules, other, rules):
            await Ticker(d.database, one, d.clock, lambda *_: None).tick()
        warned = await told(d, "warned")
        assert [(line["data"]["share"], line["at"] - START) for line in warned] == [
            (0.5, 60 * MINUTE), (0.75, 90 * MINUTE), (0.9, 108 * MINUTE),
        ]  # fmt: skip
        assert (await rows(d.database, t.ticket, id=1))[0]["version"] == before + 1
        (clock, *_) = await rows(d.database, t.deadline, ticket_id=1, clock="response")
        assert clock["next_at"] == START + 120 * MINUTE + 1


async def test_a_held_clock_does_not_warn_and_goes_on_warning_after_the_hold(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await begun(d)
        await d.act("T-000001", "acknowledge")
        await d.act("T-000001", "hold", reason="part")
        await d.tick(100 * HOUR)
        assert await told(d, "warned") == []
        await d.act("T-000001", "resume")
        await d.tick(24 * HOUR)
        assert [(line["data"]["clock"], line["at"] - START) for line in await told(d, "warned")] == [
            ("resolution", 124 * HOUR)
        ]
        (resumed,) = await told(d, "resumed")
        assert resumed["data"]["due"]["resolution:1"] == {"before": None, "after": START + 148 * HOUR}


async def test_an_action_is_not_refused_because_a_warning_came_meanwhile(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await begun(d)
        seen = (await rows(d.database, t.ticket, id=1))[0]["version"]
        await d.tick(61 * MINUTE)
        assert await told(d, "warned")
        assert (await d.act("T-000001", "acknowledge", version=seen)).status_code == 200


async def test_two_people_do_not_overwrite_each_other_and_only_managers_may(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        rules = await begun(d)
        body = changed(policy_json(rules.policy), within_s=3600.0)
        assert (await put(d, body)).status_code == 200
        assert (await put(d, body)).status_code == 409
        await d.sign_in("hands", "technician")
        assert (await put(d, body, "v2")).status_code == 403


@pytest.mark.parametrize(
    "change", [{"unit": "moons"}, {"within_s": -1}, {"within_s": float(10**12)}, {"unit": "working"}, {"clock": "tea"}, {"priority": "vip"},
               {"unit": "working_days", "within_s": 5.0, "calendar": "office"},
               {"priority": "life_safety", "unit": "working", "calendar": "office"}],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_with_its_place(change: dict[str, Any]) -> None:
    body = policy_json(SHIPPED)
    body["lines"] = [body["lines"][0] | change, *body["lines"][1:]]
    with pytest.raises(PolicyError, match=r"lines\[0\]\."):
        policy_of("x", body)


def test_a_policy_is_the_same_after_it_was_written() -> None:
    assert policy_of("shipped-1", policy_json(SHIPPED)) == SHIPPED


async def test_a_calendar_is_changed_imported_and_confirmed_by_calls(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await begun(d)
        shown = (await d.http.get("/api/v1/calendars/office")).json()
        assert (shown["unconfirmed"], "2026-02-14" in shown["calendar"]["workdays"]) == ([2027], True)
        answer = await d.http.post("/api/v1/calendars/office/confirm", json={"seen": "shipped-1", "year": 2027})
        assert (answer.status_code, answer.json()["unconfirmed"]) == (200, [])
        ical = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270102\r\nSUMMARY:gap\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        answer = await d.http.post("/api/v1/calendars/office/import", json={"seen": "v2", "ical": ical})
        assert answer.json()["unconfirmed"] == [2027]  # what was imported waits for a person
        bad = await d.http.put(
            "/api/v1/calendars/office", json={"seen": "v3", "hours": {"week": {"mon": [["9", "5"]]}}}
        )
        assert bad.status_code == 422
        unknown = await d.http.put("/api/v1/calendars/x", json={"seen": "v3", "hours": {}, "country": "XX"})
        assert unknown.status_code == 422
