"""decode → rules → outbox: samples in, contract events out, for all equipment of a site (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from contract.conventions import format_instant
from contract.messages import Quality, Record, Severity, Value
from device_profiles.library import Finding
from device_profiles.names import CLOCK
from device_profiles.schema import EquipmentClass, Text
from edge.decode.sample import Moment, Sample
from edge.pace import USUAL, Pace
from edge.rules import checkpoint
from edge.rules.alarm import AlarmState
from edge.rules.explain import Explanation, explain_rule, explain_unwatched
from edge.rules.judge import NO_DATA, judge, step_rule, tick
from edge.rules.program import Program, compile_class
from edge.rules.runtime import Runtime, create_runtime
from edge.rules.storm import Storms, ended
from edge.site import Binding, Equipment, Site

STORMS_KEY = "storms"
"""Where the storms are saved, beside ``alarms/…`` of each piece of equipment."""
NO_DATA_NAME = Text(en="No data from the device", zh="设备无数据")


@dataclass(frozen=True, slots=True)
class ActiveAlarm:
    """One raised alarm, for the people on site."""

    equipment: str
    rule: str
    instance: str
    name: Text
    severity: Severity
    began_ms: int
    raised_ms: int
    is_acknowledged: bool
    silenced_by: str
    returned_ms: int | None = None
    """When it cleared, of an alarm that nobody has acknowledged."""


class Engine:
    """Keeps every runtime; one call per batch of samples, one per second without."""

    def __init__(
        self, site: Site, now: Moment, saved: Mapping[str, bytes] | None = None, *, pace: Pace = USUAL
    ) -> None:
        self.site, self.pace = site, pace
        self._runtimes = {one.id: runtime for one, runtime in _runtimes(site)}
        self._served_by: dict[str, list[Runtime]] = {}
        for runtime in self._runtimes.values():
            if runtime.equipment.serves:
                self._served_by.setdefault(runtime.equipment.serves, []).append(runtime)
        self.cloud_limits: dict[str, dict[str, dict[str, Any]]] = {one: {} for one in self._runtimes}
        self._clocked = [one for one in self._runtimes.values() if _looks_at_the_clock(one)]
        self._zone, self._minute = ZoneInfo(site.zone), -1
        self._waiting: dict[str, Runtime] = {}
        """Equipment in which a delay runs. A turn costs by what happens in it, not by the size of the site."""
        self._touched: dict[str, Runtime] = {}
        self._next_tick = now.steady_ms
        self._next_windows = now.steady_ms + self.pace.windows_ms
        self.storms = Storms(site.gateway.storms)
        if (body := (saved or {}).get(STORMS_KEY)) is not None:
            self.storms.restore(body, now)
        for runtime in self._runtimes.values():
            runtime.storms = self.storms
            if (served := self._runtimes.get(runtime.equipment.serves)) is not None:
                runtime.served = served.points
            self._start(runtime, now, saved or {})

    def _start(self, runtime: Runtime, now: Moment, saved: Mapping[str, bytes]) -> None:
        name = runtime.equipment.id
        runtime.started_at = now.steady_ms
        if (body := saved.get(f"alarms/{name}")) is not None:
            self.cloud_limits[name] = checkpoint.restore_alarms(runtime, body, now)
        if (body := saved.get(f"windows/{name}")) is not None:
            checkpoint.restore_windows(runtime, body, now)
        for run in runtime.rules.values():
            run.unknown_since = now.steady_ms  # nothing has been read yet

    # --- judging ------------------------------------------------------------------------------------------------

    def evaluate(self, samples: Sequence[Sample], now: Moment) -> list[Record]:
        """Take the samples in order, judge what they change, and let time pass until ``now``."""
        records = list(self._end_storms(now)) if self.storms.running else []
        touched: dict[str, Runtime] = {}
        self._tell_time(now)
        name, runtime, others = "", None, list[Runtime]()
        for sample in samples:
            if sample.equipment != name:  # samples of one device come together
                name = sample.equipment
                runtime, others = self._runtimes.get(name), self._served_by.get(name, [])
                if runtime is not None:
                    touched[name] = runtime
            if runtime is None:
                continue
            if sample.point in runtime.changed:  # a second value of the same point: the first must not be passed over
                records += self._judge(runtime)
            runtime.take(sample)
            for other in others:
                other.note(f"serves.{sample.point}", runtime.values.get(sample.point))
                other.changed_at, touched[other.equipment.id] = runtime.changed_at, other
        for runtime in touched.values():
            records += self._judge(runtime)
        records += self._let_time_pass(now)
        return records

    def _judge(self, runtime: Runtime) -> list[Record]:
        if runtime.changed_at is None:
            return []
        records = judge(runtime, runtime.changed_at)
        self._note_due(runtime)
        return records

    def _note_due(self, runtime: Runtime) -> None:
        name = runtime.equipment.id
        self._touched[name] = runtime
        runtime.due_at = runtime.next_due()
        if runtime.due_at is None:
            self._waiting.pop(name, None)
        else:
            self._waiting[name] = runtime

    def _let_time_pass(self, now: Moment) -> Iterator[Record]:
        is_tick = now.steady_ms >= self._next_tick
        if is_tick:
            self._next_tick = now.steady_ms + self.pace.tick_ms
        some = {one.equipment.id: one for one in [*self._clocked, *self._waiting.values()]}
        for runtime in list((self._runtimes if is_tick else some).values()):
            if is_tick or runtime.changed or (runtime.due_at is not None and runtime.due_at <= now.steady_ms):
                self._share_stale(runtime, now)
                yield from tick(runtime, now)
                self._note_due(runtime)

    def _end_storms(self, now: Moment) -> Iterator[Record]:
        """What a storm spoke for speaks for itself again."""
        for storm in self.storms.pass_time(now):
            yield ended(storm, now)
            for equipment, rule, _ in storm.silenced:
                runtime = self.runtime(equipment)
                if runtime is not None and (run := runtime.rules.get(rule)) is not None:
                    yield from step_rule(runtime, run, now)

    def _tell_time(self, now: Moment) -> None:
        """The site's own hour and weekday, each minute, to whom it may concern."""
        minute = now.wall_ms // 60_000
        if minute == self._minute or not self._clocked:
            return
        self._minute = minute
        local = datetime.fromtimestamp(minute * 60, self._zone)
        for runtime in self._clocked:
            runtime.note("hour", local.hour + local.minute / 60)
            runtime.note("weekday", local.isoweekday())

    def _share_stale(self, runtime: Runtime, now: Moment) -> None:
        for name in runtime.go_stale(now):
            for other in self._served_by.get(runtime.equipment.id, ()):
                other.note(f"serves.{name}", None)

    def share(self, now: Moment) -> None:
        """Tell windows, and who serves it, what a piece of equipment shows: for values that came otherwise than as samples."""
        for name, others in self._served_by.items():
            served = self._runtimes.get(name)
            for point in served.points if served else ():
                for other in others:
                    other.note(f"serves.{point}", served.values.get(point) if served else None)
        for runtime in self._runtimes.values():
            runtime.push_windows(runtime.fed, now.steady_ms)

    def next_due(self) -> int:
        """``steady_ms`` at which ``evaluate`` should be called even without samples."""
        dues = [runtime.due_at for runtime in self._waiting.values() if runtime.due_at is not None]
        return min([self._next_tick, *dues])

    # --- what it knows --------------------------------------------------------------------------------------------

    def runtime(self, equipment: str) -> Runtime | None:
        """One runtime; whoever asks may change it."""
        if (found := self._runtimes.get(equipment)) is not None:
            self._touched[equipment] = found
        return found

    def runtimes(self) -> Iterator[Runtime]:
        return iter(self._runtimes.values())

    def take_dirty(self, now: Moment, *, everything: bool = False) -> list[tuple[str, bytes]]:
        """State that changed since the last call, to be saved in the same transaction as the events it led to."""
        rows = []
        if self.storms.is_dirty or everything:
            self.storms.is_dirty = False
            rows.append((STORMS_KEY, self.storms.to_json(now)))
        touched, self._touched = self._runtimes if everything else self._touched, {}
        for name, runtime in touched.items():
            if runtime.is_dirty or everything:
                runtime.is_dirty = False
                rows.append((f"alarms/{name}", checkpoint.alarms_body(runtime, self.cloud_limits[name], now)))
        if everything or now.steady_ms >= self._next_windows:
            self._next_windows = now.steady_ms + self.pace.windows_ms
            for name, runtime in self._runtimes.items():
                rows.append((f"values/{name}", checkpoint.values_body(runtime, now)))
                if runtime.windows or any(test.is_running for test in runtime.tests):
                    rows.append((f"windows/{name}", checkpoint.windows_body(runtime, now)))
        return rows

    def next_alarm_due(self) -> int | None:
        """``steady_ms`` at which the next delay, escalation or storm ends; None when nothing waits."""
        dues = [runtime.due_at for runtime in self._waiting.values() if runtime.due_at is not None]
        if (end := self.storms.next_end()) is not None:
            dues.append(end)
        return min(dues, default=None)

    def active_alarms(self) -> list[ActiveAlarm]:
        """Every raised alarm, worst first, then oldest."""
        return self._alarms(lambda state: state.is_active)

    def returned_alarms(self) -> list[ActiveAlarm]:
        """Every alarm that cleared before anybody acknowledged it, worst first, then oldest."""
        return self._alarms(lambda state: state.standing == "cleared_unacknowledged")

    def _alarms(self, is_wanted: Callable[[AlarmState], bool]) -> list[ActiveAlarm]:
        found = [alarm for runtime in self._runtimes.values() for alarm in _listed(runtime, is_wanted)]
        return sorted(found, key=lambda one: (-one.severity.rank, one.raised_ms))

    def explain(self, equipment: str, rule: str, now: Moment) -> Explanation | None:
        """Every term of a rule and what its alarm waits for; None when there is no such rule."""
        runtime = self._runtimes.get(equipment)
        if runtime is None or rule not in runtime.equipment.rules:
            return None
        if (run := runtime.rules.get(rule)) is None:
            return explain_unwatched(runtime, rule)
        return explain_rule(runtime, self._runtimes.get(runtime.equipment.serves), run, now)


