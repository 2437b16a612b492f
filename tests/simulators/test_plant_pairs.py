"""A duty pump and its standby pump: turns, failure, and what the class says of both."""

from typing import Any

import pytest

from device_profiles.library import load
from simulators.plant import SimulatedPlant
from simulators.site import build_site

RATINGS = {"rated_kw": 7.5, "rated_a": 14.2, "setpoint_mpa": 0.55}
SITE: dict[str, Any] = {
    "site": {"id": "here", "zone": "Asia/Shanghai"},
    "gateway": {"id": "gw_1"},
    "equipment": [
        {"id": "pump_1", "class": "pump", "roles": ["booster"], "ratings": RATINGS},
        {"id": "pump_2", "class": "pump", "roles": ["booster", "standby"], "serves": "pump_1", "ratings": RATINGS},
        {"id": "pump_3", "class": "pump", "roles": ["booster"], "ratings": RATINGS},
    ],
}


class Stopwatch:
    now = 1_795_049_000_000
    """Ten to nine in the morning in Shanghai, when everybody washes."""

    def now_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


@pytest.fixture
def clock() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def plant(clock: Stopwatch) -> SimulatedPlant:
    return SimulatedPlant(build_site(SITE, load()), clock)


def running(plant: SimulatedPlant) -> tuple[object, ...]:
    return tuple(plant.values(name)["running"] for name in ("pump_1", "pump_2", "pump_3"))


def test_two_pumps_take_turns_and_one_alone_always_works(plant: SimulatedPlant, clock: Stopwatch) -> None:
    first = running(plant)
    clock.now += 12 * 3_600_000
    second = running(plant)
    assert {first[:2], second[:2]} == {(True, False), (False, True)}
    assert first[2] is second[2] is True


@pytest.mark.parametrize("fault", ["drive_fault", "supply_lost"])
@pytest.mark.parametrize(("failing", "other"), [("pump_1", "pump_2"), ("pump_2", "pump_1")])
def test_the_other_pump_starts_at_once_when_one_fails_and_holds_the_pressure(
    plant: SimulatedPlant, fault: str, failing: str, other: str
) -> None:
    woken: list[str] = []
    plant.on_change(other, lambda: woken.append(other))
    running(plant)
    plant.inject(failing, fault)
    seen = plant.values(other)
    assert (plant.values(failing)["running"], seen["running"]) == (False, True)
    assert seen["discharge_pressure"] == pytest.approx(0.55, abs=0.01)
    assert woken == [other]
    plant.clear(failing, fault)
    assert sorted(map(bool, running(plant)[:2])) == [False, True]


def test_a_fault_that_needs_a_running_pump_puts_a_resting_one_to_work(plant: SimulatedPlant) -> None:
    resting = "pump_2" if running(plant)[0] else "pump_1"
    plant.inject(resting, "dry_run")
    assert plant.values(resting)["running"] is True
