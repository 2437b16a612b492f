"""decode: raw value → value of a standard point in the class's unit, with quality and cause. Shared by both protocols."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contract.messages import Cause, Quality, Value
from device_profiles.schema import PayloadMapping, Point, RegisterMapping
from edge.decode.wire import Raw

Range = tuple[float, float]
EVERYTHING: Range = (-math.inf, math.inf)
EXACT = 2**53
"""Integers beyond this have no double of their own."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A value in the class's unit with its quality. ``value`` is None exactly when quality is bad."""

    value: Value
    quality: Quality = Quality.GOOD
    cause: Cause = Cause.NONE


def bad(cause: Cause) -> Decoded:
    """No value, and why."""
    return Decoded(None, Quality.BAD, cause)


_NO_STATES: frozenset[str] = frozenset()
UNDECODABLE = bad(Cause.UNDECODABLE)
SENTINEL = bad(Cause.SENTINEL)
OUT_OF_RANGE = bad(Cause.OUT_OF_RANGE)
ABSENT = bad(Cause.ABSENT)


@dataclass(frozen=True, slots=True)
class Conversion:
    """Everything between a raw value and a point's value: words, scale, transform, sign, range, unit, range.

    ``wire_range`` is in the wire's unit after scaling, ``point_range`` in the class's; both ends are plausible.
    ``kind`` None converts by what the raw value is, for tools that know no point.
    """

    kind: str | None = None
    states: frozenset[str] = frozenset()
    enum: Mapping[str, str] | None = None
    scale: float = 1.0
    offset: float = 0.0
    transform: str = "none"
    invert: bool = False
    wire_range: Range = EVERYTHING
    unit: tuple[float, float] = (1.0, 0.0)
    point_range: Range = EVERYTHING

    def convert(self, raw: Raw, power: int = 0) -> Decoded:
        """The point's value; ``power`` is a power of ten from the device itself. Never raises."""
        if self.enum:
            word = self.enum.get(key_of(raw)) or (self.enum.get(str(int(raw))) if isinstance(raw, bool) else None)
            return UNDECODABLE if word is None else self._of_word(word)
        if self.kind == "text" or (self.kind is None and isinstance(raw, str)):
            return Decoded(raw if isinstance(raw, str) else key_of(raw))
        if self.kind == "state":
            return self._of_word(key_of(raw))
        if self.kind == "bit" or (self.kind is None and isinstance(raw, bool)):
            return self._of_bit(raw)
        return self._of_number(raw, power)

    def revert(self, value: Value, power: int = 0) -> Raw:
        """The raw value a device would hold for ``value``: the inverse. Raises ValueError when there is none."""
        if value is None:
            raise ValueError("no value to encode, and the mapping names no sentinel")
        if self.enum:
            return self._word_for(value)
        if self.kind in ("text", "state") or isinstance(value, str):
            return str(value)
        if self.kind == "bit" or (self.kind is None and isinstance(value, bool)):
            return bool(value) != self.invert
        return self._number_for(value, power)

    def _of_word(self, word: str) -> Decoded:
        if self.kind == "bit":
            return self._of_bit(word)
        if self.kind in ("gauge", "counter"):
            return self._ranged(_number(word))
        if self.kind == "state" and word not in self.states:
            return UNDECODABLE
        return Decoded(word)

    def _of_bit(self, raw: Raw) -> Decoded:
        truth = _TRUTHS.get(key_of(raw).lower())
        return UNDECODABLE if truth is None else Decoded(truth != self.invert)

    def _of_number(self, raw: Raw, power: int) -> Decoded:
        number = _number(raw)
        if number is None:
            return UNDECODABLE
        number = scaled(number, power, self.scale, self.offset)
        number = _TRANSFORMS[self.transform](number)
        number = -number if self.invert else number
        if not self.wire_range[0] <= number <= self.wire_range[1]:
            return OUT_OF_RANGE if math.isfinite(number) else UNDECODABLE
        if self.unit != (1.0, 0.0):
            number = number * self.unit[0] + self.unit[1]
        return self._ranged(number)

    def _ranged(self, number: float | None) -> Decoded:
        if number is None or not math.isfinite(number):
            return UNDECODABLE
        is_plausible = self.point_range[0] <= number <= self.point_range[1]
        return Decoded(number) if is_plausible else OUT_OF_RANGE

    def _word_for(self, value: Value) -> Raw:
        wanted = key_of(value) if value is not None else ""
        for key, word in (self.enum or {}).items():
            if word == wanted or (self.kind in ("gauge", "counter") and _number(word) == value):
                return _plain(key)
            if self.kind == "bit" and _TRUTHS.get(word) == (bool(value) != self.invert):
                return _plain(key)
        raise ValueError(f"no raw value stands for {value!r} in the mapping's enum")

    def _number_for(self, value: float | str, power: int) -> float:
        number = float(value) if isinstance(value, str) else value
        if self.unit != (1.0, 0.0):
            number = (number - self.unit[1]) / self.unit[0]
        number = -number if self.invert else number
        if (self.scale, self.offset, power) == (1.0, 0.0, 0):
            return number
        return (number - self.offset) / self.scale * 10.0**-power


