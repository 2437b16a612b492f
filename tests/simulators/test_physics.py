"""The simulated plant obeys what nature and the class say of it."""

import math
from itertools import pairwise

import pytest

from device_profiles.schema import Point
from simulators.physics import create
from simulators.physics.plant import PointValue
from tests.support.living_equipment import CLASSES, FAULTS, LIBRARY, START_S, make_plant

FAULT_IDS = [f"{name}-{fault}" for name, fault in FAULTS]
DAY = range(START_S, START_S + 86_400, 487)


def number(value: PointValue) -> float:
    assert isinstance(value, int | float)
    return float(value)


def fits(point: Point, value: PointValue) -> bool:
    if point.kind == "bit":
        return isinstance(value, bool)
    if point.kind in ("state", "text"):
        return isinstance(value, str) and (point.kind == "text" or value in point.states)
    low, high = point.plausible or (-math.inf, math.inf)
    return isinstance(value, float) and low <= value <= high


@pytest.mark.parametrize("class_id", CLASSES)
def test_every_point_shows_a_plausible_value_of_its_kind_all_day(class_id: str) -> None:
    points = LIBRARY.classes[class_id].points
    for seed in (1, 2, 3):
        plant = make_plant(class_id, seed)
        for now in DAY:
            values = plant.values(now)
            assert set(values) == set(points)
            assert [name for name, value in values.items() if not fits(points[name], value)] == []


@pytest.mark.parametrize(("class_id", "fault"), FAULTS, ids=FAULT_IDS)
def test_a_fault_keeps_every_value_plausible(class_id: str, fault: str) -> None:
    points = LIBRARY.classes[class_id].points
    plant = make_plant(class_id)
    plant.inject(fault, START_S)
    for now in range(START_S, START_S + 300, 7):
        assert [name for name, value in plant.values(now).items() if not fits(points[name], value)] == []


@pytest.mark.parametrize("class_id", CLASSES)
def test_the_class_and_the_physics_know_the_same_faults(class_id: str) -> None:
    assert set(make_plant(class_id).known_faults) == set(LIBRARY.classes[class_id].faults)


@pytest.mark.parametrize(("class_id", "fault"), FAULTS, ids=FAULT_IDS)
def test_a_fault_shows_at_the_instant_it_is_injected(class_id: str, fault: str) -> None:
    sick, healthy = make_plant(class_id), make_plant(class_id)
    sick.inject(fault, START_S)
    seen = [sick.values(START_S + at) != healthy.values(START_S + at) for at in (0, 5)]
    assert any(seen)
    assert sick.faults == (fault,)


@pytest.mark.parametrize(("class_id", "fault"), FAULTS, ids=FAULT_IDS)
def test_a_repaired_plant_is_as_if_nothing_had_been_but_for_what_it_counted(class_id: str, fault: str) -> None:
    points = LIBRARY.classes[class_id].points
    repaired, healthy = make_plant(class_id), make_plant(class_id)
    repaired.inject(fault, START_S)
    repaired.clear(fault, START_S + 100)
    left, usual = repaired.values(START_S + 200), healthy.values(START_S + 200)
    assert repaired.faults == ()
    counted = {name for name, point in points.items() if point.kind == "counter"}
    assert {name for name in points if left[name] != usual[name]} <= counted


@pytest.mark.parametrize("class_id", CLASSES)
def test_values_depend_on_seed_time_and_faults_and_on_nothing_else(class_id: str) -> None:
    often, rarely = make_plant(class_id), make_plant(class_id)
    fault = next(iter(LIBRARY.classes[class_id].faults))
    for now in range(START_S, START_S + 500):
        often.values(now)
    for plant in (often, rarely):
        plant.inject(fault, START_S + 500)
    assert often.values(START_S + 900.25) == rarely.values(START_S + 900.25)
    assert make_plant(class_id, 8).values(START_S) != make_plant(class_id, 7).values(START_S)


