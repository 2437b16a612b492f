"""rules: one evaluation of one piece of equipment: values in, contract events out (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from contract.conventions import format_instant
from contract.messages import (
    AlarmChanged,
    AlarmCleared,
    AlarmRaised,
    Cause,
    Quality,
    Record,
    RuleUnknown,
    Severity,
    Term,
)
from edge.decode.sample import Moment
from edge.rules import alarm
from edge.rules.alarm import AlarmState, Change, Settings, What
from edge.rules.expression import NOT_KNOWN
from edge.rules.runtime import PointState, RuleRun, Runtime, TestRun

NO_DATA = "no_data"
NO_DATA_CLAUSE = "e-sw-meters"
"""Instruments must read normally every day; a device that gives no data does not."""
OUT_OF_SERVICE = "out_of_service"
SHELVED = "shelved"
_NO_DELAY = Settings()
_WORD: dict[What, Literal["severity", "suppressed", "unsuppressed"]] = {
    What.SEVERITY: "severity", What.SUPPRESSED: "suppressed", What.UNSUPPRESSED: "unsuppressed",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Subject:
    """Which alarm of a piece of equipment an event is about."""

    rule: str
    instance: str
    clause: str
    on_delay_ms: int = 0


def judge(runtime: Runtime, now: Moment) -> list[Record]:
    """Everything that follows from the points that changed since the last call."""
    names = tuple(runtime.changed)
    runtime.changed.clear()
    windows, rules = runtime.affected(names)
    runtime.push_windows(windows, now.steady_ms)
    records = list(_rules(runtime, rules, now))
    changed = set(names)
    for test in runtime.tests:
        if test.is_running or changed.intersection(test.points):
            records += _observe(runtime, test, now, changed)
    return records


def tick(runtime: Runtime, now: Moment) -> list[Record]:
    """What time alone changes: windows, delays, shelves that end, knowledge that stays away."""
    records = judge(runtime, now) if runtime.changed else []
    runtime.push_windows(runtime.nested, now.steady_ms)
    records += _end_of_service(runtime, now)
    due = [run.id for run in runtime.rules.values() if run.judged_at != now.steady_ms and _needs_time(run)]
    records += _rules(runtime, due, now)
    records += _unknown(runtime, now)
    for test in runtime.tests:
        if test.is_running:
            records += _observe(runtime, test, now, ())
    return records


def _needs_time(run: RuleRun) -> bool:
    return run.is_timed or run.state.phase not in ("normal", "latched") or run.shelved_until_ms is not None


def _observe(runtime: Runtime, test: TestRun, now: Moment, changed: Collection[str]) -> Iterator[Record]:
    before = test.observation.began
    if before is not None:
        _keep_samples(runtime, test, now, [point for point in test.points if point in changed])
    found = test.observation.observe(runtime.reading(test, now.steady_ms), now)
    runtime.is_dirty |= before is not test.observation.began
    if before is None and test.is_running:
        _keep_samples(runtime, test, now, test.points)
    if found is not None:
        yield found


def _keep_samples(runtime: Runtime, test: TestRun, now: Moment, points: Iterable[str]) -> None:
    for point in points:
        if (raw := runtime.raw(point, now)) is not None:
            test.observation.record(point, raw)


def _rules(runtime: Runtime, ids: Iterable[str], now: Moment) -> Iterator[Record]:
    """Step the named rules in order, then those that a change of theirs suppresses or frees."""
    active_changed: set[str] = set()
    at, rules, values, windows = now.steady_ms, runtime.rules, runtime.values, runtime.windows
    for name in ids:
        run = rules[name]
        run.judged_at = at
        if run.is_at_rest and run.shelved_until_ms is None:
            try:
                if not run.code.quick(values, windows, at, 0.0):
                    continue  # by far the most frequent answer
            except NOT_KNOWN:
                pass
        was_active = run.state.is_active
        yield from step_rule(runtime, run, now)
        if was_active != run.state.is_active:
            active_changed.add(name)
        run.is_at_rest = run.state.phase == "normal" and run.state.unknown_since is None and run.unknown_since is None
    if active_changed:
        for run in runtime.rules.values():
            if run.state.is_active and active_changed.intersection(run.rule.suppressed_by):
                yield from step_rule(runtime, run, now)


def step_rule(runtime: Runtime, run: RuleRun, now: Moment) -> Iterator[Record]:
    """One evaluation of one rule."""
    condition = runtime.condition(run, now.steady_ms)
    if run.shelved_until_ms is not None and now.wall_ms >= run.shelved_until_ms:
        yield unshelve(runtime, run, now, "the shelf time is over")
    if condition is None:
        if run.unknown_since is None:
            run.unknown_since = now.steady_ms
    elif run.unknown_since is not None:
        run.unknown_since = None
        if run.is_told:
            run.is_told, runtime.is_dirty = False, True
            yield RuleUnknown(
                equipment=runtime.equipment.id, rule=run.id, at=format_instant(now.wall_ms), unknown=False
            )
    if condition is False and run.state.phase == "normal" and run.state.unknown_since is None:
        return
    moved = alarm.step(run.state, condition, now, run.settings, run.severity, silence_of(runtime, run))
    if moved.state != run.state:
        runtime.is_dirty |= moved.state.phase != "normal" or run.state.phase != "normal"
    before, run.state = run.state, moved.state
    if moved.changes:
        terms = runtime.terms([run.code.when, run.code.gate], now.steady_ms)
        subject = Subject(run.id, "", run.rule.clause, run.settings.on_delay_ms)
        run.state, records = follow(runtime, subject, moved, before, terms)
        yield from records


def follow(
    runtime: Runtime, subject: Subject, moved: alarm.Step, before: AlarmState, because: list[Term]
) -> tuple[AlarmState, list[Record]]:
    """The state after a step as the storms leave it, and the step's events."""
    state, key = moved.state, (runtime.equipment.id, subject.rule, subject.instance)
    records: list[Record] = []
    for change in moved.changes:
        storms: tuple[str, ...] = ()
        if change.what is What.RAISED:
            joined = runtime.storms.raised(key, state.severity, change.at, state.silenced_by)
            records += joined.records
            state, storms = replace(state, silenced_by=joined.silence), joined.storms
        records.append(_event(runtime, subject, change, before, state, because, storms))
        if change.what is What.CLEARED:
            records += runtime.storms.cleared(key, change.at)
    return state, records


