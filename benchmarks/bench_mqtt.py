"""MQTT ingest: messages of 200 bytes through a real broker to samples, each acknowledged once it lies in the outbox on disk.

The broker allows as many messages ahead of their acknowledgement as Mosquitto does by default; nothing but commits gives them back.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.result import Result
from contract.messages import Record
from device_profiles.schema import DeviceModel, Point
from edge.acquire.health import HealthBoard
from edge.acquire.mqtt import MqttBus
from edge.clock import SystemClock
from edge.cycle import ACKNOWLEDGE_WITHIN_MS, Intake
from edge.outbox.sqlite import Outbox
from edge.site import Binding, Bus, Device
from edge.store import AsyncOutbox

BENCH = "mqtt"
OFFERED, WANTED = 12_000, 10_000
"""Messages a second: a fifth more than is asked for, so that what is measured is the gateway and not the publisher."""
SECONDS = 6.0
TEXT = {"en": "point", "zh": "点"}


class Committing:
    """Between the bus and a real outbox, as the gateway's cycle is: what came is committed in groups, then acknowledged."""

    def __init__(self, folder: Path, clock: SystemClock) -> None:
        self.points = self.commits = 0
        self._clock = clock
        self._intake = Intake()
        self.put = self._intake.put
        self._outbox = Outbox(folder / "edge.db", clock.now_ms())
        self._store = AsyncOutbox(self._outbox, clock, _nothing_to_announce, inline=False)

    async def run(self) -> None:
        try:
            while True:
                samples, done = await self._intake.take(1.0)
                if samples:
                    await self._store.save(self._clock.now_ms(), events=(), samples=samples, state=(), answered=())
                    self.points += sum(sample.value is not None for sample in samples)
                    self.commits += 1
                for committed in done:
                    committed()
                await asyncio.sleep(ACKNOWLEDGE_WITHIN_MS / 1000)
        finally:
            await self._store.close()


def _nothing_to_announce() -> list[Record]:
    raise AssertionError("no epoch is started over here")


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


async def ingest(port: int, folder: Path) -> tuple[int, float, float]:
    """Messages turned into samples, CPU seconds and wall seconds they took."""
    clock = SystemClock()
    sink = Committing(folder, clock)
    bus = Bus("sensors", "mqtt", host="127.0.0.1", port=port, client_id="bench")
    listening = MqttBus(bus, [sensor(bus)], clock, sink, HealthBoard())
    tasks = [asyncio.ensure_future(listening.run()), asyncio.ensure_future(sink.run())]
    await until(lambda: listening.is_connected)
    arguments = ("-m", "benchmarks.mqtt_flood", str(port), "site/a", str(OFFERED), str(SECONDS))
    flood = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    await until(lambda: sink.points > 0)
    cpu, begun = time.process_time(), time.monotonic()
    wanted = round(OFFERED * SECONDS)
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
        messages, cpu, taken = asyncio.run(ingest(port, Path(folder)))
    yield Result.at_least(BENCH, "messages of 200 bytes that arrived", messages, "messages", OFFERED * SECONDS)
    yield Result.at_least(BENCH, "messages of 200 bytes, acknowledged", round(messages / taken), "messages/s", WANTED)
    yield Result(BENCH, "messages of 200 bytes", round(1000 * cpu / messages, 5), "CPU s/1000 messages")
