"""A scenario file is read with every mistake at once, each with its line, what is known, and what to do."""

from pathlib import Path
from typing import get_args

import pytest

from cloud.dashboard.words import load
from cloud.sla.target import CLOCKS, PRIORITIES
from cloud.tickets.permits import STEPS
from cloud.tickets.ticket import TRANSITIONS, Kind, State
from contract.messages import Severity
from simulators.run import checked
from simulators.scenario_check import virtual_only
from simulators.scenario_expect import TIMELINE_KINDS, ClockName, KindName, SeverityName
from simulators.scenario_file import ScenarioWrong, load_scenario_file, scenario_of
from simulators.scenario_shelf import file_of, load_all, shipped
from simulators.scenario_steps import PriorityName, StateName

HEAD = """\
title: {en: One, zh: 一}
start: 2026-11-23T10:00:00+08:00
lasts: 1h
site: site.yaml
"""
AROUND = {
    "after_delay", "alarm_raised", "asked", "began", "by", "contractor", "event", "moved", "news_late", "news_late_why",
    "not_due", "relation_is", "reported", "sum",
}  # fmt: skip
"""Words of a ticket's page that are no lines of their own."""
SITE = Path("simulators/scenarios/sites/live.yaml")


def written(folder: Path, text: str) -> Path:
    (folder / "site.yaml").write_text(SITE.read_text(encoding="utf-8"), encoding="utf-8")
    file = folder / "one.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(folder: Path, text: str) -> list[str]:
    file = written(folder, text)
    with pytest.raises(ScenarioWrong) as caught:
        checked(load_scenario_file(file))
    return [str(one).removeprefix(f"{file}:") for one in caught.value.findings]


def test_an_unknown_fault_is_told_with_its_line_and_the_nearest_one(tmp_path: Path) -> None:
    text = HEAD + 'timeline:\n  - {at: "10:01", inject: phase_los, equipment: incomer_1}\n'
    assert mistakes(tmp_path, text) == [
        "6: timeline[0].inject: fault of lv_switchgear phase_los is not known. Did you mean phase_loss?"
    ]


def test_every_unknown_name_is_told_at_once(tmp_path: Path) -> None:
    text = HEAD + (
        "timeline:\n"
        "  - {at: 1min, inject: phase_loss, equipment: incomer_9}\n"
        "  - {at: 2min, act: acknowlege, ticket: lift_1/door_fault}\n"
        "  - {at: 3min, act: acknowledge, ticket: lift_1/door_fault, by: wang}\n"
        "  - {at: 4min, misbehave: asleep, device: meter_1}\n"
        "  - {at: 5min, sensor: stuck, device: meter_1, point: colour}\n"
        "  - {at: 6min, cut: bus attic}\n"
        "  - {at: 7min, sensor: moody, device: meter_2, point: frequency}\n"
        "expect:\n"
        "  tickets:\n"
        "    - {ticket: lift_1/door_falt}\n"
    )
    found = mistakes(tmp_path, text)
    assert [one.split(":")[0] for one in found] == ["6", "7", "8", "9", "10", "11", "12", "12", "15"]
    assert "equipment incomer_9 is not known. Did you mean incomer_1?" in found[0]
    assert "Did you mean acknowledge?" in found[1]
    assert "person wang is not known" in found[2]
    assert "Did you mean door_fault?" in found[-1]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('- {at: "10:01"}', "this step says nothing to do. Write exactly one of inject, clear, act"),
        ('- {at: "10:01", inject: a, clear: b, equipment: lift_1}', "this step says inject and clear"),
        ("- {at: soon, clear: door_fault, equipment: lift_1}", "'soon' is no time of a scenario"),
        ('- {at: "25:00", clear: door_fault, equipment: lift_1}', "'25:00' is no time of day"),
        ("- {at: 5min, clock: gateway, jump: 2h}", "'2h' is no jump; write +2h or -5min"),
        ("- {at: 5min, cut: power}", "'power' cannot be cut"),
        ("- {at: 5min, act: start, ticket: lift_1}", "'lift_1' names no ticket"),
        ("- {at: 5min, call: DELETE everything}", "'DELETE everything' is no call of the API"),
        ("- {at: 5min, kill: meter_1}", "'meter_1' is not allowed"),
        ("- {at: 5min, clear: door_fault, equipment: lift_1, lasts: 5min}", "lasts: is not a key here"),
        (
            "- {at: 5min, clear: door_fault, equipment: lift_1}",
            "door_fault of lift_1 is repaired and no step injects it",
        ),
        ("- {at: 5min, mend: line}", "line is mended and no step cuts it"),
        ("- {at: 5min, sensor: drift, device: meter_1, point: frequency, with: {perday: 3}}", "it knows per_day, most"),
        ("- {at: 5min, sensor: swap, device: meter_1, point: frequency}", "name another point of the device"),
        ("- {at: 90min, inject: door_fault, equipment: lift_1}", "90min is after the end"),
        ('- {at: "09:00", inject: door_fault, equipment: lift_1}', "09:00 is before the start"),
    ],
)
def test_a_wrong_step_is_told_on_its_line(tmp_path: Path, line: str, message: str) -> None:
    (found,) = mistakes(tmp_path, f"{HEAD}timeline:\n  {line}\n")
    assert found.startswith("6: timeline[0]")
    assert message.partition("; ")[0] in found


