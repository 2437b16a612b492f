"""Tickets → sla: versions of targets and calendars. Who changed what, what it moves, and the one in force.

The file (``cloud.yaml`` and the shipped lines) is the first version. As soon as a version was saved by a person the file is not
read any more: the newest saved version is in force, and the settings say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused, conflict, invalid, not_found
from cloud.sla.plan import CalendarPlan
from cloud.sla.policy import Policy
from cloud.sla.timeline import Deadline
from cloud.sla.written import PolicyError, policy_json, policy_of
from cloud.storage import tables as t
from cloud.storage.prepared import Prepared
from cloud.storage.session import Database
from cloud.storage.sql import insert_new
from cloud.tickets import repository
from cloud.tickets.desk import Desk, retarget
from cloud.tickets.targets_holidays import AHEAD_DAYS, with_years
from cloud.tickets.ticket import OPEN_STATES, ticket_name
from contract.conventions import EpochMs, from_ms, to_ms

_OPEN = tuple(str(state) for state in OPEN_STATES)
_CHUNK = 500
_ZONES = Prepared(select(t.site.c.id, t.site.c.zone))
_LABELS = Prepared(select(t.targets.version.c.label).order_by(t.targets.version.c.id))
MOST_PREVIEWED = 5000
"""So many open tickets are looked at before a change is confirmed; the answer says of how many."""
BATCH = 100
"""So many tickets are retargeted before the ticker looks at its deadlines again."""


async def begin(database: Database, desk: Desk, now: EpochMs) -> None:
    """At start: note what the file says as a version, unless people have saved their own, and take over what is in force."""
    async with database.write() as connection:
        await settle(connection, desk, now)
        await note_unconfirmed(connection, desk, now)


async def settle(connection: AsyncConnection, desk: Desk, now: EpochMs) -> None:
    """What ``begin`` does, in a transaction of the caller's."""
    newest = await _newest(connection)
    if newest is None or newest["origin"] == "file":
        await _note_file(connection, desk.policy, newest, now)
    await learn(connection, desk)


async def _note_file(connection: AsyncConnection, policy: Policy, newest: RowMapping | None, now: EpochMs) -> None:
    plans = {name: _copied(plan, from_ms(now).year) for name, plan in policy.plans.items()}
    whole = policy_json(policy) | {"calendars": {name: plan.as_json() for name, plan in plans.items()}}
    if newest is not None and _without_copies(newest["body"]) == _without_copies(whole):
        return
    taken = select(func.count()).select_from(t.targets.version).where(t.targets.version.c.label == policy.version)
    label = policy.version if not (await connection.execute(taken)).scalar() else f"{policy.version}.{now}"
    values = {"label": label, "at": now, "origin": "file", "actor": "", "note": "", "body": whole}
    await insert_new(connection, t.targets.version, values)  # another replica may start at the same moment


def _copied(plan: CalendarPlan, year: int) -> CalendarPlan:
    """The plan with its holidays; a country that is not known has none, and its years stay unconfirmed and alarmed."""
    try:
        return with_years(plan, year)
    except Refused:
        return plan


