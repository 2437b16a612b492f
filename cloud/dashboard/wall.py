"""dashboard: everything on level 1 → the wall. Pure: rows in, one frozen picture out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cloud.dashboard import present, tile
from cloud.dashboard.clocks import Clock, clocks
from cloud.dashboard.lists import TestLine, TicketLine, due_name, due_soon, is_heard, ticket_line, title_of
from cloud.dashboard.present import SEVERITIES, Here
from cloud.dashboard.rows import AlarmRow, EquipmentRow, GatewayRow, PointRow, SampleRow, TicketRow, ticket_number
from cloud.dashboard.tile import Seen, SystemRow, is_shown
from cloud.tickets.search_pages import Count
from cloud.tickets.triage import CHATTERING, FLOOD

MOST_WORK: Final = 5
MOST_TESTS: Final = 4
_FEWER_WITH_BAND: Final = 1


@dataclass(frozen=True, slots=True)
class Band:
    """A life-safety alarm that nobody has acknowledged: the only thing that may move other content."""

    text: str
    href: str
    ticket: str
    holder: str
    clocks: tuple[Clock, ...]
    action: str


@dataclass(frozen=True, slots=True)
class Due:
    name: str
    when: str


@dataclass(frozen=True, slots=True)
class Wall:
    counts: tuple[tuple[str, int], ...]
    newest: str
    """Severity and instant of the newest alarm, for the optional sound."""
    open_tickets: str
    late: str
    time: str
    day: str
    rows: tuple[SystemRow, ...]
    work: tuple[TicketLine, ...]
    work_note: str
    work_empty: str
    due: tuple[Due, ...]
    tests_note: str
    silenced: int
    clauses: int
    gateways: str


_NONE: Final = Count(0)


@dataclass(frozen=True, slots=True)
class Known:
    """What was selected for the wall."""

    equipment: Sequence[EquipmentRow]
    points: Mapping[tuple[str, str], Mapping[str, PointRow]]
    samples: Mapping[tuple[str, str], Mapping[str, SampleRow]]
    alarms: Sequence[AlarmRow]
    tickets: Sequence[TicketRow]
    """The oldest open ones of each piece of equipment."""
    tests: Sequence[TestLine] = ()
    gateways: Sequence[GatewayRow] = ()
    clauses: int = 0
    work: Sequence[TicketRow] = ()
    """The first open tickets, worst first."""
    open: Count = _NONE
    late: Count = _NONE
    last_closed: TicketRow | None = None
    results: tuple[int, int] = (0, 0)
    """Tests passed and tests done in the last 30 days."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Class id to its state point."""


def gather(known: Known) -> list[Seen]:
    """Each piece of equipment with its own points, values, alarms and tickets."""
    alarms: dict[tuple[str, str], list[AlarmRow]] = {}
    tickets: dict[tuple[str, str], list[TicketRow]] = {}
    for alarm in known.alarms:
        alarms.setdefault((alarm.site, alarm.equipment), []).append(alarm)
    for ticket in known.tickets:
        tickets.setdefault((ticket.site, ticket.equipment), []).append(ticket)
    return [
        Seen(row, known.points.get(row.key, {}), known.samples.get(row.key, {}), alarms.get(row.key, ()),
             tickets.get(row.key, ()), known.states.get(row.equipment_class, ""))
        for row in known.equipment
    ]  # fmt: skip


