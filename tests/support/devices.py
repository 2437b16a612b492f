"""Devices, buses and sinks for tests, made from a few keys."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from device_profiles.schema import DeviceModel, Point
from edge.decode.sample import Sample
from edge.decode.times import TIMES
from edge.site import Binding, Bus, Device

NAME = {"en": "name", "zh": "名称"}
GAUGE = Point.model_validate({"name": NAME, "kind": "gauge"})
BIT = Point.model_validate({"name": NAME, "kind": "bit"})
TEXT = Point.model_validate({"name": NAME, "kind": "text"})


def modbus_model(registers: Mapping[str, Mapping[str, Any]], **limits: Any) -> DeviceModel:
    """A Modbus model; each register says at least ``address``, its table is holding unless it says otherwise."""
    return DeviceModel.model_validate(
        {
            "id": "model", "equipment_class": "pump", "name": "Model", "maker": "Maker", "status": "unverified",
            "sources": ["made for a test"], "protocol": "modbus", "modbus": limits,
            "registers": {name: {"table": "holding", **keys} for name, keys in registers.items()},
        }
    )  # fmt: skip


def mqtt_model(payload: Mapping[str, Mapping[str, Any]], /, **mqtt: Any) -> DeviceModel:
    """An MQTT model, JSON on ``site/{address}`` unless ``mqtt`` says otherwise."""
    return DeviceModel.model_validate(
        {
            "id": "model", "equipment_class": "pump", "name": "Model", "maker": "Maker", "status": "unverified",
            "sources": ["made for a test"], "protocol": "mqtt", "mqtt": {"topic": "site/{address}", **mqtt},
            "payload": payload,
        }
    )  # fmt: skip


def make_device(
    model: DeviceModel, bus: Bus, *, device: str = "meter_1", address: int | str = 1, every_ms: int = 1000
) -> Device:
    """Every point of the model bound to a gauge, to a bit in the bit tables, or to a text for strings and times."""
    bindings = []
    for name, mapping in model.mappings.items():
        is_bit = getattr(mapping, "table", "") in ("coil", "discrete")
        is_text = getattr(mapping, "type", "") in ("string", *TIMES)
        point = BIT if is_bit else TEXT if is_text else GAUGE
        group = {"fast": every_ms // 4, "slow": every_ms * 12}.get(getattr(mapping, "group", "normal"), every_ms)
        bindings.append(Binding(name, "pump_1", name, point, mapping, group, 15_000))
    return Device(device, model, bus, address, every_ms, tuple(bindings))


class Basket:
    """A sink that keeps everything and lets a test wait for it."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.commits: list[Callable[[], None]] = []
        self._more = asyncio.Event()

    async def put(self, samples: Sequence[Sample], committed: Callable[[], None] | None = None) -> None:
        self.samples.extend(samples)
        if committed is not None:
            self.commits.append(committed)
        self._more.set()

    def of(self, point: str, device: str = "") -> list[Sample]:
        """Samples of one point, oldest first."""
        return [one for one in self.samples if one.point == point and device in ("", one.device)]

    async def until(self, reached: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until a condition holds, looking again at each arrival."""
        async with asyncio.timeout(seconds):
            while not reached():
                self._more.clear()
                await self._more.wait()
