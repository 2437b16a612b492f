"""acquire: an MQTT broker → samples. A message is acknowledged when its samples are safe, and silence is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import structlog

from contract.messages import Cause
from edge.acquire.health import HealthBoard
from edge.acquire.line import NotConnected
from edge.acquire.mqtt_link import MqttLink
from edge.acquire.mqtt_routes import Routes
from edge.acquire.mqtt_speaker import OFFLINE, make_speaker
from edge.acquire.schedule import Due, Poll, Schedule
from edge.acquire.sink import Sink
from edge.clock import Clock
from edge.decode.payload import Publication
from edge.decode.sample import Moment, Sample
from edge.site import Bus, Device

RECONNECT_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
MOST_WAITING = 2_000
"""Messages held before the socket is left alone, and how far that must fall before it is read again."""
FEW_WAITING = 500
MOST_WAITING_BYTES = 16_000_000
MOST_AT_ONCE = 500


class MqttBus:
    """All devices of one broker. ``run`` lasts until it is cancelled and outlives every error of the network."""

    def __init__(
        self,
        bus: Bus,
        devices: Sequence[Device],
        clock: Clock,
        sink: Sink,
        health: HealthBoard,
        log: Any = None,  # noqa: ANN401 - structlog's loggers share no type
    ) -> None:
        self.bus = bus
        self._clock = clock
        self._sink = sink
        self._health = health
        self._log = (log or structlog.get_logger()).bind(bus=bus.id)
        now_ms = clock.moment().steady_ms
        self.speakers = {device.id: make_speaker(device, health, now_ms) for device in devices}
        self.routes = Routes(self.speakers.values(), health, bus.id)
        self._refused: dict[str, str] = {}
        self._why = "it was not tried yet"
        self._waiting: deque[tuple[int, Moment, Publication]] = deque()
        self._waiting_bytes = 0
        self._arrival = asyncio.Event()
        self._has_tried = asyncio.Event()
        self._is_listening = False
        self._link = MqttLink(bus, clock, self._receive)

    @property
    def is_connected(self) -> bool:
        """True while the broker has confirmed our subscriptions and has not gone."""
        return self._is_listening and self._link.is_open

    @property
    def waiting(self) -> int:
        """Messages received and not yet handed on."""
        return len(self._waiting)

    async def run(self) -> None:
        """Listen for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_connected(), name=f"{self.bus.id}: connection")
                group.create_task(self._hand_on(), name=f"{self.bus.id}: messages")
                group.create_task(self._watch(), name=f"{self.bus.id}: silence")
        finally:
            self._link.close()

    # --- the connection -----------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        topics = list(self.routes.subscriptions)
        failures = 0
        while True:
            await self._clock.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])
            try:
                refused = await self._link.connect(topics)
            except NotConnected as error:
                failures += 1
                self._not_connected("broker_not_connected", str(error))
                continue
            self._listening(refused)
            failures = 1
            why = await self._link.wait_lost()
            self._is_listening = False
            self._not_connected("broker_lost", why)

    def _not_connected(self, event: str, why: str) -> None:
        """Said once for each reason; the device list shows it all the time."""
        if why != self._why:
            self._log.warning(event, error=why)
        self._why = why
        self._has_tried.set()

    def _listening(self, refused: Sequence[str]) -> None:
        self._is_listening, self._why = True, ""
        self._refused = self.routes.needed_by(refused)
        self._has_tried.set()
        self._log.info("broker_connected", topics=len(self.routes.subscriptions), mqtt=self._link.version)
        for topic in refused:
            remedy = "let this login read the topic in the broker's access list"
            self._log.warning("subscription_refused", topic=topic, remedy=remedy)

    def _receive(self, messages: Sequence[Publication]) -> None:
        generation, at = self._link.generation, self._clock.moment()
        for message in messages:
            self._waiting.append((generation, at, message))
            self._waiting_bytes += len(message.payload)
        self._arrival.set()
        if len(self._waiting) >= MOST_WAITING or self._waiting_bytes >= MOST_WAITING_BYTES:
            self._link.pause()

    # --- messages → samples -------------------------------------------------------------------------------------

    async def _hand_on(self) -> None:
        while True:
            while not self._waiting:
                self._arrival.clear()
                await self._arrival.wait()
            samples: list[Sample] = []
            taken: dict[int, list[int]] = {}
            while self._waiting and len(samples) < MOST_AT_ONCE:
                generation, at, message = self._waiting.popleft()
                self._waiting_bytes -= len(message.payload)
                samples += self.routes.hear(message, at)
                if message.qos:
                    taken.setdefault(generation, []).append(message.mid)
            await self._put(samples, taken)
            if len(self._waiting) <= FEW_WAITING and self._waiting_bytes < MOST_WAITING_BYTES // 2:
                self._link.resume()

    async def _put(self, samples: Sequence[Sample], taken: dict[int, list[int]]) -> None:
        def committed() -> None:
            for generation, mids in taken.items():
                self._link.acknowledge(generation, mids)

        if samples:
            await self._sink.put(samples, committed)
        else:
            committed()

    # --- silence ------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        await self._has_tried.wait()
        polls = [Poll(speaker.device.id, speaker.device.every_ms) for speaker in self.speakers.values()]
        schedule = Schedule(polls, self._clock.moment().steady_ms)
        while (next_ms := schedule.next_ms) is not None:
            now = self._clock.moment()
            due = schedule.take(now.steady_ms)
            if due is None:
                await self._clock.sleep(max(0, next_ms - now.steady_ms) / 1000)
            else:
                await self.look(due, now)

    async def look(self, due: Due, now: Moment) -> None:
        """Tell of one device what cannot be known: not connected, offline, or silent for too long."""
        speaker = self.speakers[due.poll.device]
        refused = self._refused.get(speaker.device.id)
        cause, samples = Cause.NOT_CONNECTED, speaker.unreachable(now)
        if not self.is_connected:
            text = self._why or "the broker is not connected"
        elif refused is not None:
            text = f"the broker refuses the topic {refused}; let this login read it in the broker's access list"
        elif speaker.is_offline:
            text = OFFLINE
        else:
            cause, samples = Cause.NO_RESPONSE, speaker.silent(now)
            text = f"silent for {(now.steady_ms - speaker.heard_ms) // 1000} s on {', '.join(speaker.codec.topics)}"
        if samples:
            self._health.failed(speaker.device.id, now, cause, text)
            await self._sink.put(samples)
