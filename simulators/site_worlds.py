"""Where an acceptance test runs: the whole product on virtual time in this process, or as processes on real sockets."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml

from contract.conventions import EpochMs, to_ms
from contract.messages import Value
from simulators import rows
from simulators.clock import VirtualClock, run_virtual
from simulators.demo_setup import Setup
from simulators.plant import SimulatedPlant
from simulators.rows import SeenAlarm
from simulators.site import Ports, SimulatedSite, load_file, relocate
from simulators.site_plan import Trial
from simulators.site_trial import Finding, World, run_trial, settle
from simulators.stack import Stack
from simulators.virtual import VirtualSite, running

FIRST_PORT = 5020
EVENING = datetime(2026, 11, 20, 19, 0)  # noqa: DTZ001 - local at the site: lights are on, and nobody else is at work
"""When a virtual acceptance test begins."""


@dataclass(frozen=True, slots=True)
class Share:
    """Part of an acceptance test that one process does: the trials of one equipment."""

    file: Path
    trials: tuple[Trial, ...]
    seed: int


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a share."""

    findings: tuple[Finding, ...]
    rest: tuple[SeenAlarm, ...]
    """Raised before the first fault."""
    alarms: tuple[SeenAlarm, ...]
    """All in all."""
    good: frozenset[tuple[str, str]]


async def try_all(world: World, trials: Sequence[Trial], database: Path, tell: Callable[[list[Finding]], None]) -> Done:
    """Settle, try one fault after another, and read what was left. ``tell`` hears of each trial."""
    rest = await settle(world)
    findings: list[Finding] = []
    for trial in trials:
        found = await run_trial(world, trial)
        findings += found
        tell(found)
    return Done(tuple(findings), tuple(rest), tuple(rows.alarms(database)), frozenset(rows.good_points(database)))


# --- virtual time -------------------------------------------------------------------------------------------------


class VirtualWorld:
    """A site on a virtual loop."""

    def __init__(self, virtual: VirtualSite) -> None:
        self._virtual = virtual
        self.site = virtual.plant.site

    def now_ms(self) -> EpochMs:
        return self._virtual.clock.now_ms()

    async def sleep(self, seconds: float) -> None:
        await self._virtual.clock.sleep(seconds)

    async def change(self, do: Literal["inject", "clear"], equipment: str, fault: str) -> EpochMs:
        plant = self._virtual.plant
        return plant.inject(equipment, fault) if do == "inject" else plant.clear(equipment, fault)

    def alarms(self) -> Sequence[SeenAlarm]:
        return rows.alarms(self._virtual.cloud.database_file)

    def truth(self, equipment: str) -> Mapping[str, Value]:
        return self._virtual.plant.values(equipment)

    async def acknowledge(self, ticket: int) -> None:
        await self._virtual.act(f"T-{ticket:06d}", "acknowledge")


def moved_to_memory(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The site for one process in virtual time: every bus on a port of its own; ``folder`` is the original's."""
    buses = [bus["id"] for bus in data.get("buses", []) if "modbus" in bus]
    ports = Ports(8080, 8081, 1883, {bus: FIRST_PORT + number for number, bus in enumerate(buses)})
    moved = relocate(data, ports)
    if own := moved.get("library"):
        moved["library"] = str((folder / own).resolve())
    return moved


def in_virtual_time(share: Share) -> Done:
    """Do a share on a virtual loop of its own. For a worker process."""
    return run_virtual(_virtual(share))


async def _virtual(share: Share) -> Done:
    data = load_file(share.file)
    start_ms = to_ms(EVENING.replace(tzinfo=ZoneInfo(data["site"].get("zone", "UTC"))))
    with tempfile.TemporaryDirectory(prefix="plantroom-site-") as place:
        folder = Path(place)
        copy = folder / "site.yaml"
        moved = moved_to_memory(data, share.file.parent)
        copy.write_text(yaml.safe_dump(moved, allow_unicode=True, sort_keys=False), encoding="utf-8")
        async with running(copy, folder, VirtualClock(start_ms), seed=share.seed) as virtual:
            return await try_all(VirtualWorld(virtual), share.trials, virtual.cloud.database_file, lambda _: None)


# --- real sockets -------------------------------------------------------------------------------------------------


class RealWorld:
    """A site as processes on this machine."""

    def __init__(self, stack: Stack, setup: Setup, seed: int) -> None:
        self._stack, self._setup = stack, setup
        self.site: SimulatedSite = setup.site
        self._twin = SimulatedPlant(setup.site, stack.clock, seed=seed)  # the same seed: the same truth, asked here

    def now_ms(self) -> EpochMs:
        return self._stack.clock.now_ms()

    async def sleep(self, seconds: float) -> None:
        self._stack.family.check()
        await self._stack.clock.sleep(seconds)

    async def change(self, do: Literal["inject", "clear"], equipment: str, fault: str) -> EpochMs:
        (self._twin.inject if do == "inject" else self._twin.clear)(equipment, fault)
        return await self._stack.change(do, equipment, fault)

    def alarms(self) -> Sequence[SeenAlarm]:
        return rows.alarms(self._setup.folder / "cloud.db")

    def truth(self, equipment: str) -> Mapping[str, Value]:
        return self._twin.values(equipment)

    async def acknowledge(self, ticket: int) -> None:
        await self._stack.cloud.act(f"T-{ticket:06d}", "acknowledge")


async def on_real_sockets(
    setup: Setup, trials: Sequence[Trial], seed: int, tell: Callable[[list[Finding]], None]
) -> Done:
    """Start everything, do every trial, stop everything. Raises ProcessFailed."""
    stack = Stack(setup, seed=seed, watcher_role="technician")
    try:
        await stack.start()
        return await try_all(RealWorld(stack, setup, seed), trials, setup.folder / "cloud.db", tell)
    finally:
        await asyncio.shield(stack.stop())
