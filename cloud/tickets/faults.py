"""Ingest → tickets: alarms raised, changed and cleared by gateways become alarm rows and tickets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.sla.policy import is_higher, priority_of
from cloud.storage import tables as t
from cloud.tickets import repository
from cloud.tickets.desk import Desk, record
from cloud.tickets.repository import Happening
from cloud.tickets.triage import (
    CHATTERING,
    FLOOD,
    ActivateAgain,
    AppendTo,
    Decision,
    IgnoreDuplicate,
    Open,
    OpenPast,
    Raised,
    Reopen,
    on_cleared,
    on_raised,
)
from contract.conventions import EpochMs
from contract.messages import fault_key


@dataclass(frozen=True, slots=True)
class Place:
    """Which fault: a rule on one piece of equipment, or on one instance within it."""

    site_id: str
    equipment_id: str
    rule: str
    instance: str = ""

    @property
    def key(self) -> str:
        return fault_key(self.site_id, self.equipment_id, self.rule, self.instance)


@dataclass(frozen=True, slots=True)
class News:
    """An alarm as a gateway told it. Instants in epoch milliseconds."""

    place: Place
    severity: str
    clause: str
    began_at: EpochMs
    raised_at: EpochMs
    because: list[dict[str, Any]]
    event_id: str
    suppressed_by: str = ""
    is_over: bool = False
    """It had ended before the gateway could be heard again; the news of both came together."""
    source: str = ""
    """Who noticed: the gateway's id, or empty for the cloud itself."""
    why_late: Mapping[str, Any] = field(default_factory=dict)
    """What ``silence.why_late`` found; empty for prompt news."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The news that an alarm cleared, with whatever else its ticket should note."""

    place: Place
    at: EpochMs
    event_id: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_old_news: bool = False
    """It had ended before the gateway could be heard again."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What the rule and the equipment are called, for a ticket's title."""

    title: Mapping[str, str]
    system: str = ""
    emergency: str = ""


async def raised(desk: Desk, connection: AsyncConnection, news: News, now: EpochMs) -> Decision:
    """Record an alarm and do what triage decides. Telling the same activation again changes nothing."""
    if await _is_known(connection, news):
        return IgnoreDuplicate()
    await _end_lost_activation(connection, news)
    alarm = await connection.execute(t.alarm.insert().values(**_alarm_values(news, now)).returning(t.alarm.c.id))
    return await _triage(desk, connection, int(alarm.scalar_one()), news, now)


async def cleared(desk: Desk, connection: AsyncConnection, end: Ended, now: EpochMs) -> None:
    """Record that the active alarm of a fault cleared; its ticket notes it and stays open."""
    alarm = await active_alarm(connection, end.place)
    if alarm is None:
        return
    row = await repository.open_by_fault(connection, end.place.key)  # locked before its alarms, as people's actions do
    await _clear(connection, alarm["id"], end.at, end.event_id)
    decision = on_cleared(repository.known(row), is_old_news=end.is_old_news)
    if decision is None or row is None:
        return
    is_unheard = decision.is_past and row["state"] == "new" and row["occurrences"] == 1
    happening = Happening(now, "cleared", "machine", "", {"cleared_at": end.at, **end.facts}, f"cleared:{end.event_id}")
    await record(desk, connection, row, happening, now, {"is_past": True} if is_unheard else {})


async def active_alarm(connection: AsyncConnection, place: Place) -> RowMapping | None:
    """The active alarm of a fault."""
    query = select(t.alarm).where(t.alarm.c.fault_key == place.key, t.alarm.c.state == "active")
    return (await connection.execute(query)).mappings().one_or_none()


async def changed(
    desk: Desk, connection: AsyncConnection, place: Place, values: Mapping[str, Any], event_id: str, now: EpochMs
) -> None:
    """Change the active alarm of a fault (severity, suppression, shelving) and let the desk look at it again."""
    alarm = await active_alarm(connection, place)
    if alarm is None:
        return
    row = await repository.open_by_fault(connection, place.key) if alarm["ticket_id"] else None
    await connection.execute(update(t.alarm).where(t.alarm.c.id == alarm["id"]).values(**values))
    after = {**alarm, **values}
    news = _news_of(after, event_id)
    priority = priority_of(news.severity)
    if not after["ticket_id"]:
        await _triage(desk, connection, alarm["id"], news, now)
    elif row is not None and priority is not None and is_higher(priority, row["priority"]):
        await _raise_priority(desk, connection, row, priority, news, now)


