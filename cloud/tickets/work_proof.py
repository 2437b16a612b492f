"""Tickets: has a number been within its limits for long enough? (pure). Unknown is never within."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from contract.conventions import EpochMs

GAP_MS = 60_000
"""No news for longer than this, or for three of its intervals, and nobody knows how the value was meanwhile."""
Verdict = Literal["within", "outside", "waiting", "unknown"]
Sign = Literal["<", "<=", ">", ">="]


class Sample(Protocol):
    """One value of the history with its instant and quality."""

    @property
    def at_ms(self) -> EpochMs: ...
    @property
    def value(self) -> bool | float | str | None: ...
    @property
    def quality(self) -> str: ...


class History(Protocol):
    """What is asked of the store of samples."""

    async def samples(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, limit: int
    ) -> Sequence[Sample]:
        """The samples of [from, to), oldest first."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Beyond ``value`` on side ``op`` a rule is in alarm (contract PointLimit)."""

    op: Sign
    value: float

    def is_beyond(self, value: float) -> bool:
        match self.op:
            case "<":
                return value < self.value
            case "<=":
                return value <= self.value
            case ">":
                return value > self.value
            case ">=":
                return value >= self.value


@dataclass(frozen=True, slots=True)
class Asked:
    """One point that must have stayed within its bounds for ``lasting_ms``."""

    point: str
    name: dict[str, str]
    unit: str
    digits: int
    bounds: tuple[Bound, ...]
    lasting_ms: int
    every_ms: int

    @property
    def gap_ms(self) -> int:
        return max(GAP_MS, 3 * self.every_ms)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the history shows of it: since when it has been good and within without a break, and what stood in the way before.

    ``why`` is empty, or one of: no_limit, no_data, gap, quality, outside, short, history_away.
    """

    asked: Asked
    verdict: Verdict
    why: str
    since: EpochMs | None
    until: EpochMs
    lowest: float | None = None
    highest: float | None = None
    samples: int = 0
    value: float | None = None
    """The newest good one."""


def judge(asked: Asked, samples: Sequence[Sample], now: EpochMs) -> Reading:
    """Judge the samples of the last ``lasting_ms`` and one gap, oldest first."""
    if not asked.bounds:
        return Reading(asked, "unknown", "no_limit", None, now)
    run, why = _unbroken(asked, samples, now)
    if not run:
        return Reading(asked, "outside" if why == "outside" else "unknown", why, None, now, value=_newest(samples))
    values, since = [value for _, value in run], run[-1][0]
    start = now - asked.lasting_ms
    is_long_enough = since <= start or (why == "short" and since <= start + asked.gap_ms)
    verdict: Verdict = "within" if is_long_enough else "waiting"
    return Reading(
        asked, verdict, "" if is_long_enough else why or "short", since, now,
        min(values), max(values), len(values), values[0],
    )  # fmt: skip


def _unbroken(asked: Asked, samples: Sequence[Sample], now: EpochMs) -> tuple[list[tuple[EpochMs, float]], str]:
    """The good samples within bounds from the newest back to the first break, and what the break was."""
    run: list[tuple[EpochMs, float]] = []
    later = now
    for sample in reversed(samples):
        if later - sample.at_ms > asked.gap_ms:
            return run, "gap"
        number = _number(sample)
        if number is None:
            return run, "quality"
        if any(bound.is_beyond(number) for bound in asked.bounds):
            return run, "outside"
        run.append((sample.at_ms, number))
        later = sample.at_ms
    return run, "short" if run else "no_data"


def _number(sample: Sample) -> float | None:
    is_number = isinstance(sample.value, int | float) and not isinstance(sample.value, bool)
    return float(sample.value) if is_number and sample.quality == "good" and sample.value is not None else None


def _newest(samples: Sequence[Sample]) -> float | None:
    return next((number for one in reversed(samples) if (number := _number(one)) is not None), None)
