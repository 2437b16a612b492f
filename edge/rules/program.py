"""rules: every condition of one equipment class, compiled once and shared by all equipment of the class (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from device_profiles.schema import EquipmentClass, Rule
from edge.rules.expression import Code, Expression, Scope, WindowSpec, compile_code, measured, scope_of
from edge.rules.grammar import Compiler, ExpressionError
from edge.rules.marks import Mark, compile_mark


@dataclass(frozen=True, slots=True)
class RuleCode:
    """One rule's conditions."""

    when: Expression
    gate: Expression | None
    quick: Code
    """Gate and condition in one: whatever is not plainly false needs a closer look. For alarms that are at rest."""
    marks: tuple[Mark, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every point, limit and rating that it needs."""
        return tuple(dict.fromkeys([*self.when.names, *(self.gate.names if self.gate else ())]))


def rule_code(when: Expression, gate: Expression | None, marks: tuple[Mark, ...] = ()) -> RuleCode:
    """One rule's code from its checked conditions."""
    both = f"{gate.node.source} and {when.node.source}" if gate else when.node.source
    return RuleCode(when, gate, compile_code(both), marks)


def measured_code(code: RuleCode, known: Callable[[str], bool]) -> RuleCode:
    """The code of a rule where only some of its points are measured; the same where it needs them all."""
    when, gate = measured(code.when, known), measured(code.gate, known) if code.gate else None
    return code if when is code.when and gate is code.gate else rule_code(when, gate, code.marks)


@dataclass(frozen=True, slots=True)
class TestCode:
    """One observed test's conditions."""

    __test__ = False

    start: Expression
    end: Expression
    passes: Expression

    @property
    def names(self) -> tuple[str, ...]:
        """Every point, limit and rating that it needs."""
        return tuple(dict.fromkeys([*self.start.names, *self.end.names, *self.passes.names]))


@dataclass(frozen=True, slots=True)
class Mistake:
    """A condition of the class that cannot be used: where in the class, what, and the expression with a caret."""

    path: tuple[str, ...]
    message: str
    error: ExpressionError


@dataclass(frozen=True, slots=True)
class Program:
    """The class's code. ``order``: rules with every suppressing rule before what it suppresses."""

    scope: Scope
    rules: Mapping[str, RuleCode]
    tests: Mapping[str, TestCode]
    windows: tuple[WindowSpec, ...]
    nested: tuple[int, ...]
    """Windows over windows: time alone changes what they are fed."""
    order: tuple[str, ...]
    mistakes: tuple[Mistake, ...]


def compile_class(
    equipment_class: EquipmentClass, served: EquipmentClass | None = None, *, has_served: bool = True
) -> Program:
    """Compile every rule and observed test; mistakes are collected, never raised."""
    compiler = Compiler(scope_of(equipment_class, served), has_served=has_served)
    mistakes: list[Mistake] = []

    def compiled(path: tuple[str, ...], text: str) -> Expression | None:
        try:
            return compiler.truth(text)
        except ExpressionError as error:
            mistakes.append(Mistake(path, error.message, error))
            return None

    def marked(path: tuple[str, ...], text: str) -> Mark | None:
        try:
            return compile_mark(compiler, text)
        except ExpressionError as error:
            mistakes.append(Mistake(path, error.message, error))
            return None

    bound = _bound(equipment_class, served.id if served else None)
    rules = dict(_rules(bound, compiled, marked))
    mistakes += _idle_deadbands(bound, rules)
    tests = dict(_tests(bound, compiled))
    order = _order(equipment_class.rules)
    windows = tuple(compiler.windows)
    nested = tuple(index for index, spec in enumerate(windows) if spec.argument.window_indexes)
    return Program(compiler.scope, rules, tests, windows, nested, order, tuple(mistakes))


_Compiled = Callable[[tuple[str, ...], str], Expression | None]
_Marked = Callable[[tuple[str, ...], str], Mark | None]


def _bound(of: EquipmentClass, served: str | None) -> EquipmentClass:
    """The class without the rules and observed tests that need equipment which is not served here."""
    rules = {name: rule for name, rule in of.rules.items() if rule.serves in (None, served)}
    tests = {name: test for name, test in of.tests.items() if test.observed and test.observed.serves in (None, served)}
    return of.model_copy(update={"rules": rules, "tests": tests})


def _rules(of: EquipmentClass, compiled: _Compiled, marked: _Marked) -> list[tuple[str, RuleCode]]:
    found = []
    for name, rule in of.rules.items():
        when = compiled(("rules", name, "when"), rule.when)
        gate = compiled(("rules", name, "gate"), rule.gate) if rule.gate else None
        marks = [marked(("rules", name, "marks", str(at)), text) for at, text in enumerate(rule.marks)]
        if when is not None and (gate is not None or not rule.gate):
            found.append((name, rule_code(when, gate, tuple(mark for mark in marks if mark is not None))))
    return found


def _idle_deadbands(of: EquipmentClass, rules: Mapping[str, RuleCode]) -> Iterator[Mistake]:
    """Deadbands that would do nothing: they move a limit that is compared as it is, outside every window."""
    for name, code in rules.items():
        if of.rules[name].deadband and " d)" not in code.when.node.source:
            message = "the deadband moves no limit here: compare with the limit itself, outside windows"
            error = ExpressionError(message, code.when.text, 0)
            yield Mistake(("rules", name, "deadband"), message, error)


def _tests(of: EquipmentClass, compiled: _Compiled) -> list[tuple[str, TestCode]]:
    found = []
    for name, test in of.tests.items():
        if test.observed is not None:
            texts = (("start", test.observed.start), ("end", test.observed.end), ("passes", test.observed.passes))
            parts = [compiled(("tests", name, "observed", key), text) for key, text in texts]
            if all(parts):
                found.append((name, TestCode(*[part for part in parts if part is not None])))
    return found


def _order(rules: Mapping[str, Rule]) -> tuple[str, ...]:
    """Suppressing rules first; a circle of suppression falls back to the order of the file."""
    graph = {name: [one for one in rule.suppressed_by if one in rules] for name, rule in rules.items()}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError:
        return tuple(rules)
