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

from sqlalchemy import BindParameter, Integer, bindparam, func, literal_column, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.clock import Clock
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared, Row
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


_NUMBERS: Final[BindParameter[Any]] = bindparam("numbers", expanding=True)
_TICKET, _LINE, _MACHINE = t.ticket.c, t.timeline.c, t.equipment.c
_NAMED: Final = ("id", "version", "title", "equipment_id", "site_id", *(_COLUMNS.get(name, name) for name in _OF_ROW))
_TICKETS = Prepared(
    select(*(_TICKET[name] for name in _NAMED)).where(_TICKET.id.in_(_NUMBERS)).order_by(_TICKET.id)
)  # fmt: skip
_MACHINES = Prepared(
    select(_MACHINE.id, _MACHINE.name, _MACHINE.place).where(
        _MACHINE.site_id == bindparam("site"), _MACHINE.id.in_(bindparam("ids", expanding=True))
    )
)
_SITES = Prepared(select(t.site.c.id, t.site.c.name))
_PEOPLE = Prepared(select(t.app_user.c.name, t.app_user.c.display_name))
_SAID = Prepared(
    select(_LINE.ticket_id, _LINE.data)
    .where(_LINE.ticket_id.in_(_NUMBERS), _LINE.actor_kind == literal_column("'person'"))
    .order_by(_LINE.id)
)
_MISSING = Prepared(
    select(_TICKET.id)
    .where(text(IS_UNINDEXED))
    .order_by(_TICKET.id.desc())
    .limit(bindparam("most", type_=Integer))
    .with_for_update(skip_locked=True)
)
_DONE: dict[str, Any] = {"indexed_version": bindparam("seen")}
_INDEXED = Prepared(update(t.ticket).where(_TICKET.id == bindparam("number")).values(_DONE))


@dataclass(frozen=True, slots=True)
class Document:
    """Everything by which one ticket is found, field by field; the first fields tell most."""

    number: int
    version: int
    fields: tuple[tuple[str, str], ...]


async def documents(connection: AsyncConnection, numbers: Sequence[int]) -> list[Document]:
    """The texts of these tickets, in the order of their numbers."""
    rows = await _TICKETS.rows(connection, {"numbers": tuple(numbers)})
    machines = await _machines(connection, {(row["site_id"], row["equipment_id"]) for row in rows})
    sites: dict[str, str] = dict(await _SITES.tuples(connection))
    people: dict[str, str] = dict(await _PEOPLE.tuples(connection))
    said = await _said(connection, numbers)
    names = {"site": sites, "holder": people}
    return [
        _document(row, machines.get((row["site_id"], row["equipment_id"])), names, said.get(row["id"], ()))
        for row in rows
    ]


async def _machines(connection: AsyncConnection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    found: dict[tuple[str, str], Row] = {}
    for site in {site for site, _ in keys}:
        ids = tuple(sorted(one for at, one in keys if at == site))
        rows = await _MACHINES.rows(connection, {"site": site, "ids": ids})
        found |= {(site, row["id"]): row for row in rows}
    return found


async def _said(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, list[str]]:
    """What people wrote in the timelines: notes, reasons, answers, names."""
    found: dict[int, list[str]] = {}
    for number, data in await _SAID.tuples(connection, {"numbers": tuple(numbers)}):
        found.setdefault(number, []).extend(_texts(data))
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


def _document(row: Row, machine: Row | None, names: Mapping[str, Mapping[str, str]], said: Sequence[str]) -> Document:
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
    numbers = [number for (number,) in await _MISSING.tuples(connection, {"most": limit})]
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
    await _INDEXED.run(connection, *({"number": row["number"], "seen": row["version"]} for row in rows))
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
