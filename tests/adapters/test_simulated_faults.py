"""Every misbehaviour of a simulated device, on every kind of wire: the real gateway takes no wrong value and recovers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contract.messages import Quality
from edge.decode.sample import Sample
from edge.site import Bus, Device
from simulators.clock import SystemClock
from simulators.modbus_device import Misbehaviour, ModbusServer, Table
from simulators.raw_frames import MBAP, RTU
from simulators.raw_reply import FAULTS
from simulators.raw_udp import UdpServer
from simulators.rtu import SerialServer
from tests.support.buses import Running, own_addresses, running, wrong

KINDS = ("tcp", "udp", "rtu_over_tcp", "rtu")
pytestmark = pytest.mark.timeout(120)
POINTS = 24
LATE_S = 0.4
"""Longer than the device's time limit of 250 ms, so that answers come after the next question."""
HOWS = {
    **{fault: Misbehaviour(fault) for fault in FAULTS if fault not in ("none", "restart")},  # type: ignore[arg-type]
    "slow": Misbehaviour("slow", delay_s=0.05),
    "too_slow": Misbehaviour("slow", delay_s=LATE_S),
    "late": Misbehaviour("late", delay_s=LATE_S),
    "late_at_times": Misbehaviour("late", delay_s=LATE_S, every=3),
    "garbage_at_times": Misbehaviour("garbage", every=2),
    "noise_at_times": Misbehaviour("noise", every=2),
    "truncated_at_times": Misbehaviour("truncated", every=3),
    "exception_of_memory": Misbehaviour("exception", code=8),
}
HARMLESS = {
    "tcp": {"slow", "duplicate", "split"},
    "udp": {"slow", "duplicate"},
    "rtu": {"slow", "duplicate", "split", "wrong_transaction"},
    "rtu_over_tcp": {"slow", "duplicate", "split", "wrong_transaction"},
}
"""What costs time and no value. A datagram in pieces is worth nothing, and a serial line has no transaction number."""


class OwnAddresses:
    """Each register holds its own address, so that a value on the wrong point shows."""

    def read(self, table: Table, first: int, count: int) -> list[int]:
        return list(range(first, first + count))


Server = ModbusServer | UdpServer | SerialServer


async def started(kind: str, folder: Path) -> tuple[Server, Bus]:
    """Two devices on a wire of this kind, and the gateway's bus that leads there."""
    devices, clock = {1: OwnAddresses(), 2: OwnAddresses()}, SystemClock()
    if kind == "rtu":
        line = SerialServer(clock, devices, link=folder / "ttyS3", seed=7)
        await line.start()
        return line, Bus("line", "rtu", serial_port=str(line.link), baud=115_200)
    framing = RTU if kind == "rtu_over_tcp" else MBAP
    server = UdpServer(clock, devices, seed=7) if kind == "udp" else ModbusServer(clock, devices, framing, seed=7)
    await server.start()
    return server, Bus("line", kind, host="127.0.0.1", port=server.port, baud=115_200)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def served(kind: str, folder: Path) -> AsyncIterator[tuple[Server, Bus]]:
    server, bus = await started(kind, folder)
    try:
        yield server, bus
    finally:
        await server.stop()


def both(bus: Bus) -> list[Device]:
    """Two devices on the same wire, three questions each: late answers find questions they could be taken for."""
    return [
        own_addresses(POINTS, bus, unit=unit, name=f"meter_{unit}", every_ms=250, max_registers=8, timeout="250ms")
        for unit in (1, 2)
    ]


def good(one: Running, device: str) -> list[Sample]:
    return [sample for sample in one.basket.samples if sample.device == device and sample.quality is Quality.GOOD]


async def suffer(kind: str, how: str, folder: Path) -> str:
    """One gateway, one wire, one misbehaviour that comes and goes; what was not as it should be."""
    async with served(kind, folder) as (bank, bus), running(bus, *both(bus)) as one:
        await one.basket.until(lambda: len(good(one, "meter_1")) >= POINTS, seconds=30)
        bank.misbehave(1, HOWS[how])
        before, asked = len(one.basket.samples), bank.requests
        await one.basket.until(
            lambda: bank.requests >= asked + 6 and len(one.basket.samples) >= before + 2 * POINTS, seconds=40
        )
        meanwhile = {sample.quality for sample in one.basket.samples[before:] if sample.device == "meter_1"}
        bank.misbehave(1)
        recovered = len(good(one, "meter_1"))
        await one.basket.until(lambda: len(good(one, "meter_1")) >= recovered + 2 * POINTS, seconds=40)
        if (Quality.GOOD if how in HARMLESS[kind] else Quality.BAD) not in meanwhile:
            return f"{how}: {meanwhile} while it lasted"
        return "".join(f"{how}: {sample}" for sample in wrong(one.basket.samples))


@pytest.mark.parametrize("kind", KINDS)
async def test_no_misbehaviour_passes_for_a_value_and_each_is_recovered_from_on(kind: str, tmp_path: Path) -> None:
    """All of them side by side, each with a wire and a gateway of its own: they mostly wait."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(suffer(kind, how, tmp_path / how)) for how in HOWS]
    assert [task.result() for task in tasks if task.result()] == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_wire_that_vanishes_and_comes_back_is_read_again(kind: str, tmp_path: Path) -> None:
    async with served(kind, tmp_path) as (bank, bus), running(bus, *both(bus)) as one:
        await one.basket.until(lambda: len(good(one, "meter_1")) >= POINTS, seconds=30)
        await asyncio.wait_for(bank.restart(0.3), 5)
        before = len(good(one, "meter_1"))
        await one.basket.until(lambda: len(good(one, "meter_1")) >= before + 2 * POINTS, seconds=40)
        assert wrong(one.basket.samples) == []
