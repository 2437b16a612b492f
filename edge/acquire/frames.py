"""acquire, the bytes: Modbus requests and replies in both framings. Pure.

Only the four reading functions can be built: every request passes ``build_read``, and nothing else here makes a request
(Modbus Application Protocol V1.1b3, Modbus over serial line V1.02, Modbus messaging on TCP/IP V1.0b).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
FUNCTION_OF = {"coil": READ_COILS, "discrete": READ_DISCRETE, "holding": READ_HOLDING, "input": READ_INPUT}
MOST_BITS, MOST_REGISTERS = 2000, 125
EXCEPTIONS = {
    1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "device failure", 5: "acknowledge",
    6: "device busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target did not respond",
}  # fmt: skip
MBAP_SIZE = 7
MBAP_HEAD = 9
"""Bytes before the values of an answer on TCP."""
LONGEST_PDU = 253
LONGEST_RTU = 256


class ReadOnlyViolation(ValueError):
    """Somebody asked for a request that is not one of the four reads, or that no standard allows."""


class Garbled(ValueError):
    """Bytes that are no answer to the request: wrong function, length or checksum."""


class OutOfStep(Garbled):
    """The stream holds no frame boundary any more; only a new connection finds one."""


class Read(msgspec.Struct, frozen=True, gc=False):
    """One request: function code 1 to 4, the wire's zero-based address, and how many bits or registers."""

    function: int
    address: int
    count: int

    @property
    def payload_size(self) -> int:
        """Bytes of values that a right answer carries."""
        return -(-self.count // 8) if self.function in (READ_COILS, READ_DISCRETE) else 2 * self.count

    def __str__(self) -> str:
        table = next((name for name, function in FUNCTION_OF.items() if function == self.function), "?")
        return f"{table} 0x{self.address:04X}-0x{self.address + self.count - 1:04X}"


@dataclass(frozen=True, slots=True)
class ExceptionReply:
    """The device's own error."""

    code: int

    def __str__(self) -> str:
        return f"exception {self.code} ({EXCEPTIONS.get(self.code, 'unknown')})"


def build_read(read: Read) -> bytes:
    """The request's five bytes. Raises ReadOnlyViolation for anything but a legal read."""
    if type(read.function) is not int or read.function not in (READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT):
        raise ReadOnlyViolation(f"function code {read.function} is not a read; only 1, 2, 3 and 4 are ever sent")
    most = MOST_BITS if read.function in (READ_COILS, READ_DISCRETE) else MOST_REGISTERS
    if not 1 <= read.count <= most:
        raise ReadOnlyViolation(f"{read.count} values in one request; Modbus allows 1 to {most}")
    if not 0 <= read.address <= 0xFFFF or read.address + read.count > 0x10000:
        raise ReadOnlyViolation(f"addresses {read.address} to {read.address + read.count - 1} do not exist")
    return struct.pack(">BHH", read.function, read.address, read.count)


def build_mbap(transaction: int, unit: int, read: Read) -> bytes:
    """The request as it goes over TCP, TLS and UDP."""
    pdu = build_read(read)
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, _checked(unit)) + pdu


def mbap_head(transaction: int, unit: int, read: Read) -> bytes:
    """How an answer with values begins on TCP: nine bytes, header and count, before the values."""
    size = read.payload_size
    return struct.pack(">HHHBBB", transaction, 0, size + 3, unit, read.function, size)


def build_rtu(unit: int, read: Read) -> bytes:
    """The request as it goes over a serial line, or through a converter that passes its bytes on."""
    frame = bytes((_checked(unit),)) + build_read(read)
    return frame + crc16(frame).to_bytes(2, "little")


def _checked(unit: int) -> int:
    if not 0 <= unit <= 255:
        raise ReadOnlyViolation(f"unit {unit} is outside 0 to 255")
    return unit


def parse_reply(read: Read, pdu: bytes) -> bytes | ExceptionReply:
    """The values that answer ``read``, or the device's exception. Raises Garbled for a PDU that answers neither way."""
    if len(pdu) == 2 and pdu[0] == read.function | 0x80:
        return ExceptionReply(pdu[1])
    if len(pdu) < 2 or pdu[0] != read.function:
        raise Garbled(f"function {pdu[0] if pdu else 'none'} answers function {read.function}")
    if pdu[1] != read.payload_size or len(pdu) != 2 + read.payload_size:
        raise Garbled(f"{len(pdu) - 2} bytes announced as {pdu[1]} answer a request for {read.payload_size}")
    return pdu[2:]


