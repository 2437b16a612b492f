"""Every shipped scenario on virtual time, each a test of its own. The long ones (days and more) are part of ``make proof``."""

from pathlib import Path
from typing import Any

import pytest

from simulators.run import run_scenario
from simulators.scenario_file import SHIPPED, load_scenario_file

LONG_MS = 24 * 3_600_000
"""From so much simulated time on a scenario runs in ``make proof`` only."""
FILES = sorted(SHIPPED.glob("*.yaml"))


def cases() -> list[Any]:
    """One case a file, marked by how long it is."""
    found = []
    for file in FILES:
        is_long = load_scenario_file(file).head.lasts > LONG_MS
        marks = [pytest.mark.proof, pytest.mark.timeout(900)] if is_long else [pytest.mark.timeout(120)]
        found.append(pytest.param(file, id=file.stem, marks=marks))
    return found


@pytest.mark.parametrize("file", cases())
def test_the_scenario_ends_as_it_says(file: Path, tmp_path: Path) -> None:
    outcome = run_scenario(load_scenario_file(file), tmp_path)
    assert [str(miss) for miss in outcome.misses] == []
    assert list(outcome.broken) == []
    assert outcome.met > 0


def test_at_least_twenty_five_are_shipped_with_words_in_both_languages() -> None:
    heads = [load_scenario_file(file).head for file in FILES]
    assert len(heads) >= 25
    assert [head.title.en for head in heads if not (head.title.zh and head.about and head.about.zh)] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_a_scenario_expects_something_complete(file: Path) -> None:
    expect = load_scenario_file(file).head.expect
    assert expect.tickets, "name every ticket that must be there; any other is a miss"
    assert expect.others == "none"
