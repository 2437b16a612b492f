"""dashboard: alarms, tickets and tests → the rows of their lists. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.dashboard import present
from cloud.dashboard.clocks import Clock, clocks, is_late, next_due, pressing
from cloud.dashboard.evidence import csv_href
from cloud.dashboard.present import DASH, Here
from cloud.dashboard.rows import AlarmRow, GatewayRow, TestRow, Text, TicketRow, ticket_number
from cloud.dashboard.tile import condition
from cloud.dashboard.words import Words

FLOOD: Final = 10
FLOOD_MS: Final = 600_000
_MEAN: Final = re.compile(r"avg\((\w+), \w+\)")
WEEK_MS: Final = 7 * 86_400_000
FAR: Final = 2**53
"""The due instant of what has none yet: after everything else."""
_RANK: Final = {"technician": 1, "engineer": 2, "manager": 3, "admin": 4}


# --- tickets ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TicketLine:
    """One row of a ticket list, on the wall, on a desk or on a phone."""

    number: str
    href: str
    title: str
    severity: str
    priority: str
    holder: str
    state: str
    clocks: tuple[Clock, ...]
    opened: str
    facts: tuple[str, ...]
    is_late: bool
    due: int


def title_of(ticket: TicketRow, words: Words) -> str:
    return words.text(ticket.title, ticket.rule.replace("_", " "))


def ticket_line(ticket: TicketRow, here: Here, most: int = 2) -> TicketLine:
    words = here.words
    everything = clocks(ticket.deadlines, here)
    state = words.or_id("state", ticket.state)
    if ticket.rule == "periodic_test" and ticket.state == "new":
        state = words("ticket.test_missed")
    priority = words.or_id("priority", ticket.priority)
    return TicketLine(
        number=ticket.number, href=f"/tickets/{ticket.number}", title=title_of(ticket, words),
        severity=ticket.severity if ticket.is_alarm_active else "", priority=ticket.priority, holder=ticket.holder_name,
        state=state, clocks=pressing(everything, most), opened=here.when(ticket.opened_at),
        facts=(ticket.number, priority, ticket.holder_name or words("wall.nobody"), ticket.place),
        is_late=is_late(everything), due=next_due(everything),
    )  # fmt: skip


def by_due(tickets: Sequence[TicketRow], here: Here) -> list[TicketRow]:
    """What is due next first; what no longer runs last, newest first."""
    return sorted(tickets, key=lambda ticket: (next_due(clocks(ticket.deadlines, here)), -ticket.opened_at))


def worst_first(tickets: Sequence[TicketRow], here: Here) -> list[TicketRow]:
    """Severity, then next due. A missed test, which has no severity, ranks as major."""
    return sorted(
        tickets,
        key=lambda ticket: (
            present.severity_rank(ticket.severity or "major"),
            next_due(clocks(ticket.deadlines, here)),
        ),
    )


# --- alarms -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AlarmLine:
    id: int
    severity: str
    href: str
    equipment: str
    condition: str
    because: str
    began: str
    raised: str
    raised_label: str
    lasted: str
    state: str
    acknowledged: str
    clause: str
    ticket: str
    cause: str
    consequence: str
    action: str
    may_acknowledge: bool
    may_shelve: bool
    is_shelved: bool
    is_active: bool


def alarm_line(alarm: AlarmRow, here: Here, role: str, names: Mapping[str, Text] | None = None) -> AlarmLine:
    words = here.words
    lasted_ms = (alarm.cleared_at or here.now) - alarm.began_at
    acknowledged = ""
    if alarm.acknowledged_at is not None:
        acknowledged = f"{here.when(alarm.acknowledged_at, seconds=True)}, {alarm.acknowledged_by}"
    delay = present.duration(alarm.rule.on_delay_ms / 1000, words)
    ticket = alarm.ticket or alarm.storm_ticket
    is_shelved = (alarm.shelved_until or 0) > here.now
    return AlarmLine(
        id=alarm.id, severity=alarm.severity, href=f"/equipment/{alarm.site}/{alarm.equipment}",
        equipment=words.text(alarm.equipment_name, alarm.equipment),
        condition=condition(alarm, words), because=because(alarm.because, names or {}, words),
        began=here.when(alarm.began_at, seconds=True), raised=here.when(alarm.raised_at, seconds=True),
        raised_label=words("alarm.raised_delay", delay=delay) if alarm.rule.on_delay_ms else words("alarm.raised"),
        lasted=present.duration(lasted_ms / 1000, words), state=alarm_state(alarm, here), acknowledged=acknowledged,
        clause=alarm.rule.clause, ticket=ticket_number(ticket) if ticket else "",
        cause=words.text(alarm.rule.cause), consequence=words.text(alarm.rule.consequence),
        action=words.text(alarm.rule.action), is_active=alarm.state == "active",
        may_acknowledge=_waits(alarm) and _RANK.get(role, 0) >= 1, is_shelved=is_shelved,
        may_shelve=alarm.state == "active" and bool(alarm.rule.expression) and alarm.severity != "life_safety" and _RANK.get(role, 0) >= 2,
    )  # fmt: skip


def _waits(alarm: AlarmRow) -> bool:
    """Whether a person should acknowledge it: active, or gone before anybody saw it."""
    is_quiet = bool(alarm.suppressed_by) or alarm.rule.id == "rule_unknown"
    return alarm.acknowledged_at is None and (alarm.state == "active" or not is_quiet)


def alarm_state(alarm: AlarmRow, here: Here) -> str:
    """Where it stands after IEC 62682: returned, suppressed, shelved, acknowledged or not."""
    words = here.words
    if alarm.cleared_at is not None:
        at = here.when(alarm.cleared_at)
        return words("alarm.cleared_unacknowledged", at=at) if _waits(alarm) else f"{words('alarm.cleared')} {at}"
    if alarm.suppressed_by and alarm.suppressed_by != "shelved":
        return words("alarm.suppressed", reason=words.or_id("silence", alarm.suppressed_by))
    if (alarm.shelved_until or 0) > here.now:
        return words("alarm.shelved", at=here.when(alarm.shelved_until or 0))
    if alarm.acknowledged_at is not None:
        return words("alarm.acknowledged", at=here.when(alarm.acknowledged_at), by=alarm.acknowledged_by)
    return words("alarm.unacknowledged")


def because(terms: Sequence[Mapping[str, Any]], names: Mapping[str, Text], words: Words) -> str:
    """The values that an expression looked at when it decided: ``Power factor 0.87, Lowest power factor 0.9``.

    ``names`` gives points and limits their names. A term that is a formula of its own is told only as a mean, or when
    nothing simpler is there.
    """
    told = [(label, term) for term in terms if (label := _label(str(term.get("name", "")), names, words))]
    chosen = told or [(str(term.get("name", "")).replace("_", " "), term) for term in terms]
    return words("sep_and").join(f"{label} {_term(term, words)}" for label, term in chosen[:6])


def _label(name: str, names: Mapping[str, Text], words: Words) -> str:
    if name in names:
        return words.text(names[name], name)
    mean = _MEAN.fullmatch(name)
    if mean and mean[1] in names:
        return words("alarm.mean_of", point=words.text(names[mean[1]], mean[1]))
    return "" if "(" in name or " " in name else name.replace("_", " ")


def _term(term: Mapping[str, Any], words: Words) -> str:
    value = term.get("value")
    if value is None:
        return DASH
    if isinstance(value, bool):
        return words(f"bit.{str(value).lower()}")
    if isinstance(value, int | float):
        text = present.number(value, _digits(value)).rstrip("0").rstrip(".") if value % 1 else present.number(value, 0)
        return present.with_unit(text, str(term.get("unit") or ""), words)
    return str(value).replace("_", " ")


def _digits(value: float) -> int:
    """Three significant digits are enough to see why."""
    return 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3


def is_flood(alarms: Sequence[AlarmRow], now: int) -> bool:
    """More than ten alarms in ten minutes: the list groups by equipment."""
    return sum(1 for alarm in alarms if now - alarm.raised_at <= FLOOD_MS) > FLOOD


# --- periodic tests ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TestLine:
    __test__ = False

    key: str
    name: str
    equipment: str
    href: str
    every: str
    due: str
    due_at: int
    last: str
    mark: str
    reasons: tuple[str, ...]
    proof: str
    clause: str
    is_missed: bool
    event: str
    samples: str
    """Where the raw samples of the newest result are; empty for what was answered on a form."""


def due_test(test: TestRow, here: Here) -> TestLine:
    """One test. Its due instant is the end of the due day, so the day itself is the one before midnight."""
    words = here.words
    due_at = test.due_at if test.due_at is not None else FAR
    is_missed = due_at < here.now
    when = "" if due_at == FAR else here.due_day(due_at - 1)
    if is_missed:
        when = words("tests.late_by", duration=present.duration((here.now - due_at) / 1000, words))
    last, mark = words("tests.never"), ""
    if test.last_at is not None:
        last = words("tests.passed" if test.last_passed else "tests.failed", at=here.when(test.last_at))
        mark = "ck-met" if test.last_passed else "q-bad"
    return TestLine(
        key=f"{test.site}.{test.equipment}.{test.id}", name=words.text(test.name, test.id),
        equipment=words.text(test.equipment_name, test.equipment), href=f"/equipment/{test.site}/{test.equipment}/tests",
        every=every(test.every, words), due=when, due_at=due_at, last=last, mark=mark,
        reasons=test.last_reasons if test.last_passed is False else (), proof=words.or_id("tests", f"proof_{test.proof}"),
        clause=test.clause, is_missed=is_missed, event=test.last_event,
        samples=csv_href(test.site, test.equipment, test.id, test.last_event),
    )  # fmt: skip


def due_soon(tests: Sequence[TestLine], here: Here) -> list[list[TestLine]]:
    """Missed and due within seven days, soonest first; the same test of several pieces on the same day together."""
    soon = sorted((test for test in tests if test.due_at < here.now + WEEK_MS), key=lambda test: test.due_at)
    alike: dict[tuple[str, int], list[TestLine]] = {}
    for test in soon:
        alike.setdefault((test.name, test.due_at), []).append(test)
    return list(alike.values())


def due_name(group: Sequence[TestLine], words: Words) -> str:
    """``Fire panel: Daily fire patrol``, or ``Daily plant-room round, 4 pieces``."""
    first = group[0]
    if len(group) > 1:
        return words("wall.due_many", n=len(group), test=first.name)
    return words("wall.due_one", equipment=first.equipment, test=first.name)


def every(period: str, words: Words) -> str:
    """``P7D`` to ``every 7 days``, ``P1M`` to ``monthly``; a mixed period stays as it is written."""
    period = period.rpartition("/")[2]  # of a recurrence, R/2026-01-31/P1M
    number, unit = period[1:-1], period[-1:]
    return (
        words.count(f"every.{unit}", int(number)) if number.isdigit() and words.has(f"every.{unit}.other") else period
    )


# --- gateways ---------------------------------------------------------------------------------------------------


def is_heard(row: GatewayRow, now: int) -> bool:
    """Heard within three of its promised intervals, and not known to be offline."""
    return row.offline_since is None and row.last_seen_at is not None and now - row.last_seen_at <= 3 * row.interval_ms
