"""Expectations against what the cloud holds: each miss says what, expected, found, its line, and where to look."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from simulators.expect import Judge, Miss, Times, duration
from simulators.run_facts import Facts
from simulators.run_plan import plan
from simulators.scenario_file import scenario_of

ZONE = ZoneInfo("Asia/Shanghai")
HEAD: dict[str, Any] = {
    "title": {"en": "One", "zh": "一"}, "start": "2026-11-23T10:00:00+08:00", "lasts": "1h", "site": "site.yaml",
}  # fmt: skip
START = 1_795_399_200_000
TICKET: dict[str, Any] = {
    "id": 7, "equipment_id": "lift_1", "rule": "door_fault", "instance": "", "priority": "major", "state": "new", "kind": "fault",
    "holder": "", "severity": "major", "occurrences": 2, "activations": 1, "reopened": 0, "is_past": 0,
    "began_at": START + 60_000, "raised_at": START + 90_000, "received_at": START + 90_100, "opened_at": START + 90_100,
    "resolved_at": None, "closed_at": None,
}  # fmt: skip
CLOCK: dict[str, Any] = {
    "ticket_id": 7, "clock": "response", "activation": 1, "state": "met", "start_at": START + 90_100, "due_at": START + 7_290_100,
    "met_at": START + 600_000, "breached_at": None, "used_s": 509.9, "target_s": 7200,
}  # fmt: skip
NOTHING = Facts([], [], [], [], [], [], [], [], 0)
ONE = replace(NOTHING, tickets=[TICKET], clocks=[CLOCK])


def judged(expect: dict[str, Any], facts: Facts, slack_ms: int = 0) -> tuple[list[Miss], int]:
    scenario = scenario_of({**HEAD, "expect": expect}, Path("one.yaml"))
    assert scenario.head.start == START
    judge = Judge(scenario, facts, Times(START, ZONE, slack_ms))
    judge.judge()
    return judge.misses, judge.met


def said(expect: dict[str, Any], facts: Facts = ONE, slack_ms: int = 0) -> list[str]:
    return [str(one) for one in judged(expect, facts, slack_ms)[0]]


def test_what_is_as_expected_is_counted() -> None:
    ticket = {
        "ticket": "lift_1/door_fault", "priority": "major", "occurrences": 2, "past": False, "opened": "10:01:30",
        "clocks": {"response": {"state": "met", "at": "10:10", "used": "8min", "target": "2h"}},
    }  # fmt: skip
    misses, met = judged({"tickets": [ticket]}, ONE)
    assert [str(one) for one in misses] == ["lift_1/door_fault: response clock: used: expected 8min, found 8min 30s"]
    assert met == 10  # the count, five fields and clocks, two totals, and the others of the clock


def test_a_ticket_nobody_ordered_is_told_with_its_instant() -> None:
    (miss,) = judged({"tickets": []}, ONE)[0]
    assert str(miss) == "ticket lift_1/door_fault: expected none, found one, opened 10:01:30, major, new"
    assert miss.at_ms == TICKET["opened_at"]
    assert said({"tickets": [], "others": "allowed"}) == []
    assert said({}) == []


def test_a_missing_ticket_a_wrong_field_and_a_wrong_instant_are_three_sentences() -> None:
    wanted = [
        {"ticket": "lift_2/door_fault"},
        {"ticket": "lift_1/door_fault", "state": "resolved", "opened": {"after": "10:02", "before": "10:03"}},
    ]
    assert said({"tickets": wanted}) == [
        "tickets of lift_2/door_fault: expected 1, found 0",
        "lift_1/door_fault: state: expected resolved, found new",
        "lift_1/door_fault: opened: expected after 10:02 and before 10:03, found 10:01:30",
    ]


def test_the_second_ticket_of_a_key_is_compared_by_its_number() -> None:
    again = {**TICKET, "id": 8, "state": "closed", "opened_at": START + 900_000}
    facts = replace(ONE, tickets=[TICKET, again])
    numbered = [{"ticket": "lift_1/door_fault", "number": 2, "state": "closed", "opened": "10:15"}]
    assert said({"tickets": numbered}, facts) == []
    assert said({"tickets": [{"ticket": "lift_1/door_fault"}]}, facts) == [
        "tickets of lift_1/door_fault: expected 1, found 2"
    ]
    assert said({"tickets": [{"ticket": "lift_1/door_fault", "number": 3}]}, facts) == [
        "tickets of lift_1/door_fault: expected at least 3, found 2"
    ]


def test_each_activation_has_its_own_clock() -> None:
    second = {**CLOCK, "activation": 2, "state": "breached", "breached_at": START + 1_200_000}
    facts = replace(ONE, clocks=[CLOCK, second])
    right = {"response": ["met", {"state": "breached", "at": "10:20"}]}
    assert said({"tickets": [{"ticket": "lift_1/door_fault", "clocks": right}]}, facts) == []
    assert said({"tickets": [{"ticket": "lift_1/door_fault", "clocks": {"response": "met"}}]}, facts) == [
        "lift_1/door_fault: response: clocks: expected 1, found 2"
    ]


def test_calls_are_complete_where_any_is_named_and_none_is_counted_twice() -> None:
    notice: dict[str, Any] = {
        "id": 1, "ticket_id": 7, "clock": "", "activation": 0, "step": 1, "owner": "person:wang", "state": "sent",
        "sent_at": START + 91_000,
    }  # fmt: skip
    facts = replace(ONE, calls=[notice, {**notice, "id": 2, "sent_at": START + 300_000}])
    call = {"ticket": "lift_1/door_fault", "to": "wang", "step": 1}
    assert said({"calls": [{**call, "count": 2}]}, facts) == []
    assert said({"calls": [call]}, facts) == ["calls to wang about lift_1/door_fault: expected 1, found 2"]
    assert said({"calls": [{**call, "at": "10:01"}]}, facts) == [
        "call to wang about lift_1/door_fault: expected none, found told at 10:05:00, step 1"
    ]


def test_tests_are_counted_by_what_became_of_them() -> None:
    result = {"equipment_id": "fire_pump_1", "test": "weekly_automatic_start", "passed": 1, "ended_at": START + 300_000}
    missed = {
        "equipment_id": "fire_pump_1", "test": "weekly_automatic_start", "state": "missed", "missed_at": START + 900_000,
        "due_at": START, "done_at": None, "is_late": 0,
    }  # fmt: skip
    facts = replace(ONE, results=[result], occurrences=[missed])
    test = {"equipment": "fire_pump_1", "test": "weekly_automatic_start"}
    assert (
        said(
            {"tests": [{**test, "result": "passed", "at": "10:05"}, {**test, "result": "missed", "at": "10:15"}]}, facts
        )
        == []
    )
    assert said({"tests": [{**test, "result": "failed"}]}, facts) == [
        "test fire_pump_1/weekly_automatic_start failed: expected 1 times, found 0"
    ]


def test_what_is_lost_or_set_aside_is_never_unsaid() -> None:
    facts = replace(ONE, lost=3, quarantine=[{"id": 1}])
    assert said({}, facts) == ["quarantined records: expected 0, found 1", "lost events: expected 0, found 3"]


def test_real_clocks_may_be_a_little_off() -> None:
    wanted = {"tickets": [{"ticket": "lift_1/door_fault", "opened": "10:01:27"}]}
    assert said(wanted) == ["lift_1/door_fault: opened: expected 10:01:27, found 10:01:30"]
    assert said(wanted, slack_ms=5000) == []


def test_lengths_are_told_without_their_zeros() -> None:
    assert [duration(ms) for ms in (0, 61_000, 90_000_000)] == ["0s", "1min 1s", "1d 1h"]


def test_ends_make_room_for_beginnings_and_a_restart_stops_first() -> None:
    timeline = [
        {"at": "1min", "cut": "line", "lasts": "1min"},
        {"at": "2min", "cut": "line", "lasts": "1min"},
        {"at": "2min", "restart": "cloud"},
    ]
    scenario = scenario_of({**HEAD, "timeline": timeline}, Path("one.yaml"))
    deeds = [(deed.at_ms - START, type(deed.step).__name__, deed.is_end) for deed in plan(scenario, START, ZONE)]
    assert deeds == [
        (60_000, "Cut", False), (120_000, "Cut", True), (120_000, "Cut", False), (120_000, "Restart", False),
        (120_000, "Restart", True), (180_000, "Cut", True),
    ]  # fmt: skip
