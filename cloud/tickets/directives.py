"""People → gateways: wishes that travel in receipts until the gateway answers them, with who and why.

The cloud owns who acknowledged or shelved an alarm; the gateway owns the condition and does what it is asked on site.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import ColumnElement, RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid, not_found
from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from cloud.tickets.faults import OWN_RULES
from cloud.tickets.permits import OUT_STAGES
from cloud.tickets.ticket import ticket_name
from contract.conventions import EpochMs, instant_ms
from contract.messages import Directive


async def mark_seen(connection: AsyncConnection, which: ColumnElement[bool], by: str, now: EpochMs) -> int:
    """Mark the alarms that match and nobody has seen yet, those that have cleared too; how many.

    A gateway knows the newest activation of a fault only, so it is told of no other.
    """
    unseen = which & t.alarm.c.acknowledged_at.is_(None)
    alarms = (await connection.execute(select(t.alarm).where(unseen))).mappings().all()
    if alarms:
        await connection.execute(update(t.alarm).where(unseen).values(acknowledged_at=now, acknowledged_by=by))
    for alarm in alarms:
        if await _is_newest(connection, alarm):
            await _tell_gateway(connection, alarm, by, now)
    return len(alarms)


async def _is_newest(connection: AsyncConnection, alarm: RowMapping) -> bool:
    later = (t.alarm.c.fault_key == alarm["fault_key"]) & (t.alarm.c.raised_at > alarm["raised_at"])
    return (await connection.execute(select(t.alarm.c.id).where(later).limit(1))).first() is None


async def _tell_gateway(connection: AsyncConnection, alarm: RowMapping, by: str, now: EpochMs) -> None:
    query = select(t.equipment.c.gateway_id).where(
        t.equipment.c.site_id == alarm["site_id"], t.equipment.c.id == alarm["equipment_id"]
    )
    gateway_id = (await connection.execute(query)).scalar()
    if gateway_id is None or alarm["rule"] in OWN_RULES:
        return  # noticed by the cloud itself, or on equipment that no gateway serves
    wish = Directive(
        id=f"acknowledge-{alarm['id']}",
        kind="acknowledge",
        by=by,
        equipment=alarm["equipment_id"],
        rule=alarm["rule"],
        instance=alarm["instance"],
    )
    await send(connection, gateway_id, wish, now)


async def wish(connection: AsyncConnection, site_id: str, wanted: Directive, now: EpochMs) -> str:
    """Ask the gateway that serves ``wanted.equipment``; which one that is. Raises Refused: 404, 409, 422.

    Equipment that no gateway serves can still be out of service: the register says so, and the answer is empty.
    """
    for field in _NEEDS[wanted.kind]:
        if not getattr(wanted, field) and getattr(wanted, field) != 0:
            raise invalid(field, f"{wanted.kind} needs {field}", "say which, or why")
    query = select(t.equipment.c.gateway_id).where(
        t.equipment.c.site_id == site_id, t.equipment.c.id == wanted.equipment
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise not_found("equipment", f"{site_id}/{wanted.equipment}")
    if wanted.kind == "shelve":
        await _check_shelf(connection, site_id, wanted, now)
    if wanted.kind in _SERVICE:
        await _check_service(connection, site_id, wanted, now)
    if row.gateway_id is None and wanted.kind in _SERVICE:
        await mark(connection, site_id, wanted, now)
        return ""
    if row.gateway_id is None:
        raise conflict("no_telemetry", f"no gateway serves {wanted.equipment}", "nothing can be asked of it")
    if not await send(connection, row.gateway_id, wanted, await in_turn(connection, row.gateway_id, now)):
        raise conflict("id_taken", f"directive {wanted.id} was sent before", "leave the id out")
    return str(row.gateway_id)


async def _check_shelf(connection: AsyncConnection, site_id: str, wanted: Directive, now: EpochMs) -> None:
    """Shelving hides an alarm for a time (IEC 62682); what endangers life is never hidden. Raises Refused (422)."""
    if instant_ms(wanted.until or "") <= now:
        raise invalid("until", "the shelf would end before it begins", "give a later instant")
    a, r = t.alarm.c, t.rule.c
    announced = select(r.severity).where(
        r.site_id == site_id, r.equipment_id == wanted.equipment, r.id == wanted.rule
    )  # fmt: skip
    active = select(a.severity).where(
        a.site_id == site_id, a.equipment_id == wanted.equipment, a.rule == wanted.rule, a.state == "active"
    )  # fmt: skip
    found = (await connection.execute(announced.union(active))).scalars().all()
    if "life_safety" in found:
        what = "a life-safety alarm is never shelved"
        remedy = "take the equipment out of service under a permit to work instead"
        raise Refused(422, "life_safety", what, remedy, invalid("rule", what, remedy).errors)


_SERVICE = frozenset({"out_of_service", "in_service"})


async def _check_service(connection: AsyncConnection, site_id: str, wanted: Directive, now: EpochMs) -> None:
    """What a permit to work has taken out of service, only its own steps extend or put back. Raises Refused: 409, 422."""
    if wanted.until is not None and instant_ms(wanted.until) <= now:
        raise invalid("until", "it would be back before it is out", "give a later instant")
    holder = await held_by(connection, site_id, wanted.equipment)
    if holder is not None:
        what = f"{wanted.equipment} is out of service under {ticket_name(holder)}"
        raise conflict("permit", what, "extend or restore it there")


async def held_by(connection: AsyncConnection, site_id: str, equipment_id: str, besides: int = 0) -> int | None:
    """The ticket whose permit holds this equipment out of service, of several the one that ends last."""
    p, e = t.permits.permit.c, t.permits.permit_equipment.c
    query = (
        select(p.ticket_id)
        .join(t.permits.permit_equipment, e.ticket_id == p.ticket_id)
        .where(e.site_id == site_id, e.equipment_id == equipment_id, p.stage.in_(OUT_STAGES), p.ticket_id != besides)
        .order_by(p.until_at.desc(), p.ticket_id)
        .limit(1)
    )
    found: int | None = (await connection.execute(query)).scalar()
    return found


async def mark(connection: AsyncConnection, site_id: str, wanted: Directive, now: EpochMs) -> None:
    """Equipment without a gateway: the register itself says that it is out of service, or that it is back."""
    until = None if wanted.until is None else instant_ms(wanted.until)
    out = {"reason": wanted.reason, "at": now, "until": until} if wanted.kind == "out_of_service" else None
    where = (t.equipment.c.site_id == site_id) & (t.equipment.c.id == wanted.equipment)
    await connection.execute(update(t.equipment).where(where).values(out_of_service=out))


async def in_turn(connection: AsyncConnection, gateway_id: str, now: EpochMs) -> EpochMs:
    """``now``, or just after the newest wish that still waits: a clock set back must not turn their order round."""
    waiting = (t.directive.c.gateway_id == gateway_id) & t.directive.c.applied_at.is_(None)
    newest = (await connection.execute(select(func.max(t.directive.c.created_at)).where(waiting))).scalar()
    return now if newest is None else max(now, newest + 1)


_NEEDS: Mapping[str, tuple[str, ...]] = {
    "acknowledge": ("rule",),
    "shelve": ("rule", "reason", "until"),
    "unshelve": ("rule",),
    "out_of_service": ("reason",),
    "in_service": (),
    "set_limit": ("limit", "value", "reason"),
    "refresh": (),
}
"""What each kind of wish must say. Shelving is always for a time (IEC 62682)."""


async def send(connection: AsyncConnection, gateway_id: str, wish: Directive, now: EpochMs) -> bool:
    """Put a wish into the gateway's next receipts until it answers. False when this id was sent before."""
    values = {
        "id": wish.id,
        "gateway_id": gateway_id,
        "kind": wish.kind,
        "body": msgspec.to_builtins(wish),
        "created_by": wish.by,
        "created_at": now,
    }
    return await insert_new(connection, t.directive, values)
