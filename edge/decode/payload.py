"""decode: MQTT message → values with quality and device time, and exactly back. No payload raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from contract.conventions import EpochMs, format_instant, to_ms
from contract.messages import Cause, Quality, Value
from device_profiles.schema import DeviceModel, PayloadMapping, Point
from edge.decode import paths, sparkplug
from edge.decode.formats import Form, finder, put_bytes, read, split, timestamp_finder
from edge.decode.sample import Moment
from edge.decode.value import ABSENT, SENTINEL, UNDECODABLE, Conversion, Decoded, bad, conversion, key_of

SKEW_MS = 300_000
"""How far a device's clock may be from ours before its samples count as late, unless the model says otherwise."""
UNSET_CLOCK_MS = 30 * 86_400_000
"""A device time this far in the past is a clock that was never set, not an old message."""
_LARGEST_SECONDS = 1e11
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?")


class Publication(msgspec.Struct, frozen=True, gc=False):
    """One message as it came. ``qos`` is 0 or 1; ``size`` is the payload's length, also where it was too long to keep."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    size: int


@dataclass(frozen=True, slots=True)
class MessagePoint:
    """One point of one device: in which message, where in it, and what it means."""

    name: str
    topic: str
    path: str
    find: Callable[[Any], Any]
    meaning: Conversion
    sentinels: tuple[str | float | None, ...]
    mapping: PayloadMapping

    def describe(self) -> str:
        """Where on the wire, for a person: ``topic lifts/2/state path car.door``."""
        return f"topic {self.topic}" + (f" path {self.path}" if self.path else "")


@dataclass(frozen=True, slots=True)
class MessageCodec:
    """One MQTT device, compiled for its address. Topics may hold ``+`` where the model leaves a level open."""

    points: Mapping[str, tuple[MessagePoint, ...]]
    form: Form
    is_partial: bool
    timestamp: str
    find_timestamp: Callable[[Any], Any] | None
    availability: str
    online: str
    offline: str
    address: str = ""
    device: str = ""
    """Where a message says whose it is, when the topic does not."""
    find_device: Callable[[Any], Any] | None = None
    zone: tzinfo | None = None
    """Of device times that name none; None does not believe those."""
    skew_ms: int = SKEW_MS
    births: sparkplug.Births = field(default_factory=sparkplug.Births)
    """What a Sparkplug device said of its metrics when it came up."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics that mean something: the messages, then the last will."""
        return (*self.points, *((self.availability,) if self.availability else ()))

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """What to ask the broker for. Of a Sparkplug node that is everything: each of its messages has a number."""
        if self.form != "sparkplug_b":
            return self.topics
        nodes = (sparkplug.node_of(topic).partition("/") for topic in self.topics)
        return tuple(dict.fromkeys(f"spBv1.0/{group}/+/{node}/#" for group, _, node in nodes if node))

    def tells_values(self, topic: str) -> bool:
        """Whether a message on this topic is news of points: of Sparkplug's, only births and data are."""
        return self.form != "sparkplug_b" or sparkplug.kind_of(topic) in ("NBIRTH", "NDATA", "DBIRTH", "DDATA")


@dataclass(frozen=True, slots=True)
class Message:
    """What one message says: values by point, when they held, and why it could not be read if it could not."""

    values: Mapping[str, Decoded]
    at: Moment
    malformed: str = ""


def compile_messages(
    model: DeviceModel,
    points: Mapping[str, Point],
    address: int | str,
    units: Mapping[str, tuple[float, float]] | None = None,
    site_zone: str = "UTC",
) -> MessageCodec:
    """A model's messages for one address. ``points`` is by the model's own point names; those it lacks are left out.

    ``units`` holds (scale, offset) of points whose unit on the wire differs; ``site_zone`` is what a model means by
    ``zone: site``. Raises ValueError for a bad path.
    """
    if model.mqtt is None:
        raise ValueError(f"{model.id} does not speak MQTT")
    found: dict[str, list[MessagePoint]] = {}
    for name, mapping in model.payload.items():
        if name in points:
            topic = at_address("/".join(filter(None, (model.mqtt.topic, mapping.topic))), address)
            found.setdefault(topic, []).append(
                _compile_point(
                    name, topic, mapping, points[name], (units or {}).get(name, (1.0, 0.0)), model.mqtt.payload
                )
            )
    return MessageCodec(
        points={topic: tuple(several) for topic, several in found.items()},
        form=model.mqtt.payload,
        is_partial=model.mqtt.partial or model.mqtt.payload == "sparkplug_b",
        timestamp=model.mqtt.timestamp,
        find_timestamp=timestamp_finder(model.mqtt.payload, model.mqtt.timestamp),
        availability=at_address(model.mqtt.availability, address),
        online=model.mqtt.online,
        offline=model.mqtt.offline,
        address=str(address),
        device=model.mqtt.device,
        find_device=paths.compile_path(model.mqtt.device) if model.mqtt.device else None,
        zone=_zone(model.mqtt.zone, site_zone),
        skew_ms=model.mqtt.skew,
    )


