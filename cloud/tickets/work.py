"""Tickets: what must be shown before a ticket is resolved, what of it is there, and what is missing, in both languages.

A rule of the class asks for it (``resolve:``). Readings are asked of the history before the transaction (``readings``),
because nothing but the database is awaited inside one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets.work_proof import Asked, Bound, History, Reading, judge
from cloud.tickets.work_words import Both, note_words, photo_words, reading_detail, reading_words
from contract.conventions import EpochMs

Kind = Literal["photo", "reading", "note"]
NeedState = Literal["attached", "measured", "noted", "missing", "outside", "waiting", "unknown"]
_THERE: Final = frozenset({"attached", "measured", "noted"})
_PATIENCE_S: Final = 5.0
_MOST_SAMPLES: Final = 100_000
_DONE: Final = frozenset({"resolved", "verified", "closed"})


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that must be shown: ``photo:repair``, ``reading:power_factor``, ``note``."""

    id: str
    kind: Kind
    state: NeedState
    text: Both
    """What is needed: ``{en, zh}``."""
    detail: Both
    """How it stands; empty where there is nothing to add."""

    @property
    def is_met(self) -> bool:
        return self.state in _THERE


async def readings(database: Database, store: History, number: int, now: EpochMs) -> tuple[Reading, ...]:
    """What the history shows of every point that this ticket's rule asks for; nothing where it asks for none."""
    async with database.read() as connection:
        ticket = (await connection.execute(select(t.ticket).where(t.ticket.c.id == number))).mappings().one_or_none()
        asked = await asked_of(connection, ticket) if ticket is not None else []
    if ticket is None:
        return ()
    return tuple([await _reading(store, ticket["site_id"], ticket["equipment_id"], one, now) for one in asked])


async def evidence(
    connection: AsyncConnection, ticket: Mapping[Any, Any], seen: Sequence[Reading] = ()
) -> tuple[Need, ...]:
    """Everything that a ticket needs besides cause and action, and how each stands."""
    told = await _told(connection, ticket)
    if not told:
        return ()
    since = await _since(connection, ticket["id"])
    attached = await _photos(connection, ticket["id"], since)
    found = [_photo(what, attached.get(what, 0)) for what in told["photos"]]
    proofs = await _proofs(connection, ticket["id"], since)
    is_done = ticket["state"] in _DONE
    by_point = {} if is_done else {one.asked.point: one for one in seen}
    for asked in await asked_of(connection, ticket):
        proof = proofs.get(asked.point)
        stands = proof if proof is not None and (is_done or proof["facts"].get("by")) else None
        found.append(_need(asked, by_point.get(asked.point), stands))
    if told["note"]:
        found.append(_note(told["note"], is_there=await _is_noted(connection, ticket["id"], since)))
    return tuple(found)


async def missing_evidence(
    connection: AsyncConnection, ticket: Mapping[Any, Any], seen: Sequence[Reading] = ()
) -> tuple[Need, ...]:
    """What of it is not there yet. A reading that nobody asked the history for (``seen``) is unknown, so it is missing."""
    return tuple(need for need in await evidence(connection, ticket, seen) if not need.is_met)


async def require(connection: AsyncConnection, ticket: Mapping[Any, Any], seen: Sequence[Reading] = ()) -> None:
    """Let a ticket be resolved only with its evidence, and keep what was measured. Raises Refused (422) naming what is missing."""
    if missing := await missing_evidence(connection, ticket, seen):
        told = "; ".join(", ".join(part for part in (need.text["en"], need.detail["en"]) if part) for need in missing)
        raise Refused(422, "evidence", f"before it is resolved it needs: {told}", "attach or measure what is missing")
    await keep(connection, ticket, seen)


async def keep(connection: AsyncConnection, ticket: Mapping[Any, Any], seen: Iterable[Reading]) -> None:
    """Keep what was measured with the ticket: the history may be condensed or gone when somebody asks."""
    rows = [
        {
            "ticket_id": ticket["id"], "point": one.asked.point, "since_at": one.since, "until_at": one.until,
            "facts": {
                "lowest": one.lowest, "highest": one.highest, "unit": one.asked.unit, "samples": one.samples,
                "limits": [[bound.op, bound.value] for bound in one.asked.bounds],
            },
        }
        for one in seen if one.verdict == "within"
    ]  # fmt: skip
    if rows:
        await connection.execute(t.proof.reading_proof.insert(), rows)


# --- what is asked for --------------------------------------------------------------------------------------------


