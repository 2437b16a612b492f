"""The passing of time: breaches at their instant, across restarts and beside each other; silence of gateways."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from cloud.people import gateways
from cloud.sla.policy import Grant, Policy, Target
from cloud.storage import tables as t
from cloud.tickets.desk import Desk as Rules
from cloud.tickets.ticker import Ticker
from contract.conventions import format_instant
from tests.support.desk import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    Desk,
    StoppedClock,
    announcement,
    desk,
    fresh_database,
    raised,
    rows,
    trapped,
)


async def breaches(d: Desk) -> list[tuple[str, int]]:
    return [
        (row["data"]["clock"], row["at"] - START)
        for row in await rows(d.database, t.timeline, kind="breached", ticket_id=1)
    ]


async def test_a_breach_is_recorded_once_at_its_due_instant(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await (await d.gateway()).tell(announcement(), raised(START))
        await d.tick(2 * HOUR)
        assert await breaches(d) == []
        await d.tick(1)
        await d.tick(HOUR)
        assert await breaches(d) == [("response", 2 * HOUR)]
        (response,) = await rows(d.database, t.deadline, clock="response", ticket_id=1)
        assert (response["state"], response["breached_at"]) == ("breached", START + 2 * HOUR)


async def test_a_breach_that_fell_into_a_downtime_is_recorded_at_its_instant_once(tmp_path: Path) -> None:
    clock = StoppedClock()
    async with desk(tmp_path, clock=clock) as d:
        await (await d.gateway()).tell(announcement(), trapped(START))
    clock.ms = START + 5 * HOUR
    for _ in range(2):
        async with desk(tmp_path, clock=clock) as d:
            await d.tick()
            assert await breaches(d) == [("arrival", 30 * MINUTE), ("response", HOUR)]


async def test_two_tickers_at_once_record_a_breach_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await (await d.gateway()).tell(announcement(), raised(START))
        d.clock.ms += 3 * HOUR
        threaded = await fresh_database(tmp_path, is_inline=False)
        other = await fresh_database(tmp_path, is_inline=False)
        tickers = [Ticker(one, Rules(), d.clock, lambda *_: None) for one in (threaded, other)]
        await asyncio.gather(*(ticker.tick() for ticker in tickers))
        assert await breaches(d) == [("response", 2 * HOUR)]
        await threaded.close()
        await other.close()


async def test_a_hold_ends_by_itself_at_the_instant_it_was_given(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), raised(START))
        await d.act("T-000001", "acknowledge")
        await d.act("T-000001", "hold", reason="part", until=format_instant(START + 4 * HOUR))
        await d.tick(6 * HOUR)
        await d.tick(HOUR)
        (ticket,) = await rows(d.database, t.ticket, id=1)
        (resolution,) = await rows(d.database, t.deadline, clock="resolution", ticket_id=1)
        assert (ticket["state"], ticket["hold_until"]) == ("in_progress", None)
        assert (resolution["state"], resolution["due_at"]) == ("running", START + 52 * HOUR)
        assert [row["at"] for row in await rows(d.database, t.timeline, kind="resumed")] == [START + 4 * HOUR]


async def test_a_stored_breach_survives_a_policy_that_would_have_allowed_more(tmp_path: Path) -> None:
    clock = StoppedClock()
    async with desk(tmp_path, clock=clock) as d:
        await (await d.gateway()).tell(announcement(), raised(START))
        await d.tick(3 * HOUR)
    kinder = Policy("kinder", (Grant(Target("response", timedelta(hours=24))),))
    async with desk(tmp_path, clock=clock, policy=kinder) as d:
        await d.sign_in()
        await d.act("T-000001", "acknowledge")
        (response,) = await rows(d.database, t.deadline, clock="response", ticket_id=1)
        assert (response["state"], response["breached_at"]) == ("breached", START + 2 * HOUR)


async def test_a_silent_gateway_is_one_ticket_and_its_return_notes_the_gap(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        await d.tick(19 * SECOND)
        assert await rows(d.database, t.ticket) == []
        await d.tick(SECOND)
        await d.tick(HOUR)
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["rule"], ticket["equipment_id"], ticket["fault_key"]) == (
            "gateway_silent", "gw_1", "riverside/gw_1/gateway_silent",
        )  # fmt: skip
        assert ticket["title"]["en"] == "gw_1: gateway is silent"
        (device,) = await rows(d.database, t.device)
        assert device["state"] == "unknown"
        await gateway.tell()
        (row,) = await rows(d.database, t.gateway)
        assert row["offline_since"] is None
        (line,) = await rows(d.database, t.timeline, kind="cleared")
        assert line["data"]["gap_ms"] == HOUR + 20 * SECOND
        (alarm,) = await rows(d.database, t.alarm)
        assert alarm["state"] == "cleared"


async def test_a_cloud_that_was_away_does_not_call_its_gateways_silent(tmp_path: Path) -> None:
    clock = StoppedClock()
    async with desk(tmp_path, clock=clock) as d:
        await (await d.gateway()).tell(announcement())
    clock.ms += 8 * HOUR
    async with desk(tmp_path, clock=clock) as d:
        await d.tick(19 * SECOND)
        assert await rows(d.database, t.ticket) == []
        await d.tick(2 * SECOND)
        assert len(await rows(d.database, t.ticket)) == 1


async def test_a_gateway_that_never_spoke_is_not_silent_and_a_revoked_one_may_be(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.gateway("gw_2")
        gateway = await d.gateway()
        await gateway.tell(announcement())
        async with d.database.write() as connection:
            await gateways.revoke(connection, "gw_1", d.clock.ms)
        await d.tick(HOUR)
        assert await rows(d.database, t.ticket) == []


async def test_it_sleeps_until_the_earliest_deadline_and_is_woken_by_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        await (await d.gateway()).tell(announcement(), raised(START))
        ticker = d.app.state.ticker
        looked = asyncio.Semaphore(0)
        tick = ticker.tick

        async def counted() -> None:
            await tick()
            looked.release()

        monkeypatch.setattr(ticker, "tick", counted)
        running = asyncio.ensure_future(ticker.run())
        await looked.acquire()
        d.clock.ms += 3 * HOUR
        ticker.wake()
        await looked.acquire()
        assert await breaches(d) == [("response", 2 * HOUR)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("behind_ms", "is_silent", "why"),
    [(0, True, "gateway_silent"), (0, False, "held_up"), (30 * MINUTE, False, "clock")],
)
async def test_a_ticket_says_why_its_news_came_late_and_no_clock_ran_before(
    tmp_path: Path, behind_ms: int, is_silent: bool, why: str
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        d.clock.ms += 20 * MINUTE
        if is_silent:
            await d.tick()
        sent_at = format_instant(d.clock.ms - behind_ms)
        await gateway.tell(raised(START + 1000 - behind_ms), sent_at=sent_at)
        (opened,) = [
            one
            for one in await rows(d.database, t.timeline, kind="opened")
            if "began_at" in one["data"] and one["actor"] == "gw_1"
        ]
        assert opened["data"]["news_late_why"] == why
        if is_silent:
            assert (opened["data"]["silent_from"], opened["data"]["silent_until"]) == (START, START + 20 * MINUTE)
        clocks = await rows(d.database, t.deadline, ticket_id=opened["ticket_id"])
        assert {clock["start_at"] for clock in clocks} == {START + 20 * MINUTE}
        assert {clock["state"] for clock in clocks} == {"running"}
