"""Pages of one large site, p95 in milliseconds beside one row by its key: 500 devices of 12 points, years of history behind them.

By default five points have a year each 30 s, five million samples; PLANTROOM_BENCH_FULL=yes (or `--full`) gives 48 points one, 50 million.
Pages are asked for as a browser asks, without a network between, on SQLite with the embedded store.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx

from benchmarks.bench_desk import p95, timed
from benchmarks.pages_seed import NOW_MS, announce, keys_of, show_all, site_of
from benchmarks.result import Result
from benchmarks.years import load_years
from cloud.app import Parts, create_app
from cloud.config import Config
from cloud.people import gateways, service
from cloud.people.access import COOKIE
from cloud.storage.migrate import migrate
from cloud.storage.session import open_database
from cloud.telemetry.store import Key
from tests.support.desk import StoppedClock

BENCH = "pages"
DEVICES = 500
FULL_POINTS, SOME_POINTS = 48, 5
MOST_PAGE_MS, MOST_TREND_MS = 150, 100
SPANS = ("1h", "7d", "1y")


def cases(machines: list[str], years: list[Key]) -> dict[str, tuple[list[str], float | None]]:
    """What is asked for, in turn over several machines or points, and the most its p95 may be."""
    trends = {
        f"a trend, {span}": ([f"/trends.json?p={'/'.join(key)}&span={span}" for key in years], MOST_TREND_MS)
        for span in SPANS
    }
    site = years[0][0]
    return {
        "device page": ([f"/equipment/{site}/{name}" for name in machines], MOST_PAGE_MS),
        "device page, its live part": ([f"/equipment/{site}/{name}/part/live" for name in machines], MOST_PAGE_MS),
        "device page, for the engineer": ([f"/equipment/{site}/{name}/mapping" for name in machines], MOST_PAGE_MS),
        **trends,
        "the page of trends, 7 days": ([f"/trends?p={'/'.join(key)}&span=7d" for key in years], None),
        "equipment, all 500": (["/equipment"], None),
        "wall": (["/wall"], None),
    }


async def measure(folder: Path, points: int) -> AsyncIterator[Result]:
    site = site_of(folder, DEVICES)
    keys = keys_of(site)
    years = [keys[number * len(keys) // points] for number in range(points)]
    count = load_years(folder / "telemetry.db", years)
    database = open_database(f"sqlite:///{folder / 'cloud.db'}")
    config = Config(data=folder, database_url=f"sqlite:///{folder / 'cloud.db'}")
    app = create_app(config, Parts(clock=StoppedClock(NOW_MS), database=database))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test") as http:
        await migrate(database)
        await announce(http, database, site)
        await app.state.store.open()
        await show_all(app.state.store, keys)
        async with database.write() as connection:
            user = await service.add_user(connection, "li", "engineer", None, NOW_MS)
            http.cookies.set(
                COOKIE, await service.open_session(connection, user, NOW_MS, lambda: "a token of the bench")
            )

        async def floor() -> None:
            async with database.read() as connection:
                await gateways.find(connection, site.gateway.id)

        yield Result(BENCH, "samples in the history", count, "")
        one_row = round(statistics.median(await timed(floor)), 2)
        yield Result(BENCH, "one row by its key, median", one_row, "ms")
        machines = [one.id for one in site.equipment[:: DEVICES // 20]]
        for case, (paths, most) in cases(machines, years).items():
            for result in await _figures(http, case, paths, most):
                yield result
        await app.state.store.close()
    await database.close()


async def _figures(http: httpx.AsyncClient, case: str, paths: list[str], most: float | None) -> list[Result]:
    asked = 0

    async def ask() -> None:
        nonlocal asked
        path, asked = paths[asked % len(paths)], asked + 1
        answer = await http.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")

    spent = await timed(ask)
    worst, median = round(p95(spent), 1), round(statistics.median(spent), 1)
    told = f"{case}, p95"
    last = Result(BENCH, told, worst, "ms") if most is None else Result.at_most(BENCH, told, worst, "ms", most)
    return [Result(BENCH, f"{case}, median", median, "ms"), last]


def run() -> Iterator[Result]:
    is_full = os.environ.get("PLANTROOM_BENCH_FULL") == "yes" or "--full" in sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="plantroom-bench-") as folder:
        yield from asyncio.run(_all(Path(folder), FULL_POINTS if is_full else SOME_POINTS))


async def _all(folder: Path, points: int) -> list[Result]:
    return [result async for result in measure(folder, points)]
