"""rules: the raw samples of one point while a test runs, as evidence that outlives the history (pure).

Bounded: when there is no more room, every second sample goes, and from then on only so many are taken. The lowest and
the highest number always stay, and so does every change of a bit or a state as long as there is room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from contract.conventions import EpochMs
from contract.messages import Cause, EvidenceSeries, Quality, Value

MOST_SAMPLES = 2_000
"""Of one point: more than half an hour at one a second. Longer tests keep every second, fourth, … one."""


@dataclass(frozen=True, slots=True)
class Raw:
    """One sample as it was read."""

    at_ms: EpochMs
    value: Value
    quality: Quality = Quality.GOOD
    cause: Cause = Cause.NONE

    @property
    def number(self) -> float | None:
        """Its value, where that is a good number."""
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        return float(self.value or 0) if is_number and self.quality is Quality.GOOD else None


@dataclass(slots=True)
class Recording:
    """What is kept of one point; the same samples in the same order always leave the same ones."""

    every: int = 1
    count: int = 0
    lowest: Raw | None = None
    highest: Raw | None = None
    kept: list[Raw] = field(default_factory=list)

    def take(self, raw: Raw) -> None:
        """The next sample."""
        is_kept = self.count % self.every == 0 or self._tells(raw)
        self.count += 1
        self._note(raw)
        if is_kept:
            self.kept.append(raw)
            if len(self.kept) > MOST_SAMPLES:
                self._halve()

    def _tells(self, raw: Raw) -> bool:
        """Whether it must not be passed over: a new lowest or highest, or another state than before."""
        number = raw.number
        if number is None:
            last = self.kept[-1]
            return (raw.value, raw.quality) != (last.value, last.quality)
        is_low = self.lowest is None or number < _number(self.lowest)
        return is_low or self.highest is None or number > _number(self.highest)

    def _note(self, raw: Raw) -> None:
        if (number := raw.number) is not None:
            if self.lowest is None or number < _number(self.lowest):
                self.lowest = raw
            if self.highest is None or number > _number(self.highest):
                self.highest = raw

    def _halve(self) -> None:
        self.every *= 2
        extremes = (self.lowest, self.highest)
        self.kept = [
            raw for index, raw in enumerate(self.kept) if index % 2 == 0 or any(raw is one for one in extremes)
        ]

    def series(self, point: str, unit: str) -> EvidenceSeries:
        """As the contract carries it."""
        is_good = all(raw.quality is Quality.GOOD for raw in self.kept)
        return EvidenceSeries(
            point=point, unit=unit, at=[raw.at_ms for raw in self.kept], value=[raw.value for raw in self.kept],
            quality=[] if is_good else [raw.quality for raw in self.kept],
            cause=[] if is_good else [raw.cause for raw in self.kept],
            every=self.every, left_out=self.count - len(self.kept),
        )  # fmt: skip

    def checkpoint(self) -> dict[str, Any]:
        """JSON that ``recall`` understands."""
        at = {id(raw): index for index, raw in enumerate(self.kept)}
        return {
            "every": self.every, "count": self.count,
            "lowest": None if self.lowest is None else at[id(self.lowest)],
            "highest": None if self.highest is None else at[id(self.highest)],
            "kept": [[raw.at_ms, raw.value, raw.quality, raw.cause] for raw in self.kept],
        }  # fmt: skip


def recall(saved: dict[str, Any]) -> Recording:
    """A recording as it was saved; what came since is not in it."""
    kept = [Raw(at, value, Quality(quality), Cause(cause)) for at, value, quality, cause in saved["kept"]]
    lowest, highest = (None if saved[name] is None else kept[saved[name]] for name in ("lowest", "highest"))
    return Recording(saved["every"], saved["count"], lowest, highest, kept)


def _number(raw: Raw) -> float:
    return raw.number or 0.0
