"""The product with one mistake each: what the shipped scenarios must notice. Every mutation is a patch of product code in this process.

A mutation says in one sentence what goes wrong, and which shipped scenario is there to catch it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

from sqlalchemy import update

import cloud.escalation.notifier
import cloud.ingest.accept
import cloud.ingest.service
import cloud.sla.calendar
import cloud.sla.timeline
import cloud.tickets.docket
import cloud.tickets.faults
import cloud.tickets.ticker
import edge.rules.alarm
import edge.rules.judge
from cloud.sla.calendar import Hold
from cloud.sla.records import Pause
from cloud.sla.target import Target
from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from contract.messages import Committed, Envelope, Lane
from edge.decode.sample import Moment
from edge.outbox.sqlite import Batch, Outbox
from edge.rules.alarm import AlarmState
from edge.rules.runtime import RuleRun, Runtime
from edge.uplink.deliver import Delivery

Patches = Iterator[Any]
"""What ``mock.patch`` gives; entered together."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mistake. ``scenario`` is the shipped scenario that is there to notice it."""

    name: str
    scenario: str
    patches: Callable[[], Patches]

    @property
    def what(self) -> str:
        """The mistake in a sentence."""
        return (self.patches.__doc__ or "").strip()

    @contextmanager
    def made(self) -> Iterator[None]:
        """The product has this mistake inside the block."""
        with ExitStack() as stack:
            for one in self.patches():
                stack.enter_context(one)
            yield


def _event_dropped_on_reconnect() -> Patches:
    """When a delivery failed, the next one goes on behind the first event that waits; once an outage."""
    usual, exchange = Outbox.next_batch, Delivery.exchange
    state = {"failed": False, "dropped": False}

    async def noting(self: Delivery, batch: Batch) -> Any:
        decision = await exchange(self, batch)
        if self.session.lane == "events":
            state["failed"] = not decision.is_reached
            state["dropped"] = state["dropped"] and state["failed"]
        return decision

    def skipping(self: Outbox, lane: Lane, most_records: int, most_bytes: int) -> Batch | None:
        batch = usual(self, lane, most_records, most_bytes)
        if batch is None or lane != "events" or not state["failed"] or state["dropped"]:
            return batch
        state["dropped"] = True
        self.acknowledge([Committed(epoch=batch.epoch, lane=lane, through=batch.first)])
        return usual(self, lane, most_records, most_bytes)

    yield mock.patch.object(Delivery, "exchange", noting)
    yield mock.patch.object(Outbox, "next_batch", skipping)


def _unknown_is_false() -> Patches:
    """A condition that cannot be judged counts as false."""
    usual = Runtime.condition

    def sure(self: Runtime, run: RuleRun, now: int) -> bool | None:
        return bool(usual(self, run, now))

    yield mock.patch.object(Runtime, "condition", sure)


def _replay_counts_again() -> Patches:
    """A record that was committed before is applied again when it is sent again."""
    usual = cloud.ingest.accept.accept

    def forgetful(envelope: Envelope, through: int, now: int) -> Any:
        return usual(envelope, min(through, envelope.first - 1), now)

    async def tolerant(self: Any, kept: Sequence[Any]) -> None:
        for item, applied in kept:
            row = self._key(item.seq) | {
                "type": type(item.record).__name__, "body": item.body, "received_at": self._now, "applied_at": applied,
            }  # fmt: skip
            await insert_new(self._connection, t.record, row)

    yield mock.patch.object(cloud.ingest.service, "accept", forgetful)
    yield mock.patch.object(cloud.ingest.service._Ingest, "_store", tolerant)
    yield mock.patch.object(cloud.tickets.docket.Docket, "is_known", return_value=False)


def _hold_in_wall_time() -> Patches:
    """A hold stops nothing: the repair clock runs on the wall."""

    def none_known(_pauses: Sequence[Pause], _target: Target) -> tuple[list[Hold], datetime | None]:
        return [], None

    yield mock.patch.object(cloud.sla.timeline, "_known", none_known)
    yield mock.patch.object(cloud.sla.timeline, "_counting", return_value=[])


def _delay_restarts_after_crash() -> Patches:
    """A delay that ran when the gateway died begins anew when it is back."""
    usual = edge.rules.alarm.from_json

    def anew(saved: dict[str, Any], shift: int, now: Moment) -> AlarmState:
        state = usual(saved, shift, now)
        return replace(state, since=now.steady_ms) if state.phase == "pending" else state

    yield mock.patch.object(edge.rules.alarm, "from_json", anew)


def _receipt_deletes_one_too_many() -> Patches:
    """A receipt makes the gateway forget the event after the last one that it confirms."""
    usual = Outbox.acknowledge

    def greedy(self: Outbox, committed: Sequence[Committed]) -> None:
        usual(
            self,
            [replace_through(one, one.through + 1) if one.lane == "events" else one for one in committed],
        )

    yield mock.patch.object(Outbox, "acknowledge", greedy)


