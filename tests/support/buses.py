"""A Modbus bus at work in a test, and devices whose points each read their own address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from contract.messages import Quality
from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.clock import SystemClock
from edge.decode.sample import Sample
from edge.site import Bus, Device
from tests.support.devices import Basket, make_device, modbus_model

EVERY_MS = 50


class Running:
    """A bus at work: its samples, its health, and the bus itself."""

    def __init__(self, bus: Bus, devices: Sequence[Device], **keys: Any) -> None:
        self.basket, self.health = Basket(), HealthBoard()
        self.bus = ModbusBus(bus, devices, SystemClock(), self.basket, self.health, **keys)

    def state(self, device: str = "meter_1") -> str:
        return {row.device: str(row.state) for row in self.health.rows(SystemClock().moment())}[device]

    async def first(self, point: str, **wanted: Any) -> Sample:
        """Wait for a sample of a point that has these properties."""

        def found() -> list[Sample]:
            return [
                one for one in self.basket.of(point) if all(getattr(one, key) == value for key, value in wanted.items())
            ]

        await self.basket.until(lambda: bool(found()))
        return found()[0]


@contextlib.asynccontextmanager
async def running(bus: Bus, *devices: Device, **keys: Any) -> AsyncIterator[Running]:
    one = Running(bus, devices, **keys)
    task = asyncio.create_task(one.bus.run())
    try:
        yield one
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def own_addresses(
    count: int, bus: Bus, *, unit: int = 1, name: str = "meter_1", every_ms: int = EVERY_MS, **limits: Any
) -> Device:
    """A device whose points p0, p1 … should each read their own address."""
    model = modbus_model({f"p{at}": {"address": at} for at in range(count)}, **{"timeout": "150ms", **limits})
    return make_device(model, bus, device=name, address=unit, every_ms=every_ms)


def wrong(samples: Sequence[Sample]) -> list[Sample]:
    """Good samples whose value is not their point's own address."""
    return [one for one in samples if one.quality is Quality.GOOD and one.value != int(one.point[1:])]
