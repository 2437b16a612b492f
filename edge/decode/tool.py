"""decode, by hand: what ``plantroom-edge decode`` answers. Wrong word order is the field's oldest complaint."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

from device_profiles.schema import Order, WireType
from edge.decode.registers import RegisterCodec, check_bit, decode, split_sentinels
from edge.decode.times import TIMES
from edge.decode.value import EVERYTHING, Conversion, Decoded
from edge.decode.wire import WIRE_TYPES, legal_orders, resolve_order, size_of

Word = Annotated[int, msgspec.Meta(ge=0, le=0xFFFF)]
LONGEST_LINE = 1_000_000
_MOST_PLAUSIBLE = 1e9
_LEAST_PLAUSIBLE = 1e-6


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One question: these words, read so. ``order`` left out is high byte and high word first."""

    type: WireType
    registers: Annotated[list[Word], msgspec.Meta(max_length=125)]
    order: Order | None = None
    scale: float | None = None
    offset: float | None = None
    bit: Annotated[int, msgspec.Meta(ge=0, le=63)] | None = None
    sentinels: list[Annotated[str, msgspec.Meta(pattern="^(0[xX])?[0-9A-Fa-f]+$")]] | None = None
    range: tuple[float, float] | None = None
    max_bytes: Annotated[int, msgspec.Meta(ge=0)] | None = None


def decode_line(text: str | bytes) -> dict[str, Any]:
    """One JSON line to ``{"value", "quality", "cause"}``, or to ``{"error"}`` when it cannot be understood."""
    if not text.strip():
        return {"error": "the line is empty; write one JSON object a line"}
    if len(text) > LONGEST_LINE:
        return {"error": f"the line is longer than {LONGEST_LINE} bytes"}
    try:
        line = msgspec.json.decode(text, type=Line)
        return answer(line)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        return {"error": str(error) or "not understood"}


def answer(line: Line) -> dict[str, Any]:
    """The reading of one question. Raises ValueError when the question itself makes no sense."""
    return as_object(decode(codec_of(line), line.registers))


def as_object(decoded: Decoded) -> dict[str, Any]:
    """A decoded value with the keys that every tool prints."""
    return {"value": decoded.value, "quality": str(decoded.quality), "cause": str(decoded.cause)}


def codec_of(line: Line) -> RegisterCodec:
    """What the question says, compiled as a mapping would be. Raises ValueError saying what to write instead."""
    count = size_of(line.type) // 2 or max(1, len(line.registers))
    check_bit(line.type, line.bit)
    figures = {"scale": [line.scale], "offset": [line.offset], "range": line.range or []}
    for name, values in figures.items():
        if not all(math.isfinite(value) for value in values if value is not None):
            raise ValueError(f"{name} is no number; write a finite one")
    patterns = [pattern if pattern[:2] in ("0x", "0X") else f"0x{pattern}" for pattern in line.sentinels or []]
    wide, half = split_sentinels(patterns, line.type, count)
    if line.range is not None and not line.range[0] <= line.range[1]:
        raise ValueError(f"range {list(line.range)} holds nothing; write the lower end first")
    scale = 1.0 if line.scale is None else line.scale
    meaning = Conversion(scale=scale, offset=line.offset or 0.0, wire_range=line.range or EVERYTHING)
    return RegisterCodec(
        "holding", 0, count, line.type, resolve_order(line.type, line.order), meaning, line.bit,
        sentinels=wide, byte_sentinels=half, max_bytes=line.max_bytes,
    )  # fmt: skip


def read_words(words: Sequence[str]) -> list[int]:
    """Words as a person types them, ``0x4366`` or ``17254``, to numbers. Raises ValueError naming the wrong one."""
    return [_word(word) for word in words]


def _word(text: str) -> int:
    try:
        word = int(text, 0)
    except ValueError:
        word = -1
    if not 0 <= word <= 0xFFFF:
        raise ValueError(f"{text[:20]!r} is not a register; write 0x0000 to 0xFFFF or 0 to 65535")
    return word


def every_reading(words: Sequence[int], line: Line | None = None) -> Iterator[dict[str, Any]]:
    """Every type and order that reads all the words as one plausible value, for ``--all``.

    Plausible is good quality, and for numbers an everyday size, so that a float read in the wrong order drops out.
    ``line`` gives scale, offset, sentinels and range to try them with.
    """
    for wire_type in WIRE_TYPES:
        if wire_type == "bit" or wire_type in TIMES:
            continue
        for order in legal_orders(wire_type):
            reading = _try(wire_type, order, words, line)
            if reading is not None and is_plausible(reading.value):
                yield {"type": wire_type, "order": order, **as_object(reading)}


def _try(wire_type: WireType, order: Order, words: Sequence[int], line: Line | None) -> Decoded | None:
    base = line or Line(type=wire_type, registers=list(words))
    try:
        asked = msgspec.structs.replace(base, type=wire_type, order=order, registers=list(words), bit=None)
        reading = decode(codec_of(asked), words)
    except ValueError:
        return None
    return reading if reading.quality == "good" else None


def is_plausible(value: object) -> bool:
    """An everyday size for a number, and text that can be shown."""
    if isinstance(value, str):
        return bool(value) and value.isprintable()
    if isinstance(value, float):
        return value == 0 or (math.isfinite(value) and _LEAST_PLAUSIBLE <= abs(value) <= _MOST_PLAUSIBLE)
    return isinstance(value, int) and abs(value) <= _MOST_PLAUSIBLE * 1e6
