"""acquire → decode, doubted: the same registers under every address, type, order and scale, best guess first (pure)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from contract.messages import Value
from device_profiles.schema import Order, WireType
from edge.decode.registers import decode
from edge.decode.times import TIMES
from edge.decode.tool import Line, codec_of, is_plausible
from edge.decode.wire import legal_orders, size_of

SCALES = (1.0, 0.1, 0.01, 0.001, 10.0, 100.0, 1000.0)
MATCH = 0.02
"""Relative difference from the expected value that still counts as found: a display rounds and a value moves."""
LONGEST = 4
"""Registers of the widest type."""
AROUND = (-1, 0, 1)
_STRANGE: Mapping[str, int] = {"bcd16": 2, "bcd32": 2, "float16": 2, "uint8h": 2, "uint8l": 2, "int8h": 2, "int8l": 2}
"""Types that few devices use come last among equals."""


@dataclass(frozen=True, slots=True)
class Guess:
    """One way to read the registers. ``off`` is the relative difference from what was expected, None without that."""

    shift: int
    """-1, 0 or 1: registers from the address asked for."""
    address: int
    type: WireType
    order: Order
    scale: float
    value: Value
    off: float | None
    words: tuple[int, ...]

    @property
    def is_match(self) -> bool:
        return self.off is not None and self.off <= MATCH

    def as_object(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "words": list(self.words)}


def guesses(
    words: Mapping[int, int], address: int, expected: float | None = None, types: Sequence[WireType] = ()
) -> list[Guess]:
    """Every plausible reading at ``address`` and its neighbours, best first. ``words``: what could be read, by address."""
    found = [
        guess
        for shift in AROUND
        for wire_type in types or (one for one in get_args(WireType) if one not in TIMES)
        if wire_type != "bit"
        for guess in _at(words, address, shift, wire_type, expected)
    ]
    return sorted(found, key=_rank)


def _at(
    words: Mapping[int, int], address: int, shift: int, wire_type: WireType, expected: float | None
) -> Iterator[Guess]:
    start, count = address + shift, size_of(wire_type) // 2 or LONGEST
    if not all(start + at in words for at in range(count)):
        return
    taken = tuple(words[start + at] for at in range(count))
    for order in legal_orders(wire_type):
        line = Line(type=wire_type, registers=list(taken), order=order)
        value = decode(codec_of(line), taken).value
        if value is None:
            continue
        if expected is None or isinstance(value, str):
            if is_plausible(value):
                yield Guess(shift, start, wire_type, order, 1.0, value, None, taken)
        elif not isinstance(value, bool):
            yield _nearest(Guess(shift, start, wire_type, order, 1.0, value, None, taken), float(value), expected)


def _nearest(guess: Guess, raw: float, expected: float) -> Guess:
    """The scale that brings the value nearest to what was expected; the plainest of equals."""

    def off(scale: float) -> float:
        return abs(raw * scale - expected) / (abs(expected) or 1.0)

    scale = min(SCALES, key=lambda one: (round(off(one), 4), abs(math.log10(one))))
    value = raw / round(1 / scale) if scale < 1 else raw * scale if scale > 1 else guess.value
    return Guess(guess.shift, guess.address, guess.type, guess.order, scale, value, off(scale), guess.words)


def _rank(guess: Guess) -> tuple[float, ...]:
    is_text = isinstance(guess.value, str)
    if guess.off is None:
        return is_text, abs(guess.shift), _surprise(guess), _STRANGE.get(guess.type, 0), size_of(guess.type)
    is_tiny = isinstance(guess.value, float) and 0 < abs(guess.value) < 1e-3
    return (
        is_text, round(guess.off, 3), abs(guess.shift), abs(math.log10(guess.scale)), is_tiny,
        _STRANGE.get(guess.type, 0), -size_of(guess.type),
    )  # fmt: skip


def _surprise(guess: Guess) -> int:
    """How odd a reading is when nothing is expected. Registers that hold no float hardly ever read like an everyday one."""
    is_usual = guess.order in ("AB", "ABCD", "CDAB", "ABCDEFGH", "GHEFCDAB")
    size = abs(guess.value) if isinstance(guess.value, (int, float)) else math.inf
    if guess.type in ("float32", "float64") and 0.01 <= size <= 1e6:
        return 0 if is_usual else 1
    return 1 if is_usual and size <= 20_000 else 2
