from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import tile, words
from cloud.dashboard.present import Here
from cloud.dashboard.rows import AlarmRow, EquipmentRow, LimitMark, PointRow, RuleRow, SampleRow, TicketRow
from cloud.dashboard.tile import Seen

NOW = 1_795_248_312_000
EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), NOW)
ZH = Here(words.load("zh"), ZoneInfo("Asia/Shanghai"), NOW)
LIMIT = LimitMark("low_power_factor", "<", 0.9, "major", "h-5.3.1-pf")
POINTS = {
    "power_factor": PointRow(
        "power_factor", {"en": "Power factor", "zh": "功率因数"}, "gauge", digits=2, plausible=(-1, 1), limits=(LIMIT,)
    ),
    "current": PointRow("current", {"en": "Current", "zh": "电流"}, "gauge", "A", 0, (0, 2000)),
    "breaker": PointRow(
        "breaker",
        {"en": "Breaker", "zh": "断路器"},
        "bit",
        states={"true": {"en": "closed", "zh": "合闸"}, "false": {"en": "open", "zh": "分闸"}},
    ),
}
SAMPLES = {
    "power_factor": SampleRow(NOW - 500, 0.87),
    "current": SampleRow(NOW - 500, 1204.0),
    "breaker": SampleRow(NOW - 500, value=True),
}
RULE = RuleRow(
    "low_power_factor", {"en": "PF low", "zh": "功率因数低"}, "major", "h-5.3.1-pf", points=("power_factor",)
)


def alarm(severity: str = "major", *, rule: RuleRow = RULE, ago_min: float = 427, **more: Any) -> AlarmRow:
    at = round(NOW - ago_min * 60_000)
    return replace(
        AlarmRow(1, "s", "m", rule, {"en": "LV incomer 2"}, severity, "active", at, at, at, ticket=417), **more
    )


def seen(
    name: str = "LV incomer 2",
    *,
    alarms: tuple[AlarmRow, ...] = (),
    id: str = "m",
    system: str = "power",
    **more: Any,
) -> Seen:
    row = EquipmentRow(
        "s",
        id,
        "lv_switchgear",
        system,
        {"en": name, "zh": name},
        place="B1",
        main_points=("power_factor", "current"),
        gateway="gw_1",
    )
    return Seen(replace(row, **more), POINTS, SAMPLES, alarms, ())


def test_a_healthy_tile_is_grey_and_says_normal() -> None:
    made = tile.tile(seen(), EN)
    assert (made.state, made.severity, made.icon, made.foot, made.is_normal) == ("Normal", "", "", "B1", True)
    assert [shown.label for shown in made.measures] == ["Power factor", "Current"]


def test_a_state_point_names_the_state_while_its_value_can_be_trusted() -> None:
    assert tile.tile(replace(seen(), state_point="breaker"), EN).state == "Closed"
    old = replace(seen(), state_point="breaker", samples=SAMPLES | {"breaker": SampleRow(NOW - 60_000, value=True)})
    assert tile.tile(old, EN).state == "Normal"


def test_an_alarm_shows_shape_condition_duration_and_ticket() -> None:
    made = tile.tile(seen(alarms=(alarm(),)), EN)
    assert (made.severity, made.icon, made.state, made.foot, made.foot_end) == (
        "major",
        "major",
        "PF low",
        "for 7 h 07 min",
        "T-000417",
    )
    assert made.measures[0].severity == "major"
    assert made.measures[1].severity == ""


def test_a_long_condition_moves_to_the_foot_and_the_head_keeps_the_severitys_word() -> None:
    long = replace(RULE, name={"en": "Power factor low for a long time", "zh": "功率因数低"})
    made = tile.tile(seen(alarms=(alarm(rule=long),)), EN)
    assert (made.state, made.foot) == ("major", "Power factor low for a long time")
    assert tile.tile(seen(alarms=(alarm(rule=long),)), ZH).state == "功率因数低"


def test_the_worst_of_several_alarms_is_shown() -> None:
    made = tile.tile(seen(alarms=(alarm("minor"), alarm("critical", id=2), alarm("major", id=3))), EN)
    assert made.severity == "critical"


@pytest.mark.parametrize("silenced", [{"suppressed_by": "no_data"}, {"shelved_until": NOW + 1}])
def test_a_shelved_or_suppressed_alarm_does_not_colour_the_tile(silenced: dict[str, Any]) -> None:
    assert tile.tile(seen(alarms=(alarm(**silenced),)), EN).severity == ""
    assert tile.tile(seen(alarms=(alarm(shelved_until=NOW - 1),)), EN).severity == "major"


