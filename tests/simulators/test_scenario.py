from collections.abc import Mapping
from pathlib import Path

import pytest

from device_profiles.schema import EquipmentClass, Text
from simulators.scenario import (
    Expectation,
    PlannedFault,
    Scenario,
    ScenarioError,
    SeenTicket,
    check_scenario,
    expectations,
    judge,
    latency_ms,
    load_scenario,
    percentiles,
    schedule,
)
from simulators.site import SimulatedEquipment, SimulatedSite

NOW = 1_795_000_000_000


def text(words: str) -> Mapping[str, str]:
    return {"en": words, "zh": words}


def a_class() -> EquipmentClass:
    rule = {"name": text("r"), "when": "hot", "clause": "c-1"}
    return EquipmentClass.model_validate(
        {
            "id": "boiler",
            "name": text("Boiler"),
            "system": "water",
            "points": {"hot": {"name": text("Hot"), "kind": "bit"}},
            "rules": {"too_hot": {**rule, "severity": "major"}, "warm": {**rule, "severity": "advisory"}},
            "faults": {"burning": {"name": text("Burns"), "raises": ["too_hot", "warm"]}},
        }
    )


def a_site() -> SimulatedSite:
    of = SimulatedEquipment(
        "b_1",
        Text(en="Boiler", zh="锅炉"),
        a_class(),
        (),
        {},
        {},
        {"too_hot": 2000, "warm": 0},
        {"too_hot": 0, "warm": 0},
        {"too_hot": "major", "warm": "advisory"},
    )
    return SimulatedSite("here", {"b_1": of}, (), {})


def ticket(rule: str = "too_hot", received_ms: int = NOW + 3000, id: str = "T-000001") -> SeenTicket:
    return SeenTicket(id, "b_1", rule, "c-1", "major", "", "", received_ms, None, None)


def expected(rule: str = "too_hot", injected_ms: int = NOW) -> Expectation:
    return Expectation("b_1", "burning", rule, 2000, injected_ms)


def test_a_fault_expects_a_ticket_for_each_rule_that_opens_one() -> None:
    assert expectations("b_1", "burning", NOW, a_site()) == [expected()]


def test_injections_and_repairs_come_in_the_order_of_time() -> None:
    faults = [
        PlannedFault(at="5s", equipment="b_1", fault="burning", lasts="10s"),
        PlannedFault(at="8s", equipment="b_2", fault="burning", lasts="2s"),
        PlannedFault(at="60s", equipment="b_3", fault="burning"),
    ]
    steps = [(step.at_ms, step.do, step.equipment) for step in schedule(faults, 60_000)]
    assert steps == [
        (5000, "inject", "b_1"),
        (8000, "inject", "b_2"),
        (10_000, "clear", "b_2"),
        (15_000, "clear", "b_1"),
    ]


def test_the_on_delay_is_no_part_of_the_way_to_the_ticket() -> None:
    assert latency_ms(expected(), ticket()) == 1000


def test_a_ticket_that_never_came_is_missing() -> None:
    verdict = judge([expected()], [])
    assert verdict.missing == (expected(),)
    assert not verdict.is_right


def test_a_ticket_nobody_ordered_is_unexpected() -> None:
    verdict = judge([expected()], [ticket(), ticket("other", id="T-000002")])
    assert [one.id for one in verdict.unexpected] == ["T-000002"]


def test_a_second_ticket_for_the_same_fault_is_unexpected() -> None:
    verdict = judge([expected()], [ticket(), ticket(id="T-000002")])
    assert [one.id for one in verdict.unexpected] == ["T-000002"]


def test_the_same_fault_again_needs_no_second_ticket() -> None:
    verdict = judge([expected(), expected(injected_ms=NOW + 60_000)], [ticket()])
    assert verdict.is_right
    assert verdict.latency_ms == (1000,)


@pytest.mark.parametrize(
    ("latency", "wanted"),
    [
        ([], {"p50": None, "p99": None, "max": None}),
        ([7], {"p50": 7, "p99": 7, "max": 7}),
        (list(range(1, 101)), {"p50": 50, "p99": 99, "max": 100}),
    ],
)
def test_percentiles_are_figures_that_were_measured(latency: list[int], wanted: Mapping[str, int | None]) -> None:
    assert percentiles(latency) == wanted


def test_a_scenario_that_names_what_the_site_lacks_says_what_there_is() -> None:
    faults = [{"at": "1s", "equipment": "b_9", "fault": "burning"}, {"at": "1s", "equipment": "b_1", "fault": "cold"}]
    problems = check_scenario(Scenario.model_validate({"faults": faults}), a_site())
    assert problems == [
        "fault burning: no equipment b_9; this site has b_1",
        "b_1: its class knows no fault cold; it knows burning",
    ]


def test_a_wrong_scenario_file_names_every_mistake(tmp_path: Path) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(
        "faults:\n  - {at: soon, equipment: b_1, fault: burning}\n  - {at: 1s, equipment: B, fault: x, why: y}\n"
    )
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    said = str(caught.value).splitlines()
    assert len(said) == 3
    assert all(line.startswith(f"{file}: faults.") for line in said)


def test_a_scenario_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.yaml: cannot be read"):
        load_scenario(tmp_path / "nowhere.yaml")
