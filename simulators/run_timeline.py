"""plant, gateway, cloud and people on one line of time: what happened, in order, for the reader of a report (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from contract.conventions import EpochMs
from simulators.plant import Change
from simulators.run_facts import Facts, Row, details_of, key_of


def moved(changes: Iterable[Change], behind_ms: int) -> list[Change]:
    """The plant's changes on a calendar so much earlier."""
    return [replace(one, at_ms=one.at_ms - behind_ms) for one in changes]


WHO = ("world", "plant", "gateway", "cloud", "people")
"""Who does what, in the order in which one instant is told."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened."""

    at_ms: EpochMs
    who: str
    text: str


def timeline(facts: Facts, changes: Iterable[Change], done: Iterable[Event]) -> tuple[Event, ...]:
    """Everything that happened, oldest first."""
    found = [*done, *_plant(changes), *_gateway(facts), *_cloud(facts), *_calls(facts)]
    return tuple(sorted(found, key=lambda one: (one.at_ms, WHO.index(one.who))))


def around(events: Sequence[Event], at_ms: EpochMs, most: int = 8) -> list[Event]:
    """The events before and after an instant, at most so many on each side."""
    before = [one for one in events if one.at_ms <= at_ms][-most:]
    return before + [one for one in events if one.at_ms > at_ms][:most]


def _plant(changes: Iterable[Change]) -> Iterator[Event]:
    for one in changes:
        yield Event(
            one.at_ms, "plant", f"{one.equipment}: {one.fault} {'comes' if one.do == 'inject' else 'is repaired'}"
        )


def _gateway(facts: Facts) -> Iterator[Event]:
    for row in facts.alarms:
        late = row["received_at"] - row["raised_at"]
        told = f", told {late / 1000:.0f} s later" if late >= 1000 else ""
        held = f", suppressed by {row['suppressed_by']}" if row["suppressed_by"] else ""
        yield Event(row["raised_at"], "gateway", f"alarm {key_of(row)} is raised ({row['severity']}{held}){told}")
        if row["cleared_at"] is not None:
            yield Event(row["cleared_at"], "gateway", f"alarm {key_of(row)} clears")
    for row in facts.results:
        verdict = "passed" if row["passed"] else "failed"
        yield Event(row["ended_at"], "gateway", f"test {row['equipment_id']}/{row['test']} {verdict}")


def _cloud(facts: Facts) -> Iterator[Event]:
    tickets = {row["id"]: row for row in facts.tickets}
    for line in facts.timeline:
        ticket = tickets[line["ticket_id"]]
        who = "people" if line["actor_kind"] == "person" else "cloud"
        by = f" by {line['actor']}" if who == "people" else ""
        clock = details_of(line).get("clock")
        about = f" ({clock})" if clock else ""
        yield Event(line["at"], who, f"T-{ticket['id']:06d}{_named(ticket)}: {line['kind']}{about}{by}")
    for row in facts.occurrences:
        if row["state"] == "missed":
            yield Event(
                row["missed_at"], "cloud", f"test {row['equipment_id']}/{row['test']} of {row['due_on']} is missed"
            )


def _named(ticket: Row) -> str:
    return f" {key_of(ticket)}" if ticket["rule"] else ""


def _calls(facts: Facts) -> Iterator[Event]:
    for row in facts.calls:
        if row["sent_at"] is not None:
            yield Event(
                row["sent_at"], "cloud", f"T-{row['ticket_id']:06d}: {row['owner']} is told, step {row['step']}"
            )
