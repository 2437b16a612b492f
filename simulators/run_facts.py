"""What the cloud holds in the end, read from its database file: rows of tickets, clocks, timeline, calls, alarms, tests.

The same file and the same questions, whether the cloud ran on virtual time or as a process.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
_QUESTIONS = {
    "tickets": "SELECT * FROM ticket ORDER BY id",
    "clocks": "SELECT * FROM deadline ORDER BY id",
    "timeline": "SELECT * FROM timeline ORDER BY id",
    "calls": "SELECT * FROM notice ORDER BY id",
    "alarms": "SELECT * FROM alarm ORDER BY id",
    "results": "SELECT * FROM test_result ORDER BY ended_at, event_id",
    "occurrences": "SELECT * FROM occurrence ORDER BY due_at, site_id, equipment_id, test",
    "quarantine": "SELECT id, reason, received_at FROM quarantine ORDER BY id",
}
_LOST = """
SELECT coalesce(sum(through - first + 1 - held), 0) AS lost FROM (
  SELECT l.through, (SELECT min(seq) FROM record r WHERE r.gateway_id = l.gateway_id AND r.epoch = l.epoch AND r.lane = l.lane) AS first,
    (SELECT count(*) FROM record r WHERE r.gateway_id = l.gateway_id AND r.epoch = l.epoch AND r.lane = l.lane) +
    (SELECT count(*) FROM quarantine q WHERE q.gateway_id = l.gateway_id AND q.epoch = l.epoch AND q.lane = l.lane) AS held
  FROM lane l WHERE l.lane = 'events') WHERE first IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Facts:
    """Rows as the database has them: instants in epoch milliseconds, JSON columns as text."""

    tickets: Sequence[Row]
    clocks: Sequence[Row]
    timeline: Sequence[Row]
    calls: Sequence[Row]
    alarms: Sequence[Row]
    results: Sequence[Row]
    occurrences: Sequence[Row]
    quarantine: Sequence[Row]
    lost: int
    """Numbers of the events lane that the cloud confirmed and does not hold."""

    def tickets_of(self, key: str) -> list[Row]:
        """Tickets of ``equipment/rule[/instance]``, oldest first."""
        return [one for one in self.tickets if key_of(one) == key or f"{one['equipment_id']}/{one['rule']}" == key]

    def clocks_of(self, ticket: int, clock: str) -> list[Row]:
        """A ticket's clock, one row an activation."""
        found = [one for one in self.clocks if (one["ticket_id"], one["clock"]) == (ticket, clock)]
        return sorted(found, key=lambda one: int(one["activation"]))


def key_of(row: Row) -> str:
    """``equipment/rule[/instance]`` of a ticket or an alarm."""
    return "/".join(filter(None, (row["equipment_id"], row["rule"], row["instance"])))


def read_facts(database: Path) -> Facts:
    """Read a cloud's SQLite file, also while it runs."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        found = {name: [dict(row) for row in connection.execute(sql)] for name, sql in _QUESTIONS.items()}
        lost = int(connection.execute(_LOST).fetchone()["lost"])
    return Facts(**found, lost=lost)


def details_of(line: Row) -> Mapping[str, Any]:
    """The data of a timeline line."""
    found = json.loads(line["data"]) if isinstance(line["data"], str) else line["data"]
    return found if isinstance(found, Mapping) else {}
