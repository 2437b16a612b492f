"""What must hold after any run, whatever happened in it: faults and tickets, clocks, numbers, silence (judged purely).

``check`` reads a virtual world's files and its plant's history. Faults are held against alarms only where the gateway
could see them: nothing else was wrong with the equipment, its devices or the gateway in the time that its rule takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from contract.conventions import EpochMs
from simulators import invariants_alarms as alarms
from simulators import invariants_delivery as delivery
from simulators import invariants_desk as desk
from simulators.invariants_clocks import undone_breaches, wrong_clocks
from simulators.invariants_hours import hours_of
from simulators.invariants_lived import FOREVER_MS, OF_PEOPLE, Disturbance, Lived, disturbances, downs, silences
from simulators.rows import opened
from simulators.run_facts import Facts, Row, key_of, read_facts
from simulators.run_plan import Deed
from simulators.site import SimulatedSite
from simulators.virtual import VirtualSite

OF_DATA = ("no_data", "rule_unknown")
"""Rules about devices and measurements, not about equipment."""


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
    done = deeds or ()
    dumb = {device.id: silences(done, site, device) for device in site.devices}
    hours = hours_of(world.cloud.told, site.zone)
    return [
        *two_open_tickets(facts),
        *alarms_without_ticket(facts, lived),
        *alarms.faults_without_alarm(facts, lived, watched),
        *alarms.late_after_a_restart(facts, lived, watched, downs(done, "gateway")),
        *alarms.alarms_after_repair(facts, lived, watched),
        *alarms.ended_in_silence(both, lived, dumb),
        *alarms.consequences_that_spoke(both, lived),
        *tickets_without_fault(facts, lived),
        *(wrong_clocks(facts, world.cloud_clock.now_ms(), hours) if world.cloud.app is not None else ()),
        *undone_breaches(facts),
        *desk.wrong_starts(facts, both.received),
        *desk.counted_twice(facts, both.events),
        *desk.told_twice(world.cloud.courier.sent),
        *delivery.lost(both),
        *delivery.stuck(both, lived),
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


_SILENCING = ("line", "gateway", "clock", "by hand")
"""What keeps the cloud from hearing a gateway."""


def _is_of_storm(ticket: Row) -> bool:
    return ticket["rule"] in ("flood", "chattering", "alarm_flood", "alarm_chattering")


def _has_cause(ticket: Row, touched: Mapping[str, EpochMs], lived: Lived) -> bool:
    """Whether anything was wrong with the equipment, or with what it is fed by or measured with, before the alarm."""
    equipment = ticket["equipment_id"]
    if equipment not in lived.site.equipment or any(one.what == "settings" for one in lived.disturbances):
        return ticket["rule"] != "gateway_silent" or any(one.what in _SILENCING for one in lived.disturbances)
    if lived.is_jumped:
        return True  # its instants are not the plant's
    began = ticket["began_at"] or ticket["opened_at"]
    causes = (one for one in lived.disturbances if one.what not in ("line", *OF_PEOPLE))
    is_touched = any(one.equipment in (None, equipment) and one.from_ms <= began for one in causes)
    if ticket["rule"] in OF_DATA:
        return is_touched
    near = {equipment, *_neighbours(lived.site, equipment)}
    return is_touched or any(touched.get(one, FOREVER_MS) <= began for one in near)


def _neighbours(site: SimulatedSite, equipment: str) -> set[str]:
    """What serves it and what it serves."""
    serves = {one.id: one.serves for one in site.equipment.values()}
    return {serves.get(equipment, ""), *(one for one, fed in serves.items() if fed == equipment)}
