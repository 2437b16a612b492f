"""Beside every arrow of the cloud: its figures for Prometheus. No point, no equipment and no ticket is a label."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from sqlalchemy import Column, ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from cloud.escalation.figures import read as read_calls
from cloud.people.access import signed_in
from cloud.storage import tables as t
from cloud.telemetry.mover import Mover
from cloud.telemetry.store import Health, Store
from cloud.tickets.ticket import OPEN_STATES
from contract.conventions import EpochMs

router = APIRouter(include_in_schema=False)
_PATIENCE_S = 2.0
_PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-real-ip")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Figures of this process and its database. Anybody on this machine may read them; from elsewhere only who is signed in."""
    if not is_from_this_machine(request):
        await signed_in(request)
    return Response(await _exposition(request), media_type=CONTENT_TYPE_LATEST)


def is_from_this_machine(request: Request) -> bool:
    """Whether the caller is on loopback and no proxy says that it asks for another."""
    if request.client is None or any(name in request.headers for name in _PROXY_HEADERS):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """What one scrape reads."""

    now: EpochMs
    active_alarms: dict[str, int]
    open_tickets: dict[str, int]
    overdue_deadlines: int
    gateways: int
    silent_gateways: int
    waiting_records: int
    oldest_waiting_at: EpochMs | None
    quarantined_records: int
    store: Health
    thinned_records: int
    parked_samples: int

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' client asks for them."""
        yield _by("plantroom_cloud_active_alarms", "Alarms that are raised", "severity", self.active_alarms)
        yield _by("plantroom_cloud_open_tickets", "Tickets that are not closed", "priority", self.open_tickets)
        waited = 0 if self.oldest_waiting_at is None else max(0, self.now - self.oldest_waiting_at)
        for name, help_text, value in (
            ("overdue_deadlines", "Running clocks past their due instant", self.overdue_deadlines),
            ("gateways", "Gateways that may report", self.gateways),
            ("silent_gateways", "Gateways that stopped reporting", self.silent_gateways),
            ("history_backlog_records", "Committed sample records not yet in the history store", self.waiting_records),
            ("history_backlog_seconds", "Age of the oldest of them", waited / 1000),
            (
                "history_thinned_records",
                "Sample records dropped since the start because too much waited",
                self.thinned_records,
            ),
            ("history_parked_samples", "Samples refused by the history store since the start", self.parked_samples),
            ("quarantined_records", "Records that could not be read, kept with their reason", self.quarantined_records),
            ("history_store_up", "1 while the history store works", self.store.is_ok),
            ("history_points", "Points in the history store", self.store.points),
        ):
            yield GaugeMetricFamily(f"plantroom_cloud_{name}", help_text, float(value))


def _by(name: str, help_text: str, label: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family


async def _exposition(request: Request) -> bytes:
    """Counted anew at each scrape: the same from every replica."""
    state = request.app.state
    collectors = CollectorRegistry()
    ProcessCollector("plantroom_cloud", registry=collectors)
    now = state.clock.now_ms()
    async with state.database.read() as connection:
        figures = await _read(connection, now, await _health(state.store), state.mover)
        calls = await read_calls(connection, state.notifier.counts, now)
    collectors.register(figures)
    collectors.register(calls)
    return generate_latest(collectors)


async def _health(store: Store) -> Health:
    """A store that hangs holds up no scrape."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await store.health()
    except TimeoutError:
        return Health("history", is_ok=False, points=0, detail="no answer")


async def _read(connection: AsyncConnection, now: EpochMs, store: Health, mover: Mover) -> Figures:
    async def one(query: Select[*tuple[Any, ...]]) -> Any:  # noqa: ANN401  a count or an instant
        return (await connection.execute(query)).scalar()

    async def by(column: Column[Any], *where: ColumnElement[bool]) -> dict[str, int]:
        query = select(column, func.count()).where(*where).group_by(column)
        return {str(value): count for value, count in await connection.execute(query)}

    may_report = t.gateway.c.revoked_at.is_(None)
    is_waiting = t.record.c.applied_at.is_(None)
    is_overdue = (
        (t.deadline.c.state.in_(("running", "breached"))) & (t.deadline.c.due_at < now) & t.deadline.c.met_at.is_(None)
    )
    return Figures(
        now=now,
        active_alarms=await by(t.alarm.c.severity, t.alarm.c.state == "active"),
        open_tickets=await by(t.ticket.c.priority, t.ticket.c.state.in_(OPEN_STATES)),
        overdue_deadlines=await one(select(func.count()).select_from(t.deadline).where(is_overdue)),
        gateways=await one(select(func.count()).select_from(t.gateway).where(may_report)),
        silent_gateways=await one(
            select(func.count()).select_from(t.gateway).where(may_report, t.gateway.c.offline_since.is_not(None))
        ),
        waiting_records=await one(select(func.count()).select_from(t.record).where(is_waiting)),
        oldest_waiting_at=await one(select(func.min(t.record.c.received_at)).where(is_waiting)),
        quarantined_records=await one(select(func.count()).select_from(t.quarantine)),
        store=store,
        thinned_records=mover.thinned_records,
        parked_samples=mover.parked_samples,
    )
