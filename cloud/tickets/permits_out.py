"""Permit → gateways: equipment goes out of service with a cut and comes back with restoring.

The gateway holds the end too: when the planned time is over it watches again, whether or not anybody thought of it. Equipment
that no gateway serves is marked in the register itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.tickets.directives import held_by, in_turn, mark, send
from cloud.tickets.ticket import ticket_name
from contract.conventions import EpochMs, format_instant
from contract.messages import Directive

Permit = Mapping[Any, Any]


async def take_out(
    connection: AsyncConnection, permit: Permit, things: Sequence[RowMapping], version: int, by: str, now: EpochMs
) -> None:
    """Take a permit's equipment out of service until its planned end; said again, it moves the end."""
    for thing in things:
        longest = await _longest(connection, permit, thing)
        await _ask(connection, permit, thing, _out(longest, thing, _id(permit, thing, version), by), now)


async def put_back(
    connection: AsyncConnection, permit: Permit, things: Sequence[RowMapping], version: int, by: str, now: EpochMs
) -> None:
    """Put a permit's equipment back in service, unless another permit still holds it: then that one's end holds."""
    for thing in things:
        id = _id(permit, thing, version)
        other = await _other(connection, permit, thing)
        if other is not None:
            wish = _out(other, thing, id, by)
        else:
            reason = f"{ticket_name(permit['ticket_id'])}: restored"
            wish = Directive(id=id, kind="in_service", by=by, reason=reason, equipment=thing["equipment_id"])
        await _ask(connection, permit, thing, wish, now)


def _id(permit: Permit, thing: RowMapping, version: int) -> str:
    """One wish for one equipment and one step: a step that is repeated asks nothing twice."""
    return f"permit-{permit['ticket_id']}-{version}-{thing['equipment_id']}"


def _out(permit: Permit, thing: RowMapping, id: str, by: str) -> Directive:
    reason = f"{ticket_name(permit['ticket_id'])}: {permit['work']}"
    until = format_instant(permit["until_at"])
    return Directive(id=id, kind="out_of_service", by=by, reason=reason, equipment=thing["equipment_id"], until=until)


async def _longest(connection: AsyncConnection, permit: Permit, thing: RowMapping) -> Permit:
    other = await _other(connection, permit, thing)
    return other if other is not None and other["until_at"] > permit["until_at"] else permit


async def _other(connection: AsyncConnection, permit: Permit, thing: RowMapping) -> RowMapping | None:
    holder = await held_by(connection, thing["site_id"], thing["equipment_id"], besides=permit["ticket_id"])
    if holder is None:
        return None
    query = select(t.permits.permit).where(t.permits.permit.c.ticket_id == holder)
    return (await connection.execute(query)).mappings().one()


async def _ask(connection: AsyncConnection, permit: Permit, thing: RowMapping, wish: Directive, now: EpochMs) -> None:
    if thing["gateway_id"] is None:
        await mark(connection, thing["site_id"], wish, now)
        return
    await send(connection, thing["gateway_id"], wish, await in_turn(connection, thing["gateway_id"], now))
    e = t.permits.permit_equipment.c
    own = (
        (e.ticket_id == permit["ticket_id"])
        & (e.site_id == thing["site_id"])
        & (e.equipment_id == thing["equipment_id"])
    )
    await connection.execute(update(t.permits.permit_equipment).where(own).values(directive_id=wish.id))
