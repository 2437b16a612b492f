"""The real processes for a test, and what a test asks of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from simulators.demo_setup import Options, prepare
from simulators.scenario import SeenTicket
from simulators.stack import Stack


@contextlib.asynccontextmanager
async def running(folder: Path, cloud_config: str = "") -> AsyncIterator[Stack]:
    """The demo's site with every process running; nothing is left behind, whatever the test does."""
    config = None
    if cloud_config:
        config = folder / "cloud.yaml"
        config.write_text(cloud_config, encoding="utf-8")
    stack = Stack(prepare(Options(data=folder / "data")), cloud_config=config)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()


async def tickets_of(stack: Stack, equipment: str, rule: str) -> list[SeenTicket]:
    return [one for one in await stack.cloud.tickets() if one.key == (equipment, rule)]


async def until(is_true: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """The first truth that an async question gives. Fails saying what was waited for."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while loop.time() < end:
        if answer := await is_true():
            return answer
        await asyncio.sleep(0.1)
    raise AssertionError(f"waited {seconds:.0f} s for {what}")


async def ticket_for(stack: Stack, equipment: str, rule: str) -> SeenTicket:
    """The ticket of this rule, once it is there; there must be exactly one."""
    found = await until(lambda: tickets_of(stack, equipment, rule), f"a ticket of {equipment}/{rule}")
    assert len(found) == 1
    ticket: SeenTicket = found[0]
    return ticket


async def active_alarms(stack: Stack, equipment: str, rule: str) -> list[dict[str, Any]]:
    found = (await stack.cloud.get("/api/v1/alarms"))["alarms"]
    return [one for one in found if (one["equipment"], one["rule"], one["state"]) == (equipment, rule, "active")]
