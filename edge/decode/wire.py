"""decode: what the bytes of one value mean. Types, byte orders, and the table of which order is legal for which type."""

from __future__ import annotations

import struct
from typing import Literal, get_args

from device_profiles.schema import Order, WireType
from edge.decode import times
from edge.decode.times import TIMES

Raw = int | float | str | bool
"""A value as the device holds it, before scale, unit and words."""

ModelOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]

WIRE_TYPES: tuple[WireType, ...] = get_args(WireType)
FORMATS: dict[WireType, str] = {
    "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q",
    "float16": "e", "float32": "f", "float64": "d", "bcd16": "H", "bcd32": "I", "bit": "H",
    "uint8h": "H", "uint8l": "H", "int8h": "H", "int8l": "H",
}  # fmt: skip
"""``struct`` letter of the value once its bytes stand high first. Strings have none: their length varies."""
INTEGERS: frozenset[WireType] = frozenset({"uint16", "int16", "uint32", "int32", "uint64", "int64"})
FLOATS: frozenset[WireType] = frozenset({"float16", "float32", "float64"})
BYTES: frozenset[WireType] = frozenset({"uint8h", "uint8l", "int8h", "int8l"})
HAS_BITS: frozenset[WireType] = frozenset({"bit", *INTEGERS})
PAIRWISE: frozenset[WireType] = frozenset({"string", "calendar"})
"""Values whose registers stand in their own order, whatever their number; only the two bytes of each may be swapped."""

_ORDERS: dict[int, tuple[Order, ...]] = {
    2: ("AB", "BA"),
    4: ("ABCD", "CDAB", "BADC", "DCBA"),
    8: ("ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"),
}
_ROW: dict[ModelOrder, int] = {"ABCD": 0, "CDAB": 1, "BADC": 2, "DCBA": 3}
_PAIR_ROW: dict[ModelOrder, int] = {"ABCD": 0, "CDAB": 0, "BADC": 1, "DCBA": 1}
_PAIRS: dict[Order, Order] = {"ABCD": "AB", "BADC": "BA"}
"""Manuals also spell a text's order with four letters; it goes pair by pair all the same."""


def size_of(wire_type: WireType) -> int:
    """Bytes one value takes on the wire; 0 for a string, whose length the mapping gives."""
    return struct.calcsize(">" + FORMATS[wire_type]) if wire_type in FORMATS else times.SIZES.get(wire_type, 0)


def register_count(wire_type: WireType, length: int | None = None) -> int:
    """Registers one value takes; ``length`` is a string's. Raises ValueError for a string without it."""
    if wire_type != "string":
        return size_of(wire_type) // 2
    if length is None:
        raise ValueError("a string needs length: the number of registers it takes")
    return length


def legal_orders(wire_type: WireType) -> tuple[Order, ...]:
    """Orders that mean something for this type, the usual one first."""
    return _ORDERS[2 if wire_type in PAIRWISE else size_of(wire_type)]


def resolve_order(wire_type: WireType, order: Order | None, default: ModelOrder = "ABCD") -> Order:
    """The order one value is read in: its own, or the device's ``default`` in the width of the type.

    Raises ValueError, naming the legal ones, for an order of another width.
    """
    legal = legal_orders(wire_type)
    if order is None:
        return legal[_ROW[default]] if len(legal) == 4 else legal[_PAIR_ROW[default]]
    if wire_type in PAIRWISE:
        order = _PAIRS.get(order, order)
    if order not in legal:
        raise ValueError(f"order {order} is not for {wire_type}; write one of {', '.join(legal)}")
    return order


def straighten(payload: bytes, order: Order) -> bytes:
    """Wire bytes to high-first bytes. Every order is its own inverse, so this also goes the other way."""
    if order in ("AB", "ABCD", "ABCDEFGH"):
        return payload
    if order in ("DCBA", "HGFEDCBA"):
        return payload[::-1]
    if order in ("BA", "BADC", "BADCFEHG"):
        return swap_bytes(payload)
    return swap_bytes(payload[::-1])


