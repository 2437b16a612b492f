"""dashboard: counters of active and reactive energy → a month's energies and its power factor. Pure.

The month's power factor is kWh / √(kWh² + kvarh²) of what the two counters grew by between the site's month borders
(clause h-5.3.1-pf). A silence inside the month loses nothing, because the counters went on; one at a border does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloud.dashboard.power import HOUR_MS, Bounds, Month, factor_of
from cloud.telemetry.store import Bucket
from contract.conventions import EpochMs

_NOISE: Final = 1e-6
"""A counter sent as a 32 bit float may step back by so much of itself."""
_MOST_UNREAD_MS: Final = 2 * HOUR_MS
"""A border with readings no further apart than this is read well enough."""
_LOST_MS: Final = 24 * HOUR_MS
"""A month that was not read for longer than this at its borders is not judged."""
_OVERLOAD: Final = 2.0
"""No circuit carries more than this share of its rated power for hours: a counter that says so jumped."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a counter showed in [start, end): least, greatest and newest reading."""

    start: EpochMs
    end: EpochMs
    low: float
    high: float
    last: float


@dataclass(frozen=True, slots=True)
class Growth:
    """How much a counter grew within a stretch of time, and what stood in the way."""

    amount: float | None
    first_at: EpochMs = 0
    last_at: EpochMs = 0
    resets: tuple[EpochMs, ...] = ()
    """When it began again, lower."""
    jumps: tuple[EpochMs, ...] = ()
    """When it leapt further than the circuit can carry: not counted."""


def stretches_of(buckets: Sequence[Bucket]) -> list[Stretch]:
    """Those with a number, oldest first."""
    found = []
    for one in buckets:
        if one.minimum is not None and one.maximum is not None:
            is_number = isinstance(one.last, int | float) and one.minimum <= one.last <= one.maximum
            last = float(one.last) if is_number and one.last is not None else one.maximum
            found.append(Stretch(one.start_ms, one.end_ms, one.minimum, one.maximum, last))
    return sorted(found, key=lambda one: one.start)


def grown(stretches: Sequence[Stretch], before: Stretch | None = None, most_kw: float = 0.0) -> Growth:
    """``before`` is the last reading of the time before, when it is near enough to count on from.

    ``most_kw`` is the rated power (0: unknown); a counter that grows faster than twice that leapt.
    """
    if not stretches:
        return Growth(None)
    total, previous = 0.0, before
    resets: list[EpochMs] = []
    jumps: list[EpochMs] = []
    for one in stretches:
        step, is_reset = _step(previous, one)
        hours = (one.end - (previous.start if previous else one.start)) / HOUR_MS
        if most_kw and step > _OVERLOAD * most_kw * hours:
            jumps.append(one.start)
        else:
            total += step
        if is_reset:
            resets.append(one.start)
        previous = one
    return Growth(total, stretches[0].start, stretches[-1].end, tuple(resets), tuple(jumps))


def _step(previous: Stretch | None, one: Stretch) -> tuple[float, bool]:
    """By how much it grew since the newest reading before, and whether it began again meanwhile."""
    noise = _NOISE * max(1.0, abs(one.high))
    if previous is None:
        is_reset = one.high > one.last + noise
        return max(0.0, one.last - one.low), is_reset
    if one.last >= previous.last - noise:  # a single low reading on the way is no new beginning
        return max(0.0, one.last - previous.last), False
    up_to_then = max(0.0, one.high - previous.last) if one.high > one.last + noise else 0.0
    return up_to_then + max(0.0, one.last - one.low), True


# --- months -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EnergyMonth:
    """One month's energies. ``meets`` is None where it cannot be judged, and ``why`` says why."""

    month: Month
    kwh: float | None
    kvarh: float | None
    power_factor: float | None
    first_at: EpochMs
    last_at: EpochMs
    unread_ms: int
    """Not read at the month's beginning and end: that much time is missing in the energies."""
    resets: tuple[EpochMs, ...]
    jumps: tuple[EpochMs, ...]
    meets: bool | None
    why: str = ""

    @property
    def is_partial(self) -> bool:
        """Not the whole month's energy: it still runs, or its beginning or end was not read."""
        return not self.month.is_over or self.unread_ms > 0


def months_of(
    months: Sequence[Month], active: Sequence[Sequence[Bucket]], reactive: Sequence[Sequence[Bucket]], bounds: Bounds
) -> tuple[EnergyMonth, ...]:
    """``active[i]`` and ``reactive[i]`` are the counters' stretches in ``months[i]``, hour by hour or finer."""
    kwh = _chain([stretches_of(one) for one in active], bounds.rated_kva)
    kvarh = _chain([stretches_of(one) for one in reactive], bounds.rated_kva)
    return tuple(_month(*one, bounds) for one in zip(months, kwh, kvarh, strict=True))


def _chain(parts: Sequence[Sequence[Stretch]], most_kw: float) -> list[Growth]:
    """Month by month; a reading shortly before a border is where the next month's count begins."""
    found: list[Growth] = []
    before: Stretch | None = None
    for part in parts:
        near = before if before and part and part[0].start - before.end <= _MOST_UNREAD_MS else None
        found.append(grown(part, near, most_kw))
        before = part[-1] if part else before
    return found


def _month(month: Month, kwh: Growth, kvarh: Growth, bounds: Bounds) -> EnergyMonth:
    factor = factor_of(kwh.amount, kvarh.amount)
    first, last = max(kwh.first_at, kvarh.first_at), min(kwh.last_at, kvarh.last_at) or kwh.last_at
    unread = (
        sum(gap for gap in (first - month.start, month.until - last) if gap > _MOST_UNREAD_MS) if kwh.last_at else 0
    )
    meets, why = _verdict(month, kwh, kvarh, factor, unread, bounds)
    return EnergyMonth(
        month, kwh.amount, kvarh.amount, factor, first, last, unread, tuple(sorted({*kwh.resets, *kvarh.resets})),
        tuple(sorted({*kwh.jumps, *kvarh.jumps})), meets, why,
    )  # fmt: skip


def _verdict(
    month: Month, kwh: Growth, kvarh: Growth, factor: float | None, unread: int, bounds: Bounds
) -> tuple[bool | None, str]:
    if bounds.month is None:
        return None, "no_limit"
    if kwh.amount is None or kvarh.amount is None:
        return None, "no_kwh" if kwh.amount is None else "no_kvarh"
    if kwh.jumps or kvarh.jumps:
        return None, "jumped"
    if month.is_over and unread > _LOST_MS:
        return None, "unread"
    if factor is None or kwh.amount <= bounds.month_kwh:
        return None, "too_little"
    return factor >= bounds.month.value, ""
