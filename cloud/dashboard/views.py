"""dashboard: SELECT → frozen rows. The dashboard's own queries; nothing here writes, nothing here makes text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, func, select, true, union
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard.rows import (
    AlarmRow,
    DeadlineRow,
    DeviceRow,
    EquipmentRow,
    GatewayRow,
    LimitMark,
    PointRow,
    RuleRow,
    SiteRow,
    TestRow,
    Text,
    TicketRow,
    TimelineRow,
)
from cloud.dashboard.storms import storm_ticket
from cloud.storage import tables as t
from cloud.tickets.ticket import FINAL_STATES

CLOSED: Final = tuple(str(state) for state in FINAL_STATES)
Key = tuple[str, str]


# --- sites and equipment ----------------------------------------------------------------------------------------


async def sites(db: AsyncConnection) -> list[SiteRow]:
    rows = await db.execute(select(t.site).order_by(t.site.c.id))
    return [SiteRow(row.id, row.name or row.id, row.zone) for row in rows]


async def equipment(db: AsyncConnection, site: str = "", system: str = "", *, most: int = 0) -> list[EquipmentRow]:
    """All equipment by site, system and id; the first ``most`` where a number is given."""
    query = select(t.equipment).order_by(t.equipment.c.site_id, t.equipment.c.system, t.equipment.c.id)
    if site:
        query = query.where(t.equipment.c.site_id == site)
    if system:
        query = query.where(t.equipment.c.system == system)
    return [_equipment(row) for row in await db.execute(query.limit(most) if most else query)]


async def one_equipment(db: AsyncConnection, site: str, id: str) -> EquipmentRow | None:
    query = select(t.equipment).where(t.equipment.c.site_id == site, t.equipment.c.id == id)
    row = (await db.execute(query)).one_or_none()
    return _equipment(row) if row else None


def _equipment(row: Row[Any]) -> EquipmentRow:
    return EquipmentRow(
        site=row.site_id, id=row.id, equipment_class=row.class_id, system=row.system, name=row.name, place=row.place,
        serves=row.serves, roles=tuple(row.roles), ratings=row.ratings, main_points=tuple(row.main_points),
        gateway=row.gateway_id, out_of_service=row.out_of_service, building=row.building,
    )  # fmt: skip


async def points(db: AsyncConnection, site: str = "", id: str = "") -> dict[Key, dict[str, PointRow]]:
    """Points by equipment, in the class's order."""
    query = select(t.point).order_by(t.point.c.site_id, t.point.c.equipment_id, t.point.c.position)
    found: dict[Key, dict[str, PointRow]] = {}
    for row in await db.execute(_of(query, t.point, site, id)):
        found.setdefault((row.site_id, row.equipment_id), {})[row.id] = _point(row)
    return found


def _point(row: Row[Any]) -> PointRow:
    low, high = row.plausible_low, row.plausible_high
    return PointRow(
        id=row.id, name=row.name, kind=row.kind, unit=row.unit, digits=row.digits,
        plausible=(low, high) if low is not None and high is not None else None, states=row.states,
        limits=tuple(LimitMark(m["rule"], m["op"], m["value"], m["severity"], m["clause"]) for m in row.limits),
        device=row.device_id, device_point=row.device_point, wire=row.wire, expected_every_ms=row.expected_every_ms,
    )  # fmt: skip


def _of(query: Select[Any], table: Any, site: str, id: str) -> Select[Any]:  # noqa: ANN401 - any of our tables
    if site:
        query = query.where(table.c.site_id == site)
    return query.where(table.c.equipment_id == id) if id else query


async def names(db: AsyncConnection, ids: Collection[str]) -> dict[str, Text]:
    """What points and limits of these pieces of equipment are called, by their own ids."""
    found: dict[str, Text] = {}
    for table in (t.limit_value, t.point):
        query = select(table.c.id, table.c.name).where(table.c.equipment_id.in_(sorted(ids)))
        found |= {row.id: row.name for row in await db.execute(query)}
    return found


async def rules(db: AsyncConnection, site: str, id: str) -> list[RuleRow]:
    query = select(t.rule).where(t.rule.c.site_id == site, t.rule.c.equipment_id == id).order_by(t.rule.c.id)
    return [_rule(row) for row in await db.execute(query)]


