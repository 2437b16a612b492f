"""What an acceptance test does and what it tells, without running anything."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from device_profiles.library import load
from simulators.rows import SeenAlarm
from simulators.site import SimulatedSite, SiteError, build_site
from simulators.site_plan import Plan, duration, never_good, plan_of
from simulators.site_report import Acceptance, acceptance_of, as_object, line_of, moves, summary
from simulators.site_trial import Finding, others
from simulators.site_worlds import Done, moved_to_memory

HOUR_MS = 3_600_000


def a_file(**incomer: Any) -> dict[str, Any]:
    return {
        "site": {"id": "here", "name": "Here", "zone": "Asia/Shanghai"},
        "gateway": {
            "id": "gw_1", "cloud": "https://desk.example", "credential_file": "credential", "ca_file": "ca.pem",
            "hooks": {"command": ["/usr/local/bin/siren"]},
        },
        "equipment": [
            {"id": "incomer_1", "class": "lv_switchgear", "ratings": {"rated_a": 630}, **incomer},
            {"id": "tank_1", "class": "tank"},
        ],
        "buses": [{"id": "line", "modbus": "rtu", "port": "/dev/ttyS1"}, {"id": "far", "mqtt": "mqtts://10.0.0.6"}],
        "devices": [
            {"id": "meter_1", "model": "eastron_sdm630", "bus": "line", "address": 1, "equipment": "incomer_1", "every": "10s"}
        ],
    }  # fmt: skip


def site(**incomer: Any) -> SimulatedSite:
    return build_site(a_file(**incomer), load())


def why(plan: Plan, rule: str) -> list[str]:
    return [one.why for one in plan.unreachable if one.rule == rule]


def test_the_time_allowed_is_the_files_own() -> None:
    plan = plan_of(site(roles=["compensated_incomer"], limits={"pf_window": "20min", "pf_hold": "90s"}), {}, HOUR_MS)
    found = next(one for one in plan.trials if one.fault == "low_power_factor").expected[0]
    assert found.raise_ms == 20 * 60_000 + 90_000 + 3 * 10_000 + 5_000
    assert found.opens_ticket


def test_what_cannot_be_raised_is_told_with_its_reason() -> None:
    plan = plan_of(
        site(rules={"overcurrent": {"enabled": False}}), {"incomer_1": {"joint_hot": "no device measures it"}}, HOUR_MS
    )
    assert why(plan, "low_power_factor")[0].startswith("binds only compensated_incomer")
    assert why(plan, "overcurrent") == ["switched off in the site file (enabled: false)"]
    assert why(plan, "joint_hot") == ["no device measures it"]
    assert set(why(plan, "level_low_low")) == {"no device serves this equipment"}
    assert all(one.fault != "overload" for one in plan.trials)


def test_what_takes_too_long_is_left_out_and_told() -> None:
    plan = plan_of(site(limits={"load_hold": "40min"}), {}, 30 * 60_000)
    assert why(plan, "overcurrent") == ["takes up to 40.6 min; --longest 30 min does not wait for it"]


def test_faults_are_chosen_by_name_or_equipment_and_a_mistyped_one_is_refused() -> None:
    assert [one.name for one in plan_of(site(), {}, HOUR_MS, ["phase_loss"]).trials] == ["incomer_1/phase_loss"]
    assert [one.name for one in plan_of(site(), {}, HOUR_MS, ["incomer_1/overload"]).trials] == ["incomer_1/overload"]
    with pytest.raises(SiteError, match="did you mean phase_loss"):
        plan_of(site(), {}, HOUR_MS, ["phase_los"])


def test_the_copy_reaches_nothing_real() -> None:
    data = a_file()
    moved = moved_to_memory(data, Path())
    assert list(moves(data, moved)) == [
        "cloud: https://desk.example → http://127.0.0.1:8080",
        "gateway: ca_file left out",
        "gateway: hooks left out",
        "bus line: rtu /dev/ttyS1 → tcp 127.0.0.1:5020",
        "bus far: mqtts://10.0.0.6 → mqtt://127.0.0.1:1883",
    ]
    assert data == a_file()


RIGHT = Finding(
    "incomer_1", "overload", "overcurrent", "major", "in_time", 2000, 5000, "T-000001", 2100, "in_time", 1000, 5000
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "raised after 2 s, T-000001, cleared 1 s after the repair"),
        ({"ticket": ""}, "NO TICKET"),
        ({"raised": "late", "raised_ms": 9000}, "late: 5 s allowed"),
        ({"raised": "never", "raised_ms": None, "note": "x > y: x 1, y 2"}, "not raised within 5 s; x > y: x 1, y 2"),
        ({"cleared": "never", "cleared_ms": None}, "not cleared within 5 s of the repair"),
    ],
)
def test_a_line_says_what_came_and_what_did_not(change: dict[str, Any], said: str) -> None:
    finding = replace(RIGHT, **change)
    assert said in line_of(finding)
    assert finding.is_right == (not change)


def test_advisory_and_suppressed_alarms_need_no_ticket() -> None:
    assert replace(RIGHT, ticket="", severity="advisory").is_right
    assert replace(RIGHT, ticket="", note="suppressed by supply_lost").is_right


def alarm(rule: str) -> SeenAlarm:
    return SeenAlarm("incomer_1", rule, "major", 1, 1, None, "", None)


def accepted(**change: Any) -> Acceptance:
    good = frozenset({("incomer_1", point) for point in load().models["eastron_sdm630"].mappings})
    done = Done((RIGHT,), (), (), good)
    return acceptance_of(site(), Plan((), ()), [replace(done, **change)])


def test_an_alarm_at_rest_or_a_point_without_a_value_is_something_to_look_at() -> None:
    assert accepted().is_right
    at_rest = accepted(rest=(alarm("voltage_low"),))
    assert not at_rest.is_right
    assert any("raised though nothing is wrong" in line for line in summary(at_rest))
    silent = accepted(good=frozenset())
    assert not silent.is_right
    assert ("incomer_1", "voltage_l1", "meter_1") in silent.never_good
    assert as_object(silent)["never_good"][0]["device"] == "meter_1"
    assert never_good(site(), [])


def test_alarms_beside_the_expected_ones_are_told_and_are_no_mistake() -> None:
    assert [one.rule for one in others([alarm("overcurrent"), alarm("high_load")], [RIGHT], [])] == ["high_load"]
    assert accepted(alarms=(alarm("high_load"),)).is_right


@pytest.mark.parametrize(("ms", "text"), [(2500, "2.5 s"), (60_000, "1 min"), (90_000, "90 s"), (86_400_000, "24 h")])
def test_durations_are_written_as_in_a_site_file(ms: int, text: str) -> None:
    assert duration(ms) == text
