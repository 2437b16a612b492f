"""rules → outbox: what is stored: samples as columns, and what is left of them when the disk is short (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contract.codec import decode_record, encode_record
from contract.conventions import format_instant
from contract.messages import Cause, Quality, SampleBatch, SampleSeries, SamplesThinned, Value
from edge.decode.sample import Sample

KEEP_EVERY_MS = 60_000
"""Thinning first leaves one sample a minute of every point."""

_SeriesKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One sample row as it lies in the outbox."""

    epoch: int
    seq: int
    at_ms: int
    samples: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Thinned:
    """What thinning leaves: bodies by (epoch, seq) with their sample counts, and the events that say what is missing."""

    rows: tuple[tuple[StoredRow, bytes, int], ...]
    events: tuple[SamplesThinned, ...]


def batch_of(samples: Sequence[Sample]) -> SampleBatch:
    """Samples of one commit as columns, in the order in which the points first appear."""
    columns: dict[_SeriesKey, list[Sample]] = {}
    for sample in samples:
        columns.setdefault((sample.equipment, sample.point, sample.device), []).append(sample)
    return SampleBatch(series=[_series(key, column) for key, column in columns.items()])


def _series(key: _SeriesKey, column: Sequence[Sample]) -> SampleSeries:
    is_good = all(sample.quality is Quality.GOOD for sample in column)
    return SampleSeries(
        equipment=key[0], point=key[1], device=key[2],
        at=[sample.sampled_at_ms for sample in column], value=[sample.value for sample in column],
        quality=[] if is_good else [sample.quality for sample in column],
        cause=[] if is_good else [sample.cause for sample in column],
    )  # fmt: skip


def count_of(batch: SampleBatch) -> int:
    """Samples in a batch."""
    return sum(len(series.at) for series in batch.series)


def thin(rows: Sequence[StoredRow], reason: str) -> Thinned:
    """Leave one sample a minute of every point in these rows."""
    last: dict[_SeriesKey, int] = {}
    kept_rows = []
    for row in rows:
        record = decode_record(row.body)
        batch = record if isinstance(record, SampleBatch) else SampleBatch(series=[])
        kept = SampleBatch(series=[one for one in (_thin_series(series, last) for series in batch.series) if one.at])
        kept_rows.append((row, encode_record(kept), count_of(kept)))
    return Thinned(tuple(kept_rows), _declare(kept_rows, reason))


def give_up(rows: Sequence[StoredRow], reason: str) -> Thinned:
    """Leave nothing but the numbers."""
    body = encode_record(SampleBatch(series=[]))
    left = [(row, body, 0) for row in rows]
    return Thinned(tuple(left), _declare(left, reason))


def _thin_series(series: SampleSeries, last: dict[_SeriesKey, int]) -> SampleSeries:
    key = (series.equipment, series.point, series.device)
    chosen: list[int] = []
    for index, at in enumerate(series.at):
        if key not in last or abs(at - last[key]) >= KEEP_EVERY_MS:
            last[key] = at
            chosen.append(index)
    at_kept: list[int] = [series.at[index] for index in chosen]
    values: list[Value] = [series.value[index] for index in chosen]
    quality: list[Quality] = [series.quality[index] for index in chosen] if series.quality else []
    cause: list[Cause] = [series.cause[index] for index in chosen] if series.cause else []
    return SampleSeries(
        equipment=series.equipment, point=series.point, device=series.device,
        at=at_kept, value=values, quality=quality, cause=cause,
    )  # fmt: skip


def _declare(rows: Sequence[tuple[StoredRow, bytes, int]], reason: str) -> tuple[SamplesThinned, ...]:
    """One event for each epoch touched."""
    found = []
    for epoch in dict.fromkeys(row.epoch for row, _, _ in rows):
        mine = [(row, kept) for row, _, kept in rows if row.epoch == epoch]
        before, after = sum(row.samples for row, _ in mine), sum(kept for _, kept in mine)
        found.append(
            SamplesThinned(
                first=mine[0][0].seq, last=mine[-1][0].seq,
                from_at=format_instant(mine[0][0].at_ms), to_at=format_instant(mine[-1][0].at_ms),
                dropped=before - after, kept=after, reason=f"{reason} (epoch {epoch})",
            )
        )  # fmt: skip
    return tuple(found)
