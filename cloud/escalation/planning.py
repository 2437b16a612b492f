"""Timeline → escalation: brings a ticket's notices to what its timeline, its clocks, its chain and the hour imply, in one transaction.

The timeline is the record; notices follow it. A ticket whose ``planned_version`` differs from its ``version`` has changed since its
notices were last looked at; one whose ``next_call_at`` has come has a call to make. Both are rows: nothing is kept in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.escalation import contacts
from cloud.escalation.chain import Call, Chain, Step, Story, calls, choose, from_plain, to_plain
from cloud.escalation.contacts import Directory
from cloud.escalation.decide import Decision, Manners, New, Quiet, Written, decide
from cloud.sla.timeline import Entry
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared
from cloud.storage.sql import insert_all_new
from cloud.tickets import repository, targets, watchers
from cloud.tickets.desk import Desk
from contract.conventions import EpochMs, from_ms, to_ms

AT_ONCE = 100
"""How many tickets are planned in one transaction."""
_PART = 100
"""Steps of a chain that replaces another on the same ticket are numbered from the next multiple of this on."""
_IS_STALE = t.ticket.c.planned_version != t.ticket.c.version
_notice = t.calls.notice
_ticket = t.ticket.c
_NOW: BindParameter[int] = bindparam("instant")
_THESE: BindParameter[Any] = bindparam("numbers", expanding=True)
_IS_PENDING = _notice.c.state.in_((literal_column("'waiting'"), literal_column("'sending'")))  # what the index holds
_IS_LOST = _IS_PENDING, _notice.c.state == literal_column("'sending'"), _notice.c.next_at <= _NOW
"""Its sender did not say what became of it within its lease: it died."""
_STALE = Prepared(select(_ticket.id).where(_IS_STALE).order_by(_ticket.id).limit(AT_ONCE))
_CALLED = Prepared(select(_ticket.id).where(_ticket.next_call_at <= _NOW).order_by(_ticket.next_call_at).limit(AT_ONCE))
_LOST = Prepared(select(_notice.c.ticket_id).where(*_IS_LOST).limit(AT_ONCE))
_NEEDED = (
    "id", "kind", "site_id", "system", "priority", "emergency", "category", "holder", "is_past", "opened_at", "policy", "version", "chain",
)  # fmt: skip
"""What a ticket's calls follow from, besides its timeline."""
_LOCKED = Prepared(
    select(*(_ticket[name] for name in _NEEDED))
    .where(_ticket.id.in_(_THESE))
    .order_by(_ticket.id)
    .with_for_update(skip_locked=True)
)
_FOUND_AGAIN = Prepared(
    update(_notice)
    .where(_notice.c.ticket_id.in_(_THESE), *_IS_LOST)
    .values(state="waiting", claim="", is_possible_repeat=True)
)
_NOTICES = Prepared(select(_notice).where(_notice.c.ticket_id.in_(_THESE)).order_by(_notice.c.id))
_ONE = update(t.ticket).where(_ticket.id == bindparam("number"))
_FOLLOWS: dict[str, Any] = {"planned_version": bindparam("seen"), "next_call_at": bindparam("instant")}
_PLANNED = Prepared(_ONE.values(_FOLLOWS))
_BEGINS: dict[str, Any] = {**_FOLLOWS, "chain": bindparam("parts")}
_BEGUN = Prepared(_ONE.values(_BEGINS))


async def candidates(connection: AsyncConnection, now: EpochMs) -> list[int]:
    """Tickets that changed or have a call to make, oldest first; at most one transaction's worth."""
    now_is = {"instant": now}
    asked = [
        await _CALLED.tuples(connection, now_is),
        await _STALE.tuples(connection),
        await _LOST.tuples(connection, now_is),
    ]
    return list(dict.fromkeys(number for rows in asked for (number,) in rows))[:AT_ONCE]


