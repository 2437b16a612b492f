"""Processes side by side for benches: simulated devices, a broker, bare loops, and this gateway as it is shipped."""

import contextlib
import json
import os
import resource
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import yaml

from benchmarks.bench_mqtt import broker
from benchmarks.modbus_plant import BLOCKS, PANEL
from edge.outbox.record import unpack

__all__ = [
    "BareLoop",
    "Contender",
    "Cost",
    "Gateway",
    "broker",
    "cost_of",
    "grown_mb",
    "plant",
    "request_ceiling",
    "resident",
]

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
GATEWAY = "from edge.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a contender took while it was watched."""

    cpu_s_per_1000: float
    points_per_s: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Count:
    """How many points a contender was done with at an instant, in seconds on its own clock."""

    points: int
    at_s: float


class Contender(Protocol):
    """One process that reads the devices."""

    @property
    def pid(self) -> int: ...

    def count(self) -> Count:
        """Points it is done with since its start, and when it last said so."""

    def stop(self) -> None: ...


def cost_of(one: Contender, warm_up_s: float, measured_s: float) -> Cost:
    """CPU of the whole process and its points between two of its counts, resident memory at the end.

    Each window begins and ends when the contender has just told of points: those it did not yet tell of are in neither.
    """
    wait_for(one)
    time.sleep(warm_up_s)
    before, cpu = next_count(one), cpu_s(one.pid)
    time.sleep(measured_s)
    after, cpu = next_count(one), cpu_s(one.pid) - cpu
    points = after.points - before.points
    return Cost(1000 * cpu / max(points, 1), points / (after.at_s - before.at_s), rss_mb(one.pid))


def next_count(one: Contender, within_s: float = 10.0) -> Count:
    """Its count as soon as it moves. Raises RuntimeError when it does not."""
    before, last = one.count(), time.monotonic() + within_s
    while (now := one.count()).points == before.points:
        if time.monotonic() > last:
            raise RuntimeError(f"process {one.pid} has stopped at {now.points} points")
        time.sleep(0.02)
    return now


def wait_for(one: Contender, within_s: float = 60.0) -> None:
    """Until it has read its first points. Raises RuntimeError when it does not."""
    last = time.monotonic() + within_s
    while not one.count().points:
        if time.monotonic() > last:
            raise RuntimeError(f"process {one.pid} read nothing within {within_s:g} s")
        time.sleep(0.2)


def cpu_s(pid: int) -> float:
    """User and system time of a process, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def resident(one: Contender, seconds: float, every_s: float = 10.0) -> Iterator[tuple[float, float]]:
    """Seconds and resident megabytes, again and again. Raises RuntimeError when it ends before its time."""
    begun = time.monotonic()
    while (since := time.monotonic() - begun) < seconds:
        if not (taken := rss_mb(one.pid)):
            raise RuntimeError(f"process {one.pid} ended after {since:.0f} s")
        yield since, taken
        time.sleep(every_s)


def grown_mb(taken: Iterable[tuple[float, float]], seconds: float) -> float:
    """The slope of the line nearest to these (seconds, megabytes), times ``seconds``."""
    return statistics.linear_regression(*zip(*taken, strict=True)).slope * seconds


def many_files() -> None:
    """Fifteen hundred connections need as many descriptors, here and in every child."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))


@contextlib.contextmanager
def plant() -> Iterator[int]:
    """The simulated devices in a process of their own; their port."""
    many_files()
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.modbus_plant"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the simulated devices have no pipes")
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def request_ceiling(port: int, seconds: float = 1.0) -> float:
    """Requests a second that the simulated devices answer when somebody asks a hundred at a time."""
    question = b"\0\1\0\0\0\6\1\3\0\0\0\x28" * 100
    answered, begun = 0, time.monotonic()
    with socket.create_connection(("127.0.0.1", port)) as asking:
        while time.monotonic() - begun < seconds:
            asking.sendall(question)
            missing = 89 * 100
            while missing:
                missing -= len(asking.recv(missing))
            answered += 100
    return answered / (time.monotonic() - begun)


