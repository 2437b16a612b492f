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
from cloud.sla.policy import Policy
from cloud.sla.timeline import Deadline, Line
from cloud.storage import tables as t
from cloud.tickets import repository, service
from cloud.tickets.desk import Desk
from cloud.tickets.routes import clock_shown
from cloud.tickets.ticket import parse_ticket, ticket_name
from contract.conventions import EpochMs


@dataclass(frozen=True, slots=True)
class Explained:
    """A ticket with every clock and every line of its sum, in the site's zone."""

    ticket: str
    zone: str
    clocks: tuple[tuple[Deadline, tuple[Line, ...]], ...]

    def as_json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {"ticket": self.ticket, "clocks": [clock_shown(d, lines).model_dump() for d, lines in self.clocks]}

    def lines(self) -> Iterator[str]:
        """As a person reads it."""
        yield f"{self.ticket}, times of {self.zone}"
        for deadline, lines in self.clocks:
            yield ""
            yield self._head(deadline)
            for line in lines:
                why = f"  {line.why}" if line.why else ""
                span = f"{self._at(line.start)} - {self._at(line.end)}"
                yield f"  {span}  {line.kind:<8}  counts {_figure(line.counts):>10}  used {_figure(line.used):>10}{why}"

    def _head(self, deadline: Deadline) -> str:
        again = f" (call {deadline.activation})" if deadline.activation > 1 else ""
        due = f"due {self._at(deadline.due)}" if deadline.due else "held, no due instant"
        clause = deadline.target.clause or deadline.target.source
        late = f", late by {_figure(deadline.late)}" if deadline.late else ""
        return f"{deadline.clock}{again}: {deadline.state}{late}, target {_figure(deadline.target.target)} ({clause}), {due}"

    def _at(self, instant: datetime) -> str:
        return f"{instant.astimezone(ZoneInfo(self.zone)):%a %d %b %Y %H:%M:%S}"


def _figure(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


async def explained(policy: Policy, connection: AsyncConnection, name: str, now: EpochMs) -> Explained:
    """The clocks of a ticket by its name. Raises Refused (404)."""
    try:
        number = parse_ticket(name)
    except ValueError as error:
        raise Refused(404, "not_found", str(error)) from error
    row = await repository.ticket(connection, number)
    zone = (await connection.execute(select(t.site.c.zone).where(t.site.c.id == row["site_id"]))).scalar()
    clocks = await service.clocks(Desk(policy), connection, number, now)
    return Explained(ticket_name(number), zone or "UTC", tuple(clocks))
