"""History for virtual time that is kept in memory, and only the last hours of it: what a judgement may look back at."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from cloud.clock import Clock
from cloud.telemetry.store import QUALITIES, Bucket, Health, Held, Key, Parked, Row, Sample, raw_bucket
from contract.conventions import EpochMs

KEEP_MS = 2 * 3_600_000


class RecentStore:
    """Follows the protocol of every history store. It forgets what is older than two hours, and everything with its process."""

    def __init__(self, clock: Clock, keep_ms: int = KEEP_MS) -> None:
        self._clock, self._keep_ms = clock, keep_ms
        self._kept: dict[tuple[str, str], dict[str, deque[Sample]]] = {}

    async def open(self) -> None:
        """Nothing is opened."""

    async def close(self) -> None:
        """Nothing is kept."""

    async def write(self, rows: Sequence[Row]) -> Sequence[Parked]:
        oldest = self._clock.now_ms() - self._keep_ms
        for row in rows:
            points = self._kept.setdefault((row.site, row.equipment), {})
            kept = points.setdefault(row.point, deque())
            if kept and row.sample.at_ms <= kept[-1].at_ms:
                _insert(kept, row.sample)
            else:
                kept.append(row.sample)
            while len(kept) > 1 and kept[0].at_ms < oldest:
                kept.popleft()
        return ()

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        return {point: kept[-1] for point, kept in self._kept.get((site, equipment), {}).items()}

    async def latest_of_all(self, site: str) -> Mapping[str, Mapping[str, Sample]]:
        return {equipment: await self.latest(of, equipment) for of, equipment in self._kept if of == site}

    def _between(self, key: Key, from_ms: EpochMs, to_ms: EpochMs) -> list[Sample]:
        kept = self._kept.get(key[:2], {}).get(key[2], ())
        return [one for one in kept if from_ms <= one.at_ms < to_ms]

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        found = self._between((site, equipment, point), from_ms, to_ms)
        if len(found) <= buckets:
            return [raw_bucket(one) for one in found]
        width = -(-(to_ms - from_ms) // buckets)
        grouped: dict[int, list[Sample]] = {}
        for one in found:
            grouped.setdefault((one.at_ms - from_ms) // width, []).append(one)
        return [_joined(from_ms + index * width, width, group) for index, group in grouped.items()]

    async def samples(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, limit: int
    ) -> list[Sample]:
        return self._between((site, equipment, point), from_ms, to_ms)[:limit]

    async def points(self) -> list[Key]:
        return sorted((*key, point) for key, points in self._kept.items() for point in points)

    async def held(self) -> list[Held]:
        return [
            Held(site, equipment, point, len(kept), kept[0].at_ms, kept[-1].at_ms)
            for site, equipment, point in await self.points()
            for kept in [self._kept[site, equipment][point]]
        ]

    async def delete_before(self, at_ms: EpochMs, points: Sequence[Key] | None = None) -> int:  # noqa: ARG002
        return 0

    async def condense(self, at_ms: EpochMs, step_ms: int, points: Sequence[Key]) -> int:  # noqa: ARG002
        return 0

    async def compact(self) -> None:
        """Nothing lies about."""

    async def health(self) -> Health:
        return Health("memory", is_ok=True, points=len(await self.points()))


def _insert(kept: deque[Sample], sample: Sample) -> None:
    """What comes late takes its place; what comes again replaces itself."""
    later: list[Sample] = []
    while kept and kept[-1].at_ms > sample.at_ms:
        later.append(kept.pop())
    if kept and kept[-1].at_ms == sample.at_ms:
        kept.pop()
    kept.append(sample)
    kept.extend(reversed(later))


def _joined(start_ms: EpochMs, width_ms: int, group: Sequence[Sample]) -> Bucket:
    raw = [raw_bucket(one) for one in group]
    counts = [one for one in raw if one.mean is not None]
    numbers = [one.mean for one in counts if one.mean is not None]
    worst = max(raw, key=lambda one: QUALITIES.index(one.quality))
    return Bucket(
        start_ms, start_ms + width_ms, len(numbers), min(numbers, default=None),
        sum(numbers) / len(numbers) if numbers else None, max(numbers, default=None), raw[-1].last,
        worst.quality, worst.cause,
    )  # fmt: skip
