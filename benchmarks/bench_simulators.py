"""Simulated devices per core at 1 s: the plant's own servers with physics, against the same loop without physics.

Each device is a meter of 30 points in two blocks, asked once a second over one connection for every fifty. Figures come from the
server's own CPU time, so that who else works on the machine does not matter; the one who asks is another process.
"""

import asyncio
import contextlib
import json
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.result import Result
from device_profiles.library import load
from simulators.clock import SystemClock
from simulators.modbus_device import Bank, Table
from simulators.plant import PlantServers, SimulatedPlant
from simulators.raw_frames import Request
from simulators.site import build_site

BENCH = "simulators"
DEVICES, PER_BUS = 1000, 50
BLOCKS = ((0, 72), (234, 16))
POINTS = 30
MEASURED_S, WARM_UP_S = 8.0, 3.0
LEAST_DEVICES = 1000
MOST_TIMES = 6.0
"""How many times the bare loop's CPU the physics may cost."""


def site(devices: int) -> dict[str, Any]:
    """So many SDM630 meters, fifty to a bus."""
    buses = -(-devices // PER_BUS)
    return {
        "site": {"id": "bench", "name": "Bench", "zone": "Asia/Shanghai"}, "gateway": {"id": "gw_1"},
        "equipment": [{"id": f"e_{at}", "class": "lv_switchgear", "ratings": {"rated_a": 630}} for at in range(devices)],
        "buses": [{"id": f"b_{at}", "modbus": "tcp", "host": "127.0.0.1", "port": 0} for at in range(buses)],
        "devices": [
            {"id": f"d_{at}", "model": "eastron_sdm630", "bus": f"b_{at // PER_BUS}", "address": at % PER_BUS + 1,
             "equipment": f"e_{at}", "every": "1s"}
            for at in range(devices)
        ],
    }  # fmt: skip


class Still:
    """The same server without physics: words that never change."""

    def __init__(self) -> None:
        self._words = list(range(400))

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """As a device answers."""
        del table
        return self._words[first : first + count]


async def serve(kind: str) -> None:
    """The child process: serve, tell the ports, then CPU seconds and requests whenever asked."""
    plant = SimulatedPlant(build_site(site(DEVICES), load()), SystemClock())
    servers = PlantServers(plant, SystemClock())
    await servers.start_modbus()
    banks = [servers.server(bus) for bus in plant.site.buses]
    if kind == "bare":
        for bank in banks:
            bank.devices = dict.fromkeys(bank.devices, Still())
    print(json.dumps([getattr(bank, "port", 0) for bank in banks]), flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps([time.process_time(), sum(bank.requests for bank in banks)]), flush=True)
    await servers.stop_modbus()


async def ask(port: int, offset_s: float) -> None:
    """Every device of one bus once a second, one request at a time as a gateway does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic() + offset_s
    while True:
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += 1.0
        for unit in range(1, PER_BUS + 1):
            for first, count in BLOCKS:
                writer.write(struct.pack(">HHHBBHH", 1, 0, 6, unit, 4, first, count))
                await reader.readexactly(9 + 2 * count)


async def asked(ports: list[int], child: subprocess.Popen[str]) -> tuple[float, float]:
    """CPU seconds of the server for each second, and requests for each second."""
    tasks = [asyncio.ensure_future(ask(port, at / len(ports))) for at, port in enumerate(ports)]
    await asyncio.sleep(WARM_UP_S)
    before, begun = figures(child), time.monotonic()
    await asyncio.sleep(MEASURED_S)
    after, took = figures(child), time.monotonic() - begun
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return (after[0] - before[0]) / took, (after[1] - before[1]) / took


def figures(child: subprocess.Popen[str]) -> tuple[float, int]:
    """What the server has used and answered so far."""
    if child.stdin is None or child.stdout is None:
        raise RuntimeError("the simulated devices have no pipes")
    child.stdin.write("\n")
    child.stdin.flush()
    cpu_s, requests = json.loads(child.stdout.readline())
    return cpu_s, requests


@contextlib.contextmanager
def served(kind: str) -> Iterator[tuple[list[int], subprocess.Popen[str]]]:
    """The servers in a process of their own."""
    command = [sys.executable, "-m", "benchmarks.bench_simulators", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        if child.stdin is None or child.stdout is None:
            raise RuntimeError("the simulated devices have no pipes")
        yield json.loads(child.stdout.readline()), child
        child.stdin.close()


def per_core(kind: str) -> tuple[float, float]:
    """Devices that one core would serve at 1 s, and the share of the wanted requests that came."""
    with served(kind) as (ports, child):
        share, rate = asyncio.run(asked(ports, child))
    wanted = DEVICES * len(BLOCKS)
    return rate / len(BLOCKS) / share, rate / wanted


def run() -> Iterator[Result]:
    """1,000 devices in one process with physics, the same loop bare, and reading alone."""
    living, kept = per_core("living")
    bare, _ = per_core("bare")
    yield Result(
        BENCH, "1000 devices in one process: share of the polls kept, as busy as this machine is", round(kept, 3), ""
    )
    yield Result.at_least(BENCH, "devices at 1 s, 30 points", round(living), "devices/core", LEAST_DEVICES)
    yield Result(BENCH, "the same loop without physics", round(bare), "devices/core")
    yield Result.at_most(BENCH, "physics against the bare loop", round(bare / living, 2), "times the CPU", MOST_TIMES)
    yield Result(BENCH, "a read of 30 points without its wire", round(1e6 * alone_s(), 1), "us")


class Stepped(SystemClock):
    """A clock that a bench moves."""

    def __init__(self) -> None:
        self.at_ms = 1_795_000_000_000

    def now_ms(self) -> int:
        """What it was moved to."""
        return self.at_ms


def alone_s() -> float:
    """CPU seconds of one device's poll when nothing but physics and registers works: what a virtual year pays."""
    clock = Stepped()
    plant = SimulatedPlant(build_site(site(PER_BUS), load()), clock)
    servers = PlantServers(plant, clock)
    bank = Bank({int(one.address): servers.registers(one) for one in plant.site.devices})
    questions = [struct.pack(">BHH", 4, first, count) for first, count in BLOCKS]
    begun, polls = time.process_time(), 0
    while time.process_time() - begun < 2.0:
        clock.at_ms += 1000
        for unit in bank.devices:
            for question in questions:
                bank.quick_answer(Request(1, unit, question))
            polls += 1
    return (time.process_time() - begun) / polls


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