@pytest.mark.parametrize("class_id", CLASSES)
def test_counters_never_fall(class_id: str) -> None:
    points = LIBRARY.classes[class_id].points
    counters = [name for name, point in points.items() if point.kind == "counter"]
    plant = make_plant(class_id)
    rows = []
    for at in range(0, 7200, 60):
        if at == 600 and class_id == "pump":
            plant.inject("short_cycling", START_S + at)
        if at == 1200 and class_id == "pump":
            plant.clear("short_cycling", START_S + at)
        rows.append(plant.values(START_S + at))
    for before, after in pairwise(rows):
        assert [name for name in counters if number(after[name]) < number(before[name])] == []
    assert [name for name in counters if rows[-1][name] == rows[0][name] and "export" not in name] in (
        [],
        ["starts"],
        ["transfers"],
    )


@pytest.mark.parametrize("fault", [None, "low_power_factor", "overload", "phase_loss", "joint_overheating"])
def test_a_meter_shows_one_power_triangle(fault: str | None) -> None:
    plant = make_plant("lv_switchgear")
    if fault:
        plant.inject(fault, START_S)
    for at in range(0, 600, 37):
        seen = {name: number(value) for name, value in plant.values(START_S + at).items() if not isinstance(value, str)}
        assert math.hypot(seen["active_power"], seen["reactive_power"]) == pytest.approx(seen["apparent_power"])
        assert seen["active_power"] / seen["apparent_power"] == pytest.approx(seen["power_factor"])
        for quantity in ("active_power", "reactive_power"):
            assert sum(seen[f"{quantity}_l{phase}"] for phase in (1, 2, 3)) == pytest.approx(seen[quantity])
        for phase in (1, 2, 3):
            volt_amperes = seen[f"voltage_l{phase}"] * seen[f"current_l{phase}"] / 1000
            assert volt_amperes == pytest.approx(seen[f"apparent_power_l{phase}"])


def test_without_its_capacitors_the_same_work_needs_more_current() -> None:
    plant = make_plant("lv_switchgear")
    before = plant.values(START_S)
    plant.inject("low_power_factor", START_S)
    after = plant.values(START_S)
    assert number(after["active_power"]) == pytest.approx(number(before["active_power"]), rel=0.01)
    assert number(after["current_l1"]) > 1.2 * number(before["current_l1"])
    assert after["capacitor_stages_on"] == 0


def test_a_lost_phase_carries_nothing_and_the_neutral_takes_over() -> None:
    plant = make_plant("lv_switchgear")
    plant.inject("phase_loss", START_S)
    seen = plant.values(START_S)
    assert number(seen["voltage_l2"]) < 5
    assert seen["current_l2"] == 0
    assert number(seen["neutral_current"]) == pytest.approx(number(seen["current_l1"]), rel=0.1)


def test_windings_warm_with_the_load_and_later_than_it() -> None:
    plant = make_plant("transformer")
    day = {at: plant.values(START_S + at) for at in range(0, 86_400, 300)}

    def crest(point: str) -> int:
        return max(day, key=lambda at: number(day[at][point]))

    coolest = min(number(row["winding_temperature_a"]) for row in day.values())
    hottest = max(number(row["winding_temperature_a"]) for row in day.values())
    assert hottest - coolest > 5
    late_h = (crest("winding_temperature_a") - crest("apparent_power")) / 3600 % 24
    assert 0 < late_h < 6


@pytest.mark.parametrize("fault", [None, "dry_run", "high_discharge_pressure", "bearing_overheating"])
def test_a_motor_draws_the_current_of_its_power(fault: str | None) -> None:
    plant = make_plant("pump")
    if fault:
        plant.inject(fault, START_S)
    seen = {name: number(value) for name, value in plant.values(START_S).items()}
    volt_amperes = math.sqrt(3) * seen["motor_voltage"] * seen["motor_current"]
    assert volt_amperes * seen["power_factor"] / 1000 == pytest.approx(seen["active_power"])


def test_a_dry_pump_loses_power_and_power_factor_but_little_current() -> None:
    plant = make_plant("pump")
    before = plant.values(START_S)
    plant.inject("dry_run", START_S)
    after = plant.values(START_S)
    share = {
        name: number(after[name]) / number(before[name]) for name in ("active_power", "power_factor", "motor_current")
    }
    assert share["active_power"] < 0.6
    assert share["power_factor"] < 0.6
    assert share["motor_current"] > 0.85
    assert after["flow"] == 0


def test_a_tripped_pump_stands_still() -> None:
    plant = make_plant("pump")
    plant.inject("drive_fault", START_S)
    seen = plant.values(START_S)
    assert (seen["running"], seen["fault"], seen["speed"], seen["flow"], seen["motor_current"]) == (
        False,
        True,
        0,
        0,
        0,
    )