# --- Modbus TCP ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MbapHeader:
    """What stands before a PDU on TCP. ``size`` is the PDU's length in bytes."""

    transaction: int
    unit: int
    size: int


def parse_mbap(header: bytes) -> MbapHeader:
    """Seven bytes to a header. Raises OutOfStep when they cannot be one."""
    transaction, protocol, length, unit = struct.unpack(">HHHB", header)
    if protocol != 0 or not 2 <= length - 1 <= LONGEST_PDU:
        raise OutOfStep(f"protocol {protocol} and length {length} are no Modbus header")
    return MbapHeader(transaction, unit, length - 1)


class MbapBuffer:
    """Bytes of a stream as they come, cut into (header, PDU)."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    @property
    def is_empty(self) -> bool:
        """True when no part of a frame waits for its rest."""
        return not self._bytes

    def feed(self, received: bytes) -> Iterator[tuple[MbapHeader, bytes]]:
        """Every frame that is whole now. Raises OutOfStep when the stream has lost its frames."""
        self._bytes += received
        while len(self._bytes) >= MBAP_SIZE:
            header = parse_mbap(bytes(self._bytes[:MBAP_SIZE]))
            end = MBAP_SIZE + header.size
            if len(self._bytes) < end:
                return
            pdu = bytes(self._bytes[MBAP_SIZE:end])
            del self._bytes[:end]
            yield header, pdu


# --- RTU -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RtuFrame:
    """One frame of a serial line whose checksum is right."""

    unit: int
    pdu: bytes


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def crc16(frame: bytes) -> int:
    """CRC-16/MODBUS, sent low byte first."""
    crc = 0xFFFF
    for byte in frame:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def rtu_size(head: bytes) -> int | None:
    """Length of the reply frame that starts with ``head``, None until three bytes are there.

    Raises OutOfStep when no reply to a read starts so.
    """
    if len(head) < 3:
        return None
    function = head[1]
    if function & 0x80 and function & 0x7F in FUNCTION_OF.values():
        return 5
    if function not in FUNCTION_OF.values() or not 1 <= head[2] <= LONGEST_PDU - 2:
        raise OutOfStep(f"bytes {head[:3].hex(' ')} start no answer to a read")
    return 5 + head[2]


def parse_rtu(frame: bytes) -> RtuFrame:
    """A whole frame. Raises OutOfStep when its checksum is wrong: then its length cannot be believed either."""
    if len(frame) < 5 or int.from_bytes(frame[-2:], "little") != crc16(frame[:-2]):
        raise OutOfStep(f"checksum of {frame.hex(' ')} is wrong")
    return RtuFrame(frame[0], frame[1:-2])


class RtuBuffer:
    """Bytes of a line as they come, cut into frames. An echo of the request that was just sent is dropped."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._echo = b""

    def expect(self, request: bytes) -> None:
        """Begin anew after ``request`` was sent: whatever came before it answers nothing any more."""
        self._bytes.clear()
        self._echo = request

    def feed(self, received: bytes) -> Iterator[RtuFrame]:
        """Every frame that is whole now. Raises OutOfStep, forgetting the rest, when the bytes are no frame."""
        self._bytes += received
        while self._bytes and not self._is_waiting_for_echo():
            try:
                size = rtu_size(bytes(self._bytes[:3]))
                if size is None or len(self._bytes) < size:
                    return
                frame = parse_rtu(bytes(self._bytes[:size]))
            except OutOfStep:
                self._bytes.clear()
                raise
            del self._bytes[:size]
            yield frame

    def _is_waiting_for_echo(self) -> bool:
        """A two-wire adapter may repeat what it sends; the first bytes of an answer never match a whole request."""
        size = len(self._echo)
        if size and self._bytes[:size] == self._echo:
            del self._bytes[:size]
            self._echo = b""
            return not self._bytes
        return 0 < len(self._bytes) < size and self._echo.startswith(self._bytes)
