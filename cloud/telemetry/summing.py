"""Telemetry → pages: what a page needs of many samples, summed up bucket by bucket (pure)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from cloud.telemetry.blocks import BAD, NONE, TEXT, Columns, read_value, true, unscaled
from cloud.telemetry.store import QUALITIES, Bucket
from contract.conventions import EpochMs


class Summary(msgspec.Struct, frozen=True, gc=False):
    """What a page needs of some samples: count, sum and range of the numbers that are not bad, the worst quality, the newest."""

    numbers: int
    total: float
    low: float | None
    high: float | None
    quality: int
    cause: str
    """Of its bad samples; empty when there are none."""
    kind: int
    last: Any


class Tally(msgspec.Struct, gc=False):
    """Summaries of one bucket, added in the order of time. A struct, as Summary, because a year makes thousands."""

    numbers: int = 0
    total: float = 0.0
    low: float | None = None
    high: float | None = None
    quality: int = 0
    cause: str = ""
    kind: int = NONE
    last: Any = None

    def add(self, one: Summary) -> None:
        self.numbers += one.numbers
        self.total += one.total
        if one.low is not None and one.high is not None:
            if self.low is None or one.low < self.low:
                self.low = one.low
            if self.high is None or one.high > self.high:
                self.high = one.high
        self.quality = max(self.quality, one.quality)
        self.cause = max(self.cause, one.cause)
        self.kind, self.last = one.kind, one.last


def bucket(tally: Tally, start: EpochMs, to_ms: EpochMs, width: int) -> Bucket:
    """A tally as what a page is given."""
    mean = tally.total / tally.numbers if tally.numbers else None
    last = read_value(tally.kind, tally.last)
    end = min(start + width, to_ms)
    return Bucket(start, end, tally.numbers, tally.low, mean, tally.high, last, QUALITIES[tally.quality], tally.cause)


def summarise(columns: Columns, start: int, stop: int) -> Summary:
    """Samples ``[start, stop)``, at least one."""
    tally = Tally()
    begin = 0
    for end, kind, quality, cause in columns.runs:
        if end > start:
            part = columns.values[max(begin, start) : min(end, stop)]
            tally.quality = max(tally.quality, quality)
            if quality >= BAD:
                tally.cause = max(tally.cause, cause)
            elif kind < TEXT:
                _count(tally, part)
            tally.kind = kind
        begin = end
        if end >= stop:
            break
    last = columns.values[stop - 1]
    return Summary(
        tally.numbers, tally.total, tally.low, tally.high, tally.quality, tally.cause, tally.kind, last,
    )  # fmt: skip


def _count(tally: Tally, part: Sequence[float], scale: int = 0) -> None:
    divisor = scale or 1
    low, high = min(part) / divisor, max(part) / divisor
    tally.numbers += len(part)
    tally.total += sum(part) / divisor
    if tally.low is None or low < tally.low:
        tally.low = low
    if tally.high is None or high > tally.high:
        tally.high = high


def stretches(columns: Columns, from_ms: EpochMs, to_ms: EpochMs, width_ms: int) -> Iterator[tuple[int, Summary]]:
    """Bucket number and summary of what of ``[from, to)`` is in these columns, bucket by bucket."""
    at = columns.at
    index, stop = bisect_left(at, from_ms), bisect_left(at, to_ms)
    while index < stop:
        number = (at[index] - from_ms) // width_ms
        end = bisect_left(at, from_ms + (number + 1) * width_ms, index, stop)
        yield number, summarise(columns, index, end)
        index = end


def tally_up(tallies: dict[int, Tally], columns: Columns, from_ms: EpochMs, to_ms: EpochMs, width_ms: int) -> None:
    """Add to each bucket what of ``[from, to)`` is in these columns, which come in the order of time."""
    kind, quality = columns.runs[0][1:3]
    if len(columns.runs) > 1 or kind >= TEXT or quality >= BAD:
        for number, summary in stretches(unscaled(columns), from_ms, to_ms, width_ms):
            tally_of(tallies, number).add(summary)
        return
    at, values, scale = columns.at, columns.values, columns.scale  # numbers of one quality, as nearly all blocks are
    index, stop = _place(at, from_ms), _place(at, to_ms)
    while index < stop:
        number = (at[index] - from_ms) // width_ms
        end = min(stop, _place(at, from_ms + (number + 1) * width_ms))
        tally = tally_of(tallies, number)
        _count(tally, values[index:end], scale)
        tally.quality = max(tally.quality, quality)
        tally.kind, tally.last = kind, true(values[end - 1], scale)
        index = end


def _place(at: Sequence[EpochMs], instant: EpochMs) -> int:
    """The index of the first that is not before an instant."""
    if isinstance(at, range):  # as nearly all are
        return min(len(at), max(0, -((at.start - instant) // at.step)))
    return bisect_left(at, instant)


def tally_of(tallies: dict[int, Tally], number: int) -> Tally:
    """The tally of a bucket, a new one where there is none yet."""
    found = tallies.get(number)
    if found is None:
        found = tallies[number] = Tally()
    return found
