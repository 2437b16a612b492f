"""The flow on one screen: what the buses bring → rules → one transaction → wake the uplink.

Whatever the disk or the cloud do, judging goes on: what could not be saved is kept and tried again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from contract.conventions import format_instant
from contract.messages import Directive, DirectiveApplied, Record, SamplesThinned
from edge.clock import Clock
from edge.decode.sample import Moment, Sample
from edge.errors import Transient
from edge.pace import USUAL
from edge.rules.directives import apply
from edge.rules.engine import STORMS_KEY, Engine
from edge.store import AsyncOutbox, Log

SAMPLES_TOGETHER = 4_000
"""So many are committed at once, however young: what waits is memory, and a large site's second is tens of thousands."""
ACKNOWLEDGE_WITHIN_MS = 50
"""A broker sends only so many messages ahead of their acknowledgements."""
MOST_WAITING = 20_000
MOST_UNSAVED = 200_000
RETRY_MS = 1_000
ALARM_KEYS = ("alarms/", STORMS_KEY)
"""State that a delay or a storm needs; the rest is windows and values."""
LEAVE_DISK_AFTER_MS = 5_000
"""So long a disk may take nothing before alarms go to the cloud without it."""
TRY_DISK_EVERY_MS = 10_000
STUCK_AFTER_MS = 15_000
"""A cycle that has not turned for so long does so no more."""
Committed = Callable[[], None]