async def _triage(desk: Desk, connection: AsyncConnection, alarm_id: int, news: News, now: EpochMs) -> Decision:
    current = await repository.open_by_fault(connection, news.place.key)
    last = None if current is not None else await repository.last_by_fault(connection, news.place.key)
    decision = on_raised(
        _raised(news, now, is_over=news.is_over),
        repository.known(current),
        repository.known(last),
        desk.reopen_window_ms,
    )
    number = await _apply(desk, connection, decision, news, now)
    if number is not None:
        await connection.execute(update(t.alarm).where(t.alarm.c.id == alarm_id).values(ticket_id=number))
    return decision


async def _apply(desk: Desk, connection: AsyncConnection, decision: Decision, news: News, now: EpochMs) -> int | None:
    match decision:
        case Open(priority, previous) | OpenPast(priority, previous):
            is_past = isinstance(decision, OpenPast)
            return await _open(desk, connection, news, now, _Opening(priority, previous, is_past=is_past))
        case AppendTo(number, raise_to) | ActivateAgain(number, raise_to) | Reopen(number, _, raise_to):
            row = await repository.ticket(connection, number, is_locked=True)
            if raise_to:
                row = await _raise_priority(desk, connection, row, raise_to, news, now)
            await _come_again(desk, connection, row, decision, news, now)
            return number
    return None


@dataclass(frozen=True, slots=True)
class _Opening:
    priority: str
    previous: int | None
    is_past: bool


async def _open(desk: Desk, connection: AsyncConnection, news: News, now: EpochMs, how: _Opening) -> int:
    words = await texts(connection, news.place)
    number = await repository.insert_ticket(
        connection,
        {
            "kind": "fault",
            "fault_key": news.place.key,
            "site_id": news.place.site_id,
            "equipment_id": news.place.equipment_id,
            "rule": news.place.rule,
            "instance": news.place.instance,
            "title": dict(words.title),
            "priority": how.priority,
            "severity": news.severity,
            "system": words.system,
            "clause": news.clause,
            "emergency": words.emergency,
            "began_at": news.began_at,
            "raised_at": news.raised_at,
            "received_at": now,
            "opened_at": now,
            "is_past": how.is_past,
            "previous_ticket_id": how.previous,
            "policy": desk.policy.version,
        },
    )
    row = await repository.ticket(connection, number)
    data = {**_facts(news, now), "priority": how.priority, "previous": how.previous, "is_past": how.is_past}
    await record(desk, connection, row, _by_machine("opened", news, now, data), now)
    return number


async def _come_again(
    desk: Desk, connection: AsyncConnection, row: RowMapping, decision: Decision, news: News, now: EpochMs
) -> None:
    facts = _facts(news, now)
    more = {"occurrences": row["occurrences"] + 1, "severity": news.severity}
    if isinstance(decision, Reopen):
        values = more | {"state": "new", "reopened": row["reopened"] + 1, "resolved_at": None, "closed_at": None}
        row = await record(desk, connection, row, _by_machine("reopened", news, now, facts), now, values)
        more = {}
    if isinstance(decision, ActivateAgain) and row["state"] == "on_hold":
        row = await record(desk, connection, row, _by_machine("resumed", news, now, {"event": news.event_id}), now)
    if isinstance(decision, ActivateAgain) or (isinstance(decision, Reopen) and decision.is_activation):
        values = more | {"state": "new", "activations": row["activations"] + 1, "hold_until": None}
        await record(desk, connection, row, _by_machine("activated", news, now, facts), now, values)
    elif isinstance(decision, AppendTo):
        await record(desk, connection, row, _by_machine("recurred", news, now, facts), now, more)


async def _raise_priority(
    desk: Desk, connection: AsyncConnection, row: RowMapping, priority: str, news: News, now: EpochMs
) -> RowMapping:
    data = {"priority": priority, "from": row["priority"], "severity": news.severity}
    happening = _by_machine("reclassified", news, now, data)
    return await record(desk, connection, row, happening, now, {"priority": priority, "severity": news.severity})


def _by_machine(kind: str, news: News, now: EpochMs, data: dict[str, Any]) -> Happening:
    return Happening(now, kind, "machine", news.source, data, f"{kind}:{news.event_id}")


def _facts(news: News, now: EpochMs) -> dict[str, Any]:
    return {
        "event": news.event_id,
        "severity": news.severity,
        "began_at": news.began_at,
        "raised_at": news.raised_at,
        "news_late_ms": max(0, now - news.raised_at),
        "because": news.because,
        **news.why_late,
    }


