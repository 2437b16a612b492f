"""A kill at each step from the gateway's write to the cloud's history ends like a day on which nobody was killed."""

import asyncio
from itertools import zip_longest
from pathlib import Path

import pytest

from contract.messages import AlarmCleared, AlarmRaised
from tests.support import dying
from tests.support.crash_world import World, check, world

PUMP, RULE = "pump_1", "pump_fault"


async def die_at(world: World, name: str, step: str | None) -> None:
    """The process reaches its step, is gone, and is started again."""
    if step is None:
        return
    order = world.folder / f"die_{name}"
    child = world.children[name]
    try:
        async with asyncio.timeout(60):
            await child.process.wait()
    except TimeoutError:
        pytest.fail(f"{name} never came to: {step}\n{world.logs()}")
    assert child.process.returncode == -9, f"{name} at: {step}\n{world.logs()}"
    assert not order.exists()
    await world.family.kill(name)
    await world.start_again(name)


async def one_round(world: World, number: int, gateway: str | None, cloud: str | None) -> None:
    """One fault, on whose way each side dies once."""
    for name, step in (("gateway", gateway), ("cloud", cloud)):
        if step is not None:
            (world.folder / f"die_{name}").write_text(step)
    world.plant.inject(PUMP, "drive_fault")
    await asyncio.gather(die_at(world, "gateway", gateway), die_at(world, "cloud", cloud))
    await world.counted(AlarmRaised, PUMP, RULE, number)
    world.plant.clear(PUMP, "drive_fault")
    await world.counted(AlarmCleared, PUMP, RULE, number)


@pytest.mark.timeout(300)
async def test_a_kill_at_every_step_of_delivery_raises_each_alarm_once_and_opens_one_ticket(tmp_path: Path) -> None:
    async with world(tmp_path / "world", wrapper=Path(dying.__file__)) as there:
        steps = list(zip_longest(dying.GATEWAY_STEPS, dying.CLOUD_STEPS))
        await there.counted(AlarmRaised, PUMP, RULE, 0)
        for number, (gateway, cloud) in enumerate(steps, start=1):
            await one_round(there, number, gateway, cloud)
        await check(there, await there.settle())
        assert there.witness.count(AlarmRaised, PUMP, RULE) == len(steps)
        assert await there.tickets() == [(PUMP, RULE, len(steps))]