def silence_of(runtime: Runtime, run: RuleRun) -> str:
    """Why an alarm is silent by design: a permit to work; a cause that explains it; a shelf; a storm.

    Life at risk is neither shelved nor lost in a storm, and only another alarm of the same weight may speak for it.
    """
    if runtime.out_of_service:
        return OUT_OF_SERVICE
    is_life = Severity.LIFE_SAFETY in (run.severity, run.state.severity)
    for cause in run.rule.suppressed_by:
        other = runtime.rules.get(cause)
        if other is not None and other.state.is_active and (not is_life or other.severity is Severity.LIFE_SAFETY):
            return cause
    if is_life:
        return ""
    return SHELVED if run.shelved_until_ms is not None else _storm_of(runtime, run.id)


def _storm_of(runtime: Runtime, rule: str, instance: str = "") -> str:
    return runtime.storms.silence((runtime.equipment.id, rule, instance)) if runtime.storms.running else ""


def unshelve(runtime: Runtime, run: RuleRun, now: Moment, reason: str) -> Record:
    """Take an alarm off its shelf."""
    run.shelved_until_ms, run.shelf_reason, runtime.is_dirty = None, "", True
    return AlarmChanged(
        equipment=runtime.equipment.id, rule=run.id, at=format_instant(now.wall_ms), what="unshelved", reason=reason
    )


def _event(
    runtime: Runtime, subject: Subject, change: Change, before: AlarmState, state: AlarmState, because: list[Term],
    storms: tuple[str, ...],
) -> Record:  # fmt: skip
    """A change as the contract words it."""
    equipment, at = runtime.equipment.id, format_instant(change.at.wall_ms)
    rule, instance = subject.rule, subject.instance
    if change.what is What.RAISED:
        began = state.began or change.at
        return AlarmRaised(
            equipment=equipment, rule=rule, instance=instance, severity=state.severity, clause=subject.clause,
            began_at=format_instant(began.wall_ms), raised_at=at, on_delay_ms=subject.on_delay_ms, because=because,
            suppressed_by=state.silenced_by, storms=list(storms),
        )  # fmt: skip
    if change.what is What.CLEARED:
        raised = before.raised or change.at
        return AlarmCleared(
            equipment=equipment, rule=rule, instance=instance, raised_at=format_instant(raised.wall_ms), cleared_at=at,
            because=because,
        )  # fmt: skip
    severity = state.severity if change.what is What.SEVERITY else None
    return AlarmChanged(
        equipment=equipment, rule=rule, instance=instance, at=at, what=_WORD[change.what], severity=severity,
        reason=change.reason,
    )  # fmt: skip


