"""The whole gateway with stand-in buses: it starts, survives a bus that breaks, delivers, and stops in order."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import structlog

from contract.codec import decode_envelope, decode_record, encode_receipt, inflate
from contract.messages import (
    AlarmRaised,
    Committed,
    DeviceAnnounced,
    GatewayStatus,
    Receipt,
    Record,
    SampleBatch,
)
from edge.acquire.health import HealthBoard
from edge.clock import Clock, SystemClock
from edge.cycle import Intake
from edge.errors import Misconfigured
from edge.gateway import Parts, run_gateway
from edge.outbox.sqlite import Outbox
from edge.site import Bus, Device, Site, StatusPage
from tests.support.plant import Bench, make_class, make_gateway, make_site, rule

OF = make_class(rules={"overload": rule("load > load_max")})


class Desk(httpx.AsyncBaseTransport):
    """A cloud that commits everything it gets."""

    def __init__(self) -> None:
        self.records: list[tuple[str, Record]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        envelope = decode_envelope(inflate(await request.aread()))
        self.records += [(envelope.lane, decode_record(body)) for body in envelope.records]
        through = envelope.first + len(envelope.records) - 1
        committed = [Committed(epoch=envelope.epoch, lane=envelope.lane, through=through)]
        at = "2026-11-21T07:05:00.123Z"
        return httpx.Response(
            200, content=encode_receipt(Receipt(contract=1, gateway="gw_1", server_time=at, committed=committed))
        )

    def events(self) -> list[Record]:
        return [record for lane, record in self.records if lane == "events"]


class Feeder:
    """A bus that reads one overload and then fails, each time it is started."""

    starts = 0

    def __init__(self, clock: Clock, sink: Intake) -> None:
        self.clock, self.sink = clock, sink

    async def run(self) -> None:
        Feeder.starts += 1
        bench = Bench(OF)
        bench.now = self.clock.moment()
        await self.sink.put([bench.sample("load", 101.0)])
        raise RuntimeError("a mistake nobody foresaw")


def factory(_bus: Bus, _devices: Sequence[Device], clock: Clock, sink: Intake, _board: HealthBoard) -> Feeder:
    return Feeder(clock, sink)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "credential").write_text("secret")
    gateway = make_gateway(cloud="http://desk", credential_file=tmp_path / "credential")
    return replace(make_site(OF), gateway=gateway)


async def run_until(site: Site, folder: Path, desk: Desk, reached: Callable[[], bool]) -> None:
    task = asyncio.create_task(
        run_gateway(site, clock=SystemClock(), data=folder, transport=desk, bus_factory=factory, page=None)
    )
    async with asyncio.timeout(20):
        while not reached():
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_fault_reaches_the_cloud_behind_the_announcement_with_its_samples(site: Site, tmp_path: Path) -> None:
    desk = Desk()
    wanted = {SampleBatch, AlarmRaised, GatewayStatus}  # two lanes: which of them comes first is open
    await run_until(site, tmp_path, desk, lambda: wanted <= {type(one) for _, one in desk.records})
    assert isinstance(desk.events()[0], DeviceAnnounced)


async def test_a_bus_that_breaks_is_told_and_stops_nothing(site: Site, tmp_path: Path) -> None:
    desk = Desk()
    with structlog.testing.capture_logs() as lines:
        await run_until(site, tmp_path, desk, lambda: any(isinstance(one, AlarmRaised) for one in desk.events()))
    (failed,) = [line for line in lines if line["event"] == "bus_failed"]
    assert failed["bus"] == "lan"
    assert failed["log_level"] == "error"


async def test_a_gateway_stopped_in_order_goes_on_where_it_was(site: Site, tmp_path: Path) -> None:
    desk = Desk()
    await run_until(site, tmp_path, desk, lambda: any(isinstance(one, AlarmRaised) for one in desk.events()))
    saved = Outbox(tmp_path / "edge.db", 0).load_state()
    assert {"alarms/pump_1", "values/pump_1"} <= set(saved)
    again = Desk()
    await run_until(site, tmp_path, again, lambda: any(isinstance(one, SampleBatch) for _, one in again.records))
    raised = [{one.raised_at for one in each.events() if isinstance(one, AlarmRaised)} for each in (desk, again)]
    assert raised[1] <= raised[0]  # active already: not raised again, though what was not yet confirmed is told again


async def test_a_taken_status_port_is_told_with_its_number(site: Site, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = replace(site, gateway=replace(site.gateway, status=StatusPage("127.0.0.1", port, None)))
        with pytest.raises(ExceptionGroup) as caught:
            await run_gateway(busy, clock=SystemClock(), data=tmp_path, transport=Desk(), bus_factory=factory)
    found = caught.value.exceptions[0]
    assert isinstance(found, Misconfigured)
    assert str(port) in str(found)


async def test_without_a_cloud_the_gateway_works_alone(site: Site, tmp_path: Path) -> None:
    alone = replace(site, gateway=replace(site.gateway, cloud=None))
    seen: list[Parts] = []

    async def page(parts: Parts) -> None:
        seen.append(parts)
        await asyncio.Event().wait()

    task = asyncio.create_task(
        run_gateway(alone, clock=SystemClock(), data=tmp_path, bus_factory=factory, page=page, inline=True)
    )
    async with asyncio.timeout(20):
        while not (seen and seen[0].engine.active_alarms()):
            await asyncio.sleep(0.01)
    assert seen[0].deliveries == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
