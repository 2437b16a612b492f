"""A scenario plays by itself: first as written, then at random, the same for the same seed."""

import itertools
from pathlib import Path

import pytest

from device_profiles import library
from simulators.demo_setup import SITES
from simulators.plant import SimulatedPlant
from simulators.player import PAUSE_S, endless, play
from simulators.scenario import PlannedFault, load_scenario, schedule
from simulators.site import Broker, SiteError, broker_of, build_site, load_file

FAULTS = tuple(
    PlannedFault.model_validate(planned)
    for planned in (
        {"at": "1s", "equipment": "incomer_1", "fault": "low_power_factor", "lasts": "2s"},
        {"at": "2s", "equipment": "pump_1", "fault": "dry_run", "lasts": "500ms"},
    )
)


class JumpingClock:
    """Sleeping moves it."""

    def __init__(self) -> None:
        self.at_ms = 1_795_000_000_000

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        self.at_ms += round(seconds * 1000)


def test_after_the_scenario_one_fault_follows_the_other_with_a_pause_between() -> None:
    steps = list(itertools.islice(endless(FAULTS, 7), 24))
    assert steps[:4] == schedule(FAULTS)
    later = steps[4:]
    assert [step.do for step in later] == ["inject", "clear"] * 10
    pauses = [
        after.at_ms - before.at_ms for before, after in itertools.pairwise([steps[3], *later]) if after.do == "inject"
    ]
    assert all(PAUSE_S[0] * 1000 <= pause <= PAUSE_S[1] * 1000 for pause in pauses[1:])


def test_the_same_seed_gives_the_same_faults_and_another_seed_others() -> None:
    def first(seed: int) -> list[str]:
        return [str(step) for step in itertools.islice(endless(FAULTS, seed), 40)]

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_without_faults_nothing_happens() -> None:
    assert list(endless((), 0)) == []


async def test_the_plant_lives_through_its_scenario() -> None:
    folder = SITES / "demo"
    clock, site = JumpingClock(), build_site(load_file(folder / "site.yaml"), library.load())
    plant = SimulatedPlant(site, clock)
    began = clock.at_ms
    fault = load_scenario(folder / "scenario.yaml").faults[0]
    healthy = plant.values(fault.equipment)
    steps = schedule([fault])
    await play(plant, iter(steps[:1]), clock)
    assert clock.at_ms - began == fault.at
    clock.at_ms += fault.lasts // 2
    assert plant.values(fault.equipment) != healthy


def test_a_broker_is_where_the_site_says_and_known_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "login").write_text("plantroom:secret:with:colons\n")
    bus = {"id": "sensors", "mqtt": "mqtt://mosquitto:1884", "credential_file": "login"}
    assert broker_of(bus, tmp_path) == Broker("mosquitto", 1884, ("plantroom", "secret:with:colons"))
    assert broker_of({"id": "sensors", "mqtt": "mqtt://mosquitto"}, tmp_path) == Broker("mosquitto", 1883, None)
    with pytest.raises(SiteError, match=r"bus sensors: .*login.* cannot be read"):
        broker_of(bus, tmp_path / "elsewhere")
