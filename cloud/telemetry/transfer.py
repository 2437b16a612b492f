"""Telemetry store → file → telemetry store: what is chosen of history, as it was written. Between two stores it is a move."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from cloud.clock import Clock
from cloud.telemetry.exchange import AT_ONCE
from cloud.telemetry.store import Away, Held, Parked, Row, Store
from contract.conventions import EpochMs

_WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How often and how long a store that is away is waited for."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which points (with ``*`` for any), and [from, to) of them."""

    site: str = "*"
    equipment: str = "*"
    point: str = "*"
    from_ms: EpochMs = 0
    to_ms: EpochMs = 2**62

    def fits(self, one: Held) -> bool:
        patterns = (self.site, self.equipment, self.point)
        is_named = all(fnmatchcase(name, pattern) for name, pattern in zip(one.key, patterns, strict=True))
        return is_named and one.first_ms < self.to_ms and one.last_ms >= self.from_ms

    def span(self, one: Held) -> tuple[EpochMs, EpochMs]:
        """What of a point is chosen."""
        return max(self.from_ms, one.first_ms), min(self.to_ms, one.last_ms + 1)


@dataclass(slots=True)
class Outcome:
    """What an import did."""

    samples: int = 0
    parked: list[Parked] = field(default_factory=list)


async def exported(store: Store, choice: Choice, tell: Callable[[float], None]) -> AsyncIterator[list[Row]]:
    """Chosen rows, point by point in the order of time. ``tell`` hears how much of the whole is done, from 0 to 1."""
    chosen = [one for one in await store.held() if choice.fits(one)]
    for number, one in enumerate(chosen):
        begin, end = choice.span(one)
        at = begin
        while at < end and (samples := await store.samples(*one.key, at, end, AT_ONCE)):
            yield [Row(*one.key, sample) for sample in samples]
            at = samples[-1].at_ms + 1
            tell((number + min(1.0, (at - begin) / (end - begin))) / len(chosen))


async def imported(
    store: Store, batches: Iterator[Sequence[Row]], clock: Clock, tell: Callable[[int], None]
) -> Outcome:
    """Write rows; ``tell`` hears how many more were written. Raises Away when the store stays away for a minute."""
    outcome = Outcome()
    for rows in batches:
        outcome.parked += await _written(store, rows, clock)
        outcome.samples += len(rows)
        tell(len(rows))
    outcome.samples -= len(outcome.parked)
    return outcome


async def _written(store: Store, rows: Sequence[Row], clock: Clock) -> Sequence[Parked]:
    for wait_s in _WAITS_S:
        try:
            return await store.write(rows)
        except Away:
            await clock.sleep(wait_s)
    return await store.write(rows)
