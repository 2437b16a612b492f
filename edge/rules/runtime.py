"""rules: one piece of equipment as the engine sees it now: its values, windows and rules (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contract.messages import Cause, Quality, Severity, Term, Value
from device_profiles.names import CLOCK
from device_profiles.schema import Rule
from edge.decode.sample import Moment, Sample
from edge.rules.alarm import AlarmState, Settings, due
from edge.rules.expression import Expression, TermSpec, can_be
from edge.rules.observe import Observation, Reading
from edge.rules.program import Program, RuleCode, TestCode, measured_code
from edge.rules.recording import Raw
from edge.rules.storm import Storms
from edge.rules.windows import NotKnown, Window
from edge.site import Binding, Equipment

_MS_PER_UNIT = {"s": 1000, "min": 60_000, "h": 3_600_000}


@dataclass(slots=True)
class PointState:
    """The newest sample of a bound point."""

    binding: Binding
    device: str
    value: Value = None
    quality: Quality = Quality.BAD
    cause: Cause = Cause.NOT_YET
    at_ms: int = 0
    steady_ms: int = 0


@dataclass(slots=True)
class RuleRun:
    """One rule here: its code, how it behaves, and where its alarm is."""

    id: str
    rule: Rule
    code: RuleCode
    settings: Settings
    severity: Severity
    state: AlarmState
    points: tuple[str, ...]
    is_timed: bool
    is_at_rest: bool = False
    """Nothing but a condition that may be true can move its alarm."""
    judged_at: int | None = None
    unknown_since: int | None = None
    is_told: bool = False
    shelved_until_ms: int | None = None
    shelf_reason: str = ""


@dataclass(slots=True)
class TestRun:
    """One observed test here."""

    __test__ = False

    code: TestCode
    observation: Observation
    points: tuple[str, ...]

    @property
    def is_running(self) -> bool:
        return self.observation.began is not None


@dataclass(slots=True)
class Runtime:
    """Everything the engine keeps about one piece of equipment."""

    equipment: Equipment
    program: Program
    points: dict[str, PointState]
    limits: dict[str, float]
    values: dict[str, Any] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)
    fed: tuple[int, ...] = ()
    """The windows that a rule or a test looks at here: no others are fed."""
    nested: tuple[int, ...] = ()
    """Those of them that look at windows themselves."""
    rules: dict[str, RuleRun] = field(default_factory=dict)
    unwatched: dict[str, str] = field(default_factory=dict)
    """Rules that can never be judged here, and why."""
    tests: list[TestRun] = field(default_factory=list)
    served: Mapping[str, PointState] = field(default_factory=dict)
    """Points of the equipment that it serves."""
    no_data: dict[str, AlarmState] = field(default_factory=dict)
    out_of_service: str = ""
    out_until_ms: int | None = None
    changed: dict[str, None] = field(default_factory=dict)
    changed_at: Moment | None = None
    due_at: int | None = None
    started_at: int = 0
    """``steady_ms`` since which it is judged."""
    is_dirty: bool = False
    storms: Storms = field(default_factory=Storms)
    """Those of the whole gateway."""
    _fresh_until: int = 0
    """``steady_ms`` up to which nothing can have grown stale: what comes later only grows stale later."""
    shortest_stale_ms: int = 0
    """Of its points."""
    _affected: dict[tuple[str, ...], tuple[tuple[int, ...], tuple[str, ...]]] = field(default_factory=dict)

    def take(self, sample: Sample) -> None:
        """The newest sample of one of its points."""
        name, quality, value = sample.point, sample.quality, sample.value
        state = self.points.get(name)
        if state is None:
            return
        state.value, state.quality, state.cause = value, quality, sample.cause
        state.at_ms, state.steady_ms = sample.sampled_at_ms, sample.steady_ms
        if quality is Quality.GOOD and value is not None:
            self.values[name] = value
        else:
            self.values.pop(name, None)
        self.changed[name] = None
        if self.changed_at is None or self.changed_at.steady_ms != state.steady_ms:
            self.changed_at = Moment(wall_ms=state.at_ms, steady_ms=state.steady_ms)

    def note(self, name: str, value: Value) -> None:
        """A value that conditions may use; None when it is not known."""
        if value is None:
            self.values.pop(name, None)
        else:
            self.values[name] = value
        self.changed[name] = None

    def go_stale(self, now: Moment) -> list[str]:
        """What is older than it may be is no longer known; its names."""
        if now.steady_ms <= self._fresh_until:
            return []
        found, fresh_until = [], now.steady_ms + self.shortest_stale_ms
        for name, state in self.points.items():
            if state.quality is Quality.GOOD:
                stale_from = state.steady_ms + state.binding.stale_after_ms
                if now.steady_ms > stale_from:
                    state.quality, state.cause = Quality.BAD, Cause.STALE
                    self.note(name, None)
                    found.append(name)
                elif stale_from < fresh_until:
                    fresh_until = stale_from
        self._fresh_until = fresh_until
        return found

    def next_due(self) -> int | None:
        """``steady_ms`` at which a delay or an escalation ends; None when nothing waits."""
        dues = [due(run.state, run.settings) for run in self.rules.values() if not run.is_at_rest]
        return min((at for at in dues if at is not None), default=None)

    def affected(self, names: Iterable[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Windows and rules that look at any of the names; the answer for one poll's set of points is kept."""
        key = tuple(names)
        if (known := self._affected.get(key)) is None:
            wanted = set(key)
            specs = self.program.windows
            moved = [index for index in self.fed if wanted & set(specs[index].argument.names)]
            rules = [run.id for run in self.rules.values() if wanted.intersection(run.code.names)]
            known = self._affected[key] = (tuple(moved), tuple(rules))
        return known

    def push_windows(self, indexes: Iterable[int], at: int) -> None:
        for index in indexes:
            argument = self.program.windows[index].argument
            self.windows[index].push(argument.value(self.values, self.windows, at), at)

    def condition(self, run: RuleRun, now: int) -> bool | None:
        """The gate and the condition together; while the alarm is active the limits are moved by the deadband."""
        deadband = run.rule.deadband if run.state.is_active else 0.0
        found = run.code.when.truth(self.values, self.windows, now, deadband)
        if run.code.gate is None or found is False:
            return found
        gate = run.code.gate.truth(self.values, self.windows, now, 0.0)
        return gate if not gate else found

    def terms(self, expressions: Sequence[Expression | None], now: int) -> list[Term]:
        """Every value the expressions look at, each once."""
        specs = {spec.text: spec for expression in expressions if expression for spec in expression.terms}
        return [self._term(spec, now) for spec in specs.values()]

    def _term(self, spec: TermSpec, now: int) -> Term:
        if spec.window >= 0:
            try:
                value: Value = self.windows[spec.window].value(now)
            except NotKnown:
                return Term(name=spec.text, value=None, unit=spec.unit, quality=Quality.BAD)
            return Term(name=spec.text, value=value, unit=spec.unit)
        state = self.points.get(spec.name)
        if state is not None:
            return Term(name=spec.text, value=state.value, unit=spec.unit, quality=state.quality)
        found: Value = self.values.get(spec.name)
        return Term(name=spec.text, value=found, unit=spec.unit, quality=Quality.BAD if found is None else Quality.GOOD)

    def missing(self, run: RuleRun) -> list[PointState]:
        """Bound points of a rule that have no good value now."""
        return [self.points[name] for name in run.points if name in self.points and name not in self.values]

    def reading(self, test: TestRun, now: int) -> Reading:
        """The test's conditions now; evidence is gathered only while it runs or begins."""
        code = test.code
        start = code.start.truth(self.values, self.windows, now, 0.0)
        return Reading(
            start=start,
            end=code.end.truth(self.values, self.windows, now, 0.0),
            passes=code.passes.truth(self.values, self.windows, now, 0.0),
            terms=self.terms([code.passes], now) if start or test.observation.began else [],
            minimum_ms=in_ms(test.observation.rule.minimum, self.limits, self.equipment),
            ignore_below_ms=in_ms(test.observation.rule.ignore_below, self.limits, self.equipment),
        )

    def raw(self, name: str, now: Moment) -> Raw | None:
        """The newest sample of a bound point as evidence; that it grew stale is told at ``now``, without a value."""
        is_served = name.startswith("serves.")
        state = self.served.get(name.removeprefix("serves.")) if is_served else self.points.get(name)
        if state is None or state.cause is Cause.NOT_YET:
            return None
        if state.cause is Cause.STALE:
            return Raw(now.wall_ms, None, Quality.BAD, Cause.STALE)
        return Raw(state.at_ms, state.value, state.quality, state.cause)

    def set_limit(self, name: str, value: float) -> None:
        """A new figure, from now on; windows and delays measured by it follow."""
        before = self.limits[name]
        self.limits[name] = self.values[name] = value
        if before != value:
            for index, spec in enumerate(self.program.windows):
                if spec.span == name:
                    self.windows[index] = spec.create(self.limits, self.program.scope)
            for run in self.rules.values():
                run.settings = settings_of(run.rule, self.limits, self.equipment)
        self.changed[name] = None


