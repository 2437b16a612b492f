"""The embedded store in a process of its own: how much memory it takes to be written and asked, and how fast it is meanwhile.

`python -m benchmarks.history_child FILE SAMPLES` prints one JSON object.
"""

import asyncio
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cloud.telemetry.embedded import TURN_S, EmbeddedStore
from cloud.telemetry.store import Held, Row, Sample

AT_ONCE = 5_000
BUCKETS = 500
WEEK_MS = 7 * 86_400_000
EVERY_MS = 30_000
QUESTIONS = 15


def memory_mb(name: str) -> float:
    """VmRSS, what is in memory now, or VmHWM, the most there was; unlike ru_maxrss it does not count what the parent had."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no {name} in /proc/self/status")


async def idle_mb(folder: Path) -> float:
    """A process with an empty store, open."""
    store = EmbeddedStore(folder / "idle.db")
    await store.open()
    await store.write([Row("demo", "x", "y", Sample(1, 1.0, "good", "none"))])
    found = memory_mb("VmRSS")
    await store.close()
    return found


async def ask(
    store: EmbeddedStore, points: list[Held], span_ms: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Milliseconds of questions to one point after another, up to the newest sample; the better of two, as others may work beside."""
    spent = []
    for number in range(2 * QUESTIONS):
        one = points[number // 2 * 7 % len(points)]
        began = clock()
        found = await store.range(*one.key, one.last_ms + 1 - span_ms, one.last_ms + 1, BUCKETS)
        spent.append((clock() - began) * 1000)
        if len(found) != BUCKETS:
            raise RuntimeError(f"history came back in {len(found)} stretches, not {BUCKETS}")
    return [min(pair) for pair in zip(spent[::2], spent[1::2], strict=True)]


async def write(store: EmbeddedStore, points: list[Held], samples: int) -> float:
    """Samples per second, in batches as the mover brings them: all points at one instant after the other."""
    noise = random.Random(3)
    spent, number = 0.0, 0
    end = max(one.last_ms for one in points)
    while number < samples:
        rows = [
            Row(
                *one.key,
                Sample(
                    end + EVERY_MS * (1 + number // len(points) + step), round(noise.gauss(230, 2), 1), "good", "none"
                ),
            )
            for step in range(AT_ONCE // len(points))
            for one in points
        ]
        began = time.perf_counter()
        await store.write(rows)
        spent += time.perf_counter() - began
        number += len(rows)
    return number / spent


async def main(path: Path, samples: int) -> dict[str, float]:
    sys.setswitchinterval(TURN_S)
    idle = await idle_mb(path.parent)
    store = EmbeddedStore(path)
    await store.open()
    points = await store.held()
    year = max(one.last_ms - one.first_ms for one in points) // BUCKETS * BUCKETS
    week_ms, year_ms = await ask(store, points, WEEK_MS), await ask(store, points, year)
    week_cpu, year_cpu = [await ask(store, points, span, time.process_time) for span in (WEEK_MS, year)]
    readings: list[float] = []

    async def read() -> None:
        while True:
            readings.append(statistics.median(await ask(store, points[:1], WEEK_MS)))
            await asyncio.sleep(0.05)

    readers = [asyncio.create_task(read(), name=f"reader {n}") for n in range(2)]
    rate = await write(store, points, samples)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    await store.close()
    peak = memory_mb("VmHWM")
    return {
        "samples": float(sum(one.samples for one in points)), "rate": rate, "above_idle_mb": peak - idle,
        "week_ms": statistics.median(week_ms), "week_worst_ms": max(week_ms),
        "year_ms": statistics.median(year_ms), "year_worst_ms": max(year_ms),
        "week_cpu_ms": statistics.median(week_cpu), "year_cpu_ms": statistics.median(year_cpu),
        "reader_ms": statistics.median(readings) if readings else 0.0,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))))