def test_the_point_in_alarm_is_always_among_the_two_measures() -> None:
    rule = replace(RULE, id="tripped", points=("breaker",))
    made = tile.tile(seen(alarms=(alarm("critical", rule=rule),)), EN)
    assert [shown.point for shown in made.measures] == ["power_factor", "breaker"]


def test_a_rule_over_many_points_without_a_limit_of_their_own_blames_none() -> None:
    rule = replace(RULE, id="unbalance", points=("power_factor", "current", "breaker"))
    assert tile.alarmed_points([alarm(rule=rule)], POINTS) == {}
    assert tile.alarmed_points([alarm()], POINTS) == {"power_factor": "major"}


def test_an_advisory_without_a_ticket_says_so() -> None:
    assert tile.tile(seen(alarms=(alarm("advisory", ticket=None),)), EN).foot_end == "no ticket"


def test_out_of_service_is_hatched_and_says_why_and_until_when() -> None:
    out = {"reason": "Half-year service", "until": NOW + 115 * 60_000}
    made = tile.tile(seen(alarms=(alarm(),), out_of_service=out), EN)
    assert (made.is_out_of_service, made.state, made.foot, made.foot_end) == (
        True,
        "Out of service",
        "Half-year service",
        "until 18:00",
    )
    assert not made.is_normal


def test_equipment_without_any_good_value_says_no_data_and_is_not_normal() -> None:
    silent = {name: SampleRow(NOW - 500, None, "bad", "no_response") for name in SAMPLES}
    made = tile.tile(replace(seen(), samples=silent), EN)
    assert (made.state, made.icon, made.is_normal, made.foot) == ("No data", "q-bad", False, "bad, no response")


def test_equipment_without_telemetry_is_no_fault() -> None:
    made = tile.tile(replace(seen(gateway=None), points={}, samples={}), EN)
    assert (made.state, made.is_normal) == ("No telemetry", True)


def test_a_ticket_of_a_machine_that_is_well_stands_in_the_foot_without_its_name() -> None:
    ticket = TicketRow(
        411,
        "duty",
        "s",
        "m",
        {},
        "periodic_test",
        {"en": "Fire pump 1: Weekly test missed"},
        "major",
        "",
        "fire",
        "",
        "new",
        NOW,
    )
    made = tile.tile(replace(seen("Fire pump 1"), tickets=(ticket,)), EN)
    assert (made.foot, made.foot_end, made.severity) == ("Weekly test missed", "T-000411", "")


def test_a_new_alarm_is_outlined_for_a_minute() -> None:
    assert tile.tile(seen(alarms=(alarm(ago_min=0.9),)), EN).is_new
    assert not tile.tile(seen(alarms=(alarm(ago_min=1.1),)), EN).is_new


def many(count: int, abnormal: dict[int, str]) -> list[Seen]:
    return [
        seen(f"Pump {n}", id=f"p{n}", system="water", alarms=(alarm(abnormal[n], ago_min=5),) if n in abnormal else ())
        for n in range(1, count + 1)
    ]


def test_four_tiles_keep_their_order_and_nothing_is_counted() -> None:
    (row,) = tile.rows(many(4, {3: "critical"}), EN)
    assert [one.name for one in row.tiles] == ["Pump 1", "Pump 2", "Pump 3", "Pump 4"]
    assert row.rest is None
    assert row.summary == "3 of 4\nnormal"


def test_more_than_four_show_the_abnormal_first_and_count_the_normal_rest() -> None:
    (row,) = tile.rows(many(10, {7: "minor", 9: "critical"}), EN)
    assert [one.name for one in row.tiles] == ["Pump 9", "Pump 7", "Pump 1"]
    assert row.rest is not None
    assert (row.rest.label, row.rest.abnormal) == ("+7 normal", ())


def test_no_abnormal_one_is_ever_hidden_behind_a_count() -> None:
    (row,) = tile.rows(many(8, dict.fromkeys(range(1, 7), "major")), EN)
    assert row.rest is not None
    assert len(row.tiles) + len(row.rest.abnormal) == 6
    assert row.rest.normal == 2


def test_what_gives_no_data_is_not_counted_as_normal() -> None:
    silent = {name: SampleRow(NOW - 500, None, "bad", "no_response") for name in SAMPLES}
    everything = [*many(5, {1: "critical", 2: "major"}), replace(many(6, {})[5], samples=silent)]
    (row,) = tile.rows(everything, EN)
    assert [one.name for one in row.tiles] == ["Pump 1", "Pump 2", "Pump 6"]
    assert row.rest is not None
    assert (row.rest.normal, row.summary) == (3, "3 of 6\nnormal")


def test_systems_stand_in_their_fixed_order() -> None:
    everything = [seen(id="a", system="fire"), seen(id="b", system="lifts"), seen(id="c", system="power")]
    assert [row.id for row in tile.rows(everything, EN)] == ["lifts", "power", "fire"]
