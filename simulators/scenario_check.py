"""scenario ↔ site: every name of a scenario that its site does not have, with the line and what is known (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from zoneinfo import ZoneInfo

from device_profiles.reading import Finding, did_you_mean, finding
from device_profiles.schema import Point
from simulators import scenario_steps as s
from simulators import sensors
from simulators.raw_reply import FAULTS
from simulators.run_plan import late
from simulators.scenario_file import Scenario
from simulators.scenario_order import out_of_order
from simulators.site import SimulatedSite

ACTIONS = (
    "dispatch", "acknowledge", "arrive", "start", "restore", "hold", "resume", "resolve", "verify", "close", "reopen",
    "cancel", "note", "hand_over", "set_priority", "merge", "link", "unlink", "set_parent", "leave_parent",
)  # fmt: skip
OWN_RULES = ("gateway_silent", "no_data", "alarm_chattering", "alarm_flood", "periodic_test")
"""Rules of the cloud itself, or of every piece of equipment."""


def check(scenario: Scenario, site: SimulatedSite, zone: ZoneInfo) -> list[Finding]:
    """Every mistake, in the order of lines."""
    found = [*_late(scenario, zone), *_steps(scenario, site), *out_of_order(scenario, zone), *_expected(scenario, site)]
    return sorted(found, key=lambda one: one.line)


def virtual_only(scenario: Scenario) -> Iterator[Finding]:
    """What cannot be played in real time: this machine's clock does not jump, and a real line loses no answers alone."""
    for index, step in enumerate(scenario.steps):
        match step:
            case s.ClockJump(clock=process):
                said = f"the {process}'s clock cannot jump"
            case s.Cut(cut="replies") | s.Mend(mend="replies"):
                said = "replies cannot be lost alone"
            case _:
                continue
        yield _wrong(
            scenario, ("timeline", index, s.verb_of(step)), f"{said} in real time", "Run it without --real-time"
        )


def _late(scenario: Scenario, zone: ZoneInfo) -> Iterator[Finding]:
    for path, text, is_before in late(scenario, scenario.head.start, zone):
        words = "is before the start" if is_before else "is after the end"
        yield _wrong(scenario, path, f"{text} {words}", "Change it, start: or lasts:")


def _steps(scenario: Scenario, site: SimulatedSite) -> Iterator[Finding]:
    people = [one.name for one in scenario.people]
    for index, step in enumerate(scenario.steps):
        at = ("timeline", index)
        for key, value in _names(step, "equipment", "out_of_service"):
            yield from _known(scenario, (*at, key), "equipment", value, site.equipment)
        for key, value in _names(step, "by"):
            yield from _known(scenario, (*at, key), "person", value, people)
        for key, value in _names(step, "device"):
            yield from _known(scenario, (*at, key), "device", value, [one.id for one in site.devices])
        for key, value in _names(step, "ticket", "shelve", "expect_ticket", "expect_alarm"):
            yield from _rule(scenario, (*at, key), value, site)
        yield from _own_words(scenario, at, step, site)


def _names(step: s.Step, *keys: str) -> Iterator[tuple[str, str]]:
    yield from ((key, value) for key in keys if isinstance(value := getattr(step, key, None), str))


