"""The library as it ships: complete, cited, in both languages, and honest about what nobody has confirmed."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from device_profiles import library
from device_profiles.schema import EquipmentClass, PeriodicTest, Rule, Text

LIBRARY = library.load()
CLASSES = list(LIBRARY.classes.values())
FURTHER = {"generator", "ats", "dc_panel", "tank", "room", "lighting", "emergency_light"}
STANDARD = {"lift", "transformer", "lv_switchgear", "pump", "fire_pump", "fire_alarm_panel"}
RULES = [(of, name, rule) for of in CLASSES for name, rule in of.rules.items()]
TESTS = [(of, name, test) for of in CLASSES for name, test in of.tests.items()]
HAN = re.compile(r"[\u4e00-\u9fff]")


def obligations() -> Iterator[Rule | PeriodicTest]:
    for of in CLASSES:
        yield from of.rules.values()
        yield from of.tests.values()


def test_the_library_is_clean() -> None:
    assert library.check() == []


def test_the_standard_classes_cover_the_four_systems() -> None:
    assert set(LIBRARY.classes) >= STANDARD | FURTHER
    assert {LIBRARY.classes[name].system for name in STANDARD} == {"lifts", "power", "water", "fire"}


def test_every_rule_and_test_cites_a_clause_that_exists() -> None:
    cited = {clause for one in obligations() for clause in (one.clause, *one.covers)}
    assert cited <= set(LIBRARY.clauses)
    assert len(cited) > 100


@pytest.mark.parametrize("of", CLASSES, ids=lambda of: of.id)
def test_a_class_has_rules_tests_main_points_and_a_state(of: EquipmentClass) -> None:
    assert len(of.rules) >= 6
    assert of.tests
    assert of.main_points
    assert of.state_point or of.id == "lv_switchgear"
    assert len(of.faults) >= 3


@pytest.mark.parametrize(("of", "name", "rule"), RULES, ids=[f"{of.id}-{name}" for of, name, _ in RULES])
def test_a_rule_tells_people_cause_consequence_and_action(of: EquipmentClass, name: str, rule: Rule) -> None:
    for text in (rule.name, rule.cause, rule.consequence, rule.action):
        assert text is not None
        assert HAN.search(text.zh)
        assert not HAN.search(text.en)


def test_a_tile_shows_a_limit_beside_every_main_number_that_a_rule_judges_alone() -> None:
    marked = {(of.id, text.split()[0]) for of, _, rule in RULES for text in rule.marks}
    assert marked >= {
        ("lv_switchgear", "power_factor"), ("lv_switchgear", "current_l1"), ("transformer", "apparent_power"),
        ("pump", "discharge_pressure"), ("pump", "active_power"), ("fire_pump", "system_pressure"),
        ("fire_alarm_panel", "shielded_count"), ("generator", "battery_voltage"), ("tank", "level"),
    }  # fmt: skip


def test_every_figure_of_a_rule_can_be_edited() -> None:
    # Numbers left in an expression are unit factors and counts of phases, never thresholds.
    allowed = {"0", "1", "2", "3", "100"}
    found = {
        (of.id, name): set(re.findall(r"(?<![\w'])\d+(?:\.\d+)?(?![\w'])", rule.when)) - allowed
        for of, name, rule in RULES
    }
    assert {key: numbers for key, numbers in found.items() if numbers} == {}


def test_every_on_delay_is_a_figure_that_says_where_it_comes_from() -> None:
    assert [f"{of.id}.{name}" for of, name, rule in RULES if isinstance(rule.on_delay, int) and rule.on_delay] == []


def test_a_limit_on_an_unverified_clause_is_itself_unverified() -> None:
    loose = [
        f"{of.id}.{name}"
        for of in CLASSES
        for name, limit in of.limits.items()
        if limit.clause and LIBRARY.clauses[limit.clause].source.unverified and not limit.unverified
    ]
    assert loose == []


def test_nobody_waits_for_fire_or_a_pressed_alarm_button() -> None:
    for class_id, rule_id in [
        ("fire_alarm_panel", "fire"),
        ("lift", "entrapment_button"),
        ("lift", "entrapment_reported"),
    ]:
        rule = LIBRARY.classes[class_id].rules[rule_id]
        assert rule.on_delay == 0
        assert rule.severity == "life_safety"
        assert rule.gate is None


def test_inspection_mode_silences_only_the_derived_entrapment() -> None:
    rules = LIBRARY.classes["lift"].rules
    assert rules["entrapment_derived"].gate == "service_mode != 'inspection'"
    others = [
        name for name, rule in rules.items() if "inspection" in (rule.gate or "") and name != "entrapment_derived"
    ]
    assert others == []
    confirm = LIBRARY.classes["lift"].limits["entrapment_confirm"]
    assert (confirm.unit, 10 <= confirm.value <= 30) == ("s", True)


def test_low_power_factor_binds_only_the_compensated_incomer_and_uses_the_clause() -> None:
    of = LIBRARY.classes["lv_switchgear"]
    rule = of.rules["low_power_factor"]
    assert rule.roles == ["compensated_incomer"]
    assert rule.clause == "h-5.3.1-pf"
    assert (of.limits["pf_min"].value, of.limits["pf_window"].value, of.limits["pf_window"].unit) == (0.9, 15, "min")
    assert rule.gate is not None
    assert "pf_min_load" in rule.gate


def test_a_lift_is_not_done_with_half_yearly_care_alone() -> None:
    tests = LIBRARY.classes["lift"].tests
    assert [tests[name].every for name in ("half_month_care", "quarter_care", "half_year_care", "year_care")] == [
        "P15D", "P3M", "P6M", "P1Y",
    ]  # fmt: skip
    assert "tsg-lift-half-month" in LIBRARY.clauses["m-2.3.2-lift6m"].conflicts_with


def test_the_order_in_a_fire_spares_what_fire_fighting_needs() -> None:
    action = LIBRARY.classes["fire_alarm_panel"].rules["fire"].action
    assert action is not None
    assert "never fire pumps, firefighters' lifts, smoke control or emergency lighting" in action.en
    assert "o-fire-trip" in LIBRARY.classes["fire_alarm_panel"].rules["fire"].covers


def test_only_the_derived_entrapment_yields_to_another_alarm_for_life() -> None:
    silenced = [f"{of.id}.{name}" for of, name, rule in RULES if rule.severity == "life_safety" and rule.suppressed_by]
    assert silenced == ["lift.entrapment_derived"]


def test_a_call_for_help_outlasts_the_derived_entrapment_so_that_a_release_is_one_ticket() -> None:
    of = LIBRARY.classes["lift"]
    derived = delay_s(of, of.rules["entrapment_derived"].off_delay)
    for name in of.rules["entrapment_derived"].suppressed_by:
        assert delay_s(of, of.rules[name].off_delay) > derived


def test_mains_lost_silences_low_domestic_water_and_never_fire_water() -> None:
    assert "supply_lost" in LIBRARY.classes["pump"].rules["discharge_pressure_low"].suppressed_by
    fire = LIBRARY.classes["fire_pump"].rules
    for name in ("low_water_pressure", "not_in_auto", "tank_low", "failed_to_start"):
        assert not {"power_lost", "power_a_lost", "power_b_lost"} & set(fire[name].suppressed_by)


def test_nothing_silences_a_fire_or_a_fire_main_without_pressure() -> None:
    assert LIBRARY.classes["fire_alarm_panel"].rules["fire"].suppressed_by == []
    assert LIBRARY.classes["fire_pump"].rules["low_water_pressure"].suppressed_by == []


def test_a_milder_rule_waits_at_least_as_long_as_what_explains_it() -> None:
    early = [
        f"{of.id}.{name} before {cause}"
        for of, name, rule in RULES
        for cause in rule.suppressed_by
        if delay_s(of, of.rules[cause].on_delay) > delay_s(of, rule.on_delay)
    ]
    assert early == []


def delay_s(of: EquipmentClass, delay: int | str) -> float:
    if isinstance(delay, int):
        return delay / 1000
    limit = of.limits[delay]
    return limit.value * {"s": 1, "min": 60, "h": 3600}[limit.unit]


def test_daily_work_on_cabinets_is_looking_and_never_touching() -> None:
    daily = LIBRARY.classes["lv_switchgear"].tests["daily_round"]
    assert "visual and thermal only" in daily.name.en
    assert "e-lv-d-bolts" in daily.covers


@pytest.mark.parametrize(
    ("class_id", "test", "every"),
    [
        ("transformer", "daily_round", "P1D"), ("transformer", "half_yearly_care", "P6M"),
        ("transformer", "yearly_safety_test", "P1Y"), ("lv_switchgear", "yearly_overhaul", "P1Y"),
        ("lv_switchgear", "hv_test", "P2Y"), ("lift", "half_month_care", "P15D"),
        ("lv_switchgear", "battery_discharge", "P1Y"), ("lv_switchgear", "protective_gear", "P6M"),
        ("pump", "quarterly_care", "P3M"), ("fire_pump", "weekly_automatic_start", "P7D"),
        ("fire_pump", "monthly_manual_start", "P1M"), ("fire_pump", "quarterly_flow", "P3M"),
        ("fire_pump", "daily_jockey", "P1D"), ("fire_pump", "weekly_diesel_fuel", "P7D"),
        ("fire_alarm_panel", "emergency_drill", "P1Y"), ("fire_pump", "automatic_patrol", "P7D"),
        ("fire_pump", "monthly_levels", "P1M"), ("fire_pump", "daily_diesel_battery", "P1D"),
        ("fire_pump", "monthly_diesel_start", "P1M"), ("fire_pump", "nfpa25_electric_churn", "P1M"),
        ("fire_pump", "nfpa25_diesel_churn", "P7D"), ("generator", "monthly_load_run", "P1M"),
        ("dc_panel", "battery_discharge", "P1Y"), ("emergency_light", "monthly_function", "P1M"),
    ],
)  # fmt: skip
def test_periodic_work_has_the_interval_of_its_clause(class_id: str, test: str, every: str) -> None:
    found = LIBRARY.classes[class_id].tests[test]
    assert found.every == every
    assert LIBRARY.clauses[found.clause].period == every


def test_earthing_is_measured_twice_in_the_year_that_the_clause_names() -> None:
    clause = LIBRARY.clauses["t-earth-2x"]
    assert (clause.value, clause.period) == (">= 2 tests", "P1Y")
    found = [test.every for of, _, test in TESTS if test.clause == clause.id]
    assert found
    assert set(found) == {"P6M"}


def test_the_patrol_at_low_speed_is_judged_without_pressure() -> None:
    patrol = LIBRARY.classes["fire_pump"].tests["automatic_patrol"].observed
    start = LIBRARY.classes["fire_pump"].tests["weekly_automatic_start"].observed
    assert patrol is not None
    assert start is not None
    assert "pressure" not in patrol.passes
    assert "system_pressure" in start.passes
    assert (start.minimum, patrol.minimum) == ("test_run", "patrol_run")


def test_nfpa_25_is_an_option_with_ten_and_thirty_minutes() -> None:
    of = LIBRARY.classes["fire_pump"]
    runs = [of.limits[f"nfpa25_{drive}_run"] for drive in ("electric", "diesel")]
    assert [(one.value, one.unit, one.unverified) for one in runs] == [(10, "min", True), (30, "min", True)]
    assert [of.tests[f"nfpa25_{drive}_churn"].roles for drive in ("electric", "diesel")] == [
        ["nfpa25_electric"], ["nfpa25_diesel"],
    ]  # fmt: skip


def test_clauses_are_told_in_both_languages() -> None:
    def is_told(text: Text) -> bool:
        return bool(HAN.search(text.zh)) and not HAN.search(text.en)

    assert [one.id for one in LIBRARY.clauses.values() if not is_told(one.summary)] == []
    assert len(LIBRARY.clauses) > 340


def test_summaries_do_not_repeat_each_other() -> None:
    counted = Counter(one.summary.en for one in LIBRARY.clauses.values())
    assert [text for text, count in counted.items() if count > 1] == []


def test_every_standard_class_has_a_model_and_unverified_ones_say_so() -> None:
    served = {model.equipment_class for model in LIBRARY.models.values()}
    assert served >= STANDARD
    for model in LIBRARY.models.values():
        assert model.sources
    assert LIBRARY.models["dry_transformer_controller"].status == "unverified"
    assert all(one.unverified for one in LIBRARY.models["dry_transformer_controller"].registers.values())
    assert LIBRARY.models["eastron_sdm630"].status == "verified"


def test_the_meter_stands_at_its_published_addresses() -> None:
    registers = LIBRARY.models["eastron_sdm630"].registers
    published = {
        "voltage_l1": 0x0000, "voltage_l3": 0x0004, "current_l1": 0x0006, "active_power_l1": 0x000C,
        "apparent_power_l1": 0x0012, "reactive_power_l1": 0x0018, "power_factor_l1": 0x001E, "voltage_average": 0x002A,
        "current_average": 0x002E, "active_power": 0x0034, "apparent_power": 0x0038, "reactive_power": 0x003C,
        "power_factor": 0x003E, "phase_angle": 0x0042, "frequency": 0x0046, "energy_import": 0x0048,
        "energy_export": 0x004A, "reactive_energy_import": 0x004C, "thd_voltage_l1": 0x00EA, "thd_voltage_mean": 0x00F8,
        "energy_total": 0x0156, "energy_import_l1": 0x015A, "reactive_energy_total_l3": 0x017C,
    }  # fmt: skip
    assert {name: registers[name].address for name in published} == published
    assert {(one.table, one.type) for one in registers.values()} == {("input", "float32")}
