"""History of the embedded store: how fast it takes samples, and how soon a week of one point is on the page.

A cloud for one building has some 500 points each 10 s, 50 samples/s; it must catch up a backlog two hundred times as fast.
"""

import asyncio
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.result import Result
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.store import Row, Sample

BENCH = "history"
POINTS = 20
EVERY_MS = 10_000
WEEK_MS = 7 * 86_400_000
BUCKETS = 500
START_MS = 1_795_000_000_000
AT_ONCE = 5_000
QUESTIONS = 15


def week(noise: random.Random) -> Iterator[list[Row]]:
    """A week of every point, in the order of time, in batches."""
    batch: list[Row] = []
    for at in range(START_MS, START_MS + WEEK_MS, EVERY_MS):
        for point in range(POINTS):
            sample = Sample(at, round(noise.gauss(230, 2), 1), "good", "none")
            batch.append(Row("demo", f"panel_{point}", "voltage_l1", sample))
        if len(batch) >= AT_ONCE:
            yield batch
            batch = []
    yield batch


async def take(store: EmbeddedStore) -> tuple[int, float]:
    count, spent = 0, 0.0
    for rows in week(random.Random(7)):
        began = time.perf_counter()
        await store.write(rows)
        spent += time.perf_counter() - began
        count += len(rows)
    return count, spent


async def ask(store: EmbeddedStore) -> list[float]:
    """Milliseconds of each question for a week of one point."""
    spent = []
    for number in range(QUESTIONS):
        began = time.perf_counter()
        found = await store.range(
            "demo", f"panel_{number % POINTS}", "voltage_l1", START_MS, START_MS + WEEK_MS, BUCKETS
        )
        spent.append((time.perf_counter() - began) * 1000)
        if len(found) != BUCKETS:
            raise RuntimeError(f"a week of history came back in {len(found)} stretches, not {BUCKETS}")
    return spent


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


async def measure(folder: Path) -> list[Result]:
    path = folder / "telemetry.db"
    store = EmbeddedStore(path)
    await store.open()
    count, spent = await take(store)
    answers = await ask(store)
    await store.close()
    return [
        Result.at_least(BENCH, f"take, {AT_ONCE} at once", round(count / spent), "samples/s", 10_000),
        Result.at_most(BENCH, f"a week of one point in {BUCKETS} stretches, median", round(statistics.median(answers), 1), "ms", 200),
        Result(BENCH, "on disk", round(size_of(folder) / count, 1), "bytes/sample"),
    ]  # fmt: skip


def run() -> Iterator[Result]:
    folder = Path(tempfile.mkdtemp(prefix="plantroom-bench-"))
    try:
        yield from asyncio.run(measure(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