async def plan(desk: Desk, connection: AsyncConnection, numbers: Sequence[int], now: EpochMs) -> int:
    """Plan those of the tickets that nobody else is planning at this moment; how many they were.

    A notice whose sender died waits again, marked as a possible repeat, unless its reason has gone meanwhile.
    """
    tickets = await _LOCKED.rows(connection, {"numbers": tuple(numbers)})
    if not tickets:
        return 0
    await targets.learn(connection, desk)
    known = await contacts.directory(connection)
    found = [ticket["id"] for ticket in tickets]
    await _FOUND_AGAIN.run(connection, {"numbers": tuple(found), "instant": now})
    files, look = await _files(connection, found), _Look(desk, known, now)
    planned, begun, new = [], [], []
    for ticket in tickets:
        parts = look.parts(ticket)
        decision = _decide(look, ticket, parts, files[ticket["id"]])
        new += [_row(ticket, one, now) for one in decision.new]
        await _change(connection, decision)
        next_call = _not_before(decision.next_call) if decision.next_call else None
        follows = {"number": ticket["id"], "seen": ticket["version"], "instant": next_call}
        if parts == ticket["chain"]:
            planned.append(follows)
        else:
            begun.append({**follows, "parts": parts})
    await insert_all_new(connection, _notice, new)
    await _PLANNED.run(connection, *planned)
    await _BEGUN.run(connection, *begun)
    return len(tickets)


class _Look:
    """What tickets that are planned together share: a flood of alarms opens many with the same chain, clocks and calls."""

    def __init__(self, desk: Desk, known: Directory, now: EpochMs) -> None:
        self.desk = desk
        self.known = known
        self.now = now
        self.at = from_ms(now)
        self._begun: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        self._calls: dict[tuple[int, int], tuple[Story, list[Call], object]] = {}
        self._quiet: dict[str, Mapping[str, Quiet]] = {}

    def parts(self, ticket: Mapping[Any, Any]) -> list[dict[str, Any]]:
        """``snapshot``; tickets that begin alike have one."""
        if ticket["chain"]:
            return snapshot(ticket, self.known)
        key = tuple(ticket[name] for name in ("site_id", "kind", "priority", "emergency"))
        if key not in self._begun:
            self._begun[key] = snapshot(ticket, self.known)
        return self._begun[key]

    def calls(
        self, ticket: Mapping[Any, Any], parts: Sequence[Mapping[Any, Any]], entries: Sequence[Entry]
    ) -> tuple[Story, list[Call]]:
        """A ticket's story and its calls. The desk gives tickets with the same timeline the very same clocks."""
        clocks = self.desk.deadlines(ticket, entries, self.now)
        key = (id(clocks or entries), id(parts))
        if key not in self._calls:
            calendars = self.desk.calendars(ticket, ticket["policy"])
            story = Story(entries, clocks, calendars, numbered(parts))
            self._calls[key] = (story, calls(story), parts)  # kept: what has an identity must not pass away
        story, found, _ = self._calls[key]
        return story, found

    def manners(self, ticket: Mapping[Any, Any]) -> Manners:
        """``manners_of``; the quiet hours of a site are worked out once."""
        site = ticket["site_id"]
        if site not in self._quiet:
            self._quiet[site] = self.known.quiet(site)
        return _manners(ticket, self.known, self._quiet[site])


@dataclass(frozen=True, slots=True)
class _File:
    """What is on record of one ticket."""

    entries: list[Entry]
    watching: list[str]
    written: list[Written]


async def _files(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, _File]:
    """What is on record of some tickets, read together."""
    stories = await repository.timelines(connection, numbers)
    seen = await watchers.watching_each(connection, numbers)
    notices = await _written(connection, numbers)
    return {number: _File(stories[number], seen.get(number, []), notices.get(number, [])) for number in numbers}


def snapshot(ticket: Mapping[Any, Any], known: Directory) -> list[dict[str, Any]]:
    """The chain written on the ticket, begun now if there is none. Another priority brings its own chain, if it has another."""
    kept: list[dict[str, Any]] = list(ticket["chain"] or [])
    if kept and kept[-1]["priority"] == ticket["priority"]:
        return kept
    steps = to_plain(choose(known.chains, ticket))
    if kept and kept[-1]["steps"] == steps:
        return [*kept[:-1], {**kept[-1], "priority": ticket["priority"]}]
    return [*kept, {"priority": ticket["priority"], "first": _PART * len(kept), "steps": steps}]