def in_ms(time: int | str, limits: Mapping[str, float], equipment: Equipment) -> int:
    """Milliseconds of a time that is written as such or as the name of a limit."""
    if isinstance(time, int):
        return time
    return round(limits[time] * _MS_PER_UNIT[equipment.limits[time].limit.unit])


def settings_of(rule: Rule, limits: Mapping[str, float], equipment: Equipment) -> Settings:
    """A rule's delays as they are set here."""
    return Settings(
        on_delay_ms=in_ms(rule.on_delay, limits, equipment), off_delay_ms=in_ms(rule.off_delay, limits, equipment),
        latching=rule.latching, escalate=tuple((one.after, Severity(one.severity)) for one in rule.escalate),
    )  # fmt: skip


def create_runtime(
    equipment: Equipment, program: Program, bound: Mapping[str, tuple[str, Binding]], limits: Mapping[str, float],
    served: Equipment | None, served_points: Collection[str] = (),
) -> Runtime:  # fmt: skip
    """A runtime in which nothing has been read yet. ``bound``: point → device id and binding.

    ``served_points`` are those that are measured at the equipment it serves.
    """
    points = {name: PointState(binding, device) for name, (device, binding) in bound.items()}
    runtime = Runtime(equipment, program, points, dict(limits))
    runtime.shortest_stale_ms = min((state.binding.stale_after_ms for state in points.values()), default=0)
    runtime.values |= {**equipment.ratings, **limits}
    if served is not None:
        figures = {name: limit.value for name, limit in served.limits.items()}
        runtime.values |= {f"serves.{name}": value for name, value in {**served.ratings, **figures}.items()}
    runtime.windows = [spec.create(runtime.limits, program.scope) for spec in program.windows]
    known = {*points, *CLOCK, *(f"serves.{name}" for name in served_points)}
    _add_rules(runtime, known)
    _add_tests(runtime, known)
    fed = _looked_at(runtime)
    runtime.fed = tuple(sorted(fed))
    runtime.nested = tuple(index for index in program.nested if index in fed)
    return runtime


