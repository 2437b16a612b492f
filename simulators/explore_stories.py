"""site → steps that belong together: what breaks such systems is rarely one thing, but a second one in the middle of the first (pure).

Each story draws its own moments and lengths. Two steps drawn for themselves seldom meet; those of a story do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulators.site import SimulatedEquipment, SimulatedSite

Step = dict[str, Any]
Story = Callable[[random.Random, SimulatedSite, int], list[Step]]
"""Draws steps for a site and a length in seconds."""
DUMB = ("silent", "half_open", "busy", "garbage", "truncated", "wrong_device")
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_FIRST_S = 360
"""Before that the plant is only looked at."""
_LONGEST_WAIT_MS = 15 * 60_000


def seconds(count: float) -> str:
    """A time as a scenario file writes it."""
    whole = max(1, round(count))
    return f"{whole // 60}min" if whole % 60 == 0 else f"{whole}s"


def fault_of(chance: random.Random, site: SimulatedSite, of: SimulatedEquipment) -> str:
    """A fault of this equipment, rather one that somebody is called for."""
    faults = of.equipment_class.faults
    return chance.choice([fault for fault in faults if heard(site, of, fault)] or list(faults))


def heard(site: SimulatedSite, of: SimulatedEquipment, fault: str) -> list[str]:
    """The rules that open a ticket for a fault, where a device gives every point that they look at."""
    given = {name for device in site.devices for owner, name in device.sources.values() if owner == of.id}
    missing = set(of.equipment_class.points) - given
    rules = of.equipment_class.rules
    return [
        name
        for name in of.equipment_class.faults[fault].raises
        if of.severities.get(name, "advisory") != "advisory"
        and of.on_delays_ms[name] <= _LONGEST_WAIT_MS
        and missing.isdisjoint(_WORD.findall(f"{rules[name].when} {rules[name].gate or ''}"))
    ]


def _injected(of: SimulatedEquipment, fault: str, at_s: float, lasts_s: float | None) -> Step:
    step: Step = {"at": seconds(at_s), "inject": fault, "equipment": of.id}
    return step if lasts_s is None else step | {"lasts": seconds(lasts_s)}


def _any(chance: random.Random, site: SimulatedSite) -> SimulatedEquipment:
    return chance.choice(list(site.equipment.values()))


def _slowest_s(site: SimulatedSite, equipment: str) -> float:
    return max(d.every_ms for d in site.devices if any(owner == equipment for owner, _ in d.sources.values())) / 1000


def behind_the_line(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """Faults come and go while the cloud cannot be reached; often more than one letter holds."""
    at_s, lasts_s = chance.uniform(_FIRST_S, length_s * 0.5), chance.choice((240, 600, 1500, 2400))
    how = chance.choice(("line", "line", "replies", "replies", "cloud"))
    steps: list[Step] = [{"at": seconds(at_s), "cut": how, "lasts": seconds(lasts_s)}]
    for _ in range(chance.randint(1, 4)):
        of = _any(chance, site)
        shown_s = chance.choice((90, 240, 600, 1800))
        steps.append(_injected(of, fault_of(chance, site, of), chance.uniform(at_s - 120, at_s + lasts_s), shown_s))
    if chance.random() < 0.6:
        dead_s = chance.uniform(at_s, at_s + lasts_s / 2)
        steps += [_dumb(chance, site, one.id, dead_s, chance.choice((300, 600))) for one in site.equipment.values()]
    return steps


def _dumb(chance: random.Random, site: SimulatedSite, equipment: str, at_s: float, lasts_s: float) -> Step:
    device = next(d for d in site.devices if any(owner == equipment for owner, _ in d.sources.values()))
    how = chance.choice(DUMB) if device.model.protocol == "modbus" else "silent"
    return {"at": seconds(at_s), "misbehave": how, "device": device.id, "lasts": seconds(lasts_s)}


def silence_in_a_fault(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """A device says nothing any more in the middle of a fault, which outlasts it or is repaired meanwhile."""
    polled = [
        one for one in site.equipment.values()
        if any(d.model.protocol == "modbus" for d in site.devices if any(o == one.id for o, _ in d.sources.values()))
    ]  # fmt: skip
    of = chance.choice(polled or list(site.equipment.values()))
    at_s = chance.uniform(_FIRST_S, length_s * 0.3)
    dark_s = at_s + 4 * _slowest_s(site, of.id) + chance.choice((60, 400, 900))
    dumb = _dumb(chance, site, of.id, dark_s, chance.choice((400, 900, 1500)))
    fault = _injected(of, fault_of(chance, site, of), at_s, None if chance.random() < 0.6 else dark_s - at_s + 300)
    return [fault, dumb]


def crash_in_a_delay(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """The gateway loses its power while an alarm waits for its delay to end, rather in one that is long."""
    waits = [
        (max(one.on_delays_ms[rule] for rule in rules) / 1000, one.id, fault)
        for one in site.equipment.values()
        for fault in one.equipment_class.faults
        if (rules := heard(site, one, fault))
    ]
    if not waits:
        return []
    delay_s, name, fault = chance.choice(sorted(waits, reverse=True)[:4])
    at_s = chance.uniform(_FIRST_S, length_s * 0.5)
    seen_s = at_s + 2 * _slowest_s(site, name) + 20
    dead_s = chance.uniform(seen_s, max(seen_s, at_s + _slowest_s(site, name) + delay_s))
    lasts_s = None if chance.random() < 0.7 else delay_s + 1200
    return [
        _injected(site.equipment[name], fault, at_s, lasts_s),
        {
            "at": seconds(dead_s),
            chance.choice(("kill", "kill", "restart")): "gateway",
            "lasts": chance.choice(("20s", "70s", "3min")),
        },
    ]


_DUTY: tuple[tuple[str, float, Mapping[str, Any]], ...] = (
    ("acknowledge", 0.8, {}), ("arrive", 0.4, {}), ("start", 0.4, {}),
    ("hold", 0.9, {"reason": "waiting for part"}), ("resume", 0.6, {}),
    ("hold", 0.2, {"reason": "waiting for access"}), ("resume", 0.2, {}),
    ("resolve", 0.5, {"cause": "worn", "action": "replaced"}), ("reopen", 0.3, {"reason": "still there"}),
    ("close", 0.3, {}), ("reopen", 0.2, {"reason": "it came back"}),
)  # fmt: skip
"""What people do with a ticket in this order, each with a chance of its own."""


def people_at_work(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """A ticket goes through hands: seen, held, resumed, resolved, back again."""
    of, at_s = _any(chance, site), chance.uniform(_FIRST_S, length_s * 0.25)
    fault = fault_of(chance, site, of)
    rules = heard(site, of, fault)
    if not rules:
        return [_injected(of, fault, at_s, None)]
    wait_s = 1.5 * _slowest_s(site, of.id) + of.on_delays_ms[rules[0]] / 1000
    steps = [_injected(of, fault, at_s, chance.choice((None, None, 1200, 3000)))]
    when_s = at_s + wait_s
    for act, share, details in _DUTY:
        when_s += chance.uniform(30, 600)
        if chance.random() < share and when_s < length_s - 60:
            done: Step = {"at": seconds(when_s), "act": act, "ticket": f"{of.id}/{rules[0]}"}
            steps.append(
                done | {"by": chance.choice(("engineer", "manager"))} | ({"with": dict(details)} if details else {})
            )
    return steps


def cloud_away_at_a_due_hour(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """A clock runs out, or a call was just made, while the cloud is away."""
    of, at_s = _any(chance, site), chance.uniform(_FIRST_S, length_s * 0.2)
    away_s = at_s + chance.choice((900, 1500, 2400, 3300))
    verb = chance.choice(("kill", "stop", "restart"))
    away: Step = {
        "at": seconds(min(away_s, length_s * 0.8)),
        verb: "cloud",
        "lasts": seconds(chance.choice((20, 900, 1800, 2700))),
    }
    return [_injected(of, fault_of(chance, site, of), at_s, chance.choice((None, 1800))), away]


def on_the_shelf(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """An alarm is shelved before or while it is active; the repair falls into the shelf's time, or the shelf ends first."""
    of, at_s = _any(chance, site), chance.uniform(_FIRST_S, length_s * 0.4)
    fault = fault_of(chance, site, of)
    rule = chance.choice(list(of.equipment_class.faults[fault].raises))
    ready_s = 4 * _slowest_s(site, of.id) + of.on_delays_ms.get(rule, 0) / 1000
    return [
        _injected(of, fault, at_s, min(ready_s, 1800) + chance.choice((120, 600, 1200))),
        {
            "at": seconds(at_s + chance.uniform(-120, min(ready_s, 600))),
            "shelve": f"{of.id}/{rule}",
            "lasts": chance.choice(("20min", "1h")),
        },
    ]


