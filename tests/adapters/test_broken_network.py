import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from simulators.broken_network import BrokenNetwork
from simulators.clock import SystemClock

QUESTION = bytes(range(64))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1024):
            writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def network() -> AsyncIterator[BrokenNetwork]:
    far = await asyncio.start_server(echo, "127.0.0.1", 0)
    net = BrokenNetwork(SystemClock(), "127.0.0.1", far.sockets[0].getsockname()[1], seed=3)
    await net.start()
    try:
        yield net
    finally:
        await net.stop()
        far.close()


async def ask(net: BrokenNetwork, *, size: int = len(QUESTION), wait_s: float = 1.0) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", net.port)
    try:
        writer.write(QUESTION)
        async with asyncio.timeout(wait_s):
            return await reader.readexactly(size)
    finally:
        writer.close()


async def test_fair_weather_changes_nothing() -> None:
    async with network() as net:
        assert await ask(net) == QUESTION
        assert net.connections == 1
        assert net.carried == 2 * len(QUESTION)


async def test_a_cut_line_ends_connections_until_it_is_mended() -> None:
    async with network() as net:
        reader, writer = await asyncio.open_connection("127.0.0.1", net.port)
        writer.write(QUESTION)
        await reader.readexactly(len(QUESTION))
        await net.cut()
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(1), 1) == b""
        writer.close()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await ask(net)
        net.mend()
        assert await ask(net) == QUESTION


async def test_delay_counts_once_in_each_direction() -> None:
    async with network() as net:
        net.delay(0.05)
        before = time.monotonic()
        assert await ask(net) == QUESTION
        assert time.monotonic() - before >= 0.1


async def test_a_trickle_brings_everything_in_small_pieces() -> None:
    async with network() as net:
        net.trickle(16, 0.01)
        before = time.monotonic()
        assert await ask(net) == QUESTION
        assert time.monotonic() - before >= 0.03


async def test_garbling_changes_bytes_and_not_their_number() -> None:
    async with network() as net:
        net.garble(0.2)
        answer = await ask(net)
        assert len(answer) == len(QUESTION)
        assert answer != QUESTION


async def test_duplication_sends_each_chunk_twice() -> None:
    async with network() as net:
        net.duplicate()
        assert await ask(net, size=4 * len(QUESTION)) == QUESTION * 4


async def test_a_half_open_line_takes_bytes_and_gives_none() -> None:
    async with network() as net:
        net.half_open()
        with pytest.raises(TimeoutError):
            await ask(net, wait_s=0.1)
        net.mend()
        assert await ask(net) == QUESTION
