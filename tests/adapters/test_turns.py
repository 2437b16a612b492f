"""Of several replicas over one database one at a time moves samples, and another takes over when it dies."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud.storage import tables as t
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.storage.turn import turn
from cloud.telemetry.mover import Bounds, Mover
from cloud.telemetry.store import Parked, Row
from tests.cloud.telemetry.test_mover import batch
from tests.support.desk import HOUR, desk, rows
from tests.support.servers import postgres

HOLDER = """
import asyncio, sys
from cloud.storage.session import open_database
from cloud.storage.turn import turn

async def hold():
    async with turn(open_database(sys.argv[1]), "mover") as is_ours:
        print(is_ours, flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'cloud.db'}"
    else:
        with postgres() as address:
            yield address


@contextmanager
def killed_at_the_end(url: str) -> Iterator[None]:
    """Another process that has the turn."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        yield
    finally:
        holder.kill()
        holder.communicate()


async def has_turn(database: Database) -> bool:
    async with turn(database, "mover") as is_ours:
        return is_ours


class Slow:
    """A store that takes its time, and knows what it was given."""

    def __init__(self) -> None:
        self.given: list[Row] = []
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def write(self, given: Sequence[Row]) -> Sequence[Parked]:
        self.begun.set()
        await self.may_end.wait()
        self.given += given
        return []


async def test_while_one_replica_moves_the_other_moves_nothing_and_each_sample_is_moved_once(
    url: str, tmp_path: Path
) -> None:
    databases = [open_database(url) for _ in range(2)]
    await migrate(databases[0])
    async with desk(tmp_path, database=databases[0]) as d:
        gateway = await d.gateway()
        for number in range(3):
            await gateway.tell(batch(float(number)), lane="samples")
        store = Slow()
        first, second = (Mover(one, store, d.clock, lambda *_: None, Bounds(HOUR)) for one in databases)  # type: ignore[arg-type]
        moving = asyncio.create_task(first.move())
        await store.begun.wait()
        assert await second.move() == 0
        store.may_end.set()
        assert await moving == 3
        assert await second.move() == 0
        assert [row.sample.value for row in store.given] == [0.0, 1.0, 2.0]
        await gateway.tell(batch(3.0), lane="samples")
        assert await second.move() == 1
        assert all(row["applied_at"] for row in await rows(d.database, t.record, lane="samples"))
    await databases[1].close()


async def test_the_turn_of_a_replica_that_is_killed_goes_to_another(url: str) -> None:
    database = open_database(url)
    with killed_at_the_end(url):
        assert not await has_turn(database)
    async with asyncio.timeout(10):
        while not await has_turn(database):
            await asyncio.sleep(0.05)
    await database.close()


async def test_a_turn_that_ends_in_an_error_is_given_back(url: str) -> None:
    database, other = open_database(url), open_database(url)
    with pytest.raises(RuntimeError):
        async with turn(database, "mover"):
            raise RuntimeError
    assert await has_turn(other)
    await database.close()
    await other.close()
