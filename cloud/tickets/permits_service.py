"""Permit: what people do to a planned outage. ``take`` stands behind every button and every call.

Each step is one transaction: the step, its line of the timeline, the ticket's state and the wishes to the gateways are all
there or none is. A gateway that is cut off finds its wish in the first receipt after it is back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid, not_found
from cloud.storage import tables as t
from cloud.tickets import permits, repository
from cloud.tickets.desk import Desk, record
from cloud.tickets.permits import OUT_STAGES, TICKET_STATES, Objection, PermitStep, Stage, Standing, Step
from cloud.tickets.permits_out import Permit, put_back, take_out
from cloud.tickets.repository import Happening
from cloud.tickets.service import Actor
from cloud.tickets.ticket import Role, State, ticket_name
from contract.conventions import EpochMs
from device_profiles.reading import Finding


@dataclass(frozen=True, slots=True)
class Given:
    """What goes with a step. Each step needs its own (``PermitStep.needs``); a note is always welcome."""

    reason: str = ""
    how: str = ""
    """How occupants were told: posted in the lobby, messages, by telephone."""
    checked: Sequence[str] = field(default_factory=tuple)
    """Measures that are in place, or what was made sure of before restoring."""
    action: str = ""
    """What was done."""
    until: EpochMs | None = None
    note: str = ""

    def told(self) -> dict[str, Any]:
        """What was said, without what was left empty."""
        everything = {name: getattr(self, name) for name in self.__slots__}
        return {name: list(value) if name == "checked" else value for name, value in everything.items() if value}


_REMEDIES = {
    "reason": "say why", "how": "say how and where occupants were told", "checked": "tick what is in place",
    "action": "say what was done", "until": "give the new end",
}  # fmt: skip


async def permit_of(connection: AsyncConnection, number: int) -> RowMapping:
    """One permit. Raises Refused (404) when the ticket has none."""
    found = await permit_or_none(connection, number)
    if found is None:
        raise not_found("permit", ticket_name(number))
    return found


async def permit_or_none(connection: AsyncConnection, number: int) -> RowMapping | None:
    """The permit of a ticket, where it has one."""
    query = select(t.permits.permit).where(t.permits.permit.c.ticket_id == number)
    return (await connection.execute(query)).mappings().one_or_none()


async def equipment_of(connection: AsyncConnection, number: int) -> Sequence[RowMapping]:
    """The equipment of a permit, in its order, with what became of the newest wish about each."""
    e, one, wish = t.permits.permit_equipment, t.equipment, t.directive
    joined = e.join(one, (one.c.site_id == e.c.site_id) & (one.c.id == e.c.equipment_id), isouter=True)
    joined = joined.join(wish, wish.c.id == e.c.directive_id, isouter=True)
    query = (
        select(
            e.c.site_id, e.c.equipment_id, e.c.directive_id, one.c.name, one.c.system, one.c.gateway_id, one.c.out_of_service,
            wish.c.kind.label("wish"), wish.c.created_at.label("asked_at"), wish.c.sent_at, wish.c.applied_at,
            wish.c.applied, wish.c.reason.label("answer"),
        )
        .select_from(joined)
        .where(e.c.ticket_id == number)
        .order_by(e.c.position)
    )  # fmt: skip
    return (await connection.execute(query)).mappings().all()


def refuse(found: Sequence[Objection]) -> None:
    """Raise what is wrong, if anything is: Refused 422 with every field, or 409 for what no field can change."""
    for one in found:
        if one.code != "invalid":
            raise conflict(one.code, one.what, one.remedy)
    if found:
        findings = tuple(Finding("", 0, one.field, one.what, one.remedy) for one in found)
        raise Refused(422, "invalid", found[0].what, found[0].remedy, findings)


# --- the steps ----------------------------------------------------------------------------------------------------


async def take(  # noqa: PLR0913  the two last are guards that a caller may leave out
    desk: Desk, connection: AsyncConnection, number: int, step: Step, actor: Actor, now: EpochMs,
    given: Given = Given(), *, version: int | None = None, key: str | None = None,
) -> RowMapping:  # fmt: skip
    """Take one step of a permit and return its ticket as it is then.

    ``version`` is the ticket's that the person saw (409 when it has changed); ``key`` makes a repeated call do nothing
    more. Raises Refused: 404 no such permit, 403 not this role or not this person, 409 not in this stage, 422 something
    is missing.
    """
    ticket = await repository.ticket(connection, number, is_locked=True)
    permit = await permit_of(connection, number)
    dedupe = f"key:{number}:permit:{step}:{key}" if key else None
    if dedupe and await repository.is_recorded(connection, dedupe):
        return ticket
    row = permits.permit_step(step)
    check(permit, row, actor)
    check_version(ticket, version)
    _check_given(permit, row, given, now)
    await _check_person(connection, permit, row, actor)
    values = _values(permit, row, actor, given, now)
    await store(connection, number, values)
    after = {**permit, **values}
    told = Happening(now, row.entry, actor.kind, actor.name, {**given.told(), **_facts(after, row)}, dedupe)
    changed = await record(desk, connection, ticket, told, now, _ticket_values(ticket, row, given, now))
    await _serve(connection, after, row, changed["version"], actor, now)
    return changed


def check_role(row: PermitStep, actor: Actor) -> None:
    if Role(actor.role).rank < row.role.rank:
        raise Refused(403, "role", f"{actor.role} may not {row.step}", f"ask a person with role {row.role}")


def check(permit: RowMapping, row: PermitStep, actor: Actor) -> None:
    check_role(row, actor)
    if permit["stage"] not in row.sources:
        possible = ", ".join(permits.allowed(permit["stage"], actor.role)) or "nothing"
        what = f"{ticket_name(permit['ticket_id'])} is {permit['stage']}: {row.step} does not apply"
        raise conflict("state", what, f"possible now: {possible}")


def check_version(ticket: RowMapping, version: int | None) -> None:
    if version is not None and version != ticket["version"]:
        raise repository.changed_meanwhile(ticket["id"])


def _check_given(permit: RowMapping, row: PermitStep, given: Given, now: EpochMs) -> None:
    for name in row.needs:
        value = getattr(given, name)
        if not (value.strip() if isinstance(value, str) else value) and not (
            row.step is Step.CUT and name == "checked"
        ):
            raise invalid(name, f"{row.step} needs {name}", _REMEDIES[name])
    if row.step is Step.CUT:
        refuse(permits.cut_objections(standing(permit), given.checked, given.reason, now))
    if row.step is Step.APPROVE_RESTORE and (missing := [one for one in permits.CLEARANCE if one not in given.checked]):
        raise invalid("checked", f"not made sure of: {', '.join(missing)}", "make sure and tick every line")
    if row.step is Step.EXTEND and given.until is not None:
        if given.until <= max(now, permit["until_at"]):
            raise invalid("until", "the new end is not later", "give an end after the planned one that lies ahead")
        if given.until - permit["from_at"] > permits.LONGEST_MS:
            raise invalid("until", "no outage is planned for more than 31 days", "restore, and draft another permit")


def standing(permit: Permit) -> Standing:
    """A stored permit as the decision about cutting reads it."""
    return Standing(
        permit["from_at"], permit["until_at"], permit["is_notice_needed"], permit["lead_h"], permit["notified_at"],
        tuple(permit["measures"]),
    )  # fmt: skip


async def _check_person(connection: AsyncConnection, permit: RowMapping, row: PermitStep, actor: Actor) -> None:
    """Four eyes where the clause asks for an approval of its own. Raises Refused (403)."""
    asked = {Step.APPROVE_CUT: permit["asked_by"], Step.APPROVE_RESTORE: permit["done_by"]}.get(row.step)
    if asked is None or asked != actor.name:
        return
    systems = {one["system"] for one in await equipment_of(connection, permit["ticket_id"]) if one["system"]}
    if permits.needs_four_eyes(systems):
        what = f"{actor.name} asked for it and may not approve it as well ({row.clause})"
        raise Refused(403, "four_eyes", what, f"ask another person with role {row.role}")


def _values(permit: RowMapping, row: PermitStep, actor: Actor, given: Given, now: EpochMs) -> dict[str, Any]:
    """The permit's own columns after a step."""
    values: dict[str, Any] = {"stage": str(row.to)} if row.to is not None else {}
    match row.step:
        case Step.ASK:
            values |= {"asked_by": actor.name, "asked_at": now}
        case Step.APPROVE_CUT:
            values |= {"approved_by": actor.name, "approved_at": now}
        case Step.REFUSE_CUT:
            values |= {"asked_by": "", "asked_at": None}
        case Step.NOTIFY:
            values |= {"notified_at": permit["notified_at"] or now, "notice_how": given.how}
        case Step.CUT:
            values["cut_at"] = now
        case Step.EXTEND:
            values["until_at"] = given.until
        case Step.REPORT_DONE:
            values |= {"done_by": actor.name, "done_at": now}
        case Step.APPROVE_RESTORE:
            values |= {"restore_by": actor.name, "restore_approved_at": now}
        case _:
            values |= _way_back(row, now)
    after = {**permit, **values}
    values["look_at"] = permits.next_look(after["stage"], after["until_at"], after["cut_at"], now)
    return values


