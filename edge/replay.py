"""Recorded samples → rules, in virtual time: what they would have raised, and when (pure).

Points that the file holds count as measured, whatever the site's devices measure; a value is stale after three of its
own intervals in the file. Time passes in a hole of the file as it would have passed in the gateway.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from contract.conventions import format_instant
from contract.messages import (
    AlarmChanged,
    AlarmCleared,
    AlarmRaised,
    Record,
    RuleUnknown,
    StormBegan,
    StormEnded,
    TestObserved,
)
from device_profiles.schema import DeviceModel, RegisterMapping
from edge.decode.sample import Moment, Sample
from edge.recorded import DEVICE
from edge.rules.engine import Engine
from edge.rules.judge import NO_DATA, NO_DATA_CLAUSE
from edge.site import Binding, Bus, Device, Site, stale_after_ms

LOOK_AHEAD = 20_000
"""Rows read first, to learn which points the file holds and how often."""
COARSE_MS = 60_000
LONG_HOLE_MS = 3_600_000
"""After so long a hole, time is looked at each minute only."""
_KINDS = {
    AlarmRaised: "raised", AlarmCleared: "cleared", AlarmChanged: "changed", RuleUnknown: "unknown",
    TestObserved: "test", StormBegan: "storm_began", StormEnded: "storm_ended",
}  # fmt: skip


# --- running --------------------------------------------------------------------------------------------------------

Turn = tuple[Engine, Moment, list[Record]]


def replay(
    site: Site,
    polls: Iterator[list[Sample]],
    refuse_newcomer: Callable[[Sample, int], NoReturn],
    look_ahead: int = LOOK_AHEAD,
    until_ms: int | None = None,
) -> Iterator[Turn]:
    """Run the polls through the rules; the engine with what each instant led to, delays ending in between included.

    ``refuse_newcomer`` is told of a point that is not among the first ``look_ahead`` rows. Polls after ``until_ms`` are not
    looked at; time passes up to there.
    """
    head = _head(polls, look_ahead)
    if not head or (until_ms is not None and head[0][0].sampled_at_ms > until_ms):
        return
    site, interval_ms = measured_by_file(site, head)
    known = {(one.equipment, one.point_id) for one in site.devices[0].bindings}
    now = _moment(head[0][0].sampled_at_ms)
    engine = Engine(site, now)
    for poll in itertools.chain(head, polls):
        at = _moment(poll[0].sampled_at_ms)
        if until_ms is not None and at.wall_ms > until_ms:
            break
        yield from _until(engine, now, at, interval_ms)
        if not known.issuperset([(sample.equipment, sample.point) for sample in poll]):
            newcomer = next(sample for sample in poll if (sample.equipment, sample.point) not in known)
            refuse_newcomer(newcomer, look_ahead)
        yield engine, at, engine.evaluate(poll, at)
        now = at
    if until_ms is not None and until_ms > now.wall_ms:
        yield from _until(engine, now, _moment(until_ms), interval_ms)
        yield engine, _moment(until_ms), engine.evaluate([], _moment(until_ms))


def _head(polls: Iterator[list[Sample]], look_ahead: int) -> list[list[Sample]]:
    found, rows = [], 0
    for poll in polls:
        found.append(poll)
        rows += len(poll)
        if rows >= look_ahead:
            break
    return found


def _until(engine: Engine, now: Moment, end: Moment, interval_ms: int) -> Iterator[Turn]:
    """Let time pass: delays that end, and in a hole also what grows old."""
    looked, began = now.steady_ms, now.steady_ms
    while True:
        step = interval_ms if looked - began < LONG_HOLE_MS else max(interval_ms, COARSE_MS)
        due = engine.next_alarm_due()
        next_look = looked + step if due is None else min(due, looked + step)
        if next_look >= end.steady_ms:
            return
        looked = max(next_look, looked)
        yield engine, _moment(looked), engine.evaluate([], _moment(looked))


def _moment(at_ms: int) -> Moment:
    return Moment(wall_ms=at_ms, steady_ms=at_ms)


def measured_by_file(site: Site, head: Sequence[Sequence[Sample]]) -> tuple[Site, int]:
    """The site as if one device measured exactly the points of the file, and the shortest of their intervals in ms."""
    every = _intervals_ms(head)
    mapping = RegisterMapping.model_validate({"table": "holding", "address": 0})
    bindings = []
    for (equipment, name), every_ms in every.items():
        one = site.find_equipment(equipment)
        if one is not None:
            point = one.equipment_class.points[name]
            stale = max(
                stale_after_ms(point, every_ms),
                stale_after_ms(point.model_copy(update={"stale_after": None}), every_ms),
            )
            bindings.append(Binding(name, equipment, name, point, mapping, every_ms, stale))
    shortest = min(every.values(), default=1_000)
    bus = Bus(DEVICE, "tcp")
    device = Device(DEVICE, _model(), bus, 0, shortest, tuple(bindings))
    return replace(site, buses=(bus,), devices=(device,)), shortest


def _intervals_ms(head: Sequence[Sequence[Sample]]) -> dict[tuple[str, str], int]:
    """The commonest distance between two samples of each point; of a point seen once, the commonest of all."""
    last: dict[tuple[str, str], int] = {}
    gaps: dict[tuple[str, str], Counter[int]] = {}
    for sample in itertools.chain.from_iterable(head):
        key, at_ms = (sample.equipment, sample.point), sample.sampled_at_ms
        counts = gaps.setdefault(key, Counter())
        if key in last and at_ms > last[key]:
            counts[at_ms - last[key]] += 1
        last[key] = at_ms
    together = sum(gaps.values(), Counter[int]())
    usual = together.most_common(1)[0][0] if together else 1_000
    return {key: counts.most_common(1)[0][0] if counts else usual for key, counts in gaps.items()}


def _model() -> DeviceModel:
    return DeviceModel.model_validate(
        {
            "id": DEVICE, "equipment_class": DEVICE, "name": "Recorded samples", "maker": "a file", "status": "unverified",
            "sources": ["a file"], "protocol": "modbus", "registers": {"value": {"table": "holding", "address": 0}},
        }
    )  # fmt: skip


# --- printing -------------------------------------------------------------------------------------------------------


def event_line(engine: Engine, record: Record) -> str | None:
    """One event as JSON; None for a record that is no event of a rule."""
    kind = _KINDS.get(type(record))
    if kind is None:
        return None
    row: dict[str, Any] = {"event": kind, "time": _time(record), "equipment": getattr(record, "equipment", "")}
    row["rule"] = getattr(record, "rule", getattr(record, "test", ""))
    row |= _of_rule(engine, row["equipment"], row["rule"])
    for key in _MORE:
        if (value := getattr(record, key, None)) not in (None, "", []):
            row[key] = value
    if isinstance(record, TestObserved):
        row |= {"passed": record.passed, "reasons": record.reasons}
    terms = getattr(record, "because", None) or getattr(record, "evidence", [])
    row["because"] = [{"name": term.name, "value": term.value, "unit": term.unit} for term in terms]
    return json.dumps(row, ensure_ascii=False)


_MORE = (
    "severity", "clause", "instance", "began_at", "what", "reason", "until", "suppressed_by", "point", "cause", "unknown",
    "storm", "storms", "kind", "raises",
)  # fmt: skip


def _of_rule(engine: Engine, equipment: str, rule: str) -> dict[str, str]:
    """Severity and clause as the class has them, for events that do not carry their own."""
    one = engine.site.find_equipment(equipment)
    if one is None:
        return {}
    if (found := one.rules.get(rule)) is not None:
        return {"severity": found.severity, "clause": found.clause}
    if (test := one.tests.get(rule)) is not None:
        return {"clause": test.clause}
    return {"clause": NO_DATA_CLAUSE} if rule == NO_DATA else {}


def _time(record: Record) -> str:
    """When the event happened: of a clearing and of a storm, its own instant and not that of its beginning."""
    for key in ("cleared_at", "ended_at", "recognised_at", "raised_at", "at"):
        if (at := getattr(record, key, None)) is not None:
            return str(at)
    return format_instant(0)
