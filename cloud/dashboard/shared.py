"""dashboard: one part of a page for everybody who looks at it. Two hundred walls cost one wall after each change.

A part is the same for all readers of one role and language on one page; who may not see it is turned away before. What else a reader
could see in it would have to be in its key, so only what is marked as ``shared`` is ever kept for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from cloud.clock import Clock
from cloud.people import service
from cloud.people.service import User
from cloud.storage.session import Database
from contract.conventions import EpochMs

OLDEST_MS: Final = 1_000
MOST: Final = 400
"""Parts kept at once; where more are looked at, the oldest are made anew."""

Key = tuple[str, ...]
"""Everything a part may depend on: what and where it is, the page around it, the language, and what this reader's role may do."""
Make = Callable[[], Awaitable[bytes | None]]
_Route = TypeVar("_Route", bound=Callable[..., Any])


def shared(endpoint: _Route) -> _Route:
    """Mark a part that is the same for all readers of one role and language."""
    endpoint.is_shared = True  # type: ignore[attr-defined]  # read where parts are made for many
    return endpoint


@dataclass(frozen=True, slots=True)
class _Made:
    at: EpochMs
    version: int
    task: asyncio.Task[bytes | None]

    @property
    def is_failed(self) -> bool:
        done = self.task.done()
        return done and (self.task.cancelled() or self.task.exception() is not None or self.task.result() is None)


class SharedParts:
    """Parts of pages by who looks at what, each made once after a change however many look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[Key, _Made] = {}

    async def get(self, key: Key, version: int, since: EpochMs, make: Make) -> tuple[bytes | None, int]:
        """The part and the version of the hub that it was made for: as it was made for somebody since this version or this instant, or made now.

        None for no such part. Raises what ``make`` raises, to everybody who waits for it.
        """
        now = self._clock.now_ms()
        self._drop_old(now)
        known = self._parts.get(key)
        if known is None or known.is_failed or (known.version < version and known.at < since):
            known = _Made(now, version, asyncio.create_task(_made(make), name="dashboard_part"))
            self._parts.pop(key, None)  # they stand oldest first
            self._parts[key] = known
        return await asyncio.shield(known.task), known.version

    def _drop_old(self, now: int) -> None:
        """Those of more than a second ago, so that nothing large is kept for nobody."""
        while self._parts and (
            len(self._parts) >= MOST or not 0 <= now - next(iter(self._parts.values())).at < OLDEST_MS
        ):
            del self._parts[next(iter(self._parts))]


async def _made(make: Make) -> bytes | None:
    return await make()


class Readers:
    """Who looks, looked up once a second, all who look at the same moment with one question."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._known: dict[str, tuple[int, User | None]] = {}
        self._wanted: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None

    async def who(self, token: str) -> User | None:
        """The person whose session this is; None for an ended session and for nobody."""
        if not token:
            return None
        while not self._is_known(token):
            self._wanted[token] = None
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._look_up(), name="dashboard_readers")
            await asyncio.shield(self._task)
        return self._known[token][1]

    def _is_known(self, token: str) -> bool:
        known = self._known.get(token)
        return known is not None and 0 <= self._clock.now_ms() - known[0] < OLDEST_MS

    async def _look_up(self) -> None:
        wanted, self._wanted = list(self._wanted), {}
        now = self._clock.now_ms()
        async with self._database.read() as connection:
            found = await service.users_of(connection, wanted, now)
        kept = {token: known for token, known in self._known.items() if 0 <= now - known[0] < OLDEST_MS}
        self._known = kept | {token: (now, found.get(token)) for token in wanted}
