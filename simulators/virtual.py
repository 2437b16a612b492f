"""The whole path in one process on virtual time: plant → gateway → outbox → uplink → ingest → tickets → clocks.

The code is the product's own. Cut are only the ends that need a socket or a thread: the network is memory, databases
run on the loop, HTTP goes straight into the application. Ids and chance are counted, so a run repeats byte for byte.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI

from contract.conventions import EpochMs
from device_profiles.library import Library
from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.acquire.mqtt import MqttBus
from edge.acquire.mqtt_link import MqttLink
from edge.buses import Runs
from edge.clock import Clock
from edge.config import load_site
from edge.cycle import Intake
from edge.gateway import run_gateway
from edge.pace import USUAL, Pace
from edge.site import Bus, Device, Site
from simulators.clock import VirtualClock
from simulators.mqtt_device import MqttDevice
from simulators.plant import PlantServers, SimulatedPlant
from simulators.run_facts import dump
from simulators.site import build_site, load_file
from simulators.virtual_broker import BrokerDown, MemoryBroker, MemoryLink
from simulators.virtual_cloud import LONG_NAP_S, Line, Person, VirtualCloud

SETTLE_S = 1.0
PACES: Mapping[str, Pace] = {
    "real": USUAL,
    "calm": Pace(tick_ms=10_000, commit_ms=10_000, windows_ms=3_600_000, status_ms=900_000),
    "coarse": Pace(tick_ms=60_000, commit_ms=60_000, windows_ms=3_600_000, status_ms=900_000, gather_ms=1_000),
    "quarter": Pace(tick_ms=900_000, commit_ms=3_600_000, windows_ms=21_600_000, status_ms=21_600_000, gather_ms=100),
}
"""How often the gateway looks around. With ``coarse`` idle time costs little; what time alone changes is seen within a minute. ``calm`` lies
between: delays end at their instant, windows and silent devices are looked at every ten seconds."""


class VirtualMqttBus(MqttBus):
    """The gateway's MQTT bus on a broker in memory."""

    def __init__(
        self,
        bus: Bus,
        devices: Sequence[Device],
        clock: Clock,
        sink: Intake,
        health: HealthBoard,
        *,
        broker: MemoryBroker,
    ) -> None:
        super().__init__(bus, devices, clock, sink, health)
        self._link = cast("MqttLink", MemoryLink(broker, self._receive))


@dataclass(slots=True)
class VirtualSite:
    """A site that lives on a virtual loop: what a test or a scenario may touch."""

    clock: VirtualClock
    """True time, which the plant follows."""
    gateway_clock: VirtualClock
    cloud_clock: VirtualClock
    site: Site
    plant: SimulatedPlant
    servers: PlantServers
    broker: MemoryBroker
    cloud: VirtualCloud
    line: Line
    """From the gateway to the cloud."""
    persons: Mapping[str, Person]
    folder: Path
    group: asyncio.TaskGroup
    gateway: asyncio.Task[None] | None = None
    kills: int = 0
    pace: Pace = USUAL

    @property
    def app(self) -> FastAPI:
        """The cloud's application, while it runs."""
        assert self.cloud.app is not None, "the cloud is down"  # noqa: S101 - a mistake of the caller
        return self.cloud.app

    @property
    def people(self) -> httpx.AsyncClient:
        """Signed in as an engineer."""
        return self.persons["engineer"].client

    @property
    def gateway_folder(self) -> Path:
        """Where the gateway's data is now; another one after each kill."""
        return self.folder / (f"gateway_{self.kills}" if self.kills else "gateway")

    def start_gateway(self) -> None:
        """Start the gateway's process, so to speak, on the data it had."""
        self.gateway_folder.mkdir(parents=True, exist_ok=True)
        running = run_gateway(
            self.site, clock=self.gateway_clock, data=self.gateway_folder, transport=self.line, bus_factory=self._bus,
            inline=True, jitter=lambda: 0.5, page=None, pace=self.pace,
        )  # fmt: skip
        self.gateway = self.group.create_task(running, name="gateway")

    async def stop_gateway(self) -> None:
        """End it in order: what was read is judged and saved."""
        if self.gateway is not None:
            self.gateway.cancel()
            await asyncio.wait([self.gateway])
            self.gateway = None

    async def kill_gateway(self) -> None:
        """A power cut: what it had committed at this instant remains, and nothing else."""
        if self.gateway is not None:
            old, self.kills = self.gateway_folder, self.kills + 1
            shutil.copytree(old, self.gateway_folder)
            await self.stop_gateway()  # onto the folder that nobody reads any more

    def _bus(self, bus: Bus, devices: Sequence[Device], clock: Clock, sink: Intake, health: HealthBoard) -> Runs:
        if bus.kind == "mqtt":
            return VirtualMqttBus(bus, devices, clock, sink, health, broker=self.broker)
        return ModbusBus(bus, devices, clock, sink, health, is_staggered=not self.pace.gather_ms)

    async def at(self, seconds: float) -> None:
        """Let time pass until so many seconds after the start."""
        await self.clock.sleep(max(0.0, seconds - asyncio.get_running_loop().time()))

    async def tickets(self) -> list[dict[str, Any]]:
        """Every ticket as the API tells it, oldest first."""
        reply = await self.people.get("/api/v1/tickets?limit=1000")
        reply.raise_for_status()
        return sorted(reply.json()["tickets"], key=lambda ticket: str(ticket["id"]))

    async def act(self, ticket: str, action: str, /, **details: str) -> dict[str, Any]:
        """Press a button."""
        reply = await self.people.post(f"/api/v1/tickets/{ticket}/actions/{action}", json=details)
        reply.raise_for_status()
        done: dict[str, Any] = reply.json()
        return done

    async def dump(self) -> bytes:
        """Every row that events, tickets and clocks left, one JSON line each, in the order of their keys."""
        return dump(self.cloud.database_file)


