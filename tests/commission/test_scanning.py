"""Scanning is polite, and leaves devices that will not have it."""

from contract.messages import Cause
from edge.acquire.frames import Read
from edge.commission.asking import Outcome
from edge.commission.scanning import Found, Scanner
from tests.support.clock import FakeClock


class Line:
    """Answers ``good`` requests with zeros, then falls silent."""

    through = ""

    def __init__(self, good: int) -> None:
        self.good, self.asked = good, 0

    async def ask(self, unit: int, read: Read, timeout_ms: int) -> Outcome:
        self.asked += 1
        if self.asked > self.good:
            return Outcome(cause=Cause.NO_RESPONSE, reason="silent")
        return Outcome(payload=bytes(read.payload_size))


def scanner(line: Line, clock: FakeClock, most: int = 100) -> Scanner:
    return Scanner(line, clock, pause_s=0.02, timeout_ms=100, most=most, tell=lambda _done, _of, _what: None)


async def test_a_device_that_falls_silent_is_left_after_three_requests() -> None:
    line, clock = Line(good=2), FakeClock(0)
    found = await scanner(line, clock).device(1, ["holding"], 0, 999)
    assert line.asked == 5
    assert "fell silent at holding 128" in found.stopped
    assert found.ranges("holding") == [(0, 63)]


async def test_there_is_a_pause_after_every_request() -> None:
    line, clock = Line(good=100), FakeClock(0)
    await scanner(line, clock).device(1, ["holding", "coil"], 0, 63)
    assert clock.slept_s == 0.02 * line.asked == 0.08


def test_ranges_end_where_an_address_is_missing() -> None:
    found = Found(1, {"input": dict.fromkeys([0, 1, 2, 5, 9, 10], 7)})
    assert found.ranges("input") == [(0, 2), (5, 5), (9, 10)]
    assert found.ranges("coil") == []
