"""acquire, the bytes: MQTT 3.1.1 and 5 packets of a client that only listens. Pure.

What this gateway can say to a broker is what is built here: greet, subscribe, acknowledge, ping, leave. There is no way to
publish, so no configuration and no bug can command a device (OASIS MQTT 3.1.1 and 5.0).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from edge.decode.payload import Publication

Version = Literal[4, 5]
"""Protocol levels: 4 is MQTT 3.1.1."""
CONNACK, PUBLISH, SUBACK, PINGRESP, DISCONNECT = 2, 3, 9, 13, 14
_FROM_BROKER = (CONNACK, PUBLISH, SUBACK, PINGRESP, DISCONNECT)
PINGREQ_PACKET = b"\xc0\x00"
DISCONNECT_PACKET = b"\xe0\x00"
FAILED = 0x80
"""Reason codes from here on are refusals, in both versions of a SUBACK."""
MOST_BYTES = 1_048_576
"""A longer message is passed over without being held, and told as such."""
_HEAD_BYTES = 70_000
"""Enough of a long message for its topic and number."""
_TLS_ALERT, _TLS_HANDSHAKE = 0x15, 0x16

SESSION_EXPIRY, SERVER_KEEP_ALIVE, REASON_STRING, RECEIVE_MAXIMUM = 0x11, 0x13, 0x1F, 0x21
_BYTE, _SHORT, _LONG, _VARINT, _TEXT, _PAIR = range(6)
_PROPERTIES = {
    0x01: _BYTE, 0x02: _LONG, 0x03: _TEXT, 0x08: _TEXT, 0x09: _TEXT, 0x0B: _VARINT, 0x11: _LONG, 0x12: _TEXT, 0x13: _SHORT,
    0x15: _TEXT, 0x16: _TEXT, 0x17: _BYTE, 0x18: _LONG, 0x19: _BYTE, 0x1A: _TEXT, 0x1C: _TEXT, 0x1F: _TEXT, 0x21: _SHORT,
    0x22: _SHORT, 0x23: _SHORT, 0x24: _BYTE, 0x25: _BYTE, 0x26: _PAIR, 0x27: _LONG, 0x28: _BYTE, 0x29: _BYTE, 0x2A: _BYTE,
}  # fmt: skip
"""How the value of each property is written (5.0, table 2-4)."""


class NotMqtt(ValueError):
    """Bytes that no broker sends to a listener; only a new connection can help."""


class Packet(msgspec.Struct, frozen=True, gc=False):
    """Anything else."""

    kind: int
    body: bytes


class PacketBuffer:
    """Bytes of one connection → whole packets, whatever the pieces they come in."""

    def __init__(self, version: Version) -> None:
        self._is_five = version == 5
        self._rest = b""
        self._passing = 0
        """Bytes of a too long message still to come."""

    def feed(self, data: bytes) -> list[Publication | Packet]:
        """Packets that are whole now. Raises NotMqtt."""
        if self._passing:
            passed = min(self._passing, len(data))
            self._passing -= passed
            data = data[passed:]
        buffer, at = self._rest + data, 0
        found: list[Publication | Packet] = []
        end = len(buffer)
        while end - at >= 2:
            size, body = _length(buffer, at + 1)
            _check_head(buffer[at])
            if not body:
                break
            stop = body + size
            if stop > end:
                if size > MOST_BYTES and end - body >= _HEAD_BYTES:
                    found.append(self._publication(buffer, at, body, end, stop - end))
                    self._passing, at = stop - end, end
                break
            is_message = buffer[at] >> 4 == PUBLISH
            found.append(
                self._publication(buffer, at, body, stop, 0)
                if is_message
                else Packet(buffer[at] >> 4, buffer[body:stop])
            )
            at = stop
        self._rest = buffer[at:]
        return found

    def _publication(self, buffer: bytes, at: int, body: int, stop: int, missing: int) -> Publication:
        flags = buffer[at] & 15
        qos, start = flags >> 1 & 3, body + 2 + (buffer[body] << 8 | buffer[body + 1]) if stop - body >= 2 else stop + 1
        payload = start + 2 * qos
        if payload <= stop and self._is_five:
            size, after = _length(buffer, payload)
            payload = after + size if after else stop + 1
        if payload > stop or qos > 1:
            raise NotMqtt("a message whose parts do not fit its length")
        if start == body + 2:
            raise NotMqtt("a message without a topic: topic aliases were not permitted")
        mid = buffer[start] << 8 | buffer[start + 1] if qos else 0
        topic = buffer[body + 2 : start].decode("utf-8", "replace")
        size = stop - payload + missing
        kept = buffer[payload:stop] if size <= MOST_BYTES else buffer[payload : payload + 1024]
        return Publication(topic, kept, qos, bool(flags & 1), mid, size)


def _length(buffer: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer and where the next byte stands; (0, 0) while it is not whole. Raises NotMqtt."""
    value = 0
    for place in range(4):
        if at + place >= len(buffer):
            return 0, 0
        byte = buffer[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise NotMqtt("a length of more than four bytes")


def _check_head(head: int) -> None:
    if head >> 4 in _FROM_BROKER and (head >> 4 == PUBLISH or not head & 15):
        return
    if head in (_TLS_ALERT, _TLS_HANDSHAKE):
        raise NotMqtt("it speaks TLS; write mqtts:// instead of mqtt://, or its plain port (usually 1883)")
    raise NotMqtt("what listens there speaks no MQTT; check host and port")


# --- what the broker answers ----------------------------------------------------------------------------------------


class Greeting(msgspec.Struct, frozen=True):
    """CONNACK. ``code`` 0 welcomes; ``keep_alive_s`` is the broker's own wish, None when it has none."""

    code: int
    has_session: bool
    keep_alive_s: int | None = None
    reason: str = ""


def parse_greeting(body: bytes) -> Greeting:
    """Raises NotMqtt. A 3.1.1 broker answers a version 5 greeting in its own form, which is understood too."""
    if len(body) < 2:
        raise NotMqtt("a greeting that is too short")
    told = _properties(body, 2)
    keep_alive, reason = told.get(SERVER_KEEP_ALIVE), told.get(REASON_STRING)
    return Greeting(
        body[1], bool(body[0] & 1), keep_alive if isinstance(keep_alive, int) else None, reason if isinstance(reason, str) else ""
    )  # fmt: skip


def parse_granted(body: bytes, version: Version) -> tuple[int, Sequence[int]]:
    """SUBACK: its number, and a code for each topic asked for. Raises NotMqtt."""
    if len(body) < 3:
        raise NotMqtt("a confirmation that is too short")
    start = 2
    if version == 5:
        size, after = _length(body, 2)
        start = after + size
    return body[0] << 8 | body[1], tuple(body[start:])


def parse_farewell(body: bytes) -> str:
    """Why a version 5 broker says good-bye."""
    code = body[0] if body else 0
    reason = _properties(body, 1).get(REASON_STRING)
    return say(code) + (f": {reason}" if isinstance(reason, str) and reason else "")


def _properties(body: bytes, at: int) -> Mapping[int, int | str]:
    """Numbers and texts by property; what is cut short or unknown ends the list, because nothing hangs on it."""
    size, at = _length(body, at)
    end, found = min(at + size, len(body)), dict[int, int | str]()
    while at and at < end:
        name, form = body[at], _PROPERTIES.get(body[at])
        at += 1
        if form is None or form == _PAIR:
            break
        if form == _VARINT:
            found[name], at = _length(body, at)
            continue
        if form == _TEXT:
            width = int.from_bytes(body[at : at + 2], "big")
            found[name], at = body[at + 2 : at + 2 + width].decode("utf-8", "replace"), at + 2 + width
            continue
        width = {_BYTE: 1, _SHORT: 2, _LONG: 4}[form]
        found[name], at = int.from_bytes(body[at : at + width], "big"), at + width
    return found


UNSUPPORTED_VERSION = (1, 0x84)
_LOGIN = "user or password is not accepted; check the credential_file of the bus (one line user:password)"
_ALLOWED = "this login or certificate may not connect; ask who runs the broker to let it, or check the credential_file"
_WORDS = {
    1: "it does not speak this version of MQTT; write mqtt_version: 3.1.1", 0x84: "it does not speak MQTT 5; write mqtt_version: 3.1.1",
    2: "client_id is not accepted; write another client_id", 0x85: "client_id is not accepted; write another client_id",
    3: "it is not available just now", 0x88: "it is not available just now", 4: _LOGIN, 0x86: _LOGIN, 5: _ALLOWED, 0x87: _ALLOWED,
    0x89: "it is busy", 0x8A: "this client is banned", 0x8B: "it is shutting down", 0x8C: "it wants another way to sign in",
    0x8D: "it heard nothing within the keep-alive time", 0x8E: "another client with the same client_id took over; give each gateway its own",
    0x95: "a packet was too large", 0x97: "a quota was exceeded", 0x98: "an administrator ended the session",
    0x9C: "it wants another server to be used", 0x9D: "it has moved to another server", 0x9F: "too many connections",
}  # fmt: skip


def say(code: int) -> str:
    """A reason code for a person, with what to do where something can be done."""
    return _WORDS.get(code, f"reason code 0x{code:02X}")


# --- what the gateway says ------------------------------------------------------------------------------------------


def build_connect(
    version: Version, client_id: str, keep_alive_s: int, login: tuple[str, str] | None, session_s: int, in_flight: int
) -> bytes:
    """Greet and ask for a session that outlives the connection; ``session_s`` 0 asks for none."""
    flags = (0 if session_s else 2) | (0xC0 if login else 0)
    body = _text("MQTT") + struct.pack(">BBH", version, flags, keep_alive_s)
    if version == 5:
        told = struct.pack(">BIBH", SESSION_EXPIRY, session_s, RECEIVE_MAXIMUM, in_flight)
        body += bytes((len(told),)) + told
    body += _text(client_id)
    for part in login or ():
        body += _text(part)
    return _packet(0x10, body)


def build_subscribe(version: Version, mid: int, topics: Sequence[str]) -> bytes:
    """Ask for topics with quality of service 1. What is retained is wanted each time: it may be all that tells of a will."""
    head = struct.pack(">H", mid) + (b"\0" if version == 5 else b"")
    return _packet(0x82, head + b"".join(_text(topic) + b"\1" for topic in topics))


def build_acknowledgements(mids: Sequence[int]) -> bytes:
    """Tell that messages are safe, all in one piece."""
    return b"".join([struct.pack(">HH", 0x4002, mid) for mid in mids])


def _packet(head: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while True:
        length.append(size & 0x7F | (0x80 if size > 0x7F else 0))
        size >>= 7
        if not size:
            return bytes((head,)) + bytes(length) + body


def _text(text: str) -> bytes:
    """Raises ValueError for what no MQTT text can hold."""
    encoded = text.encode()
    if len(encoded) > 65_535:
        raise ValueError(f"{text[:20]!r}… is too long for MQTT")
    return struct.pack(">H", len(encoded)) + encoded
