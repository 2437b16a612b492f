"""MQTT ingest: messages of 200 bytes through a real broker to samples, each acknowledged after a commit every 100 ms."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.result import Result
from device_profiles.schema import DeviceModel, Point
from edge.acquire.health import HealthBoard
from edge.acquire.mqtt import MqttBus
from edge.clock import SystemClock
from edge.decode.sample import Sample
from edge.site import Binding, Bus, Device

BENCH = "mqtt"
RATE = 10_000
SECONDS = 6.0
COMMIT_S = 0.1
TEXT = {"en": "point", "zh": "点"}


class Committing:
    """A sink that commits every 100 ms, as a gateway whose disk takes that long."""

    def __init__(self) -> None:
        self.points = 0
        self._waiting: list[Callable[[], None]] = []

    async def put(self, samples: Sequence[Sample], committed: Callable[[], None] | None = None) -> None:
        self.points += sum(sample.value is not None for sample in samples)
        if committed is not None:
            self._waiting.append(committed)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_S)
            done, self._waiting = self._waiting, []
            for committed in done:
                committed()


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[int]:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        raise RuntimeError("mosquitto is not installed: sudo apt-get install --no-install-recommends mosquitto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    with subprocess.Popen([program, "-c", str(settings)], stderr=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


def sensor(bus: Bus) -> Device:
    model = DeviceModel.model_validate(
        {
            "id": "sensor", "equipment_class": "pump", "name": "Sensor", "maker": "Bench", "status": "unverified",
            "sources": ["made for this bench"], "protocol": "mqtt", "mqtt": {"topic": "site/{address}"},
            "payload": {"pressure": {"path": "p"}},
        }
    )  # fmt: skip
    point = Point.model_validate({"name": TEXT, "kind": "gauge"})
    binding = Binding("pressure", "pump_1", "pressure", point, model.payload["pressure"], 60_000, 180_000)
    return Device("sensor_1", model, bus, "a", 60_000, (binding,))


async def ingest(port: int) -> tuple[int, float, float]:
    """Messages turned into samples, CPU seconds and wall seconds they took."""
    sink = Committing()
    bus = Bus("sensors", "mqtt", host="127.0.0.1", port=port, client_id="bench")
    listening = MqttBus(bus, [sensor(bus)], SystemClock(), sink, HealthBoard())
    tasks = [asyncio.ensure_future(listening.run()), asyncio.ensure_future(sink.run())]
    await until(lambda: listening.is_connected)
    arguments = ("-m", "benchmarks.mqtt_flood", str(port), "site/a", str(RATE), str(SECONDS))
    flood = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    await until(lambda: sink.points > 0)
    cpu, begun = time.process_time(), time.monotonic()
    wanted = round(RATE * SECONDS)
    last = begun
    while time.monotonic() - last < 3.0 and sink.points < wanted:
        before = sink.points
        await asyncio.sleep(0.1)
        last = time.monotonic() if sink.points > before or flood.returncode is None else last
    taken = time.monotonic() - begun
    cpu = time.process_time() - cpu
    await flood.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return sink.points, cpu, taken


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not reached():
            await asyncio.sleep(0.01)


def run() -> Iterator[Result]:
    """Every message published arrives, at the wanted rate, and what each 1,000 cost."""
    with tempfile.TemporaryDirectory() as folder, broker(Path(folder)) as port:
        time.sleep(0.3)
        messages, cpu, taken = asyncio.run(ingest(port))
    yield Result.at_least(BENCH, "messages of 200 bytes that arrived", messages, "messages", RATE * SECONDS)
    yield Result.at_least(
        BENCH, "messages of 200 bytes, acknowledged", round(messages / taken), "messages/s", 0.97 * RATE
    )
    yield Result(BENCH, "messages of 200 bytes", round(1000 * cpu / messages, 5), "CPU s/1000 messages")
