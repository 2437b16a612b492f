"""decode: Sparkplug B payloads, the fields that carry values (Eclipse Sparkplug 3.0, section 6.4). Pure.

An own reader of some sixty lines instead of generated code: only a dozen fields matter, unknown ones are passed over, and no
bytes may raise anything but ValueError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field

Metric = int | float | str | bool | tuple[()] | None
"""``()`` is a value that is there and whose type no birth told, so that nobody knows the number."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
"""Signed data types and their width; they travel as unsigned numbers."""
_WHOLE = (1, 2, 3, 4, 5, 6, 7, 8, 13)
"""Data types that travel as whole numbers; 13 is an instant."""
_FLOAT, _DOUBLE, _BOOLEAN, _STRING = 9, 10, 11, 12
NUMBERED = ("NBIRTH", "NDATA", "DBIRTH", "DDATA", "DDEATH")
"""Kinds of messages that count on in ``seq``."""
_LONGEST_VARINT = 10


@dataclass(frozen=True, slots=True)
class Message:
    """Metrics by name, with the sender's time in epoch milliseconds where it told it."""

    metrics: Mapping[str, Metric]
    timestamp: int | None
    unknown: tuple[int, ...] = ()
    """Numbers that no birth gave a name."""


@dataclass(slots=True)
class Births:
    """What the last birth certificate said: data messages may name a metric by its number alone."""

    names: MutableMapping[int, str] = field(default_factory=dict)
    types: MutableMapping[str, int] = field(default_factory=dict)

    def forget(self) -> None:
        """What was told holds no more."""
        self.names.clear()
        self.types.clear()


@dataclass(slots=True)
class Sequence:
    """What an edge node's message numbers tell: they run from 0 to 255 and start anew with each birth."""

    last: int | None = None
    born_as: int | None = None

    def lost(self, kind: str, payload: bytes) -> int:
        """How many messages are missing before this one; it is the last heard from now on. Never raises."""
        try:
            number, born_as = _counted(payload)
        except ValueError:
            return 0
        before, self.last = self.last, number
        if kind == "NBIRTH":
            self.born_as = born_as
            return 0
        return 0 if before is None or number is None else (number - before - 1) % 256

    def is_own_death(self, payload: bytes) -> bool:
        """Whether a node's death belongs to its last birth: an older session's will may come after a newer birth."""
        try:
            _, died_as = _counted(payload)
        except ValueError:
            return False
        return self.born_as is None or died_as is None or died_as == self.born_as


def _counted(payload: bytes) -> tuple[int | None, int | None]:
    """``seq`` and the metric bdSeq of a payload. Raises ValueError."""
    numbers = [value for number, value in _fields(payload) if number == 3 and isinstance(value, int)]
    told = decode(payload, Births()).metrics.get("bdSeq")
    return (numbers[-1] if numbers else None), told if isinstance(told, int) else None


def node_of(topic: str) -> str:
    """``group/node`` of a Sparkplug topic; empty for any other."""
    levels = topic.split("/")
    return f"{levels[1]}/{levels[3]}" if len(levels) > 3 and levels[0] == "spBv1.0" else ""


def kind_of(topic: str) -> str:
    """``DBIRTH``, ``NDATA``, ``DDEATH`` …; empty for a topic that is none of Sparkplug's."""
    levels = topic.split("/")
    return levels[2] if len(levels) > 3 and levels[0] == "spBv1.0" else ""


def decode(payload: bytes, births: Births) -> Message:
    """A payload's metrics. Births are learned on the way; historical metrics are left out, they are not now.

    Raises ValueError for bytes that are no such payload.
    """
    found: dict[str, Metric] = {}
    unknown: list[int] = []
    timestamp: int | None = None
    for number, value in _fields(payload):
        if number == 1 and isinstance(value, int):
            timestamp = value
        elif number == 2 and isinstance(value, bytes):
            told = _metric(value, births)
            if isinstance(told, tuple):
                found[told[0]] = told[1]
            elif told is not None:
                unknown.append(told)
    return Message(found, timestamp, tuple(unknown))


