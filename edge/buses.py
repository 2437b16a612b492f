"""Composition: the buses of a site as they run, one supervised task each. A reload touches only those that changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.clock import Clock
from edge.site import Bus, Device, Site
from edge.store import Log

BUS_AGAIN_S = 5.0


class Runs(Protocol):
    """Anything that works until it is cancelled."""

    async def run(self) -> None: ...


Make = Callable[[Bus, Sequence[Device]], Runs]


@dataclass(frozen=True, slots=True)
class Running:
    """One bus at work, and what it was made from."""

    bus: Bus
    devices: tuple[Device, ...]
    runs: Runs
    task: asyncio.Task[None]


@dataclass(frozen=True, slots=True)
class Change:
    """What a new site asks of the buses: ids of those that stay as they are, and those to stop; ``made`` are to start."""

    kept: tuple[str, ...]
    stopped: tuple[str, ...]
    made: tuple[tuple[Bus, tuple[Device, ...], Runs], ...]

    @property
    def started(self) -> tuple[str, ...]:
        return tuple(bus.id for bus, _, _ in self.made)


class Buses:
    """The running buses by id, as tasks of one group."""

    def __init__(self, group: asyncio.TaskGroup, make: Make, clock: Clock, log: Log) -> None:
        self._group, self._make, self._clock, self._log = group, make, clock, log
        self._running: dict[str, Running] = {}

    def values(self) -> Iterator[Runs]:
        """What runs now."""
        return (one.runs for one in self._running.values())

    def prepare(self, site: Site) -> Change:
        """Make the buses that a site adds or changes; nothing is stopped or started yet."""
        devices_of = site.devices_by_bus()
        wanted = {bus.id: (bus, devices_of[bus.id]) for bus in site.buses if bus.id in devices_of}
        kept = tuple(
            name for name, one in self._running.items() if wanted.get(name) == (one.bus, one.devices)
        )  # fmt: skip
        stopped = tuple(name for name in self._running if name not in kept)
        made = tuple((bus, devices, self._make(bus, devices)) for bus, devices in wanted.values() if bus.id not in kept)
        return Change(kept, stopped, made)

    async def stop(self, change: Change) -> None:
        """Stop what goes or changes, so that its port is free and its last samples are handed over."""
        tasks = [self._running.pop(name).task for name in change.stopped]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def start(self, change: Change) -> None:
        """Start what is new."""
        for bus, devices, runs in change.made:
            task = self._group.create_task(self._supervise(bus.id, runs), name=f"bus {bus.id}")
            self._running[bus.id] = Running(bus, devices, runs, task)

    async def _supervise(self, name: str, bus: Runs) -> None:
        """The edge's one place that survives anything: a bus that fails in an unforeseen way is started again."""
        while True:
            try:
                await bus.run()
            except Exception:  # noqa: BLE001 - this is the supervisor
                self._log.exception("bus_failed", bus=name, again_in_s=BUS_AGAIN_S)
            await self._clock.sleep(BUS_AGAIN_S)