def numbered(parts: Sequence[Mapping[Any, Any]]) -> list[tuple[int, Step]]:
    """The steps that hold now, with their numbers."""
    if not parts:
        return []
    steps: Chain = from_plain(parts[-1]["steps"])
    return [(parts[-1]["first"] + index, step) for index, step in enumerate(steps)]


async def story_of(
    desk: Desk, connection: AsyncConnection, ticket: Mapping[Any, Any], parts: Sequence[Mapping[Any, Any]], now: EpochMs
) -> Story:  # fmt: skip
    """What a ticket's calls follow from."""
    entries = await repository.entries(connection, ticket["id"])
    return Story(
        entries, desk.deadlines(ticket, entries, now), desk.calendars(ticket, ticket["policy"]), numbered(parts)
    )


def _decide(look: _Look, ticket: Mapping[Any, Any], parts: Sequence[Mapping[Any, Any]], file: _File) -> Decision:
    story, found = look.calls(ticket, parts, file.entries)
    site, holder = ticket["site_id"], ticket["holder"]
    return decide(
        found,
        file.written,
        story.numbered,
        lambda step: look.known.whom(step, site, holder, file.watching),
        look.manners(ticket),
        look.at,
    )


def manners_of(ticket: Mapping[Any, Any], known: Directory) -> Manners:
    """When whom may be told of a ticket."""
    return _manners(ticket, known, known.quiet(ticket["site_id"]))


def _manners(ticket: Mapping[Any, Any], known: Directory, quiet: Mapping[str, Quiet]) -> Manners:
    is_life_safety = ticket["priority"] == "life_safety" or bool(ticket["emergency"])
    return Manners(quiet, known.zone(ticket["site_id"]), is_past=ticket["is_past"], is_life_safety=is_life_safety)


async def _written(connection: AsyncConnection, numbers: Sequence[int]) -> dict[int, list[Written]]:
    """The notices of tickets as they stand."""
    found: dict[int, list[Written]] = {}
    for row in await _NOTICES.rows(connection, {"numbers": tuple(numbers)}):
        key = (row["clock"], row["activation"], row["step"], row["repeat"])
        due, failed = from_ms(row["due_at"]), _instant(row["failed_at"])
        one = Written(row["id"], key, row["owner"], row["state"], due, failed, _instant(row["next_at"]))
        found.setdefault(row["ticket_id"], []).append(one)
    return found


def _not_before(at: datetime) -> EpochMs:
    """The first whole millisecond at which an instant has come: a ticket looked at earlier would be looked at again at once."""
    return to_ms(at) + (at.microsecond % 1000 > 0)


def _instant(at: EpochMs | None) -> datetime | None:
    return from_ms(at) if at is not None else None


async def _change(connection: AsyncConnection, decision: Decision) -> None:
    change = update(_notice)
    for number, (state, why) in decision.ended.items():
        is_idle = (_notice.c.id == number) & _notice.c.state.in_(("waiting", "nobody"))
        await connection.execute(change.where(is_idle).values(state=state, why=why, next_at=None))
    for number, at in decision.revived.items():
        is_kept = (_notice.c.id == number) & _notice.c.state.in_(("cancelled", "waiting"))
        await connection.execute(change.where(is_kept).values(state="waiting", why="", next_at=to_ms(at)))


def _row(ticket: Mapping[Any, Any], one: New, now: EpochMs) -> dict[str, Any]:
    call = one.call
    named = (ticket["opened_at"], ticket["site_id"], ticket["id"], *call.key, one.owner)
    return {
        "ticket_id": ticket["id"], "clock": call.clock, "activation": call.activation, "step": call.step, "repeat": call.repeat,
        "owner": one.owner, "trigger": call.trigger, "due_at": to_ms(call.due), "planned_at": now, "state": one.state,
        "why": one.why, "key": hashlib.sha256("/".join(map(str, named)).encode()).hexdigest()[:32],
        "next_at": to_ms(one.not_before) if one.not_before else None,
    }  # fmt: skip
