"""Ingest → telemetry: old samples of one point as sums over equal stretches, a few bytes each (pure).

A stretch keeps what a page needs: how many numbers, least, mean and greatest, the worst quality and why, the newest value. The mean is
kept to a hundredth of the resolution of the point; the rest exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from cloud.telemetry import blocks, summing
from cloud.telemetry.blocks import NONE, NUMBER, Stored
from cloud.telemetry.store import QUALITIES, Sample
from cloud.telemetry.summing import Summary
from contract.conventions import EpochMs

_MEAN_DECIMALS = 2
"""More than the samples have."""
Stretch = tuple[EpochMs, Summary]
"""Where it begins, and its sums."""


def condense(rows: Sequence[Stored], step_ms: int, begin: EpochMs) -> list[Stretch]:
    """Rows in the order of time as stretches, none of which begins before ``begin``; those without a sample are left out."""
    if not rows:
        return []
    columns = blocks.to_columns(rows)
    start = rows[0][0] // step_ms * step_ms
    found = summing.stretches(columns, start, rows[-1][0] + 1, step_ms)
    return [(max(begin, start + number * step_ms), summary) for number, summary in found]


def with_late(old: Iterable[Stretch], late: Sequence[Stored], step_ms: int, begin: EpochMs) -> list[Stretch]:
    """A late sample fills a stretch that was empty. One that has been summed up stays: what is in it is not known any more."""
    known = dict(condense(late, step_ms, begin))
    known.update(old)
    return sorted(known.items(), key=lambda one: one[0])


def total(stretches: Iterable[Stretch]) -> Summary:
    """The sums of all of them, at least one."""
    tally = summing.Tally()
    for _, summary in stretches:
        tally.add(summary)
    return Summary(
        tally.numbers, tally.total, tally.low, tally.high, tally.quality, tally.cause, tally.kind, tally.last,
    )  # fmt: skip


def sample_of(at: EpochMs, told: Summary) -> Sample:
    """A stretch as one sample, for an export: its mean, or its newest value where it has no numbers."""
    is_mean = told.numbers > 0 and told.kind == NUMBER
    value = told.total / told.numbers if is_mean else blocks.read_value(told.kind, told.last)
    return Sample(at, value, QUALITIES[told.quality], told.cause or "none")


def encode(stretches: Sequence[Stretch]) -> bytes:
    """At least one stretch as bytes that ``decode`` reads."""
    decimals = _decimals(stretches)
    newest = [(at, s.kind, s.last, s.quality, s.cause) for at, s in stretches]
    counts = [_number(at, float(s.numbers)) for at, s in stretches]
    means = [_number(at, _mean(s, decimals)) for at, s in stretches]
    lows, highs = [[_number(at, value) for at, value in side] for side in _ends(stretches)]
    return msgspec.msgpack.encode(
        [blocks.encode(blocks.to_columns(rows)) for rows in (newest, counts, means, lows, highs)]
    )


def decode(body: bytes) -> list[Stretch]:
    """What ``encode`` was given. Raises zlib.error, ValueError or msgspec.DecodeError for bytes that are none."""
    newest, counts, means, lows, highs = [
        blocks.decode(part) for part in msgspec.msgpack.decode(body, type=list[bytes])
    ]
    found = []
    for place, (at, kind, last, quality, cause) in enumerate(blocks.to_rows(newest)):
        count, mean = int(counts.values[place]), means.values[place]
        amount = 0.0 if mean is None else mean * count
        found.append((at, Summary(count, amount, lows.values[place], highs.values[place], quality, cause, kind, last)))
    return found


def _number(at: EpochMs, value: float | None) -> Stored:
    return (at, NONE, None, 0, "") if value is None else (at, NUMBER, value, 0, "")


def _ends(
    stretches: Sequence[Stretch],
) -> tuple[list[tuple[EpochMs, float | None]], list[tuple[EpochMs, float | None]]]:
    return [(at, s.low) for at, s in stretches], [(at, s.high) for at, s in stretches]


def _mean(told: Summary, decimals: int | None) -> float | None:
    if not told.numbers:
        return None
    mean = told.total / told.numbers
    return mean if decimals is None else round(mean, decimals + _MEAN_DECIMALS)


def _decimals(stretches: Sequence[Stretch]) -> int | None:
    """The resolution of the least and greatest values; None where they have none."""
    ends: list[Any] = [value for side in _ends(stretches) for _, value in side if value is not None]
    return blocks.decimals_of(ends) if ends else None