def _zone(written: str, site_zone: str) -> tzinfo | None:
    return ZoneInfo(site_zone if written == "site" else written) if written else None


def at_address(template: str, address: int | str) -> str:
    """A topic template with the device's address in it."""
    return template.replace("{address}", str(address))


def _compile_point(
    name: str, topic: str, mapping: PayloadMapping, point: Point, unit: tuple[float, float], form: Form
) -> MessagePoint:
    meaning = conversion(mapping, point, unit)
    find = finder(form, mapping)
    return MessagePoint(name, topic, mapping.path, find, meaning, tuple(mapping.sentinels), mapping)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a subscription covers a topic (MQTT 3.1.1 section 4.7)."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    if topic[:1] == "$" and wanted[0] in ("+", "#"):
        return False
    for level, part in zip(wanted, given, strict=False):
        if level == "#":
            return True
        if level not in ("+", part):
            return False
    return len(wanted) == len(given) or (len(wanted) == len(given) + 1 and wanted[-1] == "#")


def decode_messages(
    codec: MessageCodec, topic_filter: str, payload: bytes, arrived: Moment, *, retained: bool = False
) -> list[Message]:
    """Every message in one payload, in its order: one, unless the form is lines or an array. Never raises.

    A piece that cannot be read is malformed alone; its neighbours pass.
    """
    try:
        pieces = split(codec.form, payload)
    except (ValueError, RecursionError) as error:
        return [_unreadable(codec, topic_filter, arrived, error)]
    return [decode_message(codec, topic_filter, piece, arrived, retained=retained) for piece in pieces]


def decode_piece(
    codec: MessageCodec, topic_filter: str, payload: bytes, arrived: Moment, *, retained: bool = False
) -> list[Message]:
    """As ``decode_messages``, of one piece that ``senders`` found."""
    return [decode_message(codec, topic_filter, payload, arrived, retained=retained)]


def senders(codec: MessageCodec, payload: bytes) -> list[tuple[str, bytes]]:
    """Each message in a payload with the address it names, empty for one that names none. Raises ValueError."""
    found = []
    for piece in split(codec.form, payload):
        told = codec.find_device(read(codec.form, piece, codec.births)) if codec.find_device is not None else None
        found.append((key_of(told) if isinstance(told, (str, int)) else "", piece))
    return found


def _unreadable(codec: MessageCodec, topic_filter: str, arrived: Moment, error: Exception) -> Message:
    points = codec.points.get(topic_filter, ())
    return Message({point.name: UNDECODABLE for point in points}, arrived, str(error) or "not readable")


def decode_message(
    codec: MessageCodec, topic_filter: str, payload: bytes, arrived: Moment, *, retained: bool = False
) -> Message:
    """Every point that one message carries, with the instant it held. Never raises.

    A retained message was true once: its values are uncertain. A device time within the permitted skew is when the
    values held; an older one makes them uncertain and late; one in the future or never set is not believed.
    """
    points = codec.points.get(topic_filter, ())
    try:
        document = read(codec.form, payload, codec.births)
    except (ValueError, RecursionError) as error:
        return _unreadable(codec, topic_filter, arrived, error)
    at, lateness = _when(codec, document, arrived)
    found = {}
    for point in points:
        value = _value(codec, point, document)
        if value is not None:
            found[point.name] = _judged(value, lateness, retained=retained)
    unknown = document.unknown if codec.form == "sparkplug_b" else ()
    return Message(found, at, _unnamed(unknown) if unknown else "")


def _unnamed(numbers: Sequence[int]) -> str:
    return (
        f"no birth certificate heard here names metric {', '.join(map(str, numbers[:5]))}; this gateway only listens, so let "
        "the host application ask for a rebirth, or restart the node"
    )


def _value(codec: MessageCodec, point: MessagePoint, document: Any) -> Decoded | None:  # noqa: ANN401 - JSON
    found = point.find(document)
    if found is paths.ABSENT and codec.is_partial:
        return None
    is_nothing = found is None or found is paths.ABSENT
    if any(_is_same(None if is_nothing else found, sentinel) for sentinel in point.sentinels):
        return SENTINEL
    if is_nothing:
        return ABSENT
    return point.meaning.convert(found) if isinstance(found, (str, int, float)) else UNDECODABLE


def _is_same(found: Any, sentinel: str | float | None) -> bool:  # noqa: ANN401 - whatever JSON holds
    if found is None or sentinel is None:
        return found is sentinel
    if isinstance(found, bool) or not isinstance(found, (str, int, float)):
        return False
    return found == sentinel or key_of(found) == key_of(sentinel)


def _judged(value: Decoded, lateness: Cause, *, retained: bool) -> Decoded:
    if value.quality is not Quality.GOOD or (lateness is Cause.NONE and not retained):
        return value
    if lateness is Cause.UNDECODABLE:
        return bad(Cause.LATE)
    return replace(value, quality=Quality.UNCERTAIN, cause=Cause.RETAINED if retained else Cause.LATE)


