"""A disk that takes nothing, at either end: work goes on, it is said on site and in the cloud, and nothing is lost."""

import resource
from pathlib import Path

import httpx
import pytest

from tests.support.crash_world import World, check, check_complete, world

PUMP = "pump_1"


def fill(world: World, name: str, *, is_full: bool) -> None:
    """No file of this process may grow beyond a page any more, as on a full disk; or as before."""
    pid = world.children[name].process.pid
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096 if is_full else hard, hard))


async def ticket(world: World, equipment: str, rule: str, seconds: float = 30) -> None:
    async def is_there() -> bool:
        return any(one[:2] == (equipment, rule) for one in await world.tickets())

    await world.until(is_there, f"a ticket of {equipment}/{rule}", seconds)


async def delivered(world: World) -> None:
    """The gateway spoke, and the cloud heard it."""

    def is_all() -> bool:
        return world.witness.last() > 0 and not world.witness.waiting(world.witness.last())

    await world.until(is_all, "the first word to arrive", 60)


@pytest.mark.proof
@pytest.mark.timeout(300)
async def test_a_gateway_whose_disk_is_full_judges_and_tells_and_keeps_all_when_it_is_freed(tmp_path: Path) -> None:
    async with world(tmp_path / "world") as there:
        await delivered(there)
        fill(there, "gateway", is_full=True)
        there.plant.inject(PUMP, "drive_fault")
        await ticket(there, PUMP, "pump_fault")  # from memory, while the disk takes nothing
        async with httpx.AsyncClient() as client:
            said = await client.get(f"{there.status_address}/healthz")
        assert said.json() == {"status": "disk_failing"}
        await ticket(there, "gw_1", "disk_failing", 120)
        fill(there, "gateway", is_full=False)
        await there.until(lambda: there.is_in_log("gateway", "disk_well_again"), "the disk to be used again", 60)
        there.plant.clear(PUMP, "drive_fault")
        await there.play((PUMP, "dry_run"), 0.2)
        await check_complete(there, await there.settle())
        assert (PUMP, "dry_run", 1) in await there.tickets()


@pytest.mark.proof
@pytest.mark.timeout(120)
async def test_a_cloud_whose_disk_is_full_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    async with world(tmp_path / "world") as there:
        await delivered(there)
        fill(there, "cloud", is_full=True)
        await there.play((PUMP, "drive_fault"), 0.2)
        await there.until(lambda: there.is_in_log("gateway", "cloud_busy"), "the gateway to hear of it", 30)
        assert await there.tickets() == []
        async with httpx.AsyncClient() as client:
            said = await client.get(f"{there.cloud_address}/healthz")
        assert (said.status_code, said.json()) == (503, {"status": "disk_failing"})
        fill(there, "cloud", is_full=False)
        await check(there, await there.settle())
        assert await there.tickets() == [(PUMP, "pump_fault", 1)]
