"""acquire, when: due times on a fixed grid, devices staggered over their interval. An overrun skips and counts.

All instants are ``Moment.steady_ms``, so a wall clock that is set moves nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

SLOT_MS = 5
"""Offsets are rounded to this, so that plans of equal interval share wake-ups."""


@dataclass(frozen=True, slots=True)
class Poll:
    """One poll group of one device: everything it reads each ``every_ms``."""

    device: str
    every_ms: int


class Due(msgspec.Struct, frozen=True, gc=False):
    """A poll whose time has come. ``skipped`` counts the times it should have run since the last and could not."""

    poll: Poll
    due_ms: int
    skipped: int


class Schedule:
    """Which poll is next. Each poll runs at ``k × every_ms + offset``, for ever on the same grid."""

    def __init__(self, polls: Sequence[Poll], now_ms: int, *, is_staggered: bool = True) -> None:
        self._polls = tuple(polls)
        self._offsets = stagger(self._polls) if is_staggered else [0] * len(self._polls)
        self._heap: list[tuple[int, int]] = []
        self._restart(now_ms)

    def _restart(self, now_ms: int) -> None:
        """Every poll's first run within one interval from now, a new process reads slow groups at once."""
        self._heap = [(now_ms + min(self._offsets[at], 1000), at) for at in range(len(self._polls))]
        heapq.heapify(self._heap)
        self._last_ms = now_ms

    @property
    def next_ms(self) -> int | None:
        """When the next poll is due; None when there is nothing to poll."""
        return self._heap[0][0] if self._heap else None

    def take(self, now_ms: int) -> Due | None:
        """The poll that has waited longest, with what was skipped; None when none is due yet.

        Its next time is the first grid point after ``now_ms``: late runs are never made up for. A clock that went back
        by more than an interval starts the grid anew.
        """
        if not self._heap:
            return None
        due_ms, at = self._heap[0]
        if due_ms > now_ms:
            if now_ms < self._last_ms - self._polls[at].every_ms:
                self._restart(now_ms)
            return None
        self._last_ms = now_ms
        poll = self._polls[at]
        heapq.heapreplace(self._heap, (self._following(at, now_ms), at))
        return Due(poll, due_ms, max(0, (now_ms - due_ms) // poll.every_ms))

    def _following(self, at: int, now_ms: int) -> int:
        every, offset = self._polls[at].every_ms, self._offsets[at]
        return ((now_ms - offset) // every + 1) * every + offset


def stagger(polls: Sequence[Poll]) -> list[int]:
    """Offsets in milliseconds that spread polls of the same interval evenly over it, in the order given."""
    several: dict[int, int] = {}
    for poll in polls:
        several[poll.every_ms] = several.get(poll.every_ms, 0) + 1
    seen: dict[int, int] = {}
    offsets = []
    for poll in polls:
        place = seen.get(poll.every_ms, 0)
        seen[poll.every_ms] = place + 1
        offsets.append(place * poll.every_ms // several[poll.every_ms] // SLOT_MS * SLOT_MS)
    return offsets