# --- not knowing --------------------------------------------------------------------------------------------------


def _unknown(runtime: Runtime, now: Moment) -> Iterator[Record]:
    """Tell once of each rule that could not be judged for too long, and raise one alarm per silent device."""
    silent: dict[str, tuple[PointState, Severity]] = {}
    for run in runtime.rules.values():
        if run.unknown_since is None:
            continue
        missing = runtime.missing(run)
        late = [state for state in missing if not _may_still_come(runtime, state, now)]
        if late and not run.is_told and now.steady_ms - run.unknown_since >= run.rule.unknown_after:
            run.is_told, runtime.is_dirty = True, True
            yield _rule_unknown(runtime, run, late[0], now)
        if run.is_told:
            for state in [one for one in missing if one in late or one.device in runtime.no_data]:
                severity = Severity.MAJOR if run.severity is Severity.LIFE_SAFETY else Severity.MINOR
                _, other = silent.get(state.device, (state, severity))
                silent[state.device] = (state, max(severity, other, key=lambda one: one.rank))
    yield from _no_data(runtime, silent, now)


def _may_still_come(runtime: Runtime, state: PointState, now: Moment) -> bool:
    """After a start, a point that comes every few minutes is not late before it could have come."""
    return state.cause is Cause.NOT_YET and now.steady_ms - runtime.started_at < state.binding.stale_after_ms


def _rule_unknown(runtime: Runtime, run: RuleRun, missing: PointState, now: Moment) -> Record:
    cause = missing.cause if missing.cause is not Cause.NONE else Cause.NOT_YET
    return RuleUnknown(
        equipment=runtime.equipment.id, rule=run.id, at=format_instant(now.wall_ms), unknown=True,
        point=missing.binding.point_id, cause=cause,
    )  # fmt: skip


def _no_data(runtime: Runtime, silent: dict[str, tuple[PointState, Severity]], now: Moment) -> Iterator[Record]:
    for device in dict.fromkeys([*runtime.no_data, *silent]):
        state = runtime.no_data.get(device, AlarmState())
        severity = silent[device][1] if device in silent else state.severity
        silence = OUT_OF_SERVICE if runtime.out_of_service else _storm_of(runtime, NO_DATA, device)
        moved = alarm.step(state, device in silent, now, _NO_DELAY, severity, silence)
        because = [_missing_term(silent[device][0])] if device in silent else []
        subject = Subject(NO_DATA, device, NO_DATA_CLAUSE)
        runtime.no_data[device], records = follow(runtime, subject, moved, state, because)
        runtime.is_dirty |= bool(records)
        yield from records
        if runtime.no_data[device].standing == "normal":
            del runtime.no_data[device]


def _missing_term(state: PointState) -> Term:
    return Term(name=f"{state.binding.point_id}: {state.cause}", value=state.value, unit="", quality=Quality.BAD)


# --- a permit to work ---------------------------------------------------------------------------------------------


def _end_of_service(runtime: Runtime, now: Moment) -> list[Record]:
    if runtime.out_until_ms is None or now.wall_ms < runtime.out_until_ms:
        return []
    return set_service(runtime, "", None, now, "the time out of service is over")


def set_service(runtime: Runtime, reason: str, until_ms: int | None, now: Moment, why: str = "") -> list[Record]:
    """Take equipment out of service (with a reason) or put it back (without); its active alarms follow."""
    runtime.out_of_service, runtime.out_until_ms, runtime.is_dirty = reason, until_ms, True
    changed: Record = AlarmChanged(
        equipment=runtime.equipment.id, rule="", at=format_instant(now.wall_ms),
        what="out_of_service" if reason else "in_service", reason=reason or why,
        until=None if until_ms is None else format_instant(until_ms),
    )  # fmt: skip
    records = [changed]
    for run in runtime.rules.values():
        if run.state.is_active:
            records += step_rule(runtime, run, now)
    return records
