"""true values → words: the memory of one simulated Modbus device, filled through its model's own mapping.

It refuses what the real device refuses: addresses its model does not map, reads longer than it allows, reads that start
at an odd place or cross a forbidden range. Unused registers between two mapped ones read as 0, as far as the model
allows a request to bridge them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contract.messages import Value
from device_profiles.schema import DeviceModel, Point
from device_profiles.units import factor
from edge.decode.registers import Image, RegisterCodec, compile_model, power_of, store
from edge.decode.value import Conversion
from simulators.modbus_device import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refused, Table

Values = Mapping[str, Value]
Writer = Callable[[list[int], Value], None]
"""Puts a point's value into the words of a device's range. Raises ValueError or OverflowError when they cannot say it."""
MOST_SPANS = 256
"""Different requests of which a device remembers what they read; a gateway asks a handful."""


def compile_for_points(model: DeviceModel, points: Mapping[str, Point]) -> dict[str, RegisterCodec]:
    """Every mapped point of a model, units converted. Raises ValueError for a mapping that makes no sense."""
    units = {
        name: factor(mapping.unit, points[name].unit)
        for name, mapping in model.registers.items()
        if name in points and mapping.unit and mapping.unit != points[name].unit
    }
    return compile_model(model, points, units)


class Layout:
    """What devices of one model that show the same points have in common: where everything stands and how it is written."""

    def __init__(self, model: DeviceModel, points: Mapping[str, Point]) -> None:
        self.model, self.points = model, dict(points)
        self.codecs = compile_for_points(model, points)
        self.scales = _scale_codes(self.codecs, points)
        self.ranges = _readable(self.codecs.values(), model)
        self._places = set(_places(self.codecs.values()))
        self._quick: dict[str, Writer] = {}
        self._slow: dict[str, Writer] = {}
        for name, codec in self.codecs.items():
            self._compile(name, codec)
        self._spans: dict[tuple[Table, int, int], _Span] = {}

    def span(self, table: Table, first: int, count: int) -> _Span:
        """What a request reads. Raises Refused as the device would."""
        if (known := self._spans.get((table, first, count))) is not None:
            return known
        self.check(table, first, count)
        at, low = self.place(table, first, count)
        names = [
            name
            for name, codec in self.codecs.items()
            if codec.table == table and codec.address < first + count and first < codec.address + codec.count
        ]
        quick = tuple((name, self._quick[name]) for name in names if name in self._quick)
        slow = tuple((name, self._slow[name]) for name in names if name in self._slow)
        if len(self._spans) >= MOST_SPANS:
            self._spans.clear()
        span = self._spans[table, first, count] = _Span((table, at), low, low + count, quick, slow)
        return span

    def place(self, table: str, first: int, count: int) -> tuple[int, int]:
        """Which range of a table holds these addresses, and where in it they begin. Raises Refused."""
        for at, (low, high) in enumerate(self.ranges.get(table, ())):
            if low <= first and first + count <= high:
                return at, first - low
        raise Refused(ILLEGAL_ADDRESS)

    def check(self, table: Table, first: int, count: int) -> None:
        """Raises Refused where the device would refuse the request."""
        limits = self.model.limits
        is_bit = table in ("coil", "discrete")
        if count > (limits.max_bits if is_bit else limits.max_registers):
            raise Refused(ILLEGAL_VALUE)
        if not is_bit and first % limits.alignment:
            raise Refused(ILLEGAL_ADDRESS)
        if limits.one_point_per_request and (table, first, count) not in self._places:
            raise Refused(ILLEGAL_ADDRESS)
        self.place(table, first, count)

    def _compile(self, name: str, codec: RegisterCodec) -> None:
        scale = None if codec.scale_from is None else self.scales[codec.table, codec.scale_from]
        try:
            _, at = self.place(codec.table, codec.address, codec.count)
        except Refused:
            return  # the model itself forbids to read it
        if (quick := quick_writer(codec, at, scale)) is not None:
            self._quick[name] = quick
        else:
            self._slow[name] = slow_writer(codec, at, scale)


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """One granted request: the range it reads, from where to where, and the points that stand there."""

    memory: tuple[str, int]
    low: int
    high: int
    quick: tuple[tuple[str, Writer], ...]
    slow: tuple[tuple[str, Writer], ...]
    """Written only when they have changed."""


class ModelRegisters:
    """One device's tables. ``values`` gives device point → value in the class's unit; the same object means no change.

    Devices that are alike may share a ``layout``.
    """

    def __init__(
        self,
        model: DeviceModel,
        points: Mapping[str, Point],
        values: Callable[[], Values],
        layout: Layout | None = None,
    ) -> None:
        self._layout = layout or Layout(model, points)
        self._values = values
        self._memory = {
            (table, at): [0] * (high - low)
            for table, spans in self._layout.ranges.items()
            for at, (low, high) in enumerate(spans)
        }
        self._held: dict[str, Value] = {}
        """What the registers say of each point that is slow to write."""
        self._shown: dict[_Span, Values] = {}
        for (table, address), code in self._layout.scales.items():
            at, low = self._layout.place(table, address, 1)
            self._memory[table, at][low] = code

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """Words or bits of the moment. Raises Refused as the device would."""
        span = self._layout.span(table, first, count)
        values, words = self._values(), self._memory[span.memory]
        if values is not self._shown.get(span):
            self._show(span, words, values)
        return words[span.low : span.high]

    def points_in(self, table: Table, first: int, count: int) -> tuple[str, ...]:
        """The points that a granted request reads whole. Raises Refused."""
        self._layout.check(table, first, count)
        return tuple(
            name
            for name, codec in self._layout.codecs.items()
            if codec.table == table and first <= codec.address and codec.address + codec.count <= first + count
        )

    def _show(self, span: _Span, words: list[int], values: Values) -> None:
        held = self._held
        for name, write in span.quick:
            if name in values:
                try:
                    write(words, values[name])
                except (ValueError, OverflowError):
                    continue  # what its registers cannot say; it goes on showing what it showed
        for name, write in span.slow:
            if name in values and (value := values[name]) != held.get(name, _NOTHING):
                held[name] = value
                try:
                    write(words, value)
                except (ValueError, OverflowError):
                    continue  # a single contact cannot tell every state
        if len(self._shown) >= MOST_SPANS:
            self._shown.clear()
        self._shown[span] = values


_NOTHING = object()


def slow_writer(codec: RegisterCodec, at: int, scale: int | None) -> Writer:
    """Any point, through the codec itself."""
    places = [(codec.table, codec.address + index) for index in range(codec.count)]

    def write(words: list[int], value: Value) -> None:
        image: Image = dict(zip(places, words[at : at + codec.count], strict=True))
        store(image, codec, value, scale)
        words[at : at + codec.count] = [image[place] for place in places]

    return write


_QUICK: Mapping[str, str] = {
    "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q", "int64": "q", "float32": "f", "float64": "d",
}  # fmt: skip


def quick_writer(codec: RegisterCodec, at: int, scale: int | None) -> Writer | None:
    """The same as ``store`` for plain numbers, which are nearly all of what ever changes; None for other points."""
    meaning, letter = codec.meaning, _QUICK.get(codec.type)
    power = 0 if scale is None else power_of(codec, scale)
    is_plain = not (codec.is_bit or codec.shares_register or codec.parts or meaning.enum)
    if letter is None or not is_plain or power is None or meaning.kind not in ("gauge", "counter"):
        return None
    revert, put, otherwise = _reverter(meaning, power), _putter(codec, letter, at), slow_writer(codec, at, scale)
    low, high = _ends(letter)

    def write_float(words: list[int], value: Value) -> None:
        if type(value) is float:
            put(words, revert(value))
        else:
            otherwise(words, value)

    def write_whole(words: list[int], value: Value) -> None:
        if type(value) is float:
            raw = round(revert(value))
            put(words, low if raw < low else min(raw, high))
        else:
            otherwise(words, value)

    return write_float if letter in "fd" else write_whole


def _reverter(meaning: Conversion, power: int) -> Callable[[float], float]:
    """From the class's unit to the number on the wire, before it is rounded."""
    (unit, unit_offset), ratio, offset, tens = meaning.unit, meaning.scale, meaning.offset, 10.0**-power
    sign = -1.0 if meaning.invert else 1.0
    if meaning.unit == (1.0, 0.0) and sign == 1.0:
        if (ratio, offset, power) == (1.0, 0.0, 0):
            return float
        return lambda number: (number - offset) / ratio * tens
    if (ratio, offset, power) == (1.0, 0.0, 0):
        return lambda number: sign * ((number - unit_offset) / unit)
    return lambda number: (sign * ((number - unit_offset) / unit) - offset) / ratio * tens