def swap_bytes(payload: bytes) -> bytes:
    """The two bytes of every register exchanged."""
    swapped = bytearray(payload)
    swapped[0::2], swapped[1::2] = payload[1::2], payload[0::2]
    return bytes(swapped)


def unpack(wire_type: WireType, order: Order, payload: bytes, bit: int | None = None, limit: int | None = None) -> Raw:
    """Wire bytes to the raw value. ``limit`` cuts a string to so many bytes.

    Raises ValueError when the bytes are no such value: wrong length, a BCD digit above 9, text that is not UTF-8.
    """
    straight = straighten(payload, order)
    if wire_type == "string":
        return _text(straight, limit)
    if len(payload) != size_of(wire_type):
        raise ValueError(f"{wire_type} takes {size_of(wire_type)} bytes, not {len(payload)}")
    if wire_type in TIMES:
        return times.read(wire_type, straight)
    (number,) = struct.unpack(">" + FORMATS[wire_type], straight)
    return refine(wire_type, number, bit)


def refine(wire_type: WireType, number: float, bit: int | None) -> Raw:
    """The number that ``struct`` read to the raw value: bits, half registers and decimal digits. Raises ValueError."""
    if wire_type == "bit" or (bit is not None and wire_type in INTEGERS):
        return bool(int(number) >> (bit or 0) & 1)
    if wire_type in BYTES:
        half = int(number) >> 8 if wire_type.endswith("h") else int(number) & 0xFF
        return half - 256 if wire_type.startswith("int") and half > 127 else half
    if wire_type in ("bcd16", "bcd32"):
        digits = f"{int(number):x}"
        if not digits.isdecimal():
            raise ValueError(f"0x{digits} holds a digit above 9")
        return int(digits)
    return number


def _text(straight: bytes, limit: int | None) -> str:
    text, _, _ = straight[:limit].partition(b"\0")
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        is_cut_by_us = limit is not None and limit < len(straight) and error.reason == "unexpected end of data"
        if not is_cut_by_us:
            raise
        return text[: error.start].decode()


def pack(wire_type: WireType, order: Order, raw: Raw, bit: int | None = None, registers: int = 1) -> bytes:
    """The raw value to wire bytes: the inverse of ``unpack``. Raises ValueError for a value that does not fit."""
    try:
        straight = _straight(wire_type, raw, bit, registers)
    except (struct.error, OverflowError, TypeError) as error:
        raise ValueError(f"{raw!r} does not fit {wire_type}: {error}") from error
    return straighten(straight, order)


def _straight(wire_type: WireType, raw: Raw, bit: int | None, registers: int) -> bytes:
    if wire_type == "string":
        text = str(raw).encode()
        if len(text) > 2 * registers:
            raise ValueError(f"{raw!r} is longer than {registers} registers")
        return text.ljust(2 * registers, b"\0")
    if wire_type in TIMES:
        return times.write(wire_type, str(raw))
    letter = ">" + FORMATS[wire_type]
    if wire_type == "bit" or (bit is not None and wire_type in INTEGERS):
        return struct.pack(letter, _in_signed(wire_type, int(bool(raw)) << (bit or 0)))
    if wire_type in FLOATS:
        return struct.pack(letter, float(raw))
    number = int(raw)
    if wire_type in BYTES:
        (low,) = struct.pack("b" if wire_type.startswith("int") else "B", number)
        return struct.pack(letter, low << 8 if wire_type.endswith("h") else low)
    if wire_type in ("bcd16", "bcd32"):
        if number < 0:
            raise ValueError(f"{number} is negative, which {wire_type} cannot say")
        number = int(str(number), 16)
    return struct.pack(letter, number)


def _in_signed(wire_type: WireType, pattern: int) -> int:
    """A bit pattern as ``struct`` wants it for a signed type: the top bit means minus."""
    size = size_of(wire_type) * 8
    is_signed = wire_type.startswith("int")
    return pattern - (1 << size) if is_signed and pattern >> (size - 1) else pattern