def _rule(row: Row[Any]) -> RuleRow:
    return RuleRow(
        id=row.id, name=row.name, severity=row.severity, clause=row.clause, expression=row.expression,
        on_delay_ms=row.on_delay_ms, off_delay_ms=row.off_delay_ms, cause=row.cause, consequence=row.consequence,
        action=row.action, points=tuple(row.points), emergency=row.emergency,
    )  # fmt: skip


# --- alarms -----------------------------------------------------------------------------------------------------

_RULE_COLUMNS: Final = (
    t.rule.c.name.label("rule_name"), t.rule.c.expression, t.rule.c.on_delay_ms, t.rule.c.off_delay_ms, t.rule.c.cause,
    t.rule.c.consequence, t.rule.c.action, t.rule.c.points, t.rule.c.emergency,
)  # fmt: skip
_PERSON: Final = t.app_user.c.display_name.label("person")


def _alarms() -> Select[Any]:
    own = and_(t.rule.c.site_id == t.alarm.c.site_id, t.rule.c.equipment_id == t.alarm.c.equipment_id,
               t.rule.c.id == t.alarm.c.rule)  # fmt: skip
    machine = and_(t.equipment.c.site_id == t.alarm.c.site_id, t.equipment.c.id == t.alarm.c.equipment_id)
    joined = t.alarm.outerjoin(t.rule, own).outerjoin(t.equipment, machine)
    joined = joined.outerjoin(t.app_user, t.app_user.c.name == t.alarm.c.acknowledged_by)
    thing = (t.equipment.c.name.label("equipment_name"), t.equipment.c.system)
    columns = (t.alarm, *_RULE_COLUMNS, *thing, _PERSON, storm_ticket())
    return select(*columns).select_from(joined)


async def active_alarms(db: AsyncConnection, site: str = "", id: str = "") -> list[AlarmRow]:
    """Every active alarm, silenced ones too, oldest first."""
    query = _alarms().where(t.alarm.c.state == "active").order_by(t.alarm.c.raised_at, t.alarm.c.id)
    return [_alarm(row) for row in await db.execute(_of(query, t.alarm, site, id))]


async def alarms(db: AsyncConnection, *where: ColumnElement[bool]) -> list[AlarmRow]:
    """Alarms that meet the conditions, oldest first."""
    query = _alarms().where(*where).order_by(t.alarm.c.raised_at, t.alarm.c.id)
    return [_alarm(row) for row in await db.execute(query)]


async def past_alarms(
    db: AsyncConnection, site: str = "", id: str = "", *, unseen: bool = False, limit: int = 50, skip: int = 0
) -> list[AlarmRow]:
    """Cleared alarms, newest first; ``unseen`` are those that cleared before anybody acknowledged them."""
    query = _alarms().where(_is_past(unseen)).order_by(t.alarm.c.cleared_at.desc(), t.alarm.c.id.desc())
    return [_alarm(row) for row in await db.execute(_of(query, t.alarm, site, id).limit(limit).offset(skip))]


async def count_past_alarms(db: AsyncConnection, *, unseen: bool = False) -> int:
    query = select(func.count()).select_from(t.alarm).where(_is_past(unseen))
    return int((await db.execute(query)).scalar_one())


def _is_past(unseen: bool) -> ColumnElement[bool]:  # noqa: FBT001
    """What was silent asked nobody, and neither does a notice about data."""
    a = t.alarm.c
    waits = and_(a.acknowledged_at.is_(None), a.suppressed_by == "", a.rule != "rule_unknown")
    return and_(a.state == "cleared", waits if unseen else true())


async def ticket_alarm(db: AsyncConnection, ticket: int) -> AlarmRow | None:
    """The newest alarm behind a ticket."""
    query = _alarms().where(t.alarm.c.ticket_id == ticket).order_by(t.alarm.c.raised_at.desc(), t.alarm.c.id.desc())
    row = (await db.execute(query.limit(1))).first()
    return _alarm(row) if row else None


async def one_alarm(db: AsyncConnection, id: int) -> AlarmRow | None:
    row = (await db.execute(_alarms().where(t.alarm.c.id == id))).one_or_none()
    return _alarm(row) if row else None