def _ends(letter: str) -> tuple[int, int]:
    """The lowest and the highest whole number of a type."""
    bits = 8 * struct.calcsize(letter) if letter not in "fd" else 0
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if letter.islower() and bits else (0, (1 << bits) - 1)


def _putter(codec: RegisterCodec, letter: str, at: int) -> Callable[[list[int], Any], None]:
    """Puts a number of the wire's own type into its words, in its order."""
    size, is_swapped = codec.count, codec.order[0] > codec.order[1]
    is_reversed = "A" not in codec.order[:2]
    pack, unpack = struct.Struct(">" + letter).pack, struct.Struct(("<" if is_swapped else ">") + "H" * size).unpack
    end = at + size

    def put_word(words: list[int], number: int) -> None:
        words[at] = number & 0xFFFF

    def put_straight(words: list[int], number: float) -> None:
        words[at:end] = unpack(pack(number))

    def put_reversed(words: list[int], number: float) -> None:
        words[at:end] = unpack(pack(number))[::-1]

    if letter in "hH" and not is_swapped:
        return put_word
    return put_reversed if is_reversed else put_straight


def _scale_codes(codecs: Mapping[str, RegisterCodec], points: Mapping[str, Point]) -> Image:
    """What the device's scale-factor registers hold: as many decimals as the finest point that uses them shows."""
    powers: dict[tuple[str, int], int] = {}
    codes: dict[tuple[str, int], Mapping[int, int]] = {}
    for name, codec in codecs.items():
        if codec.scale_from is not None:
            place = (codec.table, codec.scale_from)
            digits = points[name].digits if name in points else 0
            power = -digits - round(math.log10(codec.meaning.unit[0]))
            powers[place] = min(powers.get(place, power), power)
            codes[place] = codec.scale_codes
    return {place: _code_of(power, codes[place]) for place, power in powers.items()}


