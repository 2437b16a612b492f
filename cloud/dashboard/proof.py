"""dashboard: what must be shown for a ticket, what is attached, what was used up, and who watches → its cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import lists, present, views
from cloud.dashboard.present import Here
from cloud.dashboard.routes_shell import Opened
from cloud.dashboard.rows import TicketRow
from cloud.storage import tables as t
from cloud.tickets import attachments, repository, watchers, work, work_lines
from cloud.tickets.attachments_media import PDF
from cloud.tickets.ticket import Role
from cloud.tickets.work import Need
from cloud.tickets.work_lines import Sums


@dataclass(frozen=True, slots=True)
class NeedLine:
    """One thing that is needed: what, how it stands in a word, and in figures."""

    id: str
    text: str
    state: str
    is_met: bool
    detail: str
    point: str = ""
    """Of a reading that nobody knows: a person may measure it by hand."""


@dataclass(frozen=True, slots=True)
class Attached:
    """One photo or paper, or the line that a removed one left."""

    id: int
    href: str
    is_photo: bool
    kind: str
    """What a paper is called: ``PDF``."""
    shows: str
    name: str
    facts: tuple[str, ...]
    removed: str = ""
    may_remove: bool = False


@dataclass(frozen=True, slots=True)
class WorkLine:
    """One line of parts or hours that counts, with what a correction starts from."""

    id: int
    name: str
    facts: tuple[str, ...]
    amount: str
    cost: str = ""
    plain: str = ""
    """The amount as a form takes it: a quantity, or minutes."""
    fields: tuple[tuple[str, str], ...] = ()
    """What a correction keeps, by the form's names."""


async def of_ticket(o: Opened, ticket: TicketRow) -> dict[str, Any]:
    """The values of parts/evidence.html, parts/work.html and parts/watch.html, all under ``proof``."""
    here = o.page.here
    state = o.request.app.state
    seen = await work.readings(state.database, o.store, ticket.id, here.now)
    needs = await work.evidence(o.db, await repository.ticket(o.db, ticket.id), seen)
    names = dict(await views.people(o.db))
    watching = await watchers.watching(o.db, ticket.id)
    may_write = Role(o.user.role).rank >= Role.TECHNICIAN.rank
    return {
        "href": f"/tickets/{ticket.number}", "needs": need_lines(needs, here), "may_write": may_write,
        "met": sum(need.is_met for need in needs), "is_watching": o.user.name in watching,
        "attached": await _attached(o, ticket, names), "watchers": [names.get(one, one) for one in watching],
        **await worked(o.db, ticket.id, names, here),
    }  # fmt: skip


async def watched(o: Opened) -> dict[str, Any]:
    """The group of "my work" with the open tickets that somebody watches, worst first."""
    here, words = o.page.here, o.page.here.words
    numbers = await watchers.watched_by(o.db, o.user.name)
    rows = (
        await views.tickets(o.db, t.ticket.c.id.in_(numbers), t.ticket.c.state.not_in(views.CLOSED)) if numbers else []
    )
    return {
        "name": words("proof.watching"), "note": str(len(rows)), "empty": words("proof.watching_none"),
        "empty_text": words("proof.watching_text"),
        "rows": [lists.ticket_line(ticket, here) for ticket in lists.worst_first(rows, here)],
    }  # fmt: skip


def need_lines(needs: Sequence[Need], here: Here) -> list[NeedLine]:
    """Each need in the reader's language."""
    words = here.words
    return [
        NeedLine(
            need.id, words.text(need.text), words(f"proof.state.{need.state}"), need.is_met, words.text(need.detail),
            need.id.removeprefix("reading:") if need.kind == "reading" and need.state == "unknown" else "",
        )
        for need in needs
    ]  # fmt: skip


async def _attached(o: Opened, ticket: TicketRow, names: Mapping[str, str]) -> list[Attached]:
    may_all = Role(o.user.role).rank >= Role.ENGINEER.rank
    rows = await attachments.attached(o.db, ticket.id)
    return [_one(row, ticket, names, o.page.here, may_remove=may_all or row["added_by"] == o.user.name) for row in rows]


def _one(row: RowMapping, ticket: TicketRow, names: Mapping[str, str], here: Here, *, may_remove: bool) -> Attached:
    words = here.words
    who = names.get(row["added_by"], row["added_by"])
    removed = ""
    if row["removed_at"] is not None:
        by = names.get(row["removed_by"], row["removed_by"])
        removed = words("proof.removed", at=here.when(row["removed_at"]), who=by, why=row["removed_why"])
    taken = words("proof.device_time", at=row["device_time"].replace("T", " ")) if row["device_time"] else ""
    facts = tuple(fact for fact in (here.when(row["added_at"]), who, row["note"], taken) if fact)
    return Attached(
        id=row["id"], href=f"/tickets/{ticket.number}/files/{row['id']}", is_photo=row["media_type"] != PDF,
        kind=row["media_type"].rpartition("/")[2].upper(),
        shows=words(f"proof.shows.{row['shows']}"), name=row["name"], facts=facts, removed=removed,
        may_remove=may_remove and not removed,
    )  # fmt: skip


async def worked(db: AsyncConnection, number: int, names: Mapping[str, str], here: Here) -> dict[str, Any]:
    """Parts and hours that count, and their sums."""
    parts = work_lines.standing(await work_lines.lines(db, t.proof.part_used, number), "quantity")
    hours = work_lines.standing(await work_lines.lines(db, t.proof.hours_worked, number), "minutes")
    return {
        "parts": [_part(row) for row in parts], "hours": [_hours(row, names, here) for row in hours],
        "sums": _sums(work_lines.sums(parts, hours), here),
    }  # fmt: skip


def _part(row: RowMapping) -> WorkLine:
    kept = tuple((name, str(row[name])) for name in ("name", "number", "unit", "currency", "note"))
    cost = "" if row["cost_cents"] is None else money(row["cost_cents"], row["currency"])
    figure = f"{row['quantity']:g}"
    facts = tuple(fact for fact in (row["number"], row["note"]) if fact)
    return WorkLine(row["id"], row["name"], facts, f"{figure} {row['unit']}".strip(), cost, figure, kept)


def _hours(row: RowMapping, names: Mapping[str, str], here: Here) -> WorkLine:
    began = here.when(row["from_at"]) if row["from_at"] is not None else ""
    facts = tuple(fact for fact in (began, row["note"]) if fact)
    lasted, name = present.duration(row["minutes"] * 60, here.words), names.get(row["person"], row["person"])
    kept = (("person", row["person"]), ("note", row["note"]))
    return WorkLine(row["id"], name, facts, lasted, "", str(row["minutes"]), kept)


def money(cents: int, currency: str) -> str:
    """``185.00 CNY``, with thin spaces between thousands."""
    return f"{cents / 100:,.2f} {currency}".replace(",", "\u2009")


def _sums(sums: Sums, here: Here) -> tuple[str, ...]:
    lasted = [present.duration(sums.minutes * 60, here.words)] if sums.minutes else []
    return (*lasted, *(money(cents, currency) for currency, cents in sums.cents.items()))
