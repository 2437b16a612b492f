"""What must hold after any run, whatever happened in it: faults and tickets, clocks, numbers, silence (judged purely).

``check`` reads a virtual world's files and its plant's history. Faults are held against alarms only where the gateway
could see them: nothing else was wrong with the equipment, its devices or the gateway in the time that its rule takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from contract.conventions import EpochMs
from simulators import invariants_delivery as delivery
from simulators import scenario_steps as s
from simulators.invariants_clocks import undone_breaches, wrong_clocks
from simulators.plant import Change
from simulators.rows import opened
from simulators.run_facts import Facts, Row, key_of, read_facts
from simulators.run_plan import Deed
from simulators.site import SimulatedSite
from simulators.site_plan import Expected, duration, plan_of
from simulators.virtual import VirtualSite

FOREVER_MS = 1 << 60
SETTLE_MS = 300_000
"""A start, a clock set anew, a line mended: so long afterwards nothing is asked of the gateway."""
OF_DATA = ("no_data", "rule_unknown")
"""Rules about devices and measurements, not about equipment."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something beside the plant's own faults: ``equipment`` None touches all."""

    from_ms: EpochMs
    until_ms: EpochMs
    equipment: str | None
    what: str

    def touches(self, equipment: str, from_ms: EpochMs, until_ms: EpochMs) -> bool:
        return self.equipment in (None, equipment) and self.from_ms < until_ms and from_ms < self.until_ms


async def check(world: VirtualSite, deeds: Sequence[Deed] | None = None) -> list[str]:
    """Every invariant that does not hold, as sentences. Call it while the world still stands.

    ``deeds`` are what the scenario did; without them nothing can be said of what the gateway must have seen.
    """
    facts = read_facts(world.cloud.database_file)
    both = delivery.read(world.cloud.database_file, world.gateway_folder / "edge.db", world.site.gateway.id)
    watched = watched_rules(world.cloud.database_file)
    site, now_ms = world.plant.site, world.clock.now_ms()
    unknown = (Disturbance(0, FOREVER_MS, None, "by hand"),)
    beside = unknown if deeds is None else disturbances(deeds, site)
    lived = Lived(site, tuple(world.plant.history), beside, now_ms)
    return [
        *two_open_tickets(facts),
        *alarms_without_ticket(facts, lived),
        *faults_without_alarm(facts, lived, watched),
        *tickets_without_fault(facts, lived),
        *(wrong_clocks(facts, world.cloud_clock.now_ms()) if world.cloud.app is not None else ()),
        *undone_breaches(facts),
        *delivery.lost(both),
        *delivery.cleared_while_unknown(both),
    ]


def watched_rules(database: Path) -> frozenset[tuple[str, str]]:
    """(equipment, rule) of everything the gateway announced that it judges."""
    with opened(database) as connection:
        return frozenset((one, two) for one, two in connection.execute("SELECT equipment_id, id FROM rule"))


# --- tickets ------------------------------------------------------------------------------------------------------


def two_open_tickets(facts: Facts) -> Iterator[str]:
    """Tickets of one key that were open at the same time."""
    spans: dict[str, list[tuple[EpochMs, EpochMs, int]]] = {}
    lines: dict[int, list[Row]] = {}
    for line in facts.timeline:
        lines.setdefault(line["ticket_id"], []).append(line)
    for ticket in facts.tickets:
        if ticket["fault_key"]:
            for since, until in _open_spans(ticket, lines.get(ticket["id"], ())):
                spans.setdefault(ticket["fault_key"], []).append((since, until, ticket["id"]))
    for key, found in spans.items():
        ordered = sorted(found)
        for (_, until, one), (since, _, two) in pairwise(ordered):
            if since < until and one != two:
                yield f"{key}: T-{one:06d} and T-{two:06d} were open at the same time"


def _open_spans(ticket: Row, story: Sequence[Row]) -> Iterator[tuple[EpochMs, EpochMs]]:
    since: EpochMs | None = ticket["opened_at"]
    for line in story:
        if line["kind"] in ("closed", "cancelled", "merged") and since is not None:
            yield since, line["at"]
            since = None
        elif line["kind"] == "reopened" and since is None:
            since = line["at"]
    if since is not None:
        yield since, FOREVER_MS


