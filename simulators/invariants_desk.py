"""What must hold between what the cloud was told and what its tickets say: each piece of news counts once, from when it came (pure)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contract.conventions import EpochMs
from simulators.run_facts import Facts, Row, key_of
from simulators.virtual_cloud import Told

_STARTS = ("opened", "activated")
_JOINED = ("merged", "absorbed")


def wrong_starts(facts: Facts, received: Mapping[str, EpochMs]) -> Iterator[str]:
    """Clocks that do not start when the cloud took the news (event to that instant) that opened or woke their ticket."""
    starts: dict[int, list[EpochMs]] = {}
    for line in facts.timeline:
        if line["kind"] in _STARTS:
            starts.setdefault(line["ticket_id"], []).append(line["at"])
            heard = received.get(str(line.get("dedupe") or "").partition(":")[2])
            if heard is not None and heard != line["at"]:
                yield f"T-{line['ticket_id']:06d}: {line['kind']} at {line['at']}, but the cloud heard of it at {heard}"
    for clock in facts.clocks:
        known, number = starts.get(clock["ticket_id"], []), clock["activation"]
        if number <= len(known) and clock["start_at"] != known[number - 1]:
            name = f"T-{clock['ticket_id']:06d} {clock['clock']} {number}"
            yield f"{name}: it starts at {clock['start_at']}, its ticket at {known[number - 1]}"


def counted_twice(facts: Facts, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Tickets that count more occurrences than the gateway ever told of."""
    told = Counter(_event_key(event) for event in events if event["type"] in ("AlarmRaised", "AlarmChanged"))
    joined = {line["ticket_id"] for line in facts.timeline if line["kind"] in _JOINED}
    for ticket in facts.tickets:
        most = told[key_of(ticket)]
        if most and ticket["id"] not in joined and ticket["occurrences"] > most:
            yield f"T-{ticket['id']:06d} {key_of(ticket)}: it counts {ticket['occurrences']}, told of were {most}"


def _event_key(event: Mapping[str, Any] | Row) -> str:
    return "/".join(filter(None, (event.get("equipment"), event.get("rule"), event.get("instance"))))


def told_twice(sent: Sequence[Told]) -> Iterator[str]:
    """Messages that reached somebody again and were not marked as a possible repeat."""
    known: set[tuple[str, str]] = set()
    for one in sent:
        if (one.to, one.key) in known and not one.is_possible_repeat:
            yield f"{one.to} was told the same again at {one.at_ms}: {one.title}"
        known.add((one.to, one.key))
