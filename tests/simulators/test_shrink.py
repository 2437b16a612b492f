"""Making a failing case smaller, on cases that fail for a reason known in advance; and that draws can be played at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from simulators.explore import kind_of, library, write_case
from simulators.explore_draw import Case, draw
from simulators.run import checked
from simulators.scenario_file import load_scenario_file
from simulators.shrink import ddmin, shrink


def a_case(*steps: dict[str, Any], lasts: str = "4h") -> Case:
    site = {
        "equipment": [{"id": "pump_1"}, {"id": "lift_1"}],
        "devices": [{"id": "drive_1", "equipment": "pump_1"}, {"id": "box_1", "equipment": "lift_1"}],
    }
    return Case(1, site, {"lasts": lasts, "timeline": list(steps)})


def injected(case: Case) -> set[str]:
    return {step["inject"] for step in case.steps if "inject" in step}


def test_the_two_steps_that_matter_are_left_of_twenty() -> None:
    def fails(items: Sequence[int]) -> bool:
        return {7, 13} <= set(items)

    assert list(ddmin(list(range(20)), fails)) == [7, 13]


def test_a_case_loses_its_steps_its_plant_and_its_time() -> None:
    steps = [{"at": f"{n * 10}min", "inject": f"fault_{n}", "equipment": "pump_1", "lasts": "1h"} for n in range(1, 9)]
    smallest = shrink(a_case(*steps), lambda case: "fault_3" in injected(case), most_runs=200)
    assert [step["inject"] for step in smallest.steps] == ["fault_3"]
    assert [one["id"] for one in smallest.site["equipment"]] == ["pump_1"]
    assert [one["id"] for one in smallest.site["devices"]] == ["drive_1"]
    assert smallest.steps[0]["lasts"] in ("1min", "56s", "52s", "56.25s")
    assert smallest.scenario["lasts"] == "21min" or smallest.steps[0]["at"] == "10min"


def test_plant_that_a_step_names_stays() -> None:
    steps = [{"at": "1min", "inject": "a", "equipment": "pump_1"}, {"at": "2min", "sensor": "stuck", "device": "box_1"}]
    smallest = shrink(a_case(*steps), lambda case: len(case.steps) == 2, most_runs=50)
    assert len(smallest.site["equipment"]) == 2


def test_shrinking_ends_when_its_runs_are_used_up() -> None:
    made = []

    def fails(case: Case) -> bool:
        made.append(case)
        return True

    shrink(a_case(*({"at": f"{n}min", "inject": "a", "equipment": "pump_1"} for n in range(30))), fails, most_runs=7)
    assert len(made) == 7


def test_the_kind_of_a_failure_has_no_names_and_figures() -> None:
    one = "T-000004 pump_1/dry_run: raised at 1795262400000 (major) and no ticket has it"
    two = "T-000017 lift_2/door_fault: raised at 1795262499000 (major) and no ticket has it"
    assert kind_of(one) == kind_of(two)
    assert kind_of(one) != kind_of("T-000004 pump_1/dry_run: no alarm has this ticket")


def test_a_kind_says_what_broke_also_where_figures_come_last() -> None:
    lost = "2 events of epoch 1795212000 are neither in the cloud nor waiting at the gateway: 23, 24"
    assert kind_of(lost) == "… events of epoch … are neither in the cloud nor waiting at the gateway: …, …"
    clock = "T-000007 response 1: it stopped at 1795212000000, slowly reckoned at None"
    assert kind_of(clock) == "it stopped at …, slowly reckoned at None"
    late = "pump_1: dry_run came at 1795212000000 and dry_run was not raised within 5min"
    assert kind_of(late) == "… came at … and … was not raised within …min"
    crash = "sqlite.py: next_batch: the program failed with KeyError: 'x'"
    assert "the program failed with KeyError" in kind_of(crash)


@pytest.mark.parametrize("seed", range(15))
def test_every_draw_is_a_scenario_whose_names_exist(seed: int, tmp_path: Path) -> None:
    case = draw(seed, library())
    assert case == draw(seed, library())
    scenario = load_scenario_file(write_case(case, tmp_path / "found.yaml", "What broke:\nnothing"))
    checked(scenario)
    assert (tmp_path / "found_site.yaml").exists()
