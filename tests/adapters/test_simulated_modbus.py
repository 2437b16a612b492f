"""The simulated device against bytes written from the Modbus specification, and against an independent client."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from simulators.clock import SystemClock
from simulators.modbus_device import ILLEGAL_ADDRESS, Misbehaviour, ModbusServer, Refused, Table


class Tables:
    """Registers 0 to 9 hold 0x1000 + address; bits are set at odd addresses."""

    def read(self, table: Table, first: int, count: int) -> list[int]:
        if first + count > 10:
            raise Refused(ILLEGAL_ADDRESS)
        if table in ("coil", "discrete"):
            return [address & 1 for address in range(first, first + count)]
        return [0x1000 + address for address in range(first, first + count)]


@contextlib.asynccontextmanager
async def serving(*devices: int) -> AsyncIterator[ModbusServer]:
    server = ModbusServer(SystemClock(), {device: Tables() for device in devices or (1,)}, seed=7)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def exchange(server: ModbusServer, request: str, *, wait_s: float = 1.0, size: int = 260) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(bytes.fromhex(request))
        async with asyncio.timeout(wait_s):
            return (await reader.read(size)).hex(" ")
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_hex", "reply_hex"),
    [
        ("0001 0000 0006 01 03 0002 0002", "00 01 00 00 00 07 01 03 04 10 02 10 03"),
        ("0002 0000 0006 01 04 0000 0001", "00 02 00 00 00 05 01 04 02 10 00"),
        ("0003 0000 0006 01 02 0000 0009", "00 03 00 00 00 05 01 02 02 aa 00"),
        ("0004 0000 0006 01 01 0001 0001", "00 04 00 00 00 04 01 01 01 01"),
        ("0005 0000 0006 01 03 0009 0002", "00 05 00 00 00 03 01 83 02"),
        ("0006 0000 0006 01 06 0000 0001", "00 06 00 00 00 03 01 86 01"),
        ("0007 0000 0006 01 03 0000 007e", "00 07 00 00 00 03 01 83 03"),
        ("0008 0000 0006 09 03 0000 0001", "00 08 00 00 00 03 09 83 0b"),
    ],
    ids=["holding", "input", "discrete", "coil", "unmapped", "write", "too_many", "no_such_device"],
)
async def test_a_request_is_answered_as_the_specification_says(request_hex: str, reply_hex: str) -> None:
    async with serving() as server:
        assert await exchange(server, request_hex) == reply_hex


async def test_an_independent_client_reads_many_devices_behind_one_port() -> None:
    async with serving(*range(1, 201)) as server:
        client = AsyncModbusTcpClient("127.0.0.1", port=server.port, timeout=1, retries=0)
        assert await client.connect()
        try:
            for device in range(1, 201):
                reply = await client.read_holding_registers(3, count=2, device_id=device)
                assert reply.registers == [0x1003, 0x1004]
        finally:
            client.close()


async def test_a_write_is_refused_and_remembered() -> None:
    async with serving() as server:
        await exchange(server, "0001 0000 0006 01 05 0000 ff00")
        assert server.unserved == [(1, 5)]


READ_ONE = "0001 0000 0006 01 03 0000 0001"


@pytest.mark.parametrize("fault", ["silent", "half_open"])
async def test_a_dead_device_says_nothing_while_its_neighbour_answers(fault: str) -> None:
    async with serving(1, 2) as server:
        server.misbehave(1, Misbehaviour(fault))  # type: ignore[arg-type]
        with pytest.raises(TimeoutError):
            await exchange(server, READ_ONE, wait_s=0.1)
        assert (await exchange(server, "0001 0000 0006 02 03 0000 0001")).endswith("10 00")


async def test_a_busy_device_answers_exception_six_until_it_recovers() -> None:
    async with serving() as server:
        server.misbehave(1, Misbehaviour("busy"))
        assert (await exchange(server, READ_ONE)).endswith("83 06")
        server.misbehave(1)
        assert (await exchange(server, READ_ONE)).endswith("10 00")


async def test_a_slow_device_takes_its_time() -> None:
    async with serving() as server:
        server.misbehave(1, Misbehaviour("slow", delay_s=0.15))
        before = time.monotonic()
        assert (await exchange(server, READ_ONE)).endswith("10 00")
        assert time.monotonic() - before >= 0.15


async def test_a_late_reply_arrives_after_the_next_one_with_its_own_number() -> None:
    async with serving() as server:
        server.misbehave(1, Misbehaviour("late", delay_s=0.1))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(bytes.fromhex(READ_ONE))
        await asyncio.sleep(0.02)
        server.misbehave(1)
        writer.write(bytes.fromhex("0002 0000 0006 01 03 0001 0001"))
        replies = [await asyncio.wait_for(reader.readexactly(11), 1) for _ in range(2)]
        assert [reply[:2].hex() for reply in replies] == ["0002", "0001"]
        writer.close()


async def test_a_duplicating_device_sends_the_same_reply_twice() -> None:
    async with serving() as server:
        server.misbehave(1, Misbehaviour("duplicate"))
        reply = bytes.fromhex(await exchange(server, READ_ONE))
        assert reply[:11] == reply[11:]


async def test_garbage_is_no_frame_and_only_every_second_reply_is_spoiled() -> None:
    async with serving() as server:
        server.misbehave(1, Misbehaviour("garbage", every=2))
        whole = "00 01 00 00 00 05 01 03 02 10 00"
        assert await exchange(server, READ_ONE) == whole
        assert await exchange(server, READ_ONE) != whole
        assert await exchange(server, READ_ONE) == whole


async def test_a_reply_of_the_wrong_device_names_another_id() -> None:
    async with serving() as server:
        server.misbehave(1, Misbehaviour("wrong_device"))
        assert (await exchange(server, READ_ONE)).split()[6] == "41"


async def test_a_restart_breaks_connections_and_comes_back_on_the_same_port() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.sleep(0.01)
        restart = asyncio.create_task(server.restart(0.05))
        assert await asyncio.wait_for(reader.read(1), 1) == b""
        writer.close()
        await restart
        assert (await exchange(server, READ_ONE)).endswith("10 00")