# --- plant ↔ alarms ↔ tickets -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lived:
    """What the plant went through."""

    site: SimulatedSite
    history: tuple[Change, ...]
    disturbances: tuple[Disturbance, ...]
    now_ms: EpochMs

    @property
    def jumped_ms(self) -> int:
        """By how much the machines' wall clocks may differ from true time."""
        return FOREVER_MS if any(one.what == "clock" for one in self.disturbances) else 0

    def is_disturbed(self, equipment: str, from_ms: EpochMs, until_ms: EpochMs) -> bool:
        return any(one.touches(equipment, from_ms, until_ms) for one in self.disturbances if one.what != "line")

    def spans(self) -> list[tuple[Change, EpochMs]]:
        """Every fault with the instant of its repair, or for ever."""
        found: list[tuple[Change, EpochMs]] = []
        repaired: dict[tuple[str, str], EpochMs] = {}
        for change in reversed(self.history):
            key = change.equipment, change.fault
            if change.do == "clear":
                repaired[key] = change.at_ms
            else:
                found.append((change, repaired.get(key, FOREVER_MS)))
        return found[::-1]


def disturbances(deeds: Sequence[Deed], site: SimulatedSite) -> tuple[Disturbance, ...]:
    """What a scenario did beside injecting faults, with the time in which it could be felt."""
    found = []
    for deed in deeds:
        if not deed.is_end:
            until = next((one.at_ms for one in deeds if one.is_end and one.step is deed.step), _mended(deed, deeds))
            found += [Disturbance(deed.at_ms, until + SETTLE_MS, *where) for where in _touched(deed.step, site)]
    return tuple(found)


def _mended(deed: Deed, deeds: Sequence[Deed]) -> EpochMs:
    """When something without an end of its own was put right by another step."""
    step = deed.step
    for one in deeds:
        is_mended = isinstance(step, s.Cut) and isinstance(one.step, s.Mend) and one.step.mend == step.cut
        is_started = isinstance(step, s.Kill | s.Stop) and isinstance(one.step, s.Launch)
        if one.at_ms >= deed.at_ms and (is_mended or is_started):
            return one.at_ms
    return FOREVER_MS


def _touched(step: s.Step, site: SimulatedSite) -> Iterator[tuple[str | None, str]]:
    if isinstance(step, s.Misbehave | s.Sensor):
        yield from ((owner, "device") for owner in owners(site, step.device))
    elif isinstance(step, s.Cut) and step.cut not in ("line", "replies", "cloud"):
        bus = step.cut.removeprefix("bus ")
        lines = [one for one in site.devices if one.bus == bus or (bus == "broker" and one.model.protocol == "mqtt")]
        yield from ((owner, "bus") for one in lines for owner in owners(site, one.id))
    elif isinstance(step, s.Cut):
        yield None, "line"
    elif isinstance(step, s.ClockJump):
        yield None, "clock"
    elif "gateway" in (getattr(step, "kill", ""), getattr(step, "stop", ""), getattr(step, "restart", "")):
        yield None, "gateway"
    elif isinstance(step, s.OutOfService):
        yield step.out_of_service, "service"
    elif isinstance(step, s.Shelve):
        yield step.shelve.partition("/")[0], "shelved"
    elif isinstance(step, s.Settings | s.Call):
        yield None, "settings"


def owners(site: SimulatedSite, device: str) -> list[str]:
    """Every equipment that a device serves."""
    found = next((one for one in site.devices if one.id == device), None)
    return list(dict.fromkeys(owner for owner, _ in found.sources.values())) if found else []


def alarms_without_ticket(facts: Facts, lived: Lived) -> Iterator[str]:
    """Alarms that call for a person and have no ticket: not advisory, not suppressed, shelved, in a storm or out of service."""
    for alarm in facts.alarms:
        is_excused = alarm["suppressed_by"] or alarm["shelved_until"] or alarm["severity"] == "advisory"
        if alarm["ticket_id"] is None and not is_excused and not _is_muted(alarm, lived):
            yield f"{key_of(alarm)}: raised at {alarm['raised_at']} ({alarm['severity']}) and no ticket has it"


def _is_muted(alarm: Row, lived: Lived) -> bool:
    if any(
        one.what in ("service", "shelved", "settings") and one.equipment in (None, alarm["equipment_id"])
        for one in lived.disturbances
    ):
        return True
    near = [one for one in lived.disturbances if one.what == "clock"]
    return bool(near) and alarm["raised_at"] > alarm["received_at"]


