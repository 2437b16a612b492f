"""One lane's loop with a real outbox and a cloud that is a function: nothing lost, nothing doubled, nothing early."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.codec import ANSWER_DIGEST, decode_envelope, decode_record, digest, encode_receipt, inflate
from contract.messages import (
    Committed,
    Directive,
    Envelope,
    Lane,
    Receipt,
    Record,
    RuleUnknown,
    SamplesThinned,
)
from edge.errors import Transient
from edge.outbox.sqlite import Outbox
from edge.store import AsyncOutbox
from edge.uplink.deliver import Delivery, Link
from edge.uplink.http import Cloud
from edge.uplink.session import Session
from tests.support.clock import FakeClock
from tests.support.plant import make_gateway

NOW = 1_795_000_000_000


class Desk:
    """A cloud that commits, with the faults a test orders: each ``answers`` entry stands in for one answer."""

    def __init__(self) -> None:
        self.committed: dict[tuple[int, str], list[Record]] = {}
        self.seen: list[Envelope] = []
        self.answers: list[Callable[[httpx.Request], httpx.Response] | None] = []
        self.wishes: list[Directive] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer secret"
        envelope = decode_envelope(inflate(request.content))
        self.seen.append(envelope)
        override = self.answers.pop(0) if self.answers else None
        if override is not None:
            return override(request)
        return sure(request, 200, self.take(envelope))

    def take(self, envelope: Envelope) -> bytes:
        lane = self.committed.setdefault((envelope.epoch, envelope.lane), [])
        if envelope.first <= len(lane) + 1:
            lane += [decode_record(body) for body in envelope.records[len(lane) + 1 - envelope.first :]]
        committed = [Committed(epoch=envelope.epoch, lane=envelope.lane, through=len(lane))]
        wishes, self.wishes = self.wishes, []
        return encode_receipt(
            Receipt(contract=1, gateway="gw_1", server_time="2026-11-21T07:05:00.123Z", committed=committed, directives=wishes)
        )  # fmt: skip

    def lose_the_receipt(self, request: httpx.Request) -> httpx.Response:
        self.take(decode_envelope(inflate(request.content)))
        raise httpx.ReadTimeout("cut after the commit", request=request)

    def rules(self) -> list[str]:
        return [record.rule for lane in self.committed.values() for record in lane if isinstance(record, RuleUnknown)]


def event(number: int) -> Record:
    return RuleUnknown(equipment="pump_1", rule=f"rule_{number}", at="2026-11-21T07:05:00.123Z", unknown=True)


class Bench:
    def __init__(self, folder: Path, lane: Lane = "events") -> None:
        (folder / "credential").write_text("secret\n")
        self.desk, self.clock, self.link = Desk(), FakeClock(NOW), Link()
        self.outbox = Outbox(folder / "edge.db", NOW)
        self.store = AsyncOutbox(self.outbox, self.clock, lambda: [event(0)], inline=True)
        config = make_gateway(cloud="http://desk", credential_file=folder / "credential")
        self.cloud = Cloud.open(config, httpx.MockTransport(self.desk))
        self.directives: list[Directive] = []
        self.delivery = Delivery(
            Session("gw_1", lane), self.cloud.ingest, self.store, self.clock, self.link, self.directives.extend,
            lambda: 0.0, self.clock, 10_000,
        )  # fmt: skip

    async def send(self) -> str:
        """One exchange of whatever is next; its outcome."""
        action = self.delivery.session
        batch = await self.store.next_batch(action.lane, action.records, 10**6)
        decision = await self.delivery.exchange(batch or await self.store.heartbeat())
        return decision.outcome.value


def sure(request: httpx.Request, status: int, body: bytes) -> httpx.Response:
    """An answer of the cloud's own."""
    return httpx.Response(status, content=body, headers={ANSWER_DIGEST: digest(request.content, body)})


def refuse_surely(status: int, code: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: sure(request, status, f'{{"code": "{code}"}}'.encode())


def refuse(status: int, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(status, headers=headers, text="refused")


async def test_what_the_cloud_committed_is_forgotten_and_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1), event(2)])
    assert await bench.send() == "committed"
    assert bench.outbox.depths["events"].records == 0
    assert bench.desk.rules() == ["rule_1", "rule_2"]
    assert bench.link.is_up


async def test_a_receipt_lost_on_the_way_makes_a_repeat_that_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1), event(2)])
    bench.desk.answers = [bench.desk.lose_the_receipt]
    assert await bench.send() == "unreachable"
    assert bench.outbox.depths["events"].records == 2
    bench.outbox.save(NOW, events=[event(3)])
    while bench.outbox.depths["events"].records:
        await bench.send()
    assert bench.desk.rules() == ["rule_1", "rule_2", "rule_3"]


