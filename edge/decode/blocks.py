"""decode, a whole reply at once: the fast way to the same answers as ``registers.decode``.

Numbers of a block are unpacked together, those with a scale factor too while that stays. Bits and words that stand as they stood
before are not looked at again. A value that is not plainly good, and every point with transforms or parts, takes the exact way alone.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from contract.messages import Quality, Value
from edge.decode.registers import NO_SCALE_CODE, RegisterCodec, decode_bytes, power_of
from edge.decode.value import EVERYTHING, UNDECODABLE, Decoded, whole_divisor
from edge.decode.wire import FLOATS, FORMATS, INTEGERS, swap_bytes, unpack

_LARGEST = sys.float_info.max
_SWAPPED_ORDERS = ("BA", "BADC", "BADCFEHG", "CDAB", "GHEFCDAB")
_LOW_FIRST_ORDERS = ("DCBA", "HGFEDCBA", "CDAB", "GHEFCDAB")
_MOST_KNOWN = 64
"""So many patterns of bits and words, and of scale factors, are remembered of a block; most have a few."""
_NO_UNIT = (1.0, 0.0)
_Key = TypeVar("_Key")
_Known = TypeVar("_Known")

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
    unit: tuple[float, float] | None
    low: float
    high: float
    suspects: frozenset[float]


@dataclass(frozen=True, slots=True)
class _Layer:
    """Numbers that one ``struct`` call reads: same byte order, no two overlapping."""

    is_swapped: bool
    unpacker: struct.Struct
    plain: tuple[_Plain, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How numbers are read while their scale factors stay: what is unpacked together, and who takes the exact way."""

    layers: tuple[_Layer, ...]
    exact: tuple[int, ...]
    swaps: bool


