"""What must hold between the plant's faults and the gateway's alarms, whatever happened meanwhile (judged purely).

A fault that lasts is told, also through a power cut; what is repaired ends; what cannot be known neither begins nor ends;
what another alarm explains keeps silent. Asked only where nothing else was in the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from contract.conventions import EpochMs, instant_ms
from device_profiles.names import CLOCK, FUNCTIONS
from device_profiles.schema import Rule
from simulators.invariants_delivery import Delivered
from simulators.invariants_lived import FOREVER_MS, OF_PEOPLE, SETTLE_MS, Lived, Span, serving
from simulators.plant import Change
from simulators.run_facts import Facts, Row
from simulators.site_plan import Expected, duration, every_ms, plan_of, window_ms

LOOK_MS = 20_000
"""A gateway looks around, and saves, at least this often in a drawn case."""
ASKED_MS = 45_000
"""A question that is not answered is asked again before it counts as lost; so much may pass."""
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_OF_TIME = {*CLOCK, *FUNCTIONS} - {"abs", "min", "max", "sqrt"}
"""What changes a condition although nothing new is read."""

Watched = frozenset[tuple[str, str]]
"""(equipment, rule) of everything the gateway announced that it judges."""


@dataclass(frozen=True, slots=True)
class Told:
    """A fault with the instant of its repair and one rule that it must make active."""

    change: Change
    until_ms: EpochMs
    expected: Expected
    near: Sequence[Span]
    """When other faults of the same equipment lasted."""

    @property
    def key(self) -> tuple[str, str]:
        return self.change.equipment, self.expected.rule

    @property
    def shown_ms(self) -> EpochMs:
        """When it shows in full."""
        return self.change.at_ms + round(self.change.onset_s * 1000)

    @property
    def by_ms(self) -> EpochMs:
        """When its alarm is raised at the latest."""
        return self.shown_ms + self.expected.raise_ms

    def is_alone(self, from_ms: EpochMs, until_ms: EpochMs) -> bool:
        return not any(since < until_ms and end > from_ms for since, end in self.near)


def alarms_by_key(facts: Facts) -> dict[tuple[str, str], list[Row]]:
    """Equipment and rule to the alarms, oldest first."""
    found: dict[tuple[str, str], list[Row]] = {}
    for alarm in facts.alarms:
        found.setdefault((alarm["equipment_id"], alarm["rule"]), []).append(alarm)
    return found


def told_faults(lived: Lived, watched: Watched) -> Iterator[Told]:
    """Every fault with every rule that must speak of it, where neither gate nor other equipment decides."""
    expected = {(one.equipment, one.fault): one.expected for one in plan_of(lived.site, {}, FOREVER_MS).trials}
    spans = lived.spans()
    for change, until in spans:
        near = [
            (other.at_ms, end) for other, end in spans if other is not change and other.equipment == change.equipment
        ]
        for one in expected.get((change.equipment, change.fault), ()):
            rule = lived.site.equipment[change.equipment].equipment_class.rules[one.rule]
            is_gated = rule.gate is not None or rule.serves is not None
            if (change.equipment, one.rule) in watched and not is_gated:
                yield Told(change, until, one, near)


# --- what lasts is told -------------------------------------------------------------------------------------------


def faults_without_alarm(facts: Facts, lived: Lived, watched: Watched) -> Iterator[str]:
    """Faults that the gateway must have seen and that raised nothing."""
    if lived.is_jumped:
        return  # the alarms' instants are not the plant's
    alarms = alarms_by_key(facts)
    for told in told_faults(lived, watched):
        rule = lived.site.equipment[told.change.equipment].equipment_class.rules[told.expected.rule]
        if not rule.suppressed_by and _must_be_seen(told, lived) and not _is_raised(alarms, told, told.by_ms):
            yield _not_raised(told, told.by_ms)


def _must_be_seen(told: Told, lived: Lived) -> bool:
    """Whether the fault lasted long enough, alone, with nothing in the way, and its alarm had time to arrive."""
    before_ms = told.change.at_ms - told.expected.raise_ms - told.expected.clear_ms
    return (
        told.until_ms > told.by_ms
        and told.is_alone(before_ms, told.by_ms)
        and told.by_ms + SETTLE_MS < lived.now_ms
        and not lived.is_far
        and not lived.is_disturbed(told.change.equipment, before_ms, told.by_ms)
    )


def _is_raised(alarms: Mapping[tuple[str, str], Sequence[Row]], told: Told, by_ms: EpochMs) -> bool:
    return any(_covers(alarm, told.change.at_ms, by_ms) for alarm in alarms.get(told.key, ()))


def _covers(alarm: Row, from_ms: EpochMs, by_ms: EpochMs) -> bool:
    """Whether the alarm was raised in this time, or was active when it began."""
    if from_ms <= alarm["raised_at"] <= by_ms:
        return True
    return bool(alarm["raised_at"] < from_ms and (alarm["cleared_at"] is None or alarm["cleared_at"] >= from_ms))


def _not_raised(told: Told, by_ms: EpochMs, why: str = "") -> str:
    came = told.change
    return (
        f"{came.equipment}: {came.fault} came at {came.at_ms} and {told.expected.rule} was not raised "
        f"within {duration(by_ms - came.at_ms)}{why}"
    )


def late_after_a_restart(facts: Facts, lived: Lived, watched: Watched, dark: Sequence[Span]) -> Iterator[str]:
    """Faults seen before the gateway went down (``dark``), whose delay did not go on when it was back."""
    if lived.is_jumped or lived.is_far:
        return
    alarms = alarms_by_key(facts)
    for told in told_faults(lived, watched):
        by_ms = _by_after_restart(told, lived, dark)
        if by_ms is not None and not _is_raised(alarms, told, by_ms):
            yield _not_raised(told, by_ms, ", although the gateway saw it before it went down")


def _by_after_restart(told: Told, lived: Lived, dark: Sequence[Span]) -> EpochMs | None:
    """When the alarm is due, where the gateway went down after it had seen the fault and before it raised; else None."""
    equipment = lived.site.equipment[told.change.equipment]
    noticed_ms = 2 * every_ms(lived.site, equipment.id) + LOOK_MS
    seen_ms = told.shown_ms + noticed_ms
    due_ms = seen_ms + equipment.on_delays_ms[told.expected.rule]
    within = [span for span in dark if span[0] < due_ms and span[1] > told.change.at_ms - noticed_ms]
    if not within or within[0][0] < seen_ms or window_ms(_rule(lived, told), equipment):
        return None
    by_ms = max(due_ms, within[-1][1]) + len(within) * noticed_ms
    before_ms = told.change.at_ms - told.expected.raise_ms - told.expected.clear_ms
    is_free = (
        told.until_ms > by_ms
        and by_ms + SETTLE_MS < lived.now_ms
        and told.is_alone(before_ms, by_ms)
        and not lived.is_disturbed(equipment.id, before_ms, by_ms, ("line", "gateway"))
        and not any(due_ms <= since < by_ms for since, _ in dark)
    )
    return by_ms if is_free else None


def _rule(lived: Lived, told: Told) -> Rule:
    return lived.site.equipment[told.change.equipment].equipment_class.rules[told.expected.rule]


# --- what is repaired ends ----------------------------------------------------------------------------------------


def alarms_after_repair(facts: Facts, lived: Lived, watched: Watched) -> Iterator[str]:
    """Alarms that outlast the repair of their fault, on a shelf or off it."""
    if lived.is_jumped or lived.is_far:
        return
    alarms = alarms_by_key(facts)
    for told in told_faults(lived, watched):
        if not _must_end(told, lived):
            continue
        by_ms = told.until_ms + told.expected.clear_ms
        for alarm in alarms.get(told.key, ()):
            if alarm["raised_at"] <= by_ms and (alarm["cleared_at"] is None or alarm["cleared_at"] > by_ms):
                yield (
                    f"{told.change.equipment}: {told.change.fault} was repaired at {told.until_ms} and "
                    f"{told.expected.rule} had not ended within {duration(told.expected.clear_ms)}"
                )


def _must_end(told: Told, lived: Lived) -> bool:
    """Whether the repair left the equipment well, with nothing in the way of seeing it."""
    if told.until_ms >= FOREVER_MS or _rule(lived, told).latching:
        return False
    from_ms, by_ms = told.until_ms - told.expected.clear_ms, told.until_ms + told.expected.clear_ms
    return (
        by_ms + SETTLE_MS < lived.now_ms
        and told.is_alone(from_ms, by_ms)
        and not lived.is_disturbed(told.change.equipment, from_ms, by_ms, ("line", *OF_PEOPLE))
    )


# --- what is not known moves nothing ------------------------------------------------------------------------------


def ended_in_silence(both: Delivered, lived: Lived, silent: Mapping[str, Sequence[Span]]) -> Iterator[str]:
    """Alarms that ended while no device of the equipment had said anything (device to its silences)."""
    if lived.is_jumped:
        return
    for event in both.events:
        if event["type"] != "AlarmCleared" or event.get("instance") or event["equipment"] not in lived.site.equipment:
            continue
        equipment = lived.site.equipment[event["equipment"]]
        rule = equipment.equipment_class.rules.get(event["rule"])
        if rule is None or window_ms(rule, equipment) or not _is_plain(rule):
            continue
        at_ms = instant_ms(event["cleared_at"])
        devices = serving(lived.site, equipment.id)
        if devices and all(_was_silent(silent.get(one.id, ()), at_ms, one.every_ms) for one in devices):
            yield f"{equipment.id}/{event['rule']}: it ended at {at_ms}, while no device of it could be read"


def _was_silent(spans: Sequence[Span], at_ms: EpochMs, every: int) -> bool:
    return any(since + every + ASKED_MS < at_ms < until for since, until in spans)


def _is_plain(rule: Rule) -> bool:
    """Whether its condition looks at nothing but points of its own equipment as they are now."""
    text = f"{rule.when} {rule.gate or ''}"
    return "serves." not in text and _OF_TIME.isdisjoint(_WORD.findall(text))


# --- what another alarm explains keeps silent ---------------------------------------------------------------------


def consequences_that_spoke(both: Delivered, lived: Lived) -> Iterator[str]:
    """Alarms that were raised aloud while an alarm that explains them was active."""
    active: set[tuple[str, str]] = set()
    for event in both.events:
        if event["type"] not in ("AlarmRaised", "AlarmCleared"):
            continue
        key = (event["equipment"], event["rule"])
        if event["type"] == "AlarmCleared":
            active.discard(key)
        else:
            equipment = lived.site.equipment.get(key[0])
            rule = equipment.equipment_class.rules.get(key[1]) if equipment else None
            causes = [one for one in (rule.suppressed_by if rule else ()) if (key[0], one) in active]
            if causes and not event.get("suppressed_by") and event["severity"] != "life_safety":
                yield f"{key[0]}/{key[1]}: it was raised aloud although {causes[0]} explains it"
            active.add(key)
