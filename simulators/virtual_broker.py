"""A broker without sockets, for virtual time: what a simulated device publishes, the gateway's MQTT bus receives.

The bus is the real one; only its connection is replaced, at the surface that ``edge.acquire.mqtt_link`` has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from edge.acquire.line import NotConnected
from edge.decode.payload import Publication, matches

Received = Callable[[list[Publication]], None]


class BrokerDown(ConnectionError):
    """Nobody takes what a device publishes."""


class MemoryBroker:
    """Passes messages on in the order they came, keeps retained ones, and can be down."""

    def __init__(self) -> None:
        self.links: list[MemoryLink] = []
        self._retained: dict[str, bytes] = {}
        self._number = 0
        self._is_down = False
        self.up = asyncio.Event()
        self.up.set()

    @property
    def is_down(self) -> bool:
        """Whether the broker is away: connections are lost and refused."""
        return self._is_down

    @is_down.setter
    def is_down(self, is_down: bool) -> None:
        self._is_down = is_down
        (self.up.clear if is_down else self.up.set)()
        for link in list(self.links) if is_down else ():
            link.lose()

    async def publish(self, topic: str, /, payload: Any, qos: int, retain: bool) -> None:  # noqa: ANN401, FBT001
        """One message of a device."""
        if self._is_down:
            raise BrokerDown
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        if retain:
            self._retained[topic] = data
        for link in self.links:
            if any(matches(wanted, topic) for wanted in link.topics):
                link.received([self._message(topic, data, qos, retain=False)])

    def retained(self, topics: Sequence[str]) -> list[Publication]:
        """What a new subscriber hears at once."""
        found = [topic for topic in self._retained if any(matches(wanted, topic) for wanted in topics)]
        return [self._message(topic, self._retained[topic], 1, retain=True) for topic in found]

    def _message(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> Publication:
        self._number = self._number % 0xFFFF + 1
        return Publication(topic, payload, qos, retain, self._number, len(payload))


class MemoryLink:
    """The gateway's connection to a MemoryBroker, in the shape of ``MqttLink``."""

    def __init__(self, broker: MemoryBroker, received: Received) -> None:
        self._broker = broker
        self.received = received
        self.topics: tuple[str, ...] = ()
        self.generation = 0
        self.version = "5"
        self._lost = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self in self._broker.links

    async def connect(self, topics: Sequence[str]) -> list[str]:
        if self._broker.is_down:
            raise NotConnected("connection refused")
        self.generation += 1
        self.topics = tuple(topics)
        self._lost.clear()
        self._broker.links.append(self)
        self.received(self._broker.retained(topics))
        return []

    async def wait_lost(self) -> str:
        await self._lost.wait()
        return "the broker went away"

    def lose(self) -> None:
        """The broker goes away."""
        self.close()
        self._lost.set()

    def close(self) -> None:
        if self.is_open:
            self._broker.links.remove(self)

    def acknowledge(self, generation: int, mids: Sequence[int]) -> None:
        """Nothing is kept here that could be sent again."""

    def pause(self) -> None:
        """Nothing is ever held back."""

    def resume(self) -> None:
        """See ``pause``."""
