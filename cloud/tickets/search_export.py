"""A list of tickets → CSV and XLSX with every clock, however long: read and written page by page, memory stays flat. Instants are told on the clocks of each ticket's site."""

from __future__ import annotations

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import IO, Any, Final

from sqlalchemy import and_, select

from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets import search_pages
from cloud.tickets.search_filter import After, Wanted
from cloud.tickets.ticket import ticket_name
from contract.conventions import EpochMs, from_ms

CHUNK: Final = 500
MOST_ROWS: Final = 1_048_575
"""What a sheet of Excel holds below its head; the rest goes to further sheets."""
CLOCKS: Final = ("response", "arrival", "resolution")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", *map(chr, (0xFF1D, 0xFF0B, 0xFF0D, 0xFF20)))
"""Also the wide ones, which a spreadsheet set to Chinese or Japanese takes for the narrow."""
_PLAIN: Final = ("number", "title", "kind", "priority", "state", "system", "site", "equipment", "equipment_name", "place", "rule", "clause", "holder",
                 "description", "cause", "action", "began", "opened", "closed", "occurrences")  # fmt: skip
_OF_CLOCK: Final = ("start", "due", "met", "breached", "state", "target", "used")
COLUMNS: Final = (*_PLAIN, *(f"{clock}.{part}" for clock in CLOCKS for part in _OF_CLOCK))
"""The columns of an export in their order: of the ticket, then of each of its three clocks."""

Cell = str | int | float | datetime | None
_Part = Any
"""A sheet or a format: xlsxwriter says nothing of its types."""
Label = Callable[[str, str], str]
"""Family and id → the reader's word: ``("state", "on_hold")``."""


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom it is written: in which language, in which zone, and what ids are called."""

    language: str
    zone: tzinfo
    label: Label
    zones: Mapping[str, tzinfo] = field(default_factory=dict)
    """Of each site."""

    def at(self, at: EpochMs | None, site: str) -> datetime | None:
        """An instant on the site's clocks."""
        return from_ms(at).astimezone(self.zones.get(site, self.zone)) if at is not None else None


async def rows(database: Database, wanted: Wanted, now: EpochMs, reader: Reader) -> AsyncIterator[tuple[Cell, ...]]:
    """One row a ticket, each page of them in a snapshot of its own."""
    after: After | None = None
    while True:
        async with database.read() as connection:
            page = await search_pages.page(connection, wanted, now, CHUNK, after=after)
            found = await _rows_of(connection, page.numbers, reader)
        for row in found:
            yield row
        if page.next is None:
            return
        after = page.next


async def _rows_of(connection: Any, numbers: Sequence[int], reader: Reader) -> list[tuple[Cell, ...]]:  # noqa: ANN401
    e, k = t.equipment.c, t.ticket.c
    joined = t.ticket.outerjoin(t.equipment, and_(e.site_id == k.site_id, e.id == k.equipment_id))
    columns = (t.ticket, e.name.label("machine"), e.place.label("machine_place"))
    query = select(*columns).select_from(joined).where(k.id.in_(numbers))
    tickets = {row["id"]: row for row in (await connection.execute(query)).mappings()}
    clocks: dict[int, dict[str, Any]] = {}
    lines = select(t.deadline).where(t.deadline.c.ticket_id.in_(numbers)).order_by(t.deadline.c.activation)
    for line in (await connection.execute(lines)).mappings():
        own = clocks.setdefault(line["ticket_id"], {})
        before = own.get(line["clock"], {}).get("breached_at")  # a later activation hides no breach
        own[line["clock"]] = {**line, "breached_at": line["breached_at"] if before is None else before}
    return [row_of(tickets[number], clocks.get(number, {}), reader) for number in numbers if number in tickets]


