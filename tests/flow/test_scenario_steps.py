"""One scenario with every kind of step, on virtual time: each does what its line says, and what it expects is looked at."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from simulators.run import Outcome, run_scenario
from simulators.scenario_file import SHIPPED, scenario_of
from simulators.scenario_steps import KINDS, verb_of

pytestmark = pytest.mark.timeout(180)

EVERYTHING = """
title: {en: Every kind of step, zh: 每种步骤}
start: 2026-11-23T10:00:00+08:00
lasts: 375s
site: sites/live.yaml
people: [{name: wang, role: technician, channel: true}]
cloud: {reopen_window: 2h}
timeline:
  - {at: 10s, settings: duty, with: {role: technician, owners: ["person:wang"]}}
  - {at: 11s, settings: channel, by: admin, with: {owner: "person:engineer", url: "json://127.0.0.1:9/engineer"}}
  - {at: 12s, settings: limit, by: engineer, with: {equipment: incomer_1, limit: load_hold, value: 5}}
  - {at: 13s, settings: equipment, by: engineer, with: {id: tank_9, class: tank, name_en: Roof tank, name_zh: 屋顶水箱}}
  - {at: 14s, settings: confirm_year, name: office, with: {year: 2027}}
  - at: 15s
    settings: targets
    with: {lines: [{clock: response, kind: fault, priority: major, unit: elapsed, within_s: 60}]}
  - {at: 17s, call: POST /api/v1/tickets, with: {kind: request, title: Tap drips, place: Floor 3}}
  - {at: 18s, call: POST /api/v1/tickets, with: {kind: nonsense}, answers: 422}
  - {at: 19s, act: acknowledge, ticket: T-000001}
  - {at: 20s, form: lift_1/half_month_care}
  - {at: 25s, sensor: stuck, device: meter_1, point: voltage_l1, lasts: 30s, with: {value: 229}}
  - {at: 40s, expect_value: voltage_l1, equipment: incomer_1, is: 229}
  - {at: "10:01", shelve: lift_1/door_fault, lasts: 1min}
  - {at: 65s, inject: door_fault, equipment: lift_1, lasts: 20s}
  - {at: 75s, expect_alarm: lift_1/door_fault}
  - {at: 75s, expect_ticket: lift_1/door_fault, count: 0}
  - {at: 90s, out_of_service: pump_1, lasts: 30s}
  - {at: 95s, inject: drive_fault, equipment: pump_1, lasts: 15s}
  - {at: 110s, expect_ticket: pump_1/pump_fault, count: 0}
  - {at: 130s, inject: drive_over_temperature, equipment: lift_1}
  - {at: 160s, clear: drive_over_temperature, equipment: lift_1}
  - {at: 165s, act: hold, ticket: lift_1/drive_over_temperature, with: {reason: part}, answers: 409}
  - {at: 170s, act: acknowledge, ticket: lift_1/drive_over_temperature, by: wang}
  - {at: 180s, misbehave: silent, device: meter_1, lasts: 20s}
  - {at: 220s, cut: replies, lasts: 5s}
  - {at: 230s, cut: line}
  - {at: 231s, mend: line}
  - {at: 240s, cut: broker, lasts: 5s}
  - {at: 250s, cut: bus lan, lasts: 2s}
  - {at: 260s, cut: cloud, lasts: 5s}
  - {at: 270s, kill: cloud, lasts: 5s}
  - {at: 280s, restart: cloud}
  - {at: 300s, stop: gateway}
  - {at: 310s, start: gateway}
  - {at: 320s, kill: gateway, lasts: 2s}
  - {at: 340s, clock: cloud, jump: +2s}
  - {at: 360s, inject: dry_run, equipment: pump_1}
expect:
  others: allowed
  tickets:
    - {ticket: T-000001, kind: request, state: acknowledged}
    - {ticket: lift_1/drive_over_temperature, state: acknowledged, holder: wang, clocks: {response: {state: met, target: 1min}}}
    - {ticket: pump_1/dry_run, count: 1, state: new}
  alarms: [{alarm: lift_1/door_fault, state: cleared, count: 1}]
  other_calls: allowed
  calls: [{ticket: lift_1/drive_over_temperature, to: wang, at: {after: 130s, before: 150s}}]
  tests: [{equipment: lift_1, test: half_month_care, result: passed}]
  values: [{at: 5min, equipment: incomer_1, point: voltage_l1, between: [200, 250]}]
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    scenario = scenario_of(yaml.safe_load(EVERYTHING), SHIPPED / "everything.yaml")
    assert {verb_of(step) for step in scenario.steps} == set(KINDS)
    return run_scenario(scenario, tmp_path_factory.mktemp("everything"))


def test_every_step_does_what_it_says(played: Outcome) -> None:
    assert [str(one) for one in played.misses] == []


def test_the_timeline_tells_who_did_what_in_order(played: Outcome) -> None:
    told = [(one.who, one.text) for one in played.events]
    assert [one.at_ms for one in played.events] == sorted(one.at_ms for one in played.events)
    for expected in (
        ("plant", "lift_1: drive_over_temperature comes"), ("world", "cloud loses its power"), ("world", "line is cut"),
        ("plant", "meter_1/voltage_l1: lies: stuck"), ("people", "engineer: shelve lift_1/door_fault"),
        ("world", "the cloud's clock jumps +2s"), ("people", "T-000001: acknowledged by engineer"),
    ):  # fmt: skip
        assert expected in told


def test_what_is_expected_and_not_so_is_missed_in_the_middle_too(tmp_path: Path) -> None:
    data: dict[str, Any] = {
        "title": {"en": "Wrong", "zh": "错"}, "start": "2026-11-23T10:00:00+08:00", "lasts": "30s", "site": "sites/live.yaml",
        "timeline": [
            {"at": "5s", "inject": "phase_loss", "equipment": "incomer_1"},
            {"at": "15s", "expect_ticket": "incomer_1/phase_loss", "state": "resolved"},
            {"at": "16s", "expect_alarm": "incomer_1/phase_loss", "state": "none"},
            {"at": "17s", "expect_value": "voltage_l2", "equipment": "incomer_1", "between": [220, 240]},
            {"at": "18s", "act": "close", "ticket": "incomer_1/phase_loss"},
            {"at": "19s", "act": "close", "ticket": "incomer_1/overcurrent"},
        ],
    }  # fmt: skip
    misses = run_scenario(scenario_of(data, SHIPPED / "wrong.yaml"), tmp_path).misses
    assert [(one.what, one.expected) for one in misses] == [
        ("10:00:15 ticket incomer_1/phase_loss: state", "resolved"),
        ("10:00:16 alarm incomer_1/phase_loss", "none"),
        ("10:00:17 value incomer_1/voltage_l2", "220 to 240"),
        ("10:00:18 engineer: close incomer_1/phase_loss", "done"),
        ("10:00:19 engineer: close incomer_1/overcurrent", "a ticket to act on"),
    ]
    assert [one.found for one in misses[:2]] == ["new", "active"]
    assert misses[3].found.startswith("409")
