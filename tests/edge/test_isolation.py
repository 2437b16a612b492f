"""Neither side of a gateway slows the other: a line to the cloud that is dead for a day, and a plant that is."""

import asyncio
import gc
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import pytest
import structlog

from contract.codec import ANSWER_DIGEST, decode_envelope, digest, encode_receipt, inflate
from contract.conventions import format_instant
from contract.messages import Committed, Receipt
from edge.acquire.health import HealthBoard
from edge.clock import Clock
from edge.cycle import Intake
from edge.gateway import Parts, run_gateway
from edge.site import Bus, Device, Site
from simulators.clock import VirtualClock, run_virtual
from tests.support.plant import Bench, make_class, make_gateway, make_site, rule

OF = make_class(rules={"overload": rule("load > load_max")})
POLL_S = 5.0
HOUR_S = 3_600


@dataclass
class North(httpx.AsyncBaseTransport):
    """The way to a cloud that commits everything. ``how`` says what becomes of a request."""

    clock: VirtualClock
    how: str = "well"
    heard_ms: list[int] = field(default_factory=list)
    tried: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.tried += 1
        if self.how == "refused":
            raise httpx.ConnectError("nobody is there", request=request)
        if self.how == "silent":
            await self.clock.sleep(30)
            raise httpx.ReadTimeout("no answer", request=request)
        sent = await request.aread()
        envelope = decode_envelope(inflate(sent))
        self.heard_ms.append(self.clock.now_ms())
        through = envelope.first + len(envelope.records) - 1
        committed = [Committed(epoch=envelope.epoch, lane=envelope.lane, through=through)]
        at = format_instant(self.clock.now_ms())
        body = encode_receipt(Receipt(contract=1, gateway="gw_1", server_time=at, committed=committed))
        return httpx.Response(200, content=body, headers={ANSWER_DIGEST: digest(sent, body)})


@dataclass
class South:
    """A bus that reads on a grid; ``how`` says whether its device answers, or the bus itself falls over."""

    clock: Clock
    sink: Intake
    how: str
    polled_ms: list[int]

    async def run(self) -> None:
        bench, number = Bench(OF), 0
        while True:
            if self.how == "hangs":
                await asyncio.Event().wait()
            if self.how == "breaks":
                raise RuntimeError("a mistake nobody foresaw")
            bench.now = self.clock.moment()
            self.polled_ms.append(bench.now.steady_ms)
            number += 1
            await self.sink.put([bench.sample("load", 50.0 + number % 7)])
            await self.clock.sleep(POLL_S)


@dataclass
class Day:
    """What one run left: when the plant was polled, when the cloud heard, and what the process held at its end."""

    polled_ms: list[int]
    heard_ms: list[int]
    tried: int
    in_memory: int
    waiting: int
    grown: int


async def live(folder: Path, hours: float, north: str, south: str) -> Day:
    clock = VirtualClock(1_795_000_000_000)
    line, polled = North(clock, north), list[int]()
    (folder / "credential").write_text("secret")
    site: Site = replace(
        make_site(OF), gateway=make_gateway(cloud="http://desk", credential_file=folder / "credential")
    )  # fmt: skip
    held = asyncio.get_running_loop().create_future()

    async def beside(parts: Parts) -> None:
        held.set_result(parts)

    def factory(_bus: Bus, _devices: Sequence[Device], its: Clock, sink: Intake, _board: HealthBoard) -> South:
        return South(its, sink, south, polled)

    work = run_gateway(
        site, clock=clock, data=folder, transport=line, bus_factory=factory, page=None, inline=True, jitter=lambda: 0.5,
        beside={"test": beside},
    )  # fmt: skip
    task = asyncio.create_task(work)
    parts: Parts = await held
    await clock.sleep(HOUR_S / 2)
    early = objects()
    await clock.sleep((hours - 0.5) * HOUR_S)
    grown = objects() - early
    unsaved = parts.cycle.unsaved
    in_memory = len(unsaved.samples) + len(unsaved.events) + parts.cycle.intake.waiting
    waiting = sum(depth.records for depth in parts.outbox.outbox.depths.values())
    task.cancel()
    await asyncio.wait([task])
    return Day(polled, line.heard_ms, line.tried, in_memory, waiting, grown)


def objects() -> int:
    """How many containers the process holds: records, samples and their lists are such."""
    gc.collect()
    return len(gc.get_objects())


def day(folder: Path, hours: float, north: str = "well", south: str = "well") -> Day:
    folder.mkdir()
    structlog.configure(processors=[_drop])
    try:
        return run_virtual(live(folder, hours, north, south))
    finally:
        structlog.reset_defaults()


def _drop(_logger: object, _method: str, _event: object) -> str:
    raise structlog.DropEvent


LENGTHS = [pytest.param(0.75, id="three quarters of an hour"), pytest.param(24.0, id="a day", marks=pytest.mark.proof)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["refused", "silent"])
@pytest.mark.parametrize("hours", LENGTHS)
def test_a_dead_line_to_the_cloud_changes_no_poll_and_fills_no_memory(tmp_path: Path, hours: float, how: str) -> None:
    usual, cut = day(tmp_path / "usual", hours), day(tmp_path / "cut", hours, north=how)
    assert cut.polled_ms == usual.polled_ms, "the very same instants"
    assert len(cut.polled_ms) >= hours * HOUR_S / POLL_S
    assert cut.heard_ms == []
    assert cut.waiting >= hours * HOUR_S / POLL_S, "what was read waits on the disk"
    assert cut.in_memory <= 10
    assert cut.grown < 1_000, "whatever waits, the process holds no more than after half an hour"
    assert cut.tried < hours * 200, "two lanes, each at most about once a minute"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["hangs", "breaks"])
@pytest.mark.parametrize("hours", LENGTHS)
def test_a_dead_plant_changes_no_heartbeat(tmp_path: Path, hours: float, how: str) -> None:
    dead = day(tmp_path / "dead", hours, south=how)
    gaps_ms = [later - earlier for earlier, later in zip(dead.heard_ms, dead.heard_ms[1:], strict=False)]
    assert max(gaps_ms) <= 10_000, "the promised interval is kept"
    assert len(dead.heard_ms) >= hours * HOUR_S / 10
    assert dead.polled_ms == []


def test_what_waited_through_the_night_is_numbered_without_a_gap(tmp_path: Path) -> None:
    day(tmp_path / "cut", 1.0, north="refused")
    connection = sqlite3.connect(tmp_path / "cut" / "edge.db")
    for lane in ("events", "samples"):
        (seqs,) = zip(
            *connection.execute("SELECT seq FROM outbox WHERE lane = ? ORDER BY epoch, seq", (lane,)), strict=True
        )
        assert list(seqs) == list(range(1, len(seqs) + 1))
    connection.close()
