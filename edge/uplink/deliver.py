"""outbox → uplink ═ contract: one lane's loop. Takes from the outbox, sends, and forgets what the cloud committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from contract.codec import encode_envelope, raw_records
from contract.conventions import format_instant, instant_ms
from contract.messages import (
    CONTRACT_VERSION,
    Committed,
    Directive,
    Envelope,
    Lane,
    Record,
    SamplesThinned,
)
from edge.clock import Clock
from edge.errors import Transient
from edge.outbox.sqlite import Batch
from edge.uplink.session import Answer, Decision, Outcome, Sent, Session, Wait

DISK_AGAIN_S = 1.0


class Store(Protocol):
    """What delivery needs of the outbox, awaitable."""

    async def next_batch(self, lane: Lane, most_records: int, most_bytes: int) -> Batch | None: ...
    async def heartbeat(self) -> Batch: ...
    async def acknowledge(self, committed: Sequence[Committed]) -> None: ...
    async def quarantine(self, lane: Lane, epoch: int, seq: int, reason: str, stand_in: Record) -> None: ...
    async def start_over(self, running: int) -> None: ...


class Log(Protocol):
    """A structlog logger, or a test's list."""

    def info(self, event: str, **values: object) -> object: ...
    def warning(self, event: str, **values: object) -> object: ...


@dataclass(slots=True)
class Link:
    """How the cloud is reached, for the status page, the status record and the log."""

    outcome: str = "not_yet"
    reason: str = ""
    last_receipt_ms: int | None = None
    clock_offset_ms: int | None = None
    """Gateway's clock minus the cloud's."""
    trouble: str = ""
    """Why a batch was last not taken, and when (``trouble_ms``); it stays after the cloud is reached again."""
    trouble_ms: int | None = None
    sent: int = 0
    refused: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def is_up(self) -> bool:
        return self.outcome in ("committed", "behind")


@dataclass(slots=True)
class Delivery:
    """One lane. ``wake`` is set after each commit that added to it; events also beat when there is nothing to say."""

    session: Session
    send: Callable[[bytes], Awaitable[Answer]]
    store: Store
    clock: Clock
    link: Link
    on_directives: Callable[[tuple[Directive, ...]], None]
    jitter: Callable[[], float]
    log: Log
    interval_ms: int
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Deliver until cancelled. While the outbox cannot be read there is nothing to send; the cycle tells of it."""
        next_beat = 0
        while True:
            try:
                next_beat = await self._turn(next_beat)
            except Transient:
                await self.clock.sleep(DISK_AGAIN_S)

    async def _turn(self, next_beat: int) -> int:
        """Send what is next or wait for it; when the next sign of life is due (steady ms)."""
        action, lane = self.session.next_action(self.clock.moment().steady_ms), self.session.lane
        if isinstance(action, Wait):
            await self.clock.sleep((action.until_ms - self.clock.moment().steady_ms) / 1000)
            return next_beat
        self.wake.clear()
        batch = await self.store.next_batch(lane, action.records, action.size)
        now = self.clock.moment().steady_ms
        if batch is None and lane == "events" and now >= next_beat:
            batch = await self.store.heartbeat()
        if batch is None:
            await self._wait(max(next_beat - now, 1) if lane == "events" else self.interval_ms)
            return next_beat
        await self.exchange(batch)
        return self.clock.moment().steady_ms + self.interval_ms // 2

    async def _wait(self, ms: int) -> None:
        try:
            async with asyncio.timeout(ms / 1000):
                await self.wake.wait()
        except TimeoutError:
            return

    async def exchange(self, batch: Batch) -> Decision:
        """Send one batch and carry out what its answer means."""
        now = self.clock.moment()
        envelope = Envelope(
            contract=CONTRACT_VERSION, gateway=self.session.gateway, epoch=batch.epoch, lane=batch.lane,
            first=batch.first, sent_at=format_instant(now.wall_ms), records=raw_records(batch.bodies),
            previous=batch.previous,
        )  # fmt: skip
        answer = await self.send(encode_envelope(envelope))
        sent = Sent(batch.epoch, batch.first, len(batch.bodies), batch.given)
        decision = self.session.receive(sent, answer, self.clock.moment().steady_ms, self.jitter())
        self._note(decision, now.wall_ms, len(batch.bodies))
        await self._carry_out(decision, batch)
        return decision

    async def _carry_out(self, decision: Decision, batch: Batch) -> None:
        if decision.committed and batch.bodies:
            await self.store.acknowledge(decision.committed)
        if decision.quarantine is not None:
            now = format_instant(self.clock.now_ms())
            stand_in = SamplesThinned(
                first=decision.quarantine, last=decision.quarantine, from_at=now, to_at=now, dropped=1, kept=0,
                reason=f"the cloud refused this record: {decision.reason}",
            )  # fmt: skip
            await self.store.quarantine(batch.lane, batch.epoch, decision.quarantine, decision.reason, stand_in)
        if decision.start_over:
            await self.store.start_over(batch.running)
        if decision.directives:
            self.on_directives(decision.directives)

    def _note(self, decision: Decision, sent_ms: int, count: int) -> None:
        link, outcome = self.link, decision.outcome.value
        link.counts[outcome] = link.counts.get(outcome, 0) + 1
        if (
            outcome != link.outcome
        ):  # said once, when it changes: a cloud that is down for days fills no disk with lines
            log = self.log.info if decision.is_reached else self.log.warning
            log(f"cloud_{outcome}", lane=self.session.lane, reason=decision.reason)
        link.outcome, link.reason = outcome, decision.reason
        if not link.is_up:
            link.trouble, link.trouble_ms = (
                f"{outcome}: {decision.reason}" if decision.reason else outcome,
                self.clock.now_ms(),
            )
        if decision.is_reached:
            link.last_receipt_ms = self.clock.now_ms()
            link.sent += count
            link.clock_offset_ms = (sent_ms + link.last_receipt_ms) // 2 - instant_ms(decision.server_time)
        for refused in decision.refused:
            link.refused += 1
            self.log.warning(
                "record_quarantined_by_cloud", lane=self.session.lane, seq=refused.seq, reason=refused.reason
            )
        if decision.outcome is Outcome.EPOCH_CONFLICT:
            self.log.warning("numbers_start_over", reason=decision.reason)
