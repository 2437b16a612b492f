"""Ingest → telemetry: the protocol every history store follows. History is derived: losing it loses no ticket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from contract.conventions import EpochMs
from contract.messages import Value

QUALITIES = ("good", "uncertain", "bad")
"""Best first: the worst of a bucket is the one furthest right."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One value with its instant (epoch milliseconds), quality and cause."""

    at_ms: EpochMs
    value: Value
    quality: str
    cause: str


@dataclass(frozen=True, slots=True)
class Row:
    """A sample with its address, as it is written."""

    site: str
    equipment: str
    point: str
    sample: Sample


@dataclass(frozen=True, slots=True)
class Bucket:
    """A stretch [start, end) of one point's history. Minimum, mean and maximum are over its numbers that are not bad."""

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

    async def write(self, rows: Sequence[Row]) -> None:
        """Keep samples, durably in order."""

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        """Point id → its newest sample."""

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        """[from, to) in at most ``buckets`` equal stretches; a stretch without a sample is left out: a gap is a gap."""

    async def delete_before(self, at_ms: EpochMs) -> int:
        """Forget older samples; how many."""

    async def health(self) -> Health:
        """Whether it works, in words."""

    async def close(self) -> None:
        """Finish what was begun."""
