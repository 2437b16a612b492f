"""Every shipped model over every transport it may use: the real gateway reads back what physics showed."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.acquire.mqtt import MqttBus
from edge.clock import SystemClock
from simulators.broker import embedded_broker, free_port
from simulators.clock import SystemClock as PlantClock
from simulators.plant import PlantServers
from simulators.raw_lines import Where
from tests.support.devices import Basket
from tests.support.served_site import MODBUS, MQTT, Served, StillClock, write_site

KINDS = ("tcp", "rtu_over_tcp", "udp", "tls", "rtu")


def bus_entry(kind: str, folder: Path, certificates: Path) -> dict[str, Any]:
    if kind == "rtu":
        return {"modbus": "rtu", "port": str(folder / "ttyS7"), "baud": 115_200}
    entry: dict[str, Any] = {"modbus": kind, "host": "127.0.0.1", "port": free_port()}
    return entry | ({"ca_file": str(certificates / "ca.pem")} if kind == "tls" else {})


def where(kind: str, certificates: Path) -> Where:
    if kind != "tls":
        return Where()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    return Where(tls=context)


@contextlib.asynccontextmanager
async def serving(served: Served, at: Where) -> AsyncIterator[PlantServers]:
    servers, started = PlantServers(served.plant, PlantClock(), where=at), asyncio.Event()
    task = asyncio.create_task(servers.run(started))
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        await task
    try:
        yield servers
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


Both = TypeVar("Both", ModbusBus, MqttBus)


@contextlib.asynccontextmanager
async def reading(served: Served, make: Callable[..., Both]) -> AsyncIterator[tuple[Both, Basket]]:
    basket = Basket()
    bus = make(served.site.buses[0], served.site.devices, SystemClock(), basket, HealthBoard())
    task = asyncio.create_task(bus.run())
    try:
        yield bus, basket
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def listening(bus: MqttBus) -> None:
    """A message that is published before anybody listens is lost."""
    async with asyncio.timeout(10):
        while not bus.is_connected:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
async def test_every_modbus_model_is_read_back_over(kind: str, tmp_path: Path, certificates: Path) -> None:
    served = Served.load(write_site(tmp_path, MODBUS, bus_entry(kind, tmp_path, certificates)), StillClock())
    async with serving(served, where(kind, certificates)) as servers, reading(served, ModbusBus) as (_, basket):
        await basket.until(lambda: not served.untold(basket.samples), seconds=45)
        assert served.wrong(basket.samples) == []
        assert servers.server("bus").unserved == []


async def test_every_mqtt_model_is_read_back(tmp_path: Path) -> None:
    async with embedded_broker(free_port()) as port:
        site = write_site(tmp_path, MQTT, {"mqtt": f"mqtt://127.0.0.1:{port}"})
        served = Served.load(site, StillClock())
        async with reading(served, MqttBus) as (bus, basket):
            await listening(bus)
            async with serving(served, Where()):
                await basket.until(lambda: not served.untold(basket.samples), seconds=45)
            assert served.wrong(one for one in basket.samples if one.value is not None) == []
        await asyncio.sleep(0.1)  # the broker closes its end of the connections
