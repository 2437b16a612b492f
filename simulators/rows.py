"""What a run left in the cloud's SQLite file, read beside it: alarms, tickets, and which points ever showed a good value."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from contract.conventions import EpochMs
from contract.messages import Quality, SampleBatch

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SeenAlarm:
    """One alarm as the cloud knows it. Instants in epoch milliseconds."""

    equipment: str
    rule: str
    severity: str
    raised_at: EpochMs
    received_at: EpochMs
    cleared_at: EpochMs | None
    suppressed_by: str
    ticket: int | None


@contextlib.contextmanager
def opened(file: Path) -> Iterator[sqlite3.Connection]:
    """The database for reading, while another process or this one goes on writing it."""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


def alarms(file: Path) -> list[SeenAlarm]:
    """Every alarm, oldest first; without those of devices that tell nothing for a moment."""
    with opened(file) as connection:
        found = connection.execute(
            "SELECT equipment_id, rule, severity, raised_at, received_at, cleared_at, suppressed_by, ticket_id"
            " FROM alarm ORDER BY raised_at, id"
        )
        return [SeenAlarm(*row) for row in found]


def good_points(file: Path) -> set[tuple[str, str]]:
    """(equipment, point) of everything that was good at least once in what the gateway delivered."""
    decoder, found = msgspec.json.Decoder(SampleBatch), set()
    with opened(file) as connection:
        for (body,) in connection.execute("SELECT body FROM record WHERE type = 'SampleBatch'"):
            for series in decoder.decode(body).series:
                if not series.quality or Quality.GOOD in series.quality:
                    found.add((series.equipment, series.point))
    return found