class Intake:
    """Between the buses and the cycle. ``put`` waits while the cycle is behind, which slows the buses down."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most, self._count = most, 0
        self._waiting: deque[tuple[Sequence[Sample], Committed | None]] = deque()
        self._more, self._room = asyncio.Event(), asyncio.Event()

    async def put(self, samples: Sequence[Sample], committed: Committed | None = None) -> None:
        """Hand over samples; ``committed`` is called once they are on the disk."""
        while self._count >= self._most:
            self._room.clear()
            await self._room.wait()
        self._waiting.append((samples, committed))
        self._count += len(samples)
        self._more.set()

    @property
    def waiting(self) -> int:
        """Samples handed over and not yet taken."""
        return self._count

    def nudge(self) -> None:
        """Let the cycle run although no sample came."""
        self._more.set()

    async def take(self, wait_s: float) -> tuple[list[Sample], list[Committed]]:
        """Everything handed over, as soon as there is any, or nothing after ``wait_s``."""
        if not self._more.is_set() and wait_s > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await self._more.wait()
            except TimeoutError:
                pass
        self._more.clear()
        taken, self._waiting, self._count = self._waiting, deque(), 0
        self._room.set()
        samples = [sample for part, _ in taken for sample in part]
        return samples, [committed for _, committed in taken if committed is not None]


@dataclass(slots=True)
class Unsaved:
    """What the next transaction will hold."""

    events: list[Record] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    state: dict[str, bytes] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    committed: list[Committed] = field(default_factory=list)
    samples_since: int | None = None
    commit_ms: int = USUAL.commit_ms

    def is_due(self, now: Moment) -> bool:
        """Events and alarms that moved at once: a kill restarts no delay. Samples and windows with the next group."""
        if self.events or self.answered or any(key.startswith(ALARM_KEYS) for key in self.state):
            return True
        if len(self.samples) >= SAMPLES_TOGETHER:
            return True
        due = self.due_at()
        return due is not None and now.steady_ms >= due

    def due_at(self) -> int | None:
        """``steady_ms`` at which the waiting group must be committed; sooner where a broker waits for it."""
        if self.samples_since is None:
            return None
        return self.samples_since + (ACKNOWLEDGE_WITHIN_MS if self.committed else self.commit_ms)

    def thin(self) -> None:
        """When the disk takes nothing for long, memory stays bounded: the oldest samples go, and that is said."""
        too_many = len(self.samples) - MOST_UNSAVED
        if too_many > 0:
            lost, self.samples = (
                self.samples[: too_many + MOST_UNSAVED // 4],
                self.samples[too_many + MOST_UNSAVED // 4 :],
            )
            at = [sample.sampled_at_ms for sample in lost]
            self.events.append(
                SamplesThinned(
                    first=0, last=0, from_at=format_instant(min(at)), to_at=format_instant(max(at)),
                    dropped=len(lost), kept=0, reason="the disk could not be written",
                )
            )  # fmt: skip


@dataclass(slots=True)
class Cycle:
    """One turn: take, judge, save. ``routine`` adds what the gateway says about itself; ``told`` sees every event."""

    intake: Intake
    engine: Engine
    outbox: AsyncOutbox
    clock: Clock
    log: Log
    announcement: Callable[[], Sequence[Record]]
    routine: Callable[[Moment], Iterable[Record]]
    told: Callable[[Sequence[Record]], None]
    wake: Callable[[], None]
    unsaved: Unsaved = field(default_factory=Unsaved)
    directives: deque[Directive] = field(default_factory=deque)
    answered: set[str] = field(default_factory=set)
    is_disk_well: bool = True
    turned_at: int = 0
    """``steady_ms`` of the last turn, for /healthz."""
    taken: int = 0
    """Samples taken since the start."""
    _retry_at: int = 0
    _failing_since: int = 0
    _disk_at: int = 0

    async def run(self) -> None:
        """Turn until cancelled. The announcement is the first event of every epoch."""
        self.unsaved.commit_ms = self.engine.pace.commit_ms
        self.unsaved.events += self.announcement()
        await self.turn(0)
        while True:
            await self.turn(self._wait_s())

    def _empty(self) -> Unsaved:
        return Unsaved(commit_ms=self.engine.pace.commit_ms)

    async def turn(self, wait_s: float) -> None:
        samples, committed = await self.intake.take(wait_s)
        if samples and self.engine.pace.gather_ms:
            await self.clock.sleep(self.engine.pace.gather_ms / 1000)
            more = await self.intake.take(0)
            samples, committed = samples + more[0], committed + more[1]
        now = self.clock.moment()
        self.turned_at = now.steady_ms
        self.taken += len(samples)
        self._judge(samples, committed, now)
        if self.unsaved.is_due(now) and now.steady_ms >= self._retry_at:
            await self._save(now)

    def _judge(self, samples: Sequence[Sample], committed: Sequence[Committed], now: Moment) -> None:
        events = self.engine.evaluate(samples, now)
        events += self._obey(now)
        events += self.routine(now)
        unsaved = self.unsaved
        unsaved.events += events
        if self.engine.pace.keeps_samples:
            unsaved.samples += samples
        unsaved.committed += committed
        unsaved.state |= dict(self.engine.take_dirty(now))
        if unsaved.samples_since is None and (unsaved.samples or unsaved.state or unsaved.committed):
            unsaved.samples_since = now.steady_ms
        if events:
            self.told(events)

    def _obey(self, now: Moment) -> list[Record]:
        """Carry out the cloud's directives, each once."""
        records: list[Record] = []
        while self.directives:
            directive = self.directives.popleft()
            if directive.id in self.answered:
                continue
            answer = apply(self.engine, directive, now)
            self.log.info(
                "directive", id=directive.id, kind=directive.kind, by=directive.by, applied=answer.is_applied, reason=answer.reason
            )  # fmt: skip
            self.answered.add(directive.id)
            self.unsaved.answered.append(directive.id)
            records += answer.records
            records += self.announcement() if answer.is_refresh else ()
            records.append(
                DirectiveApplied(
                    directive=directive.id, at=format_instant(now.wall_ms), applied=answer.is_applied,
                    reason=answer.reason,
                )
            )  # fmt: skip
        return records

    def take_directives(self, directives: Sequence[Directive]) -> None:
        """From the uplink; carried out in the next turn."""
        self.directives.extend(one for one in directives if one.id not in self.answered)
        self.intake.nudge()

    async def _save(self, now: Moment) -> None:
        if self.outbox.outbox.is_away and now.steady_ms >= self._disk_at:
            await self._try_disk(now)
        saving, self.unsaved = self.unsaved, self._empty()
        try:
            await self.outbox.save(
                now.wall_ms, events=saving.events, samples=saving.samples, state=list(saving.state.items()),
                answered=saving.answered,
            )  # fmt: skip
        except Transient as error:
            self._keep(saving, now, error)
            await self._leave_disk(now)
            return
        if not self.is_disk_well and not self.outbox.outbox.is_away:
            self.log.info("disk_well_again")
            self.is_disk_well = True
        for committed in saving.committed:
            committed()
        self.wake()

    def _keep(self, saving: Unsaved, now: Moment, error: Transient) -> None:
        if self.is_disk_well:
            self.log.warning("disk_failing", reason=str(error), remedy="judging goes on; free or replace the disk")
            self._failing_since = now.steady_ms
        self.is_disk_well = False
        self._retry_at = now.steady_ms + RETRY_MS
        saving.thin()
        self.unsaved = saving

    async def _leave_disk(self, now: Moment) -> None:
        """What cannot be kept can still be told: the outbox goes on in memory, and nothing waits for the disk."""
        if not self.outbox.outbox.is_lasting or now.steady_ms - self._failing_since < LEAVE_DISK_AFTER_MS:
            return
        await self.outbox.leave_disk()
        self.log.warning(
            "disk_left",
            remedy="alarms are judged and delivered from memory; until the disk is well a restart loses them",
        )
        self.unsaved.events[:0] = self.announcement()
        self._retry_at, self._disk_at = now.steady_ms, now.steady_ms + TRY_DISK_EVERY_MS

    async def _try_disk(self, now: Moment) -> None:
        self._disk_at = now.steady_ms + TRY_DISK_EVERY_MS
        try:
            await self.outbox.return_to_disk()
        except Transient as error:
            self.log.info("disk_still_failing", reason=str(error))

    def _wait_s(self) -> float:
        now = self.clock.moment().steady_ms
        dues = [self.engine.next_due(), now + self.engine.pace.tick_ms]
        if (due := self.unsaved.due_at()) is not None:
            dues.append(max(due, self._retry_at))
        return max(min(dues) - now, 1) / 1000

    async def finish(self) -> None:
        """The last turn: everything that was read is judged and saved, with every window."""
        await self.turn(0)
        now = self.clock.moment()
        self.unsaved.state |= dict(self.engine.take_dirty(now, everything=True))
        await self._save(now)