def _alarm(row: Row[Any]) -> AlarmRow:
    rule = RuleRow(
        id=row.rule, name=row.rule_name or {}, severity=row.severity, clause=row.clause, expression=row.expression or "",
        on_delay_ms=row.on_delay_ms or 0, off_delay_ms=row.off_delay_ms or 0, cause=row.cause,
        consequence=row.consequence, action=row.action, points=tuple(row.points or ()), emergency=row.emergency or "",
    )  # fmt: skip
    return AlarmRow(
        id=row.id, site=row.site_id, equipment=row.equipment_id, rule=rule, equipment_name=row.equipment_name or {},
        severity=row.severity, state=row.state, began_at=row.began_at, raised_at=row.raised_at,
        received_at=row.received_at, cleared_at=row.cleared_at, instance=row.instance, because=tuple(row.because),
        suppressed_by=row.suppressed_by, shelved_until=row.shelved_until, acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.person or row.acknowledged_by or "", ticket=row.ticket_id, storm_ticket=row.storm_ticket, system=row.system or "",
    )  # fmt: skip


# --- tickets ----------------------------------------------------------------------------------------------------


def _tickets() -> Select[Any]:
    machine = and_(t.equipment.c.site_id == t.ticket.c.site_id, t.equipment.c.id == t.ticket.c.equipment_id)
    is_active = (
        select(t.alarm.c.id)
        .where(t.alarm.c.fault_key == t.ticket.c.fault_key, t.alarm.c.state == "active")
        .exists()
        .label("is_alarm_active")
    )
    columns = (t.ticket, is_active, t.equipment.c.name.label("equipment_name"), t.equipment.c.place, _PERSON)
    joined = t.ticket.outerjoin(t.equipment, machine).outerjoin(t.app_user, t.app_user.c.name == t.ticket.c.holder)
    return select(*columns).select_from(joined)


async def open_tickets(db: AsyncConnection, site: str = "", id: str = "") -> list[TicketRow]:
    query = _tickets().where(t.ticket.c.state.not_in(CLOSED)).order_by(t.ticket.c.opened_at, t.ticket.c.id)
    return await _with_deadlines(db, _of(query, t.ticket, site, id))


async def tickets(db: AsyncConnection, *where: ColumnElement[bool], limit: int = 50, skip: int = 0) -> list[TicketRow]:
    """Tickets that meet the conditions, newest first."""
    query = _tickets().where(*where).order_by(t.ticket.c.opened_at.desc(), t.ticket.c.id.desc())
    return await _with_deadlines(db, query.limit(limit).offset(skip))


async def count_tickets(db: AsyncConnection, *where: ColumnElement[bool]) -> int:
    return int((await db.execute(select(func.count()).select_from(t.ticket).where(*where))).scalar_one())


async def one_ticket(db: AsyncConnection, id: int) -> TicketRow | None:
    found = await _with_deadlines(db, _tickets().where(t.ticket.c.id == id))
    return found[0] if found else None


def is_closed() -> ColumnElement[bool]:
    """The condition of a ticket that is over."""
    return t.ticket.c.state.in_(CLOSED)


def is_any() -> ColumnElement[bool]:
    return true()


def has_breach() -> ColumnElement[bool]:
    """The condition of a ticket with a breached clock, whatever its state: a breach stays visible after closing."""
    late = select(t.deadline.c.id).where(t.deadline.c.ticket_id == t.ticket.c.id, t.deadline.c.breached_at.is_not(None))
    return late.exists()


def of_equipment(site: str, id: str) -> tuple[ColumnElement[bool], ...]:
    return t.ticket.c.site_id == site, t.ticket.c.equipment_id == id


async def _with_deadlines(db: AsyncConnection, query: Select[Any]) -> list[TicketRow]:
    rows = (await db.execute(query)).all()
    ids = [row.id for row in rows]
    found: dict[int, list[DeadlineRow]] = {}
    if ids:
        wanted = select(t.deadline).where(t.deadline.c.ticket_id.in_(ids)).order_by(t.deadline.c.activation)
        for row in await db.execute(wanted):
            found.setdefault(row.ticket_id, []).append(_deadline(row))
    return [_ticket(row, tuple(found.get(row.id, ()))) for row in rows]


