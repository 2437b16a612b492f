"""What people and weather do to a plant in the course of a day and a year."""

from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from simulators.physics import Plant, create, fire_pump, make_calendar
from simulators.physics.calendar import Calendar
from simulators.physics.models import hydraulics
from simulators.physics.plant import PointValue
from tests.support.living_equipment import LIBRARY, RATINGS, START_S, make_plant

DAY_S = 86_400


def number(value: PointValue) -> float:
    assert isinstance(value, int | float)
    return float(value)


def at(text: str, zone: str = "Asia/Shanghai") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def plant_in(class_id: str, calendar: Calendar, **ratings: float | str) -> Plant:
    limits = {name: limit.value for name, limit in LIBRARY.classes[class_id].limits.items()}
    return create(class_id, 7, {**RATINGS[class_id], **ratings}, limits, calendar=calendar)


def mean(plant: Plant, point: str, start: float, seconds: int = 3600, step: int = 7) -> float:
    seen = [number(plant.values(start + second)[point]) for second in range(0, seconds, step)]
    return sum(seen) / len(seen)


def test_a_working_morning_draws_more_than_a_night_or_a_sunday() -> None:
    plant = make_plant("lv_switchgear")
    busy = mean(plant, "active_power", at("2026-11-18T10:00"))
    assert busy > 1.5 * mean(plant, "active_power", at("2026-11-18T03:00"))
    assert busy > 1.3 * mean(plant, "active_power", at("2026-11-22T10:00"))


def test_a_holiday_is_a_day_of_rest_for_those_whose_site_keeps_it() -> None:
    days = [date(2026, 10, 1)]
    kept, worked = plant_in("pump", make_calendar(holidays=days)), plant_in("pump", make_calendar())
    morning = at("2026-10-01T07:00")
    assert mean(kept, "flow", morning) < 0.7 * mean(worked, "flow", morning)


def test_people_in_berlin_rise_by_the_clock_of_berlin_in_summer_and_winter() -> None:
    plant = plant_in("pump", make_calendar("Europe/Berlin"))
    for day in ("2026-07-08", "2026-12-09"):
        rise = mean(plant, "flow", at(f"{day}T07:30", "Europe/Berlin"))
        assert rise > 5 * mean(plant, "flow", at(f"{day}T04:00", "Europe/Berlin"))


def test_counters_agree_with_what_was_drawn_meanwhile() -> None:
    """An hour's energy is the hour's mean power, on a morning, at night and on a Sunday."""
    plant = make_plant("lv_switchgear")
    for hour in ("2026-11-18T10:00", "2026-11-18T03:00", "2026-11-22T15:00"):
        start = at(hour)
        counted = number(plant.values(start + 3600)["energy_import"]) - number(plant.values(start)["energy_import"])
        assert counted == pytest.approx(mean(plant, "active_power", start), rel=0.03)


def test_a_lift_counts_each_trip_that_its_car_makes() -> None:
    plant, start = make_plant("lift"), at("2026-11-18T08:00")
    seen = [plant.values(start + second) for second in range(3600)]
    departures = sum(
        before["car_state"] == "stopped" and after["car_state"] == "moving" for before, after in pairwise(seen)
    )
    counted = number(seen[-1]["trips"]) - number(seen[0]["trips"])
    assert departures > 40
    assert abs(counted - departures) <= 1


def test_a_car_is_full_upwards_in_the_morning_and_downwards_in_the_evening() -> None:
    plant = make_plant("lift")

    def carried(start: str, way: str) -> float:
        seen = [plant.values(at(start) + second) for second in range(0, 3600, 5)]
        loads = [number(one["load"]) for one in seen if one["direction"] == way]
        return sum(loads) / len(loads)

    assert carried("2026-11-18T08:00", "up") > 2.5 * carried("2026-11-18T08:00", "down")
    assert carried("2026-11-18T17:30", "down") > 2.5 * carried("2026-11-18T17:30", "up")


def test_a_car_is_where_it_was_when_nobody_has_called_it() -> None:
    """No jump between two looks half a second apart: never more than a floor, and only while it moves."""
    plant, start = make_plant("lift"), at("2026-11-18T06:30")
    for before, after in pairwise(plant.values(start + second * 0.5) for second in range(4000)):
        moved = abs(number(after["floor"]) - number(before["floor"]))
        assert moved <= 1
        assert not moved or "moving" in (before["car_state"], after["car_state"])


def test_a_tall_building_gives_its_lift_the_time_it_needs() -> None:
    plant, start = plant_in("lift", make_calendar(), floors=90, rated_speed=2.0), at("2026-11-18T08:00")
    seen = [plant.values(start + second) for second in range(3600)]
    assert max(number(one["floor"]) for one in seen) > 60
    for before, after in pairwise(seen):
        assert abs(number(after["floor"]) - number(before["floor"])) <= 1


