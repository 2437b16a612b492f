"""acquire: an MQTT broker → samples. A message is acknowledged when its samples are safe, and silence is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from contract.conventions import EpochMs
from contract.messages import Cause, Quality
from device_profiles.schema import PayloadMapping
from edge.acquire.health import HealthBoard
from edge.acquire.line import NotConnected
from edge.acquire.mqtt_link import MqttLink
from edge.acquire.reader import bad_sample, judged, unit_of, watches
from edge.acquire.schedule import Due, Poll, Schedule
from edge.acquire.sink import Sink
from edge.clock import Clock
from edge.decode.payload import (
    Message,
    MessageCodec,
    Publication,
    availability,
    compile_messages,
    decode_messages,
    matches,
)
from edge.decode.sample import Moment, Sample
from edge.decode.watch import Watch
from edge.site import Binding, Bus, Device

RECONNECT_S = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
MOST_WAITING = 2_000
"""Messages held before the socket is left alone, and how far that must fall before it is read again."""
FEW_WAITING = 500
MOST_WAITING_BYTES = 16_000_000
MOST_AT_ONCE = 500
KEPT_MALFORMED = 5
KEPT_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that could not be read, kept for inspection."""

    at_ms: EpochMs
    topic: str
    payload: bytes
    reason: str


@dataclass(slots=True)
class Speaker:
    """One device as the bus hears it."""

    device: Device
    codec: MessageCodec
    bindings: dict[str, Binding]
    heard_ms: int
    """When it last spoke, or when we began to listen; steady."""
    live_topics: dict[str, int] = field(default_factory=dict)
    is_offline: bool = False
    malformed: deque[Malformed] = field(default_factory=lambda: deque(maxlen=KEPT_MALFORMED))
    watches: dict[str, Watch] = field(default_factory=dict)

    def samples(self, message: Message) -> Iterator[Sample]:
        """What a message says, one sample a point."""
        for name, value in message.values.items():
            binding = self.bindings[name]
            sample = Sample(
                self.device.id, binding.equipment, binding.point_id, value.value, value.quality, value.cause,
                message.at.wall_ms, message.at.steady_ms,
            )  # fmt: skip
            yield judged(self.watches[name], sample) if name in self.watches else sample

    def silent(self, now: Moment) -> list[Sample]:
        """A bad sample for each point that the device should have spoken about by now."""
        return [
            bad_sample(self.device, binding, Cause.NO_RESPONSE, now)
            for binding in self.bindings.values()
            if now.steady_ms - self.heard_ms > binding.stale_after_ms
        ]

    def unreachable(self, now: Moment) -> list[Sample]:
        """A bad sample for each point: the way to the device is known to be down."""
        return [bad_sample(self.device, binding, Cause.NOT_CONNECTED, now) for binding in self.bindings.values()]

    @property
    def stale_ms(self) -> int:
        return min((binding.stale_after_ms for binding in self.bindings.values()), default=0)


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
        self._speakers = {device.id: _speaker(device, now_ms) for device in devices}
        self._exact: dict[str, list[tuple[Speaker, str]]] = {}
        self._patterns: list[tuple[str, Speaker]] = []
        for speaker in self._speakers.values():
            health.register(speaker.device.id)
            self._route(speaker)
        self._waiting: deque[tuple[int, Moment, Publication]] = deque()
        self._waiting_bytes = 0
        self._arrival = asyncio.Event()
        self._has_tried = asyncio.Event()
        self._is_listening = False
        self._link = MqttLink(bus, clock, self._receive)
        self.unmatched = 0
        """Messages on topics that no device has, since the start."""

    def _route(self, speaker: Speaker) -> None:
        for topic in speaker.codec.topics:
            if "+" in topic or "#" in topic:
                self._patterns.append((topic, speaker))
            else:
                self._exact.setdefault(topic, []).append((speaker, topic))

    @property
    def malformed(self) -> dict[str, tuple[Malformed, ...]]:
        """The last unreadable messages of each device, for inspection."""
        return {name: tuple(speaker.malformed) for name, speaker in self._speakers.items() if speaker.malformed}

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
        topics = list(dict.fromkeys(topic for speaker in self._speakers.values() for topic in speaker.codec.topics))
        failures = 0
        while True:
            await self._clock.sleep(RECONNECT_S[min(failures, len(RECONNECT_S) - 1)])
            try:
                refused = await self._link.connect(topics)
            except NotConnected as error:
                failures += 1
                self._has_tried.set()
                if failures == 1:
                    self._log.warning("broker_not_connected", error=str(error))
                continue
            self._has_tried.set()
            self._is_listening = True
            self._log.info("broker_connected", topics=len(topics))
            for topic in refused:
                self._log.warning("subscription_refused", topic=topic)
            failures = 1
            why = await self._link.wait_lost()
            self._is_listening = False
            self._log.warning("broker_lost", error=why)

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
                samples += self._decode(message, at)
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

    def _decode(self, message: Publication, at: Moment) -> Iterator[Sample]:
        heard = self._exact.get(message.topic)
        if heard is None:
            heard = [(speaker, pattern) for pattern, speaker in self._patterns if matches(pattern, message.topic)]
        if not heard:
            self.unmatched += 1
        for speaker, topic in heard:
            if topic == speaker.codec.availability:
                yield from self._last_will(speaker, message, at)
            if topic in speaker.codec.points and speaker.codec.tells_values(message.topic):
                yield from self._spoken(speaker, topic, message, at)

    def _spoken(self, speaker: Speaker, topic: str, message: Publication, at: Moment) -> Iterator[Sample]:
        if message.retain:
            live_ms = speaker.live_topics.get(topic)
            if live_ms is not None and at.steady_ms - live_ms <= speaker.stale_ms:
                return  # the broker repeats after a resubscription what we heard fresh
        for said in decode_messages(speaker.codec, topic, bytes(message.payload), at, retained=message.retain):
            if said.malformed:
                self._keep(speaker, message, at, said.malformed)
            elif not message.retain:
                speaker.heard_ms = speaker.live_topics[topic] = at.steady_ms
                speaker.is_offline = False
                self._count(speaker, said, at)
            yield from speaker.samples(said)

    def _count(self, speaker: Speaker, said: Message, at: Moment) -> None:
        flaw = next((value for value in said.values.values() if value.quality is Quality.BAD), None)
        if flaw is None or any(value.quality is not Quality.BAD for value in said.values.values()):
            self._health.answered(speaker.device.id, at)
        else:
            self._health.failed(speaker.device.id, at, flaw.cause, f"no value of the message is good: {flaw.cause}")

    def _keep(self, speaker: Speaker, message: Publication, at: Moment, reason: str) -> None:
        speaker.heard_ms = at.steady_ms
        speaker.malformed.append(Malformed(at.wall_ms, message.topic, bytes(message.payload[:KEPT_BYTES]), reason))
        text = f"message on {message.topic} cannot be read: {reason}"
        self._health.failed(speaker.device.id, at, Cause.UNDECODABLE, text)

    def _last_will(self, speaker: Speaker, message: Publication, at: Moment) -> Iterator[Sample]:
        is_online = availability(speaker.codec, bytes(message.payload), message.topic)
        if is_online is None:
            return
        was_offline, speaker.is_offline = speaker.is_offline, not is_online
        if speaker.is_offline and not was_offline:
            self._log.warning("device_offline", device=speaker.device.id)
            self._health.failed(speaker.device.id, at, Cause.NOT_CONNECTED, "its last will says that it is offline")
            yield from speaker.unreachable(at)

    # --- silence ------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        await self._has_tried.wait()
        polls = [Poll(speaker.device.id, speaker.device.every_ms) for speaker in self._speakers.values()]
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
        speaker = self._speakers[due.poll.device]
        if not self.is_connected:
            samples, cause, text = speaker.unreachable(now), Cause.NOT_CONNECTED, "the broker is not connected"
        elif speaker.is_offline:
            samples, cause, text = (
                speaker.unreachable(now),
                Cause.NOT_CONNECTED,
                "its last will says that it is offline",
            )
        else:
            seconds = (now.steady_ms - speaker.heard_ms) // 1000
            samples, cause, text = speaker.silent(now), Cause.NO_RESPONSE, f"silent for {seconds} s"
        if samples:
            self._health.failed(speaker.device.id, now, cause, text)
            await self._sink.put(samples)


def _speaker(device: Device, now_ms: int) -> Speaker:
    bindings = {binding.device_point: binding for binding in device.bindings}
    points = {name: binding.point for name, binding in bindings.items()}
    units = {
        name: unit_of(binding.mapping, binding.point.unit)
        for name, binding in bindings.items()
        if isinstance(binding.mapping, PayloadMapping)
    }
    codec = compile_messages(device.model, points, device.address, units)
    watched = {device.bindings[at].device_point: watch for at, watch in watches(device).items()}
    return Speaker(device, codec, bindings, now_ms, watches=watched)
