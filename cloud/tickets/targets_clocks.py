"""sla → people: a ticket's clocks with every line of the sum, as the API and the console tell them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused
from cloud.people.access import SignedIn
from cloud.sla.conflicts import CONFLICTS
from cloud.sla.policy import Grant
from cloud.sla.timeline import Deadline, Line
from cloud.sla.written import unit_of
from cloud.tickets import repository
from cloud.tickets.desk import Desk
from cloud.tickets.listing import instant
from cloud.tickets.ticket import parse_ticket
from contract.conventions import EpochMs, format_instant, to_ms

router = APIRouter(prefix="/api/v1", tags=["tickets"])


class ClockLine(BaseModel):
    """One line of a clock's sum, durations in seconds. ``kind``: running, held, resolved, closed, ahead, late."""

    start: str
    end: str
    kind: str = Field(examples=["closed"])
    why: str = Field(examples=["waiting for part: contactor K5"])
    cause: str = Field(
        default="",
        description="Of closed time: night, break, holiday, closed_date, day_off; of time that counts: made_up, opened",
        examples=["holiday"],
    )
    names: dict[str, str] = Field(default={}, examples=[{"en": "National Day", "zh": "国庆节"}])
    wall_s: float
    counts_s: float
    used_s: float


class EarlierDue(BaseModel):
    """A due instant that a change replaced; null while held."""

    at: str
    because: str = Field(examples=["retargeted"])
    by: str
    before: str | None
    after: str | None
    version: str = Field(default="", examples=["v2"])


class Warned(BaseModel):
    """When a clock warns, or warned: a share of its target."""

    share: float = Field(examples=[0.75])
    at: str


class ClockShown(BaseModel):
    """One clock with its target, its clause, where it stands and every line of its sum."""

    clock: str = Field(examples=["resolution"])
    activation: int = Field(examples=[1])
    target_s: float = Field(examples=[172800])
    unit: str = Field(default="elapsed", description="elapsed, working, working_days, end_of_day", examples=["elapsed"])
    clause: str = Field(examples=["m-2.3.3-48h"])
    source: str
    calendar: str = Field(examples=[""])
    version: str = Field(default="", description="The version of the targets that binds it", examples=["v2"])
    conflict: dict[str, Any] | None = Field(
        default=None, description="Where the documents disagree, and what was chosen"
    )
    state: str = Field(examples=["running"])
    start: str
    due: str | None
    stopped_at: str | None
    breached_at: str | None
    by_reclassification: bool
    by_retargeting: bool = False
    used_s: float
    late_s: float
    warnings: list[Warned] = []
    earlier: list[EarlierDue] = []
    lines: list[ClockLine]


@dataclass(frozen=True, slots=True)
class Told:
    """One clock, every line of its sum, and every due instant that it had before."""

    deadline: Deadline
    lines: tuple[Line, ...]
    earlier: tuple[EarlierDue, ...]


@router.get("/tickets/{ticket}/clocks", summary="Every clock, with every line of its sum")
async def explain_clocks(ticket: str, request: Request, _user: SignedIn) -> list[ClockShown]:
    state = request.app.state
    try:
        number = parse_ticket(ticket)
    except ValueError as error:
        raise Refused(404, "not_found", str(error), "take the id from the list of tickets") from error
    async with state.database.read() as connection:
        return [clock_shown(one) for one in await told(state.desk, connection, number, state.clock.now_ms())]


async def told(desk: Desk, connection: AsyncConnection, number: int, now: EpochMs) -> list[Told]:
    """The clocks of a ticket as they stand. Raises Refused (404)."""
    ticket = await repository.ticket(connection, number)
    rows = await repository.timeline(connection, number)
    found = desk.deadlines(ticket, [repository.entry_of(row) for row in rows], now)
    return [Told(one, desk.explain(ticket, one, now), earlier_dues(rows, one)) for one in found]


def earlier_dues(
    rows: Sequence[RowMapping] | Sequence[Mapping[str, Any]], deadline: Deadline
) -> tuple[EarlierDue, ...]:
    """Every change of a clock's due instant that the timeline has kept."""
    key = f"{deadline.clock}:{deadline.activation}"
    return tuple(
        EarlierDue(
            at=format_instant(row["at"]), because=row["kind"], by=row["actor"],
            before=instant(row["data"]["due"][key]["before"]), after=instant(row["data"]["due"][key]["after"]),
            version=row["data"].get("policy", ""),
        )
        for row in rows
        if isinstance(row["data"].get("due"), dict) and key in row["data"]["due"]
    )  # fmt: skip


def clock_shown(one: Told) -> ClockShown:
    """A clock as API and console show it."""
    deadline, target = one.deadline, one.deadline.target
    conflict = CONFLICTS.get(target.conflict)
    return ClockShown(
        clock=deadline.clock,
        activation=deadline.activation,
        target_s=deadline.length.total_seconds(),
        unit=unit_of(Grant(target)),
        clause=target.clause,
        source=target.source,
        calendar=target.calendar,
        version=deadline.version,
        conflict={"clauses": conflict.clauses, "says": conflict.says, "chosen": conflict.chosen} if conflict else None,
        state=deadline.state,
        start=format_instant(deadline.start),
        due=instant(to_ms(deadline.due)) if deadline.due else None,
        stopped_at=instant(to_ms(deadline.stopped_at)) if deadline.stopped_at else None,
        breached_at=instant(to_ms(deadline.breached_at)) if deadline.breached_at else None,
        by_reclassification=deadline.is_breached_by_reclassification,
        by_retargeting=deadline.is_breached_by_retargeting,
        used_s=deadline.used.total_seconds(),
        late_s=deadline.late.total_seconds(),
        warnings=[Warned(share=share, at=format_instant(at)) for share, at in deadline.warnings],
        earlier=list(one.earlier),
        lines=[_line(line) for line in one.lines],
    )


def _line(line: Line) -> ClockLine:
    return ClockLine(
        start=format_instant(line.start),
        end=format_instant(line.end),
        kind=line.kind,
        why=line.why,
        cause=line.cause,
        names=dict(line.names),
        wall_s=line.wall.total_seconds(),
        counts_s=line.counts.total_seconds(),
        used_s=line.used.total_seconds(),
    )
