"""Where a scenario plays: what the conductor may do to a world, and the world on virtual time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx

from contract.conventions import EpochMs
from simulators.plant import Change
from simulators.raw_reply import HEALTHY, Misbehaviour
from simulators.virtual import VirtualSite

Process = Literal["gateway", "cloud"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the cloud shows of a point."""

    value: float | str | bool | None
    quality: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the cloud answered; status 0 when it did not."""

    status: int
    body: Any

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 300


class Stage(Protocol):
    """A world with one site, one gateway and one cloud."""

    site_id: str
    behind_ms: int
    """How much earlier the scenario's calendar is than the product's clocks."""

    @property
    def changes(self) -> Sequence[Change]: ...
    def now_ms(self) -> EpochMs: ...
    def instant(self, at_ms: EpochMs) -> EpochMs: ...
    async def until(self, at_ms: EpochMs) -> None: ...
    async def change(self, do: Literal["inject", "clear"], equipment: str, fault: str, onset_s: float) -> None: ...
    async def lie(self, device: str, point: str, kind: str, figures: Mapping[str, Any]) -> None: ...
    async def truth(self, device: str, point: str, kind: str) -> None: ...
    async def misbehave(self, device: str, how: Misbehaviour) -> None: ...
    async def cut(self, what: str, *, is_cut: bool) -> None: ...
    async def kill(self, process: Process) -> None: ...
    async def stop(self, process: Process) -> None: ...
    async def start(self, process: Process) -> None: ...
    async def jump(self, process: Process, by_ms: int) -> None: ...
    async def ask(self, person: str, method: str, path: str, body: object = None, key: str = "") -> Reply: ...
    async def shown(self, equipment: str, point: str) -> Shown | None: ...
    @property
    def database(self) -> Path: ...


class VirtualStage:
    """A world on a virtual loop."""

    behind_ms = 0

    def __init__(self, world: VirtualSite) -> None:
        self.world = world
        self.site_id = world.site.id

    @property
    def changes(self) -> Sequence[Change]:
        return self.world.plant.history

    def now_ms(self) -> EpochMs:
        return self.world.clock.now_ms()

    def instant(self, at_ms: EpochMs) -> EpochMs:
        return at_ms

    async def until(self, at_ms: EpochMs) -> None:
        await self.world.clock.sleep(max(0, at_ms - self.now_ms()) / 1000)

    async def change(self, do: Literal["inject", "clear"], equipment: str, fault: str, onset_s: float) -> None:
        plant = self.world.plant
        if do == "inject":
            plant.inject(equipment, fault, onset_s)
        else:
            plant.clear(equipment, fault)

    async def lie(self, device: str, point: str, kind: str, figures: Mapping[str, Any]) -> None:
        self.world.plant.lie(device, point, kind, **figures)

    async def truth(self, device: str, point: str, kind: str) -> None:
        self.world.plant.truth(device, point, kind)

    async def misbehave(self, device: str, how: Misbehaviour) -> None:
        self.world.servers.misbehave(device, how)

    async def cut(self, what: str, *, is_cut: bool) -> None:
        world = self.world
        match what.split():
            case ["line"]:
                world.line.is_cut = is_cut
            case ["replies"]:
                world.line.loses_replies = is_cut
            case ["broker"]:
                world.broker.is_down = is_cut
            case ["cloud"]:
                await (self.stop("cloud") if is_cut else self.start("cloud"))
            case _:
                await self._cut_bus(what.rsplit(maxsplit=1)[-1], is_cut=is_cut)

    async def _cut_bus(self, bus: str, *, is_cut: bool) -> None:
        if "mqtt" in self.world.plant.site.buses[bus]:
            self.world.broker.is_down = is_cut
            return
        for device in self.world.plant.site.on_bus(bus):
            self.world.servers.misbehave(device.id, Misbehaviour("silent") if is_cut else HEALTHY)

    async def kill(self, process: Process) -> None:
        await (self.world.kill_gateway() if process == "gateway" else self.world.cloud.kill())

    async def stop(self, process: Process) -> None:
        await (self.world.stop_gateway() if process == "gateway" else self.world.cloud.stop())

    async def start(self, process: Process) -> None:
        if process == "cloud":
            if self.world.cloud.app is None:
                await self.world.cloud.start()
        elif self.world.gateway is None:
            self.world.start_gateway()

    async def jump(self, process: Process, by_ms: int) -> None:
        clock = self.world.gateway_clock if process == "gateway" else self.world.cloud_clock
        clock.wall_offset_ms += by_ms

    async def ask(self, person: str, method: str, path: str, body: object = None, key: str = "") -> Reply:
        try:
            reply = await self.world.persons[person].ask(method, path, body, key)
        except httpx.TransportError as error:
            return Reply(0, str(error))
        return Reply(reply.status_code, reply.json() if reply.content else None)

    async def shown(self, equipment: str, point: str) -> Shown | None:
        found = (await self.world.cloud.latest(self.site_id, equipment)).get(point)
        return None if found is None else Shown(found.value, found.quality)

    @property
    def database(self) -> Path:
        """The cloud's file."""
        return self.world.cloud.database_file