def _deadline(row: Row[Any]) -> DeadlineRow:
    return DeadlineRow(
        clock=row.clock, target_s=row.target_s, start_at=row.start_at, due_at=row.due_at, state=row.state,
        met_at=row.met_at, breached_at=row.breached_at, used_s=row.used_s, calendar=row.calendar, clause=row.clause,
        source=row.source, activation=row.activation,
    )  # fmt: skip


def _ticket(row: Row[Any], deadlines: tuple[DeadlineRow, ...]) -> TicketRow:
    return TicketRow(
        id=row.id, kind=row.kind, site=row.site_id, equipment=row.equipment_id, equipment_name=row.equipment_name or {},
        rule=row.rule, title=row.title, priority=row.priority, severity=row.severity, system=row.system,
        clause=row.clause, state=row.state, opened_at=row.opened_at, began_at=row.began_at, raised_at=row.raised_at,
        received_at=row.received_at, closed_at=row.closed_at, holder=row.holder, holder_name=row.person or row.holder, is_past=row.is_past,
        cause_text=row.cause_text, action_text=row.action_text, emergency=row.emergency, occurrences=row.occurrences,
        policy=row.policy, previous=row.previous_ticket_id, is_alarm_active=bool(row.is_alarm_active),
        version=row.version, deadlines=deadlines, place=row.place or "",
    )  # fmt: skip


async def timeline(db: AsyncConnection, ticket: int) -> list[TimelineRow]:
    """Oldest first, as it was written."""
    query = select(t.timeline).where(t.timeline.c.ticket_id == ticket).order_by(t.timeline.c.at, t.timeline.c.id)
    return [TimelineRow(r.id, r.at, r.kind, r.actor_kind, r.actor, r.data) for r in await db.execute(query)]


# --- tests, gateways, devices -----------------------------------------------------------------------------------


async def tests(db: AsyncConnection, site: str = "", id: str = "") -> list[TestRow]:
    """Every periodic test with its open due date, its newest missed one and its newest result."""
    p, m = t.periodic_test, t.equipment
    own = and_(m.c.site_id == p.c.site_id, m.c.id == p.c.equipment_id)
    query = select(p, m.c.name.label("equipment_name")).select_from(p.join(m, own))
    results = await _newest_results(db, site, id)
    due, missed = await _newest_due(db, "due", site, id), await _newest_due(db, "missed", site, id)
    rows = await db.execute(_of(query.order_by(p.c.site_id, p.c.equipment_id, p.c.id), p, site, id))
    found = [((row.site_id, row.equipment_id, row.id), row) for row in rows]
    return [_test(row, results.get(key), due.get(key), missed.get(key)) for key, row in found]


TestKey = tuple[str, str, str]


async def _newest_results(db: AsyncConnection, site: str, id: str) -> dict[TestKey, Row[Any]]:
    r = t.test_result
    key = (r.c.site_id, r.c.equipment_id, r.c.test)
    newest = _of(select(*key, func.max(r.c.ended_at).label("ended_at")), r, site, id).group_by(*key).subquery()
    same = and_(*(r.c[column.name] == newest.c[column.name] for column in (*key, r.c.ended_at)))
    return {(row.site_id, row.equipment_id, row.test): row for row in await db.execute(select(r).join(newest, same))}


async def _newest_due(db: AsyncConnection, state: str, site: str, id: str) -> dict[TestKey, int]:
    o = t.occurrence
    key = (o.c.site_id, o.c.equipment_id, o.c.test)
    query = _of(select(*key, func.max(o.c.due_at)).where(o.c.state == state), o, site, id).group_by(*key)
    return {(row[0], row[1], row[2]): row[3] for row in await db.execute(query)}


def _test(row: Row[Any], result: Row[Any] | None, due_at: int | None, missed_at: int | None) -> TestRow:
    done_at = result.ended_at if result is not None and result.passed else 0
    is_missed = missed_at is not None and missed_at > done_at
    return TestRow(
        site=row.site_id, equipment=row.equipment_id, equipment_name=row.equipment_name, id=row.id, name=row.name,
        every=row.every, clause=row.clause, proof=row.proof, last_at=result.ended_at if result else None,
        last_passed=result.passed if result else None, last_reasons=tuple(result.reasons) if result else (),
        due_at=missed_at if is_missed else due_at, last_event=result.event_id if result else "",
    )  # fmt: skip


