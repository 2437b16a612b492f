"""Whatever is lost, repeated, refused, restarted or cannot be written, in any order: every event arrives once, in order.

A real outbox on disk, the real session, and a cloud that decides with the cloud's own rule which records are new.
"""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cloud.ingest.accept import Fresh, accept
from contract.codec import decode_envelope, encode_receipt
from contract.messages import Committed, Envelope, Receipt, Record, RuleUnknown
from edge.outbox.sqlite import Outbox
from edge.store import AsyncOutbox
from edge.uplink.deliver import Delivery, Link
from edge.uplink.session import Answer, Session
from tests.support.clock import FakeClock

NOW = 1_795_000_000_000
AT = "2026-11-21T07:05:00.123Z"


def event(number: int) -> Record:
    return RuleUnknown(equipment="pump_1", rule=f"rule_{number}", at=AT, unknown=True)


class Cloud:
    """What is committed, by epoch, and the last good receipt."""

    def __init__(self) -> None:
        self.through: dict[int, int] = {}
        self.arrived: list[str] = []

    def take(self, body: bytes) -> Answer:
        envelope = decode_envelope(body)
        decision = accept(envelope, self.through.get(envelope.epoch, 0), NOW)
        if isinstance(decision, Fresh):
            self.through[envelope.epoch] = decision.through
            self.arrived += [one.record.rule for one in decision.accepted if isinstance(one.record, RuleUnknown)]
        return Answer(200, encode_receipt(self.receipt(envelope, decision.through)), is_sure=True)

    def receipt(self, envelope: Envelope, through: int) -> Receipt:
        committed = [Committed(epoch=envelope.epoch, lane=envelope.lane, through=through)]
        return Receipt(contract=1, gateway="gw_1", server_time=AT, committed=committed)


class Deliveries(RuleBasedStateMachine):
    """One lane of events. ``settle`` is the end of every run: the line is good, and everything must have arrived once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.Runner()
        self.clock, self.cloud = FakeClock(NOW), Cloud()
        self.saved: list[str] = []
        self.start()

    def start(self) -> None:
        self.outbox = Outbox(Path(self.folder.name) / "edge.db", self.clock.now_ms())
        self.store = AsyncOutbox(self.outbox, self.clock, lambda: [event(0)], inline=True)
        self.session = Session("gw_1", "events")

    def run_now(self, work: Coroutine[Any, Any, Any]) -> None:
        self.loop.run(work)

    @rule(count=st.integers(1, 12))
    def save(self, count: int) -> None:
        events = [event(len(self.saved) + number + 1) for number in range(count)]
        self.outbox.save(self.clock.now_ms(), events=events)
        self.saved += [one.rule for one in events if isinstance(one, RuleUnknown)]

    @rule(
        way=st.sampled_from(["good", "request lost", "receipt lost", "garbled", "proxy's 400", "portal", "busy", "409"])
    )
    def exchange(self, way: str) -> None:
        self.run_now(self._exchange(self._ways()[way]))

    def _ways(self) -> dict[str, Callable[[bytes], Answer]]:
        def after_commit(answer: Answer) -> Callable[[bytes], Answer]:
            def way(body: bytes) -> Answer:
                self.cloud.take(body)
                return answer

            return way

        return {
            "good": self.cloud.take,
            "request lost": lambda _body: Answer(0, reason="ConnectError"),
            "receipt lost": after_commit(Answer(0, reason="ReadTimeout")),
            "garbled": after_commit(Answer(0, reason="changed on the way")),
            "proxy's 400": after_commit(Answer(400, b"Bad Request")),
            "portal": lambda _body: Answer(200, b"<html>"),
            "busy": lambda _body: Answer(503, is_sure=True),
            "409": after_commit(Answer(409, b'{"code": "epoch_taken"}')),
        }

    async def _exchange(self, way: Callable[[bytes], Answer]) -> None:
        async def send(body: bytes) -> Answer:
            return way(body)

        delivery = Delivery(
            self.session, send, self.store, self.clock, Link(), lambda _wishes: None, lambda: 0.0, self.clock, 10_000
        )
        batch = await self.store.next_batch("events", self.session.records, 10**6)
        await delivery.exchange(batch or await self.store.heartbeat())

    @precondition(lambda self: not self.outbox.is_away)
    @rule(later_s=st.integers(0, 3))
    def restart(self, later_s: int) -> None:
        self.clock.advance(later_s)
        self.outbox._db.close()  # as a kill leaves it; what was committed is on the disk
        self.start()

    @precondition(lambda self: not self.outbox.is_away)
    @rule()
    def disk_fails(self) -> None:
        self.outbox.leave_disk(self.clock.now_ms())

    @precondition(lambda self: self.outbox.is_away)
    @rule()
    def disk_is_well(self) -> None:
        self.outbox.return_to_disk()

    @invariant()
    def nothing_arrives_twice(self) -> None:
        assert len(set(self.cloud.arrived)) == len(self.cloud.arrived)

    @invariant()
    def what_waits_is_counted(self) -> None:
        waiting = self.outbox._db.execute("SELECT count(*) FROM outbox").fetchone()[0]
        assert self.outbox.depths["events"].records == waiting

    def teardown(self) -> None:
        self.outbox.return_to_disk()
        for _ in range(len(self.saved) + 3):  # one at a time at worst
            self.exchange("good")
        arrived, saved = self.cloud.arrived, self.saved
        self.outbox.close()
        self.loop.close()
        self.folder.cleanup()
        assert sorted(arrived) == sorted(saved)


class UndisturbedDisk(Deliveries):
    """As long as the disk works, the order of arrival is the order of events."""

    disk_fails = None  # type: ignore[assignment]

    @invariant()
    def in_order(self) -> None:
        assert self.cloud.arrived == self.saved[: len(self.cloud.arrived)]


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestUndisturbedDisk = UndisturbedDisk.TestCase
TestUndisturbedDisk.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
