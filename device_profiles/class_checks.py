"""Ground floor: what one equipment class must keep to beyond its shape. Yields places and remedies; reads nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from device_profiles import units
from device_profiles.names import CLOCK, is_limited, wrong_mark, wrong_names
from device_profiles.reading import NodePath, did_you_mean
from device_profiles.schema import EquipmentClass, PeriodicTest, Point, Rule

Mistake = tuple[NodePath, str, str]
"""Where, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class _Names:
    clauses: Collection[str]
    known: list[str]
    states: Mapping[str, list[str]]


def check_class(of: EquipmentClass, clauses: Collection[str]) -> Iterator[Mistake]:
    """Every mistake of a class, given the ids of the clauses that exist."""
    names = _Names(clauses, [*of.points, *of.limits, *of.ratings], _states(of))
    checks: tuple[Callable[[EquipmentClass, _Names], Iterator[Mistake]], ...] = (
        _names_clash, _units, _points, _ratings, _limits, _rules, _suppression, _tests, _faults, _shown,
    )  # fmt: skip
    for check in checks:
        yield from check(of, names)


def unknown(path: NodePath, what: str, name: str, known: Iterable[str]) -> Iterator[Mistake]:
    """A mistake when ``name`` is not among ``known``."""
    names = list(known)
    if name not in names:
        yield path, f"{what} {name} does not exist", did_you_mean(name, names)


def _states(of: EquipmentClass) -> dict[str, list[str]]:
    states = {name: list(point.states) for name, point in of.points.items() if point.kind == "state"}
    return states | {name: list(rating.choices) for name, rating in of.ratings.items() if rating.choices}


def _names_clash(of: EquipmentClass, _: _Names) -> Iterator[Mistake]:
    for section, others in (("limits", of.points), ("ratings", {**of.points, **of.limits})):
        for name in getattr(of, section):
            if name in others:
                yield (section, name), f"{name} names two things in expressions", "Give one of them another id"
    for section in ("points", "limits", "ratings"):
        for name in CLOCK:
            if name in getattr(of, section):
                yield (section, name), f"{name} is the site's clock in expressions", "Give it another id"


def _units(of: EquipmentClass, _: _Names) -> Iterator[Mistake]:
    for section in ("points", "limits", "ratings"):
        for name, one in getattr(of, section).items():
            yield from _unit((section, name, "unit"), one.unit)


def _unit(path: NodePath, unit: str) -> Iterator[Mistake]:
    if unit not in units.KNOWN:
        yield path, f"unit {unit!r} is not known", units.suggest(unit)


def _points(of: EquipmentClass, _: _Names) -> Iterator[Mistake]:
    for name, point in of.points.items():
        path = ("points", name)
        if point.plausible and point.plausible[0] >= point.plausible[1]:
            yield (*path, "plausible"), "the range holds nothing", "Write the lower end first"
        if point.unit and point.kind not in ("gauge", "counter"):
            yield (*path, "unit"), f"a {point.kind} has no unit", "Remove it"
        if point.kind == "bit" and set(point.states) - {"true", "false"}:
            yield (*path, "states"), "a bit has the states true and false only", 'Write "true": and "false":'
        if point.simulate is not None and not _is_value_of(point, point.simulate):
            yield (*path, "simulate"), f"{point.simulate!r} is no value of a {point.kind}", "Write one it can have"


def _is_value_of(point: Point, value: object) -> bool:
    if point.kind == "bit":
        return isinstance(value, bool)
    if point.kind in ("gauge", "counter"):
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) and (point.kind == "text" or value in point.states)


def _ratings(of: EquipmentClass, _: _Names) -> Iterator[Mistake]:
    for name, rating in of.ratings.items():
        path = ("ratings", name)
        if rating.choices and rating.default is not None and rating.default not in rating.choices:
            yield (
                (*path, "default"),
                f"{rating.default!r} is none of the choices",
                did_you_mean(str(rating.default), rating.choices),
            )
        if not rating.required and rating.default is None:
            yield path, "is neither required nor has a default", "Add required: true or default:"


def _limits(of: EquipmentClass, names: _Names) -> Iterator[Mistake]:
    for name, limit in of.limits.items():
        if limit.clause:
            yield from unknown(("limits", name, "clause"), "clause", limit.clause, names.clauses)
        if limit.unit in units.TIME_LIMITS and limit.value < 0:
            yield ("limits", name, "value"), "a time is not negative", "Write 0 or more"


def _rules(of: EquipmentClass, names: _Names) -> Iterator[Mistake]:
    for name, rule in of.rules.items():
        path: NodePath = ("rules", name)
        yield from _cites(path, rule, names)
        yield from _roles(path, rule, of)
        for key in ("when", "gate"):
            if text := getattr(rule, key):
                yield from _expression((*path, key), text, names)
        for key in ("on_delay", "off_delay"):
            yield from _delay((*path, key), getattr(rule, key), of)
        yield from _marks(path, rule, of)
        yield from _resolve(path, rule, of)
        yield from _life_safety(path, rule)


def _marks(path: NodePath, rule: Rule, of: EquipmentClass) -> Iterator[Mistake]:
    numbers = [name for name, point in of.points.items() if point.kind in ("gauge", "counter")]
    for index, text in enumerate(rule.marks):
        for message, remedy in wrong_mark(text, numbers, [*of.limits, *of.ratings]):
            yield (*path, "marks", index), message, remedy


