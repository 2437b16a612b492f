"""Outages in a scenario are walked through before it is played: a step that would do nothing is told with what made it so."""

from pathlib import Path

import pytest

from simulators.run import checked
from simulators.scenario_file import ScenarioWrong, load_scenario_file

HEAD = """\
title: {en: One, zh: 一}
start: 2026-11-23T10:00:00+08:00
lasts: 3h
site: site.yaml
timeline:
"""
SITE = Path("simulators/scenarios/sites/live.yaml")


def mistakes(folder: Path, *steps: str) -> list[str]:
    """What is told of these steps, which stand on line 6 and after."""
    (folder / "site.yaml").write_text(SITE.read_text(encoding="utf-8"), encoding="utf-8")
    file = folder / "one.yaml"
    file.write_text(HEAD + "".join(f"  - {step}\n" for step in steps), encoding="utf-8")
    try:
        checked(load_scenario_file(file))
    except ScenarioWrong as wrong:
        return [str(one).removeprefix(f"{file}:") for one in wrong.findings]
    return []


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        (
            ["{at: 5min, start: gateway}"],
            "6: timeline[0].start: gateway is started and no step stops it. It runs from the beginning: leave this step out",
        ),
        (
            ["{at: 5min, stop: gateway, lasts: 5min}", "{at: 30min, start: gateway}"],
            "7: timeline[1].start: gateway runs at 30min: the step on line 6 ended by itself. Change the time, or leave this step out",
        ),
        (
            ["{at: 30min, start: cloud}", "{at: 40min, kill: cloud}"],
            "6: timeline[0].start: cloud runs at 30min: what it ends comes later. Change the time, or leave this step out",
        ),
        (
            ["{at: 5min, stop: cloud}", "{at: 6min, start: cloud}", "{at: 7min, start: cloud}"],
            "8: timeline[2].start: cloud runs at 7min: the step on line 7 ended it. Change the time, or leave this step out",
        ),
        (
            ["{at: 5min, stop: cloud}", "{at: 6min, kill: cloud, lasts: 5min}"],
            "7: timeline[1].kill: cloud is down already at 6min, by the step on line 6. Leave one of them out, or end the first one before",
        ),
        (
            ["{at: 5min, cut: cloud, lasts: 1h}", "{at: 6min, stop: cloud}"],
            "7: timeline[1].stop: cloud is cut already at 6min, by the step on line 6. Leave one of them out, or end the first one before",
        ),
        (
            ["{at: 5min, cut: bus lan, lasts: 1h}", "{at: 65min, mend: bus lan}"],
            "7: timeline[1].mend: bus lan is not cut at 65min: the step on line 6 ended by itself. Change the time, or leave this step out",
        ),
        (
            ["{at: 9min, clear: door_fault, equipment: lift_1}", "{at: 10min, inject: door_fault, equipment: lift_1}"],
            "6: timeline[0].clear: door_fault of lift_1 is not there at 9min: what it ends comes later. Change the time, or leave this step out",
        ),
    ],
)
def test_a_step_that_would_do_nothing_is_told_with_its_line(tmp_path: Path, steps: list[str], told: str) -> None:
    assert mistakes(tmp_path, *steps) == [told]


def test_what_is_ended_can_come_again_and_outages_that_end_by_themselves_may_overlap(tmp_path: Path) -> None:
    assert not mistakes(
        tmp_path,
        "{at: 1min, stop: cloud}", "{at: 2min, start: cloud}", "{at: 3min, cut: cloud}", "{at: 4min, mend: cloud}",
        "{at: 5min, kill: gateway, lasts: 10min}", "{at: 6min, stop: gateway, lasts: 20min}", "{at: 8min, restart: gateway}",
        "{at: 40min, kill: gateway, lasts: 30min}", "{at: 50min, start: gateway}", "{at: 55min, stop: gateway}",
        "{at: 1h, cut: line, lasts: 5min}", "{at: 65min, cut: line}", "{at: 70min, mend: line}",
        "{at: 80min, inject: door_fault, equipment: lift_1, lasts: 1min}", "{at: 90min, inject: door_fault, equipment: lift_1}",
        "{at: 95min, clear: door_fault, equipment: lift_1}",
    )  # fmt: skip
