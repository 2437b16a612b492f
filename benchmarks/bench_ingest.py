"""Ingest over HTTP into real cloud processes, on SQLite and PostgreSQL, beside a bare insert of the same rows in the same run.

A rate "on one core" is by the processor seconds of all the cloud's processes. "Accepted" samples are committed and receipted, measured
while the history store is away; its floor is 50,000 and half of what a bare loop inserts into SQLite in its own processor seconds: one
row a sample, in the same transactions. "In the history" is the whole way, with the embedded store beside the desk, where moving
into blocks is the larger part. An event is an alarm that comes or goes: each finds or opens its ticket, with its clocks and timeline; its
processor seconds are counted until the calls and the words of its ticket have followed, its seconds by the clock until the receipt.
Beside it stands a bare insert of all the rows that these events left behind, as counted after the run, through the same database's
driver in as many transactions (``bare_desk``): what speaking HTTP, looking up and judging cost. Once for forty events in an envelope,
once for live ones, each alone. HTTP alone is measured in the same rounds, by the same envelopes to the same server with nothing
behind it (``bare_http``), and the share of the floor is told with it and without it.

Rates and their floors are medians of rounds that take turns, so that a busy moment of the machine meets both.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from benchmarks import bare_desk, bare_http, ingest_load
from benchmarks.ingest_load import Clouds, Load
from benchmarks.result import Result
from cloud.clock import SystemClock
from contract.codec import decode_envelope, decode_record, inflate
from contract.messages import SampleBatch
from tests.support.servers import postgres

BENCH = "ingest"
ROUNDS = 3
ENVELOPES = 10
"""Of samples, in a round."""
EVENT_ENVELOPES, LIVE_EVENTS = 60, 300
"""In a round: so many that what the cloud does anyway while time passes is a small part."""
WANTED_EVENTS_PER_CORE, WANTED_ALONE_PER_CORE = 1_200.0, 100.0
WANTED_PER_CORE = 50_000.0
LIMIT_S = 300.0
_TABLE = "CREATE TABLE bare (equipment TEXT, point TEXT, at INTEGER, value REAL, PRIMARY KEY (equipment, point, at))"
_Row = tuple[str, str, int, float]


@dataclass(frozen=True, slots=True)
class Speed:
    """Samples or events a second, by the clock and by the processor."""

    by_clock: float
    per_core: float


def run() -> Iterator[Result]:
    now = SystemClock().now_ms()
    load = ingest_load.samples("gw_bytes", 5, now)
    yield Result(BENCH, "a sample on the line, compressed", load.line_bytes / load.items, "bytes")
    yield Result(BENCH, "a sample before compression", load.plain_bytes / load.items, "bytes")
    for name in ("sqlite", "postgresql"):
        with _database(name) as (url, folder):
            yield from _measure(name, url, folder)


@contextmanager
def _database(name: str) -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        if name == "sqlite":
            yield f"sqlite:///{folder}/cloud.db", Path(folder)
        else:
            with postgres() as url:
                yield url, Path(folder)


def _measure(name: str, url: str, folder: Path) -> Iterator[Result]:
    for replicas in (1, 2):
        case = f"{name}, {replicas} replica{'s' * (replicas > 1)}"
        with ingest_load.clouds(url, folder / f"{replicas}a", replicas, has_history=False) as running:
            # events first: beside them nothing must try and try again to move samples to a history that is away
            for at_once, wanted in ((ingest_load.EVENTS, WANTED_EVENTS_PER_CORE), (1, WANTED_ALONE_PER_CORE)):
                yield from _events(case, running, folder, at_once, wanted)
            yield from _accepted(case, running, folder)
        asyncio.run(ingest_load.forget_waiting(url))
        with ingest_load.clouds(url, folder / f"{replicas}b", replicas, has_history=True) as running:
            loads = _each(running, f"{case} stored", _samples_of(ROUNDS * ENVELOPES // replicas))
            stored = asyncio.run(_stored(running, loads))
        floor = WANTED_PER_CORE if replicas == 1 else None
        yield from _pair(f"{case}: samples in the history", stored, "samples/s", floor)


def _each(running: Clouds, name: str, make: Callable[[str], Load]) -> list[Load]:
    """One gateway for each replica, with its share of the work."""
    word = "".join(letter if letter.isalnum() else "_" for letter in name)
    return [make(f"gw_{word}_{number}") for number in range(len(running.addresses))]


def _samples_of(envelopes: int) -> Callable[[str], Load]:
    now = SystemClock().now_ms()
    return lambda gateway: ingest_load.samples(gateway, envelopes, now)


def _accepted(case: str, running: Clouds, folder: Path) -> Iterator[Result]:
    speeds, bares = [], []
    for turn in range(ROUNDS):
        loads = _each(running, f"{case} {turn}", _samples_of(ENVELOPES // len(running.addresses)))
        bares.append(_bare(folder / f"bare_{len(loads)}_{turn}.db", _samples_of(ENVELOPES)("gw_bare")))
        speeds.append(asyncio.run(_deliver(running, loads))[0])
    bare = median(bares)
    yield Result(BENCH, f"{case}: bare insert of the samples into SQLite, on one core", bare, "samples/s")
    yield from _pair(f"{case}: samples accepted", _median(speeds), "samples/s", max(WANTED_PER_CORE, bare / 2))


def _events(case: str, running: Clouds, folder: Path, at_once: int, wanted: float) -> Iterator[Result]:
    """Half the bare insert is the aim; what is kept from falling is the rate."""
    now, kind = SystemClock().now_ms(), "alone" if at_once == 1 else f"{at_once} in an envelope"
    envelopes = (LIVE_EVENTS if at_once == 1 else EVENT_ENVELOPES) // len(running.addresses)
    speeds, bares, alone, rows = [], [], [], 0.0
    with bare_http.bare_http() as server:
        for turn in range(ROUNDS):
            name = f"{case} {kind} {turn}"
            loads = _each(running, name, lambda one: ingest_load.events(one, envelopes, now, at_once))
            speeds.append(asyncio.run(_followed(running, loads)))
            rows, bare = _bare_events(running.url, folder / f"desk_{len(loads)}_{at_once}_{turn}.db", loads[0])
            bares.append(bare)
            alone.append(bare_http.rate(server, loads[0]))
    speed, bare, http = _median(speeds), median(bares), median(alone)
    yield from _pair(f"{case}: events with their tickets, {kind}", speed, "events/s", wanted)
    yield Result(BENCH, f"{case}: rows that an event leaves, {kind}", rows, "rows")
    yield Result(BENCH, f"{case}: a bare insert of these, {kind}, on one core", bare, "events/s")
    yield Result(BENCH, f"{case}: HTTP alone, with nothing behind it, {kind}, on one core", http, "events/s")
    without = 1 / max(1 / speed.per_core - 1 / http, 1 / bare)
    yield Result(BENCH, f"{case}: share of the bare insert, {kind} (aim 0.5)", speed.per_core / bare, "")
    yield Result(BENCH, f"{case}: share of the bare insert without HTTP, {kind} (aim 0.5)", without / bare, "")


def _median(speeds: Sequence[Speed]) -> Speed:
    return Speed(median(one.by_clock for one in speeds), median(one.per_core for one in speeds))


def _pair(case: str, speed: Speed, unit: str, floor: float | None) -> Iterator[Result]:
    yield Result(BENCH, case, speed.by_clock, unit)
    one_core = f"{case}, on one core"
    if floor is None:
        yield Result(BENCH, one_core, speed.per_core, unit)
    else:
        yield Result.at_least(BENCH, one_core, speed.per_core, unit, floor)


async def _stored(running: Clouds, loads: Sequence[Load]) -> Speed:
    """Until nothing waits for the history any more."""
    items = sum(one.items for one in loads)
    _, began, cpu = await _deliver(running, loads)
    limit = time.monotonic() + LIMIT_S
    while await ingest_load.waiting(running.url):
        if time.monotonic() > limit:
            raise RuntimeError("the history did not follow")
        await asyncio.sleep(0.1)
    return Speed(items / (time.perf_counter() - began), items / (running.cpu_s() - cpu))


async def _followed(running: Clouds, loads: Sequence[Load]) -> Speed:
    """Events until their calls and words have followed. What the cloud uses while it waits for nothing is left in."""
    speed, _, cpu = await _deliver(running, loads)
    limit = time.monotonic() + LIMIT_S
    while sum([await ingest_load.following(running.url, one.gateway) for one in loads]):
        if time.monotonic() > limit:
            raise RuntimeError("calls and words did not follow")
        await asyncio.sleep(0.5)
    return Speed(speed.by_clock, sum(one.items for one in loads) / (running.cpu_s() - cpu))


async def _deliver(running: Clouds, loads: Sequence[Load]) -> tuple[Speed, float, float]:
    """Every gateway at once, each to a replica of its own."""
    items = sum(one.items for one in loads)
    credentials = await ingest_load.enrol(running.url, [one.gateway for one in loads])
    began, cpu = time.perf_counter(), running.cpu_s()
    pairs = zip(running.addresses, loads, strict=True)
    await asyncio.gather(*(ingest_load.send(address, load, credentials[load.gateway]) for address, load in pairs))
    return Speed(items / (time.perf_counter() - began), items / (running.cpu_s() - cpu)), began, cpu


# --- the floor ----------------------------------------------------------------------------------------------------


def _bare(path: Path, load: Load) -> float:
    """Samples a processor second as plain rows, one transaction an envelope, with the driver alone."""
    groups = [list(_rows(body)) for body in load.bodies]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_TABLE} WITHOUT ROWID;")
    cpu = ingest_load.own_cpu_s()
    for group in groups:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?, ?)", group)
        connection.execute("COMMIT")
    used = ingest_load.own_cpu_s() - cpu
    connection.close()
    return load.items / used


def _bare_events(url: str, path: Path, load: Load) -> tuple[float, float]:
    """Rows that an event of this load left behind, and events a processor second when they are merely inserted."""
    left = asyncio.run(bare_desk.left_behind(url, load.gateway))
    return left.count / load.items, bare_desk.bare_rate(url, path, left, load.items, len(load.bodies))


def _rows(body: bytes) -> Iterator[_Row]:
    for raw in decode_envelope(inflate(body)).records:
        batch = decode_record(raw)
        for series in batch.series if isinstance(batch, SampleBatch) else ():
            for at, value in zip(series.at, series.value, strict=True):
                yield series.equipment, series.point, at, msgspec.convert(value, float)