def test_a_lift_moves_with_closed_doors_and_stops_where_people_can_get_out() -> None:
    plant = make_plant("lift")
    floors = set()
    doors = set()
    for at in range(7200):
        seen = plant.values(START_S + at * 0.5)
        floors.add(seen["floor"])
        doors.add(seen["door_state"])
        if seen["car_state"] == "moving":
            assert (seen["door_state"], seen["door_lock_closed"]) == ("closed", True)
            assert 0 < abs(number(seen["speed"])) <= 1.75
            assert seen["direction"] == ("up" if number(seen["speed"]) > 0 else "down")
        else:
            assert (seen["in_door_zone"], seen["speed"], seen["direction"]) == (True, 0, "none")
    assert len(floors) > 10
    assert floors <= {float(floor) for floor in range(1, 21)}
    assert doors == {"closed", "opening", "open", "closing"}


def test_a_car_passes_no_floor_twice_on_one_trip() -> None:
    plant = make_plant("lift")
    for before, after in pairwise(plant.values(START_S + at * 0.5) for at in range(7200)):
        if before["direction"] == after["direction"] != "none":
            step = number(after["floor"]) - number(before["floor"])
            assert step in ((0, 1, 2) if after["direction"] == "up" else (0, -1, -2))


def test_the_jockey_pump_keeps_the_pressure_between_its_settings() -> None:
    plant = make_plant("fire_pump")
    seen = [plant.values(START_S + at) for at in range(0, 7200, 5)]
    pressures = [number(one["system_pressure"]) for one in seen]
    assert min(pressures) >= 0.8
    assert max(pressures) <= 0.9
    assert {one["jockey_running"] for one in seen} == {True, False}


def test_a_fire_names_its_place() -> None:
    plant = make_plant("fire_alarm_panel")
    plant.inject("detector_fire", START_S)
    seen = plant.values(START_S)
    assert (seen["fire"], seen["fire_count"], seen["panel_state"]) == (True, 1, "fire")
    assert seen["fire_zone"]


@pytest.mark.parametrize("now", [0.0, 1.5, 1_000_000.0, 4_000_000_000.0])
@pytest.mark.parametrize("class_id", CLASSES)
def test_any_instant_may_be_asked_for(class_id: str, now: float) -> None:
    points = LIBRARY.classes[class_id].points
    values = make_plant(class_id).values(now)
    assert [name for name, value in values.items() if not fits(points[name], value)] == []


def test_an_unknown_fault_is_refused_with_the_list_of_known_ones() -> None:
    plant = make_plant("fire_alarm_panel")
    with pytest.raises(ValueError, match="smoke is no fault here; there are detector_fire"):
        plant.inject("smoke", 0)
    with pytest.raises(ValueError, match="smoke is no fault here"):
        plant.clear("smoke", 0)


def test_a_fault_injected_twice_is_one_fault_and_clearing_what_is_not_there_is_nothing() -> None:
    plant = make_plant("pump")
    plant.clear("dry_run", START_S)
    plant.inject("dry_run", START_S)
    plant.inject("dry_run", START_S + 5)
    plant.inject("bearing_overheating", START_S + 6)
    assert list(plant.faults) == ["dry_run", "bearing_overheating"]
    plant.clear("dry_run", START_S + 7)
    assert list(plant.faults) == ["bearing_overheating"]


def test_a_class_of_ones_own_shows_constant_healthy_values() -> None:
    name = {"en": "x", "zh": "x"}
    points = {
        "speed": Point.model_validate({"name": name, "kind": "gauge", "plausible": [0, 100]}),
        "level": Point.model_validate({"name": name, "kind": "gauge", "simulate": 3.5}),
        "running": Point.model_validate({"name": name, "kind": "bit"}),
        "mode": Point.model_validate({"name": name, "kind": "state", "states": {"auto": name, "hand": name}}),
    }
    values = create("fan", 1, {}, {}, points).values(0)
    assert values == {"speed": 30, "level": 3.5, "running": False, "mode": "auto"}
    with pytest.raises(ValueError, match="nothing is known of how a fan behaves"):
        create("fan", 1, {}, {})