def test_stages_follow_the_load_and_are_switched_a_few_times_a_day() -> None:
    plant, start = make_plant("lv_switchgear"), at("2026-11-18T00:00")
    seen = [plant.values(start + second) for second in range(0, DAY_S, 300)]
    stages = [number(one["capacitor_stages_on"]) for one in seen]
    assert stages[3 * 12] < stages[15 * 12]
    assert 2 <= sum(before != after for before, after in pairwise(stages)) <= 16
    assert min(number(one["power_factor"]) for one in seen) > 0.92


def test_oil_lags_behind_the_load_by_hours_and_the_hot_spot_lies_above_it() -> None:
    plant, start = plant_in("transformer", make_calendar(), insulation="oil"), at("2027-01-20T00:00")
    seen = [plant.values(start + second) for second in range(0, DAY_S, 600)]

    def crest(point: str) -> int:
        return max(range(len(seen)), key=lambda index: number(seen[index][point]))

    assert 0.5 < (crest("oil_temperature") - crest("apparent_power")) / 6 < 6
    assert all(number(one["oil_winding_temperature"]) > number(one["oil_temperature"]) for one in seen)


def test_fans_start_and_stop_with_hysteresis_on_a_summer_day() -> None:
    plant, start = plant_in("transformer", make_calendar(), insulation="oil"), at("2027-07-21T00:00")
    seen = [plant.values(start + second) for second in range(0, DAY_S, 1800)]
    oil = {
        state: [number(one["oil_temperature"]) for one in seen if one["fan_running"] is state]
        for state in (True, False)
    }
    assert max(oil[False]) < 57, "they start at 55 °C"
    assert min(oil[True]) > 43, "they stop at 45 °C"
    assert min(oil[True]) < max(oil[False]), "between the two it depends on what they did before"
    assert sum(before["fan_running"] != after["fan_running"] for before, after in pairwise(seen)) <= 3


def test_temperatures_have_no_seam_at_midnight() -> None:
    plant = plant_in("transformer", make_calendar(), insulation="oil")
    for day in range(5):
        midnight = (START_S // DAY_S + day) * DAY_S
        before, after = plant.values(midnight - 0.5), plant.values(midnight + 0.5)
        for point in ("oil_temperature", "oil_winding_temperature"):
            assert number(after[point]) == pytest.approx(number(before[point]), abs=0.1)


def test_rooms_are_warmer_in_july_than_in_january() -> None:
    for class_id, point in (
        ("room", "temperature"),
        ("lift", "machine_room_temperature"),
        ("tank", "water_temperature"),
    ):
        plant = make_plant(class_id)
        assert mean(plant, point, at("2027-07-20T12:00")) > mean(plant, point, at("2027-01-20T12:00")) + 4


def test_a_pump_turns_as_fast_as_its_demand_asks_and_rests_at_night() -> None:
    plant = make_plant("pump")
    seen = [plant.values(at("2026-11-18T00:00") + second) for second in range(0, DAY_S, 300)]
    running = [one for one in seen if one["running"]]
    fast, slow = max(running, key=lambda one: number(one["flow"])), min(running, key=lambda one: number(one["flow"]))
    assert number(fast["speed"]) > number(slow["speed"])
    assert number(fast["active_power"]) / number(slow["active_power"]) > hydraulics.affine(
        1, number(fast["speed"]) / number(slow["speed"]), 3
    ), "more than the cube of the speed, as the flow at the same head is greater too"
    assert len(running) < len(seen)
    assert {one["running"] for one in seen[24:48]} == {False}, "two to four in the morning"


def test_a_fire_pump_runs_at_the_hour_its_controller_is_set_to() -> None:
    plant, calendar = make_plant("fire_pump"), make_calendar()
    routine = fire_pump.weekly_start(plant.seed)
    start = next(
        START_S + second for second in range(0, 7 * DAY_S, 60) if routine.since(calendar, START_S + second) is not None
    )
    seen = plant.values(start + 60)
    assert (seen["running"], seen["test_order"], seen["start_order"], seen["patrol"]) == (True, True, False, False)
    assert number(seen["system_pressure"]) > 0.9
    assert number(seen["motor_current"]) > 70


def test_a_fire_main_loses_its_pressure_fast_first_and_then_slower() -> None:
    plant = make_plant("fire_pump")
    seen = [number(plant.values(START_S + second)["system_pressure"]) for second in range(0, 4880, 10)]
    top = seen.index(max(seen[:244]))
    lost = [seen[top] - seen[top + 60], seen[top + 60] - seen[top + 120], seen[top + 120] - seen[top + 180]]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] > 1.05 * lost[2]


def test_a_battery_falls_through_an_outage_hour_by_hour() -> None:
    plant = make_plant("dc_panel")
    plant.inject("mains_lost", START_S)
    volts = [number(plant.values(START_S + hour * 3600)["battery_voltage"]) for hour in range(1, 9)]
    assert all(after < before for before, after in pairwise(volts[::2]))
    assert number(plant.values(START_S + 3600)["battery_current"]) < 0
