"""Tickets → sla: the one way a ticket changes. Each change is a line of its timeline, and its clocks follow from all lines."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.sla.calendar import Calendar
from cloud.sla.policy import SHIPPED, Policy, Target
from cloud.sla.timeline import Deadline, Entry, Line, Ruling, deadlines, explain
from cloud.tickets import repository
from cloud.tickets.repository import Case, Happening
from cloud.tickets.ticket import OPEN_STATES
from contract.conventions import EpochMs, from_ms, to_ms

_STILL = frozenset({"recurred", "cleared"})
"""What machines tell again and again, and no clock knows."""


_MOVING = frozenset({"reclassified", "retargeted", "held", "resumed", "reopened"})
"""What can move a due instant: the line keeps those before and after."""
_ALWAYS_TOLD = frozenset({"reclassified", "retargeted"})


_CASE = ("policy", "kind", "system", "site_id", "emergency")
"""What its targets follow from, besides its timeline."""
_SHORT, _KEPT = 4, 64
"""Timelines so short are looked for among so many that were worked out before."""


class UnreadError(Exception):
    """A clock moves, and the timeline that it follows from was not read: read it and begin again."""


class Desk:
    """The rules that hold for every ticket here: the policy in force, and every earlier one that a ticket was judged by."""

    def __init__(self, policy: Policy = SHIPPED) -> None:
        self.policy = policy
        self.zones: dict[str, str] = {}
        """The zone of each site, as far as it was read."""
        self._versions = {policy.version: policy}
        self._worked_out: dict[Hashable, tuple[Deadline, ...]] = {}
        self.is_read = False
        """Whether what is in force was read from the database."""

    def adopt(self, versions: Sequence[Policy], zones: Mapping[str, str]) -> None:
        """Take over what the database has: versions in their order, the last one is in force."""
        self.zones.update(zones)
        self._versions.update({policy.version: policy for policy in versions})
        if versions:
            self.policy, self.is_read = versions[-1], True
            self._worked_out.clear()

    @property
    def versions(self) -> frozenset[str]:
        return frozenset(self._versions)

    @property
    def reopen_window_ms(self) -> int:
        return round(self.policy.reopen_window.total_seconds() * 1000)

    def deadlines(
        self, ticket: Mapping[Any, Any], entries: Sequence[Entry], now: EpochMs, policy: Policy | None = None
    ) -> tuple[Deadline, ...]:
        """Every clock of a ticket as its timeline says at ``now``; with ``policy`` as if that bound it from now on.

        Tickets that one envelope opens have the same clocks: they are worked out once.
        """
        if policy is not None or len(entries) > _SHORT:
            return self._deadlines(ticket, entries, now, policy)
        case = (*(ticket[name] for name in _CASE), ticket.get("category"), self.zones.get(ticket["site_id"]))
        key = (case, tuple(entries), now, self.policy.version)
        if key not in self._worked_out:
            if len(self._worked_out) >= _KEPT:
                self._worked_out.clear()
            self._worked_out[key] = self._deadlines(ticket, entries, now, None)
        return self._worked_out[key]

    def _deadlines(
        self, ticket: Mapping[Any, Any], entries: Sequence[Entry], now: EpochMs, policy: Policy | None
    ) -> tuple[Deadline, ...]:
        changes = [entry for entry in entries if entry.kind == "retargeted"]
        first = self.ruling(ticket, changes[0].was if changes else ticket["policy"])
        later = {entry.version: self.ruling(ticket, entry.version) for entry in changes}
        if policy is not None:
            later[policy.version] = self._ruling(ticket, policy)
            entries = [*entries, Entry(from_ms(now), "retargeted", version=policy.version)]
        return deadlines(entries, first.targets, first.calendars, from_ms(now), later, first.shares, first.version)

    def ruling(self, ticket: Mapping[Any, Any], version: str) -> Ruling:
        """A version as it binds a ticket; one that nobody knows any more is taken as the one in force."""
        return self._ruling(ticket, self._versions.get(version, self.policy))

    def _ruling(self, ticket: Mapping[Any, Any], policy: Policy) -> Ruling:
        emergency, category = ticket["emergency"], ticket.get("category") or ""
        case = {"kind": ticket["kind"], "system": ticket["system"], "site": ticket["site_id"]}

        def targets(priority: str) -> Sequence[Target]:
            return policy.targets(priority, emergency, category=category, **case)

        zone = self.zones.get(ticket["site_id"], "UTC")
        return Ruling(targets, policy.in_zone(zone), policy.shares, policy.version)

    def calendars(self, ticket: Mapping[Any, Any], version: str = "") -> Mapping[str, Calendar]:
        """The calendars that a ticket's targets name, in the zone of its site; of the version in force unless another is named."""
        return self.ruling(ticket, version).calendars if version else self._ruling(ticket, self.policy).calendars

    def explain(self, ticket: Mapping[Any, Any], deadline: Deadline, now: EpochMs) -> tuple[Line, ...]:
        """Every line of one clock's sum, by the version that it was judged by."""
        return explain(deadline, self.calendars(ticket, deadline.version or ticket["policy"]), from_ms(now))


