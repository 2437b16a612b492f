"""site file → what an acceptance test does: every fault of every equipment, what it must raise, and by when (pure).

The time allowed is what the file itself asks for: the rule's delay, the windows its condition looks back on, and a few
readings of the slowest device of the equipment. What can never be raised is told with its reason and not tried.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from device_profiles.schema import EquipmentClass, Rule, parse_duration_ms
from simulators.site import SimulatedEquipment, SimulatedSite, SiteError

READINGS = 3
"""So many readings may pass until a change is noticed, as a point may be so old before it is stale."""
SLACK_MS = 5_000
_UNITS_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_WORD = re.compile(r"[a-z_][a-z0-9_]*")
_WINDOW = re.compile(r",\s*([a-z_][a-z0-9_]*)\s*\)")
_LITERAL = re.compile(r"\b\d+(?:\.\d+)?(?:ms|s|min|h|d)\b")


@dataclass(frozen=True, slots=True)
class Expected:
    """One rule that a fault must make active."""

    rule: str
    severity: str
    raise_ms: int
    """From the fault to the alarm, at most."""
    clear_ms: int
    """From the repair to the end of the alarm, at most."""

    @property
    def opens_ticket(self) -> bool:
        return self.severity != "advisory"


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault to be caused, seen, repaired and seen to end."""

    equipment: str
    fault: str
    expected: tuple[Expected, ...]

    @property
    def name(self) -> str:
        return f"{self.equipment}/{self.fault}"


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A rule that this fault cannot raise here."""

    equipment: str
    fault: str
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried, and what cannot be."""

    trials: tuple[Trial, ...]
    unreachable: tuple[Unreachable, ...]


def plan_of(
    site: SimulatedSite,
    not_watched: Mapping[str, Mapping[str, str]],
    longest_ms: int,
    chosen: Collection[str] = (),
) -> Plan:
    """Every fault of the site, or the ``chosen`` ones (``FAULT`` or ``EQUIPMENT/FAULT``).

    ``not_watched``: equipment to the rules that the gateway cannot judge there, with the reason. Raises SiteError for a
    chosen fault that no equipment knows.
    """
    _check_chosen(site, chosen)
    trials, unreachable = [], []
    for one in site.equipment.values():
        for fault, wanted in one.equipment_class.faults.items():
            if chosen and fault not in chosen and f"{one.id}/{fault}" not in chosen:
                continue
            reasons = {rule: _why_not(one, rule, not_watched.get(one.id, {}), site) for rule in wanted.raises}
            timed = {rule: _expected(site, one, rule) for rule, why in reasons.items() if not why}
            reasons |= {rule: _too_long(it, longest_ms) for rule, it in timed.items() if it.raise_ms > longest_ms}
            unreachable += [Unreachable(one.id, fault, rule, why) for rule, why in reasons.items() if why]
            if possible := tuple(it for rule, it in timed.items() if not reasons[rule]):
                trials.append(Trial(one.id, fault, possible))
    return Plan(tuple(trials), tuple(unreachable))


def _check_chosen(site: SimulatedSite, chosen: Collection[str]) -> None:
    pairs = {f"{one.id}/{fault}": fault for one in site.equipment.values() for fault in one.equipment_class.faults}
    known = [*pairs, *dict.fromkeys(pairs.values())]
    for name in chosen:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(dict.fromkeys(pairs.values()))}"
            raise SiteError(f"--fault {name}: no equipment of this site knows it; {advice}")


def _why_not(one: SimulatedEquipment, name: str, not_watched: Mapping[str, str], site: SimulatedSite) -> str:
    rule = one.equipment_class.rules[name]
    if rule.roles and not set(rule.roles) & set(one.roles):
        return f"binds only {' or '.join(rule.roles)}, and roles: of {one.id} names none of them"
    if name not in one.on_delays_ms:
        return "switched off in the site file (enabled: false)"
    if not every_ms(site, one.id):
        return "no device serves this equipment"
    return not_watched.get(name, "")


def _too_long(expected: Expected, longest_ms: int) -> str:
    return f"takes up to {duration(expected.raise_ms)}; --longest {duration(longest_ms)} does not wait for it"


def _expected(site: SimulatedSite, one: SimulatedEquipment, name: str) -> Expected:
    rule = one.equipment_class.rules[name]
    noticed = READINGS * every_ms(site, one.id) + SLACK_MS
    window = window_ms(rule, one)
    return Expected(
        name, one.severities[name], noticed + window + one.on_delays_ms[name],
        noticed + window + one.off_delays_ms[name],
    )  # fmt: skip


def every_ms(site: SimulatedSite, equipment: str) -> int:
    """How often the slowest device of this equipment is read; 0 when none serves it."""
    serving = (
        device.every_ms for device in site.devices if any(owner == equipment for owner, _ in device.sources.values())
    )
    return max(serving, default=0)


def window_ms(rule: Rule, one: SimulatedEquipment) -> int:
    """The longest time the condition looks back."""
    text = f"{rule.when} {rule.gate or ''}"
    named = (_limit_ms(name, one.equipment_class, one.limits) for name in _WINDOW.findall(text))
    literal = (parse_duration_ms(found) for found in _LITERAL.findall(text))
    return max([*named, *literal], default=0)


def _limit_ms(name: str, of: EquipmentClass, limits: Mapping[str, float]) -> int:
    limit = of.limits.get(name)
    return round(limits[name] * _UNITS_MS[limit.unit]) if limit is not None and limit.unit in _UNITS_MS else 0


def shown(rule: Rule, one: SimulatedEquipment, values: Mapping[str, Any]) -> Iterator[str]:
    """Every point, limit and rating that a condition names with its figure: why it was, or was not, true."""
    for word in dict.fromkeys(_WORD.findall(f"{rule.when} {rule.gate or ''}")):
        if word in values:
            yield f"{word} {_figure(values[word])}"
        elif word in one.limits:
            yield f"{word} {_figure(one.limits[word])} {one.equipment_class.limits[word].unit}".rstrip()
        elif word in one.ratings:
            yield f"{word} {_figure(one.ratings[word])}"


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def duration(ms: int) -> str:
    """Milliseconds as a site file writes them: 90 s, 15 min, 24 h."""
    for unit, size in (("h", 3_600_000), ("min", 60_000)):
        if ms >= 2 * size or (ms >= size and ms % size == 0):
            return f"{ms / size:.3g} {unit}"
    return f"{ms / 1000:.3g} s"


def never_good(site: SimulatedSite, good: Collection[tuple[str, str]]) -> Sequence[tuple[str, str, str]]:
    """(equipment, point, device) of every mapped point that never showed a good value."""
    mapped = {source: device.id for device in site.devices for source in device.sources.values()}
    return [
        (equipment, point, device) for (equipment, point), device in mapped.items() if (equipment, point) not in good
    ]
