"""Records → ingest → tickets: what each event of a gateway changes here. Raises ValueError for one that makes no sense."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.ingest.accept import PROMPT_MS, Activation, activation, is_old_news
from cloud.ingest.registry import announce
from cloud.maintenance.service import Result, observed
from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from cloud.tickets import faults, silence, storms
from cloud.tickets.desk import Desk, UnreadError
from cloud.tickets.docket import Docket, Place, Told, docket_of, place_of
from cloud.tickets.faults import Ended, News
from cloud.tickets.storms import Member, Storm
from contract.conventions import EpochMs, instant_ms
from contract.messages import (
    AlarmChanged,
    AlarmCleared,
    AlarmRaised,
    DeviceAnnounced,
    DeviceHealth,
    DirectiveApplied,
    GatewayStatus,
    Record,
    RuleUnknown,
    SamplesThinned,
    Severity,
    StormBegan,
    StormEnded,
    StormMember,
    TestObserved,
)

UNKNOWN_RULE = "rule_unknown"
LINES = "lines"
"""A topic: tickets have lines more, and none of their clocks and calls moved, so that nobody need look at them."""
_AboutEquipment = AlarmRaised | AlarmCleared | AlarmChanged | RuleUnknown | StormMember | StormBegan | StormEnded
SENSELESS = (ValueError, OverflowError, DataError)
"""What an event raises that will never make sense: it goes to quarantine, and the lane moves on."""


class NothingWritten(ValueError):
    """An event makes no sense, and was looked through before anything was written."""


@dataclass(frozen=True, slots=True)
class Context:
    """Around one event: who tells it, its id for ever, when it was accepted, and what else the same breath said."""

    desk: Desk
    connection: AsyncConnection
    gateway: Mapping[Any, Any]
    event_id: str
    now: EpochMs
    sent_at: EpochMs
    """When the gateway sent it, by the gateway's clock."""
    ends: Mapping[Activation, EpochMs] = field(default_factory=dict)
    """Activations whose end is told in the same envelope."""

    def is_old_news(self, ended_at: EpochMs, severity: str) -> bool:
        """Whether nobody could be told in time. Of life safety only when the gateway broke its promise to speak."""
        tolerance_ms = self.gateway["interval_ms"] if severity == "life_safety" else PROMPT_MS
        return is_old_news(ended_at, self.sent_at, tolerance_ms)

    async def place(self, record: _AboutEquipment) -> Place:
        """Which fault an event is about. Raises ValueError when another gateway serves that equipment."""
        query = select(t.equipment.c.gateway_id).where(
            t.equipment.c.site_id == self.gateway["site_id"], t.equipment.c.id == record.equipment
        )
        self._check(record, (await self.connection.execute(query)).scalar())
        return self.place_of(record)

    def place_of(self, record: _AboutEquipment) -> Place:
        """Which fault an event is about, whoever serves that equipment."""
        return place_of(self.gateway["site_id"], record.equipment, record.rule, record.instance)

    def check_owner(self, record: _AboutEquipment, docket: Docket) -> None:
        """Raises ValueError when another gateway serves that equipment."""
        thing = docket.equipment.get(record.equipment)
        self._check(record, thing["gateway_id"] if thing else None)

    def _check(self, record: _AboutEquipment, owner: str | None) -> None:
        if owner not in {None, self.gateway["id"]}:
            raise ValueError(f"speaks for {record.equipment}, which is served by gateway {owner}")


async def apply(context: Context, record: Record) -> tuple[str, ...]:
    """Apply one event; the topics it changed. Applying it again changes nothing."""
    handler = _HANDLERS.get(type(record))
    return await handler(context, record) if handler else ()


def shown(topics: Iterable[str]) -> tuple[str, ...]:
    """The topics that a page knows."""
    return tuple(dict.fromkeys("tickets" if topic == LINES else topic for topic in topics))


_Alarm = AlarmRaised | AlarmCleared
TOGETHER = 200
"""How many alarms are applied together at most."""


def is_plain(record: Record) -> bool:
    """Whether an event is about one alarm alone: neighbours of that kind are applied together."""
    return isinstance(record, AlarmCleared) or (isinstance(record, AlarmRaised) and not record.storms)


async def apply_alarms(told: Sequence[tuple[Context, Record]]) -> tuple[str, ...]:
    """Apply plain events of one gateway, in their order, as ``apply`` does one by one. When one makes no sense, none is applied."""
    connection = told[0][0].connection
    alarms = [(context, record) for context, record in told if isinstance(record, _Alarm)]
    try:
        keys = [_told(context, record) for context, record in alarms]
        docket = await _noted(connection, keys, alarms)
    except (ValueError, OverflowError) as error:
        raise NothingWritten(str(error)) from error
    return ("alarms", "tickets" if await docket.write() else LINES)


