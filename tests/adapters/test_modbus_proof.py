"""The requirement's full figures on one serial line at 9600 baud: what silent devices cost the healthy ones."""

import asyncio
from collections.abc import Set as AbstractSet

import pytest

from contract.messages import Quality
from edge.acquire.breaker import LONGEST_BACK_OFF_MS
from edge.site import Bus
from tests.support.buses import own_addresses, running
from tests.support.modbus_peers import Asked
from tests.support.serial_lines import RawSerial, serial_pair

SECONDS = 60
CHARACTER_S = 10 / 9600

pytestmark = [pytest.mark.proof, pytest.mark.timeout(120)]


async def good_polls(silent: AbstractSet[int]) -> dict[int, int]:
    """Polls with a good value within a minute, by unit: ten units of ten registers, one second each."""

    async def behave(asked: Asked) -> None:
        if asked.unit not in silent:
            await asyncio.sleep((8 + 5 + 2 * asked.count) * CHARACTER_S + 0.005)
            asked.answer()

    async with serial_pair() as (here, there):
        units, bus = RawSerial(behave), Bus("line", "rtu", serial_port=here, baud=9600)
        devices = [
            own_addresses(10, bus, unit=unit, name=f"meter_{unit}", every_ms=1000, timeout="1s")
            for unit in range(1, 11)
        ]
        async with units.serve(there), running(bus, *devices) as one:
            await asyncio.sleep(SECONDS)
            return {
                unit: sum(row.quality is Quality.GOOD for row in one.basket.of("p0", f"meter_{unit}"))
                for unit in range(1, 11)
            }


async def test_lesson_a_nine_healthy_devices_keep_nine_tenths_of_their_rate_beside_a_silent_one() -> None:
    rates = await good_polls({4})
    assert rates.pop(4) == 0
    assert min(rates.values()) >= 0.9 * SECONDS


async def test_lesson_a_one_healthy_device_loses_at_most_one_poll_to_each_probe_of_nine_silent_ones() -> None:
    """Each silent one is waited for in full once, at the start; from then on one poll a back-off is the most it may cost."""
    rates = await good_polls(set(range(1, 11)) - {7})
    assert rates[7] >= SECONDS - 9 - SECONDS * 1000 / LONGEST_BACK_OFF_MS
