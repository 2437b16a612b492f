"""gateway's outbox ↔ cloud's records: every number that was given out is held once, is quarantined, or still waits (pure)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.conventions import EpochMs
from contract.messages import event_id
from simulators.invariants_lived import SETTLE_MS, Lived

Number = tuple[int, str, int]
"""Epoch, lane, sequence number."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Both ends of the way, as their database files say."""

    given: Mapping[tuple[int, str], int]
    """Epoch and lane to the last number the gateway gave out."""
    waiting: frozenset[Number]
    held: frozenset[Number]
    """Records and quarantined ones in the cloud."""
    through: Mapping[tuple[int, str], int]
    """What the cloud confirmed."""
    unapplied: int
    events: Sequence[Mapping[str, Any]]
    """Every event the cloud holds, decoded, in the order of epochs and numbers."""
    received: Mapping[str, EpochMs] = field(default_factory=dict)
    """An event's id to when the cloud took it."""
    waits_since: Mapping[Number, EpochMs] = field(default_factory=dict)


def read(cloud: Path, gateway: Path, gateway_id: str) -> Delivered:
    """Read both files, also while they are written."""
    with closing(sqlite3.connect(f"{gateway.absolute().as_uri()}?mode=ro", uri=True)) as edge:
        given: dict[tuple[int, str], int] = {}
        for epoch, events, samples in edge.execute("SELECT epoch, events, samples FROM epoch"):
            given |= {(epoch, "events"): events, (epoch, "samples"): samples}
        waiting = {
            (epoch, lane, seq): at for epoch, lane, seq, at in edge.execute("SELECT epoch, lane, seq, at FROM outbox")
        }
    with closing(sqlite3.connect(f"{cloud.absolute().as_uri()}?mode=ro", uri=True)) as desk:
        mine = (gateway_id,)
        held = frozenset(tuple(row) for table in ("record", "quarantine") for row in desk.execute(
            f"SELECT epoch, lane, seq FROM {table} WHERE gateway_id = ?", mine  # noqa: S608 - our own names
        ))  # fmt: skip
        through = {
            (epoch, lane): last
            for epoch, lane, last in desk.execute("SELECT epoch, lane, through FROM lane WHERE gateway_id = ?", mine)
        }
        (unapplied,) = desk.execute(
            "SELECT count(*) FROM record WHERE applied_at IS NULL AND lane = 'events'"
        ).fetchone()
        rows = desk.execute(
            "SELECT epoch, seq, received_at, body FROM record WHERE gateway_id = ? AND lane = 'events' ORDER BY epoch, seq",
            mine,
        ).fetchall()
    events = [json.loads(bytes(body)) for *_, body in rows]
    received = {event_id(gateway_id, epoch, "events", seq): at for epoch, seq, at, _ in rows}
    return Delivered(given, frozenset(waiting), held, through, unapplied, events, received, waiting)


def lost(both: Delivered) -> Iterator[str]:
    """Numbers that nobody holds any more, as sentences."""
    for (epoch, lane), last in sorted(both.given.items()):
        own = {seq for number_epoch, number_lane, seq in both.held if (number_epoch, number_lane) == (epoch, lane)}
        first = 1 if lane == "events" else min(own, default=1)  # old samples may have been taken out by their age
        missing = [n for n in range(first, last + 1) if n not in own and (epoch, lane, n) not in both.waiting]
        if missing:
            shown = ", ".join(str(number) for number in missing[:5])
            yield f"{len(missing)} {lane} of epoch {epoch} are neither in the cloud nor waiting at the gateway: {shown}"
        if both.through.get((epoch, lane), 0) > last:
            yield f"the cloud confirmed {lane} of epoch {epoch} that the gateway never gave out"


def stuck(both: Delivered, lived: Lived) -> Iterator[str]:
    """Events that still wait although nothing has been in their way for long."""
    in_the_way = ("line", "gateway", "clock", "settings", "by hand")
    if any(one.what in in_the_way and one.until_ms > lived.now_ms for one in lived.disturbances):
        return
    old = [at for (_, lane, _), at in both.waits_since.items() if lane == "events" and at < lived.now_ms - SETTLE_MS]
    if old:
        yield f"{len(old)} events wait at the gateway, the first since {min(old)}, although the cloud can be reached"


def cleared_while_unknown(both: Delivered) -> Iterator[str]:
    """Alarms that ended while their rule could not be judged."""
    unknown: dict[tuple[str, str, str], EpochMs] = {}
    for event in both.events:
        key = (event.get("equipment", ""), event.get("rule", ""), event.get("instance", ""))
        if event["type"] == "RuleUnknown":
            if event["unknown"]:
                unknown[key] = event["at"]
            else:
                unknown.pop(key, None)
        elif event["type"] == "AlarmCleared" and key in unknown:
            yield f"{'/'.join(filter(None, key))}: it cleared at {event['cleared_at']}, unknown since {unknown[key]}"
        elif event["type"] == "DeviceAnnounced":
            unknown.clear()  # a start: what is unknown then is told again
