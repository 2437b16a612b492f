"""uplink → rules: what the cloud wishes (acknowledge, shelve, permit to work, a limit), applied or refused with a reason.

The gateway enforces, the cloud decides: who may shelve and for how long is settled there. Life-safety alarms are never
shelved. A limit set here is kept apart from the site file, wins over it, and survives a reload.
"""

from __future__ import annotations

from dataclasses import dataclass

from contract.conventions import format_instant, instant_ms
from contract.messages import AlarmChanged, Directive, Record, Severity
from edge.decode.sample import Moment
from edge.rules import alarm
from edge.rules.engine import Engine
from edge.rules.judge import NO_DATA, Subject, follow, set_service, step_rule, unshelve
from edge.rules.runtime import RuleRun, Runtime


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a directive: the events it led to, or why it was refused."""

    is_applied: bool
    reason: str = ""
    records: tuple[Record, ...] = ()
    is_refresh: bool = False
    """True when everything must be announced anew."""


def apply(engine: Engine, directive: Directive, now: Moment) -> Answer:
    """Carry out one directive. Never raises for what the cloud asks."""
    if directive.kind == "refresh":
        return Answer(is_applied=True, is_refresh=True)
    runtime = engine.runtime(directive.equipment)
    if runtime is None:
        return _refused(f"equipment {directive.equipment} is not on this gateway")
    return _to_equipment(engine, runtime, directive, now)


def _to_equipment(engine: Engine, runtime: Runtime, directive: Directive, now: Moment) -> Answer:
    match directive.kind:
        case "out_of_service" | "in_service":
            return _service(runtime, directive, now)
        case "set_limit":
            return _set_limit(engine, runtime, directive, now)
        case "acknowledge" if directive.rule == NO_DATA:
            return _acknowledge_device(runtime, directive, now)
    if (run := runtime.rules.get(directive.rule)) is None:
        return _refused(f"rule {directive.rule} does not run on {directive.equipment}")
    return _to_alarm(runtime, run, directive, now)


def _to_alarm(runtime: Runtime, run: RuleRun, directive: Directive, now: Moment) -> Answer:
    match directive.kind:
        case "acknowledge":
            return _acknowledge(runtime, run, now)
        case "shelve":
            return _shelve(runtime, run, directive, now)
    if run.shelved_until_ms is None:
        return Answer(is_applied=True, reason="it was not shelved")
    records = [unshelve(runtime, run, now, directive.reason), *step_rule(runtime, run, now)]
    return Answer(is_applied=True, records=tuple(records))


def _refused(reason: str) -> Answer:
    return Answer(is_applied=False, reason=reason)


def _service(runtime: Runtime, directive: Directive, now: Moment) -> Answer:
    if directive.kind == "in_service":
        return Answer(is_applied=True, records=tuple(set_service(runtime, "", None, now, directive.reason)))
    until = instant_ms(directive.until) if directive.until else None
    reason = directive.reason or f"by {directive.by}"
    return Answer(is_applied=True, records=tuple(set_service(runtime, reason, until, now)))


def _set_limit(engine: Engine, runtime: Runtime, directive: Directive, now: Moment) -> Answer:
    """A value sets the limit; none takes the cloud's figure away again."""
    name, equipment = directive.limit, runtime.equipment
    if name not in equipment.limits:
        return _refused(f"{equipment.id} has no limit {name}")
    kept = engine.cloud_limits[equipment.id]
    if directive.value is None:
        kept.pop(name, None)
        runtime.set_limit(name, equipment.limits[name].value)
    else:
        if wrong := equipment.limits[name].limit.mistake(directive.value):
            return _refused(f"{name}: {wrong}")
        if equipment.limits[name].limit.unit in ("s", "min", "h") and directive.value < 0:
            return _refused(f"{name} is a time and cannot be negative")
        at = format_instant(now.wall_ms)
        kept[name] = {"value": directive.value, "by": directive.by, "reason": directive.reason, "at": at}
        runtime.set_limit(name, directive.value)
    runtime.changed_at, runtime.is_dirty = now, True
    return Answer(is_applied=True, is_refresh=True)


def _acknowledge(runtime: Runtime, run: RuleRun, now: Moment) -> Answer:
    before, moved = run.state, alarm.acknowledge(run.state, now)
    if before.standing == "normal":
        return Answer(is_applied=True, reason="it is no longer active")
    runtime.is_dirty = True
    terms = runtime.terms([run.code.when, run.code.gate], now.steady_ms) if moved.changes else []
    run.state, cleared = follow(runtime, Subject(run.id, "", run.rule.clause), moved, before, terms)
    return Answer(is_applied=True, records=tuple(cleared))


def _acknowledge_device(runtime: Runtime, directive: Directive, now: Moment) -> Answer:
    if (state := runtime.no_data.get(directive.instance)) is not None:
        runtime.no_data[directive.instance], runtime.is_dirty = alarm.acknowledge(state, now).state, True
    return Answer(is_applied=True)


def _shelve(runtime: Runtime, run: RuleRun, directive: Directive, now: Moment) -> Answer:
    if Severity.LIFE_SAFETY in (run.severity, run.state.severity):
        return _refused("a life-safety alarm is not shelved; take the equipment out of service under a permit instead")
    if directive.until is None or instant_ms(directive.until) <= now.wall_ms:
        return _refused("a shelf needs an end that lies ahead")
    run.shelved_until_ms, run.shelf_reason, runtime.is_dirty = instant_ms(directive.until), directive.reason, True
    shelved = AlarmChanged(
        equipment=runtime.equipment.id, rule=run.id, at=format_instant(now.wall_ms), what="shelved",
        reason=directive.reason, until=directive.until,
    )  # fmt: skip
    return Answer(is_applied=True, records=(shelved, *step_rule(runtime, run, now)))