async def results_since(db: AsyncConnection, since: int) -> tuple[int, int]:
    """How many tests were passed and how many were done since an instant."""
    query = select(t.test_result.c.passed).where(t.test_result.c.ended_at >= since)
    passed = [bool(row.passed) for row in await db.execute(query)]
    return sum(passed), len(passed)


async def people(db: AsyncConnection) -> list[tuple[str, str]]:
    """Who can take a ticket: sign-in name and shown name."""
    query = select(t.app_user.c.name, t.app_user.c.display_name).where(
        t.app_user.c.disabled_at.is_(None), t.app_user.c.role != "viewer"
    )
    return [(row.name, row.display_name or row.name) for row in await db.execute(query.order_by(t.app_user.c.name))]


async def gateways(db: AsyncConnection) -> list[GatewayRow]:
    """Every gateway that may still send, with what waits for history and what was refused."""
    waiting = dict(await _count_by_gateway(db, t.record, t.record.c.applied_at.is_(None)))
    refused = dict(await _count_by_gateway(db, t.quarantine))
    rows = await db.execute(select(t.gateway).order_by(t.gateway.c.id))
    return [
        GatewayRow(
            id=row.id, site=row.site_id, last_seen_at=row.last_seen_at, interval_ms=row.interval_ms,
            version=row.version, clock_offset_ms=row.clock_offset_ms, offline_since=row.offline_since,
            revoked_at=row.revoked_at, status=row.status or {}, waiting=waiting.get(row.id, 0),
            quarantined=refused.get(row.id, 0),
        )
        for row in rows
    ]  # fmt: skip


async def _count_by_gateway(db: AsyncConnection, table: Any, *where: ColumnElement[bool]) -> Sequence[tuple[str, int]]:  # noqa: ANN401
    query = select(table.c.gateway_id, func.count()).where(*where).group_by(table.c.gateway_id)
    return [(row[0], int(row[1])) for row in await db.execute(query)]


async def devices(
    db: AsyncConnection, *, gateway: str = "", site: str = "", ids: Sequence[str] | None = None
) -> list[DeviceRow]:
    query = select(t.device).order_by(t.device.c.site_id, t.device.c.id)
    if gateway:
        query = query.where(t.device.c.gateway_id == gateway)
    if site:
        query = query.where(t.device.c.site_id == site)
    if ids is not None:
        query = query.where(t.device.c.id.in_(ids))
    return [
        DeviceRow(r.site_id, r.id, r.gateway_id, r.model, r.model_name, r.status, r.bus, r.protocol, r.address,
                  r.every_ms, tuple(r.plan), r.state, r.answered_share, r.last_ok_at, r.response_ms, r.errors, r.last_error,
                  tuple(r.equipment), tuple(r.recent or ()), tuple(r.reads or ()))
        for r in await db.execute(query)
    ]  # fmt: skip


async def refused(db: AsyncConnection, gateway: str, limit: int = 20) -> list[tuple[int, str, int, str]]:
    """Newest quarantined records of a gateway: epoch, lane, sequence number, reason."""
    q = t.quarantine
    query = select(q).where(q.c.gateway_id == gateway).order_by(q.c.id.desc()).limit(limit)
    return [(row.epoch, row.lane, row.seq, row.reason) for row in await db.execute(query)]


async def watching(db: AsyncConnection, clause: str) -> set[Key]:
    """Equipment with a rule or a periodic test of this clause."""
    tables = (t.rule, t.periodic_test)
    own = [select(table.c.site_id, table.c.equipment_id).where(table.c.clause == clause) for table in tables]
    return {(row[0], row[1]) for row in await db.execute(union(*own))}


async def clauses_watched(db: AsyncConnection) -> int:
    """How many different clauses a rule or a test here watches."""
    used = {clause for (clause,) in await db.execute(select(t.rule.c.clause).distinct())}
    used |= {clause for (clause,) in await db.execute(select(t.periodic_test.c.clause).distinct())}
    return len(used - {""})
