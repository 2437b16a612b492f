"""rules → outbox: what is stored: samples as columns, and what is left of them when the disk is short (pure)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from contract.codec import decode_record, encode_record
from contract.conventions import format_instant
from contract.messages import Cause, Quality, SampleBatch, SampleSeries, SamplesThinned, Value
from edge.decode.sample import Sample

KEEP_EVERY_MS = 60_000
"""Thinning first leaves one sample a minute of every point."""

_COMMON = (
    b'"quality":["good","bad","uncertain"],"cause":["none","no_response","exception","stale"],"value":[true,false,0.0,'
    b'],"value":[230.1],"quality":[],"cause":[]},{"equipment":"panel_1","point":"temperature_c","device":"meter_1","at":[1795'
)
"""What bodies have in common: a small one is written in terms of it. Never changed: what waits on a disk was packed with it."""

_SeriesKey = tuple[str, str, str]
_encoder = msgspec.json.Encoder(order="deterministic")


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
    """What thinning leaves: rows without their bodies, the new bodies with their sample counts, and the events that say what is missing."""

    rows: tuple[tuple[StoredRow, bytes, int], ...]
    events: tuple[SamplesThinned, ...]


class _Column(msgspec.Struct, gc=False):
    """A ``SampleSeries`` while it is gathered: the same fields in the same order, so that it is written the same way."""

    equipment: str
    point: str
    device: str
    at: list[int]
    value: list[Value]
    quality: list[Quality]
    cause: list[Cause]

    def doubt(self, quality: Quality, cause: Cause) -> None:
        """The newest value is not good; those before it were, unless it was said."""
        missing = len(self.at) - 1 - len(self.quality)
        self.quality = [*self.quality, *[Quality.GOOD] * missing, quality]
        self.cause = [*self.cause, *[Cause.NONE] * missing, cause]


class _Batch(msgspec.Struct, tag="SampleBatch"):
    series: list[_Column]


def body_of(samples: Sequence[Sample]) -> bytes:
    """Samples of one commit as the contract's ``SampleBatch``: columns, in the order in which the points first appear.

    Every value that is ever read passes here, which is why no object of the contract is made for it.
    """
    columns: dict[_SeriesKey, _Column] = {}
    all_good: tuple[list[Quality], list[Cause]] = [], []  # shared by every column that says nothing
    for sample in samples:
        key = (sample.equipment, sample.point, sample.device)
        if (column := columns.get(key)) is None:
            column = columns[key] = _Column(*key, [sample.sampled_at_ms], [sample.value], *all_good)
        else:
            column.at.append(sample.sampled_at_ms)
            column.value.append(sample.value)
        if sample.quality is not Quality.GOOD or column.quality:
            column.doubt(sample.quality, sample.cause)
    return _encoder.encode(_Batch([*columns.values()]))


def pack(body: bytes) -> bytes:
    """A body as it is stored, in a tenth of its size: that costs less processor time than writing it would."""
    packer = zlib.compressobj(level=1, zdict=_COMMON)
    return packer.compress(body) + packer.flush()


def unpack(body: bytes) -> bytes:
    """A body as it is sent, whether it was packed or not."""
    return body if body[:1] == b"{" else zlib.decompressobj(zdict=_COMMON).decompress(body)


def count_of(batch: SampleBatch) -> int:
    """Samples in a batch."""
    return sum(len(series.at) for series in batch.series)


def thin(rows: Iterable[StoredRow], reason: str, last: dict[_SeriesKey, int] | None = None) -> Thinned:
    """Leave one sample a minute of every point in these rows, which are looked at one at a time and not kept.

    ``last`` remembers what was left last of each point, from one call to the next.
    """
    last = {} if last is None else last
    kept_rows = []
    for row in rows:
        record = decode_record(row.body)
        batch = record if isinstance(record, SampleBatch) else SampleBatch(series=[])
        kept = SampleBatch(series=[one for one in (_thin_series(series, last) for series in batch.series) if one.at])
        kept_rows.append((replace(row, body=b""), encode_record(kept), count_of(kept)))
    return Thinned(tuple(kept_rows), _declare(kept_rows, reason))


def give_up(rows: Iterable[StoredRow], reason: str) -> Thinned:
    """Leave nothing but the numbers."""
    body = encode_record(SampleBatch(series=[]))
    left = [(replace(row, body=b""), body, 0) for row in rows]
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
