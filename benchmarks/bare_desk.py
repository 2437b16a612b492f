"""The floor of events: the very rows that they left behind, inserted bare into the same tables with the same indexes.

These are all of them: the record as it came, the alarm, the ticket, its timeline, its clocks, its calls and the words by which it is
found; read back from the database after the run, when calls and words have followed. The floor commits as often as the gateway
sends. It knows what to write before it begins: it looks nothing up, decides nothing, speaks no HTTP, checks no foreign key, and a
ticket counts once, as it is at the end, however often the cloud changed it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement, Table, bindparam, create_engine, select, text

from benchmarks import ingest_load
from cloud.storage import tables as t
from cloud.storage.session import open_database


@dataclass(frozen=True, slots=True)
class Left:
    """Rows by table, as the driver takes them."""

    rows: Mapping[str, Sequence[tuple[Any, ...]]]

    @property
    def count(self) -> int:
        return sum(map(len, self.rows.values()))


async def left_behind(url: str, gateway: str) -> Left:
    """What the events of ``ingest_load.events`` of one gateway left."""
    pumps = t.ticket.c.equipment_id.startswith(f"{gateway}_pump_", autoescape=True)
    tickets = select(t.ticket.c.id).where(pumps)
    which: Mapping[Table, ColumnElement[bool]] = {
        t.record: t.record.c.gateway_id == gateway,
        t.quarantine: t.quarantine.c.gateway_id == gateway,
        t.ticket: pumps,
        t.alarm: t.alarm.c.ticket_id.in_(tickets),
        t.timeline: t.timeline.c.ticket_id.in_(tickets),
        t.deadline: t.deadline.c.ticket_id.in_(tickets),
        t.calls.notice: t.calls.notice.c.ticket_id.in_(tickets),
    }
    database = open_database(url)
    try:
        async with database.read() as connection:
            rows: dict[str, Sequence[tuple[Any, ...]]] = {
                table.name: [tuple(map(_plain, row)) for row in await connection.execute(select(table).where(where))]
                for table, where in which.items()
            }
            numbers = [row[0] for row in rows["ticket"]]
            query = text(_WORDS[connection.dialect.name]).bindparams(bindparam("numbers", numbers, expanding=True))
            rows["ticket_words"] = [tuple(row) for row in await connection.execute(query)]
            return Left(rows)
    finally:
        await database.close()


_WORDS = {
    "sqlite": "SELECT rowid, words FROM ticket_words WHERE rowid IN :numbers",
    "postgresql": "SELECT ticket_id, words::text FROM ticket_words WHERE ticket_id IN :numbers",
}


def _insert(name: str, marks: Sequence[str], schema: str = "") -> str:
    """One row of a table, by the columns that were read: migrations leave them in another order."""
    if name == "ticket_words":
        columns = ["ticket_id" if schema else "rowid", "words"]
        marks = ("$1", "$2::text::tsvector") if schema else marks
    else:
        columns = list(t.metadata.tables[name].columns.keys())
    named = ", ".join(f'"{column}"' for column in columns)
    return f"INSERT INTO {schema}{name} ({named}) VALUES ({', '.join(marks)})"  # noqa: S608  our own table names


def _plain(value: Any) -> Any:  # noqa: ANN401  a column
    return json.dumps(value) if isinstance(value, dict | list) else value


def bare_rate(url: str, path: Path, left: Left, items: int, transactions: int) -> float:
    """Events a processor second, in so many durable transactions, with the database's own driver alone."""
    if url.startswith("postgresql"):
        return asyncio.run(_bare_postgresql(url, left, items, transactions))
    return _bare_sqlite(path, left, items, transactions)


async def _bare_postgresql(url: str, left: Left, items: int, transactions: int) -> float:
    """Into copies of the tables, with their indexes. Only this side's processor time counts, as for the cloud."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS bare CASCADE; CREATE SCHEMA bare")
        for name in left.rows:
            await connection.execute(f"CREATE TABLE bare.{name} (LIKE public.{name} INCLUDING ALL)")
        cpu = ingest_load.own_cpu_s()
        for turn in range(transactions):
            async with connection.transaction():
                for name, rows in left.rows.items():
                    if part := rows[turn::transactions]:
                        marks = [f"${place}" for place in range(1, len(part[0]) + 1)]
                        await connection.executemany(_insert(name, marks, "bare."), part)
        return items / (ingest_load.own_cpu_s() - cpu)
    finally:
        await connection.close()


def _bare_sqlite(path: Path, left: Left, items: int, transactions: int) -> float:
    engine = create_engine(f"sqlite:///{path}")
    t.metadata.create_all(engine)
    engine.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    cpu = ingest_load.own_cpu_s()
    for turn in range(transactions):
        connection.execute("BEGIN IMMEDIATE")
        for name, rows in left.rows.items():
            part = rows[turn::transactions]
            if part:
                connection.executemany(_insert(name, "?" * len(part[0])), part)
        connection.execute("COMMIT")
    used = ingest_load.own_cpu_s() - cpu
    connection.close()
    return items / used