async def record(
    desk: Desk,
    connection: AsyncConnection,
    ticket: RowMapping,
    happening: Happening,
    now: EpochMs,
    values: Mapping[str, Any] | None = None,
) -> RowMapping:
    """Append one line, change the ticket's own columns, bring its clocks up to date; the ticket as it is then.

    Nothing happens when the line is recorded already. A changed priority notes the due instants before and after.
    """
    past, recorded = await repository.story(connection, ticket["id"])
    happening, found = _consequence(desk, ticket, past, happening, now)
    if not await repository.append(connection, ticket["id"], happening):
        return ticket
    await repository.update_ticket(connection, ticket, values or {})
    await _keep(connection, ticket["id"], found, recorded, now)
    return await repository.ticket(connection, ticket["id"])


def enter(desk: Desk, case: Case, happening: Happening, now: EpochMs, values: Mapping[str, Any] | None = None) -> None:
    """What ``record`` does, to a ticket at hand: nothing is written yet (``cases.write_cases``).

    What moves no clock leaves them to the ticker. Raises UnreadError when one moves and the timeline was not read.
    """
    is_still = happening.kind in _STILL
    if not (is_still or case.is_read):
        raise UnreadError
    happening, found = (
        (happening, case.clocks) if is_still else _consequence(desk, case.row, case.entries, happening, now)
    )
    if not case.append(happening):
        return
    values = {**(values or {}), "version": case.row["version"] + 1}
    case.row |= {**(_followed(case.row, happening.kind, values) if is_still else {}), **values}
    case.clocks, case.is_changed = found, True
    for line in () if is_still else _told(case.row["id"], found, now):
        case.append(line)


