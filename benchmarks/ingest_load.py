"""What gateways would send, ready on the line, and clouds to send it to: real processes on a database of their own."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from sqlalchemy import func, select, update

from cloud.clock import SystemClock
from cloud.people import gateways
from cloud.people.secrets import new_token
from cloud.storage import tables as t
from cloud.storage.migrate import migrate
from cloud.storage.session import open_database
from contract.codec import deflate, encode_envelope, encode_record, raw_records
from contract.conventions import format_instant
from contract.messages import (
    AlarmCleared,
    AlarmRaised,
    Envelope,
    Lane,
    Record,
    SampleBatch,
    SampleSeries,
    Severity,
    Term,
)
from simulators.broker import free_port
from simulators.processes import program

SERIES = 20
"""Samples in one record: what a gateway with 200 points at 10 s commits each second."""
RECORDS = 200
EVENTS = 40
START_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Load:
    """One gateway's envelopes, as they go over the line."""

    gateway: str
    bodies: tuple[bytes, ...]
    items: int
    plain_bytes: int

    @property
    def line_bytes(self) -> int:
        return sum(map(len, self.bodies))


def samples(gateway: str, envelopes: int, now_ms: int) -> Load:
    """Every point with its own noise, a second apart, ending now."""
    noise = random.Random(gateway)
    first_ms = now_ms - envelopes * RECORDS * 1000
    batches = [
        SampleBatch(series=[_series(gateway, at, number, noise) for number in range(SERIES)])
        for at in range(envelopes * RECORDS)
        for at in (first_ms + at * 1000,)
    ]
    return _load(gateway, "samples", batches, RECORDS, len(batches) * SERIES, now_ms)


def _series(gateway: str, at: int, number: int, noise: random.Random) -> SampleSeries:
    panel = at // 1000 % 10
    value = round(noise.gauss(230, 2), 1)
    return SampleSeries(
        equipment=f"{gateway}_panel_{panel}", point=f"point_{number}", device=f"meter_{panel}", at=[at], value=[value]
    )


def events(gateway: str, envelopes: int, now_ms: int, at_once: int = EVENTS) -> Load:
    """Alarms that come and go, half of them each, twice for every pump: first it opens a ticket, then it joins the open one.

    ``at_once`` of them in one envelope: one is a live alarm, ``EVENTS`` what an hour without a line leaves.
    """
    records: list[Record] = []
    alarms = envelopes * at_once // 2
    for number in range(alarms):
        at = format_instant(now_ms + number)
        name = f"{gateway}_pump_{number % (alarms // 2)}"
        because = [Term(name="load", value=101.5, unit="kW")]
        records.append(
            AlarmRaised(
                equipment=name, rule="overload", severity=Severity.MAJOR, clause="e-no-overload", began_at=at, raised_at=at, because=because
            )
        )  # fmt: skip
        records.append(AlarmCleared(equipment=name, rule="overload", raised_at=at, cleared_at=at))
    return _load(gateway, "events", records, at_once, len(records), now_ms)


def _load(gateway: str, lane: Lane, records: Sequence[Record], at_once: int, items: int, now_ms: int) -> Load:
    plain = [
        encode_envelope(
            Envelope(
                contract=1, gateway=gateway, epoch=7, lane=lane, first=first + 1, sent_at=format_instant(now_ms),
                records=raw_records([encode_record(one) for one in records[first : first + at_once]]),
            )
        )
        for first in range(0, len(records), at_once)
    ]  # fmt: skip
    return Load(gateway, tuple(deflate(one) for one in plain), items, sum(map(len, plain)))


# --- the cloud ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clouds:
    """Replicas over one database."""

    url: str
    addresses: tuple[str, ...]
    processes: tuple[psutil.Process, ...]

    def cpu_s(self) -> float:
        """Processor seconds of all replicas so far."""
        return sum(sum(one.cpu_times()[:2]) for one in self.processes)


@contextmanager
def clouds(url: str, folder: Path, replicas: int, *, has_history: bool) -> Iterator[Clouds]:
    """Start so many replicas, wait until they answer, and stop them. Without history their store is one that never answers."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        ports = [free_port() for _ in range(replicas)]
        environment = {**os.environ, "PLANTROOM_DATABASE_URL": url}
        if not has_history:
            environment["PLANTROOM_TELEMETRY_URL"] = f"influxdb://127.0.0.1:{free_port()}/away"
        children = [stack.enter_context(_serving(environment, folder, port)) for port in ports]
        addresses = tuple(f"http://127.0.0.1:{port}" for port in ports)
        for address in addresses:
            _wait(address)
        yield Clouds(url, addresses, tuple(psutil.Process(one.pid) for one in children))


@contextmanager
def _serving(environment: Mapping[str, str], folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [*program("plantroom-cloud"), "serve", "--port", str(port), "--data", str(folder)]
    with (folder / f"cloud-{port}.log").open("wb") as log:
        child = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield child
        finally:
            child.terminate()
            child.wait(20)


def _wait(address: str) -> None:
    limit = time.monotonic() + START_LIMIT_S
    while time.monotonic() < limit:
        try:
            if httpx.get(f"{address}/healthz", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"{address} does not answer")


async def enrol(url: str, names: Sequence[str]) -> dict[str, str]:
    """Credentials of gateways, made straight in the database."""
    database, now = open_database(url), SystemClock().now_ms()
    try:
        await migrate(database)
        async with database.write() as connection:
            for name in names:
                await gateways.add(connection, name, "bench", "code-" + name, now)
            return {name: await gateways.enrol(connection, name, "code-" + name, now, new_token) for name in names}
    finally:
        await database.close()


async def send(address: str, load: Load, credential: str) -> None:
    """One gateway: each envelope after the receipt of the one before, on one connection."""
    headers = {"Authorization": f"Bearer {credential}", "Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        for body in load.bodies:
            answer = await client.post("/api/v1/ingest", content=body, headers=headers)
            while answer.status_code == 503:
                await asyncio.sleep(float(answer.headers.get("retry-after", 1)))
                answer = await client.post("/api/v1/ingest", content=body, headers=headers)
            answer.raise_for_status()


async def waiting(url: str) -> int:
    """Sample records that are committed and not yet in the history store."""
    database = open_database(url)
    try:
        async with database.read() as connection:
            query = select(func.count()).select_from(t.record).where(t.record.c.applied_at.is_(None))
            return int((await connection.execute(query)).scalar_one())
    finally:
        await database.close()


async def following(url: str, gateway: str) -> int:
    """Tickets of a gateway's pumps whose calls or words are not yet of their present version."""
    c = t.ticket.c
    is_behind = (c.planned_version != c.version) | (c.indexed_version != c.version)
    which = c.equipment_id.startswith(f"{gateway}_pump_", autoescape=True) & is_behind
    database = open_database(url)
    try:
        async with database.read() as connection:
            return int((await connection.execute(select(func.count()).select_from(t.ticket).where(which))).scalar_one())
    finally:
        await database.close()


async def forget_waiting(url: str) -> None:
    """Take what waits for a history that was away as moved, so that the next case begins with nothing."""
    database = open_database(url)
    try:
        async with database.write() as connection:
            await connection.execute(update(t.record).where(t.record.c.applied_at.is_(None)).values(applied_at=0))
    finally:
        await database.close()


def own_cpu_s() -> float:
    """Processor seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
