"""true values → words: the memory of one simulated Modbus device, filled through its model's own mapping.

It refuses what the real device refuses: addresses its model does not map, reads longer than it allows, reads that start
at an odd place or cross a forbidden range. Unused registers between two mapped ones read as 0, as far as the model
allows a request to bridge them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from contract.messages import Value
from device_profiles.schema import DeviceModel, Point
from device_profiles.units import factor
from edge.decode.registers import Image, RegisterCodec, compile_model, store
from simulators.modbus_device import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Refused, Table

Values = Mapping[str, Value]
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


@dataclass(slots=True)
class _Span:
    """One request that the device grants: the points it reads, and its words as of the values last ``shown``."""

    names: tuple[str, ...]
    places: tuple[tuple[str, int], ...]
    words: list[int] = field(default_factory=list)
    shown: Values | None = None


class ModelRegisters:
    """One device's tables. ``values`` gives device point → value in the class's unit; the same object means no change."""

    def __init__(self, model: DeviceModel, points: Mapping[str, Point], values: Callable[[], Values]) -> None:
        self._model = model
        self._codecs = compile_for_points(model, points)
        self._values = values
        self._scales = _scale_codes(self._codecs, points)
        self._ranges = _readable(self._codecs.values(), model)
        self._places = set(_places(self._codecs.values()))
        self._image: Image = dict(self._scales)
        self._held: dict[str, Value] = {}
        """What the image says of each point."""
        self._spans: dict[tuple[Table, int, int], _Span] = {}

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """Words or bits of the moment. Raises Refused as the device would."""
        span = self._span(table, first, count)
        values = self._values()
        if values is not span.shown:
            self._show(span.names, values)
            image = self._image
            span.words = [image.get(place, 0) for place in span.places]
            span.shown = values
        return span.words

    def points_in(self, table: Table, first: int, count: int) -> tuple[str, ...]:
        """The points that a granted request reads whole. Raises Refused."""
        return tuple(
            name
            for name in self._span(table, first, count).names
            if first <= self._codecs[name].address
            and self._codecs[name].address + self._codecs[name].count <= first + count
        )

    def _span(self, table: Table, first: int, count: int) -> _Span:
        key = (table, first, count)
        if (known := self._spans.get(key)) is None:
            self._check(table, first, count)
            names = tuple(name for name, codec in self._codecs.items() if _meet(codec, table, first, first + count))
            places = tuple((table, address) for address in range(first, first + count))
            if len(self._spans) >= MOST_SPANS:
                self._spans.clear()
            known = self._spans[key] = _Span(names, places)
        return known

    def _check(self, table: Table, first: int, count: int) -> None:
        limits = self._model.limits
        is_bit = table in ("coil", "discrete")
        if count > (limits.max_bits if is_bit else limits.max_registers):
            raise Refused(ILLEGAL_VALUE)
        if not is_bit and first % limits.alignment:
            raise Refused(ILLEGAL_ADDRESS)
        if limits.one_point_per_request and (table, first, count) not in self._places:
            raise Refused(ILLEGAL_ADDRESS)
        if not any(low <= first and first + count <= high for low, high in self._ranges.get(table, ())):
            raise Refused(ILLEGAL_ADDRESS)

    def _show(self, names: Iterable[str], values: Values) -> None:
        held = self._held
        for name in names:
            if name not in values or ((value := values[name]) == held.get(name, _NOTHING)):
                continue
            codec = self._codecs[name]
            scale = None if codec.scale_from is None else self._scales[codec.table, codec.scale_from]
            # A single contact cannot tell every state; the device then goes on showing what it showed.
            with contextlib.suppress(ValueError, OverflowError):
                store(self._image, codec, value, scale)
            held[name] = value


_NOTHING = object()


def _meet(codec: RegisterCodec, table: Table, first: int, end: int) -> bool:
    return codec.table == table and codec.address < end and first < codec.address + codec.count


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