def _followed(row: Mapping[str, Any], kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those who follow a ticket's version and have nothing to do for a still line.

    Its words stay, and its calls unless its chain calls for such a line, or it is past no more and may call at any hour.
    """
    before, after = row["version"], values["version"]
    steps = [step for part in (row["chain"] or [])[-1:] for step in part["steps"]]
    is_calling = any(step["event"] == kind for step in steps) or values.get("is_past", row["is_past"]) != row["is_past"]
    followed = {"indexed_version": after} if row["indexed_version"] == before else {}
    return {**followed, "planned_version": after} if row["planned_version"] == before and not is_calling else followed


def _consequence(
    desk: Desk, ticket: Mapping[Any, Any], past: Sequence[Entry], happening: Happening, now: EpochMs
) -> tuple[Happening, tuple[Deadline, ...]]:
    """The clocks after one more line, which notes by itself what it moves."""
    found = desk.deadlines(ticket, [*past, repository.entry(happening)], now)
    if happening.kind not in _MOVING:
        return happening, found
    moved = _moved(desk.deadlines(ticket, past, now), found)
    if moved or happening.kind in _ALWAYS_TOLD:
        happening = replace(happening, data={**happening.data, "due": moved})
    return happening, found


async def retarget(desk: Desk, connection: AsyncConnection, number: int, actor: str, now: EpochMs) -> bool:
    """Let the policy in force bind an open ticket from now on. False when it does already."""
    ticket = await repository.ticket(connection, number, is_locked=True)
    version = desk.policy.version
    if ticket["policy"] == version or ticket["state"] not in OPEN_STATES:
        return False
    data = {"policy": version, "was": ticket["policy"], "version": ticket["version"] + 1}
    happening = Happening(
        now, "retargeted", "person" if actor else "system", actor, data, f"retarget:{number}:{version}"
    )
    await record(desk, connection, ticket, happening, now, {"policy": version})
    return True


async def end_hold(desk: Desk, connection: AsyncConnection, ticket: RowMapping, now: EpochMs) -> RowMapping:
    """End a hold whose time is over, at that time and whoever looks first; the ticket as it is then."""
    until = ticket["hold_until"]
    if until is None or until > now:
        return ticket
    happening = Happening(until, "resumed", "system", "", {"ended_by": "until"}, f"hold:{ticket['id']}:{until}")
    return await record(desk, connection, ticket, happening, now, {"hold_until": None, "state": "in_progress"})


async def refresh(desk: Desk, connection: AsyncConnection, ticket: RowMapping, now: EpochMs) -> tuple[Deadline, ...]:
    """Bring the clocks of a ticket to ``now``: a due instant that has passed becomes a breach, stamped at that instant."""
    entries, recorded = await repository.story(connection, ticket["id"])
    found = desk.deadlines(ticket, entries, now)
    if await _keep(connection, ticket["id"], found, recorded, now, version=ticket["version"] + 1):
        await repository.update_ticket(connection, ticket, {})  # who follows the version reads the new lines
    return found


async def _keep(
    connection: AsyncConnection,
    number: int,
    found: Sequence[Deadline],
    recorded: Collection[str | None],
    now: EpochMs,
    *,
    version: int | None = None,
) -> bool:
    """Store clocks and add the lines that are not there yet. ``version`` is the ticket's when they alone change it."""
    await repository.store_deadlines(connection, number, found)
    lines = [line for line in _told(number, found, now) if line.dedupe not in recorded]
    if version is not None:
        lines = [replace(line, data={**line.data, "version": version}) for line in lines]
    await repository.append_all(connection, number, lines)
    return bool(lines)


def _told(number: int, found: Sequence[Deadline], now: EpochMs) -> list[Happening]:
    """What clocks have to record up to ``now``, each at its own instant however late the machine wakes."""
    warned = [_warning(number, d, share, to_ms(at)) for d in found for share, at in d.warnings if _is_past(d, at, now)]
    broken = [_breach(number, deadline) for deadline in found if deadline.breached_at is not None]
    return sorted([*warned, *broken], key=lambda line: line.at)


def _is_past(deadline: Deadline, at: datetime, now: EpochMs) -> bool:
    return at <= (deadline.stopped_at or from_ms(now))


def _warning(number: int, deadline: Deadline, share: float, at: EpochMs) -> Happening:
    """So much of a clock's target is used; recorded once."""
    clock, activation = deadline.clock, deadline.activation
    data = {"clock": clock, "activation": activation, "share": share, "due": _ms(deadline)}
    return Happening(at, "warned", "system", "", data, f"warn:{number}:{clock}:{activation}:{share:g}")


def _breach(number: int, deadline: Deadline) -> Happening:
    """A breach belongs to one clock and is recorded once, at its own instant, however late the machine wakes."""
    assert deadline.breached_at is not None  # noqa: S101  the caller looked
    return Happening(
        to_ms(deadline.breached_at),
        "breached",
        "system",
        "",
        {
            "clock": deadline.clock,
            "activation": deadline.activation,
            "target_s": round(deadline.length.total_seconds()),
            "clause": deadline.target.clause,
            "by_reclassification": deadline.is_breached_by_reclassification,
            **({"by_retargeting": True} if deadline.is_breached_by_retargeting else {}),
        },
        dedupe=f"breach:{number}:{deadline.clock}:{deadline.activation}",
    )


def _moved(before: Sequence[Deadline], after: Sequence[Deadline]) -> dict[str, Any]:
    old = {(d.clock, d.activation): d for d in before}
    return {
        f"{d.clock}:{d.activation}": {"before": _ms(old.get((d.clock, d.activation))), "after": _ms(d)}
        for d in after
        if _ms(old.get((d.clock, d.activation))) != _ms(d)
    }


def _ms(deadline: Deadline | None) -> EpochMs | None:
    return to_ms(deadline.due) if deadline and deadline.due else None
