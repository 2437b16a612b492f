"""rules → people: why one rule stands where it stands (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field

from contract.messages import Quality, Severity, Term, Value
from edge.decode.sample import Moment
from edge.rules import alarm
from edge.rules.alarm import Standing, due
from edge.rules.judge import silence_of
from edge.rules.runtime import PointState, RuleRun, Runtime


@dataclass(frozen=True, slots=True)
class ShownTerm:
    """One value that the rule looks at. ``age_ms`` of what is measured; ``note``: why it is not good, or whose figure it is."""

    name: str
    value: Value
    unit: str
    quality: Quality
    age_ms: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule stands where it stands. ``waits_for`` says what must happen before anything changes."""

    equipment: str
    rule: str
    when: str
    gate: str
    severity: str
    clause: str
    condition: bool | None = None
    phase: str = "normal"
    standing: Standing = "normal"
    waits_until_ms: int | None = None
    waits_for: str = ""
    terms: tuple[ShownTerm, ...] = ()
    silenced_by: str = ""
    unwatched: str = ""
    unknown_for_ms: int | None = None
    missing: tuple[str, ...] = field(default_factory=tuple)


def explain_unwatched(runtime: Runtime, rule: str) -> Explanation:
    """A rule that can never be judged here, and why."""
    written = runtime.equipment.rules[rule]
    why = runtime.unwatched.get(rule, "its condition cannot be used")
    return Explanation(
        runtime.equipment.id, rule, written.when, written.gate or "", written.severity, written.clause, unwatched=why
    )


def explain_rule(runtime: Runtime, served: Runtime | None, run: RuleRun, now: Moment) -> Explanation:
    """``served``: the equipment that ``serves.x`` speaks of."""
    condition = runtime.condition(run, now.steady_ms)
    silence = silence_of(runtime, run)
    terms = runtime.terms([run.code.when, run.code.gate], now.steady_ms)
    missing = tuple(state.binding.point_id for state in runtime.missing(run))
    return Explanation(
        equipment=runtime.equipment.id, rule=run.id, when=run.code.when.text,
        gate=run.code.gate.text if run.code.gate else "", severity=run.severity.value, clause=run.rule.clause,
        condition=condition, phase=run.state.phase, standing=run.state.standing,
        waits_until_ms=due(run.state, run.settings), waits_for=_ignorance(missing) if condition is None else _waits_for(run, now, condition=condition),
        terms=tuple(_shown(runtime, served, term, now) for term in terms), silenced_by=silence,
        unknown_for_ms=None if run.unknown_since is None else now.steady_ms - run.unknown_since, missing=missing,
    )  # fmt: skip


def _ignorance(missing: tuple[str, ...]) -> str:
    if missing:
        return f"good values of {', '.join(missing)}; until then it neither raises nor clears"
    return "its windows to fill (four fifths of their time must be known), or for a figure that can be computed"


def _waits_for(run: RuleRun, now: Moment, *, condition: bool) -> str:
    state = alarm.step(run.state, condition, now, run.settings, run.severity, run.state.silenced_by).state
    left = (due(state, run.settings) or now.steady_ms) - now.steady_ms
    match state.phase:
        case "pending":
            return f"{left / 1000:g} s more of its on-delay with the condition true"
        case "clearing":
            return f"{left / 1000:g} s more of its off-delay with the condition false"
        case "latched":
            return "a person to acknowledge it"
        case "active":
            return f"the condition to be false for {run.settings.off_delay_ms / 1000:g} s{_worse(run, left)}"
        case _:
            return f"the condition to be true for {run.settings.on_delay_ms / 1000:g} s"


def _worse(run: RuleRun, left_ms: int) -> str:
    worst = max((severity for _, severity in run.settings.escalate), key=lambda one: one.rank, default=None)
    if worst is None or left_ms <= 0 or worst.rank <= Severity(run.state.severity).rank:
        return ""
    return f"; grows more severe in {left_ms / 1000:g} s"


def _shown(runtime: Runtime, served: Runtime | None, term: Term, now: Moment) -> ShownTerm:
    state = runtime.points.get(term.name)
    if served is not None and term.name.startswith("serves."):
        state = served.points.get(term.name.removeprefix("serves."))
    if state is not None:
        return _measured(state, term, now)
    limit = runtime.equipment.limits.get(term.name)
    if limit is not None:
        edited = term.value != limit.limit.value
        note = f"limit, edited; the class has {limit.limit.value:g}" if edited else "limit of the class"
        return ShownTerm(term.name, term.value, term.unit, term.quality, note=note)
    note = "rating" if term.name in runtime.equipment.ratings else ""
    if term.value is None:
        note = "not known yet: its window has not filled" if "(" in term.name else "not known"
    return ShownTerm(term.name, term.value, term.unit, term.quality, note=note)


def _measured(state: PointState, term: Term, now: Moment) -> ShownTerm:
    age = now.steady_ms - state.steady_ms if state.at_ms else None
    note = "" if state.quality is Quality.GOOD else str(state.cause)
    return ShownTerm(term.name, state.value, term.unit, state.quality, age, note)
