"""The desk after years of work: list, search, wall, ticket page and the sweep of what is due, p95 beside one row by its key.

By default a tenth of the issue's size, 10,000 open and 100,000 closed tickets on PostgreSQL and 2,000 and 20,000 on SQLite;
PLANTROOM_BENCH_FULL=yes (or `--full`) takes the whole. Pages are asked for as a browser asks, without a network between.
"""

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
from sqlalchemy import text

from benchmarks.desk_seed import Size, seed
from benchmarks.result import Result
from cloud.app import Parts, create_app
from cloud.config import Config
from cloud.people import service
from cloud.people.access import COOKIE
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.tickets import repository
from contract.conventions import EpochMs
from tests.support.desk import START, StoppedClock
from tests.support.servers import postgres

BENCH = "desk"
FULL = {"PostgreSQL": Size(100_000, 1_000_000, 20), "SQLite": Size(20_000, 200_000, 4)}
TIMES = 40
MOST_PAGE_MS, MOST_SWEEP_MS = 100, 50
PAGES = {
    "list, open ones by due": "/tickets", "list, open ones, page 30": "/tickets?open=1&page=30", "list, all, newest": "/tickets?open=any",
    "list, closed, page 150": "/tickets?open=0&page=150", "list, late, open or closed": "/tickets?late=1", "list, mine": "/tickets?open=1&holder=me",
    "list, a system and a priority": "/tickets?open=any&system=lifts&priority=urgent", "list, complaints of one site": "/tickets?open=any&kind=complaint&site=site_2",
    "list, one clause, a month": "/tickets?open=any&clause=h-5.3.1-pf&from=2024-03-01&to=2024-03-31", "list, one piece of equipment": "/tickets?open=any&site=site_1&equipment=lift_8",
    "list, a text and a state": "/tickets?open=1&text=门不关闭&state=on_hold", "search, one word (en)": "/search?q=contactor", "search, two words (zh)": "/search?q=电梯 熔焊",
    "search, a beginning": "/search?q=trans hot", "search, a common word": "/search?q=lift", "wall of one site": "/wall?site=site_1", "wall of all sites": "/wall",
    "ticket page": "/tickets/T-000777", "my work": "/my",
}  # fmt: skip

UNBOUND = "wall of all sites"
"""A wall is one site's; the one of all of them reads every piece of equipment there is, and is shown without an aim."""


class Bench:
    """One database with its application and a reader."""

    def __init__(self, name: str, database: Database, folder: Path) -> None:
        self.name = name
        self.database = database
        self.clock = StoppedClock(START)
        config = Config(data=folder, database_url=f"sqlite:///{folder / 'unused.db'}")
        self.app = create_app(config, Parts(clock=self.clock, database=database))
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://desk.test", headers={"Accept-Language": "en"}
        )

    async def fill(self, size: Size) -> float:
        """Make the tables and fill them; the seconds it took."""
        began = time.perf_counter()
        await migrate(self.database)
        async with self.database.write() as connection:
            await seed(connection, size, START, self.app.state.desk.policy.version)
            user = await service.add_user(connection, "person_7", "manager", None, START)
            self.http.cookies.set(
                COOKIE, await service.open_session(connection, user, START, lambda: "a token of the bench")
            )
        async with self.database.engine.connect() as connection:
            alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await alone.execute(text("ANALYZE" if self.database.is_sqlite else "VACUUM ANALYZE"))
        await self.app.state.store.open()
        return time.perf_counter() - began

    async def page(self, path: str) -> None:
        answer = await self.http.get(path)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")

    async def floor(self, number: int) -> None:
        """One row by its key, through the same driver."""
        async with self.database.read() as connection:
            await repository.ticket(connection, number)

    async def nothing_due(self) -> None:
        """What the ticker does each time that it wakes for nothing."""
        await self.app.state.ticker.tick()
        await self.app.state.ticker._next()  # noqa: SLF001  what run() asks before it sleeps

    async def one_due(self) -> None:
        """From its waking to the breach on record: one clock."""
        await self.app.state.ticker.tick()

    async def next_due(self) -> EpochMs:
        async with self.database.read() as connection:
            return await repository.next_instant(connection) or self.clock.ms

    async def close(self) -> None:
        await self.http.aclose()
        await self.app.state.store.close()
        await self.database.close()


async def timed(work: Callable[[], Awaitable[None]], times: int = TIMES) -> list[float]:
    """Milliseconds of each time, after one that is not counted."""
    await work()
    spent = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        spent.append((time.perf_counter() - began) * 1000)
    return spent


def p95(spent: list[float]) -> float:
    return sorted(spent)[-(-len(spent) * 95 // 100) - 1]


def figures(bench: Bench, case: str, spent: list[float], most: float) -> list[Result]:
    median = round(statistics.median(spent), 1)
    return [
        Result(BENCH, f"{bench.name}: {case}, median", median, "ms"),
        Result.at_most(BENCH, f"{bench.name}: {case}, p95", round(p95(spent), 1), "ms", most),
    ]


async def measure(bench: Bench, size: Size) -> AsyncIterator[Result]:
    spent = await timed(lambda: bench.floor(size.closed // 2))
    yield Result(BENCH, f"{bench.name}: one ticket's row by its key, median", round(statistics.median(spent), 2), "ms")
    for case, path in PAGES.items():
        for result in figures(bench, case, await timed(lambda path=path: bench.page(path)), MOST_PAGE_MS):  # type: ignore[misc]
            yield result if case != UNBOUND else replace(result, floor=None, ratio=None)
    for result in figures(bench, "sweep, nothing due", await timed(bench.nothing_due), MOST_SWEEP_MS):
        yield result
    spent = []
    for _ in range(TIMES):
        bench.clock.ms = await bench.next_due() + 1
        spent += await timed_once(bench.one_due)
    for result in figures(bench, "sweep, what is due next", spent, MOST_SWEEP_MS):
        yield result


async def timed_once(work: Callable[[], Awaitable[None]]) -> list[float]:
    began = time.perf_counter()
    await work()
    return [(time.perf_counter() - began) * 1000]


async def run_on(name: str, url: str, folder: Path, size: Size) -> AsyncIterator[Result]:
    bench = Bench(name, open_database(url), folder)
    try:
        took = await bench.fill(size)
        print(f"{name}: {size.open} open and {size.closed} closed tickets in {took:.0f} s", file=sys.stderr, flush=True)
        yield Result(BENCH, f"{name}: tickets", size.all, "rows")
        async for result in measure(bench, size):
            yield result
    finally:
        await bench.close()


async def collected(name: str, url: str, folder: Path, size: Size) -> list[Result]:
    return [result async for result in run_on(name, url, folder, size)]


def sizes() -> dict[str, Size]:
    is_full = os.environ.get("PLANTROOM_BENCH_FULL") == "yes" or "--full" in sys.argv[1:]
    return (
        FULL
        if is_full
        else {name: Size(size.open // 10, size.closed // 10, max(3, size.sites // 10)) for name, size in FULL.items()}
    )


def run() -> Iterator[Result]:
    folder = Path(tempfile.mkdtemp(prefix="plantroom-bench-"))
    wanted = sizes()
    try:
        yield from asyncio.run(collected("SQLite", f"sqlite:///{folder / 'cloud.db'}", folder, wanted["SQLite"]))
        with postgres() as url:
            yield from asyncio.run(collected("PostgreSQL", url, folder, wanted["PostgreSQL"]))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    for one in run():
        print("  ".join(one.cells()), flush=True)
