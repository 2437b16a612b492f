"""Beside escalation: its figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.escalation import showing
from contract.conventions import EpochMs

OUTCOMES = ("sent", "failed", "given_up", "repeated")


@dataclass(frozen=True, slots=True, eq=False)
class CallFigures:
    """What one scrape says of calls: ``counts`` of this process, the rest from the database, the same from every replica."""

    counts: Mapping[str, int]
    waiting: int
    late_s: float
    unreached: int

    def collect(self) -> Iterator[Metric]:
        """As Prometheus' client asks for them."""
        sent = CounterMetricFamily(
            "plantroom_cloud_notices", "Messages of this process since its start", labels=["outcome"]
        )
        for outcome in OUTCOMES:
            sent.add_metric([outcome], self.counts.get(outcome, 0))
        yield sent
        yield GaugeMetricFamily("plantroom_cloud_waiting_notices", "Messages that wait to be sent", self.waiting)
        yield GaugeMetricFamily(
            "plantroom_cloud_notice_delay_seconds", "How late the longest waiting one of them is", self.late_s
        )
        yield GaugeMetricFamily(
            "plantroom_cloud_unreached_tickets", "Open tickets of which nobody could be told", self.unreached
        )


async def read(connection: AsyncConnection, counts: Mapping[str, int], now: EpochMs) -> CallFigures:
    waiting, late_s = await showing.pending(connection, now)
    return CallFigures(counts, waiting, late_s, len(await showing.troubled(connection)))