def _code_of(power: int, codes: Mapping[int, int]) -> int:
    """The word for a power of ten, or for the nearest one that the device has a code for."""
    if not codes:
        return power & 0xFFFF
    return min(codes, key=lambda code: abs(codes[code] - power))


def _readable(codecs: Iterable[RegisterCodec], model: DeviceModel) -> dict[str, list[tuple[int, int]]]:
    """Per table the half-open ranges a request may lie in."""
    limits = model.limits
    step = limits.alignment
    spans: dict[str, list[tuple[int, int]]] = {}
    for table, first, count in _places(codecs):
        end = first + count
        spans.setdefault(table, []).append((first - first % step, end + -end % step))
    base = 1 if limits.one_based else 0
    forbidden = [(low - base, high - base + 1) for low, high in limits.forbidden]
    gaps = {table: limits.gap * (16 if table in ("coil", "discrete") else 1) for table in spans}
    return {table: _cut(_bridge(sorted(found), gaps[table]), forbidden) for table, found in spans.items()}


def _places(codecs: Iterable[RegisterCodec]) -> Iterator[tuple[str, int, int]]:
    """Table, first address and length of everything that is mapped, scale factors too."""
    for codec in codecs:
        yield codec.table, codec.address, codec.count
        if codec.scale_from is not None:
            yield codec.table, codec.scale_from, 1


def _bridge(spans: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    joined = [spans[0]]
    for low, high in spans[1:]:
        last_low, last_high = joined[-1]
        if low - last_high <= gap:
            joined[-1] = (last_low, max(last_high, high))
        else:
            joined.append((low, high))
    return joined


def _cut(spans: list[tuple[int, int]], forbidden: list[tuple[int, int]]) -> list[tuple[int, int]]:
    for bad_low, bad_high in forbidden:
        pieces = [piece for low, high in spans for piece in ((low, min(high, bad_low)), (max(low, bad_high), high))]
        spans = [(low, high) for low, high in pieces if low < high]
    return spans