def replace_through(one: Committed, through: int) -> Committed:
    """The same lane, confirmed up to another number."""
    return Committed(epoch=one.epoch, lane=one.lane, through=through)


def _breach_moved_by_restart() -> Patches:
    """What ran out while the cloud was down counts as late only from its start on."""
    started: dict[str, datetime] = {}
    init = cloud.tickets.ticker.Ticker.__init__
    usual = cloud.sla.timeline._Phase.breach.fget  # type: ignore[attr-defined]  # a property

    def noting(self: Any, database: Any, desk: Any, clock: Any, *rest: Any) -> None:
        init(self, database, desk, clock, *rest)
        started["at"] = clock.now()

    def since_start(self: Any) -> datetime | None:
        at: datetime | None = usual(self)
        return None if at is None else max(at, started.get("at", at))

    yield mock.patch.object(cloud.tickets.ticker.Ticker, "__init__", noting)
    yield mock.patch.object(cloud.sla.timeline._Phase, "breach", property(since_start))


def _calls_repeated_after_restart() -> Patches:
    """Whoever was told before the cloud was restarted is told again."""
    usual = cloud.escalation.notifier.Notifier.run

    async def anew(self: Any) -> None:
        async with self._database.write() as connection:
            again = update(t.calls.notice).where(t.calls.notice.c.state == "sent")
            await connection.execute(again.values(state="waiting", claim="", next_at=self._clock.now_ms()))
        await usual(self)

    yield mock.patch.object(cloud.escalation.notifier.Notifier, "run", anew)


def _late_news_makes_late() -> Patches:
    """Clocks start when the gateway saw the fault, not when the cloud heard of it."""
    usual = cloud.tickets.faults._by_machine

    def backdated(kind: str, news: Any, now: int, data: dict[str, Any]) -> Any:
        return usual(kind, news, news.raised_at if kind == "opened" else now, data)

    yield mock.patch.object(cloud.tickets.faults, "_by_machine", backdated)


def _clear_ignored_on_the_shelf() -> Patches:
    """While an alarm is shelved nobody looks whether it has gone."""
    usual = Runtime.condition

    def sticky(self: Runtime, run: RuleRun, now: int) -> bool | None:
        found = usual(self, run, now)
        return True if run.shelved_until_ms is not None and run.state.is_active else found

    yield mock.patch.object(Runtime, "condition", sticky)


def _one_offset_a_year() -> Patches:
    """Working time knows no summer time: the hour that autumn repeats is counted once, the one that spring skips too."""

    def winter(zone: ZoneInfo, year: int) -> list[tuple[int, int, int]]:
        start, end = (cloud.sla.calendar.to_us(datetime(one, 1, 1, tzinfo=UTC)) for one in (year, year + 1))
        return [(start, end, cloud.sla.calendar.offset_us(zone, start))]

    yield mock.patch.object(cloud.sla.calendar, "_constant_offset", winter)


def _consequences_call_too() -> Patches:
    """An alarm that another explains gets a ticket of its own."""
    usual = edge.rules.judge.silence_of

    def loud(runtime: Any, run: Any) -> str:
        why = usual(runtime, run)
        return "" if why in run.rule.suppressed_by else why

    yield mock.patch.object(edge.rules.judge, "silence_of", loud)


MUTATIONS: tuple[Mutation, ...] = (
    Mutation("event_dropped_on_reconnect", "answers_are_lost", _event_dropped_on_reconnect),
    Mutation("unknown_is_false", "meter_garbles_during_a_fault", _unknown_is_false),
    Mutation("replay_counts_again", "answers_are_lost", _replay_counts_again),
    Mutation("hold_in_wall_time", "repair_waits_for_a_part", _hold_in_wall_time),
    Mutation("delay_restarts_after_crash", "gateway_killed_inside_a_delay", _delay_restarts_after_crash),
    Mutation("receipt_deletes_one_too_many", "many_alarms_wait_for_the_line", _receipt_deletes_one_too_many),
    Mutation("breach_moved_by_restart", "cloud_upgrade_in_mid_breach", _breach_moved_by_restart),
    Mutation("calls_repeated_after_restart", "cloud_upgrade_in_mid_breach", _calls_repeated_after_restart),
    Mutation("late_news_makes_late", "late_news_is_not_late_work", _late_news_makes_late),
    Mutation("clear_ignored_on_the_shelf", "shelf_runs_out", _clear_ignored_on_the_shelf),
    Mutation("one_offset_a_year", "summer_time_begins_in_london", _one_offset_a_year),
    Mutation("consequences_call_too", "power_failure_cascade", _consequences_call_too),
)
