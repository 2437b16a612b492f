"""Poll and decode alone: CPU for each 1,000 points, and the most devices kept. `bench_gateway` compares the whole path.

Each device has 40 float32 holding registers in two blocks, read once a second over its own connection.
"""

import asyncio
import contextlib
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

from benchmarks.result import Result
from device_profiles.schema import DeviceModel, Point
from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.acquire.reader import DeviceReader
from edge.clock import SystemClock
from edge.decode.sample import Moment, Sample
from edge.site import Binding, Bus, Device

BENCH = "acquire"
POINTS = 40
BLOCKS = (0, 100)
WARM_UP_S = 4.0
MEASURED_S = 5.0
MOST_DEVICES = 1500
TEXT = {"en": "point", "zh": "点"}


def meter() -> DeviceModel:
    """40 float32 in two blocks of 40 registers."""
    registers = {
        f"p{at}": {"table": "holding", "address": BLOCKS[at // 20] + at % 20 * 2, "type": "float32"}
        for at in range(POINTS)
    }
    return DeviceModel.model_validate(
        {
            "id": "meter", "equipment_class": "lv_switchgear", "name": "Meter", "maker": "Bench", "status": "unverified",
            "sources": ["made for this bench"], "protocol": "modbus", "registers": registers,
        }
    )  # fmt: skip


def devices(count: int, port: int) -> list[Device]:
    model = meter()
    point = Point.model_validate({"name": TEXT, "kind": "gauge", "unit": "V", "plausible": [-1e9, 1e9]})
    bus = Bus("bus", "tcp", host="127.0.0.1", port=port)
    bindings = tuple(
        Binding(name, "incomer_1", name, point, mapping, 1000, 15_000) for name, mapping in model.mappings.items()
    )
    return [Device(f"meter_{at}", model, replace(bus, id=f"bus_{at}"), 1, 1000, bindings) for at in range(count)]


class Counter:
    """A sink that only counts."""

    def __init__(self) -> None:
        self.points = self.good = 0

    async def put(self, samples: Sequence[Sample], _committed: Callable[[], None] | None = None) -> None:
        self.points += len(samples)
        self.good += sum(sample.value is not None for sample in samples)


class Quiet:
    """A log that nobody reads: 1,500 connections are no news here."""

    def bind(self, **_keys: object) -> "Quiet":
        return self

    def info(self, _event: str, **_keys: object) -> None: ...

    def warning(self, _event: str, **_keys: object) -> None: ...


@contextlib.contextmanager
def plant() -> Iterator[int]:
    """The simulated devices in a process of their own; their port."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.modbus_plant"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the simulated devices have no pipes")
        yield int(process.stdout.readline())
        process.stdin.close()


Work = Callable[[], Awaitable[None]]


async def measured(works: Sequence[Work], counter: Counter) -> tuple[float, float]:
    """CPU seconds for each 1,000 points, and points a second, of works that run side by side."""
    tasks = [asyncio.ensure_future(work()) for work in works]
    await asyncio.sleep(WARM_UP_S)
    points, cpu, wall = counter.points, time.process_time(), time.monotonic()
    await asyncio.sleep(MEASURED_S)
    points, cpu, wall = counter.points - points, time.process_time() - cpu, time.monotonic() - wall
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if counter.good < counter.points * 0.99 or points == 0:
        raise RuntimeError(f"only {counter.good} of {counter.points} points were read: the figure means nothing")
    return 1000 * cpu / points, points / wall


# --- what is compared ------------------------------------------------------------------------------------------------


def gateway(count: int, port: int, counter: Counter) -> list[Work]:
    """This gateway's acquisition: schedule, breaker, framing, decoding with quality, samples."""
    clock, board, log = SystemClock(), HealthBoard(), Quiet()
    return [ModbusBus(one.bus, [one], clock, counter, board, log).run for one in devices(count, port)]


def run() -> Iterator[Result]:
    """CPU for each 1,000 points at 200 devices, the most devices kept, and decoding alone."""
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most_files), most_files))
    with plant() as port:
        ours, _ = cost(gateway, 200, port)
        yield Result(BENCH, "200 devices, poll and decode", round(ours, 5), "CPU s/1000 points")
        _, rate = cost(gateway, MOST_DEVICES, port)
        wanted = 0.98 * MOST_DEVICES * POINTS
        yield Result.at_least(BENCH, f"{MOST_DEVICES} devices, poll and decode", round(rate), "points/s", wanted)
    yield Result(BENCH, "decode alone", round(decode_rate()), "points/s")


def cost(make: Callable[[int, int, Counter], list[Work]], count: int, port: int) -> tuple[float, float]:
    counter = Counter()
    return asyncio.run(measured(make(count, port, counter), counter))


def decode_rate() -> float:
    """Replies to samples on one core, nothing else."""
    one = DeviceReader(devices(1, 0)[0])
    requests = one.requests(1000)
    payload = struct.pack(">20f", *(220.0 + at for at in range(20)))
    now = Moment(0, 0)
    begun, points = time.process_time(), 0
    while time.process_time() - begun < 1.0:
        for compiled in requests:
            points += len(one.samples(compiled, payload, now))
    return points / (time.process_time() - begun)
