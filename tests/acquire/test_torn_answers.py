"""Half an answer and no more: what comes next on the same connection is not taken for its rest."""

import asyncio
from typing import cast

import pytest

from edge.acquire.frames import Read
from edge.acquire.line import Line, NoResponse, NotConnected
from edge.site import Bus
from simulators.clock import VirtualClock, run_virtual

PORT = 5021
READ = Read(3, 0, 1)
TORN, WELL = 1, 2


class Converter(asyncio.Protocol):
    """Unit 1 says half of what it should, unit 2 all of it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.wire = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        reply = data[:2] + bytes.fromhex("0000 0005") + bytes([data[6], 3, 2, 0, 7])
        self.wire.write(reply[:8] if data[6] == TORN else reply)


async def play() -> bytes:
    server = await asyncio.get_running_loop().create_server(Converter, "127.0.0.1", PORT)
    line = Line(Bus("lan", "tcp", host="127.0.0.1", port=PORT), VirtualClock(0))
    await line.connect()
    with pytest.raises(NoResponse, match="half an answer"):
        await line.exchange(TORN, READ, 1000)
    assert not line.is_open
    with pytest.raises(NotConnected):
        await line.exchange(WELL, READ, 1000)
    await line.connect()
    answer = await line.exchange(WELL, READ, 1000)
    line.close()
    server.close()
    return cast("bytes", answer)


def test_the_neighbour_of_a_device_that_says_half_is_read_on_a_new_connection() -> None:
    assert run_virtual(play()).endswith(b"\x00\x07")
