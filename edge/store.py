"""The outbox for code that waits: each call in one worker thread, or on the loop itself where time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol, TypeVar

from contract.messages import Committed, Lane, Record
from edge.clock import Clock
from edge.decode.sample import Sample
from edge.outbox.sqlite import Batch, Outbox

_Result = TypeVar("_Result")


class Log(Protocol):
    """A structlog logger, or a test's list."""

    def info(self, event: str, **values: object) -> object: ...
    def warning(self, event: str, **values: object) -> object: ...
    def error(self, event: str, **values: object) -> object: ...
    def exception(self, event: str, **values: object) -> object: ...


class AsyncOutbox:
    """The same verbs as Outbox. One thread, so that calls follow one another as they were made."""

    def __init__(
        self, outbox: Outbox, clock: Clock, announcement: Callable[[], Sequence[Record]], *, inline: bool
    ) -> None:
        self.outbox, self._clock, self._announcement = outbox, clock, announcement
        self._thread = None if inline else ThreadPoolExecutor(1, thread_name_prefix="outbox")

    async def _do(self, call: Callable[[], _Result]) -> _Result:
        if self._thread is None:
            return call()
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def save(
        self, now_ms: int, *, events: Sequence[Record], samples: Sequence[Sample],
        state: Sequence[tuple[str, bytes]], answered: Sequence[str],
    ) -> None:  # fmt: skip
        await self._do(
            partial(self.outbox.save, now_ms, events=events, samples=samples, state=state, answered=answered)
        )

    async def leave_disk(self) -> None:
        await self._do(lambda: self.outbox.leave_disk(self._clock.now_ms()))

    async def return_to_disk(self) -> None:
        await self._do(self.outbox.return_to_disk)

    async def next_batch(self, lane: Lane, most_records: int, most_bytes: int) -> Batch | None:
        return await self._do(partial(self.outbox.next_batch, lane, most_records, most_bytes))

    async def heartbeat(self) -> Batch:
        return await self._do(self.outbox.heartbeat)

    async def acknowledge(self, committed: Sequence[Committed]) -> None:
        await self._do(partial(self.outbox.acknowledge, committed))

    async def quarantine(self, lane: Lane, epoch: int, seq: int, reason: str, stand_in: Record) -> None:
        await self._do(partial(self.outbox.quarantine, lane, epoch, seq, reason, self._clock.now_ms(), stand_in))

    async def start_over(self, running: int) -> None:
        """A new epoch for everything that waits, unless another lane has just done it."""
        announcement = self._announcement()

        def once() -> None:
            if self.outbox.epoch == running:
                self.outbox.start_over(self._clock.now_ms(), announcement)

        await self._do(once)

    async def keep_within(self, budget_bytes: int, days: int, most_steps: int = 50) -> int:
        """Thin until the outbox fits, at most so many steps at once; how many steps it took."""
        for step in range(most_steps):
            if not await self._do(partial(self.outbox.keep_within, budget_bytes, days, self._clock.now_ms())):
                return step
        return most_steps

    async def close(self) -> None:
        """After everything asked for before."""
        await self._do(self.outbox.close)
        if self._thread is not None:
            self._thread.shutdown(wait=True)