def _resolve(path: NodePath, rule: Rule, of: EquipmentClass) -> Iterator[Mistake]:
    """A ticket can wait for a number to be within its limits only where some rule sets one."""
    numbers = [name for name, point in of.points.items() if point.kind in ("gauge", "counter")]
    texts = [text for one in of.rules.values() for text in (one.when, *one.marks)]
    for index, name in enumerate(rule.resolve.within_limits if rule.resolve else ()):
        place = (*path, "resolve", "within_limits", index)
        if name not in numbers:
            yield place, f"{name} is no measured number of this class", did_you_mean(name, numbers)
        elif not any(is_limited(text, name, [*of.limits, *of.ratings]) for text in texts):
            yield place, f"no rule sets a limit beside {name}", f"Add marks: to a rule, such as {name} > some_limit"


def _cites(path: NodePath, one: Rule | PeriodicTest, names: _Names) -> Iterator[Mistake]:
    yield from unknown((*path, "clause"), "clause", one.clause, names.clauses)
    for index, clause in enumerate(one.covers):
        yield from unknown((*path, "covers", index), "clause", clause, names.clauses)


def _roles(path: NodePath, one: Rule | PeriodicTest, of: EquipmentClass) -> Iterator[Mistake]:
    for index, role in enumerate(one.roles):
        yield from unknown((*path, "roles", index), "role", role, of.roles)


def _expression(path: NodePath, text: str, names: _Names) -> Iterator[Mistake]:
    for message, remedy in wrong_names(text, names.known, names.states):
        yield path, message, remedy


def _delay(path: NodePath, delay: int | str, of: EquipmentClass) -> Iterator[Mistake]:
    if not isinstance(delay, str):
        return
    times = [name for name, limit in of.limits.items() if limit.unit in units.TIME_LIMITS]
    if delay in of.limits and delay not in times:
        yield path, f"limit {delay} is no time", "Give it the unit s, min or h"
    else:
        yield from unknown(path, "time limit", delay, times)


def _life_safety(path: NodePath, rule: Rule) -> Iterator[Mistake]:
    """Nobody waits for a fire: its rule may have no delay and nothing may explain it away."""
    if rule.emergency == "fire" and rule.on_delay:
        yield (*path, "on_delay"), "a fire alarm has no on-delay", "Remove it"
    if rule.emergency == "fire" and rule.suppressed_by:
        yield (*path, "suppressed_by"), "a fire alarm is never suppressed", "Remove it"


def _suppression(of: EquipmentClass, _: _Names) -> Iterator[Mistake]:
    for name, rule in of.rules.items():
        for index, cause in enumerate(rule.suppressed_by):
            path = ("rules", name, "suppressed_by", index)
            yield from unknown(path, "rule", cause, of.rules)
            if cause in of.rules and name in _causes_of(cause, of.rules):
                yield path, f"{name} and {cause} would silence each other", "Remove one of the two"


def _causes_of(name: str, rules: Mapping[str, Rule]) -> set[str]:
    """Every rule that silences ``name``, directly or through others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for cause in rules[waiting.pop()].suppressed_by:
            if cause in rules and cause not in found:
                found.add(cause)
                waiting.append(cause)
    return found


def _tests(of: EquipmentClass, names: _Names) -> Iterator[Mistake]:
    for name, test in of.tests.items():
        path: NodePath = ("tests", name)
        yield from _cites(path, test, names)
        yield from _roles(path, test, of)
        if test.observed:
            for key in ("start", "end", "passes"):
                yield from _expression((*path, "observed", key), getattr(test.observed, key), names)
            yield from _delay((*path, "observed", "minimum"), test.observed.minimum, of)
            yield from _delay((*path, "observed", "ignore_below"), test.observed.ignore_below, of)
        for field_name, one in test.form.items():
            yield from _form_field((*path, "form", field_name), one)


def _form_field(path: NodePath, one: Any) -> Iterator[Mistake]:  # noqa: ANN401 - a FormField; the name says it
    if (one.type == "choice") != bool(one.choices):
        yield path, "a choice lists its choices, and only a choice does", "Add choices: or change the type"
    if one.type != "number" and (one.unit or one.minimum is not None or one.maximum is not None):
        yield path, f"a {one.type} has no unit, minimum or maximum", "Remove them or write type: number"
    if one.minimum is not None and one.maximum is not None and one.minimum > one.maximum:
        yield path, "minimum is above maximum", "Exchange them"
    yield from _unit((*path, "unit"), one.unit)


def _faults(of: EquipmentClass, _: _Names) -> Iterator[Mistake]:
    for name, fault in of.faults.items():
        for index, rule in enumerate(fault.raises):
            yield from unknown(("faults", name, "raises", index), "rule", rule, of.rules)


def _shown(of: EquipmentClass, _: _Names) -> Iterator[Mistake]:
    for index, name in enumerate(of.main_points):
        yield from unknown(("main_points", index), "point", name, of.points)
    if of.state_point:
        yield from unknown(("state_point",), "point", of.state_point, of.points)
        if of.state_point in of.points and of.points[of.state_point].kind not in ("state", "bit"):
            yield ("state_point",), f"{of.state_point} is no state or bit", "Name a point of kind state or bit"
