"""Ingest → tickets: the faults that a few events are about, read together, changed at hand and written together.

One envelope may tell of many alarms. Reading and writing each for itself costs a dozen statements an event; here it is a dozen
for all of them. Nothing is decided here, and the unique keys of the database hold as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import BindParameter, and_, bindparam, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.prepared import Prepared, Row
from cloud.storage.tables_search import NEVER
from cloud.tickets import cases
from cloud.tickets.repository import Case, Lines
from cloud.tickets.triage import CHATTERING
from contract.conventions import EpochMs
from contract.messages import fault_key

Alarm = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Which fault: a rule on one piece of equipment, or on one instance within it."""

    site_id: str
    equipment_id: str
    rule: str
    instance: str = ""

    key: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", fault_key(self.site_id, self.equipment_id, self.rule, self.instance))

    @property
    def watched(self) -> tuple[Place, ...]:
        """The alarm that chatters, when this is the alarm of its chattering."""
        if self.rule != CHATTERING:
            return ()
        rule, _, instance = self.instance.partition("/")
        return (Place(self.site_id, self.equipment_id, rule, instance),)


place_of = lru_cache(maxsize=8192)(Place)
"""One event names its fault several times, and a fault has many events."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event that is about a fault; for one that raises it, its id and its instant."""

    place: Place
    event_id: str = ""
    raised_at: EpochMs = 0


class Docket:
    """Alarms, tickets and names of some faults. Read it with ``docket_of``; ``write`` ends it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._unwritten: Lines = []
        self._cases: list[Case] = []
        self._new: list[Alarm] = []
        self._changes: dict[int, dict[str, Any]] = {}
        self._joined: list[tuple[Alarm, Case]] = []
        self._known: set[str | tuple[str, EpochMs]] = set()
        self.active: dict[str, Alarm] = {}
        """The active alarm of each fault that has one."""
        self.open: dict[str, Case] = {}
        """The open ticket of each fault that has one; of a merged one's fault the ticket that goes on."""
        self.last: dict[str, Case] = {}
        """The newest closed or cancelled ticket of each fault without an open one."""
        self.equipment: dict[str, Row] = {}
        self.rules: dict[tuple[str, str], Row] = {}

    # --- alarms

    def is_known(self, event_id: str, place: Place, raised_at: EpochMs) -> bool:
        """The same event, or the same activation told again by a gateway that lost its numbers."""
        return event_id in self._known or (place.key, raised_at) in self._known

    def add_alarm(self, values: Mapping[str, Any]) -> Alarm:
        """A new active alarm."""
        alarm = {**_NEW_ALARM, **values}
        self._new.append(alarm)
        self._known |= {alarm["raised_event"], (alarm["fault_key"], alarm["raised_at"])}
        self.active[alarm["fault_key"]] = alarm
        return alarm

    def change_alarm(self, alarm: Alarm, values: Mapping[str, Any]) -> None:
        """Change columns of an alarm; one that is cleared is active no more."""
        alarm |= values
        if "id" in alarm:
            self._changes.setdefault(alarm["id"], {}).update(values)
        if alarm["state"] != "active":
            self.active.pop(alarm["fault_key"], None)

    def join(self, alarm: Alarm, case: Case) -> None:
        """Give an alarm its ticket."""
        self._joined.append((alarm, case))

    # --- tickets

    def open_case(self, values: Mapping[str, Any]) -> Case:
        """A new ticket."""
        case = Case({**_NEW_TICKET, **values, "id": -1 - len(self._cases)}, self._unwritten)
        self._cases.append(case)
        self.open[case.row["fault_key"]] = case
        return case

    def reopen(self, key: str) -> Case:
        """The last ticket of a fault, which is open again."""
        self.open[key] = self.last.pop(key)
        return self.open[key]

    # --- the database

    async def read(self, told: Sequence[Told], *, has_lines: bool) -> None:
        """Read all that these events look up. Tickets are locked before alarms are changed, as people's actions do."""
        keys = list(dict.fromkeys(one.place.key for one in told))
        await self._read_alarms(keys, told)
        current = await cases.open_cases(self._connection, keys)
        is_open = {row["fault_key"] for row in current}
        without = [key for key in keys if key not in is_open]
        past = await cases.last_cases(self._connection, without) if without else []
        heirs = await cases.heirs(self._connection, past)
        rows = list({row["id"]: row for row in (*current, *past, *heirs.values())}.values())
        self._cases = await cases.read_cases(self._connection, rows, self._unwritten, has_lines=has_lines)
        for case in self._cases:
            found = self.last if case.row["fault_key"] in without else self.open
            found[case.row["fault_key"]] = case
        at_hand = {case.row["id"]: case for case in self._cases}
        for key, heir in heirs.items():
            del self.last[key]
            self.open[key] = at_hand[heir["id"]]
        await self._read_names([one.place for one in told])

    async def _read_alarms(self, keys: Sequence[str], told: Sequence[Told]) -> None:
        raising = [one for one in told if one.event_id]
        events, instants = tuple(one.event_id for one in raising), tuple(one.raised_at for one in raising)
        more = {"events": events, "instants": instants} if raising else {}
        for row in await (_RAISING if raising else _CLEARING).rows(self._connection, {"keys": tuple(keys), **more}):
            self._known |= {row["raised_event"], (row["fault_key"], row["raised_at"])}
            if row["state"] == "active" and row["fault_key"] in keys:
                self.active[row["fault_key"]] = row

    async def _read_names(self, places: Sequence[Place]) -> None:
        """What equipment and rules are called; a gateway's events are all of its own site."""
        site_id, ids = places[0].site_id, _unique(place.equipment_id for place in places)
        for row in await _THINGS.rows(self._connection, {"site": site_id, "ids": ids}):
            self.equipment[row["id"]] = row
        if all(place.key in self.open for place in places):
            return
        names = _unique(one.rule for place in places for one in (place, *place.watched))
        which = {"site": site_id, "ids": ids, "names": names}
        for row in await _RULES.rows(self._connection, which):
            self.rules[row["equipment_id"], row["id"]] = row

    async def write(self) -> bool:
        """Write every change; whether any moves a clock or a call. Raises IntegrityError when another replica was faster with one."""
        await cases.write_cases(self._connection, self._cases, self._unwritten)
        for alarm, case in self._joined:
            self.change_alarm(alarm, {"ticket_id": case.row["id"]})
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for number, values in self._changes.items():
            groups.setdefault(tuple(values), []).append({"number": number, **values})
        for (
            names,
            rows,
        ) in groups.items():  # what was active is cleared before what comes now: one alarm of a fault is active
            await _change(names).run(self._connection, *rows)
        await _ADD.run(self._connection, *self._new)
        return any(case.is_changed and case.row["planned_version"] != case.row["version"] for case in self._cases)


