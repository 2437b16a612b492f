"""The whole path: what `plantroom-edge run` takes to read, decode, judge and keep, next to bare loops that only read and publish.

Every device is a switchgear panel of 40 float32 holding registers in two blocks, read once a second over its own connection. The
gateway judges each with the shipped rules of its class and its points count once they lie in the outbox on disk. The bare loops read
the same blocks, unpack the floats and publish one JSON message a device and second to a real broker: no quality, no rules, no memory.
All run as processes of their own, one after the other, beside the same simulated devices. PLANTROOM_BENCH_FULL=1 watches ten minutes.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contest import (
    BareLoop,
    Contender,
    Cost,
    Gateway,
    broker,
    cost_of,
    grown_mb,
    plant,
    request_ceiling,
    resident,
)
from benchmarks.modbus_plant import PANEL
from benchmarks.result import Result

BENCH = "gateway"
MEASURED_AT = (20, 200, 1000, 1500)
COMPARED_AT = 200
MOST_MB = 80
MOST_GROWN_MB = 3
"""In ten minutes; what a sawtooth of reading and committing leaves at one instant or another is half of it."""
FIRST_S = 1.0
IS_FULL = bool(os.environ.get("PLANTROOM_BENCH_FULL"))
WARM_UP_S = 7.0
MEASURED_S = 30.0 if IS_FULL else 8.0
SLOPE_S = 600.0
POINTS = len(PANEL)
UNIT = "CPU s/1000 points"


def watch(one: Contender) -> Cost:
    try:
        return cost_of(one, WARM_UP_S, MEASURED_S)
    finally:
        one.stop()


def bare(kind: str, port: int, devices: int, broker_port: int) -> tuple[Cost, list[Result]]:
    """What a script costs, and whether it keeps up: one that falls behind reads many answers at once, which is cheaper."""
    cost = watch(BareLoop(kind, port, devices, broker_port))
    name = f"{devices} devices, bare {kind} loop"
    return cost, [
        Result(BENCH, name, round(cost.cpu_s_per_1000, 5), UNIT),
        Result(BENCH, name, round(cost.points_per_s), "points/s"),
    ]


def ours(port: int, devices: int, script: Cost) -> Iterator[Result]:
    """CPU against the script in the same run, points a second, memory, and how soon the first value was read."""
    folder = Path(tempfile.mkdtemp(prefix="plantroom-bench-"))
    gateway = Gateway(folder, port, devices)
    try:
        cost = cost_of(gateway, WARM_UP_S, MEASURED_S)
        name = f"{devices} devices, whole path"
        yield Result.at_most(BENCH, name, round(cost.cpu_s_per_1000, 5), UNIT, round(script.cpu_s_per_1000, 5))
        yield Result.at_least(BENCH, name, round(cost.points_per_s), "points/s", 0.98 * devices * POINTS)
        if devices == COMPARED_AT:
            yield Result.at_most(BENCH, f"{name}, resident", round(cost.rss_mb, 1), "MB", MOST_MB)
            yield Result.at_most(
                BENCH, f"{name}, start to first value", round(gateway.first_sample_s(), 2), "s", FIRST_S
            )
            if IS_FULL:
                yield slope(gateway)
    finally:
        gateway.stop()
        shutil.rmtree(folder, ignore_errors=True)


def slope(gateway: Gateway) -> Result:
    """How much more memory it takes after ten minutes, by a line through what it took in each of them."""
    grown = grown_mb(resident(gateway, SLOPE_S), SLOPE_S)
    return Result.at_most(BENCH, "memory grown in ten minutes", round(max(grown, 0.0), 2), "MB", MOST_GROWN_MB)


def run() -> Iterator[Result]:
    """Cost of the bare loops, then of the gateway at every size, and proof that the simulated devices are quicker."""
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as broker_port, plant() as port:
        ceiling = request_ceiling(port)
        needed = 4 * 2 * max(MEASURED_AT)
        yield Result.at_least(BENCH, "the simulated devices' own ceiling", round(ceiling), "requests/s", needed)
        scripts: dict[int, Cost] = {}
        for devices in MEASURED_AT:
            scripts[devices], rows = bare("pymodbus", port, devices, broker_port)
            yield from rows
        yield from bare("socket", port, COMPARED_AT, broker_port)[1]
        for devices in MEASURED_AT:
            yield from ours(port, devices, scripts[devices])
