"""decode, a whole reply at once: the fast way to the same answers as ``registers.decode``.

Plain numbers of a block are unpacked together; a value that is not plainly good, and every point with bits, words or
transforms, takes the exact way alone.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contract.messages import Quality, Value
from edge.decode.registers import RegisterCodec, decode_bytes
from edge.decode.value import UNDECODABLE, Decoded, whole_divisor
from edge.decode.wire import FLOATS, FORMATS, INTEGERS, swap_bytes, unpack

_LARGEST = sys.float_info.max
_SWAPPED_ORDERS = ("BA", "BADC", "BADCFEHG", "CDAB", "GHEFCDAB")
_LOW_FIRST_ORDERS = ("DCBA", "HGFEDCBA", "CDAB", "GHEFCDAB")

ScaleCodes = Mapping[tuple[str, int], int]
"""(table, wire address) to the word that holds a power of ten, as last read."""


@dataclass(frozen=True, slots=True)
class _Plain:
    """One number that needs only arithmetic: which point, which codec, and the bounds within which it is good."""

    place: int
    codec: RegisterCodec
    divisor: int
    scale: float
    offset: float
    low: float
    high: float
    suspects: frozenset[float]


@dataclass(frozen=True, slots=True)
class _Layer:
    """Numbers that one ``struct`` call reads: same byte order, no two overlapping."""

    is_swapped: bool
    unpacker: struct.Struct
    plain: tuple[_Plain, ...]


class BlockDecoder:
    """All points of one request, compiled. ``decode`` gives one value a point, in the order of ``codecs``."""

    __slots__ = ("_address", "_exact", "_is_bits", "_layers", "_size", "_swaps", "codecs")

    def __init__(self, codecs: Sequence[RegisterCodec], address: int, count: int) -> None:
        self.codecs = tuple(codecs)
        self._address = address
        self._is_bits = any(codec.is_bit for codec in codecs)
        self._size = -(-count // 8) if self._is_bits else 2 * count
        plain = [one for place, codec in enumerate(codecs) if (one := _as_plain(place, codec)) is not None]
        taken = {one.place for one in plain}
        self._exact = tuple(place for place in range(len(self.codecs)) if place not in taken)
        self._layers = tuple(_layers(plain, address, count))
        self._swaps = any(layer.is_swapped for layer in self._layers)

    def decode(self, payload: bytes, scale_codes: ScaleCodes) -> tuple[list[Value], dict[int, Decoded]]:
        """Values by place, None where ``flaws`` says what is wrong. Never raises, whatever the bytes.

        A payload of another length than asked for is undecodable as a whole.
        """
        values: list[Value] = [None] * len(self.codecs)
        if len(payload) != self._size:
            return values, dict.fromkeys(range(len(self.codecs)), UNDECODABLE)
        flaws: dict[int, Decoded] = {}
        doubtful = self._unpack(payload, values)
        for place in (*self._exact, *doubtful):
            decoded = self._exactly(self.codecs[place], payload, scale_codes)
            if decoded.quality is Quality.GOOD:
                values[place] = decoded.value
            else:
                flaws[place] = decoded
        return values, flaws

    def _unpack(self, payload: bytes, values: list[Value]) -> list[int]:
        """Fill in what is plainly good; the places of the rest."""
        doubtful = []
        swapped = swap_bytes(payload) if self._swaps else payload
        for layer in self._layers:
            numbers = layer.unpacker.unpack(swapped if layer.is_swapped else payload)
            for one, raw in zip(layer.plain, numbers, strict=True):
                number = raw / one.divisor if one.divisor else raw if one.scale == 1.0 else raw * one.scale
                if one.offset:
                    number += one.offset
                if one.low <= number <= one.high and raw not in one.suspects:
                    values[one.place] = number
                else:
                    doubtful.append(one.place)
        return doubtful

    def _exactly(self, codec: RegisterCodec, payload: bytes, scale_codes: ScaleCodes) -> Decoded:
        at = codec.address - self._address
        if self._is_bits:
            return decode_bytes(codec, b"\1" if payload[at >> 3] >> (at & 7) & 1 else b"\0")
        code = None if codec.scale_from is None else scale_codes.get((codec.table, codec.scale_from))
        return decode_bytes(codec, payload[2 * at : 2 * (at + codec.count)], code)


def _as_plain(place: int, codec: RegisterCodec) -> _Plain | None:
    """The short way for a number without words, bits, transforms or unit, None for all others."""
    meaning = codec.meaning
    is_number = codec.type in FLOATS or (codec.type in INTEGERS and codec.bit is None)
    is_plain = meaning.kind in ("gauge", "counter", None) and not meaning.enum and not meaning.invert
    is_whole = codec.bits is None and not codec.parts and codec.scale_from is None
    if codec.is_bit or not is_number or not is_plain or not is_whole:
        return None
    if meaning.transform != "none" or meaning.unit != (1.0, 0.0):
        return None
    if codec.type in ("int64", "uint64") and (meaning.scale, meaning.offset) != (1.0, 0.0):
        return None  # may be too large for a double; the exact way keeps every digit
    low = max(meaning.wire_range[0], meaning.point_range[0], -_LARGEST)
    high = min(meaning.wire_range[1], meaning.point_range[1], _LARGEST)
    divisor = whole_divisor(meaning.scale)
    return _Plain(place, codec, divisor, meaning.scale, meaning.offset, low, high, frozenset(_suspects(codec)))


def _suspects(codec: RegisterCodec) -> Iterable[float]:
    """Numbers that a sentinel would read as. Those that are no number at all never pass the bounds."""
    for pattern in codec.sentinels:
        raw = unpack(codec.type, codec.order, pattern.to_bytes(2 * codec.count, "big"))
        if isinstance(raw, (int, float)) and raw == raw:  # noqa: PLR0124 - not a NaN
            yield raw


def _layers(plain: Sequence[_Plain], address: int, count: int) -> Iterable[_Layer]:
    waiting = sorted(plain, key=lambda one: one.codec.address)
    while waiting:
        of = _variant(waiting[0].codec)
        taken: list[_Plain] = []
        for one in waiting:
            end = taken[-1].codec.address + taken[-1].codec.count if taken else address
            if _variant(one.codec) == of and one.codec.address >= end:
                taken.append(one)
        yield _layer(of, taken, address, count)
        waiting = [one for one in waiting if one not in taken]


def _variant(codec: RegisterCodec) -> tuple[bool, str]:
    """Every order is a byte swap within registers or none, then high or low byte first.

    CDAB swapped reads DCBA, which is low byte first; BADC swapped reads ABCD.
    """
    if codec.order == "BA":
        return False, "<"
    return codec.order in _SWAPPED_ORDERS, "<" if codec.order in _LOW_FIRST_ORDERS else ">"


def _layer(of: tuple[bool, str], taken: Sequence[_Plain], address: int, count: int) -> _Layer:
    letters, at = [of[1]], address
    for one in taken:
        letters.append(f"{2 * (one.codec.address - at)}x{FORMATS[one.codec.type]}")
        at = one.codec.address + one.codec.count
    letters.append(f"{2 * (address + count - at)}x")
    return _Layer(of[0], struct.Struct("".join(letters)), tuple(taken))
