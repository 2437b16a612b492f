"""An MQTT bus at work on a real broker, and what a test asks of it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import aiomqtt

from edge.acquire.health import HealthBoard
from edge.acquire.line import client_context
from edge.acquire.mqtt import MqttBus
from edge.clock import Clock, SystemClock
from edge.decode.sample import Sample
from edge.site import Bus, Device, Tls
from tests.support.brokers import Mosquitto
from tests.support.devices import Basket, make_device, mqtt_model

VERSIONS = ("3.1.1", "5")
MODEL = mqtt_model({"pressure": {"path": "p"}}, availability="site/{address}/will")


class Running:
    """A bus at work: its samples, its health, and the bus itself."""

    def __init__(self, bus: Bus, devices: Sequence[Device], basket: Basket, clock: Clock) -> None:
        self.basket, self.health = basket, HealthBoard()
        self.bus = MqttBus(bus, devices, clock, basket, self.health)

    async def first(self, point: str = "pressure", **wanted: Any) -> Sample:
        def found() -> list[Sample]:
            return [
                one for one in self.basket.of(point) if all(getattr(one, key) == value for key, value in wanted.items())
            ]

        await self.basket.until(lambda: bool(found()))
        return found()[0]

    async def connected(self) -> None:
        async with asyncio.timeout(5):
            while not self.bus.is_connected:
                await asyncio.sleep(0.01)

    def state(self, device: str = "meter_1") -> str:
        return {row.device: str(row.state) for row in self.health.rows(SystemClock().moment())}[device]

    def last_error(self, device: str = "meter_1") -> str:
        return {row.device: row.last_error for row in self.health.rows(SystemClock().moment())}[device]

    def commit(self) -> None:
        commits, self.basket.commits = self.basket.commits, []
        for committed in commits:
            committed()


@contextlib.asynccontextmanager
async def running(
    bus: Bus, *devices: Device, basket: Basket | None = None, clock: Clock | None = None
) -> AsyncIterator[Running]:
    one = Running(bus, devices, basket or Basket(), clock or SystemClock())
    task = asyncio.create_task(one.bus.run())
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def bus_of(broker: Mosquitto, **keys: Any) -> Bus:
    return Bus("sensors", "mqtt", host="127.0.0.1", port=broker.port, client_id="gw_1-sensors", **keys)


def sensor(
    bus: Bus,
    *,
    address: str = "a",
    device: str = "meter_1",
    stale_ms: int = 15_000,
    every_ms: int = 100,
    model: Any = MODEL,
) -> Device:
    made = make_device(model, bus, device=device, address=address, every_ms=every_ms)
    return replace(made, bindings=tuple(replace(binding, stale_after_ms=stale_ms) for binding in made.bindings))


async def publish(
    broker: Mosquitto, *messages: tuple[str, Any], retain: bool = False, qos: int = 1, tls: Tls | None = None
) -> None:
    """As a device would; with ``tls`` through that door."""
    context = None if tls is None else client_context(tls)
    async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=context) as client:
        for topic, payload in messages:
            body = payload if isinstance(payload, (bytes, str)) else json.dumps(payload)
            await client.publish(topic, body, qos=qos, retain=retain)
