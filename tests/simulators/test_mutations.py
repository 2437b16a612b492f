"""A product with one mistake is caught: by the scenario that is there for it, and without being told which."""

from pathlib import Path

import pytest

from simulators.explore import explore_seed
from simulators.run import run_scenario
from simulators.scenario_file import SHIPPED, load_scenario_file
from tests.support.mutations import MUTATIONS, Mutation

MOST_RUNS = 200
each = pytest.mark.parametrize("mutation", MUTATIONS, ids=[one.name for one in MUTATIONS])


def caught(name: str, folder: Path, seed: int | None) -> bool:
    """With no seed the file's own, with which ``test_scenarios`` shows that the healthy product passes.

    Whether a scenario notices that something is wrong: a miss, a broken invariant, or a product that falls over."""
    folder.mkdir()
    try:
        return not run_scenario(load_scenario_file(SHIPPED / f"{name}.yaml"), folder, seed).is_right
    except Exception:  # noqa: BLE001 - a mistake may show as any error of the product
        return True


def test_there_are_ten_mutations_and_each_says_what_goes_wrong() -> None:
    assert len({one.name for one in MUTATIONS}) >= 10
    assert [one.name for one in MUTATIONS if not one.what.endswith(".")] == []


@pytest.mark.timeout(120)
@each
def test_the_scenario_that_is_there_for_it_notices(mutation: Mutation, tmp_path: Path) -> None:
    with mutation.made():
        assert caught(mutation.scenario, tmp_path / "run", None), mutation.what


@pytest.mark.proof
@pytest.mark.timeout(1800)
@each
def test_exploration_notices_it_within_two_hundred_cases_without_being_told_which(mutation: Mutation) -> None:
    with mutation.made():
        seed = next((seed for seed in range(1, MOST_RUNS + 1) if explore_seed(seed).broken), None)
    assert seed is not None, mutation.what
    assert explore_seed(seed).broken == (), "what was found is no mistake of the mutation"
