"""Ingest → telemetry: a stretch of one point's samples as a few bytes (pure). ``summing`` sums them up.

A block holds its samples in columns. Instants are a first one, a step and what differs from the step. Numbers are integers in the
coarsest decimal resolution that gives each of them back exactly, as differences; where none does, they are kept as floats, byte by
byte of equal weight. Kind, quality and cause are kept in runs. All of it is deflated, with zlib's checksum over it.
"""

from __future__ import annotations

import math
import struct
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise, repeat
from operator import truediv
from typing import Any

import msgspec

from cloud.telemetry.store import QUALITIES, Sample
from contract.conventions import EpochMs
from contract.messages import Value

NUMBER, BIT, TEXT, NONE = range(4)
BAD = 2
_MOST_DECIMALS = 9
_EXACT = 2**53
"""Integers up to here are floats without loss."""
_WIDEST = 2**62
_FLOAT32, _FLOAT64, _AS_THEY_ARE = -1, -2, -3
_TYPES = {1: "b", 2: "h", 4: "i", 8: "q"}
_LENGTH = struct.Struct("<I")
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode

Stored = tuple[EpochMs, int, Any, int, str]
"""Instant, kind, value (bits as 0.0 and 1.0), quality (0 best), cause."""
Run = tuple[int, int, int, str]
"""Index after its last sample, kind, quality, cause."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Samples of one point in the order of time, each instant once."""

    at: Sequence[EpochMs]
    values: Sequence[Any]
    runs: Sequence[Run]
    scale: int = 0
    """Where it is not 0, all are numbers and ``values`` are whole: the true ones times it."""


def to_columns(rows: Sequence[Stored]) -> Columns:
    """Rows in the order of time, each instant once, as columns."""
    runs: list[Run] = []
    end = 0
    for (kind, quality, cause), same in groupby(rows, key=lambda row: (row[1], row[3], row[4])):
        end += sum(1 for _ in same)
        runs.append((end, kind, quality, cause))
    return Columns([row[0] for row in rows], [row[2] for row in rows], runs)


def to_rows(columns: Columns) -> Iterator[Stored]:
    """The rows that ``to_columns`` was given."""
    begin = 0
    for end, kind, quality, cause in columns.runs:
        for index in range(begin, end):
            yield columns.at[index], kind, columns.values[index], quality, cause
        begin = end


def merged(old: Iterable[Stored], new: Iterable[Stored]) -> list[Stored]:
    """Both in the order of time; of two samples of one instant the new one."""
    by_instant = {row[0]: row for row in old}
    by_instant.update((row[0], row) for row in new)
    return [by_instant[at] for at in sorted(by_instant)]


def read_value(kind: int, value: Any) -> Value:  # noqa: ANN401  kind says what it is
    """A stored value as it was measured."""
    return bool(value) if kind == BIT else value


_RANKS = {quality: rank for rank, quality in enumerate(QUALITIES)}


def stored(sample: Sample) -> Stored:
    """A sample as it is kept; a number that is none is no value."""
    value = sample.value
    quality = _RANKS.get(sample.quality)
    if quality is None:
        raise ValueError(f"{sample.quality} is no quality")
    if type(value) is float and value - value == 0.0:  # finite, and what nearly all samples are
        return sample.at_ms, NUMBER, value, quality, sample.cause
    if isinstance(value, bool):
        return sample.at_ms, BIT, float(value), quality, sample.cause
    if isinstance(value, str):
        return sample.at_ms, TEXT, value, quality, sample.cause
    if value is None or not math.isfinite(value):
        return sample.at_ms, NONE, None, quality, sample.cause
    whole = isinstance(value, int) and int(float(value)) != value and -(2**63) <= value < 2**63
    return sample.at_ms, NUMBER, value if whole else float(value), quality, sample.cause


def encode(columns: Columns) -> bytes:
    """At least one sample as bytes that ``decode`` reads."""
    step, times = _times(columns.at)
    numbers, words = _streams(columns)
    mode, first, digits = _numbers(numbers)
    loose = numbers if mode == _AS_THEY_ARE else []
    head = _pack((len(columns.at), columns.at[0], step, len(times), mode, first, columns.runs, words, loose))
    return zlib.compress(b"".join((_LENGTH.pack(len(head)), head, times, digits)), 6)


def decode(body: bytes) -> Columns:
    """What ``encode`` was given. Raises zlib.error, ValueError or msgspec.DecodeError for bytes that are no block."""
    return unscaled(decode_scaled(body))


def decode_scaled(body: bytes) -> Columns:
    """As ``decode``, for ``tally_up``, which needs not every value divided."""
    plain = memoryview(zlib.decompress(body))
    start = _LENGTH.size + _LENGTH.unpack_from(plain)[0]
    count, at, step, size, mode, first, runs, words, loose = _unpack(plain[_LENGTH.size : start])
    times: Sequence[int] = range(at, at + step * count, step)
    if size:
        gaps = _read_integers(plain[start : start + size])
        times = list(accumulate((step + gap for gap in gaps), initial=at))
    if len(times) != count:
        raise ValueError("a block whose instants are not as many as its samples")
    numbers = loose if mode == _AS_THEY_ARE else _read_numbers(mode, first, plain[start + size :])
    scale = 10**mode if mode >= 0 else 0
    if len(runs) == 1 and runs[0][1] < TEXT:
        return Columns(times, numbers, [tuple(runs[0])], scale)
    return Columns(times, _values(_all_true(numbers, scale), runs, words), [tuple(run) for run in runs])


