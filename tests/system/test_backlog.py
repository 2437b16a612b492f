"""Four days without the cloud, then its return: 200 points at 10 s drain, and nothing else notices.

Real processes: plant, broker, cloud and gateway of the demo's site. Before the gateway starts, four days of samples are put
into its outbox. The figures are printed: `make proof ARGS=tests/system/test_backlog.py`.
"""

import asyncio
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from contract.codec import encode_record
from contract.conventions import instant_ms
from contract.messages import SampleBatch, SampleSeries
from edge.outbox.sqlite import Outbox
from simulators.stack import Stack
from tests.support.stack import running, ticket_for, until

POINTS, EVERY_S, DAYS = 200, 10, 4
SERIES = POINTS // EVERY_S
ROWS = DAYS * 86_400
WANTED_PER_S = 25_000
ALARM_WITHIN_MS = 2_000
GATEWAY_MB, CLOUD_MB = 300, 600
FAULTS = (
    ("feeder_1", "overload", "overcurrent"),
    ("lift_1", "drive_over_temperature", "drive_over_temperature"),
    ("incomer_1", "low_power_factor", "low_power_factor"),
)
AT = 1_111_111_111_111
"""Stands in a prepared body where the instant goes."""


def bodies(first_ms: int, rows: int) -> Iterator[tuple[int, int, bytes]]:
    """Sequence number, instant and record of each second: a tenth of the points each, as a gateway commits them."""
    prepared = [encode_record(_batch(tenth)) for tenth in range(EVERY_S)]
    for number in range(rows):
        at = first_ms + number * 1000
        yield number + 1, at, prepared[number % EVERY_S].replace(b"%d" % AT, b"%d" % at)


def _batch(tenth: int) -> SampleBatch:
    return SampleBatch(
        series=[
            SampleSeries(
                equipment=f"panel_{tenth}", point=f"current_{number}", device=f"meter_{tenth}", at=[AT],
                value=[round(100 + 7.3 * number + tenth / 10, 1)],
            )
            for number in range(SERIES)
        ]
    )  # fmt: skip


def fill(path: Path, rows: int, now_ms: int) -> int:
    """Put the backlog into the outbox as an epoch of its own; returns the epoch."""
    outbox = Outbox(path, now_ms)
    epoch = outbox.epoch
    outbox.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            "INSERT INTO outbox (lane, epoch, seq, at, samples, body) VALUES ('samples', ?, ?, ?, ?, ?)",
            ((epoch, seq, at, SERIES, body) for seq, at, body in bodies(now_ms - rows * 1000, rows)),
        )
        connection.execute("UPDATE epoch SET samples = ? WHERE epoch = ?", (rows, epoch))
    connection.close()
    return epoch


@dataclass
class Watch:
    """What is seen of the processes while the backlog drains."""

    stack: Stack
    peak: dict[str, float] = field(default_factory=dict)

    async def figures(self) -> dict[str, float]:
        """Samples taken so far and rows waiting, as the gateway's own metrics tell."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.stack.setup.ports.status}/metrics")).text
        found = re.findall(
            r'^(plantroom_edge_samples_total|plantroom_edge_outbox_records\{lane="samples"\}) (\S+)', text, re.MULTILINE
        )
        return {("taken" if "total" in name else "waiting"): float(value) for name, value in found}

    async def polls_per_s(self, seconds: float) -> float:
        before, began = await self.figures(), time.monotonic()
        await asyncio.sleep(seconds)
        return ((await self.figures())["taken"] - before["taken"]) / (time.monotonic() - began)

    async def drained(self) -> bool:
        for name in ("gateway", "cloud"):
            size = psutil.Process(self.stack.family.pid(name)).memory_info().rss / 1e6
            self.peak[name] = max(self.peak.get(name, 0), size)
        return (await self.figures())["waiting"] < 50


async def alarm_delays_ms(stack: Stack) -> list[int]:
    """From the gateway raising an alarm to the cloud having accepted it, for faults made while the backlog drains."""
    delays = []
    for equipment, fault, rule in FAULTS:
        await stack.change("inject", equipment, fault)
        ticket = await ticket_for(stack, equipment, rule)
        shown = await stack.cloud.get(f"/api/v1/tickets/{ticket.id}")
        delays.append(instant_ms(shown["received_at"]) - instant_ms(shown["raised_at"]))
    return delays


def arrived(stack: Stack, epoch: int) -> int:
    """How many numbers of the backlog the cloud holds without a gap."""
    connection = sqlite3.connect(stack.setup.folder / "cloud.db")
    query = "SELECT through FROM lane WHERE epoch = ? AND lane = 'samples'"
    (through,) = connection.execute(query, (epoch,)).fetchone()
    connection.close()
    return int(through)


async def drain(folder: Path, rows: int) -> dict[str, float]:
    """The whole story; its figures."""
    async with running(folder) as stack:
        watch = Watch(stack)
        await asyncio.sleep(5)
        quiet = await watch.polls_per_s(15)
        await stack.family.end("gateway")
        epoch = await asyncio.to_thread(fill, stack.setup.folder / "edge.db", rows, stack.clock.now_ms())
        await stack.start_gateway()
        began = time.monotonic()
        busy, delays = await asyncio.gather(watch.polls_per_s(20 if rows == ROWS else 5), alarm_delays_ms(stack))
        assert (await watch.figures())["waiting"] > 1000, "the alarms overtook a backlog that was still there"
        await until(watch.drained, "the backlog to drain", 1_500)
        took = time.monotonic() - began
        assert arrived(stack, epoch) == rows
    return {
        "samples/s": rows * SERIES / took, "s to drain": took, "slowest alarm, ms": max(delays), "samples/s polled before": quiet,
        "samples/s polled meanwhile": busy, "gateway, MB at most": watch.peak["gateway"], "cloud, MB at most": watch.peak["cloud"],
    }  # fmt: skip


@pytest.mark.proof
@pytest.mark.timeout(1_800)
async def test_a_four_day_backlog_drains_while_alarms_overtake_it_and_polling_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = await drain(tmp_path, ROWS)
    with capsys.disabled():
        sys.stdout.write("\n" + "".join(f"{value:12,.0f}  {name}\n" for name, value in figures.items()))
    assert figures["slowest alarm, ms"] < ALARM_WITHIN_MS
    assert figures["samples/s polled meanwhile"] >= 0.95 * figures["samples/s polled before"]
    assert figures["gateway, MB at most"] < GATEWAY_MB
    assert figures["cloud, MB at most"] < CLOUD_MB
    assert figures["samples/s"] >= WANTED_PER_S