async def test_a_receipt_lost_for_many_records_doubles_none_of_them_although_fewer_go_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(number) for number in range(40)])
    bench.delivery.session.records = 40
    bench.desk.answers = [bench.desk.lose_the_receipt]
    assert await bench.send() == "unreachable"
    assert bench.delivery.session.records == 20
    assert await bench.send() == "committed"
    assert bench.outbox.depths["events"].records == 0
    assert bench.desk.rules() == [f"rule_{number}" for number in range(40)]


async def test_while_answers_are_lost_a_new_alarm_goes_with_what_is_sent_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1)])
    bench.desk.answers = [bench.desk.lose_the_receipt] * 12
    for _ in range(11):
        assert await bench.send() == "unreachable"
    bench.outbox.save(NOW, events=[event(2)])
    assert await bench.send() == "unreachable"
    assert bench.desk.rules() == ["rule_1", "rule_2"]


@pytest.mark.parametrize("status", [400, 401, 403, 409, 422, 429, 500, 502, 503])
async def test_no_refusal_loses_a_record(tmp_path: Path, status: int) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1)])
    bench.desk.answers = [refuse(status)]
    assert await bench.send() != "committed"
    assert not bench.link.is_up
    assert await bench.send() == "committed"
    assert bench.desk.rules() == ["rule_1"]


async def test_a_captive_portals_page_is_no_receipt(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1)])
    bench.desk.answers = [lambda _request: httpx.Response(200, html="<html>sign in</html>")]
    assert await bench.send() == "not_a_receipt"
    assert bench.outbox.depths["events"].records == 1


async def test_one_record_the_cloud_can_never_take_is_set_aside_with_its_reason_and_the_lane_moves_on(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1), event(2)])
    bench.delivery.session.records = 1
    bench.desk.answers = [refuse_surely(400, "contract")]
    assert await bench.send() == "refused"
    assert await bench.send() == "committed"
    assert await bench.send() == "committed"
    (lane,) = bench.desk.committed.values()
    assert isinstance(lane[0], SamplesThinned)
    assert "contract" in lane[0].reason
    assert isinstance(lane[1], RuleUnknown)


async def test_after_a_conflict_everything_waiting_goes_again_in_a_new_epoch(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1)])
    before = bench.outbox.epoch
    bench.desk.answers = [refuse_surely(409, "epoch_taken")]
    assert await bench.send() == "epoch_conflict"
    assert await bench.send() == "committed"
    assert bench.outbox.epoch > before
    assert bench.desk.rules() == ["rule_0", "rule_1"]  # the announcement first
    assert bench.desk.seen[-1].previous is not None


async def test_directives_in_a_receipt_reach_the_gateway(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.desk.wishes = [Directive(id="d1", kind="refresh", by="li")]
    assert await bench.send() == "committed"
    assert [one.id for one in bench.directives] == ["d1"]
    assert bench.desk.seen[0].records == []


async def test_a_missing_credential_is_told_and_found_once_it_is_there(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.cloud.credential_file.unlink()
    assert await bench.send() == "unreachable"
    assert "enrol" in bench.link.reason
    bench.cloud.credential_file.write_text("secret")
    assert await bench.send() == "committed"


async def test_the_loop_sends_an_event_at_once_and_beats_when_there_is_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    task = asyncio.create_task(bench.delivery.run())
    await bench.clock.until(lambda: len(bench.desk.seen) == 1)
    assert bench.desk.seen[0].records == []
    bench.outbox.save(NOW, events=[event(1)])
    bench.delivery.wake.set()
    await bench.clock.until(lambda: bench.desk.rules() == ["rule_1"])
    task.cancel()


async def test_the_loop_waits_out_a_failure_on_its_clock(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1)])
    bench.desk.answers = [refuse(503, **{"Retry-After": "20"})]
    task = asyncio.create_task(bench.delivery.run())
    await bench.clock.until(lambda: bench.desk.rules() == ["rule_1"])
    assert bench.clock.slept_s == pytest.approx(20)
    task.cancel()


async def test_the_loop_outlives_an_outbox_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.outbox.save(NOW, events=[event(1)])
    broken = 3
    read = bench.outbox.next_batch

    def failing(*arguments: Any) -> object:
        nonlocal broken
        broken -= 1
        if broken >= 0:
            raise Transient("disk I/O error")
        return read(*arguments)

    monkeypatch.setattr(bench.outbox, "next_batch", failing)
    task = asyncio.create_task(bench.delivery.run())
    await bench.clock.until(lambda: bench.desk.rules() == ["rule_1"])
    assert bench.clock.slept_s == pytest.approx(3)
    task.cancel()
