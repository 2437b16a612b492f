"""Two hundred open pages on one core: the demo's plant polled each second, half of the pages its wall, half its equipment.

Every page is opened by a session of its own and hears its stream as a browser does. What counts is the processor time of the cloud,
which takes the samples too, beside the same cloud without anybody looking; how often each page is told new values; and whether the
cloud's memory stands still. PLANTROOM_BENCH_FULL=yes looks for ten minutes instead of one.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import select

from benchmarks.result import Result
from cloud.clock import SystemClock
from cloud.people.access import COOKIE
from cloud.people.secrets import new_token
from cloud.people.service import open_session
from cloud.storage import tables as t
from cloud.storage.session import open_database
from simulators.demo_cloud import WATCHER
from simulators.demo_setup import Options, prepare
from simulators.stack import Stack

BENCH = "live"
VIEWERS = 200
WARM_S, SETTLE_S, SOME_S, FULL_S = 20.0, 60.0, 60.0, 600.0
"""Two hundred streams, their sessions and their parts take their memory within the first forty seconds."""
MOST_GROWTH_MB = 5.0


@dataclass(frozen=True, slots=True)
class Used:
    """Of the cloud's process: processor seconds a second, and how its memory moved."""

    cores: float
    grown_mb: float


async def _watch(process: psutil.Process, seconds: float) -> Used:
    """Memory is the median of its readings: the last third beside the first."""
    before, readings = sum(process.cpu_times()[:2]), []
    for _ in range(round(seconds)):
        await asyncio.sleep(1)
        readings.append(process.memory_info().rss / 2**20)
    third = max(len(readings) // 3, 1)
    spent = sum(process.cpu_times()[:2]) - before
    return Used(spent / seconds, sorted(readings[-third:])[third // 2] - sorted(readings[:third])[third // 2])


async def _paths(stack: Stack) -> list[str]:
    things = (await stack.cloud.get("/api/v1/equipment"))["equipment"]
    pages = [f"/equipment/{one['site']}/{one['id']}" for one in things]
    walls = ["/wall"] * (VIEWERS // 2)
    return walls + [pages[number % len(pages)] for number in range(VIEWERS - len(walls))]


async def _sessions(stack: Stack) -> Path:
    """A file with a cookie for each viewer: the watcher, signed in at as many browsers."""
    database = open_database(f"sqlite:///{stack.setup.folder / 'cloud.db'}")
    try:
        async with database.write() as connection:
            query = select(t.app_user.c.id).where(t.app_user.c.name == WATCHER)
            user, now = (await connection.execute(query)).scalar_one(), SystemClock().now_ms()
            tokens = [await open_session(connection, user, now, new_token) for _ in range(VIEWERS)]
    finally:
        await database.close()
    file = stack.setup.folder / "cookies"
    file.write_text("".join(f"{COOKIE}={token}\n" for token in tokens))
    return file


async def _view(stack: Stack, paths: list[str], seconds: float) -> tuple[Used, dict[str, float]]:
    told = [stack.setup.address, str(SETTLE_S), str(seconds), str(await _sessions(stack)), *paths]
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.viewers", *told, stdout=asyncio.subprocess.PIPE
    )
    await asyncio.sleep(SETTLE_S)
    used = await _watch(_cloud(stack), seconds)
    said, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError("the viewers failed; see above")
    found: dict[str, float] = json.loads(said)
    return used, found


def _cloud(stack: Stack) -> psutil.Process:
    port = str(stack.setup.ports.cloud)
    for process in psutil.Process().children(recursive=True):
        words = process.cmdline()
        if "serve" in words and port in words:
            return process
    raise RuntimeError("the cloud's process is gone")


async def _measure(folder: Path, seconds: float) -> list[Result]:
    stack = Stack(prepare(Options(data=folder)))
    try:
        await stack.start()
        await asyncio.sleep(WARM_S)
        alone = await _watch(_cloud(stack), min(seconds, SOME_S))
        used, told = await _view(stack, await _paths(stack), seconds)
    finally:
        await stack.stop()
    return [
        Result(BENCH, "nobody looking: cores of the cloud", round(alone.cores, 3), "cores"),
        Result.at_most(BENCH, f"{VIEWERS} viewers: cores of the cloud", round(used.cores, 3), "cores", 1.0),
        Result.at_least(BENCH, f"{VIEWERS} viewers: updates of each page", round(told["each_s"], 2), "1/s", 0.9),
        Result(BENCH, f"{VIEWERS} viewers: of the page with the fewest", round(told["least_s"], 2), "1/s"),
        Result(BENCH, f"{VIEWERS} viewers: from told to there, median", round(told["p50_ms"], 1), "ms"),
        Result(BENCH, f"{VIEWERS} viewers: from told to there, p95", round(told["p95_ms"], 1), "ms"),
        Result(BENCH, f"{VIEWERS} viewers: sent to each", round(told["kb_s"], 1), "kB/s"),
        Result.at_most(
            BENCH, f"{VIEWERS} viewers: memory grown", round(max(used.grown_mb, 0.01), 2), "MB", MOST_GROWTH_MB
        ),
    ]


def run() -> Iterator[Result]:
    is_full = os.environ.get("PLANTROOM_BENCH_FULL") == "yes" or "--full" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="plantroom-bench-") as folder:
        yield from asyncio.run(_measure(Path(folder), FULL_S if is_full else SOME_S))