async def _noted(connection: AsyncConnection, keys: Sequence[Told], alarms: Sequence[tuple[Context, _Alarm]]) -> Docket:
    """Most alarms only join their ticket: what is written about it already is read when that is not enough."""
    try:
        docket = await docket_of(connection, *keys, has_lines=False)
        await _note(docket, alarms)
    except UnreadError:
        docket = await docket_of(connection, *keys)
        await _note(docket, alarms)
    return docket


async def _note(docket: Docket, alarms: Sequence[tuple[Context, _Alarm]]) -> None:
    """What these events change, on a docket that is written later."""
    for context, record in alarms:
        desk = context.desk
        context.check_owner(record, docket)
        place = context.place_of(record)
        if isinstance(record, AlarmRaised):
            faults.note_raised(desk, docket, await _news(context, place, record), context.now)
        elif (alarm := docket.active.get(place.key)) and alarm["raised_at"] <= instant_ms(record.raised_at):
            at = instant_ms(record.cleared_at)
            end = Ended(place, at, context.event_id, is_old_news=context.is_old_news(at, alarm["severity"]))
            faults.note_cleared(desk, docket, end, context.now)


def _told(context: Context, record: _Alarm) -> Told:
    if isinstance(record, AlarmCleared):
        return Told(context.place_of(record))
    return Told(context.place_of(record), context.event_id, instant_ms(record.raised_at))


async def _announced(context: Context, record: DeviceAnnounced) -> tuple[str, ...]:
    await announce(context.connection, context.gateway, record, context.now)
    context.desk.zones[record.site] = record.zone  # its calendars are kept in it from the first alarm on
    return ("equipment", "gateways")


async def _raised(context: Context, record: AlarmRaised) -> tuple[str, ...]:
    topics = await apply_alarms([(context, record)])
    if record.storms:
        member = Member(context.place_of(record), str(record.severity), instant_ms(record.raised_at))
        gateway_id = context.gateway["id"]
        await storms.joined(
            context.desk, context.connection, gateway_id, record.storms, member, context.event_id, context.now
        )
    return topics


async def _news(context: Context, place: Place, record: AlarmRaised) -> News:
    ended_at, raised_at = context.ends.get(activation(record)), instant_ms(record.raised_at)
    offset_ms = context.sent_at - context.now
    return News(
        place,
        str(record.severity),
        record.clause,
        instant_ms(record.began_at),
        raised_at,
        msgspec.to_builtins(record.because),
        context.event_id,
        record.suppressed_by,
        ended_at is not None and context.is_old_news(ended_at, record.severity),
        context.gateway["id"],
        await silence.why_late(context.connection, context.gateway, raised_at, context.now, offset_ms),
    )


async def _cleared(context: Context, record: AlarmCleared) -> tuple[str, ...]:
    return await apply_alarms([(context, record)])


async def _changed(context: Context, record: AlarmChanged) -> tuple[str, ...]:
    until = instant_ms(record.until) if record.until else None
    if record.what in {"out_of_service", "in_service"}:
        await _service(context, record, until)
        return ("equipment",)
    changes: dict[str, dict[str, Any]] = {
        "severity": {"severity": str(record.severity or "")},
        "suppressed": {"suppressed_by": record.reason or "suppressed"},
        "unsuppressed": {"suppressed_by": ""},
        "shelved": {"shelved_until": until or context.now},
        "unshelved": {"shelved_until": None},
    }
    values = changes[record.what]
    if record.what == "severity" and record.severity is None:
        raise ValueError("a changed severity names none")
    place = await context.place(record)
    await faults.changed(context.desk, context.connection, place, values, context.event_id, context.now)
    if record.what == "unsuppressed":
        alarm = await faults.active_alarm(context.connection, place)
        if alarm is not None and alarm["ticket_id"] is not None:
            member = Member(place, alarm["severity"], alarm["raised_at"])
            await storms.take_in(context.desk, context.connection, member, context.event_id, context.now)
    if record.severity is not None and (alarm := await faults.active_alarm(context.connection, place)) is not None:
        member = Member(place, str(record.severity), alarm["raised_at"])
        await storms.worsened(context.desk, context.connection, member, context.event_id, context.now)
    return ("alarms", "tickets")


async def _storm(context: Context, record: StormBegan | StormEnded) -> Storm:
    gateway_id, site_id = context.gateway["id"], context.gateway["site_id"]
    chatters = await context.place(record)
    within_ms = record.within_ms if isinstance(record, StormBegan) else 0
    place = storms.place_of(site_id, gateway_id, chatters)
    began_at, recognised_at = instant_ms(record.began_at), instant_ms(record.recognised_at)
    return Storm(gateway_id, record.storm, record.kind, place, began_at, recognised_at, within_ms)


async def _storm_began(context: Context, record: StormBegan) -> tuple[str, ...]:
    storm = await _storm(context, record)
    members = [
        Member(await context.place(one), str(one.severity), instant_ms(one.raised_at)) for one in record.members
    ]  # fmt: skip
    await storms.began(context.desk, context.connection, storm, members, context.event_id, context.now)
    return ("alarms", "tickets")


