"""A simulated MQTT device on a real broker: what it says, when it says it, and what the others hear when it is gone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
import pytest

from contract.messages import Value
from device_profiles.schema import DeviceModel, Point
from edge.site import Bus
from simulators.broker import embedded_broker, free_port
from simulators.clock import SystemClock
from simulators.modbus_device import Misbehaviour
from simulators.mqtt_device import MqttDevice
from simulators.site import SimulatedDevice
from tests.support.devices import GAUGE, mqtt_model
from tests.support.mqtt_buses import running as running_bus
from tests.support.mqtt_buses import sensor

NAME = {"en": "x", "zh": "x"}
POINTS = {
    "door": Point.model_validate({"name": NAME, "kind": "state", "states": {"open": NAME, "closed": NAME}}),
    "warm": Point.model_validate({"name": NAME, "kind": "gauge", "unit": "°C"}),
}
MODEL = DeviceModel.model_validate(
    {
        "id": "lift_box", "equipment_class": "lift", "name": "Box", "maker": "x", "status": "unverified", "sources": ["x"],
        "protocol": "mqtt",
        "mqtt": {"topic": "lifts/{address}", "timestamp": "ts", "availability": "lifts/{address}/state"},
        "payload": {"door": {"path": "door", "enum": {"0": "open", "1": "closed"}}, "warm": {"path": "car.t"}},
    }
)  # fmt: skip

PRESSURE = mqtt_model({"pressure": {"path": "p"}})


@dataclass
class Bench:
    device: MqttDevice
    values: dict[str, Value]
    heard: asyncio.Queue[tuple[str, Any]] = field(default_factory=asyncio.Queue)

    async def next(self, topic: str = "lifts/7", wait_s: float = 5.0) -> Any:
        async with asyncio.timeout(wait_s):
            while True:
                at, payload = await self.heard.get()
                if at == topic:
                    return payload


async def listen(port: int, bench: Bench) -> None:
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V311) as client:
        await client.subscribe("lifts/#", qos=1)
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            bench.heard.put_nowait((str(message.topic), message.payload))


@contextlib.asynccontextmanager
async def running(every_ms: int) -> AsyncIterator[Bench]:
    async with embedded_broker(free_port()) as port:
        values: dict[str, Value] = {"door": "closed", "warm": 21.5}
        sources = {name: ("lift_1", name) for name in POINTS}
        device = SimulatedDevice("box_1", MODEL, "sensors", 7, sources, every_ms)
        bench = Bench(MqttDevice(device, POINTS, lambda: dict(values), SystemClock(), port=port), values)
        listener = asyncio.create_task(listen(port, bench))
        await asyncio.sleep(0.1)
        speaker = asyncio.create_task(bench.device.run())
        try:
            yield bench
        finally:
            for task in (speaker, listener):
                task.cancel()
            await asyncio.gather(speaker, listener, return_exceptions=True)
            await asyncio.sleep(0.1)  # the broker closes its end of both connections


async def test_it_says_its_values_as_the_model_maps_them() -> None:
    async with running(60_000) as bench:
        said = json.loads(await bench.next())
    assert said["door"] in (1, "1")
    assert said["car"] == {"t": 21.5}
    assert said["ts"].endswith("Z")


async def test_it_repeats_itself_at_its_interval() -> None:
    async with running(200) as bench:
        await bench.next()
        await bench.next(wait_s=1)


async def test_a_wake_is_told_long_before_the_interval() -> None:
    async with running(60_000) as bench:
        await bench.next()
        bench.values["door"] = "open"
        bench.device.wake()
        assert json.loads(await bench.next(wait_s=0.5))["door"] in (0, "0")


async def test_a_door_that_moved_by_itself_is_told_and_a_degree_is_not() -> None:
    async with running(60_000) as bench:
        await bench.next()
        bench.values["warm"] = 22.5
        with pytest.raises(TimeoutError):
            await bench.next(wait_s=1.3)
        bench.values["door"] = "open"
        assert json.loads(await bench.next(wait_s=2))["door"] in (0, "0")


async def test_a_silent_device_says_nothing_and_a_garbling_one_says_nonsense() -> None:
    async with running(60_000) as bench:
        await bench.next()
        bench.device.misbehave(Misbehaviour("silent"))
        with pytest.raises(TimeoutError):
            await bench.next(wait_s=0.3)
        bench.device.misbehave(Misbehaviour("garbage"))
        with pytest.raises(ValueError):  # noqa: PT011 - either not UTF-8 or not JSON
            json.loads(await bench.next())


async def test_others_hear_that_it_is_online() -> None:
    async with running(60_000) as bench:
        assert await bench.next("lifts/7/state") == b"online"
        await bench.next()


async def test_the_gateway_takes_no_wrong_value_from_a_device_that_speaks_wrongly_and_hears_it_again() -> None:
    async with embedded_broker(free_port()) as port:
        bus = Bus("sensors", "mqtt", host="127.0.0.1", port=port, client_id="gw_1-sensors", mqtt_version="3.1.1")
        device = SimulatedDevice("meter_1", PRESSURE, "sensors", "a", {"pressure": ("pump_1", "pressure")}, 50)
        speaker = MqttDevice(device, {"pressure": GAUGE}, lambda: {"pressure": 0.5}, SystemClock(), port=port)
        async with running_bus(bus, sensor(bus, model=PRESSURE)) as one:
            await one.connected()
            task = asyncio.create_task(speaker.run())
            for fault in ("silent", "garbage", "truncated", "noise", "duplicate", "late", "restart"):
                speaker.misbehave(Misbehaviour(fault, delay_s=0.1))
                await asyncio.sleep(0.2)
                speaker.misbehave()
                heard = len(one.basket.samples)
                await one.basket.until(lambda so_far=heard: any(row.value for row in one.basket.samples[so_far:]))  # type: ignore[misc]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert {row.value for row in one.basket.samples} - {None} == {0.5}
        await asyncio.sleep(0.1)  # the broker closes its end of both connections
