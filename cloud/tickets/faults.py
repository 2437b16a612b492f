"""Ingest → tickets: alarms raised, changed and cleared by gateways become alarm rows and tickets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.sla.policy import is_higher, priority_of
from cloud.storage import tables as t
from cloud.tickets import repository
from cloud.tickets.desk import Desk, enter
from cloud.tickets.docket import Alarm, Docket, Place, Told, docket_of
from cloud.tickets.repository import Case, Happening
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
    docket = await docket_of(connection, Told(news.place, news.event_id, news.raised_at))
    decision = note_raised(desk, docket, news, now)
    await docket.write()
    return decision


async def cleared(desk: Desk, connection: AsyncConnection, end: Ended, now: EpochMs) -> None:
    """Record that the active alarm of a fault cleared; its ticket notes it and stays open."""
    docket = await docket_of(connection, Told(end.place))
    note_cleared(desk, docket, end, now)
    await docket.write()


async def active_alarm(connection: AsyncConnection, place: Place) -> RowMapping | None:
    """The active alarm of a fault."""
    query = select(t.alarm).where(t.alarm.c.fault_key == place.key, t.alarm.c.state == "active")
    return (await connection.execute(query)).mappings().one_or_none()


async def changed(
    desk: Desk, connection: AsyncConnection, place: Place, values: Mapping[str, Any], event_id: str, now: EpochMs
) -> None:
    """Change the active alarm of a fault (severity, suppression, shelving) and let the desk look at it again."""
    docket = await docket_of(connection, Told(place))
    alarm = docket.active.get(place.key)
    if alarm is None:
        return
    docket.change_alarm(alarm, values)
    news, case = _news_of(alarm, event_id), docket.open.get(place.key)
    priority = priority_of(news.severity)
    if not alarm["ticket_id"] or _is_worse_than_ended(docket, place, priority):
        _triage(desk, docket, alarm, news, now)
    elif case is not None and priority is not None and is_higher(priority, case.row["priority"]):
        _raise_priority(desk, case, priority, news, now)
    await docket.write()


def _is_worse_than_ended(docket: Docket, place: Place, priority: str | None) -> bool:
    """Whether a condition whose ticket people ended, although it lasts, is graver now than what they ended."""
    ended = docket.last.get(place.key)
    before = priority_of(ended.row["severity"] or "") if ended is not None else None
    return before is not None and priority is not None and is_higher(priority, before)


def note_raised(desk: Desk, docket: Docket, news: News, now: EpochMs) -> Decision:
    """What ``raised`` does, on a docket that is written later."""
    if docket.is_known(news.event_id, news.place, news.raised_at):
        return IgnoreDuplicate()
    lost = docket.active.get(news.place.key)
    if lost is not None:  # it is raised while still active here: the news that it had cleared was lost
        docket.change_alarm(lost, _cleared(news.raised_at, None))
    return _triage(desk, docket, docket.add_alarm(_alarm_values(news, now)), news, now)


def note_cleared(desk: Desk, docket: Docket, end: Ended, now: EpochMs) -> None:
    """What ``cleared`` does, on a docket that is written later."""
    alarm, case = docket.active.get(end.place.key), docket.open.get(end.place.key)
    if alarm is None:
        return
    docket.change_alarm(alarm, _cleared(end.at, end.event_id))
    decision = on_cleared(repository.known(case), is_old_news=end.is_old_news)
    if decision is None or case is None:
        return
    was_over = end.at <= case.row["opened_at"]  # not a ticket that people saw while the fault was there
    is_unheard = decision.is_past and was_over and case.row["state"] == "new" and case.row["occurrences"] == 1
    happening = Happening(now, "cleared", "machine", "", {"cleared_at": end.at, **end.facts}, f"cleared:{end.event_id}")
    enter(desk, case, happening, now, {"is_past": True} if is_unheard else {})


def _cleared(at: EpochMs, event_id: str | None) -> dict[str, Any]:
    return {"state": "cleared", "cleared_at": at, "cleared_event": event_id}


def _triage(desk: Desk, docket: Docket, alarm: Alarm, news: News, now: EpochMs) -> Decision:
    current, last = docket.open.get(news.place.key), docket.last.get(news.place.key)
    decision = on_raised(
        _raised(news, now, is_over=news.is_over),
        repository.known(current),
        repository.known(last),
        desk.reopen_window_ms,
    )
    case = _apply(desk, docket, decision, news, now)
    if case is not None:
        docket.join(alarm, case)
    return decision


def _apply(desk: Desk, docket: Docket, decision: Decision, news: News, now: EpochMs) -> Case | None:
    match decision:
        case Open(priority, previous) | OpenPast(priority, previous):
            is_past = isinstance(decision, OpenPast)
            return _open(desk, docket, news, now, _Opening(priority, previous, is_past=is_past))
        case AppendTo(raise_to=raise_to) | ActivateAgain(raise_to=raise_to) | Reopen(raise_to=raise_to):
            found = docket.open.get(news.place.key) or docket.reopen(news.place.key)
            if raise_to:
                _raise_priority(desk, found, raise_to, news, now)
            _come_again(desk, found, decision, news, now)
            return found
    return None


@dataclass(frozen=True, slots=True)
class _Opening:
    priority: str
    previous: int | None
    is_past: bool


def _open(desk: Desk, docket: Docket, news: News, now: EpochMs, how: _Opening) -> Case:
    words = texts(docket, news.place)
    opened = docket.open_case(
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
        }
    )
    data = {**_facts(news, now), "priority": how.priority, "previous": how.previous, "is_past": how.is_past}
    enter(desk, opened, _by_machine("opened", news, now, data), now)
    return opened


def _come_again(desk: Desk, case: Case, decision: Decision, news: News, now: EpochMs) -> None:
    facts, row = _facts(news, now), case.row
    more = {"occurrences": row["occurrences"] + 1, "severity": news.severity}
    if not news.is_over:
        more["is_past"] = False  # it is there now: people are called at any hour again
    if isinstance(decision, Reopen):
        values = more | {"state": "new", "reopened": row["reopened"] + 1, "resolved_at": None, "closed_at": None}
        enter(desk, case, _by_machine("reopened", news, now, facts), now, values)
        more = {}
    if isinstance(decision, ActivateAgain) and row["state"] == "on_hold":
        enter(desk, case, _by_machine("resumed", news, now, {"event": news.event_id}), now)
    if isinstance(decision, ActivateAgain) or (isinstance(decision, Reopen) and decision.is_activation):
        values = more | {"state": "new", "activations": row["activations"] + 1, "hold_until": None}
        enter(desk, case, _by_machine("activated", news, now, facts), now, values)
    elif isinstance(decision, AppendTo):
        enter(desk, case, _by_machine("recurred", news, now, facts), now, more)


def _raise_priority(desk: Desk, case: Case, priority: str, news: News, now: EpochMs) -> None:
    data = {"priority": priority, "from": case.row["priority"], "severity": news.severity}
    happening = _by_machine("reclassified", news, now, data)
    enter(desk, case, happening, now, {"priority": priority, "severity": news.severity})


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


def texts(docket: Docket, place: Place) -> Texts:
    """Title, system and emergency of a fault, from what was announced; ids where nothing was."""
    thing = docket.equipment.get(place.equipment_id)
    name: Mapping[str, str] = thing["name"] if thing else {"en": place.equipment_id, "zh": place.equipment_id}
    what, emergency = _what(docket, place)
    title = {"en": f"{name['en']}: {what['en']}", "zh": f"{name['zh']}：{what['zh']}"}
    return Texts(title, thing["system"] if thing else "", emergency)


def _what(docket: Docket, place: Place) -> tuple[Mapping[str, str], str]:
    """What is wrong, in words, and which emergency it is."""
    for watched in place.watched:
        what, _ = _what(docket, watched)
        return {"en": f"{what['en']} keeps coming and going", "zh": f"{what['zh']}反复报警"}, ""
    announced = docket.rules.get((place.equipment_id, place.rule))
    known: Mapping[str, str] = announced["name"] if announced else {"en": place.rule, "zh": place.rule}
    which = f" ({place.instance})" if place.instance else ""
    words = {language: text + which for language, text in OWN_RULES.get(place.rule, known).items()}
    return words, announced["emergency"] if announced else ""


OWN_RULES: Mapping[str, Mapping[str, str]] = {
    "gateway_silent": {"en": "gateway is silent", "zh": "网关失联"},
    "rule_unknown": {"en": "a rule cannot be judged", "zh": "规则无法判断"},
    FLOOD: {"en": "flood of alarms", "zh": "报警泛滥"},
    CHATTERING: {"en": "an alarm keeps coming and going", "zh": "报警反复出现"},
}
"""What the cloud itself notices."""