_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


def _four_quadrant(number: float) -> float:
    """Power factor of a meter that writes 1..2 for leading: 1.22 is 0.78 leading, -1.22 is -0.78."""
    if 1.0 < number <= 2.0:
        return 2.0 - number
    return -2.0 - number if -2.0 <= number < -1.0 else number


_TRANSFORMS: dict[str, Callable[[float], float]] = {
    "none": lambda number: number,
    "absolute": abs,
    "four_quadrant_pf": _four_quadrant,
}


def key_of(raw: Value) -> str:
    """A raw value as a mapping's ``enum`` spells it: ``true``, ``3``, ``2.5``, or the text itself."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return str(raw).strip()


def _plain(key: str) -> Raw:
    """An enum key back to a raw value: a truth, a number, or its text."""
    if key in ("true", "false"):
        return key == "true"
    return int(key) if key.lstrip("-").isdecimal() else key


def _number(raw: Raw) -> float | None:
    """A finite number, None for anything else. Text counts when it is nothing but a number."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, str):
        try:
            raw = float(raw) if "_" not in raw else math.nan
        except ValueError:
            return None
    try:
        return raw if math.isfinite(raw) else None
    except OverflowError:
        return None


def scaled(number: float, power: int, scale: float, offset: float) -> float:
    """``number × 10^power × scale + offset``, never inside an integer type.

    A scale of 0.1 divides by 10 instead: that is the double nearest to the decimal fraction the display shows.
    """
    if power:
        number = number / 10**-power if power < 0 else number * 10**power
    is_whole = scale % 1 == 0 == offset % 1 and max(abs(scale), abs(offset)) <= EXACT
    if isinstance(number, int) and abs(number) > EXACT and is_whole:
        return number * int(scale) + int(offset)  # a double would lose the last digits
    if scale != 1.0:
        divisor = whole_divisor(scale)
        number = number / divisor if divisor else number * scale
    return number + offset if offset else number


def whole_divisor(scale: float) -> int:
    """10 for 0.1, 1000 for 0.001: the whole number that ``scale`` is one part of, 0 when it is none."""
    if not 0.0 < abs(scale) < 1.0:
        return 0
    divisor = round(1.0 / scale)
    return divisor if 1.0 / divisor == scale else 0


def conversion(
    mapping: RegisterMapping | PayloadMapping, point: Point | None, unit: tuple[float, float] = (1.0, 0.0)
) -> Conversion:
    """What a mapping and its standard point say together. ``unit`` is (scale, offset) from the wire's to the class's."""
    return Conversion(
        kind=point.kind if point else None,
        states=frozenset(point.states) if point and point.states else _NO_STATES,
        enum=dict(mapping.enum) or None,
        scale=mapping.scale,
        offset=mapping.offset,
        transform=mapping.transform,
        invert=mapping.invert,
        wire_range=mapping.plausible or EVERYTHING,
        unit=unit,
        point_range=(point.plausible if point else None) or EVERYTHING,
    )
