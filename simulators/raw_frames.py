"""wire bytes ↔ requests, as a device sees them: Modbus frames on TCP (MBAP) and on a serial line (RTU). Pure.

Written from the specifications and apart from the gateway's own frames, so that the two cannot share a mistake
(Modbus messaging on TCP/IP V1.0b, Modbus over serial line V1.02).
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

_MBAP = struct.Struct(">HHHB")
LONGEST_PDU = 253
RTU_READ = 8
"""Bytes of a request with address and count on a serial line: unit, five, checksum."""
_WRITES_SEVERAL = (15, 16)


class NoFrame(ValueError):
    """The bytes cannot begin a request; a TCP device hangs up, a serial one waits for the next silence."""


class Request(NamedTuple):
    """One frame of a client. ``transaction`` is 0 on a serial line, which has none."""

    transaction: int
    device: int
    pdu: bytes


class Framing(Protocol):
    """How requests are cut from a stream and replies are wrapped."""

    has_transactions: bool

    def cut(self, held: bytearray) -> Request | None:
        """Take the next whole request off ``held``; None while it is not all there. Raises NoFrame."""
        ...

    def wrap(self, transaction: int, device: int, pdu: bytes) -> bytes:
        """A reply as it stands on the wire."""
        ...


class Mbap:
    """TCP, TLS and UDP."""

    has_transactions = True

    def cut(self, held: bytearray) -> Request | None:
        if len(held) < _MBAP.size:
            return None
        transaction, protocol, length, device = _MBAP.unpack_from(held)
        if protocol != 0 or not 2 <= length <= LONGEST_PDU + 1:
            raise NoFrame(f"protocol {protocol} and length {length} are no Modbus header")
        end = _MBAP.size + length - 1
        if len(held) < end:
            return None
        pdu = bytes(held[_MBAP.size : end])
        del held[:end]
        return Request(transaction, device, pdu)

    def wrap(self, transaction: int, device: int, pdu: bytes) -> bytes:
        return _MBAP.pack(transaction, 0, len(pdu) + 1, device) + pdu


class Rtu:
    """A serial line, or a converter that passes its bytes on."""

    has_transactions = False

    def cut(self, held: bytearray) -> Request | None:
        size = _request_size(held)
        if size is None or len(held) < size:
            return None
        whole = bytes(held[:size])
        if checksum(whole[:-2]) != whole[-2:]:
            raise NoFrame(f"checksum of {whole.hex(' ')} is wrong")
        del held[:size]
        return Request(0, whole[0], whole[1:-2])

    def wrap(self, transaction: int, device: int, pdu: bytes) -> bytes:  # noqa: ARG002 - a line has none
        body = bytes((device,)) + pdu
        return body + checksum(body)


def _request_size(held: bytes | bytearray) -> int | None:
    if len(held) > 1 and held[1] in _WRITES_SEVERAL:
        return None if len(held) < 7 else 9 + held[6]
    return RTU_READ


def checksum(body: bytes) -> bytes:
    """CRC-16/MODBUS in the order of the line, low byte first: bit by bit, as section 6.2.2 of the standard has it."""
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


MBAP, RTU = Mbap(), Rtu()
