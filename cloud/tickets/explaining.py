"""Tickets → people: a ticket's clocks in words, for the console."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused
from cloud.sla.conflicts import CONFLICTS
from cloud.sla.timeline import Deadline, Line
from cloud.storage import tables as t
from cloud.tickets import repository, targets_clocks
from cloud.tickets.desk import Desk
from cloud.tickets.targets_clocks import Told, clock_shown
from cloud.tickets.ticket import parse_ticket, ticket_name
from contract.conventions import EpochMs


@dataclass(frozen=True, slots=True)
class Explained:
    """A ticket with every clock and every line of its sum, in the site's zone."""

    ticket: str
    zone: str
    clocks: tuple[Told, ...]

    def as_json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"ticket": self.ticket, "clocks": [clock_shown(one).model_dump() for one in self.clocks]}

    def lines(self) -> Iterator[str]:
        """As a person reads it."""
        yield f"{self.ticket}, times of {self.zone}"
        for one in self.clocks:
            yield ""
            yield self._head(one.deadline)
            yield from self._notes(one)
            for line in one.lines:
                why = _why(line)
                span = f"{self._at(line.start)} - {self._at(line.end)}"
                counts, used = _figure(line.counts), _figure(line.used)
                yield f"  {span}  {line.kind:<8}  counts {counts:>10}  used {used:>10}" + (f"  {why}" if why else "")

    def _head(self, deadline: Deadline) -> str:
        again = f" (call {deadline.activation})" if deadline.activation > 1 else ""
        due = f"due {self._at(deadline.due)}" if deadline.due else "held, no due instant"
        clause = deadline.target.clause or deadline.target.source
        late = f", late by {_figure(deadline.late)}" if deadline.late else ""
        return f"{deadline.clock}{again}: {deadline.state}{late}, target {_figure(deadline.length)} ({clause}), {due}"

    def _notes(self, one: Told) -> Iterator[str]:
        """Which targets bind it, what they were before, and where the documents disagree."""
        target = one.deadline.target
        calendar = f", calendar {target.calendar}" if target.calendar else ""
        yield f"  targets {one.deadline.version}{calendar}; {target.source}"
        if conflict := CONFLICTS.get(target.conflict):
            yield f"  documents disagree: {conflict.says['en']} {conflict.chosen['en']}"
        for change in one.earlier:
            by = f" by {change.by}" if change.by else ""
            yield f"  {change.at} {change.because}{by}: due {change.before or 'none'} -> {change.after or 'none'}"

    def _at(self, instant: datetime) -> str:
        return f"{instant.astimezone(ZoneInfo(self.zone)):%a %d %b %Y %H:%M:%S}"


def _why(line: Line) -> str:
    if line.why or not line.cause:
        return line.why
    name = line.names.get("en", "")
    return line.cause.replace("_", " ") + (f": {name}" if name else "")


def _figure(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


async def explained(desk: Desk, connection: AsyncConnection, name: str, now: EpochMs) -> Explained:
    """The clocks of a ticket by its name. Raises Refused (404)."""
    try:
        number = parse_ticket(name)
    except ValueError as error:
        raise Refused(404, "not_found", str(error)) from error
    row = await repository.ticket(connection, number)
    zone = (await connection.execute(select(t.site.c.zone).where(t.site.c.id == row["site_id"]))).scalar()
    found = await targets_clocks.told(desk, connection, number, now)
    return Explained(ticket_name(number), zone or "UTC", tuple(found))
