"""a right answer → what a faulty device puts on the wire, and when. Pure: chance is an argument.

Everything that a library's server cannot do on purpose stands here. What is no single reply (a port that goes dark, a
connection nobody reads) is done by the wire itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from simulators.raw_frames import Framing, Request

Fault = Literal[
    "none", "silent", "slow", "late", "busy", "exception", "garbage", "duplicate", "half_open", "wrong_device",
    "wrong_transaction", "wrong_function", "wrong_length", "wrong_crc", "truncated", "split", "noise", "restart",
]  # fmt: skip
FAULTS: tuple[str, ...] = get_args(Fault)
BUSY, DEVICE_FAILURE = 6, 4
SPLIT_PAUSE_S = 0.002
_OTHER_DEVICE = 0x40
_NOISE = b"\x00\xff\x55"


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """How one device answers wrongly.

    ``delay_s`` is how slow or late it is, how long after the first a duplicate comes, how long a restart takes, and the
    pause between the bytes of a split reply; ``every`` spoils each n-th request only; ``code`` is what ``exception`` answers. Raises ValueError for an unknown
    fault.
    """

    fault: Fault = "none"
    delay_s: float = 0.0
    every: int = 1
    code: int = DEVICE_FAILURE

    def __post_init__(self) -> None:
        if self.fault not in FAULTS:
            raise ValueError(f"devices know no misbehaviour {self.fault}; they know {', '.join(FAULTS)}")
        if self.every < 1 or self.delay_s < 0 or not 1 <= self.code <= 255:
            raise ValueError("every counts from 1, delay_s from 0, code from 1 to 255")


HEALTHY = Misbehaviour()


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes for the wire, so many seconds after the chunk before."""

    data: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reaction:
    """What comes of one request. While ``holds_wire`` the next request waits; a deaf wire hears nothing any more."""

    chunks: tuple[Chunk, ...] = ()
    holds_wire: bool = True
    is_deaf: bool = False


def react(how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, chance: random.Random) -> Reaction:
    """The reaction of a device that misbehaves so and whose right answer would be ``pdu``."""
    if how.fault in ("silent", "half_open", "restart"):
        # A serial line has no connection that could be dead and open; there it is silence.
        return Reaction(is_deaf=how.fault == "half_open" and framing.has_transactions)
    spoil = _SPOILERS.get(how.fault)
    whole = (
        framing.wrap(request.transaction, request.device, pdu)
        if spoil is None
        else spoil(how, request, pdu, framing, chance)
    )
    if how.fault == "split":
        pause_s = how.delay_s or SPLIT_PAUSE_S
        return Reaction(tuple(Chunk(bytes((byte,)), pause_s if at else 0.0) for at, byte in enumerate(whole)))
    if how.fault == "duplicate":
        return Reaction((Chunk(whole), Chunk(whole, how.delay_s)), holds_wire=False)
    delay_s = how.delay_s if how.fault in ("slow", "late") else 0.0
    return Reaction((Chunk(whole, delay_s),), holds_wire=how.fault != "late")


_Spoiler = Callable[[Misbehaviour, Request, bytes, Framing, random.Random], bytes]


def _exception(how: Misbehaviour, request: Request, _pdu: bytes, framing: Framing, _chance: random.Random) -> bytes:
    code = BUSY if how.fault == "busy" else how.code
    return framing.wrap(request.transaction, request.device, bytes((request.pdu[0] | 0x80, code)))


def _garbage(_how: Misbehaviour, _request: Request, _pdu: bytes, _framing: Framing, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randint(1, 40))


def _wrong_device(_how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, _chance: random.Random) -> bytes:
    return framing.wrap(request.transaction, request.device ^ _OTHER_DEVICE, pdu)


def _wrong_transaction(
    _how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, _chance: random.Random
) -> bytes:
    return framing.wrap((request.transaction + 1) % 0x10000, request.device, pdu)


def _wrong_function(
    _how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, _chance: random.Random
) -> bytes:
    other = pdu[0] & 0x80 | (7 - (pdu[0] & 0x7F)) & 0x7F  # 3 ↔ 4, as a device that mixes up its tables
    return framing.wrap(request.transaction, request.device, bytes((other,)) + pdu[1:])


def _wrong_length(_how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, _chance: random.Random) -> bytes:
    """Well formed, but with two bytes more than were asked for."""
    longer = bytes((pdu[0], min(pdu[1] + 2, 250))) + pdu[2:] + b"\x12\x34"
    return framing.wrap(request.transaction, request.device, longer)


def _wrong_crc(_how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, chance: random.Random) -> bytes:
    """One bit of the values flipped on the way; on TCP, which has no checksum here, the header is what suffers."""
    whole = bytearray(framing.wrap(request.transaction, request.device, pdu))
    if framing.has_transactions:
        whole[2] ^= 1 << chance.randrange(8)
    else:
        whole[-2 - chance.randint(1, max(1, len(pdu) - 2))] ^= 1 << chance.randrange(8)
    return bytes(whole)


def _truncated(_how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, _chance: random.Random) -> bytes:
    whole = framing.wrap(request.transaction, request.device, pdu)
    return whole[: max(1, len(whole) // 2)]


def _noise(_how: Misbehaviour, request: Request, pdu: bytes, framing: Framing, _chance: random.Random) -> bytes:
    return _NOISE + framing.wrap(request.transaction, request.device, pdu)


_SPOILERS: Mapping[str, _Spoiler] = {
    "busy": _exception, "exception": _exception, "garbage": _garbage,
    "wrong_device": _wrong_device, "wrong_transaction": _wrong_transaction, "wrong_function": _wrong_function,
    "wrong_length": _wrong_length, "wrong_crc": _wrong_crc, "truncated": _truncated, "noise": _noise,
}  # fmt: skip
