"""Permit: a planned outage is written down, and written anew until somebody asks for its approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import invalid, not_found
from cloud.storage import tables as t
from cloud.tickets import permits, permits_notice, repository
from cloud.tickets.desk import Desk, record
from cloud.tickets.permits import Plan, Step
from cloud.tickets.permits_notice import Told
from cloud.tickets.permits_service import check, check_role, check_version, permit_of, refuse, store
from cloud.tickets.repository import Happening
from cloud.tickets.service import Actor
from contract.conventions import EpochMs

MOST_EQUIPMENT = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """What a permit says. Instants in epoch ms."""

    site: str
    equipment: Sequence[str]
    from_at: EpochMs
    until_at: EpochMs
    work: str
    measures: Sequence[str]
    workers: str = ""
    contractor: str = ""
    affected: str = ""
    is_notice_needed: bool = True
    lead_h: int = permits.LEAD_H
    notice_en: str = ""
    notice_zh: str = ""
    window_reason: str = ""
    watch_instead: str = ""

    def plan(self) -> Plan:
        """As the pure decisions read it."""
        return Plan(
            self.from_at, self.until_at, self.work, self.measures, self.is_notice_needed, self.lead_h,
            self.window_reason, self.watch_instead,
        )  # fmt: skip


async def draft(desk: Desk, connection: AsyncConnection, wanted: Draft, actor: Actor, now: EpochMs) -> int:
    """A new permit on a ticket of its own; the ticket's number. Raises Refused: 403 not this role, 404, 422 every mistake."""
    check_role(permits.permit_step(Step.CHANGE), actor)
    things, site = await _checked(connection, wanted, now)
    number = await repository.insert_ticket(connection, _ticket(desk, wanted, things, now))
    values = _columns(wanted, _told(wanted, things, site))
    await connection.execute(t.permits.permit.insert().values(ticket_id=number, drafted_by=actor.name, **values))
    await _write_equipment(connection, number, wanted)
    ticket = await repository.ticket(connection, number)
    happening = Happening(now, "drafted", actor.kind, actor.name, _said(wanted))
    await record(desk, connection, ticket, happening, now)
    return number


async def change(
    desk: Desk, connection: AsyncConnection, number: int, wanted: Draft, actor: Actor, now: EpochMs,
    *, version: int | None = None,
) -> RowMapping:  # fmt: skip
    """Write a draft anew. Raises Refused: 403, 404, 409 it was asked for already, 422 every mistake."""
    ticket = await repository.ticket(connection, number, is_locked=True)
    permit, row = await permit_of(connection, number), permits.permit_step(Step.CHANGE)
    check(permit, row, actor)
    check_version(ticket, version)
    things, site = await _checked(connection, wanted, now)
    values = _columns(wanted, _told(wanted, things, site))
    await store(connection, number, values)
    await connection.execute(
        t.permits.permit_equipment.delete().where(t.permits.permit_equipment.c.ticket_id == number)
    )
    await _write_equipment(connection, number, wanted)
    told = _ticket(desk, wanted, things, now)
    kept = {name: told[name] for name in ("site_id", "equipment_id", "title", "system")}
    return await record(
        desk, connection, ticket, Happening(now, row.entry, actor.kind, actor.name, _said(wanted)), now, kept
    )


async def _checked(connection: AsyncConnection, wanted: Draft, now: EpochMs) -> tuple[Sequence[RowMapping], RowMapping]:
    """The equipment and the site of a draft. Raises Refused: 404 no such site or equipment, 422 every mistake."""
    site = (await connection.execute(select(t.site).where(t.site.c.id == wanted.site))).mappings().one_or_none()
    if site is None:
        raise not_found("site", wanted.site)
    if not 0 < len(set(wanted.equipment)) <= MOST_EQUIPMENT:
        raise invalid("equipment", "the permit names no equipment, or too much", f"name 1 to {MOST_EQUIPMENT}")
    c = t.equipment.c
    query = select(t.equipment).where(c.site_id == wanted.site, c.id.in_(sorted(set(wanted.equipment))))
    found = {row["id"]: row for row in (await connection.execute(query)).mappings()}
    for name in wanted.equipment:
        if name not in found:
            raise not_found("equipment", f"{wanted.site}/{name}")
    things = [found[name] for name in dict.fromkeys(wanted.equipment)]
    systems = frozenset(row["system"] for row in things)
    has_life_safety = "fire" in systems or await _guards_life(connection, wanted)
    refuse(permits.objections(wanted.plan(), permits.Site(site["zone"], systems, has_life_safety), now))
    return things, site


async def _guards_life(connection: AsyncConnection, wanted: Draft) -> bool:
    c = t.rule.c
    own = (c.site_id == wanted.site) & c.equipment_id.in_(sorted(set(wanted.equipment)))
    query = select(c.id).where(own, c.severity == "life_safety").limit(1)
    return (await connection.execute(query)).first() is not None


def _ticket(desk: Desk, wanted: Draft, things: Sequence[RowMapping], now: EpochMs) -> dict[str, Any]:
    first = things[0]
    more = f" +{len(things) - 1}" if len(things) > 1 else ""
    names = {language: first["name"].get(language) or first["id"] for language in ("en", "zh")}
    short = wanted.work if len(wanted.work) <= 80 else f"{wanted.work[:79]}…"
    return {
        "kind": "outage",
        "site_id": wanted.site,
        "equipment_id": first["id"],
        "title": {"en": f"{names['en']}{more}: {short}", "zh": f"{names['zh']}{more}：{short}"},
        "priority": "general",
        "severity": "",
        "system": first["system"],
        "clause": "o-outage-planned",
        "received_at": now,
        "opened_at": now,
        "policy": desk.policy.version,
    }


def _told(wanted: Draft, things: Sequence[RowMapping], site: RowMapping) -> Told:
    names = [row["name"] or {"en": row["id"]} for row in things]
    return Told(
        site["name"] or site["id"], names, wanted.from_at, wanted.until_at, site["zone"], wanted.work, wanted.affected
    )


def _columns(wanted: Draft, told: Told) -> dict[str, Any]:
    plain = (
        "from_at", "until_at", "work", "workers", "contractor", "affected", "is_notice_needed", "lead_h", "window_reason",
        "watch_instead",
    )  # fmt: skip
    return {
        **{name: getattr(wanted, name) for name in plain},
        "site_id": wanted.site,
        "measures": list(dict.fromkeys(wanted.measures)),
        "notice_en": wanted.notice_en or permits_notice.english(told),
        "notice_zh": wanted.notice_zh or permits_notice.chinese(told),
    }


def _said(wanted: Draft) -> dict[str, Any]:
    """What the timeline keeps of a draft: the plan as it was then."""
    plain = ("from_at", "until_at", "work", "workers", "contractor", "affected", "window_reason", "watch_instead")
    said = {name: getattr(wanted, name) for name in plain if getattr(wanted, name)}
    return said | {"note": wanted.work, "things": list(wanted.equipment), "measures": list(wanted.measures)}


async def _write_equipment(connection: AsyncConnection, number: int, wanted: Draft) -> None:
    rows = [
        {"ticket_id": number, "site_id": wanted.site, "equipment_id": name, "position": place}
        for place, name in enumerate(dict.fromkeys(wanted.equipment))
    ]
    await connection.execute(t.permits.permit_equipment.insert(), rows)