@pytest.mark.parametrize(
    ("section", "wrong", "message"),
    [
        ("tickets", "{ticket: lift_1/door_fault, priority: 重要}", "'重要' is not allowed"),
        ("tickets", "{ticket: lift_1/door_fault, state: acknowleged}", "Did you mean acknowledged?"),
        ("tickets", "{ticket: lift_1/door_fault, clocks: {respons: met}}", "Did you mean response?"),
        ("tickets", "{ticket: lift_1/door_fault, timeline: {breach: 0}}", "Did you mean breached?"),
        ("calls", "{ticket: lift_1/door_fault, to: engineer, about: respons, count: 0}", "Did you mean response?"),
        (
            "tests",
            "{equipment: lift_9, test: half_month_care, result: missed, count: 0}",
            "equipment lift_9 is not known",
        ),
        ("tests", "{equipment: lift_1, test: care, result: missed, count: 0}", "test of lift care is not known"),
        ("values", '{at: "11:30", equipment: meter, point: x, between: [0, 1]}', "11:30 is after the end"),
        ("values", "{at: 5min, equipment: incomer_1, point: power_factor, between: [1, 0]}", "the higher figure"),
    ],
)
def test_an_expectation_that_could_never_be_looked_at_is_told(
    tmp_path: Path, section: str, wrong: str, message: str
) -> None:
    found = mistakes(tmp_path, f"{HEAD}expect:\n  {section}:\n    - {wrong}\n")
    assert [one for one in found if message in one and one.startswith("7: expect.")], found


def test_words_of_tickets_are_those_of_the_service_desk() -> None:
    assert get_args(StateName) == tuple(State)
    assert get_args(KindName) == tuple(Kind)
    assert get_args(SeverityName) == tuple(Severity)
    assert (get_args(PriorityName), get_args(ClockName)) == (PRIORITIES, CLOCKS)


def test_kinds_of_timeline_lines_are_those_that_the_desk_has_words_for() -> None:
    kinds = set(TIMELINE_KINDS)
    assert kinds >= {row.entry for row in TRANSITIONS} | {row.entry for row in STEPS}
    parts = {key.split(".")[1] for key in load("en").entries if key.startswith("timeline.")}
    assert parts - kinds == AROUND
    assert kinds <= parts


def test_a_start_without_its_zone_and_a_length_of_nothing_are_refused(tmp_path: Path) -> None:
    text = HEAD.replace("+08:00", "").replace("1h", "0s")
    found = mistakes(tmp_path, text)
    assert [one.split(":")[0] for one in found] == ["2", "3"]
    assert "names no zone" in found[0]


def test_a_scenario_plays_on_one_site(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, HEAD + "generate: {devices: 3}\n")
    assert "a scenario plays on one site" in found


def test_a_site_that_is_not_there_is_told_on_the_scenarios_line(tmp_path: Path) -> None:
    file = written(tmp_path, HEAD.replace("site.yaml", "elsewhere.yaml"))
    with pytest.raises(ScenarioWrong, match=r"one\.yaml:4: site: .*elsewhere\.yaml: cannot be read"):
        checked(load_scenario_file(file))


def test_text_that_is_no_yaml_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ScenarioWrong, match=r"one\.yaml:6: is not YAML"):
        load_scenario_file(written(tmp_path, HEAD + "timeline: [\n"))


def test_plain_data_becomes_the_same_scenario_as_its_file() -> None:
    read = load_scenario_file(file_of("live_line_cut"))
    made = scenario_of(read.data, read.file)
    assert (made.head, made.steps) == (read.head, read.steps)


def test_shipped_scenarios_go_by_name_and_a_wrong_name_has_a_remedy() -> None:
    assert "live_line_cut" in [path.stem for path in shipped()]
    with pytest.raises(ScenarioWrong, match=r"Did you mean live_line_cut\? `plantroom-sim scenarios` lists them"):
        load_all(["live_line_cat"])
    with pytest.raises(ScenarioWrong, match=r"known here\. `plantroom-sim scenarios` lists them"):
        load_all(["zzz"])


def test_what_needs_virtual_time_is_told_with_its_line_for_real_time(tmp_path: Path) -> None:
    text = HEAD + "timeline:\n  - {at: 5min, clock: cloud, jump: +2h}\n  - {at: 6min, cut: replies, lasts: 1min}\n"
    file = written(tmp_path, text)
    assert [str(one).removeprefix(f"{file}:") for one in virtual_only(load_scenario_file(file))] == [
        "6: timeline[0].clock: the cloud's clock cannot jump in real time. Run it without --real-time",
        "7: timeline[1].cut: replies cannot be lost alone in real time. Run it without --real-time",
    ]