def wall(known: Known, here: Here) -> Wall:
    shown = [alarm for alarm in known.alarms if is_shown(alarm, here.now)]
    counts = Counter(alarm.severity for alarm in shown)
    newest = max(shown, key=lambda alarm: (alarm.received_at, alarm.id), default=None)
    most = MOST_WORK - (_FEWER_WITH_BAND if bands(known.alarms, (), here, "viewer") else 0)
    work = [ticket_line(ticket, here) for ticket in known.work[:most]]
    return Wall(
        counts=tuple((name, counts[name]) for name in SEVERITIES),
        newest=f"{newest.severity} {newest.received_at}" if newest else "",
        open_tickets=counted(known.open), late=counted(known.late),
        time=f"{here.local(here.now):%H:%M:%S}", day=here.long_day(here.now), rows=tile.rows(gather(known), here),
        work=tuple(work), work_note=_work_note(known.open, most, here), work_empty=_work_empty(known, here),
        due=_due(known.tests, here), tests_note=_tests_note(known, here), silenced=len(known.alarms) - len(shown),
        clauses=known.clauses, gateways=_gateways(known.gateways, here),
    )  # fmt: skip


def counted(count: Count) -> str:
    """``417``, or ``10 000+`` where there are more than were counted."""
    return f"{present.number(count.n, 0)}{'+' if count.is_more else ''}"


def _work_note(open_ones: Count, most: int, here: Here) -> str:
    if not open_ones.n:
        return ""
    if open_ones.n <= most:
        return here.words("wall.work_all", n=open_ones.n)
    return here.words("wall.work_some", n=most, all=counted(open_ones))


def _work_empty(known: Known, here: Here) -> str:
    last = known.last_closed
    if last is None or last.closed_at is None:
        return here.words("wall.work_empty_never")
    return here.words("wall.work_empty_last", at=here.when(last.closed_at), title=title_of(last, here.words))


def _due(tests: Sequence[TestLine], here: Here) -> tuple[Due, ...]:
    """Missed tests first, then what is due within seven days."""
    return tuple(_one_due(group, here) for group in due_soon(tests, here)[:MOST_TESTS])


def _one_due(group: Sequence[TestLine], here: Here) -> Due:
    day = group[0].due_at - 1
    missed = here.words("wall.due_missed", day=here.day(day))
    return Due(due_name(group, here.words), missed if group[0].is_missed else here.due_day(day))


def _tests_note(known: Known, here: Here) -> str:
    passed, done = known.results
    return here.words("wall.tests_on_time", n=passed, all=done) if done else ""


def _gateways(rows: Sequence[GatewayRow], here: Here) -> str:
    kept = [row for row in rows if row.revoked_at is None]
    return here.words("wall.gateways", n=sum(is_heard(row, here.now) for row in kept), all=len(kept))


def bands(alarms: Sequence[AlarmRow], tickets: Sequence[TicketRow], here: Here, role: str) -> tuple[Band, ...]:
    """Life-safety alarms that nobody has acknowledged, worst wait first."""
    by_id = {ticket.id: ticket for ticket in tickets}
    waiting = [
        alarm for alarm in alarms
        if alarm.severity == "life_safety" and is_shown(alarm, here.now) and alarm.acknowledged_at is None
        and alarm.rule.id not in {FLOOD, CHATTERING}  # whose life-safety members are here themselves
    ]  # fmt: skip
    return tuple(_band(alarm, by_id.get(alarm.ticket or 0), here, role) for alarm in waiting)


def _band(alarm: AlarmRow, ticket: TicketRow | None, here: Here, role: str) -> Band:
    words = here.words
    name = words.text(alarm.equipment_name, alarm.equipment)
    all_clocks = clocks(ticket.deadlines, here) if ticket else ()
    wanted = [one for one in all_clocks if one.kind == "arrival"] or [
        one for one in all_clocks if one.kind == "response"
    ]
    href = f"/tickets/{ticket_number(alarm.ticket)}" if alarm.ticket else f"/equipment/{alarm.site}/{alarm.equipment}"
    return Band(
        text=words("wall.life_text", equipment=name, condition=tile.condition(alarm, words)), href=href,
        ticket=ticket_number(alarm.ticket) if alarm.ticket else "", holder=ticket.holder_name if ticket else "",
        clocks=tuple(wanted[:1]), action=f"/alarms/{alarm.id}/acknowledge" if role not in {"", "viewer"} else "",
    )  # fmt: skip
