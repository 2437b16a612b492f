"""Ten units on one line at 9600 baud, ten minutes in virtual time: the real bus, breaker and framing over a port that takes as
long as a wire. The same with real ports and real minutes: tests/adapters/test_modbus_proof.py.
"""

import asyncio
from collections import Counter
from collections.abc import Set as AbstractSet

import pytest

from contract.messages import Quality
from edge.acquire.breaker import LONGEST_BACK_OFF_MS
from edge.acquire.frames import crc16
from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.site import Bus
from simulators.clock import VirtualClock, run_virtual
from tests.support.buses import own_addresses, wrong
from tests.support.devices import Basket

SECONDS = 600
CHARACTER_S = 10 / 9600
TURNAROUND_S = 0.02
UNITS = range(1, 11)
START_MS = 1_795_000_000_000
LINE = Bus("line", "rtu", serial_port="/dev/ttyS1", baud=9600)


class Wire:
    """Half duplex at 9600 baud: a unit answers after the request has passed, and its answer takes its own time."""

    def __init__(
        self,
        receiver: asyncio.Protocol,
        silent: AbstractSet[int],
        asked: Counter[int],
        character_s: float = CHARACTER_S,
    ) -> None:
        self.receiver, self.silent, self.asked, self.character_s = receiver, silent, asked, character_s
        receiver.connection_made(self)  # type: ignore[arg-type]

    def write(self, frame: bytes) -> None:
        unit, first, count = frame[0], int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big")
        self.asked[unit] += 1
        if unit in self.silent:
            return
        words = b"".join(at.to_bytes(2, "big") for at in range(first, first + count))
        reply = bytes([unit, frame[1], len(words)]) + words
        reply += crc16(reply).to_bytes(2, "little")
        wait_s = (len(frame) + len(reply)) * self.character_s + TURNAROUND_S
        asyncio.get_running_loop().call_later(wait_s, self.receiver.data_received, reply)

    def close(self) -> None:
        """There is only this one wire."""


async def live(silent: AbstractSet[int], asked: Counter[int]) -> Basket:
    devices = [own_addresses(10, LINE, unit=unit, name=f"meter_{unit}", every_ms=1000, timeout="1s") for unit in UNITS]
    basket = Basket()
    bus = ModbusBus(LINE, devices, VirtualClock(START_MS), basket, HealthBoard())
    task = asyncio.create_task(bus.run())
    await asyncio.sleep(SECONDS)
    task.cancel()
    return basket


def good_polls(silent: AbstractSet[int], monkeypatch: pytest.MonkeyPatch) -> tuple[dict[int, int], Counter[int]]:
    """Polls with a good value, and requests sent, by unit."""
    asked: Counter[int] = Counter()
    monkeypatch.setattr("edge.acquire.serial_port.open_port", lambda _bus, receiver: Wire(receiver, silent, asked))
    basket = run_virtual(live(silent, asked))
    assert wrong(basket.samples) == []
    good = Counter(row.device for row in basket.samples if row.point == "p0" and row.quality is Quality.GOOD)
    return {unit: good[f"meter_{unit}"] for unit in UNITS}, asked


SLOW = Bus("line", "rtu", serial_port="/dev/ttyS1", baud=1200)


async def read_slowly(asked: Counter[int]) -> Basket:
    """Sixty registers take longer on this wire than the device's own time-out of a second."""
    basket = Basket()
    device = own_addresses(60, SLOW, every_ms=5000, timeout="1s")
    task = asyncio.create_task(ModbusBus(SLOW, [device], VirtualClock(START_MS), basket, HealthBoard()).run())
    await asyncio.sleep(60)
    task.cancel()
    return basket


def test_an_answer_that_takes_longer_on_the_wire_than_the_time_out_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: Counter[int] = Counter()
    slow_s = 10 / SLOW.baud
    monkeypatch.setattr(
        "edge.acquire.serial_port.open_port", lambda _bus, receiver: Wire(receiver, set(), asked, slow_s)
    )
    basket = run_virtual(read_slowly(asked))
    assert {row.quality for row in basket.samples} == {Quality.GOOD}
    assert len(basket.of("p59")) == 12
    assert wrong(basket.samples) == []


def test_lesson_a_nine_healthy_units_keep_nine_tenths_of_their_rate_beside_a_silent_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates, asked = good_polls({4}, monkeypatch)
    assert rates.pop(4) == 0
    assert min(rates.values()) >= 0.9 * SECONDS
    assert asked[4] <= SECONDS * 1000 / LONGEST_BACK_OFF_MS + 6


def test_lesson_a_one_healthy_unit_loses_at_most_a_poll_to_each_probe_of_nine_silent_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It loses fewer polls than one probe in each back-off: probes are short, and give way to it after each."""
    silent = set(UNITS) - {7}
    rates, asked = good_polls(silent, monkeypatch)
    back_offs = SECONDS * 1000 / LONGEST_BACK_OFF_MS
    assert max(asked[unit] for unit in silent) <= back_offs + 6
    assert rates[7] >= SECONDS - back_offs