class BlockDecoder:
    """All points of one request, compiled. ``decode`` gives one value a point, in the order of ``codecs``."""

    __slots__ = (
        "_address",
        "_count",
        "_factors",
        "_is_bits",
        "_parts",
        "_plans",
        "_size",
        "_still",
        "_stood",
        "codecs",
    )

    def __init__(self, codecs: Sequence[RegisterCodec], address: int, count: int) -> None:
        self.codecs = tuple(codecs)
        self._address, self._count = address, count
        self._is_bits = any(codec.is_bit for codec in codecs)
        self._size = -(-count // 8) if self._is_bits else 2 * count
        self._still = tuple(place for place, codec in enumerate(codecs) if _is_still(codec))
        self._parts = tuple(dict.fromkeys(self._part(codecs[place]) for place in self._still))
        self._factors = tuple(
            dict.fromkeys((codec.table, codec.scale_from) for codec in codecs if codec.scale_from is not None)
        )
        self._plans: dict[tuple[int | None, ...], _Plan] = {}
        self._stood: dict[bytes, tuple[list[Value], dict[int, Decoded]]] = {}

    def decode(self, payload: bytes, scale_codes: ScaleCodes) -> tuple[list[Value], dict[int, Decoded]]:
        """Values by place, None where ``flaws`` says what is wrong. Never raises, whatever the bytes.

        A payload of another length than asked for is undecodable as a whole.
        """
        if len(payload) != self._size:
            return [None] * len(self.codecs), dict.fromkeys(range(len(self.codecs)), UNDECODABLE)
        values, flaws = self._begin(payload)
        codes = tuple([scale_codes.get(factor) for factor in self._factors])
        plan = self._plans.get(codes) or self._plan(codes)
        doubtful = _unpack(plan, payload, values)
        for place in (*plan.exact, *doubtful):
            codec = self.codecs[place]
            code = None if codec.scale_from is None else scale_codes.get((codec.table, codec.scale_from))
            _put(place, self._alone(codec, payload, code), values, flaws)
        return values, flaws

    def _begin(self, payload: bytes) -> tuple[list[Value], dict[int, Decoded]]:
        """What bits and words say; the numbers are still to come."""
        stands = b"".join([payload[first:end] for first, end in self._parts])
        if (known := self._stood.get(stands)) is None:
            known = [None] * len(self.codecs), {}
            for place in self._still:
                _put(place, self._alone(self.codecs[place], payload, None), *known)
            _remember(self._stood, stands, known)
        return known[0].copy(), known[1].copy()

    def _alone(self, codec: RegisterCodec, payload: bytes, code: int | None) -> Decoded:
        first, end = self._part(codec)
        if self._is_bits:
            at = codec.address - self._address
            return decode_bytes(codec, b"\1" if payload[first] >> (at & 7) & 1 else b"\0")
        return decode_bytes(codec, payload[first:end], code)

    def _part(self, codec: RegisterCodec) -> tuple[int, int]:
        """The bytes of the payload in which a value stands."""
        at = codec.address - self._address
        return (at >> 3, (at >> 3) + 1) if self._is_bits else (2 * at, 2 * (at + codec.count))

    def _plan(self, codes: tuple[int | None, ...]) -> _Plan:
        factors = dict(zip(self._factors, codes, strict=True))
        others = [place for place in range(len(self.codecs)) if place not in self._still]
        plain = [one for place in others if (one := _as_plain(place, self.codecs[place], factors)) is not None]
        taken = {one.place for one in plain}
        layers = tuple(_layers(plain, self._address, self._count))
        exact = tuple(place for place in others if place not in taken)
        plan = _Plan(layers, exact, any(layer.is_swapped for layer in layers))
        _remember(self._plans, codes, plan)
        return plan


def _put(place: int, decoded: Decoded, values: list[Value], flaws: dict[int, Decoded]) -> None:
    if decoded.quality is Quality.GOOD:
        values[place] = decoded.value
    else:
        flaws[place] = decoded


def _remember(where: dict[_Key, _Known], key: _Key, known: _Known) -> None:
    if len(where) >= _MOST_KNOWN:
        where.clear()
    where[key] = known


def _unpack(plan: _Plan, payload: bytes, values: list[Value]) -> list[int]:
    """Fill in what is plainly good; the places of the rest."""
    doubtful = []
    swapped = swap_bytes(payload) if plan.swaps else payload
    for layer in plan.layers:
        numbers = layer.unpacker.unpack(swapped if layer.is_swapped else payload)
        for one, raw in zip(layer.plain, numbers, strict=True):
            number = raw / one.divisor if one.divisor else raw if one.scale == 1.0 else raw * one.scale
            if one.offset:
                number += one.offset
            if one.unit is not None:
                number = number * one.unit[0] + one.unit[1]
            if one.low <= number <= one.high and raw not in one.suspects:
                values[one.place] = number
            else:
                doubtful.append(one.place)
    return doubtful


def _is_still(codec: RegisterCodec) -> bool:
    """Bits and words: they stand as they are for hours, so that what they say is worth remembering."""
    is_word = codec.meaning.kind in ("bit", "state", "text") or bool(codec.meaning.enum)
    return codec.scale_from is None and (codec.is_bit or codec.type == "bit" or codec.bit is not None or is_word)


def _as_plain(place: int, codec: RegisterCodec, factors: Mapping[tuple[str, int], int | None]) -> _Plain | None:
    """The short way for a number without words, bits or transforms, None for all others."""
    meaning = codec.meaning
    is_number = codec.type in FLOATS or (codec.type in INTEGERS and codec.bit is None)
    is_plain = meaning.kind in ("gauge", "counter", None) and not meaning.enum and not meaning.invert
    has_plain_unit = meaning.unit == _NO_UNIT or meaning.wire_range == EVERYTHING
    if not (is_number and is_plain and has_plain_unit) or codec.is_bit or codec.bits is not None or codec.parts:
        return None
    if meaning.transform != "none" or (factor := _factor(codec, factors)) is None:
        return None
    if codec.type in ("int64", "uint64") and (*factor, meaning.offset) != (0, 1.0, 0.0):
        return None  # may be too large for a double; the exact way keeps every digit
    low = max(meaning.wire_range[0], meaning.point_range[0], -_LARGEST)
    high = min(meaning.wire_range[1], meaning.point_range[1], _LARGEST)
    unit = None if meaning.unit == _NO_UNIT else meaning.unit
    return _Plain(place, codec, *factor, meaning.offset, unit, low, high, frozenset(_suspects(codec)))


def _factor(codec: RegisterCodec, factors: Mapping[tuple[str, int], int | None]) -> tuple[int, float] | None:
    """(divisor, scale) of a number; None where its scale factor is none or does not stand alone."""
    meaning = codec.meaning
    if codec.scale_from is None:
        return whole_divisor(meaning.scale), meaning.scale
    code = factors[codec.table, codec.scale_from]
    power = None if code is None or code == NO_SCALE_CODE else power_of(codec, code)
    if power is None or (meaning.scale, meaning.offset) != (1.0, 0.0):
        return None
    return (10**-power, 1.0) if power < 0 else (0, 10**power)


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
