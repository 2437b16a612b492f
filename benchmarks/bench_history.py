"""History: how fast it is taken, how much of the disk it needs, how soon it answers, beside plain SQLite rows and real servers.

A cloud for one building has some 500 points each 10 s, 50 samples/s; it must catch up a backlog hundreds of times as fast. In the same
run and at the same size: plain SQLite rows, and InfluxDB and VictoriaMetrics of Debian where they are installed.
PLANTROOM_BENCH_FULL=yes (or `--full`) asks a file of 50 points over a year, 50 million samples, and compares at 5 million.
"""

import asyncio
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.result import Result
from benchmarks.years import EVERY_MS, START_MS, YEAR_MS, load_years
from cloud.clock import SystemClock
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.influx import InfluxStore
from cloud.telemetry.store import Row, Sample, Store
from cloud.telemetry.victoria import VictoriaStore
from tests.support.servers import influxdb, victoria_metrics
from tests.support.system_packages import find_program

BENCH = "history"
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
BUCKETS = 500
AT_ONCE = 5_000
QUESTIONS = 7
TAKEN = 200_000
"""Samples that the full file is written while it is read."""
FLOOR_ROWS = "INSERT OR REPLACE INTO sample VALUES (?, ?, ?, ?)"
FLOOR_QUESTION = """
SELECT (at - :start) / :width, COUNT(*), MIN(value), AVG(value), MAX(value), MAX(quality) FROM sample
WHERE point = :point AND at >= :start AND at < :end GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Size:
    """So many points over so long, of which the first has a whole year."""

    points: int = 10
    days: int = 14


DEFAULT = Size()
COMPARED = Size(points=5, days=365)
"""Five million."""
FULL_POINTS = 50


def batches(size: Size, noise: random.Random) -> Iterator[list[Row]]:
    """Every sample in the order of time, the long point first."""
    batch: list[Row] = []
    for points, begin, days in ((1, 0, 365 - size.days), (size.points, 365 - size.days, size.days)):
        for at in range(START_MS + begin * DAY_MS, START_MS + (begin + days) * DAY_MS, EVERY_MS):
            for point in range(points):
                sample = Sample(at, round(noise.gauss(230, 2), 1), "good", "none")
                batch.append(Row("demo", f"panel_{point}", "voltage_l1", sample))
            if len(batch) >= AT_ONCE:
                yield batch
                batch = []
    yield batch


class Floor:
    """What is beaten: one row a sample, keyed by point and instant, in the same file format."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "CREATE TABLE sample (point INTEGER, at INTEGER, value REAL, quality INTEGER, PRIMARY KEY (point, at)) WITHOUT ROWID"
        )

    async def write(self, rows: list[Row]) -> None:
        values = [(int(row.equipment.rpartition("_")[2]), row.sample.at_ms, row.sample.value, 0) for row in rows]
        self.connection.execute("BEGIN IMMEDIATE")
        self.connection.executemany(FLOOR_ROWS, values)
        self.connection.execute("COMMIT")

    async def ask(self, start: int, end: int, point: int) -> int:
        where = {"start": start, "end": end, "width": -(-(end - start) // BUCKETS), "point": point}
        return len(self.connection.execute(FLOOR_QUESTION, where).fetchall())


async def take(write: Callable[[list[Row]], Awaitable[object]], size: Size) -> tuple[int, float]:
    """Samples taken, and the seconds it took."""
    count, spent = 0, 0.0
    for rows in batches(size, random.Random(7)):
        began = time.perf_counter()
        await write(rows)
        spent += time.perf_counter() - began
        count += len(rows)
    return count, spent


async def ask(question: Callable[[int], Awaitable[int]]) -> float:
    """Median milliseconds of a question that must come back in as many stretches as it asks for."""
    spent = []
    for number in range(QUESTIONS):
        began = time.perf_counter()
        found = await question(number)
        spent.append((time.perf_counter() - began) * 1000)
        if found != BUCKETS:
            raise RuntimeError(f"history came back in {found} stretches, not {BUCKETS}")
    return round(statistics.median(spent), 1)


async def take_while_asked(store: EmbeddedStore, size: Size) -> tuple[int, float]:
    """As ``take``, with a reader who asks for the last week again and again."""
    end = START_MS + YEAR_MS

    async def read() -> None:
        while True:
            await store.range("demo", "panel_0", "voltage_l1", end - WEEK_MS, end, BUCKETS)
            await asyncio.sleep(0.05)

    reader = asyncio.create_task(read(), name="reader")
    try:
        return await take(store.write, size)
    finally:
        reader.cancel()


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def measure_floor(folder: Path, size: Size) -> list[Result]:
    floor = Floor(folder / "plain.db")
    count, spent = await take(floor.write, size)
    end = START_MS + YEAR_MS
    week = await ask(lambda number: floor.ask(end - WEEK_MS, end, number % size.points))
    year = await ask(lambda _: floor.ask(START_MS, end, 0))
    floor.connection.close()
    return plain_results("plain rows", (count, spent), (week, year), size_of(folder))


async def measure(folder: Path, size: Size) -> list[Result]:
    store = EmbeddedStore(folder / "telemetry.db")
    await store.open()
    count, spent = await take_while_asked(store, size)
    await store.seal()
    week, year = await questions(store, size)
    await store.close()
    return [
        Result.at_least(BENCH, f"take, {AT_ONCE} at once, with a reader", round(count / spent), "samples/s", 20_000),
        Result.at_most(BENCH, f"a week of one point in {BUCKETS} stretches, median", week, "ms", 20),
        Result.at_most(BENCH, f"a year of one point in {BUCKETS} stretches, median", year, "ms", 150),
        Result.at_most(BENCH, "on disk", round(size_of(folder) / count, 2), "bytes/sample", 4),
    ]


async def questions(store: Store, size: Size) -> tuple[float, float]:
    """Milliseconds for a week and for a year."""
    end = START_MS + YEAR_MS

    async def question(start: int, point: int) -> int:
        return len(await store.range("demo", f"panel_{point}", "voltage_l1", start, end, BUCKETS))

    return await ask(lambda number: question(end - WEEK_MS, number % size.points)), await ask(
        lambda _: question(START_MS, 0)
    )


async def measure_server(name: str, store: Store, folder: Path, size: Size, settle: str) -> list[Result]:
    """A real server, through the same store that the cloud uses. ``settle`` is asked once before the questions."""
    await store.open()
    count, spent = await take(store.write, size)
    if settle:
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(settle)
    asked = await questions(store, size)
    await store.close()
    return plain_results(name, (count, spent), asked, size_of(folder))


def plain_results(name: str, took: tuple[int, float], asked: tuple[float, float], size: int) -> list[Result]:
    """Figures of what the embedded store is held against: without floors of their own."""
    count, spent = took
    return [
        Result(BENCH, f"{name}: take, {AT_ONCE} at once", round(count / spent), "samples/s"),
        Result(BENCH, f"{name}: a week of one point in {BUCKETS} stretches, median", asked[0], "ms"),
        Result(BENCH, f"{name}: a year of one point in {BUCKETS} stretches, median", asked[1], "ms"),
        Result(BENCH, f"{name}: on disk, its logs included", round(size / count, 1), "bytes/sample"),
    ]


async def until_it_answers(url: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(30):
        while True:
            try:
                if (await client.get(f"{url}/ping")).is_success:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.1)


@asynccontextmanager
async def influx(folder: Path) -> AsyncIterator[tuple[Store, str]]:
    with influxdb(folder) as address:
        await until_it_answers(address.replace("influxdb", "http"))
        yield InfluxStore(f"{address}/bench"), ""


@asynccontextmanager
async def victoria(folder: Path) -> AsyncIterator[tuple[Store, str]]:
    with victoria_metrics(folder) as address:
        url = address.replace("victoriametrics", "http")
        await until_it_answers(url)
        yield VictoriaStore(address, SystemClock()), f"{url}/internal/force_flush"


SERVERS = {"InfluxDB": ("influxd", influx), "VictoriaMetrics": ("victoria-metrics", victoria)}


async def compare(folder: Path, size: Size) -> AsyncIterator[Result]:
    for name, run_one in (("plain", measure_floor), ("sealed", measure)):
        (folder / name).mkdir()
        for result in await run_one(folder / name, size):
            yield result
        shutil.rmtree(folder / name)
    for name, (program, server) in SERVERS.items():
        if find_program(program) is None:
            print(f"{name} is not installed: not measured", file=sys.stderr)
            continue
        async with server(folder / program) as (store, settle):
            for result in await measure_server(name, store, folder / program, size, settle):
                yield result


def measure_full(folder: Path, points: int = FULL_POINTS, taken: int = TAKEN) -> Iterator[Result]:
    """The issue's own size: questions, writing with readers and memory, in a process of its own."""
    path = folder / "telemetry.db"
    count = load_years(path, [("demo", f"panel_{point}", "voltage_l1") for point in range(points)])
    on_disk = path.stat().st_size / count
    child = [sys.executable, "-m", "benchmarks.history_child", str(path), str(taken)]
    told = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
    at = f"{count / 1e6:.0f} million samples"
    yield Result.at_most(BENCH, f"{at}: on disk", round(on_disk, 2), "bytes/sample", 4)
    yield Result.at_most(BENCH, f"{at}: a week in {BUCKETS} stretches, median", round(told["week_ms"], 1), "ms", 20)
    yield Result(BENCH, f"{at}: a week, slowest", round(told["week_worst_ms"], 1), "ms")
    yield Result(BENCH, f"{at}: a week, of the processor", round(told["week_cpu_ms"], 1), "ms")
    yield Result.at_most(BENCH, f"{at}: a year in {BUCKETS} stretches, median", round(told["year_ms"], 1), "ms", 150)
    yield Result(BENCH, f"{at}: a year, slowest", round(told["year_worst_ms"], 1), "ms")
    yield Result(BENCH, f"{at}: a year, of the processor", round(told["year_cpu_ms"], 1), "ms")
    yield Result.at_least(BENCH, f"{at}: take, with two readers", round(told["rate"]), "samples/s", 20_000)
    yield Result(BENCH, f"{at}: a week while it is written, median", round(told["reader_ms"], 1), "ms")
    yield Result.at_most(BENCH, f"{at}: memory above idle, peak", round(told["above_idle_mb"], 1), "MB", 80)


async def collected(folder: Path, size: Size) -> list[Result]:
    return [result async for result in compare(folder, size)]


def run() -> Iterator[Result]:
    is_full = os.environ.get("PLANTROOM_BENCH_FULL") == "yes" or "--full" in sys.argv[1:]
    folder = Path(tempfile.mkdtemp(prefix="plantroom-bench-"))
    try:
        if is_full:
            (folder / "full").mkdir()
            yield from measure_full(folder / "full")
            shutil.rmtree(folder / "full")
        yield from asyncio.run(collected(folder, COMPARED if is_full else DEFAULT))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for one in run():
        print("  ".join(one.cells()), flush=True)
