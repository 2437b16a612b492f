"""Where scenarios are found: the shipped ones by name, any other by its path."""

from __future__ import annotations

from pathlib import Path

from device_profiles.reading import Finding, did_you_mean
from simulators.scenario_file import SHIPPED, Scenario, ScenarioWrong, load_scenario_file


def shipped() -> list[Path]:
    """The files of all shipped scenarios, by name."""
    return sorted(SHIPPED.glob("*.yaml"))


def file_of(wanted: str) -> Path:
    """The file of a scenario given by name or path. Raises ScenarioWrong."""
    path = Path(wanted)
    if path.suffix or len(path.parts) > 1 or path.is_file():
        return path
    found = SHIPPED / f"{wanted}.yaml"
    if not found.is_file():
        near = did_you_mean(wanted, [one.stem for one in shipped()])
        remedy = f"{near}{'' if near.endswith('?') else '.'} `plantroom-sim scenarios` lists them"
        raise ScenarioWrong(
            [Finding(wanted, 0, "", "there is no shipped scenario of that name, and no such file", remedy)]
        )
    return found


def load_all(wanted: list[str]) -> list[Scenario]:
    """Several scenarios. Raises ScenarioWrong with the mistakes of all of them."""
    found, mistakes = [], []
    for one in wanted:
        try:
            found.append(load_scenario_file(file_of(one)))
        except ScenarioWrong as error:
            mistakes += error.findings
    if mistakes:
        raise ScenarioWrong(mistakes)
    return found