@dataclass(frozen=True, slots=True)
class World:
    """How a world differs from the plainest one."""

    people: Mapping[str, str] = field(default_factory=lambda: {"engineer": "engineer"})
    """Name to role."""
    reachable: tuple[str, ...] = ()
    """Who of them can be called."""
    cloud: Mapping[str, Any] = field(default_factory=dict)
    """What stands in cloud.yaml."""
    keeps_history: bool = True
    pace: Pace = USUAL
    """How often the gateway looks around; a longer one makes a year short."""


@asynccontextmanager
async def running(
    site_file: Path,
    folder: Path,
    clock: VirtualClock,
    *,
    seed: int = 0,
    library: Library | None = None,
    world: World = World(),
) -> AsyncIterator[VirtualSite]:
    """A site with its gateway delivering to its cloud. Must run on a VirtualLoop; all data lands in ``folder``."""
    site = load_site(site_file, library)
    plant = SimulatedPlant(build_site(load_file(site_file), site.library), clock, seed=seed)
    servers, broker = PlantServers(plant, clock), MemoryBroker()
    gateway_clock, cloud_clock = _clock_like(clock), _clock_like(clock)
    cloud = VirtualCloud(folder, cloud_clock, world.cloud, keeps_history=world.keeps_history)
    await cloud.start()
    try:
        async with asyncio.TaskGroup() as group:
            await _enrol(cloud, site)
            persons = await _people(cloud, world)
            virtual = VirtualSite(
                clock,
                gateway_clock,
                cloud_clock,
                site,
                plant,
                servers,
                broker,
                cloud,
                Line(cloud),
                persons,
                folder,
                group,
                pace=world.pace,
            )
            await servers.start_modbus()
            virtual.start_gateway()
            await clock.sleep(SETTLE_S)  # what is said before anybody listens is lost, as with a real broker
            with _speaking(servers, broker, group):
                yield virtual
                await virtual.stop_gateway()
            await servers.stop_modbus()
    finally:
        await cloud.stop()


def _clock_like(clock: VirtualClock) -> VirtualClock:
    """A machine's own clock, right so far."""
    since_ms: EpochMs = round(asyncio.get_running_loop().time() * 1000)
    return VirtualClock(clock.steady_ms() - since_ms)


async def _enrol(cloud: VirtualCloud, site: Site) -> None:
    code = await cloud.register(site.gateway.id, site.id)
    async with httpx.AsyncClient(transport=Line(cloud), base_url="http://desk.example") as client:
        reply = await client.post("/api/v1/gateways/enrol", json={"gateway": site.gateway.id, "code": code})
    reply.raise_for_status()
    site.gateway.credential_file.write_text(reply.json()["credential"], encoding="utf-8")


async def _people(cloud: VirtualCloud, world: World) -> dict[str, Person]:
    for name, role in world.people.items():
        await cloud.add_person(name, role, has_channel=name in world.reachable)
    persons = {name: Person(name, cloud) for name in world.people}
    await persons["engineer"].sign_in()
    return persons


@contextmanager
def _speaking(servers: PlantServers, broker: MemoryBroker, group: asyncio.TaskGroup) -> Iterator[None]:
    """The plant's MQTT devices publish while the block runs."""
    tasks = [
        group.create_task(_speak(device, broker), name=f"mqtt_device_{device.id}")
        for device in servers.message_devices(look_s=LONG_NAP_S)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _speak(device: MqttDevice, broker: MemoryBroker) -> None:
    """A device on its broker, through any loss of it."""
    while True:
        await broker.up.wait()
        with suppress(BrokerDown):
            await device.speak(broker)