def _programs(site: Site) -> dict[tuple[str, str], Program]:
    """The code of every class, once for each class it serves here."""
    programs: dict[tuple[str, str], Program] = {}
    things = {one.id: one.equipment_class for one in site.equipment}
    for one in site.equipment:
        served = things.get(one.serves)
        key = _program_key(one.equipment_class, served)
        if key not in programs:
            programs[key] = compile_class(one.equipment_class, served)
    return programs


def _program_key(of: EquipmentClass, served: EquipmentClass | None) -> tuple[str, str]:
    return of.id, served.id if served else ""


def _runtimes(site: Site) -> Iterator[tuple[Equipment, Runtime]]:
    programs, bound = _programs(site), _bound(site)
    things = {one.id: one for one in site.equipment}
    for one in site.equipment:
        served = things.get(one.serves)
        program = programs[_program_key(one.equipment_class, served.equipment_class if served else None)]
        limits = {name: limit.value for name, limit in one.limits.items()}
        yield one, create_runtime(one, program, bound.get(one.id, {}), limits, served, bound.get(one.serves, {}))


def _looks_at_the_clock(runtime: Runtime) -> bool:
    names = [run.code.names for run in runtime.rules.values()] + [test.code.names for test in runtime.tests]
    return any(set(CLOCK) & set(one) for one in names)


