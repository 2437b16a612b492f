"""dashboard: what was read of days and months that are over, kept for some minutes, because they are most of a page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from contract.conventions import EpochMs

KEPT_MS: Final = 300_000
"""Samples that arrive late for a day that is over are seen so much later."""
MOST_DAYS: Final = 16
"""Months of quarter hours at once, some 600 kB each."""
MOST_ENERGIES: Final = 600
"""Months of one counter at once, some 10 kB each."""
_T = TypeVar("_T")


@dataclass(slots=True)
class Kept:
    """Values by what they were made of, oldest first; at most ``most``, each for ``KEPT_MS``."""

    most: int
    _found: dict[Hashable, tuple[EpochMs, Any]] = field(default_factory=dict)

    async def get(self, key: Hashable, now: EpochMs, make: Callable[[], Awaitable[_T]]) -> _T:
        """The value of a few minutes ago, or made now. What fails is told and not kept."""
        self._drop_old(now)
        if (known := self._found.get(key)) is not None:
            value: _T = known[1]
            return value
        made = await make()
        self._found.pop(key, None)
        self._found[key] = now, made
        while len(self._found) > self.most:
            del self._found[next(iter(self._found))]
        return made

    def _drop_old(self, now: EpochMs) -> None:
        while self._found and not 0 <= now - next(iter(self._found.values()))[0] < KEPT_MS:
            del self._found[next(iter(self._found))]


@dataclass(frozen=True, slots=True)
class PowerKept:
    """What one process keeps for the page of power quality."""

    days: Kept = field(default_factory=lambda: Kept(MOST_DAYS))
    energies: Kept = field(default_factory=lambda: Kept(MOST_ENERGIES))
