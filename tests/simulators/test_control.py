import asyncio
import json
from typing import Any

import pytest

from device_profiles.library import load
from simulators.control import Control, ControlError, command
from simulators.plant import PlantServers, SimulatedPlant
from simulators.site import build_site

SITE = {
    "site": {"id": "here"},
    "gateway": {"id": "gw_1"},
    "equipment": [{"id": "feeder_1", "class": "lv_switchgear", "ratings": {"rated_a": 250}}],
    "buses": [{"id": "lan", "modbus": "tcp", "host": "127.0.0.1", "port": 0}],
    "devices": [{"id": "meter_1", "model": "eastron_sdm630", "bus": "lan", "address": 1, "equipment": "feeder_1"}],
}


class Stopwatch:
    now = 1_795_000_000_000

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


def ask(plant: SimulatedPlant, clock: Stopwatch, **wish: Any) -> dict[str, Any]:
    return Control(plant, PlantServers(plant, clock)).answer(json.dumps(wish).encode())


def current(plant: SimulatedPlant) -> float:
    value = plant.values("feeder_1")["current_l1"]
    assert isinstance(value, float)
    return value


def test_an_injected_fault_is_there_at_once_and_gone_when_cleared(plant: SimulatedPlant, clock: Stopwatch) -> None:
    healthy = current(plant)
    answer = ask(plant, clock, do="inject", equipment="feeder_1", fault="overload")
    assert answer == {"ok": True, "at_ms": clock.now}
    assert current(plant) > 250 > healthy
    ask(plant, clock, do="clear", equipment="feeder_1", fault="overload")
    assert current(plant) == healthy


def test_the_history_tells_what_came_and_went_since(plant: SimulatedPlant, clock: Stopwatch) -> None:
    ask(plant, clock, do="inject", equipment="feeder_1", fault="overload")
    clock.now += 5000
    ask(plant, clock, do="clear", equipment="feeder_1", fault="overload")
    assert [one["do"] for one in ask(plant, clock, do="history")["history"]] == ["inject", "clear"]
    assert ask(plant, clock, do="history", after=1)["history"] == [
        {"at_ms": clock.now, "do": "clear", "equipment": "feeder_1", "fault": "overload", "onset_s": 0.0}
    ]


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (
            {"do": "inject", "equipment": "feeder_9", "fault": "overload"},
            "no equipment feeder_9; this plant has feeder_1",
        ),
        ({"do": "inject", "equipment": "feeder_1", "fault": "rust"}, "feeder_1 knows no fault rust; it knows "),
        ({"do": "misbehave", "device": "meter_9", "fault": "slow"}, "no device meter_9; this plant has meter_1"),
        ({"do": "dance"}, "not understood"),
        ({}, "not understood"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_answered(
    plant: SimulatedPlant, clock: Stopwatch, wish: dict[str, Any], said: str
) -> None:
    answer = ask(plant, clock, **wish)
    assert not answer["ok"]
    assert said in answer["error"]


def test_a_line_that_is_no_object_is_answered(plant: SimulatedPlant, clock: Stopwatch) -> None:
    control = Control(plant, PlantServers(plant, clock))
    assert not control.answer(b"hello\n")["ok"]
    assert not control.answer(b"[1]\n")["ok"]


def test_values_are_computed_once_in_a_tick(plant: SimulatedPlant, clock: Stopwatch) -> None:
    first = plant.values("feeder_1")
    assert plant.values("feeder_1") is first
    clock.now += 100
    assert plant.values("feeder_1") is not first


def test_a_hand_on_no_plant_is_told_each_way_to_start_one() -> None:
    with pytest.raises(ControlError, match="no simulated plant answers on port 1;") as caught:
        asyncio.run(command(1, {"do": "state"}))
    for way in ("`plantroom-sim demo`", "`plantroom-sim plant FILE`", "`plantroom-sim site FILE --serve`", "--control"):
        assert way in str(caught.value)
