"""The whole path in one process on virtual time: plant → gateway → outbox → uplink → ingest → tickets → clocks.

The code is the product's own. Cut are only the ends that need a socket or a thread: the network is memory, databases
run on the loop, HTTP goes straight into the application. Ids and chance are counted, so a run repeats byte for byte.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from fastapi import FastAPI
from sqlalchemy import Table, select

from cloud.app import Parts, create_app
from cloud.config import Config
from cloud.people import gateways, service
from cloud.storage import tables as t
from cloud.storage.files import Files
from cloud.storage.session import Database, open_database
from cloud.telemetry.embedded import EmbeddedStore
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
from edge.site import Bus, Device, Site
from simulators.clock import VirtualClock
from simulators.plant import PlantServers, SimulatedPlant
from simulators.site import build_site, load_file
from simulators.virtual_broker import MemoryBroker, MemoryLink

CODE = "VIRTUAL-CODE"
LONG_NAP_S = 3600.0
"""Background tasks are woken by what happens; they need not look around in between."""
SETTLE_S = 1.0
DUMPED: tuple[Table, ...] = (t.record, t.quarantine, t.alarm, t.ticket, t.timeline, t.deadline, t.test_result, t.device)


class Line(httpx.AsyncBaseTransport):
    """The way from the gateway to the cloud's application. ``is_cut`` is an outage."""

    def __init__(self, app: FastAPI) -> None:
        self._way = httpx.ASGITransport(app)
        self.is_cut = False
        self.carried = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_cut:
            raise httpx.ConnectError("the line is cut", request=request)
        self.carried += 1
        return await self._way.handle_async_request(request)


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
    site: Site
    plant: SimulatedPlant
    servers: PlantServers
    broker: MemoryBroker
    app: FastAPI
    line: Line
    people: httpx.AsyncClient
    """Signed in as an engineer."""
    folder: Path
    group: asyncio.TaskGroup
    gateway: asyncio.Task[None] | None = None

    def start_gateway(self) -> None:
        """Start the gateway's process, so to speak, on the data it had."""
        running = run_gateway(
            self.site, clock=self.clock, data=self.folder, transport=self.line, bus_factory=self._bus, inline=True,
            jitter=lambda: 0.5, page=None,
        )  # fmt: skip
        self.gateway = self.group.create_task(running, name="gateway")

    async def stop_gateway(self) -> None:
        """End it in order: what was read is judged and saved."""
        if self.gateway is not None:
            self.gateway.cancel()
            await asyncio.wait([self.gateway])
            self.gateway = None

    def _bus(self, bus: Bus, devices: Sequence[Device], clock: Clock, sink: Intake, health: HealthBoard) -> Runs:
        if bus.kind == "mqtt":
            return VirtualMqttBus(bus, devices, clock, sink, health, broker=self.broker)
        return ModbusBus(bus, devices, clock, sink, health)

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
        database: Database = self.app.state.database
        lines = []
        async with database.read() as connection:
            for table in DUMPED:
                rows = (await connection.execute(select(table).order_by(*table.primary_key))).mappings()
                lines += [f"{table.name} {json.dumps(dict(row), sort_keys=True, default=_text)}" for row in rows]
        return "\n".join(lines).encode()


def _text(value: object) -> str:
    return bytes(value).decode() if isinstance(value, bytes | memoryview) else str(value)


@asynccontextmanager
async def running(
    site_file: Path, folder: Path, clock: VirtualClock, *, seed: int = 0, library: Library | None = None
) -> AsyncIterator[VirtualSite]:
    """A site with its gateway delivering to its cloud. Must run on a VirtualLoop; all data lands in ``folder``."""
    site = load_site(site_file, library)
    plant = SimulatedPlant(build_site(load_file(site_file), site.library), clock, seed=seed)
    servers, broker = PlantServers(plant, clock), MemoryBroker()
    app = _cloud(folder, clock)
    async with app.router.lifespan_context(app), asyncio.TaskGroup() as group, _people(app) as people:
        await _enrol(app, site, people)
        await _sign_in(app, people)
        virtual = VirtualSite(clock, site, plant, servers, broker, app, Line(app), people, folder, group)
        await servers.start_modbus()
        virtual.start_gateway()
        await clock.sleep(SETTLE_S)  # what is said before anybody listens is lost, as with a real broker
        with _speaking(servers, broker, group):
            yield virtual
            await virtual.stop_gateway()
        await servers.stop_modbus()


def _cloud(folder: Path, clock: VirtualClock) -> FastAPI:
    numbers = itertools.count(1)
    address = f"sqlite:///{folder / 'cloud.db'}"
    config = Config(data=folder, database_url=address)
    parts = Parts(
        clock=clock,
        database=open_database(address, is_inline=True),
        store=EmbeddedStore(config.telemetry_path, is_inline=True),
        files=Files(config.files_at, is_inline=True),
        tokens=lambda: f"token-{next(numbers)}",
        longest_nap_s=LONG_NAP_S,
    )
    app = create_app(config, parts)
    mover = app.state.mover
    app.state.background = [
        (name, (lambda: mover.run(LONG_NAP_S)) if name == "mover" else run) for name, run in app.state.background
    ]
    return app


@asynccontextmanager
async def _people(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.example") as client:
        yield client


async def _enrol(app: FastAPI, site: Site, people: httpx.AsyncClient) -> None:
    database: Database = app.state.database
    now: EpochMs = app.state.clock.now_ms()
    async with database.write() as connection:
        await gateways.add(connection, site.gateway.id, site.id, CODE, now)
    reply = await people.post("/api/v1/gateways/enrol", json={"gateway": site.gateway.id, "code": CODE})
    reply.raise_for_status()
    site.gateway.credential_file.write_text(reply.json()["credential"], encoding="utf-8")


async def _sign_in(app: FastAPI, people: httpx.AsyncClient) -> None:
    database: Database = app.state.database
    now: EpochMs = app.state.clock.now_ms()
    async with database.write() as connection:
        user = await service.add_user(connection, "engineer", "engineer", None, now)
        code = await service.new_sign_in_code(connection, user, now, app.state.tokens)
    (await people.post("/api/v1/sign-in", json={"code": code})).raise_for_status()


@contextmanager
def _speaking(servers: PlantServers, broker: MemoryBroker, group: asyncio.TaskGroup) -> Iterator[None]:
    """The plant's MQTT devices publish while the block runs."""
    tasks = [
        group.create_task(device.speak(broker), name=f"mqtt_device_{device.id}")
        for device in servers.message_devices(look_s=LONG_NAP_S)
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
