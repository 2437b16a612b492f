"""Nothing is lost and nothing doubled, whoever is killed and whenever, and whatever the line does meanwhile.

A failing run prints its seed; ``PLANTROOM_CRASH_SEED=… pytest tests/system/test_crash.py`` plays the same faults, kills and
weather again.
"""

import asyncio
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.crash_site import FAULTS
from tests.support.crash_world import Ticket, World, check, world
from tests.support.servers import postgres

KILLS_A_ROUND = 20
"""In a round every fault comes and goes once."""
STARTS_WELL = 0.7
"""Share of kills that wait until both processes are up, however slow the machine: else nothing would ever be done."""


async def faults(world: World, number: int, rounds: int) -> None:
    """Each piece of equipment has its own troubles, one after the other, in an order that the seed chooses."""

    async def of(equipment: str) -> None:
        dice = random.Random(f"{number}/{equipment}")
        for _ in range(rounds):
            for fault in dice.sample(FAULTS[equipment], len(FAULTS[equipment])):
                await asyncio.sleep(dice.uniform(0, 1))
                await world.play((equipment, fault), dice.uniform(0.2, 1))

    async with asyncio.TaskGroup() as group:
        for equipment in FAULTS:
            group.create_task(of(equipment))


async def kills(world: World, number: int, count: int) -> None:
    """Now the one, now the other, now both; while they work, and now and then while they start. The gateway is the last."""
    dice = random.Random(f"{number}/kills")
    for left in range(count, 0, -1):
        if dice.random() < STARTS_WELL:
            await world.up()
            await asyncio.sleep(dice.uniform(0, 1.5))
        else:
            await asyncio.sleep(dice.uniform(0.1, 1))
        victims = dice.choice((["gateway"], ["cloud"], ["gateway", "cloud"])) if left > 1 else ["gateway"]
        for name in victims:
            await world.family.kill(name)
        await asyncio.sleep(dice.uniform(0, 0.3))
        for name in victims:
            await world.start_again(name)


async def weather(world: World, number: int) -> None:
    """The line is bad in a new way every second or so, until cancelled."""
    dice, network = random.Random(f"{number}/weather"), world.network
    ways = [
        network.cut, network.half_open, network.duplicate, lambda: network.garble(0.002), lambda: network.delay(0.05),
        lambda: network.trickle(200, 0.005), network.drop,
    ]  # fmt: skip
    while True:
        await asyncio.sleep(dice.uniform(0.2, 1))
        if (change := dice.choice(ways)()) is not None:
            await change
        await asyncio.sleep(dice.uniform(0.2, 1))
        network.mend()
        await network.drop()  # what was swallowed is known to be lost, as after a router's restart


async def disturbed(world: World, number: int, count: int) -> None:
    async with asyncio.TaskGroup() as group:
        storm = group.create_task(weather(world, number))
        async with asyncio.TaskGroup() as work:
            work.create_task(faults(world, number, max(1, count // KILLS_A_ROUND)))
            work.create_task(kills(world, number, count))
        storm.cancel()
    world.network.mend()
    await world.network.drop()


async def undisturbed(folder: Path, number: int, rounds: int) -> list[Ticket]:
    async with world(folder, seed=number) as calm:
        await faults(calm, number, rounds)
        await check(calm, await calm.settle())
        return await calm.tickets()


def print_seed() -> int:
    """The seed of this run; pytest shows what was printed when the test fails."""
    told = os.environ.get("PLANTROOM_CRASH_SEED")
    number = int(told) if told else random.SystemRandom().randrange(10**6)
    print(f"replay with PLANTROOM_CRASH_SEED={number}")  # noqa: T201
    return number


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """A line of figures, whether the test fails or not."""

    def line(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}")  # noqa: T201

    return line


async def crash(folder: Path, count: int, say: Callable[[str], None], database_url: str = "") -> None:
    number = print_seed()
    expected = await undisturbed(folder / "calm", number, max(1, count // KILLS_A_ROUND))
    async with world(folder / "storm", seed=number, database_url=database_url) as storm:
        await disturbed(storm, number, count)
        await check(storm, await storm.settle())
        assert await storm.tickets() == expected
        say(f"{count} kills: {storm.figures()}, {sum(one[2] for one in expected)} faults, seed {number}")
    assert len(expected) == sum(len(some) for some in FAULTS.values())


@pytest.fixture
def url() -> Iterator[str]:
    """A server of its own for each test: one would find the other's tickets."""
    with postgres() as address:
        yield address


@pytest.mark.timeout(400)
async def test_twenty_kills_lose_nothing_double_nothing_and_leave_the_same_tickets(
    tmp_path: Path, say: Callable[[str], None]
) -> None:
    await crash(tmp_path, 20, say)


async def kills_of_replicas(world: World, number: int, count: int) -> None:
    """Now the one replica, now the other, in the middle of what both received; the gateway is the last."""
    dice = random.Random(f"{number}/replicas")
    for left in range(count, 0, -1):
        name = dice.choice(world.clouds) if left > 1 else "gateway"
        await world.up()
        await asyncio.sleep(dice.uniform(0, 1))
        await world.family.kill(name)
        await asyncio.sleep(dice.uniform(0, 1))
        await world.start_again(name)


@pytest.mark.proof
@pytest.mark.timeout(400)
async def test_two_replicas_that_both_receive_every_batch_open_each_ticket_once_while_they_are_killed(
    tmp_path: Path, url: str
) -> None:
    number = print_seed()
    async with world(tmp_path / "world", seed=number, database_url=url, is_doubled=True) as there:
        async with asyncio.TaskGroup() as group:
            group.create_task(faults(there, number, 1))
            group.create_task(kills_of_replicas(there, number, 5))
        await check(there, await there.settle())
        assert await there.tickets() == there.expected()
        assert min(there.tee.answered.values()) > 5  # both were really at work


@pytest.mark.proof
@pytest.mark.timeout(1500)
async def test_two_hundred_kills_lose_nothing_double_nothing_and_leave_the_same_tickets(
    tmp_path: Path, say: Callable[[str], None]
) -> None:
    await crash(tmp_path, 200, say)


@pytest.mark.proof
@pytest.mark.timeout(400)
async def test_sixty_kills_over_postgresql_lose_nothing_and_double_nothing(
    tmp_path: Path, url: str, say: Callable[[str], None]
) -> None:
    await crash(tmp_path, 60, say, url)