def cascade(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """A fault, and within it one that it explains; or two that race on the same equipment."""
    of = max((chance.random() + bool(_explained(site, one)), one.id, one) for one in site.equipment.values())[2]
    pairs = _explained(site, of)
    faults = list(of.equipment_class.faults)
    first, second = chance.choice(pairs) if pairs else (chance.choice(faults), chance.choice(faults))
    at_s, lasts_s = chance.uniform(_FIRST_S, length_s * 0.4), chance.choice((1200, 2400))
    lag_s = chance.choice((-30, 0, 4, 5, 8)) * _slowest_s(site, of.id) if chance.random() < 0.3 else lasts_s / 2
    return [
        _injected(of, first, at_s, lasts_s),
        _injected(of, second, max(60, at_s + lag_s), chance.choice((None, 400, 900))),
    ]


def _explained(site: SimulatedSite, of: SimulatedEquipment) -> list[tuple[str, str]]:
    """Pairs of faults of which the first explains the second."""
    rules = of.equipment_class.rules
    told = {fault: heard(site, of, fault) for fault in of.equipment_class.faults}
    return [
        (first, second)
        for first, causes in told.items()
        for second, consequences in told.items()
        if first != second and any(set(rules[one].suppressed_by).intersection(causes) for one in consequences)
    ]


def flapping(chance: random.Random, site: SimulatedSite, length_s: int) -> list[Step]:
    """A fault comes and goes."""
    of, at_s = _any(chance, site), chance.uniform(_FIRST_S, length_s * 0.4)
    fault, apart_s = fault_of(chance, site, of), chance.choice((120, 300, 600))
    return [_injected(of, fault, at_s + n * apart_s, apart_s / 2) for n in range(chance.randint(2, 7))]


STORIES: Sequence[Story] = (
    behind_the_line, behind_the_line, behind_the_line, silence_in_a_fault, silence_in_a_fault, crash_in_a_delay, crash_in_a_delay,
    people_at_work, people_at_work, cloud_away_at_a_due_hour, on_the_shelf, on_the_shelf, cascade, flapping,
)  # fmt: skip
"""Each as often as it stands here."""