def _looked_at(runtime: Runtime) -> set[int]:
    """Windows of the rules and tests that can be judged here, with the windows in them."""
    rules = [one for run in runtime.rules.values() for one in (run.code.when, run.code.gate) if one is not None]
    tests = [one for run in runtime.tests for one in (run.code.start, run.code.end, run.code.passes)]
    return {index for one in (*rules, *tests) for index in one.window_indexes}


def _add_rules(runtime: Runtime, bound: set[str]) -> None:
    equipment, program = runtime.equipment, runtime.program
    for name in program.order:
        rule, code = equipment.rules.get(name), program.rules.get(name)
        if rule is not None and code is None and rule.serves:
            runtime.unwatched[name] = f"serves no {rule.serves}"
        if rule is None or code is None:
            continue
        if why := _why_unwatched(runtime, code, bound):
            runtime.unwatched[name] = why
            continue
        code = measured_code(code, lambda name: name in bound or name in runtime.values)
        runtime.rules[name] = RuleRun(
            id=name, rule=rule, code=code, settings=settings_of(rule, runtime.limits, equipment),
            severity=Severity(rule.severity), state=AlarmState(severity=Severity(rule.severity)),
            points=tuple(one for one in code.names if _is_point(program, one)),
            is_timed=bool(code.when.window_indexes or (code.gate and code.gate.window_indexes)),
        )  # fmt: skip


def _is_point(program: Program, name: str) -> bool:
    symbol = program.scope.get(name)
    return symbol is None or symbol.source == "point"


def _why_unwatched(runtime: Runtime, code: RuleCode, bound: set[str]) -> str:
    """Why a rule can never become true here; empty when it can."""

    def known(name: str) -> bool:
        return name in bound or name in runtime.values

    if code.gate is not None:
        if code.gate.truth(runtime.values, runtime.windows, 0, 0.0) is False:
            return f"does not apply here: {code.gate.text}"
        if not can_be(code.gate.node, known):
            return f"not measured: {', '.join(name for name in code.gate.names if not known(name))}"
    if not can_be(code.when.node, known):
        return f"not measured: {', '.join(name for name in code.when.names if not known(name))}"
    return ""


def _add_tests(runtime: Runtime, bound: set[str]) -> None:
    for name, code in runtime.program.tests.items():
        test = runtime.equipment.tests.get(name)
        needed = [one for one in code.names if _is_point(runtime.program, one)]
        if test is not None and test.observed is not None and set(needed) <= bound:
            units = {one: runtime.program.scope[one].unit_text for one in needed if one in runtime.program.scope}
            observation = Observation(runtime.equipment.id, name, test.observed, units=units)
            runtime.tests.append(TestRun(code, observation, tuple(needed)))