def _raised(news: News, now: EpochMs, *, is_over: bool) -> Raised:
    return Raised(news.place.key, news.severity, news.raised_at, now, news.suppressed_by, is_over=is_over)


def _alarm_values(news: News, now: EpochMs) -> dict[str, Any]:
    return {
        "site_id": news.place.site_id,
        "equipment_id": news.place.equipment_id,
        "rule": news.place.rule,
        "instance": news.place.instance,
        "fault_key": news.place.key,
        "severity": news.severity,
        "clause": news.clause,
        "began_at": news.began_at,
        "raised_at": news.raised_at,
        "received_at": now,
        "because": news.because,
        "raised_event": news.event_id,
        "suppressed_by": news.suppressed_by,
    }


def _news_of(alarm: Mapping[str, Any], event_id: str) -> News:
    place = Place(alarm["site_id"], alarm["equipment_id"], alarm["rule"], alarm["instance"])
    return News(
        place,
        alarm["severity"],
        alarm["clause"],
        alarm["began_at"],
        alarm["raised_at"],
        alarm["because"],
        event_id,
        alarm["suppressed_by"],
    )


async def _is_known(connection: AsyncConnection, news: News) -> bool:
    """The same event, or the same activation told again by a gateway that lost its numbers."""
    same = (t.alarm.c.fault_key == news.place.key) & (t.alarm.c.raised_at == news.raised_at)
    query = select(t.alarm.c.id).where(or_(t.alarm.c.raised_event == news.event_id, same))
    return (await connection.execute(query)).first() is not None


async def _end_lost_activation(connection: AsyncConnection, news: News) -> None:
    """A fault is raised while its last alarm is still active here: the news that it cleared was lost."""
    alarm = await active_alarm(connection, news.place)
    if alarm is not None:
        await _clear(connection, alarm["id"], news.raised_at, None)


async def _clear(connection: AsyncConnection, alarm_id: int, at: EpochMs, event_id: str | None) -> None:
    values = {"state": "cleared", "cleared_at": at, "cleared_event": event_id}
    await connection.execute(update(t.alarm).where(t.alarm.c.id == alarm_id).values(**values))


async def texts(connection: AsyncConnection, place: Place) -> Texts:
    """Title, system and emergency of a fault, from what was announced; ids where nothing was."""
    thing = (
        await connection.execute(
            select(t.equipment.c.name, t.equipment.c.system).where(
                t.equipment.c.site_id == place.site_id, t.equipment.c.id == place.equipment_id
            )
        )
    ).one_or_none()
    name: Mapping[str, str] = thing.name if thing else {"en": place.equipment_id, "zh": place.equipment_id}
    what, emergency = await _what(connection, place)
    title = {"en": f"{name['en']}: {what['en']}", "zh": f"{name['zh']}：{what['zh']}"}
    return Texts(title, thing.system if thing else "", emergency)


async def _what(connection: AsyncConnection, place: Place) -> tuple[Mapping[str, str], str]:
    """What is wrong, in words, and which emergency it is."""
    if place.rule == CHATTERING:
        rule, _, instance = place.instance.partition("/")
        what, _ = await _what(connection, Place(place.site_id, place.equipment_id, rule, instance))
        return {"en": f"{what['en']} keeps coming and going", "zh": f"{what['zh']}反复报警"}, ""
    where = (t.rule.c.site_id == place.site_id) & (t.rule.c.equipment_id == place.equipment_id)
    query = select(t.rule.c.name, t.rule.c.emergency).where(where, t.rule.c.id == place.rule)
    announced = (await connection.execute(query)).one_or_none()
    known: Mapping[str, str] = announced.name if announced else {"en": place.rule, "zh": place.rule}
    which = f" ({place.instance})" if place.instance else ""
    words = {language: text + which for language, text in OWN_RULES.get(place.rule, known).items()}
    return words, announced.emergency if announced else ""


OWN_RULES: Mapping[str, Mapping[str, str]] = {
    "gateway_silent": {"en": "gateway is silent", "zh": "网关失联"},
    "rule_unknown": {"en": "a rule cannot be judged", "zh": "规则无法判断"},
    FLOOD: {"en": "flood of alarms", "zh": "报警泛滥"},
    CHATTERING: {"en": "an alarm keeps coming and going", "zh": "报警反复出现"},
}
"""What the cloud itself notices."""