def _bound(site: Site) -> dict[str, dict[str, tuple[str, Binding]]]:
    """Equipment to its measured points, each with the device that measures it."""
    found: dict[str, dict[str, tuple[str, Binding]]] = {}
    for device in site.devices:
        for binding in device.bindings:
            found.setdefault(binding.equipment, {})[binding.point_id] = (device.id, binding)
    return found


def _listed(runtime: Runtime, is_wanted: Callable[[AlarmState], bool]) -> Iterator[ActiveAlarm]:
    rules = [(run.id, "", run.rule.name, run.state) for run in runtime.rules.values()]
    devices = [(NO_DATA, device, NO_DATA_NAME, state) for device, state in runtime.no_data.items()]
    for rule, instance, name, state in (*rules, *devices):
        if is_wanted(state) and state.raised:
            began = state.began or state.raised
            yield ActiveAlarm(
                runtime.equipment.id, rule, instance, name, state.severity, began.wall_ms, state.raised.wall_ms,
                state.acknowledged, state.silenced_by, state.returned.wall_ms if state.returned else None,
            )  # fmt: skip


def latest(runtime: Runtime) -> list[tuple[str, Value, Quality, str, str]]:
    """Point, value, quality, cause and instant of everything measured, for the status page."""
    return [
        (name, state.value, state.quality, state.cause, format_instant(state.at_ms) if state.at_ms else "")
        for name, state in runtime.points.items()
    ]


def check_conditions(site: Site) -> list[Finding]:
    """Every condition of the site's classes that cannot be used, with the expression and a caret."""
    found: dict[str, Finding] = {}
    for (class_id, _), program in _programs(site).items():
        for mistake in program.mistakes:
            path = ".".join((class_id, *mistake.path))
            found[path] = Finding(str(site.path), 0, path, str(mistake.error), "Mend the condition in the class")
    return list(found.values())