async def _storm_ended(context: Context, record: StormEnded) -> tuple[str, ...]:
    storm, at = await _storm(context, record), instant_ms(record.ended_at)
    end = Ended(storm.place, at, context.event_id, is_old_news=context.is_old_news(at, Severity.MAJOR))
    await storms.ended(context.desk, context.connection, storm, end, record.raises, context.now)
    return ("alarms", "tickets")


async def _service(context: Context, record: AlarmChanged, until: EpochMs | None) -> None:
    out = {"reason": record.reason, "at": instant_ms(record.at), "until": until}
    where = (t.equipment.c.site_id == context.gateway["site_id"]) & (t.equipment.c.id == record.equipment)
    value = out if record.what == "out_of_service" else None
    await context.connection.execute(update(t.equipment).where(where).values(out_of_service=value))


async def _unknown(context: Context, record: RuleUnknown) -> tuple[str, ...]:
    """A rule that cannot be judged is an alarm of its own: advisory, seen on the alarm list, without a ticket."""
    place = replace(await context.place(record), rule=UNKNOWN_RULE, instance=_instance(record))
    at = instant_ms(record.at)
    if not record.unknown:
        ended = Ended(place, at, context.event_id)
        await faults.cleared(context.desk, context.connection, ended, context.now)
        return ("alarms",)
    because = [{"name": record.point, "value": None, "unit": "", "quality": "bad", "cause": str(record.cause)}]
    news = News(place, "advisory", "", at, at, because, context.event_id, source=context.gateway["id"])
    await faults.raised(context.desk, context.connection, news, context.now)
    return ("alarms",)


def _instance(record: RuleUnknown) -> str:
    return "/".join(part for part in (record.rule, record.instance) if part)


async def _tested(context: Context, record: TestObserved) -> tuple[str, ...]:
    values = {
        "event_id": context.event_id,
        "site_id": context.gateway["site_id"],
        "equipment_id": record.equipment,
        "test": record.test,
        "started_at": instant_ms(record.started_at),
        "ended_at": instant_ms(record.ended_at),
        "passed": record.passed,
        "reasons": list(record.reasons),
        "evidence": msgspec.to_builtins(record.evidence),
    }
    if await insert_new(context.connection, t.test_result, values):
        result = Result(context.event_id, instant_ms(record.ended_at), record.passed, tuple(record.reasons))
        site_id = context.gateway["site_id"]
        await observed(context.desk, context.connection, site_id, record.equipment, record.test, result, context.now)
    return ("equipment", "tickets")


async def _thinned(context: Context, record: SamplesThinned) -> tuple[str, ...]:
    values = {
        "at": context.now,
        "actor": context.gateway["id"],
        "action": "samples_thinned",
        "object": context.gateway["id"],
        "data": {**msgspec.to_builtins(record), "event": context.event_id},
    }
    await context.connection.execute(t.audit.insert().values(**values))
    return ("gateways",)


async def _answered(context: Context, record: DirectiveApplied) -> tuple[str, ...]:
    where = (t.directive.c.id == record.directive) & (t.directive.c.gateway_id == context.gateway["id"])
    values = {"applied_at": instant_ms(record.at), "applied": record.applied, "reason": record.reason}
    await context.connection.execute(update(t.directive).where(where).values(**values))
    return ("gateways",)


async def _status(context: Context, record: GatewayStatus) -> tuple[str, ...]:
    status: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(record, devices=[]))
    where = t.gateway.c.id == context.gateway["id"]
    await context.connection.execute(update(t.gateway).where(where).values(status=status, version=record.version))
    own = (t.device.c.gateway_id == context.gateway["id"]) & (t.device.c.id == bindparam("device"))
    if record.devices:
        await context.connection.execute(update(t.device).where(own), [_health(one) for one in record.devices])
    if read := [{"device": one.device, "reads": msgspec.to_builtins(one.reads)} for one in record.devices if one.reads]:
        await context.connection.execute(update(t.device).where(own), read)
    return ("gateways",)


def _health(told: DeviceHealth) -> dict[str, Any]:
    return {
        "device": told.device,
        "state": told.state,
        "answered_share": told.answered_share,
        "last_ok_at": instant_ms(told.last_ok_at) if told.last_ok_at else None,
        "response_ms": told.response_ms,
        "errors": told.errors,
        "last_error": told.last_error,
        "recent": msgspec.to_builtins(told.recent),
    }


_Handler = Callable[[Context, Any], Awaitable[tuple[str, ...]]]
_HANDLERS: Mapping[type, _Handler] = {
    DeviceAnnounced: _announced,
    AlarmRaised: _raised,
    AlarmCleared: _cleared,
    AlarmChanged: _changed,
    StormBegan: _storm_began,
    StormEnded: _storm_ended,
    RuleUnknown: _unknown,
    TestObserved: _tested,
    SamplesThinned: _thinned,
    DirectiveApplied: _answered,
    GatewayStatus: _status,
}
