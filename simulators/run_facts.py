"""What the cloud holds in the end, read from its database file: rows of tickets, clocks, timeline, calls, alarms, tests.

The same file and the same questions, whether the cloud ran on virtual time or as a process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from simulators.rows import opened

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
DUMPED = (
    "record",
    "quarantine",
    "alarm",
    "ticket",
    "timeline",
    "deadline",
    "notice",
    "test_result",
    "occurrence",
    "device",
)
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
        """Tickets of ``equipment/rule[/instance]`` or the one named ``T-000123``, oldest first."""
        return [one for one in self.tickets if key in (key_of(one), short_key(one))]

    def clocks_of(self, ticket: int, clock: str) -> list[Row]:
        """A ticket's clock, one row an activation."""
        found = [one for one in self.clocks if (one["ticket_id"], one["clock"]) == (ticket, clock)]
        return sorted(found, key=lambda one: int(one["activation"]))


def key_of(row: Row) -> str:
    """``equipment/rule[/instance]`` of a ticket or an alarm; ``T-000123`` of a ticket that a person entered."""
    if not row["rule"]:
        return f"T-{row['id']:06d}"
    return "/".join(filter(None, (row["equipment_id"], row["rule"], row["instance"])))


def short_key(row: Row) -> str:
    """The same without its instance."""
    return f"{row['equipment_id']}/{row['rule']}" if row["rule"] else key_of(row)


def read_facts(database: Path, behind_ms: int = 0) -> Facts:
    """Read a cloud's SQLite file, also while it runs; instants come ``behind_ms`` earlier."""
    with opened(database) as connection:
        found = {
            name: [_earlier(dict(row), behind_ms) for row in connection.execute(sql)]
            for name, sql in _QUESTIONS.items()
        }
        lost = int(connection.execute(_LOST).fetchone()["lost"])
    return Facts(**found, lost=lost)


def _earlier(row: Row, behind_ms: int) -> Row:
    if not behind_ms:
        return row
    return {
        name: row[name] - behind_ms if _is_instant(name) and isinstance(row[name], int) else row[name] for name in row
    }


def _is_instant(column: str) -> bool:
    return column == "at" or column.endswith(("_at", "_until"))


def tickets_of(database: Path, key: str) -> list[Row]:
    """Tickets of ``equipment/rule[/instance]`` by now, oldest first; or the one named ``T-000123``."""
    if key.startswith("T-"):
        with opened(database) as connection:
            return [dict(row) for row in connection.execute("SELECT * FROM ticket WHERE id = ?", (int(key[2:]),))]
    return _of_key(database, "ticket", key)


def alarms_of(database: Path, key: str) -> list[Row]:
    """Alarms of ``equipment/rule[/instance]`` by now, oldest first."""
    return _of_key(database, "alarm", key)


def _of_key(database: Path, table: Literal["ticket", "alarm"], key: str) -> list[Row]:
    equipment, rule, *instance = key.split("/", 2)
    sql = f"SELECT * FROM {table} WHERE equipment_id = ? AND rule = ?" + " AND instance = ?" * len(instance)  # noqa: S608 - one of two names
    with opened(database) as connection:
        return [dict(row) for row in connection.execute(f"{sql} ORDER BY id", (equipment, rule, *instance))]


def dump(database: Path) -> bytes:
    """Every row that events, tickets and clocks left, one JSON line each, in the order of their keys."""
    lines = []
    with opened(database) as connection:
        for table in DUMPED:
            keys = [row["name"] for row in connection.execute(f"PRAGMA table_info({table})") if row["pk"]]
            rows = connection.execute(f"SELECT * FROM {table} ORDER BY {', '.join(keys)}")  # noqa: S608 - names of DUMPED
            lines += [f"{table} {json.dumps(dict(row), sort_keys=True, default=_text)}" for row in rows]
    return "\n".join(lines).encode()


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def details_of(line: Row) -> Mapping[str, Any]:
    """The data of a timeline line."""
    found = json.loads(line["data"]) if isinstance(line["data"], str) else line["data"]
    return found if isinstance(found, Mapping) else {}
