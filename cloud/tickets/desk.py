"""Tickets → sla: the one way a ticket changes. Each change is a line of its timeline, and its clocks follow from all lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.sla.calendar import Calendar
from cloud.sla.policy import SHIPPED, Policy, Target
from cloud.sla.timeline import Deadline, Entry, Line, deadlines, explain
from cloud.tickets import repository
from cloud.tickets.repository import Case, Happening
from contract.conventions import EpochMs, from_ms, to_ms

_STILL = frozenset({"recurred", "cleared"})
"""What machines tell again and again, and no clock knows."""


class UnreadError(Exception):
    """A clock moves, and the timeline that it follows from was not read: read it and begin again."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The rules that hold for every ticket here."""

    policy: Policy = SHIPPED
    zones: dict[str, str] = field(default_factory=dict)
    """The zone of each site, as far as it was read."""

    @property
    def reopen_window_ms(self) -> int:
        return round(self.policy.reopen_window.total_seconds() * 1000)

    def deadlines(self, ticket: Mapping[Any, Any], entries: Sequence[Entry], now: EpochMs) -> tuple[Deadline, ...]:
        """Every clock of a ticket as its timeline says at ``now``."""
        case = {"kind": ticket["kind"], "system": ticket["system"], "site": ticket["site_id"]}
        emergency, category = ticket["emergency"], ticket.get("category") or ""

        def targets(priority: str) -> Sequence[Target]:
            return self.policy.targets(priority, emergency, category=category, **case)

        return deadlines(entries, targets, self.calendars(ticket), from_ms(now))

    def calendars(self, ticket: Mapping[Any, Any]) -> Mapping[str, Calendar]:
        """The calendars that a ticket's targets name, in the zone of its site."""
        return self.policy.in_zone(self.zones.get(ticket["site_id"], "UTC"))

    def explain(self, deadline: Deadline, now: EpochMs) -> tuple[Line, ...]:
        """Every line of one clock's sum."""
        return explain(deadline, self.policy.in_zone("UTC"), from_ms(now))


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
    past = await repository.entries(connection, ticket["id"])
    happening, found = _consequence(desk, ticket, past, happening, now)
    if not await repository.append(connection, ticket["id"], happening):
        return ticket
    await repository.update_ticket(connection, ticket, values or {})
    await _keep(connection, ticket["id"], found)
    return await repository.ticket(connection, ticket["id"])


def enter(desk: Desk, case: Case, happening: Happening, now: EpochMs, values: Mapping[str, Any] | None = None) -> None:
    """What ``record`` does, to a ticket at hand: nothing is written yet (``repository.write_cases``).

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
    case.row |= {**(values or {}), "version": case.row["version"] + 1}
    case.clocks, case.is_changed = found, True
    for line in () if is_still else _breaches(case.row["id"], found):
        case.append(line)


def _consequence(
    desk: Desk, ticket: Mapping[Any, Any], past: Sequence[Entry], happening: Happening, now: EpochMs
) -> tuple[Happening, tuple[Deadline, ...]]:
    """The clocks after one more line, which notes by itself what a changed priority moves."""
    found = desk.deadlines(ticket, [*past, repository.entry(happening)], now)
    if happening.kind != "reclassified":
        return happening, found
    moved = _moved(desk.deadlines(ticket, past, now), found)
    return replace(happening, data={**happening.data, "due": moved}), found


async def refresh(desk: Desk, connection: AsyncConnection, ticket: RowMapping, now: EpochMs) -> tuple[Deadline, ...]:
    """Bring the clocks of a ticket to ``now``: a due instant that has passed becomes a breach, stamped at that instant."""
    found = desk.deadlines(ticket, await repository.entries(connection, ticket["id"]), now)
    await _keep(connection, ticket["id"], found)
    return found


async def _keep(connection: AsyncConnection, number: int, found: Sequence[Deadline]) -> None:
    await repository.store_deadlines(connection, number, found)
    for line in _breaches(number, found):
        await repository.append(connection, number, line)


def _breaches(number: int, found: Sequence[Deadline]) -> list[Happening]:
    lines = [_breach(number, deadline) for deadline in found if deadline.breached_at is not None]
    return sorted(lines, key=lambda line: line.at)


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
            "target_s": round(deadline.target.target.total_seconds()),
            "clause": deadline.target.clause,
            "by_reclassification": deadline.is_breached_by_reclassification,
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