def _metric(body: bytes, births: Births) -> tuple[str, Metric] | int | None:
    """A metric, the number of one that no birth named, or None for one that is not now."""
    fields = dict(_fields(body))
    name = _name(fields, births)
    if fields.get(5):
        return None
    if name is None:
        alias = fields.get(2)
        return alias if isinstance(alias, int) else None
    kind = fields.get(4)
    kind = births.types.get(name, 0) if not isinstance(kind, int) else kind
    births.types[name] = kind
    return name, None if fields.get(7) else _value(fields, kind)


def _name(fields: Mapping[int, int | bytes], births: Births) -> str | None:
    name, alias = fields.get(1), fields.get(2)
    if isinstance(name, bytes):
        text = name.decode()
        if isinstance(alias, int):
            births.names[alias] = text
        return text
    return births.names.get(alias) if isinstance(alias, int) else None


def _value(fields: Mapping[int, int | bytes], kind: int) -> Metric:
    for number in (10, 11):
        whole = fields.get(number)
        if isinstance(whole, int):
            return _signed(whole, _BITS[kind]) if kind in _BITS else whole if kind in _WHOLE else ()
    for number, letter in ((12, "<f"), (13, "<d")):
        packed = fields.get(number)
        if isinstance(packed, bytes):
            return float(struct.unpack(letter, packed)[0])
    if 14 in fields:
        return bool(fields[14])
    text = fields.get(15)
    return text.decode() if isinstance(text, bytes) else None


def _signed(whole: int, bits: int) -> int:
    whole &= (1 << bits) - 1
    return whole - (1 << bits) if whole >> (bits - 1) else whole


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field number and value: whole numbers, or the bytes of everything else. Raises ValueError."""
    at = 0
    while at < len(body):
        key, at = _varint(body, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(body, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(body, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire} is not part of Sparkplug")
        if at + size > len(body):
            raise ValueError("the payload ends within a field")
        yield number, body[at : at + size]
        at += size


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = 0
    for place in range(_LONGEST_VARINT):
        if at >= len(body):
            raise ValueError("the payload ends within a number")
        number |= (body[at] & 0x7F) << 7 * place
        at += 1
        if body[at - 1] < 0x80:
            return number, at
    raise ValueError("a number of more than ten bytes")


# --- the way back: what a device would publish ---------------------------------------------------------------------


def encode(metrics: Mapping[str, Metric], timestamp: int | None = None) -> bytes:
    """A payload with these metrics by name: the inverse of ``decode``."""
    body = b"" if timestamp is None else _tagged(1, _VARINT) + _number(timestamp)
    return body + b"".join(_sized(2, _told(name, value)) for name, value in metrics.items())


def _told(name: str, value: Metric) -> bytes:
    head = _sized(1, name.encode())
    if value is None:
        return head + _tagged(7, _VARINT) + b"\1"
    if isinstance(value, bool):
        return head + _typed(_BOOLEAN) + _tagged(14, _VARINT) + _number(int(value))
    if isinstance(value, int):
        return head + _typed(4) + _tagged(11, _VARINT) + _number(value & (1 << 64) - 1)
    if isinstance(value, tuple):
        raise ValueError(f"{name} has a value of no known type")  # noqa: TRY004 - as for every value that cannot be told
    if isinstance(value, float):
        return head + _typed(_DOUBLE) + _tagged(13, _FIXED64) + struct.pack("<d", value)
    return head + _typed(_STRING) + _sized(15, value.encode())


def _typed(kind: int) -> bytes:
    return _tagged(4, _VARINT) + _number(kind)


def _tagged(number: int, wire: int) -> bytes:
    return _number(number << 3 | wire)


def _sized(number: int, body: bytes) -> bytes:
    return _tagged(number, _BYTES) + _number(len(body)) + body


def _number(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
