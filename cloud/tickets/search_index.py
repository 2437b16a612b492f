"""Tickets → the words by which they are found. Follows what was committed, beside the path of events.

A ticket is written again when its ``version`` has moved on from ``indexed_version``: by the background step, and before a
search for what is still missing, so that a search is complete at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import RowMapping, bindparam, func, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.clock import Clock
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.storage.tables_search import IS_UNINDEXED
from cloud.storage.turn import turn
from cloud.tickets.search_words import words
from cloud.tickets.ticket import ticket_name

BATCH: Final = 100
BEFORE_A_SEARCH: Final = 400
"""How many missing tickets a search itself writes before it looks; more are told on its page."""
MOST_COUNTED: Final = 10_000
CALM_S: Final = 5.0
"""After a change others mostly follow: they are written together."""
NAP_S: Final = 600.0
_SQLITE: Final = "INSERT OR REPLACE INTO ticket_words (rowid, words) VALUES (:number, :words)"
_POSTGRESQL: Final = (
    "INSERT INTO ticket_words (ticket_id, words) VALUES (:number, array_to_tsvector(CAST(:words AS text[])))"
    " ON CONFLICT (ticket_id) DO UPDATE SET words = excluded.words"
)
_OF_ROW: Final = (
    "description",
    "cause",
    "action",
    "place",
    "clause",
    "rule",
    "reporter",
    "contact",
    "system",
    "holder",
)
_COLUMNS: Final = {"cause": "cause_text", "action": "action_text", "contact": "reporter_contact"}


@dataclass(frozen=True, slots=True)
class Document:
    """Everything by which one ticket is found, field by field; the first fields tell most."""

    number: int
    version: int
    fields: tuple[tuple[str, str], ...]


async def documents(connection: AsyncConnection, numbers: Sequence[int]) -> list[Document]:
    """The texts of these tickets, in the order of their numbers."""
    rows = (
        (await connection.execute(select(t.ticket).where(t.ticket.c.id.in_(numbers)).order_by(t.ticket.c.id)))
        .mappings()
        .all()
    )
    machines = await _machines(connection, {(row["site_id"], row["equipment_id"]) for row in rows})
    sites = {row.id: row.name for row in await connection.execute(select(t.site.c.id, t.site.c.name))}
    people = {
        row.name: row.display_name
        for row in await connection.execute(select(t.app_user.c.name, t.app_user.c.display_name))
    }
    said = await _said(connection, numbers)
    names = {"site": sites, "holder": people}
    return [
        _document(row, machines.get((row["site_id"], row["equipment_id"])), names, said.get(row["id"], ()))
        for row in rows
    ]


async def _machines(connection: AsyncConnection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], RowMapping]:
    e = t.equipment.c
    query = select(e.site_id, e.id, e.name, e.place).where(tuple_(e.site_id, e.id).in_(sorted(keys)))
    return {(row["site_id"], row["id"]): row for row in (await connection.execute(query)).mappings()}


async def _said(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, list[str]]:
    """What people wrote in the timelines: notes, reasons, answers, names."""
    line = t.timeline.c
    query = (
        select(line.ticket_id, line.data)
        .where(line.ticket_id.in_(numbers), line.actor_kind == "person")
        .order_by(line.id)
    )
    found: dict[int, list[str]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.ticket_id, []).extend(_texts(row.data))
    return found


def _texts(data: Any) -> Iterator[str]:  # noqa: ANN401  any JSON
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)


def _document(
    row: RowMapping, machine: RowMapping | None, names: Mapping[str, Mapping[str, str]], said: Sequence[str]
) -> Document:
    fields = [
        ("number", f"{ticket_name(row['id'])} {row['id']}"),
        *(("title", str(one)) for one in row["title"].values()),
    ]
    fields.append(("equipment", row["equipment_id"].replace("_", " ")))
    if machine is not None:
        fields += [*(("equipment", str(one)) for one in machine["name"].values()), ("place", machine["place"])]
    fields += [(name, str(row[_COLUMNS.get(name, name)])) for name in _OF_ROW]
    fields += [
        ("site", names["site"].get(row["site_id"], row["site_id"])),
        ("holder", names["holder"].get(row["holder"], "")),
    ]
    fields += [("note", one) for one in dict.fromkeys(said)]
    return Document(row["id"], row["version"], tuple(field for field in fields if field[1]))


async def index_missing(connection: AsyncConnection, limit: int = BATCH) -> int:
    """Write the words of tickets that have changed, in a write transaction; how many were written."""
    missing = select(t.ticket.c.id).where(text(IS_UNINDEXED)).order_by(t.ticket.c.id.desc()).limit(limit)
    numbers = list((await connection.execute(missing.with_for_update(skip_locked=True))).scalars())
    if not numbers:
        return 0
    is_sqlite = connection.dialect.name == "sqlite"
    rows = []
    for document in await documents(connection, numbers):
        found = words(value for _, value in document.fields)
        rows.append(
            {"number": document.number, "version": document.version, "words": " ".join(found) if is_sqlite else found}
        )
    await connection.execute(
        text(_SQLITE if is_sqlite else _POSTGRESQL), [{k: row[k] for k in ("number", "words")} for row in rows]
    )
    done = update(t.ticket).where(t.ticket.c.id == bindparam("number")).values(indexed_version=bindparam("seen"))
    await connection.execute(done, [{"number": row["number"], "seen": row["version"]} for row in rows])
    return len(rows)


async def count_missing(connection: AsyncConnection) -> int:
    """How many tickets are still to be written, ``MOST_COUNTED`` at most."""
    some = select(t.ticket.c.id).where(text(IS_UNINDEXED)).limit(MOST_COUNTED).subquery()
    return int((await connection.execute(select(func.count()).select_from(some))).scalar_one())


async def catch_up(database: Database, most: int = BEFORE_A_SEARCH) -> int:
    """Before a search: write what is missing, within bounds; how many are missing still. A database that takes no writes is searched as it is."""
    async with database.read() as connection:
        missing = await count_missing(connection)
    written = 0
    with suppress(DBAPIError):
        while missing > written and written < most:
            async with database.write() as connection:
                done = await index_missing(connection)
            written += done
            if not done:
                break
    return max(0, missing - written)


class Indexer:
    """Writes the words of changed tickets some seconds after a change, many at once. Of several replicas one does."""

    def __init__(self, database: Database, clock: Clock, longest_nap_s: float = NAP_S) -> None:
        self._database = database
        self._clock = clock
        self._longest_nap_s = longest_nap_s
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Tickets have changed."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            async with turn(self._database, "words") as is_ours:
                if is_ours:
                    await self.index()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._longest_nap_s):
                    await self._woken.wait()
            await self._clock.sleep(CALM_S)

    async def index(self) -> int:
        """Everything that is missing, in short transactions; how many."""
        written = 0
        while True:
            async with self._database.write() as connection:
                done = await index_missing(connection)
            written += done
            if done < BATCH:
                return written
