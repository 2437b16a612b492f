"""A peer that answers anything at all: nothing raises, and no good sample is one that was not sent."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from contract.messages import Quality
from edge.site import Bus
from tests.support.buses import own_addresses, running, wrong
from tests.support.modbus_peers import Asked, RawServer
from tests.support.serial_lines import RawSerial, serial_pair

POINTS = 12
GOOD_SAMPLES = 60


class Nonsense:
    """Truncated, oversized, duplicated, reordered, foreign and garbled answers, each followed by a right one.

    What no header and no checksum could tell from the truth is left out: other values within a frame that is right.
    """

    def __init__(self, seed: int) -> None:
        self.dice, self.sent, self.asked = random.Random(seed), [b""], 0

    async def answer(self, asked: Asked) -> None:
        ways: list[Callable[[Asked], bytes]] = [
            self.truncated, self.oversized, self.doubled, self.foreign, self.garbage,
            self.other_header, self.old, self.other_length, self.nothing,
        ]  # fmt: skip
        self.asked += 1
        told = self.dice.choice(ways)(asked) if self.asked % 2 else self.right(asked)
        cut = self.dice.randrange(len(told) + 1)
        asked.writer.write(told[:cut])
        await asyncio.sleep(0)
        asked.writer.write(told[cut:])

    def right(self, asked: Asked) -> bytes:
        self.sent.append(asked.frame(asked.values()))
        return self.sent[-1]

    def truncated(self, asked: Asked) -> bytes:
        whole = asked.frame(asked.values())
        return whole[: self.dice.randrange(len(whole))]

    def oversized(self, asked: Asked) -> bytes:
        return asked.frame(asked.values()) + self.dice.randbytes(self.dice.randrange(1, 300))

    def doubled(self, asked: Asked) -> bytes:
        return asked.frame(asked.values()) * 3

    def foreign(self, asked: Asked) -> bytes:
        return asked.frame(asked.values(), unit=asked.unit + 1 + self.dice.randrange(9))

    def garbage(self, _asked: Asked) -> bytes:
        return self.dice.randbytes(self.dice.randrange(1, 400))

    def other_header(self, asked: Asked) -> bytes:
        frame = bytearray(asked.frame(asked.values()))
        frame[self.dice.randrange(min(9, len(frame)))] ^= 1 << self.dice.randrange(8)
        return bytes(frame)

    def old(self, _asked: Asked) -> bytes:
        return self.dice.choice(self.sent)

    def other_length(self, asked: Asked) -> bytes:
        size = self.dice.choice([one for one in range(250) if one != 2 * asked.count])
        return asked.frame(bytes([asked.pdu[0], size]) + self.dice.randbytes(self.dice.choice([size, 251 - size, 3])))

    def nothing(self, _asked: Asked) -> bytes:
        return b""


@contextlib.asynccontextmanager
async def peer(kind: Any, nonsense: Nonsense) -> AsyncIterator[Bus]:
    """The peer behind a socket, or at the other end of a serial line."""
    if kind == "rtu":
        async with serial_pair() as (here, there), RawSerial(nonsense.answer).serve(there):
            yield Bus("line", "rtu", serial_port=here, baud=115_200)
    else:
        async with RawServer(nonsense.answer, is_rtu=kind == "rtu_over_tcp").serve() as server:
            yield Bus("lan", kind, host="127.0.0.1", port=server.port)


WAYS = [(kind, seed) for kind in ("tcp", "rtu_over_tcp", "rtu") for seed in range(4 if kind != "rtu" else 2)]


@pytest.mark.parametrize(("kind", "seed"), WAYS)
async def test_no_bytes_raise_and_none_become_a_good_sample_that_was_not_sent(kind: Any, seed: int) -> None:
    nonsense = Nonsense(seed)
    most = 5 if kind == "tcp" else POINTS  # on a serial line nothing tells a repeated answer to an equal question
    async with contextlib.AsyncExitStack() as stack:
        bus = await stack.enter_async_context(peer(kind, nonsense))
        device = own_addresses(POINTS, bus, every_ms=10, timeout="20ms", max_registers=most)
        one = await stack.enter_async_context(running(bus, device))
        samples = one.basket.samples
        await one.basket.until(lambda: sum(row.quality is Quality.GOOD for row in samples) >= GOOD_SAMPLES, seconds=25)
        assert wrong(samples) == []
        assert len(samples) > GOOD_SAMPLES
        assert all(row.value is None for row in samples if row.quality is Quality.BAD)
