"""What the shipped classes silence by design, on the real engine with every rule of the class at work."""

from pathlib import Path

import pytest

from contract.messages import AlarmChanged, AlarmRaised, Cause, Quality, Record, Value
from edge.decode.sample import Moment, Sample
from edge.rules.engine import Engine
from tests.support.living_equipment import START_S, live, make_plant


class Scene:
    """A healthy piece of equipment, read each second, some of whose points somebody else decides."""

    def __init__(self, class_id: str, folder: Path) -> None:
        self.plant = make_plant(class_id)
        self.engine = Engine(live(class_id, folder).site, Moment(START_S * 1000, 0))
        self.second = 0
        self.records: list[Record] = []

    def show(self, seconds: int, **points: Value) -> None:
        for _ in range(seconds):
            self.second += 1
            wall, steady = (START_S + self.second) * 1000, self.second * 1000
            values = {**self.plant.values(START_S + self.second), **points}
            samples = [
                Sample("all", "one", name, value, Quality.GOOD, Cause.NONE, wall, steady) for name, value in values.items()
            ]  # fmt: skip
            self.records += self.engine.evaluate(samples, Moment(wall, steady))

    @property
    def heard(self) -> list[str]:
        """Rules that make a ticket: raised unsilenced, or freed from their silence."""
        found = []
        for one in self.records:
            if isinstance(one, AlarmRaised) and not one.suppressed_by:
                found.append(one.rule)
            if isinstance(one, AlarmChanged) and one.what == "unsuppressed":
                found.append(one.rule)
        return found


STUCK: dict[str, Value] = {
    "car_state": "stopped",
    "in_door_zone": False,
    "occupied": True,
    "door_state": "closed",
    "speed": 0.0,
}
FREE: dict[str, Value] = {"car_state": "stopped", "in_door_zone": True, "occupied": False, "door_state": "open"}


def test_a_release_opens_no_second_ticket(tmp_path: Path) -> None:
    scene = Scene("lift", tmp_path)
    scene.show(60, **STUCK, alarm_button=True)
    scene.show(60, **FREE, alarm_button=False)
    assert scene.heard == ["entrapment_button"]


def test_a_controller_that_reports_people_trapped_is_heard_beside_the_button(tmp_path: Path) -> None:
    scene = Scene("lift", tmp_path)
    scene.show(30, **STUCK, alarm_button=True, trapped=True)
    assert scene.heard == ["entrapment_button", "entrapment_reported"]


def test_in_inspection_only_the_derived_entrapment_is_not_judged(tmp_path: Path) -> None:
    scene = Scene("lift", tmp_path)
    scene.show(60, **STUCK, service_mode="inspection")
    assert scene.heard == []
    scene.show(1, **STUCK, service_mode="inspection", alarm_button=True)
    assert scene.heard == ["entrapment_button"]


def test_mains_lost_silences_low_domestic_water(tmp_path: Path) -> None:
    scene = Scene("pump", tmp_path)
    low: dict[str, Value] = {"discharge_pressure": 0.1, "running": True}
    scene.show(200, **low, supply_present=False)
    assert scene.heard == ["supply_lost"]
    assert [one.suppressed_by for one in scene.records if isinstance(one, AlarmRaised)] == ["", "supply_lost"]


@pytest.mark.parametrize(
    "lost", [{"power_a_available": False}, {"power_a_available": False, "power_b_available": False}]
)
def test_mains_lost_never_silences_fire_water(lost: dict[str, bool], tmp_path: Path) -> None:
    scene = Scene("fire_pump", tmp_path)
    scene.show(30, **lost, system_pressure=0.5)
    assert "low_water_pressure" in scene.heard


def test_nothing_silences_a_fire(tmp_path: Path) -> None:
    scene = Scene("fire_alarm_panel", tmp_path)
    scene.show(60, mains_present=False, battery_fault=True, panel_fault=True)
    scene.show(1, mains_present=False, battery_fault=True, panel_fault=True, fire=True)
    assert scene.heard[-1] == "fire"