def _way_back(row: PermitStep, now: EpochMs) -> dict[str, Any]:
    if row.step is Step.REFUSE_RESTORE:
        return {"done_by": "", "done_at": None, "restore_by": "", "restore_approved_at": None}
    return {"restored_at": now} if row.step is Step.RESTORE else {}


def _facts(after: Permit, row: PermitStep) -> dict[str, Any]:
    """What the line says besides what the person said."""
    if row.step is Step.CUT:
        return {"until": after["until_at"]} | (
            {"short_notice": True} if permits.is_short_notice(standing(after)) else {}
        )
    if row.step is Step.RESTORE and after["restored_at"] > after["until_at"]:
        return {"late_ms": after["restored_at"] - after["until_at"]}
    return {}


def _ticket_values(ticket: RowMapping, row: PermitStep, given: Given, now: EpochMs) -> dict[str, Any]:
    if row.to is None:
        return {}
    state = TICKET_STATES[row.to]
    values: dict[str, Any] = {"state": str(state)} if state != ticket["state"] else {}
    if row.step is Step.REPORT_DONE:
        values["action_text"] = given.action
    if state is State.RESOLVED:
        values["resolved_at"] = now
    if not state.is_open:
        values["closed_at"] = now
    return values


async def _serve(
    connection: AsyncConnection, after: Permit, row: PermitStep, version: int, actor: Actor, now: EpochMs
) -> None:
    """Tell the gateways: out of service from the cut on, until another end, and in service again."""
    if row.step not in {Step.CUT, Step.EXTEND, Step.RESTORE}:
        return
    things = await equipment_of(connection, after["ticket_id"])
    await _lock(connection, things)
    if row.step is Step.RESTORE:
        await put_back(connection, after, things, version, actor.name, now)
    else:
        await take_out(connection, after, things, version, actor.name, now)


