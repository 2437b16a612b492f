"""A healthy year is silent, in every season and at every hour: the shipped rules on the real engine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from contract.messages import Cause, Quality, Record, TestObserved
from edge.config import load_site
from edge.decode.sample import Moment, Sample
from edge.rules.engine import Engine
from simulators.physics import Calendar, Plant, dc_panel, emergency_light
from simulators.physics.calendar import Routine
from tests.support.living_equipment import CLASSES, LIBRARY, START_S, alarms_and_doubts, live, make_plant

DAY_S, YEAR_S = 86_400, 365 * 86_400
QUARTER_S = 900
ODD_S = 17_977
"""Five hours less half a minute: comes to every hour of the day within a week."""
OFTENER_S = {"pump": 7013}
"""Where a rule looks at the last hour and must see something in it."""
BUSY = ("lift", "lv_switchgear", "pump", "tank", "fire_pump", "transformer")


def records(class_id: str, folder: Path, plant: Plant, seconds: int, step: int) -> Iterator[Record]:
    """What a gateway that samples every ``step`` seconds would report."""
    live(class_id, folder)
    site = yaml.safe_load((folder / "site.yaml").read_text(encoding="utf-8"))
    site["devices"][0]["every"] = f"{step}s"
    (folder / "site.yaml").write_text(yaml.safe_dump(site), encoding="utf-8")
    engine = Engine(load_site(folder / "site.yaml", None), Moment(START_S * 1000, 0))
    for at in range(0, seconds, step):
        moment = Moment((START_S + at) * 1000, at * 1000)
        yield from engine.evaluate(
            [
                Sample("all", "one", name, value, Quality.GOOD, Cause.NONE, moment.wall_ms, moment.steady_ms)
                for name, value in plant.values(START_S + at).items()
            ],
            moment,
        )


@pytest.mark.parametrize("class_id", CLASSES)
def test_a_healthy_year_raises_nothing(class_id: str, tmp_path: Path) -> None:
    assert (
        alarms_and_doubts(records(class_id, tmp_path, make_plant(class_id), YEAR_S, OFTENER_S.get(class_id, ODD_S)))
        == []
    )


def test_a_year_with_a_fault_in_it_would_be_noticed(tmp_path: Path) -> None:
    plant = make_plant("room")
    plant.inject("pipe_burst", START_S)
    assert alarms_and_doubts(records("room", tmp_path, plant, 10 * ODD_S, ODD_S)) == ["water_found"]


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("class_id", CLASSES)
def test_a_healthy_year_of_quarters_of_an_hour_raises_nothing(class_id: str, tmp_path: Path) -> None:
    assert alarms_and_doubts(records(class_id, tmp_path, make_plant(class_id, 3), YEAR_S, QUARTER_S)) == []


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize("class_id", BUSY)
def test_a_healthy_week_seen_every_half_minute_raises_nothing(class_id: str, tmp_path: Path) -> None:
    assert alarms_and_doubts(records(class_id, tmp_path, make_plant(class_id, 4), 7 * DAY_S, 30)) == []


@pytest.mark.parametrize(
    ("class_id", "tests", "runs"),
    [
        ("fire_pump", {"weekly_automatic_start", "automatic_patrol"}, 6),
        ("generator", {"monthly_load_run"}, 1),
        ("ats", {"monthly_transfer"}, 1),
        ("emergency_light", {"monthly_function"}, 1),
    ],
)
def test_plant_tests_itself_as_often_as_its_class_asks(
    class_id: str, tests: set[str], runs: int, tmp_path: Path
) -> None:
    """Six weeks for what is weekly, four for what is monthly."""
    days = 42 if class_id == "fire_pump" else 28
    heard = records(class_id, tmp_path, make_plant(class_id), days * DAY_S, 600)
    seen = [record for record in heard if isinstance(record, TestObserved) and record.test in tests]
    assert sorted(record.test for record in seen) == sorted(list(tests) * runs)
    assert all(record.passed for record in seen), [record.reasons for record in seen]


@pytest.mark.parametrize(
    ("class_id", "test", "routine"),
    [
        ("emergency_light", "yearly_discharge", emergency_light.yearly),
        ("dc_panel", "battery_discharge", dc_panel.test_discharge),
    ],
)
def test_a_battery_proves_itself_once_a_year(
    class_id: str, test: str, routine: Callable[[int], Routine], tmp_path: Path
) -> None:
    until_s = START_S + 14 * DAY_S
    seed = next(seed for seed in range(400) if routine(seed).times(Calendar(), START_S, until_s))
    assert routine(seed).times(Calendar(), START_S, START_S + 364 * DAY_S) == 1
    heard = records(class_id, tmp_path, make_plant(class_id, seed), 15 * DAY_S, QUARTER_S)
    seen = [record for record in heard if isinstance(record, TestObserved) and record.test == test]
    assert [(record.passed, record.reasons) for record in seen] == [(True, [])]


def test_a_fire_pump_left_in_manual_misses_its_weekly_test() -> None:
    healthy, left = make_plant("fire_pump"), make_plant("fire_pump")
    left.inject("not_in_auto", START_S)
    weeks = range(START_S, START_S + 7 * DAY_S, 300)
    assert any(healthy.values(now)["test_order"] for now in weeks)
    assert not any(left.values(now)["test_order"] or left.values(now)["patrol"] for now in weeks)


def test_every_class_is_looked_at() -> None:
    assert set(CLASSES) == set(LIBRARY.classes)
