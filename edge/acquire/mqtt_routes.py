"""acquire, from topic to device: who is meant by a message, by its topic or by what stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from edge.acquire.health import HealthBoard
from edge.acquire.mqtt_speaker import SparkplugNode, Speaker
from edge.decode import sparkplug
from edge.decode.payload import MessageCodec, Publication, matches, senders
from edge.decode.sample import Moment, Sample

MOST_REMEMBERED = 20_000
"""Topics whose listeners are remembered; devices choose topics, so there may be any number."""


@dataclass(slots=True)
class Crowd:
    """Devices that share a topic and say in the message who they are."""

    codec: MessageCodec
    speakers: dict[str, Speaker] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who hears one topic, with the subscription it came by."""

    speakers: tuple[tuple[Speaker, str], ...] = ()
    crowds: tuple[tuple[Crowd, str], ...] = ()
    nodes: tuple[SparkplugNode, ...] = ()

    @property
    def is_nobody(self) -> bool:
        return not (self.speakers or self.crowds or self.nodes)


class Routes:
    """The devices of one broker by what they listen to."""

    def __init__(self, speakers: Iterable[Speaker], health: HealthBoard, bus: str) -> None:
        self._health, self._bus = health, bus
        self._exact: dict[str, list[tuple[Speaker, str]]] = {}
        self._patterns: list[tuple[str, Speaker]] = []
        self._crowds: dict[tuple[str, str], Crowd] = {}
        self._nodes: dict[str, SparkplugNode] = {}
        self._known: dict[str, Listeners] = {}
        self.subscriptions: Mapping[str, list[str]] = {}
        """What to ask the broker for, and which devices need it."""
        self.unmatched = 0
        """Messages that no device of the site file sent, since the start."""
        wanted: dict[str, list[str]] = {}
        for speaker in speakers:
            self._add(speaker)
            for topic in speaker.codec.subscriptions:
                wanted.setdefault(topic, []).append(speaker.device.id)
        self.subscriptions = wanted

    def _add(self, speaker: Speaker) -> None:
        codec = speaker.codec
        for topic in codec.topics:
            if codec.find_device is not None and topic != codec.availability:
                crowd = self._crowds.setdefault((topic, codec.device), Crowd(codec))
                crowd.speakers[codec.address] = speaker
            elif "+" in topic or "#" in topic:
                self._patterns.append((topic, speaker))
            else:
                self._exact.setdefault(topic, []).append((speaker, topic))
            if codec.form == "sparkplug_b" and (name := sparkplug.node_of(topic)):
                node = self._nodes.setdefault(name, SparkplugNode(name))
                if speaker not in node.speakers:
                    node.speakers.append(speaker)

    def hear(self, message: Publication, at: Moment) -> Iterator[Sample]:
        """Samples of a message, whoever it is from."""
        listeners = self._known.get(message.topic) or self._find(message.topic)
        if listeners.is_nobody:
            self.unmatched += 1
        for node in listeners.nodes:
            yield from node.hear(message, at)
        for speaker, topic in listeners.speakers:
            yield from speaker.hear(topic, message, at)
        for crowd, topic in listeners.crowds:
            yield from self._in_a_crowd(crowd, topic, message, at)

    def _find(self, topic: str) -> Listeners:
        by_pattern = ((speaker, pattern) for pattern, speaker in self._patterns if matches(pattern, topic))
        crowds = ((crowd, pattern) for (pattern, _), crowd in self._crowds.items() if matches(pattern, topic))
        node = sparkplug.node_of(topic)
        nodes = (one for name, one in self._nodes.items() if node and matches(name, node))
        found = Listeners((*self._exact.get(topic, ()), *by_pattern), tuple(crowds), tuple(nodes))
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[topic] = found
        return found

    def _in_a_crowd(self, crowd: Crowd, topic: str, message: Publication, at: Moment) -> Iterator[Sample]:
        if message.size > len(message.payload):
            self._nobodys(message, at, f"{message.size} bytes are too long to be read")
            return
        try:
            said = senders(crowd.codec, message.payload)
        except (ValueError, RecursionError) as error:
            self._nobodys(message, at, str(error))
            return
        for address, piece in said:
            speaker = crowd.speakers.get(address)
            if speaker is not None:
                part = msgspec.structs.replace(message, payload=piece, size=len(piece))
                yield from speaker.hear(topic, part, at, is_piece=True)
            elif not address:
                self._nobodys(message, at, f"nothing stands at {crowd.codec.device}, which says whose message it is")
            else:
                self.unmatched += 1

    def _nobodys(self, message: Publication, at: Moment, reason: str) -> None:
        self.unmatched += 1
        self._health.malformed(self._bus, at, message.topic, message.payload, reason)

    def needed_by(self, topics: Sequence[str]) -> dict[str, str]:
        """Device to the topic among these that it needs."""
        return {device: topic for topic in topics for device in self.subscriptions.get(topic, ())}
