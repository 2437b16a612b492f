"""true values → messages: one simulated MQTT device that publishes what its model's mapping can say.

It publishes with quality of service 1 when something a person would notice changed, and at its interval in any case.
A last will tells the broker's other clients when it is gone. It survives the broker: it tries again until stopped.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import aiomqtt

from contract.messages import Value
from device_profiles.schema import DeviceModel, Point
from device_profiles.units import factor
from edge.decode.payload import MessageCodec, compile_messages, encode_messages
from simulators.clock import Clock
from simulators.raw_reply import HEALTHY, Misbehaviour
from simulators.site import SimulatedDevice

RETRY_S = 1.0
LOOK_S = 1.0
"""How often a device looks whether something changed by itself."""
_EARLY_MS = 50
_MUTE = ("silent", "half_open", "busy", "exception")


def compile_for_points(model: DeviceModel, points: Mapping[str, Point], address: int | str) -> MessageCodec:
    """A model's messages for one address, units converted. Raises ValueError for a mapping that makes no sense."""
    units = {
        name: factor(mapping.unit, points[name].unit)
        for name, mapping in model.payload.items()
        if name in points and mapping.unit and mapping.unit != points[name].unit
    }
    return compile_messages(model, points, address, units)


MessageWitness = Callable[[str, bytes, str], None]
"""Told of each message: topic, payload as it should be, and what was done to it."""


class Publisher(Protocol):
    """The part of an MQTT client that a device needs."""

    async def publish(self, topic: str, /, payload: Any, qos: int, retain: bool) -> None: ...  # noqa: ANN401, FBT001


class MqttDevice:
    """One client of a broker. ``values`` gives device point → value in the class's unit."""

    def __init__(
        self,
        device: SimulatedDevice,
        points: Mapping[str, Point],
        values: Callable[[], Mapping[str, Value]],
        clock: Clock,
        *,
        port: int,
        host: str = "127.0.0.1",
        login: tuple[str, str] | None = None,
        look_s: float = LOOK_S,
    ) -> None:
        self.id = device.id
        self._device, self._points, self._values, self._clock = device, points, values, clock
        self._host, self._port = host, port
        self._login = login
        self._codec = compile_for_points(device.model, points, device.address)
        self._look_s = min(look_s, device.every_ms / 1000)
        self._woken = asyncio.Event()
        self.witness: MessageWitness | None = None
        self._how = HEALTHY
        self._count = 0
        self._noise = random.Random(device.id)
        self.published = 0

    def wake(self) -> None:
        """Something changed: publish now."""
        self._woken.set()

    def misbehave(self, how: Misbehaviour = HEALTHY) -> None:
        """Let it speak wrongly from now on; without ``how`` it is healthy again.

        ``silent``, ``half_open`` and ``busy`` publish nothing, ``garbage``, ``noise`` and ``truncated`` spoil payloads, ``duplicate`` repeats, ``slow`` and ``late`` publish ``delay_s`` after the values were taken,
        ``restart`` vanishes for ``delay_s`` and is then healthy. What only frames can suffer leaves a message whole.
        """
        self._how, self._count = how, 0
        self.wake()

    async def run(self) -> None:
        """Publish until cancelled, through any loss of the broker."""
        while True:
            try:
                await self._session()
            except aiomqtt.MqttError:
                await self._clock.sleep(RETRY_S)

    async def _session(self) -> None:
        async with aiomqtt.Client(
            self._host, self._port, identifier=f"simulated_{self._device.id}",
            username=self._login[0] if self._login else None, password=self._login[1] if self._login else None,
            protocol=aiomqtt.ProtocolVersion.V311, will=self._will(), timeout=5,
        ) as client:  # fmt: skip
            await self.speak(client)

    def _will(self) -> aiomqtt.Will | None:
        if not self._codec.availability:
            return None
        return aiomqtt.Will(self._codec.availability, self._codec.offline, qos=1, retain=True)

    async def speak(self, client: Publisher) -> None:
        """Say hello, then publish for as long as the connection lasts."""
        await self._tell_available(client, self._codec.online)
        last_ms, last_notable = -self._device.every_ms, None
        while True:
            # Cleared before the look: a change during the publishing wakes the next round.
            was_woken = self._woken.is_set()
            self._woken.clear()
            now_ms, values = self._clock.now_ms(), self._values()
            notable = self.notable(values)
            if was_woken or notable != last_notable or now_ms - last_ms >= self._device.every_ms - _EARLY_MS:
                await self._publish(client, values, now_ms)
                last_ms, last_notable = now_ms, notable
            await self._wait(self._look_s)

    def notable(self, values: Mapping[str, Value]) -> tuple[Value, ...]:
        """What a person would notice at once: states, bits and texts."""
        return tuple(value for name, value in values.items() if self._points[name].kind in ("state", "bit", "text"))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _publish(self, client: Publisher, values: Mapping[str, Value], now_ms: int) -> None:
        for topic, payload in encode_messages(self._codec, values, now_ms):
            how = self._due_fault()
            if self.witness is not None:
                self.witness(topic, payload, how.fault)
            if how.fault == "restart":
                await self._restart(client, how.delay_s)
                return
            if how.fault in _MUTE:
                continue
            if how.fault in ("slow", "late"):
                await self._clock.sleep(how.delay_s)
            for _ in range(2 if how.fault == "duplicate" else 1):
                await client.publish(topic, self._spoiled(payload, how.fault), qos=1, retain=False)
                self.published += 1

    async def _restart(self, client: Publisher, dark_s: float) -> None:
        """The broker tells its last will; it comes back healthy."""
        await self._tell_available(client, self._codec.offline)
        self._how = HEALTHY
        await self._clock.sleep(dark_s)
        await self._tell_available(client, self._codec.online)

    async def _tell_available(self, client: Publisher, word: str) -> None:
        if self._codec.availability:
            await client.publish(self._codec.availability, word, qos=1, retain=True)

    def _due_fault(self) -> Misbehaviour:
        self._count += 1
        return self._how if self._count % self._how.every == 0 else HEALTHY

    def _spoiled(self, payload: bytes, fault: str) -> bytes:
        if fault == "garbage":
            return self._noise.randbytes(len(payload))
        if fault == "truncated":
            return payload[: len(payload) // 2]
        return b"\xff\x00" + payload if fault == "noise" else payload