async def docket_of(connection: AsyncConnection, *told: Told, has_lines: bool = True) -> Docket:
    """A docket of the faults that these events of one site are about; with the timelines of their tickets, or without."""
    docket = Docket(connection)
    await docket.read(told, has_lines=has_lines)
    return docket


_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_IS_ACTIVE = and_(t.alarm.c.fault_key.in_(_KEYS), t.alarm.c.state == literal_column("'active'"))
_IS_SAME = and_(t.alarm.c.fault_key.in_(_KEYS), t.alarm.c.raised_at.in_(bindparam("instants", expanding=True)))
_IS_TOLD = t.alarm.c.raised_event.in_(bindparam("events", expanding=True))
_CLEARING = Prepared(select(t.alarm).where(_IS_ACTIVE))
_RAISING = Prepared(select(t.alarm).where(or_(_IS_ACTIVE, _IS_SAME, _IS_TOLD)))
_THING = t.equipment.c
_THINGS = Prepared(
    select(_THING.id, _THING.gateway_id, _THING.name, _THING.system).where(
        _THING.site_id == bindparam("site"), _THING.id.in_(_IDS)
    )
)
_RULE = t.rule.c
_RULES = Prepared(
    select(_RULE.equipment_id, _RULE.id, _RULE.name, _RULE.emergency).where(
        _RULE.site_id == bindparam("site"),
        _RULE.equipment_id.in_(_IDS),
        _RULE.id.in_(bindparam("names", expanding=True)),
    )
)
_ADD = Prepared(t.alarm.insert())


@cache
def _change(names: tuple[str, ...]) -> Prepared:
    to: dict[str, Any] = {name: bindparam(name) for name in names}
    return Prepared(update(t.alarm).where(t.alarm.c.id == bindparam("number")).values(to))


_NEW_ALARM: Mapping[str, Any] = {"state": "active", "cleared_at": None, "cleared_event": None, "ticket_id": None}
_NEW_TICKET: Mapping[str, Any] = {
    "state": "new", "occurrences": 1, "activations": 1, "reopened": 0, "version": 1, "hold_until": None,
    "resolved_at": None, "closed_at": None, "planned_version": 0, "indexed_version": 0, "chain": None,
    "next_due_at": NEVER, "breached_at": None,
}  # fmt: skip
"""What the columns of a new row begin with, as in the database."""


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
