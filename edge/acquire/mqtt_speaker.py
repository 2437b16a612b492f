"""acquire, one MQTT device as its bus hears it: what it says becomes samples, what it does not say becomes news too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from contract.messages import Cause, Quality
from device_profiles.schema import PayloadMapping
from edge.acquire.health import HealthBoard
from edge.acquire.reader import bad_sample, judged, unit_of, watches
from edge.decode import sparkplug
from edge.decode.payload import (
    Message,
    MessageCodec,
    Publication,
    availability,
    compile_messages,
    decode_messages,
    decode_piece,
)
from edge.decode.sample import Moment, Sample
from edge.decode.watch import Watch
from edge.site import Binding, Device

OFFLINE = "its last will says that it is offline"


@dataclass(slots=True)
class Speaker:
    """One device. ``hear`` and ``told_offline`` are the ways in; both tell the health board how it goes."""

    device: Device
    codec: MessageCodec
    bindings: dict[str, Binding]
    health: HealthBoard
    heard_ms: int
    """When it last spoke, or when we began to listen; steady."""
    live_topics: dict[str, int] = field(default_factory=dict)
    is_offline: bool = False
    last: tuple[Moment, Publication] | None = None
    """What it said last, as it came."""
    watches: dict[str, Watch] = field(default_factory=dict)

    # --- what it says -------------------------------------------------------------------------------------------

    def hear(self, topic: str, message: Publication, at: Moment, *, is_piece: bool = False) -> Iterator[Sample]:
        """Samples of a message that came by the subscription ``topic``; a piece is one of several in a payload."""
        if topic == self.codec.availability:
            yield from self._last_will(message, at)
        if self.codec.form == "sparkplug_b":
            yield from self._born_or_dead(message, at)
        if topic not in self.codec.points or not self.codec.tells_values(message.topic):
            return
        if message.retain and self._is_known_fresh(topic, at):
            return  # the broker repeats after a resubscription what we heard fresh
        self.last = (at, message)
        if message.size > len(message.payload):
            self.keep(message, at, f"{message.size} bytes are too long to be read")
            return
        decode = decode_piece if is_piece else decode_messages
        for said in decode(self.codec, topic, message.payload, at, retained=message.retain):
            yield from self._said(said, topic, message, at)

    def _said(self, said: Message, topic: str, message: Publication, at: Moment) -> Iterator[Sample]:
        if said.malformed:
            self.keep(message, at, said.malformed)
        elif not message.retain:
            self.heard_ms = self.live_topics[topic] = at.steady_ms
            self.is_offline = False
            self._count(said, message, at)
        yield from self._samples(said)

    def _samples(self, said: Message) -> Iterator[Sample]:
        for name, value in said.values.items():
            binding = self.bindings[name]
            sample = Sample(
                self.device.id, binding.equipment, binding.point_id, value.value, value.quality, value.cause,
                said.at.wall_ms, said.at.steady_ms,
            )  # fmt: skip
            yield judged(self.watches[name], sample) if name in self.watches else sample

    def _is_known_fresh(self, topic: str, at: Moment) -> bool:
        live_ms = self.live_topics.get(topic)
        return live_ms is not None and at.steady_ms - live_ms <= self.stale_ms

    def _count(self, said: Message, message: Publication, at: Moment) -> None:
        flaws = {name: value.cause for name, value in said.values.items() if value.quality is Quality.BAD}
        unread = [name for name, cause in flaws.items() if cause is Cause.UNDECODABLE]
        if unread:
            self.keep(message, at, f"what it says of {', '.join(unread)} is no such value")
        elif flaws and len(flaws) == len(said.values):
            cause = next(iter(flaws.values()))
            self.health.failed(self.device.id, at, cause, f"no value of the message is good: {cause}")
        else:
            self.health.answered(self.device.id, at)
        self.health.heard(self.device.id, at, message.topic, message.payload)

    def keep(self, message: Publication, at: Moment, reason: str) -> None:
        """Count a message that cannot be read, and keep it for inspection. The device did speak."""
        self.heard_ms = at.steady_ms
        self.health.malformed(self.device.id, at, message.topic, message.payload, reason)

    # --- its last will ------------------------------------------------------------------------------------------

    def _last_will(self, message: Publication, at: Moment) -> Iterator[Sample]:
        is_online = availability(self.codec, message.payload)
        if is_online is False:
            yield from self.told_offline(at)
        elif is_online and self.is_offline:
            self.is_offline, self.heard_ms = False, at.steady_ms

    def _born_or_dead(self, message: Publication, at: Moment) -> Iterator[Sample]:
        kind = sparkplug.kind_of(message.topic)
        if kind in ("NBIRTH", "DBIRTH"):
            self.codec.births.forget()
        if kind == "DDEATH" and not message.retain:
            yield from self.told_offline(at)

    def told_offline(self, at: Moment) -> Iterator[Sample]:
        """Every point is bad from now on, until it says something again."""
        if not self.is_offline:
            self.is_offline = True
            self.health.failed(self.device.id, at, Cause.NOT_CONNECTED, OFFLINE)
            yield from self.unreachable(at)

    # --- what it does not say -----------------------------------------------------------------------------------

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


def make_speaker(device: Device, health: HealthBoard, now_ms: int) -> Speaker:
    """A device of the site file, compiled. Raises ValueError for a mapping that makes no sense."""
    bindings = {binding.device_point: binding for binding in device.bindings}
    watched = {device.bindings[at].device_point: watch for at, watch in watches(device).items()}
    health.register(device.id)
    return Speaker(device, codec_of(device), bindings, health, now_ms, watches=watched)


def codec_of(device: Device) -> MessageCodec:
    """How the messages of a device are read. Raises ValueError for a mapping that makes no sense."""
    bindings = {binding.device_point: binding for binding in device.bindings}
    mappings = {name: one.mapping for name, one in bindings.items() if isinstance(one.mapping, PayloadMapping)}
    units = {name: unit_of(mapping, bindings[name].point.unit) for name, mapping in mappings.items()}
    points = {name: binding.point for name, binding in bindings.items()}
    return compile_messages(device.model, points, device.address, units, device.bus.zone)


@dataclass(slots=True)
class SparkplugNode:
    """One edge node of Sparkplug B: its message numbers tell what was lost, its death is that of all its devices."""

    name: str
    speakers: list[Speaker] = field(default_factory=list)
    sequence: sparkplug.Sequence = field(default_factory=sparkplug.Sequence)

    def hear(self, message: Publication, at: Moment) -> Iterator[Sample]:
        """Take note of any message of the node, before its device hears it."""
        kind = sparkplug.kind_of(message.topic)
        if kind == "NDEATH" and self.sequence.is_own_death(message.payload):
            for speaker in self.speakers:
                yield from speaker.told_offline(at)
        if kind not in sparkplug.NUMBERED or message.retain:
            return
        lost = self.sequence.lost(kind, message.payload)
        if kind == "NBIRTH" or lost:
            for speaker in self.speakers:
                speaker.codec.births.forget()
        if lost:
            text = f"{lost} messages of Sparkplug node {self.name} were lost; metrics without a name are read again {REBORN}"
            for speaker in self.speakers:
                speaker.health.failed(speaker.device.id, at, Cause.UNDECODABLE, text)


REBORN = (
    "after its next birth (this gateway only listens: let the host application ask for a rebirth, or restart the node)"
)
