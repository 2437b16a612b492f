"""Reports → people who write programs: figures as the API shows them. Every share comes with its sum."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field

from cloud.reports import figures as f
from cloud.reports.figures import POPULATIONS, ClockRow, Group, outcome
from cloud.reports.reading import Figures
from cloud.tickets.ticket import ticket_name
from contract.conventions import EpochMs, format_instant

_AT = "2026-11-21T07:05:00.123Z"


class ShareShown(BaseModel):
    """So many of so many; ``percent`` is null when there is nothing to take a share of."""

    numerator: int = Field(examples=[38])
    denominator: int = Field(examples=[40])
    percent: float | None = Field(examples=[95.0])


class DurationsShown(BaseModel):
    """Seconds, exact to the millisecond; null when nothing was measured."""

    model_config = ConfigDict(from_attributes=True)
    count: int = Field(examples=[40])
    mean_s: float | None = Field(examples=[2911.402])
    p50_s: float | None = Field(examples=[2402.118])
    p90_s: float | None = Field(examples=[6120.0])
    p95_s: float | None = Field(examples=[7198.455])
    max_s: float | None = Field(examples=[9310.007])


class ClockFiguresShown(BaseModel):
    """One clock: ``met + breached + running`` is ``due``; ``left_out`` is not in it and says why."""

    clock: str = Field(examples=["response"])
    due: int = Field(examples=[42])
    met: int = Field(examples=[38])
    breached: int = Field(examples=[2])
    running: int = Field(examples=[2])
    in_time: ShareShown
    left_out: dict[str, int] = Field(examples=[{"cancelled": 1}])
    elapsed: DurationsShown
    working: DurationsShown
    since_began: DurationsShown


class TicketFiguresShown(BaseModel):
    """Tickets opened in the period."""

    opened: int = Field(examples=[42])
    past: int = Field(examples=[1])
    left_out: dict[str, int] = Field(examples=[{"merged": 1}])
    handled: ShareShown = Field(description="resolved or closed by now; clause m-2.1.3-95 asks 95 % of complaints")
    reopened: ShareShown
    repeats: ShareShown
    news_late: DurationsShown


class GroupShown(BaseModel):
    """All figures of one group; of everything together where ``key`` is null."""

    key: str | None = Field(examples=["fire"])
    ordinary: list[ClockFiguresShown]
    life_safety: list[ClockFiguresShown]
    past: list[ClockFiguresShown] = Field(description="faults that were over before the cloud heard of them")
    tickets: TicketFiguresShown


class PointShown(BaseModel):
    """Open tickets at an instant."""

    at: str = Field(examples=[_AT])
    count: int = Field(examples=[17])


class AgeShown(BaseModel):
    """Open tickets of one class of age, in hours; ``up_to_h`` null: any age above."""

    over_h: int = Field(examples=[24])
    up_to_h: int | None = Field(examples=[72])
    count: int = Field(examples=[5])


class RepeatsShown(BaseModel):
    """Equipment whose faults came again within 30 days."""

    site: str = Field(examples=["riverside"])
    equipment: str = Field(examples=["lift_1"])
    tickets: int = Field(examples=[6])
    repeats: int = Field(examples=[4])


class PeriodShown(BaseModel):
    """Whole days, both included, in one zone, and the instants at which they begin and end."""

    first: str = Field(alias="from", examples=["2026-10-01"])
    last: str = Field(alias="to", examples=["2026-10-31"])
    zone: str = Field(examples=["Asia/Shanghai"])
    starts_at: str = Field(examples=["2026-09-30T16:00:00.000Z"])
    ends_at: str = Field(examples=["2026-10-31T16:00:00.000Z"])


class FiguresShown(BaseModel):
    """Figures of a period at ``at``; what each means: docs/figures.md."""

    period: PeriodShown
    site: str = Field(examples=[""])
    by: str = Field(examples=["system"])
    at: str = Field(examples=[_AT])
    total: GroupShown
    groups: list[GroupShown]
    backlog: list[PointShown]
    ages: list[AgeShown]
    repeats: list[RepeatsShown]
    before: GroupShown | None = Field(description="the totals of the period before, where asked for")


class ClockBehind(BaseModel):
    """One clock that a number counts. Instants are UTC; ``clocks_url`` shows every line of its sum."""

    ticket: str = Field(examples=["T-000123"])
    clocks_url: str = Field(examples=["/api/v1/tickets/T-000123/clocks"])
    clock: str = Field(examples=["response"])
    activation: int = Field(examples=[1])
    outcome: str = Field(examples=["breached"])
    start_at: str = Field(examples=[_AT])
    due_at: str | None = Field(examples=[_AT])
    stopped_at: str | None = Field(examples=[_AT])
    breached_at: str | None = Field(examples=[_AT])
    used_s: float = Field(examples=[7260.5])


class BehindShown(BaseModel):
    """The clocks that a number counts, those due first before others; ``count`` is that number."""

    count: int = Field(examples=[2])
    clocks: list[ClockBehind]


def shown(found: Figures, before: Figures | None = None) -> FiguresShown:
    """Figures as the API shows them."""
    period = found.asked.period
    told = PeriodShown(
        **{"from": period.first.isoformat(), "to": period.last.isoformat()},
        zone=period.zone.key, starts_at=format_instant(period.start), ends_at=format_instant(period.end),
    )  # fmt: skip
    return FiguresShown(
        period=told, site=found.asked.site, by=found.asked.by, at=format_instant(found.now),
        total=_group(found.total), groups=[_group(one) for one in found.groups],
        backlog=[PointShown(at=format_instant(one.at), count=one.count) for one in found.backlog.points],
        ages=[AgeShown(**asdict(one)) for one in found.backlog.ages],
        repeats=[RepeatsShown(**asdict(one)) for one in found.worst],
        before=_group(before.total) if before is not None else None,
    )  # fmt: skip


def _group(group: Group) -> GroupShown:
    clocks = {of: [_clock(one) for one in group.clocks[of]] for of in POPULATIONS}
    return GroupShown(key=group.key, **clocks, tickets=_tickets(group.tickets))


def _clock(one: f.ClockFigures) -> ClockFiguresShown:
    return ClockFiguresShown(
        clock=one.clock, due=one.due, met=one.met, breached=one.breached, running=one.running, in_time=_share(one.in_time),
        left_out=dict(one.left_out), elapsed=_durations(one.elapsed), working=_durations(one.working),
        since_began=_durations(one.since_began),
    )  # fmt: skip


def _tickets(one: f.TicketFigures) -> TicketFiguresShown:
    return TicketFiguresShown(
        opened=one.opened, past=one.past, left_out=dict(one.left_out), handled=_share(one.handled), reopened=_share(one.reopened),
        repeats=_share(one.repeats), news_late=_durations(one.news_late),
    )  # fmt: skip


def _share(one: f.Share) -> ShareShown:
    percent = None if one.percent is None else round(one.percent, 3)
    return ShareShown(numerator=one.numerator, denominator=one.denominator, percent=percent)


def _durations(one: f.Durations) -> DurationsShown:
    return DurationsShown.model_validate(one)


def clock_behind(row: ClockRow, now: EpochMs) -> ClockBehind:
    """One clock as the API shows it."""
    name = ticket_name(row.ticket)
    return ClockBehind(
        ticket=name, clocks_url=f"/api/v1/tickets/{name}/clocks", clock=row.clock, activation=row.activation,
        outcome=outcome(row, now), start_at=format_instant(row.start_at), due_at=_instant(row.due_at),
        stopped_at=_instant(row.met_at), breached_at=_instant(row.breached_at), used_s=row.used_s,
    )  # fmt: skip


def _instant(at: EpochMs | None) -> str | None:
    return None if at is None else format_instant(at)
