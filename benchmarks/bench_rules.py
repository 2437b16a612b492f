"""Judge, save and send: what one gateway with 100 switchgear panels can do on one core, next to what it must.

Every panel has its class's points once a second (physics of the simulators, shipped rules), so the floor of each rate is ten
times what such a site brings. The size of a sample on the line is the compressed envelope over its samples. How fast rules
alone are judged, and against what, is measured in ``rule_rate``.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from benchmarks import rule_rate
from benchmarks.result import Result
from contract.codec import decode_envelope, decode_record, deflate, encode_envelope, inflate, raw_records
from contract.messages import CONTRACT_VERSION, Cause, Envelope, Quality
from device_profiles import library
from edge.config import load_site
from edge.decode.sample import Moment, Sample
from edge.outbox.sqlite import Outbox
from edge.rules.engine import Engine
from edge.site import Site
from simulators.demo_setup import EXTRA_METER, SITES
from simulators.plant import SimulatedPlant
from simulators.site import add_meters, build_site, load_file

BENCH = "rules"
PANELS = 100
SECONDS = 30
START_MS = 1_795_000_000_000
HEADROOM = 10


class SetClock:
    """Says what it was told."""

    def __init__(self) -> None:
        self.at_ms = START_MS

    def now_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        """Never called: the plant is read, not served."""
        raise RuntimeError(f"this clock does not wait {seconds} s")


def make_site(folder: Path) -> Site:
    data = add_meters({**load_file(SITES / "demo" / "site.yaml"), "equipment": [], "devices": []}, PANELS, *EXTRA_METER)
    (folder / "site.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    return load_site(folder / "site.yaml")


def one_second(site: Site, plant: SimulatedPlant, at_ms: int) -> list[Sample]:
    """Every bound point of every panel, good."""
    return [
        Sample(
            device.id, binding.equipment, binding.point_id, plant.values(binding.equipment)[binding.point_id],
            Quality.GOOD, Cause.NONE, at_ms, at_ms - START_MS,
        )
        for device in site.devices
        for binding in device.bindings
    ]  # fmt: skip


def history(site: Site, folder: Path) -> list[list[Sample]]:
    clock = SetClock()
    plant = SimulatedPlant(build_site(load_file(folder / "site.yaml"), library.load()), clock)
    seconds = []
    for second in range(SECONDS):
        clock.at_ms = START_MS + second * 1000
        seconds.append(one_second(site, plant, clock.at_ms))
    return seconds


def judge(site: Site, seconds: Sequence[Sequence[Sample]]) -> Iterator[Result]:
    engine = Engine(site, Moment(START_MS, 0))
    began = time.perf_counter()
    for second, samples in enumerate(seconds):
        engine.evaluate(samples, Moment(START_MS + second * 1000, second * 1000))
    count = sum(map(len, seconds))
    rate = count / (time.perf_counter() - began)
    yield Result.at_least(BENCH, f"judge {PANELS} panels", round(rate), "samples/s", HEADROOM * len(seconds[0]))


def save(seconds: Sequence[Sequence[Sample]], folder: Path) -> Iterator[Result]:
    outbox = Outbox(folder / "edge.db", START_MS)
    began = time.perf_counter()
    for second, samples in enumerate(seconds):
        outbox.save(START_MS + second * 1000, samples=samples)
    rate = sum(map(len, seconds)) / (time.perf_counter() - began)
    yield Result.at_least(BENCH, "save, a commit a second", round(rate), "samples/s", HEADROOM * len(seconds[0]))
    yield from send(outbox, seconds)
    outbox.close()


def send(outbox: Outbox, seconds: Sequence[Sequence[Sample]]) -> Iterator[Result]:
    batch = outbox.next_batch("samples", SECONDS, 4_000_000)
    if batch is None:
        raise RuntimeError("the outbox holds nothing of what was saved")
    count = sum(map(len, seconds[: len(batch.bodies)]))  # a record holds one second
    envelope = Envelope(
        contract=CONTRACT_VERSION, gateway="gw_1", epoch=batch.epoch, lane="samples", first=batch.first,
        records=raw_records(batch.bodies), sent_at="2026-11-21T07:05:00.123Z",
    )  # fmt: skip
    began = time.perf_counter()
    body = deflate(encode_envelope(envelope))
    spent = time.perf_counter() - began
    yield Result.at_least(BENCH, "pack for the line", round(count / spent), "samples/s", HEADROOM * len(seconds[0]))
    yield Result.at_most(BENCH, "on the line", round(len(body) / count, 2), "bytes/sample", 16)
    began = time.perf_counter()
    for record in decode_envelope(inflate(body)).records:
        decode_record(record)
    spent = time.perf_counter() - began
    yield Result.at_least(BENCH, "unpack in the cloud", round(count / spent), "samples/s", HEADROOM * len(seconds[0]))


def run() -> Iterator[Result]:
    folder = Path(tempfile.mkdtemp(prefix="plantroom-bench-"))
    try:
        site = make_site(folder)
        seconds = history(site, folder)
        yield from rule_rate.measure(BENCH, folder)
        yield from judge(site, seconds)
        yield from save(seconds, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