def _without_copies(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a person wrote: the dates that were copied from a package are no change of the file."""
    copied = ("holidays", "workdays", "years")
    calendars = {
        name: {key: value for key, value in plan.items() if key not in copied}
        for name, plan in body["calendars"].items()
    }
    return {**body, "calendars": calendars}


async def learn(connection: AsyncConnection, desk: Desk) -> None:
    """Take over versions that this process does not know yet, and the zones of sites."""
    zones: dict[str, str] = dict(await _ZONES.tuples(connection))
    known = [label for (label,) in await _LABELS.tuples(connection)]
    is_news = bool(known) and not (desk.is_read and known[-1] == desk.policy.version)
    rows = (await connection.execute(select(t.targets.version).order_by(t.targets.version.c.id))) if is_news else None
    desk.adopt([policy_of(row["label"], row["body"]) for row in rows.mappings()] if rows else (), zones)


def unconfirmed(policy: Policy, now: EpochMs) -> list[tuple[str, int]]:
    """Calendars with a year that begins soon, or runs, and whose holidays nobody has confirmed."""
    today = from_ms(now).date()
    return [(name, year) for name, plan in policy.plans.items() for year in plan.unconfirmed(today, AHEAD_DAYS)]


async def note_unconfirmed(connection: AsyncConnection, desk: Desk, now: EpochMs) -> None:
    """Record once for each calendar and year that its holidays are not confirmed."""
    for name, year in unconfirmed(desk.policy, now):
        what = {"action": "calendar.unconfirmed", "object": f"{name}/{year}"}
        known = select(t.audit.c.id).where(t.audit.c.action == what["action"], t.audit.c.object == what["object"])
        if (await connection.execute(known.limit(1))).first() is None:
            await connection.execute(t.audit.insert().values(at=now, actor="system", data={}, **what))


async def _newest(connection: AsyncConnection) -> RowMapping | None:
    query = select(t.targets.version).order_by(t.targets.version.c.id.desc()).limit(1)
    return (await connection.execute(query)).mappings().one_or_none()


async def versions(connection: AsyncConnection) -> Sequence[RowMapping]:
    """Every version, newest first."""
    return (
        (await connection.execute(select(t.targets.version).order_by(t.targets.version.c.id.desc()))).mappings().all()
    )


async def version(connection: AsyncConnection, label: str) -> RowMapping:
    """One version. Raises Refused (404)."""
    query = select(t.targets.version).where(t.targets.version.c.label == label)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("version of the targets", label)
    return row


@dataclass(frozen=True, slots=True)
class Change:
    """What a person wants in force: the whole body, from which version they started, and why."""

    body: Mapping[str, Any]
    seen: str
    note: str = ""


def checked(change: Change, label: str = "draft") -> Policy:
    """The policy of a change. Raises Refused (422)."""
    try:
        return policy_of(label, change.body)
    except (PolicyError, KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        text = str(error) if isinstance(error, PolicyError) else f"not a policy: {error!r}"
        raise invalid("body", text, "take GET /api/v1/targets as a pattern") from error


def with_calendar(policy: Policy, plan: CalendarPlan) -> dict[str, Any]:
    """The body of a policy with another calendar."""
    body = policy_json(policy)
    return body | {"calendars": {**body["calendars"], plan.name: plan.as_json()}}


async def save(connection: AsyncConnection, desk: Desk, change: Change, actor: str, now: EpochMs) -> str:
    """Put a change in force; its version. Open tickets follow within seconds. Raises Refused: 409 somebody was faster, 422."""
    newest = await _newest(connection)
    present = newest["label"] if newest is not None else desk.policy.version
    if change.seen != present:
        remedy = "read the version in force and repeat what still fits"
        raise conflict("changed", f"the targets are {present} now, you saw {change.seen}", remedy)
    label = f"v{(newest['id'] if newest is not None else 0) + 1}"
    body = policy_json(checked(change, label))
    values = {"label": label, "at": now, "origin": "edited", "actor": actor, "note": change.note, "body": body}
    try:
        await connection.execute(t.targets.version.insert().values(**values))
    except IntegrityError as error:
        raise conflict("changed", "somebody saved targets at the same moment", "read them again") from error
    audit = {
        "at": now,
        "actor": actor,
        "action": "targets.save",
        "object": label,
        "data": {"was": present, "note": change.note},
    }
    await connection.execute(t.audit.insert().values(**audit))
    return label


# --- what a change moves ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """One clock of one ticket that gets another due instant (None: held, or not set)."""

    ticket: str
    clock: str
    before: EpochMs | None
    after: EpochMs | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change would do to open tickets. A ticket counts once: late, else earlier, else later, else kept."""

    tickets: int
    """Open tickets in all."""
    looked_at: int
    kept: int = 0
    later: int = 0
    earlier: int = 0
    late_at_once: int = 0
    """A clock of these would be over its target the moment the change is in force."""
    moves: tuple[Move, ...] = ()
    """At most fifty of them."""


async def preview(connection: AsyncConnection, desk: Desk, policy: Policy, now: EpochMs) -> Effect:
    """Replay every open ticket under another policy, changing nothing."""
    is_open = t.ticket.c.state.in_(_OPEN)
    total = (await connection.execute(select(func.count()).select_from(t.ticket).where(is_open))).scalar_one()
    numbers = select(t.ticket.c.id).where(is_open).order_by(t.ticket.c.next_due_at, t.ticket.c.id).limit(MOST_PREVIEWED)
    ids = list((await connection.execute(numbers)).scalars())
    counts = dict.fromkeys(("kept", "later", "earlier", "late_at_once"), 0)
    moves: list[Move] = []
    for start in range(0, len(ids), _CHUNK):
        for row, entries in await repository.stories(connection, ids[start : start + _CHUNK]):
            before = desk.deadlines(row, entries, now)
            after = desk.deadlines(row, entries, now, policy)
            found = _moves(row["id"], before, after)
            counts[_verdict(found, before, after, now)] += 1
            moves += found
    return Effect(total, len(ids), **counts, moves=tuple(moves[:50]))


def _moves(number: int, before: Sequence[Deadline], after: Sequence[Deadline]) -> list[Move]:
    old, new = _dues(before), _dues(after)
    return [
        Move(ticket_name(number), clock, old.get((clock, again)), new.get((clock, again)))
        for clock, again in {**old, **new}
        if old.get((clock, again)) != new.get((clock, again))
    ]


def _dues(found: Sequence[Deadline]) -> dict[tuple[str, int], EpochMs | None]:
    return {(d.clock, d.activation): to_ms(d.due) if d.due else None for d in found if d.stopped_at is None}


def _verdict(moves: Sequence[Move], before: Sequence[Deadline], after: Sequence[Deadline], now: EpochMs) -> str:
    was_late = {(d.clock, d.activation) for d in before if d.breached_at}
    is_late = any(
        (d.clock, d.activation) not in was_late and d.stopped_at is None and d.due is not None and to_ms(d.due) < now
        for d in after
    )
    if is_late:
        return "late_at_once"
    if any(move.after is not None and (move.before is None or move.after < move.before) for move in moves):
        return "earlier"
    return "later" if moves else "kept"


# --- open tickets follow ------------------------------------------------------------------------------------------


async def stale(connection: AsyncConnection, desk: Desk) -> list[int]:
    """Open tickets that another version binds, the next due first; at most a batch."""
    return [number for (number,) in await _STALE.tuples(connection, {"label": desk.policy.version})]


_STALE = Prepared(
    select(t.ticket.c.id)
    .where(t.ticket.c.state.in_(_OPEN), t.ticket.c.policy != bindparam("label"))
    .order_by(t.ticket.c.next_due_at, t.ticket.c.id)
    .limit(BATCH)
)


async def follow(database: Database, desk: Desk, numbers: Sequence[int], now: EpochMs) -> int:
    """Let the policy in force bind these tickets, each with a line of its timeline. How many it was."""
    done = 0
    for number in numbers:
        async with database.write() as connection:
            row = await version(connection, desk.policy.version)
            done += await retarget(desk, connection, number, row["actor"], now)
    return done
