"""Ingest → telemetry: the protocol every history store follows. History is derived: losing it loses no ticket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from contract.conventions import EpochMs
from contract.messages import Value

Key = tuple[str, str, str]
"""Site, equipment, point."""
QUALITIES = ("good", "uncertain", "bad")
"""Best first: the worst of a bucket is the one furthest right."""


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value with its instant (epoch milliseconds), quality and cause."""

    at_ms: EpochMs
    value: Value
    quality: str
    cause: str


class Row(msgspec.Struct, frozen=True, gc=False):
    """A sample with its address, as it is written. Both are structs because one is made for every sample that arrives."""

    site: str
    equipment: str
    point: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Parked:
    """A sample that a store will never take, and why. The others of its batch are kept."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """What a store holds of one point: how many samples, the oldest and the newest instant."""

    site: str
    equipment: str
    point: str
    samples: int
    first_ms: EpochMs
    last_ms: EpochMs

    @property
    def key(self) -> Key:
        return self.site, self.equipment, self.point


class Away(Exception):
    """The store cannot be written now; nothing is lost by trying again later."""


class Bucket(msgspec.Struct, frozen=True, gc=False):
    """A stretch [start, end) of one point's history. Minimum, mean and maximum are over its numbers that are not bad.

    A raw sample is a stretch of one millisecond. A struct, because a view has hundreds.
    """

    start_ms: EpochMs
    end_ms: EpochMs
    count: int
    minimum: float | None
    mean: float | None
    maximum: float | None
    last: Value
    quality: str
    """The worst in it."""
    cause: str
    """Why its bad samples are bad; empty when there are none."""


@dataclass(frozen=True, slots=True)
class Health:
    """How the store is doing."""

    name: str
    is_ok: bool
    points: int
    detail: str = ""


class Store(Protocol):
    """Where samples go. Writing the same sample again changes nothing."""

    async def open(self) -> None:
        """Be ready to be written and asked."""

    async def write(self, rows: Sequence[Row]) -> Sequence[Parked]:
        """Keep samples durably; those it will never take come back. Raises Away."""

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        """Point id → its newest sample."""

    async def latest_of_all(self, site: str) -> Mapping[str, Mapping[str, Sample]]:
        """Equipment id → point id → its newest sample, of a whole site in one question."""

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        """[from, to) in at most ``buckets`` equal stretches; a stretch without a sample is left out: a gap is a gap.

        Where there are no more samples than ``buckets``, each comes by itself, at its own instant.
        """

    async def samples(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, limit: int
    ) -> list[Sample]:
        """The oldest ``limit`` samples of [from, to), as they were written; none when there are no more."""

    async def points(self) -> list[Key]:
        """Which points there are, sorted."""

    async def held(self) -> list[Held]:
        """Every point with its extent, sorted. Reads a lot: for statistics and export, not for a page."""

    async def delete_before(self, at_ms: EpochMs, points: Sequence[Key] | None = None) -> int:
        """Forget older samples of these points, or of all; how many, where the store can tell."""

    async def condense(self, at_ms: EpochMs, step_ms: int, points: Sequence[Key]) -> int:
        """Keep sums over ``step_ms`` in place of older samples; how many samples went. 0 where the store cannot."""

    async def compact(self) -> None:
        """Bring the store into its smallest form now rather than by and by."""

    async def health(self) -> Health:
        """Whether it works, in words."""

    async def close(self) -> None:
        """Finish what was begun."""


def raw_bucket(sample: Sample) -> Bucket:
    """One sample as a stretch of its own."""
    is_bad = sample.quality == QUALITIES[-1]
    is_number = isinstance(sample.value, int | float) and not is_bad
    number = float(sample.value) if is_number and sample.value is not None else None
    cause = sample.cause if is_bad else ""
    return Bucket(
        sample.at_ms, sample.at_ms + 1, int(is_number), number, number, number, sample.value, sample.quality, cause
    )