class BareLoop:
    """A script without quality, rules or memory."""

    def __init__(self, kind: str, port: int, devices: int, broker_port: int) -> None:
        arguments = [sys.executable, "-m", "benchmarks.bare_loop", kind, str(port), str(devices), str(broker_port)]
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        self._count = Count(0, 0.0)
        Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for line in self._process.stdout or ():
            points, at_s = line.split()
            self._count = Count(int(points), float(at_s))

    @property
    def pid(self) -> int:
        return self._process.pid

    def count(self) -> Count:
        return self._count

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


class Gateway:
    """`plantroom-edge run` with a site of so many panels; its points are those that lie durably in its outbox."""

    def __init__(self, folder: Path, port: int, devices: int) -> None:
        write_site(folder, port, devices)
        self._data = folder / "data"
        self._points = self._seen = self._at_ms = 0
        arguments = [sys.executable, "-c", GATEWAY, "run", str(folder / "site.yaml"), "--data", str(self._data)]
        self._log = (folder / "log").open("w")
        self.started_ms = time.time() * 1000
        self._process = subprocess.Popen(arguments, stderr=self._log, stdout=self._log)

    @property
    def pid(self) -> int:
        return self._process.pid

    def _ask(self, sql: str, *values: int) -> tuple[Any, ...]:
        path = f"file:{self._data / 'edge.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(path, uri=True, timeout=10)) as db:
            row: tuple[Any, ...] = db.execute(sql, values).fetchone()
            return row

    def count(self) -> Count:
        """What lies in its outbox, and the instant of the last commit. Rows are added at the end and none is sent."""
        if not (self._data / "edge.db").exists():
            return Count(0, 0.0)
        with contextlib.suppress(sqlite3.OperationalError):  # the tables are being made
            points, at_ms, seq = self._ask(
                "SELECT coalesce(sum(samples), 0), max(at), max(seq) FROM outbox WHERE lane = 'samples' AND seq > ?",
                self._seen,
            )
            self._points, self._seen, self._at_ms = self._points + points, seq or self._seen, at_ms or self._at_ms
        return Count(self._points, self._at_ms / 1000)

    def first_sample_s(self) -> float:
        """From the start of the process to the instant of the first good value it saved."""
        sql = "SELECT body FROM outbox WHERE lane = 'samples' AND samples > 0 ORDER BY epoch, seq LIMIT 1"
        record = json.loads(unpack(bytes(self._ask(sql)[0])))
        first = min(
            at
            for series in record["series"]
            if series["device"].startswith("meter_")  # the gateway also measures itself
            for at, value in zip(series["at"], series["value"], strict=True)
            if value is not None
        )
        return float(first - self.started_ms) / 1000

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


def write_site(folder: Path, port: int, devices: int) -> None:
    """A site of switchgear panels, each a device of its own address, with every rule that the class has.

    The outbox has room for an hour without a cloud (3 GB at 200 devices), so that no thinning is measured.
    """
    models = folder / "library" / "models" / "lv_switchgear"
    models.mkdir(parents=True)
    registers = {
        name: {"table": "holding", "address": BLOCKS[at // 20] + at % 20 * 2, "type": "float32"}
        for at, name in enumerate(PANEL)
    }
    model = {
        "id": "bench_panel", "equipment_class": "lv_switchgear", "name": "Panel", "maker": "Bench", "status": "verified",
        "sources": ["made for this bench"], "protocol": "modbus", "modbus": {"gap": 0}, "registers": registers,
    }  # fmt: skip
    (models / "bench_panel.yaml").write_text(yaml.safe_dump(model))
    numbers = range(1, devices + 1)
    site = {
        "site": {"id": "bench", "name": "Bench", "zone": "UTC"},
        "gateway": {"id": "gw_1", "credential_file": "credential", "status": {"port": 0}, "outbox": {"megabytes": 8000}},
        "library": "library",
        "equipment": [{"id": f"panel_{at}", "class": "lv_switchgear", "ratings": {"rated_a": 1600}} for at in numbers],
        "buses": [{"id": f"bus_{at}", "modbus": "tcp", "host": "127.0.0.1", "port": port} for at in numbers],
        "devices": [
            {"id": f"meter_{at}", "model": "bench_panel", "bus": f"bus_{at}", "address": 1, "equipment": f"panel_{at}", "every": "1s"}
            for at in numbers
        ],
    }  # fmt: skip
    (folder / "site.yaml").write_text(yaml.safe_dump(site))
