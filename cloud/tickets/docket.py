"""Ingest → tickets: the faults that a few events are about, read together, changed at hand and written together.

One envelope may tell of many alarms. Reading and writing each for itself costs a dozen statements an event; here it is a dozen
for all of them. Nothing is decided here, and the unique keys of the database hold as ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.tickets import repository
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

    @property
    def key(self) -> str:
        return fault_key(self.site_id, self.equipment_id, self.rule, self.instance)

    @property
    def watched(self) -> tuple[Place, ...]:
        """The alarm that chatters, when this is the alarm of its chattering."""
        if self.rule != CHATTERING:
            return ()
        rule, _, instance = self.instance.partition("/")
        return (Place(self.site_id, self.equipment_id, rule, instance),)


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
        """The open ticket of each fault that has one."""
        self.last: dict[str, Case] = {}
        """The newest closed or cancelled ticket of each fault without an open one."""
        self.equipment: dict[str, RowMapping] = {}
        self.rules: dict[tuple[str, str], RowMapping] = {}

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

    async def read(self, told: Sequence[Told]) -> None:
        """Read all that these events look up. Tickets are locked before alarms are changed, as people's actions do."""
        keys = list(dict.fromkeys(one.place.key for one in told))
        await self._read_alarms(keys, told)
        current = await repository.open_cases(self._connection, keys)
        without = [key for key in keys if key not in {row["fault_key"] for row in current}]
        past = await repository.last_cases(self._connection, without) if without else []
        self._cases = await repository.read_cases(self._connection, [*current, *past], self._unwritten)
        for case in self._cases:
            found = self.last if case.row["fault_key"] in without else self.open
            found[case.row["fault_key"]] = case
        await self._read_names([one.place for one in told])

    async def _read_alarms(self, keys: Sequence[str], told: Sequence[Told]) -> None:
        alarm = t.alarm.c
        active = select(t.alarm).where(alarm.fault_key.in_(keys), alarm.state == "active")
        for row in (await self._connection.execute(active)).mappings():
            self.active[row["fault_key"]] = dict(row)
        raising = [one for one in told if one.event_id]
        if not raising:
            return
        same = alarm.fault_key.in_(keys) & alarm.raised_at.in_([one.raised_at for one in raising])
        either = or_(alarm.raised_event.in_([one.event_id for one in raising]), same)
        query = select(alarm.fault_key, alarm.raised_at, alarm.raised_event).where(either)
        for key, raised_at, event_id in await self._connection.execute(query):
            self._known |= {event_id, (key, raised_at)}

    async def _read_names(self, places: Sequence[Place]) -> None:
        """What equipment and rules are called; a gateway's events are all of its own site."""
        site_id, ids = places[0].site_id, _unique(place.equipment_id for place in places)
        things = select(t.equipment).where(t.equipment.c.site_id == site_id, t.equipment.c.id.in_(ids))
        for row in (await self._connection.execute(things)).mappings():
            self.equipment[row["id"]] = row
        if all(place.key in self.open for place in places):
            return
        rule = t.rule.c
        names = _unique(one.rule for place in places for one in (place, *place.watched))
        where = (rule.site_id == site_id) & rule.equipment_id.in_(ids) & rule.id.in_(names)
        for row in (await self._connection.execute(select(t.rule).where(where))).mappings():
            self.rules[row["equipment_id"], row["id"]] = row

    async def write(self) -> None:
        """Write every change. Raises IntegrityError when another replica was faster with one of them."""
        await repository.write_cases(self._connection, self._cases, self._unwritten)
        for alarm, case in self._joined:
            self.change_alarm(alarm, {"ticket_id": case.row["id"]})
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for number, values in self._changes.items():
            groups.setdefault(tuple(values), []).append({"number": number, **values})
        for rows in groups.values():  # what was active is cleared before what comes now: one alarm of a fault is active
            await self._connection.execute(update(t.alarm).where(t.alarm.c.id == bindparam("number")), rows)
        if self._new:
            await self._connection.execute(t.alarm.insert(), self._new)


async def docket_of(connection: AsyncConnection, *told: Told) -> Docket:
    """A docket of the faults that these events of one site are about."""
    docket = Docket(connection)
    await docket.read(told)
    return docket


_NEW_ALARM: Mapping[str, Any] = {"state": "active", "cleared_at": None, "cleared_event": None, "ticket_id": None}
_NEW_TICKET: Mapping[str, Any] = {
    "state": "new", "occurrences": 1, "activations": 1, "reopened": 0, "version": 1, "hold_until": None,
    "resolved_at": None, "closed_at": None,
}  # fmt: skip
"""What the columns of a new row begin with, as in the database."""


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