def _own_words(scenario: Scenario, at: tuple[str, int], step: s.Step, site: SimulatedSite) -> Iterator[Finding]:
    """What one kind of step alone names."""
    match step:
        case s.Inject(inject=fault) | s.Clear(clear=fault) if step.equipment in site.equipment:
            of = site.equipment[step.equipment].equipment_class
            yield from _known(scenario, (*at, s.verb_of(step)), f"fault of {of.id}", fault, of.faults)
        case s.Misbehave(misbehave=how):
            yield from _known(scenario, (*at, "misbehave"), "misbehaviour", how, FAULTS)
        case s.Sensor(sensor=kind, device=device, point=point):
            yield from _known(scenario, (*at, "sensor"), "lie of a sensor", kind, sensors.KINDS)
            of_device = next((one for one in site.devices if one.id == device), None)
            if of_device is not None:
                yield from _known(scenario, (*at, "point"), f"point of {device}", point, of_device.sources)
                yield from _lie(scenario, at, step, site.points_of(of_device))
        case s.Cut(cut=what) | s.Mend(mend=what) if what.startswith("bus "):
            yield from _known(scenario, (*at, s.verb_of(step)), "bus", what[4:], site.buses)
        case s.Act(act=action):
            yield from _known(scenario, (*at, "act"), "button of a ticket", action, ACTIONS)
        case s.ExpectValue(expect_value=point, equipment=name) if name in site.equipment:
            points = site.equipment[name].equipment_class.points
            yield from _known(scenario, (*at, "expect_value"), f"point of {name}", point, points)
        case s.Form(form=key):
            equipment, test, *_ = key.split("/")
            yield from _test(scenario, (*at, "form"), (*at, "form"), equipment, test, site)
        case _:
            return


def _lie(scenario: Scenario, at: tuple[str, int], step: s.Sensor, points: Mapping[str, Point]) -> Iterator[Finding]:
    """Figures that its kind does not know, or a kind that its point cannot show."""
    if step.sensor not in sensors.KINDS or step.point not in points:
        return
    try:
        sensors.make_lie(step.sensor, points, step.point, None, 0.0, step.with_)
    except sensors.BadLie as error:
        yield _wrong(scenario, at, f"the sensor {step.device}/{step.point} cannot lie so", str(error))


def _expected(scenario: Scenario, site: SimulatedSite) -> Iterator[Finding]:
    expect = scenario.head.expect
    for section, key in (("tickets", "ticket"), ("alarms", "alarm"), ("calls", "ticket")):
        for index, one in enumerate(getattr(expect, section) or ()):
            yield from _rule(scenario, ("expect", section, index, key), getattr(one, key), site)
    for index, test in enumerate(expect.tests):
        at = ("expect", "tests", index)
        yield from _test(scenario, (*at, "equipment"), (*at, "test"), test.equipment, test.test, site)
    for index, value in enumerate(expect.values):
        at = ("expect", "values", index)
        yield from _known(scenario, (*at, "equipment"), "equipment", value.equipment, site.equipment)
        if value.equipment in site.equipment:
            points = site.equipment[value.equipment].equipment_class.points
            yield from _known(scenario, (*at, "point"), f"point of {value.equipment}", value.point, points)
        if value.between is not None and value.between[0] > value.between[1]:
            yield _wrong(scenario, (*at, "between"), "the higher figure stands first", "Write between: [low, high]")


def _rule(scenario: Scenario, at: tuple[str | int, ...], key: str, site: SimulatedSite) -> Iterator[Finding]:
    if key.startswith("T-"):
        return
    equipment, rule, *_ = key.split("/")
    if equipment not in site.equipment:
        if rule not in OWN_RULES:
            yield from _known(scenario, at, "equipment", equipment, site.equipment)
        return
    of = site.equipment[equipment].equipment_class
    if rule not in of.tests:
        yield from _known(scenario, at, f"rule of {of.id}", rule, [*of.rules, *OWN_RULES])


def _test(
    scenario: Scenario, at: tuple[str | int, ...], named: tuple[str | int, ...], equipment: str, test: str,
    site: SimulatedSite,
) -> Iterator[Finding]:  # fmt: skip
    """``at`` is where the equipment stands, ``named`` where the test does."""
    yield from _known(scenario, at, "equipment", equipment, site.equipment)
    if equipment in site.equipment:
        of = site.equipment[equipment].equipment_class
        yield from _known(scenario, named, f"test of {of.id}", test, of.tests)


def _known(
    scenario: Scenario, at: tuple[str | int, ...], what: str, word: str, known: Collection[str]
) -> Iterator[Finding]:
    if word not in known:
        yield _wrong(scenario, at, f"{what} {word} is not known", did_you_mean(word, known))


def _wrong(scenario: Scenario, at: tuple[str | int, ...], message: str, remedy: str) -> Finding:
    return finding(scenario.file, scenario.lines, at, message, remedy)
