"""Real processes that die at the wrong moment: one fault stays one ticket, and no clock forgets anything.

The same deaths in a process of virtual time are in ``make test``: gateway_killed_inside_a_delay, cloud_dead_while_a_fault_comes_and_goes.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from contract.conventions import instant_ms
from simulators.stack import Stack
from tests.support.stack import active_alarms, running, ticket_for, tickets_of, until

pytestmark = pytest.mark.timeout(90)

SHORT_RESPONSE = "targets:\n  - {clock: response, priority: major, within: 6s, source: a test}\n"


async def response_clock(stack: Stack, ticket: str) -> dict[str, Any]:
    clocks: Any = await stack.cloud.get(f"/api/v1/tickets/{ticket}/clocks")
    found: dict[str, Any] = next(one for one in clocks if one["clock"] == "response")
    return found


@pytest.mark.proof
async def test_a_gateway_killed_in_mid_fault_gives_one_ticket(tmp_path: Path) -> None:
    async with running(tmp_path) as stack:
        await stack.change("inject", "feeder_1", "overload")
        await asyncio.sleep(1.2)  # true, and its on-delay of two seconds is running
        await stack.family.kill("gateway")
        await stack.start_gateway()
        await ticket_for(stack, "feeder_1", "overcurrent")
        await stack.family.kill("gateway")  # active, and its ticket open
        await stack.start_gateway()
        assert await until(lambda: active_alarms(stack, "feeder_1", "overcurrent"), "the alarm to be active")
        await stack.change("clear", "feeder_1", "overload")

        async def is_over() -> bool:
            return not await active_alarms(stack, "feeder_1", "overcurrent")

        await until(is_over, "the alarm to clear")
        assert [one.key for one in await stack.cloud.tickets()] == [("feeder_1", "overcurrent")]


async def test_a_cloud_killed_in_mid_clock_records_the_breach_once_at_its_moment(tmp_path: Path) -> None:
    async with running(tmp_path, SHORT_RESPONSE) as stack:
        await stack.change("inject", "lift_1", "drive_over_temperature")
        ticket = await ticket_for(stack, "lift_1", "drive_over_temperature")
        assert ticket.response_due is not None
        assert instant_ms(ticket.response_due) - ticket.received_ms == 6000
        await stack.family.kill("cloud")
        await asyncio.sleep(7)  # the due instant passes while there is no cloud
        await stack.start_cloud()
        clock = await until(lambda: breached(stack, ticket.id), "the breach to be recorded")
        assert clock["breached_at"] == ticket.response_due
        await stack.family.end("cloud")
        await stack.start_cloud()
        shown = await stack.cloud.get(f"/api/v1/tickets/{ticket.id}")
        breaches = [one for one in shown["timeline"] if one["kind"] == "breached"]
        assert [one["at"] for one in breaches] == [ticket.response_due]
        assert len(await tickets_of(stack, "lift_1", "drive_over_temperature")) == 1


async def breached(stack: Stack, ticket: str) -> dict[str, Any] | None:
    clock = await response_clock(stack, ticket)
    return clock if clock["breached_at"] else None


@pytest.mark.proof
async def test_what_happens_while_the_cloud_is_down_is_told_when_it_is_back(tmp_path: Path) -> None:
    async with running(tmp_path) as stack:
        await stack.family.kill("cloud")
        await stack.change("inject", "pump_1", "dry_run")
        await stack.change("inject", "fire_pump_1", "not_in_auto")
        await asyncio.sleep(3)
        await stack.change("clear", "fire_pump_1", "not_in_auto")
        await asyncio.sleep(3)
        stack.family.check()
        await stack.start_cloud()
        lasting = await ticket_for(stack, "pump_1", "dry_run")
        over = await ticket_for(stack, "fire_pump_1", "not_in_auto")
        details = {one.id: await stack.cloud.get(f"/api/v1/tickets/{one.id}") for one in (lasting, over)}
        assert details[over.id]["is_past"]
        assert not details[lasting.id]["is_past"]
        assert lasting.received_ms - instant_ms(lasting.raised_at) > 3000  # how late the news came is told
