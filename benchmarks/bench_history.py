"""History of the embedded store beside plain SQLite rows: how fast it takes samples, how much of the disk they need, how soon it answers.

A cloud for one building has some 500 points each 10 s, 50 samples/s; it must catch up a backlog hundreds of times as fast.
`python -m benchmarks.bench_history --full` measures 50 points over a year, 50 million samples.
"""

import asyncio
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.result import Result
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.store import Row, Sample

BENCH = "history"
EVERY_MS = 30_000
DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
YEAR_MS = 365 * DAY_MS
BUCKETS = 500
START_MS = 1_795_000_000_000
AT_ONCE = 5_000
QUESTIONS = 7
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
FULL = Size(points=50, days=365)


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


async def take(write: Callable[[list[Row]], Awaitable[None]], size: Size) -> tuple[int, float]:
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
    return sum(file.stat().st_size for file in folder.iterdir())


async def measure_floor(folder: Path, size: Size) -> list[Result]:
    floor = Floor(folder / "plain.db")
    count, spent = await take(floor.write, size)
    end = START_MS + YEAR_MS
    week = await ask(lambda number: floor.ask(end - WEEK_MS, end, number % size.points))
    year = await ask(lambda _: floor.ask(START_MS, end, 0))
    floor.connection.close()
    return [
        Result(BENCH, f"plain rows: take, {AT_ONCE} at once", round(count / spent), "samples/s"),
        Result(BENCH, f"plain rows: a week of one point in {BUCKETS} stretches, median", week, "ms"),
        Result(BENCH, f"plain rows: a year of one point in {BUCKETS} stretches, median", year, "ms"),
        Result(BENCH, "plain rows: on disk", round(size_of(folder) / count, 1), "bytes/sample"),
    ]


async def measure(folder: Path, size: Size) -> list[Result]:
    store = EmbeddedStore(folder / "telemetry.db")
    await store.open()
    count, spent = await take_while_asked(store, size)
    await store.seal()
    end = START_MS + YEAR_MS

    async def question(start: int, point: int) -> int:
        return len(await store.range("demo", f"panel_{point}", "voltage_l1", start, end, BUCKETS))

    week = await ask(lambda number: question(end - WEEK_MS, number % size.points))
    year = await ask(lambda _: question(START_MS, 0))
    await store.close()
    return [
        Result.at_least(BENCH, f"take, {AT_ONCE} at once, with a reader", round(count / spent), "samples/s", 20_000),
        Result.at_most(BENCH, f"a week of one point in {BUCKETS} stretches, median", week, "ms", 20),
        Result.at_most(BENCH, f"a year of one point in {BUCKETS} stretches, median", year, "ms", 150),
        Result.at_most(BENCH, "on disk", round(size_of(folder) / count, 2), "bytes/sample", 4),
    ]


async def measure_both(folder: Path, size: Size) -> list[Result]:
    found = []
    for name, run_one in (("plain", measure_floor), ("sealed", measure)):
        (folder / name).mkdir()
        found += await run_one(folder / name, size)
    return found


def run(size: Size = DEFAULT) -> Iterator[Result]:
    folder = Path(tempfile.mkdtemp(prefix="plantroom-bench-"))
    try:
        yield from asyncio.run(measure_both(folder, size))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for result in run(FULL if "--full" in sys.argv[1:] else DEFAULT):
        print("  ".join(result.cells()))
