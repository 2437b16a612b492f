"""status page: the gateway's figures for Prometheus. No point and no equipment is a label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from contract.messages import Severity
from edge.outbox.sqlite import LANES

if TYPE_CHECKING:
    from edge.gateway import Parts


class _Figures:
    """Read at each scrape."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        parts = self._parts
        yield from self._outbox()
        answers = CounterMetricFamily(
            "plantroom_edge_cloud_answers", "What came back from the cloud", labels=["outcome"]
        )
        for outcome, count in parts.link.counts.items():
            answers.add_metric([outcome], count)
        yield answers
        yield GaugeMetricFamily("plantroom_edge_cloud_up", "1 while the cloud confirms", float(parts.link.is_up))
        yield GaugeMetricFamily(
            "plantroom_edge_disk_up", "1 while the outbox can be written", float(parts.cycle.is_disk_well)
        )
        yield CounterMetricFamily("plantroom_edge_samples", "Samples taken in", parts.cycle.taken)
        alarms = GaugeMetricFamily("plantroom_edge_active_alarms", "Raised alarms", labels=["severity"])
        active = parts.engine.active_alarms()
        for severity in Severity:
            alarms.add_metric([severity.value], sum(alarm.severity is severity for alarm in active))
        yield alarms
        yield CounterMetricFamily(
            "plantroom_edge_unreadable_messages", "MQTT messages that could not be read", parts.board.unreadable_total
        )
        yield from self._devices()

    def _outbox(self) -> Iterator[Metric]:
        now = self._parts.clock.now_ms()
        waiting = GaugeMetricFamily(
            "plantroom_edge_outbox_records", "Records the cloud has not committed", labels=["lane"]
        )
        age = GaugeMetricFamily("plantroom_edge_outbox_age_seconds", "Age of the oldest of them", labels=["lane"])
        for lane in LANES:
            depth = self._parts.outbox.outbox.depths[lane]
            waiting.add_metric([lane], depth.records)
            age.add_metric([lane], 0.0 if depth.oldest_ms is None else max(now - depth.oldest_ms, 0) / 1000)
        yield waiting
        yield age

    def _devices(self) -> Iterator[Metric]:
        share = GaugeMetricFamily(
            "plantroom_edge_device_answered_ratio", "Requests answered, last minute", labels=["device"]
        )
        for row in self._parts.board.rows(self._parts.clock.moment()):
            share.add_metric([row.device], row.answered_share)
        yield share


def registry(parts: Parts) -> CollectorRegistry:
    """A registry of this gateway alone."""
    found = CollectorRegistry(auto_describe=False)
    found.register(_Figures(parts))
    ProcessCollector(namespace="plantroom_edge", registry=found)
    return found


def exposition(figures: CollectorRegistry) -> bytes:
    """Prometheus text."""
    return generate_latest(figures)