def unscaled(columns: Columns) -> Columns:
    """The same with its true values."""
    if not columns.scale:
        return columns
    return Columns(columns.at, _all_true(columns.values, columns.scale), columns.runs)


def _all_true(values: Sequence[Any], scale: int) -> Sequence[Any]:
    if scale > 1:
        return list(map(truediv, values, repeat(scale)))
    return [true(value, scale) for value in values] if scale else values


def true(value: Any, scale: int) -> Any:  # noqa: ANN401  a number where there is a scale
    """One value of columns with this scale."""
    return value / scale if scale and -_EXACT <= value <= _EXACT else value


def _times(at: Sequence[EpochMs]) -> tuple[int, bytes]:
    gaps = [after - before for before, after in pairwise(at)]
    if not gaps:
        return 1, b""
    step = Counter(gaps).most_common(1)[0][0]
    return step, b"" if gaps.count(step) == len(gaps) else _integers([gap - step for gap in gaps])


def _streams(columns: Columns) -> tuple[list[float], list[tuple[str, int]]]:
    """Its numbers, and its texts with how often each comes in a row."""
    if len(columns.runs) == 1 and columns.runs[0][1] < TEXT:
        return list(columns.values), []
    numbers: list[float] = []
    texts: list[str] = []
    begin = 0
    for end, kind, _, _ in columns.runs:
        if kind < TEXT:
            numbers += columns.values[begin:end]
        elif kind == TEXT:
            texts += columns.values[begin:end]
        begin = end
    return numbers, [(word, sum(1 for _ in same)) for word, same in groupby(texts)]


def _values(numbers: Sequence[float], runs: Sequence[Run], words: Sequence[tuple[str, int]]) -> Sequence[Any]:
    texts = [word for word, times in words for _ in range(times)]
    found: list[Any] = []
    number = text = begin = 0
    for end, kind, _, _ in runs:
        length = end - begin
        if kind < TEXT:
            found += numbers[number : number + length]
            number += length
        elif kind == TEXT:
            found += texts[text : text + length]
            text += length
        else:
            found += [None] * length
        begin = end
    return found


def _numbers(values: Sequence[float]) -> tuple[int, int, bytes]:
    """How they are written (decimals, or one of the modes below zero), the first integer, and the bytes."""
    if not values:
        return 0, 0, b""
    found = _scaled(values)
    if found is not None:
        decimals, integers = found
        return decimals, integers[0], _integers([after - before for before, after in pairwise(integers)])
    if any(isinstance(value, int) and int(float(value)) != value for value in values):
        return _AS_THEY_ARE, 0, b""
    floats = array("d", values)
    short = array("f", values)
    if short.tolist() == floats.tolist():
        return _FLOAT32, 0, _planes(short)
    return _FLOAT64, 0, _planes(floats)


def decimals_of(values: Sequence[float]) -> int | None:
    """The fewest decimals in which every one of these values, at least one, is exact; None where there are none."""
    found = _scaled(values)
    return None if found is None else found[0]


def _scaled(values: Sequence[float]) -> tuple[int, list[int]] | None:
    """The fewest decimals in which every value is a whole number, and these numbers; None where there are none."""
    if max(map(abs, values)) >= _EXACT:
        whole = [int(value) for value in values]
        fits = all(one == value and -_WIDEST < one < _WIDEST for one, value in zip(whole, values, strict=True))
        return (0, whole) if fits else None
    for decimals in range(_likely_decimals(values), _MOST_DECIMALS + 1):
        scale = 10**decimals
        integers = [round(value * scale) for value in values]
        if all(one / scale == value for one, value in zip(integers, values, strict=True)):
            return (decimals, integers) if max(map(abs, integers)) < _EXACT else None
    return None


def _likely_decimals(values: Sequence[float]) -> int:
    """From a few of them: at least so many are needed, so nothing coarser has to be tried."""
    few = values[:: max(1, len(values) // 8)]
    for decimals in range(_MOST_DECIMALS):
        if all(round(value * 10**decimals) / 10**decimals == value for value in few):
            return decimals
    return _MOST_DECIMALS


def _read_numbers(mode: int, first: int, digits: memoryview) -> Sequence[float]:
    """Floats, or the scaled whole numbers."""
    if mode == _FLOAT32:
        return _from_planes(digits, "f", 4).tolist()
    if mode == _FLOAT64:
        return _from_planes(digits, "d", 8).tolist()
    return list(accumulate(_read_integers(digits), initial=first)) if digits else [first]


def _integers(values: Sequence[int]) -> bytes:
    """Their width, and their bytes by weight; nothing for none."""
    if not values:
        return b""
    low, high = min(values), max(values)
    bound = max(high, -low - 1)
    width = 1 if bound < 2**7 else 2 if bound < 2**15 else 4 if bound < 2**31 else 8
    return bytes((width,)) + _planes(array(_TYPES[width], values))


def _read_integers(data: memoryview) -> Sequence[int]:
    width = data[0]
    return data[1:].cast("b") if width == 1 else _from_planes(data[1:], _TYPES[width], width)


def _planes(values: array[Any]) -> bytes:
    """First all lowest bytes, then all next ones: equal bytes come to stand side by side."""
    if sys.byteorder == "big":
        values.byteswap()
    data = values.tobytes()
    return b"".join(data[place :: values.itemsize] for place in range(values.itemsize))


def _from_planes(data: memoryview, kind: str, width: int) -> array[Any]:
    count = len(data) // width
    mixed = bytearray(len(data))
    for place in range(width):
        mixed[place::width] = data[place * count : (place + 1) * count]
    found: array[Any] = array(kind)
    found.frombytes(mixed)
    if sys.byteorder == "big":
        found.byteswap()
    return found
