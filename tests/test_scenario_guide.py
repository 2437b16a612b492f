"""docs/scenarios.md: every step it shows is a step, and its example is a scenario."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_profiles.reading import LineMap, validate
from simulators.run import run_scenario
from simulators.scenario_expect import Expect
from simulators.scenario_file import SHIPPED, scenario_of
from simulators.scenario_steps import KINDS

pytestmark = pytest.mark.timeout(180)
TEXT = (Path(__file__).parents[1] / "docs" / "scenarios.md").read_text(encoding="utf-8")
STEPS = [yaml.safe_load(found) for found in re.findall(r"`(\{at: .*?\})`(?= |;|\n)", TEXT)]
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def verb(step: dict[str, Any]) -> str:
    (found,) = [one for one in KINDS if one in step]
    return found


@pytest.mark.parametrize("step", STEPS, ids=verb)
def test_a_step_of_the_guide_is_a_step(step: dict[str, Any]) -> None:
    found, mistakes = validate(KINDS[verb(step)], step, LineMap(), "docs/scenarios.md")
    assert mistakes == []
    assert found is not None


def test_the_guide_shows_every_kind_of_step() -> None:
    assert {verb(step) for step in STEPS} == set(KINDS)


def test_the_guides_example_is_a_scenario() -> None:
    example, expected = BLOCKS
    scenario = scenario_of(yaml.safe_load(example), Path("my_night.yaml"))
    assert len(scenario.steps) == 4
    assert Expect.model_validate(yaml.safe_load(expected)["expect"]).tickets is not None


def test_the_guides_example_passes(tmp_path: Path) -> None:
    example = yaml.safe_load(BLOCKS[0]) | {"site": "sites/corner.yaml"}
    outcome = run_scenario(scenario_of(example, SHIPPED / "my_night.yaml"), tmp_path)
    assert [*map(str, outcome.misses), *outcome.broken] == []