def row_of(ticket: Mapping[str, Any], clocks: Mapping[str, Mapping[str, Any]], reader: Reader) -> tuple[Cell, ...]:
    """One ticket with the clocks of its newest activation, and the first breach of each. Instants are in the reader's zone."""
    label, site = reader.label, ticket["site_id"]
    plain: tuple[Cell, ...] = (
        ticket_name(ticket["id"]), _text(ticket["title"], reader), label("kind", ticket["kind"]), label("priority", ticket["priority"]),
        label("state", ticket["state"]), label("system", ticket["system"]) if ticket["system"] else "", ticket["site_id"], ticket["equipment_id"],
        _text(ticket["machine"], reader), ticket["place"] or ticket["machine_place"] or "", ticket["rule"], ticket["clause"], ticket["holder"],
        ticket["description"], ticket["cause_text"], ticket["action_text"], reader.at(ticket["began_at"], site), reader.at(ticket["opened_at"], site),
        reader.at(ticket["closed_at"], site), ticket["occurrences"],
    )  # fmt: skip
    return (*plain, *(cell for name in CLOCKS for cell in _clock(clocks.get(name), reader, site)))


def _clock(clock: Mapping[str, Any] | None, reader: Reader, site: str) -> tuple[Cell, ...]:
    if clock is None:
        return (None,) * len(_OF_CLOCK)
    instants = tuple(reader.at(clock[name], site) for name in ("start_at", "due_at", "met_at", "breached_at"))
    return (
        *instants,
        reader.label("find.clock", clock["state"]),
        round(clock["target_s"] / 3600, 4),
        round(clock["used_s"] / 3600, 4),
    )


def _text(names: Mapping[str, str] | None, reader: Reader) -> str:
    found = names or {}
    return str(found.get(reader.language) or next(iter(found.values()), ""))


# --- CSV ----------------------------------------------------------------------------------------------------------


def safe(cell: Cell) -> str | int | float:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe before it."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="seconds")
    if isinstance(cell, str):
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    return cell


async def csv_lines(head: Sequence[str], found: AsyncIterator[tuple[Cell, ...]]) -> AsyncIterator[str]:
    """RFC 4180 in UTF-8, with the mark by which Excel knows it; instants with their offset."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(head)
    async for row in found:
        writer.writerow([safe(cell) for cell in row])
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


# --- XLSX ---------------------------------------------------------------------------------------------------------


async def xlsx_file(head: Sequence[str], found: AsyncIterator[tuple[Cell, ...]], sheet: str) -> IO[bytes]:
    """A workbook on disk, open at its beginning; rows leave memory as they come. Dates are dates, in the reader's zone."""
    import xlsxwriter  # type: ignore[import-untyped]  # heavy; only who exports pays for it

    file = tempfile.TemporaryFile()  # noqa: SIM115  whoever sends it closes it
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(file, options)
    bold, date = book.add_format({"bold": True}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    page, at, pages = None, 0, 0
    async for row in found:
        if page is None or at > MOST_ROWS:
            pages += 1
            page, at = _sheet(book.add_worksheet(f"{sheet} {pages}" if pages > 1 else sheet), head, bold), 1
        _write(page, at, row, date)
        at += 1
    if page is None:
        _sheet(book.add_worksheet(sheet), head, bold)
    await asyncio.to_thread(book.close)  # packs everything: seconds for a million rows
    file.seek(0)
    return file


def _sheet(page: _Part, head: Sequence[str], bold: _Part) -> _Part:
    page.set_column(0, len(head) - 1, 18)
    page.freeze_panes(1, 1)
    for column, text in enumerate(head):
        page.write_string(0, column, text, bold)
    return page


def _write(page: _Part, at: int, row: Sequence[Cell], date: _Part) -> None:
    for column, cell in enumerate(row):
        if isinstance(cell, datetime):
            page.write_datetime(at, column, cell.replace(tzinfo=None), date)
        elif isinstance(cell, str):
            page.write_string(at, column, cell[:32_767])
        elif cell is not None:
            page.write_number(at, column, cell)


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """A file piece by piece, closed at its end."""
    with file:
        while piece := file.read(1 << 16):
            yield piece
