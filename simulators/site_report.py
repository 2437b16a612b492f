"""findings → what a person reads and a program gets: one line a rule, then what the file makes unreachable (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from simulators.rows import SeenAlarm
from simulators.site import SimulatedSite
from simulators.site_plan import Plan, Unreachable, duration, never_good
from simulators.site_trial import Finding, others
from simulators.site_worlds import Done


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The whole outcome for one site file."""

    site: str
    findings: tuple[Finding, ...]
    unreachable: tuple[Unreachable, ...]
    at_rest: tuple[SeenAlarm, ...]
    """Raised though nothing was wrong."""
    beside: tuple[SeenAlarm, ...]
    """Raised by a fault beside what it is to raise; no mistake, but good to know."""
    never_good: tuple[tuple[str, str, str], ...]

    @property
    def wrong(self) -> tuple[Finding, ...]:
        return tuple(one for one in self.findings if not one.is_right)

    @property
    def is_right(self) -> bool:
        """Everything that can be raised was raised, ticketed and ended in time, and nothing was raised at rest."""
        return not self.wrong and not self.at_rest and not self.never_good


def acceptance_of(site: SimulatedSite, plan: Plan, parts: Sequence[Done]) -> Acceptance:
    """Parts of several processes as one, in the order of the site file."""
    order = {one: number for number, one in enumerate(site.equipment)}
    findings = sorted((one for part in parts for one in part.findings), key=lambda one: order[one.equipment])
    rest = {(one.equipment, one.rule): one for part in parts for one in part.rest}
    beside = {(one.equipment, one.rule): one for part in parts for one in others(part.alarms, findings, part.rest)}
    good = frozenset[tuple[str, str]]().union(*(part.good for part in parts))
    return Acceptance(
        site.id, tuple(findings), plan.unreachable, tuple(rest.values()), tuple(beside.values()),
        tuple(never_good(site, good)) if parts else (),
    )  # fmt: skip


def as_object(outcome: Acceptance) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "site": outcome.site,
        "right": outcome.is_right,
        "findings": [{**asdict(one), "right": one.is_right} for one in outcome.findings],
        "unreachable": [asdict(one) for one in outcome.unreachable],
        "raised_at_rest": [asdict(one) for one in outcome.at_rest],
        "raised_beside": [asdict(one) for one in outcome.beside],
        "never_good": [{"equipment": one, "point": two, "device": three} for one, two, three in outcome.never_good],
    }


def moves(data: Mapping[str, Any], moved: Mapping[str, Any]) -> Iterator[str]:
    """What the copy says otherwise than the file: addresses, and what reaches out of the simulated site."""
    before, after = data["gateway"], moved["gateway"]
    if before.get("cloud") != after["cloud"]:
        yield f"cloud: {before.get('cloud', 'none')} → {after['cloud']}"
    yield from (f"gateway: {key} left out" for key in before if key not in after)
    for old, new in zip(data.get("buses", []), moved.get("buses", []), strict=True):
        if old != new:
            yield f"bus {old['id']}: {_place(old)} → {_place(new)}"


def _place(bus: Mapping[str, Any]) -> str:
    if "mqtt" in bus:
        return str(bus["mqtt"])
    where = bus.get("host", "") and f"{bus['host']}:{bus.get('port', 502)}"
    return f"{bus['modbus']} {where or bus.get('port', '')}"


def line_of(one: Finding) -> str:
    """One rule of one fault."""
    mark = "ok  " if one.is_right else "FAIL"
    return f"{mark}  {one.equipment:<16} {one.fault:<24} {one.rule:<26} {_story(one)}"


def _story(one: Finding) -> str:
    if one.raised_ms is None:
        return f"not raised within {duration(one.raise_allowed_ms)}; {one.note}"
    late = "" if one.raised == "in_time" else f" (late: {duration(one.raise_allowed_ms)} allowed)"
    ticket = one.ticket or one.note or ("advisory, no ticket" if one.severity == "advisory" else "NO TICKET")
    return f"raised after {duration(one.raised_ms)}{late}, {ticket}, {_end(one)}"


def _end(one: Finding) -> str:
    if one.cleared_ms is None:
        return f"not cleared within {duration(one.clear_allowed_ms)} of the repair"
    late = "" if one.cleared == "in_time" else f" (late: {duration(one.clear_allowed_ms)} allowed)"
    return f"cleared {duration(one.cleared_ms)} after the repair{late}"


def summary(outcome: Acceptance) -> Iterator[str]:
    """After the lines: what cannot be reached, what was raised without a fault, what never showed a value, the sum."""
    for one in outcome.unreachable:
        yield f"--    {one.equipment:<16} {one.fault:<24} {one.rule:<26} cannot be raised: {one.why}"
    for alarm in outcome.at_rest:
        yield f"FAIL  {alarm.equipment:<16} {'no fault':<24} {alarm.rule:<26} raised though nothing is wrong; look at its limits"
    for equipment, point, device in outcome.never_good:
        yield f"FAIL  {equipment:<16} {point} of {device} never showed a good value"
    for alarm in outcome.beside:
        yield f"      {alarm.equipment:<16} {alarm.rule} came beside a fault's own alarms ({alarm.severity})"
    faults = len({(one.equipment, one.fault) for one in outcome.findings})
    yield (
        f"{outcome.site}: {faults} faults tried, {len(outcome.findings)} rules: {len(outcome.findings) - len(outcome.wrong)} right, "
        f"{len(outcome.wrong)} wrong; {len(outcome.unreachable)} cannot be raised, {len(outcome.at_rest)} raised at rest, "
        f"{len(outcome.never_good)} points without a good value"
    )