async def asks_more(connection: AsyncConnection, ticket: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    """Whether this ticket's rule asks for evidence that resolving the other one would not ask for."""
    parts = ("site_id", "equipment_id", "rule")
    return any(ticket[part] != other[part] for part in parts) and bool(await _told(connection, ticket))


async def _told(connection: AsyncConnection, ticket: Mapping[Any, Any]) -> dict[str, Any]:
    r = t.rule.c
    query = select(r.resolve).where(
        r.site_id == ticket["site_id"], r.equipment_id == ticket["equipment_id"], r.id == ticket["rule"]
    )
    return dict((await connection.execute(query)).scalar_one_or_none() or {})


async def asked_of(connection: AsyncConnection, ticket: Mapping[Any, Any]) -> list[Asked]:
    """The points that must be within their limits, as this equipment has them."""
    told = await _told(connection, ticket)
    names: list[str] = told.get("within_limits", [])
    p = t.point.c
    query = select(t.point).where(
        p.site_id == ticket["site_id"], p.equipment_id == ticket["equipment_id"], p.id.in_(names)
    )
    rows = {row["id"]: row for row in (await connection.execute(query)).mappings()} if names else {}
    return [_oneasked_of(rows[name], ticket["rule"], told["lasting_ms"]) for name in names if name in rows]


def _oneasked_of(row: RowMapping, rule: str, lasting_ms: int) -> Asked:
    own = [mark for mark in row["limits"] if mark["rule"] == rule]
    bounds = tuple(dict.fromkeys(Bound(mark["op"], mark["value"]) for mark in own or row["limits"]))
    return Asked(row["id"], row["name"], row["unit"], row["digits"], bounds, lasting_ms, row["expected_every_ms"])


async def _reading(store: History, site: str, equipment: str, asked: Asked, now: EpochMs) -> Reading:
    start = now - asked.lasting_ms - asked.gap_ms
    try:
        async with asyncio.timeout(_PATIENCE_S):
            samples = await store.samples(site, equipment, asked.point, start, now + 1, _MOST_SAMPLES)
    except (Refused, TimeoutError, OSError, RuntimeError):
        return Reading(asked, "unknown", "history_away", None, now)
    return judge(asked, samples, now)


# --- what is there ------------------------------------------------------------------------------------------------


async def _since(connection: AsyncConnection, number: int) -> EpochMs:
    """From when on it counts: a ticket that was opened again needs its evidence again."""
    line = t.timeline.c
    query = select(func.max(line.at)).where(line.ticket_id == number, line.kind == "reopened")
    return int((await connection.execute(query)).scalar() or 0)


async def _photos(connection: AsyncConnection, number: int, since: EpochMs) -> dict[str, int]:
    """How many photos there are of the fault, ever, and of the repair, since it was opened last."""
    a = t.proof.attachment.c
    query = select(a.shows, a.added_at).where(
        a.ticket_id == number, a.removed_at.is_(None), a.media_type.startswith("image/")
    )
    found: dict[str, int] = {}
    for shows, added_at in await connection.execute(query):
        if shows == "fault" or added_at >= since:
            found[shows] = found.get(shows, 0) + 1
    return found


async def _proofs(connection: AsyncConnection, number: int, since: EpochMs) -> dict[str, RowMapping]:
    p = t.proof.reading_proof.c
    query = select(t.proof.reading_proof).where(p.ticket_id == number, p.until_at >= since).order_by(p.id)
    return {row["point"]: row for row in (await connection.execute(query)).mappings()}


async def _is_noted(connection: AsyncConnection, number: int, since: EpochMs) -> bool:
    line = t.timeline.c
    query = select(line.id).where(line.ticket_id == number, line.kind == "noted", line.at >= since)
    return (await connection.execute(query.limit(1))).first() is not None


def _photo(what: str, count: int) -> Need:
    text, detail = photo_words(what, count)
    return Need(f"photo:{what}", "photo", "attached" if count else "missing", text, detail)


def _note(told: Both, *, is_there: bool) -> Need:
    return Need("note", "note", "noted" if is_there else "missing", note_words(told), {"en": "", "zh": ""})


def _need(asked: Asked, seen: Reading | None, proof: RowMapping | None) -> Need:
    """A reading that was kept when the ticket was resolved, or taken by hand, stands; otherwise what the history shows now."""
    is_outside = seen is not None and seen.verdict == "outside"
    if proof is not None and not is_outside:
        return Need(
            f"reading:{asked.point}", "reading", "measured", reading_words(asked), reading_detail(asked, proof["facts"])
        )
    state: NeedState = "unknown" if seen is None else "measured" if seen.verdict == "within" else seen.verdict
    return Need(f"reading:{asked.point}", "reading", state, reading_words(asked), reading_detail(asked, seen))