def _when(codec: MessageCodec, document: Any, arrived: Moment) -> tuple[Moment, Cause]:  # noqa: ANN401 - JSON
    """When the values held, and what is wrong with the device's clock: nothing, late, or not to be read at all."""
    if codec.find_timestamp is None:
        return arrived, Cause.NONE
    told = parse_timestamp(codec.find_timestamp(document), codec.zone)
    if told is None:
        return arrived, Cause.LATE
    age = arrived.wall_ms - told
    if age < -codec.skew_ms:
        return arrived, Cause.LATE
    if age > UNSET_CLOCK_MS:
        return arrived, Cause.UNDECODABLE
    held = Moment(wall_ms=told, steady_ms=arrived.steady_ms - age)
    return held, Cause.LATE if age > codec.skew_ms else Cause.NONE


def parse_timestamp(told: Any, zone: tzinfo | None = None) -> EpochMs | None:  # noqa: ANN401 - whatever JSON holds
    """A device's time in epoch milliseconds: ISO 8601, or epoch seconds, milli-, micro- or nanoseconds, also as text.

    None for anything else, also for a time without a zone where the model names none: nobody knows when that was.
    """
    if isinstance(told, str):
        told = told.strip()
        if _ISO.fullmatch(told):
            return _of_iso(told, zone)
        try:
            told = float(told)
        except ValueError:
            return None
    if isinstance(told, bool) or not isinstance(told, (int, float)) or not 0 < told < 1e20:
        return None
    number = float(told)
    while number >= _LARGEST_SECONDS * 1000:
        number /= 1000
    return round(number if number >= _LARGEST_SECONDS else number * 1000)


def _of_iso(told: str, zone: tzinfo | None) -> EpochMs | None:
    try:
        at = datetime.fromisoformat(told.replace(",", "."))
        if at.tzinfo is None:
            if zone is None:
                return None
            at = at.replace(tzinfo=zone)
        return to_ms(at)
    except (ValueError, OverflowError):
        return None


def availability(codec: MessageCodec, payload: bytes, topic: str = "") -> bool | None:
    """What a last will says: True online, False offline, None when it says neither. JSON may hold it as ``state``.

    A Sparkplug death certificate says it by its topic.
    """
    if codec.form == "sparkplug_b":
        return False if sparkplug.kind_of(topic) in ("NDEATH", "DDEATH") else None
    try:
        text = payload.decode().strip()
        if text.startswith("{"):
            text = str(msgspec.json.decode(text).get("state", ""))
    except (ValueError, AttributeError, RecursionError):
        return None
    return {codec.online: True, codec.offline: False}.get(text.strip('"'))


# --- the way back: what a device would publish ---------------------------------------------------------------------


def encode_messages(
    codec: MessageCodec, values: Mapping[str, Value], at_ms: EpochMs | None = None
) -> list[tuple[str, bytes]]:
    """Messages in which a device would tell ``values``, by its own point names and in the class's units.

    ``None`` becomes the point's first sentinel, or null. A device time is written as ISO 8601 when the model has one.
    Raises ValueError when the mapping has no way to say a value.
    """
    if codec.form in ("raw", "text"):
        return [(_spoken(point.topic), _raw_text(point, values[point.name])) for point in _told(codec, values)]
    messages = []
    for topic, points in codec.points.items():
        told = [(point, _told_as(point, values[point.name])) for point in points if point.name in values]
        if told:
            messages.append((_spoken(topic), _payload(codec, told, at_ms)))
    return messages


_Told = list[tuple[MessagePoint, Value]]


def _payload(codec: MessageCodec, told: _Told, at_ms: EpochMs | None) -> bytes:
    if codec.form == "sparkplug_b":
        return sparkplug.encode({point.path: value for point, value in told}, at_ms)
    if codec.form in ("hex", "binary"):
        body = bytearray()
        for point, value in told:
            put_bytes(body, point.mapping, 0 if value is None else value)
        return body.hex().encode() if codec.form == "hex" else bytes(body)
    document: Any = {}
    for point, value in told:
        document = paths.put(document, point.path, value)
    if codec.timestamp and at_ms is not None:
        document = paths.put(document, codec.timestamp, format_instant(at_ms))
    return msgspec.json.encode([document] if codec.form == "json_array" else document)


def _told(codec: MessageCodec, values: Mapping[str, Value]) -> list[MessagePoint]:
    return [point for points in codec.points.values() for point in points if point.name in values]


def _spoken(topic: str) -> str:
    """A level that the model leaves open has to be something when a device publishes."""
    return topic.replace("+", "1")


def _told_as(point: MessagePoint, value: Value) -> Value:
    if value is None:
        return point.sentinels[0] if point.sentinels else None
    return point.meaning.revert(value)


def _raw_text(point: MessagePoint, value: Value) -> bytes:
    if point.mapping.pattern is not None:
        raise ValueError(f"{point.name} is found by a pattern, which cannot be written back")
    told = _told_as(point, value)
    return b"" if told is None else key_of(told).encode() if not isinstance(told, float) else repr(told).encode()