def faults_without_alarm(facts: Facts, lived: Lived, watched: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Faults that the gateway must have seen and that raised nothing."""
    if lived.jumped_ms:
        return  # the alarms' instants are not the plant's
    expected = {(one.equipment, one.fault): one.expected for one in plan_of(lived.site, {}, FOREVER_MS).trials}
    alarms: dict[tuple[str, str], list[Row]] = {}
    for alarm in facts.alarms:
        alarms.setdefault((alarm["equipment_id"], alarm["rule"]), []).append(alarm)
    spans = lived.spans()
    for change, until in spans:
        near = [(other, end) for other, end in spans if other is not change and other.equipment == change.equipment]
        for one in expected.get((change.equipment, change.fault), ()):
            if (change.equipment, one.rule) in watched and _must_be_seen((change, until), near, one, lived):
                by_ms = change.at_ms + one.raise_ms + round(change.onset_s * 1000)
                if not any(
                    _covers(alarm, change.at_ms, by_ms) for alarm in alarms.get((change.equipment, one.rule), ())
                ):
                    yield (
                        f"{change.equipment}: {change.fault} came at {change.at_ms} and {one.rule} was not raised "
                        f"within {duration(by_ms - change.at_ms)}"
                    )


def _must_be_seen(
    span: tuple[Change, EpochMs], near: Sequence[tuple[Change, EpochMs]], one: Expected, lived: Lived
) -> bool:
    """Whether the fault lasted long enough, alone, with nothing in the way, and its alarm had time to arrive."""
    change, until = span
    rule = lived.site.equipment[change.equipment].equipment_class.rules[one.rule]
    by_ms = change.at_ms + one.raise_ms + round(change.onset_s * 1000)
    before_ms = change.at_ms - one.raise_ms - one.clear_ms
    alone = not any(other.at_ms < by_ms and end > before_ms for other, end in near)
    is_gated = rule.gate is not None or rule.suppressed_by or rule.serves is not None
    arrives = by_ms + SETTLE_MS < lived.now_ms and not _is_far(lived)
    return (
        until > by_ms
        and alone
        and not is_gated
        and arrives
        and not lived.is_disturbed(change.equipment, before_ms, by_ms)
    )


def _is_far(lived: Lived) -> bool:
    """Whether the gateway may not have reached the cloud in the end."""
    return any(one.what == "line" and one.until_ms > lived.now_ms for one in lived.disturbances)


def _covers(alarm: Row, from_ms: EpochMs, by_ms: EpochMs) -> bool:
    """Whether the alarm was raised in this time, or was active when it began."""
    if from_ms <= alarm["raised_at"] <= by_ms:
        return True
    return bool(alarm["raised_at"] < from_ms and (alarm["cleared_at"] is None or alarm["cleared_at"] >= from_ms))


def tickets_without_fault(facts: Facts, lived: Lived) -> Iterator[str]:
    """Tickets of a rule that no alarm has, and tickets of equipment with which nothing ever was wrong."""
    with_alarm = {alarm["ticket_id"] for alarm in facts.alarms}
    touched = {change.equipment: change.at_ms for change in reversed(lived.history)}
    for ticket in facts.tickets:
        if ticket["kind"] != "fault" or not ticket["fault_key"]:
            continue
        if ticket["id"] not in with_alarm and not ticket["merged_into_id"] and not _is_of_storm(ticket):
            yield f"T-{ticket['id']:06d} {key_of(ticket)}: no alarm has this ticket"
        if not _has_cause(ticket, touched, lived):
            yield f"T-{ticket['id']:06d} {key_of(ticket)}: nothing was wrong there"


def _is_of_storm(ticket: Row) -> bool:
    return ticket["rule"] in ("flood", "chattering", "alarm_flood", "alarm_chattering")


def _has_cause(ticket: Row, touched: Mapping[str, EpochMs], lived: Lived) -> bool:
    """Whether anything was wrong with the equipment, or with what it is fed by or measured with, before the alarm."""
    equipment = ticket["equipment_id"]
    if equipment not in lived.site.equipment or any(one.what == "settings" for one in lived.disturbances):
        return True  # the gateway itself: its silence is judged by the scenarios
    if any(one.what == "clock" for one in lived.disturbances):
        return True  # its instants are not the plant's
    began = ticket["began_at"] or ticket["opened_at"]
    is_touched = any(one.equipment in (None, equipment) and one.from_ms <= began for one in lived.disturbances)
    if ticket["rule"] in OF_DATA:
        return is_touched
    near = {equipment, *_neighbours(lived.site, equipment)}
    return is_touched or any(touched.get(one, FOREVER_MS) <= began for one in near)


def _neighbours(site: SimulatedSite, equipment: str) -> set[str]:
    """What serves it and what it serves."""
    serves = {one.id: one.serves for one in site.equipment.values()}
    return {serves.get(equipment, ""), *(one for one, fed in serves.items() if fed == equipment)}