async def _lock(connection: AsyncConnection, things: Sequence[RowMapping]) -> None:
    """Of two permits on the same equipment one at a time asks the gateway: the last word is then the right one."""
    c = t.equipment.c
    wanted = [(one["site_id"], one["equipment_id"]) for one in things]
    query = select(c.id).where(tuple_(c.site_id, c.id).in_(wanted)).order_by(c.site_id, c.id).with_for_update()
    await connection.execute(query)


async def store(connection: AsyncConnection, number: int, values: dict[str, Any]) -> None:
    await connection.execute(update(t.permits.permit).where(t.permits.permit.c.ticket_id == number).values(**values))


async def listed(
    connection: AsyncConnection, *, site: str = "", stages: Sequence[Stage] = (), limit: int = 200
) -> Sequence[RowMapping]:
    """Permits with their tickets, the ones that are out first by their end, then by when they begin."""
    p, k = t.permits.permit, t.ticket
    query = select(p, k.c.title, k.c.state, k.c.version).join(k, k.c.id == p.c.ticket_id)
    if site:
        query = query.where(p.c.site_id == site)
    if stages:
        query = query.where(p.c.stage.in_([str(stage) for stage in stages]))
    is_out = p.c.stage.in_([str(stage) for stage in OUT_STAGES])
    return (
        (await connection.execute(query.order_by(is_out.desc(), p.c.from_at, p.c.ticket_id).limit(limit)))
        .mappings()
        .all()
    )
