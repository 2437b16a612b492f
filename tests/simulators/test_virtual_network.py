import asyncio

import pytest

from simulators.clock import VirtualClock, run_virtual
from simulators.modbus_device import Misbehaviour, ModbusServer, Table

READ_ONE = bytes.fromhex("0001 0000 0006 01 03 0000 0001")


class Sevens:
    def read(self, table: Table, first: int, count: int) -> list[int]:
        return [7] * count


async def serving() -> ModbusServer:
    server = ModbusServer(VirtualClock(0), {1: Sevens()})
    await server.start()
    return server


async def ask(server: ModbusServer) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(READ_ONE)
    try:
        async with asyncio.timeout(1):
            return (await reader.readexactly(11)).hex()
    finally:
        writer.close()


def test_a_real_server_answers_a_real_client_without_a_socket() -> None:
    async def main() -> str:
        return await ask(await serving())

    assert run_virtual(main()).endswith("0007")


def test_a_slow_device_takes_virtual_time_only() -> None:
    async def main() -> float:
        server = await serving()
        server.misbehave(1, Misbehaviour("slow", delay_s=0.75))
        await ask(server)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(0.75)


def test_a_silent_device_costs_its_time_limit() -> None:
    async def main() -> float:
        server = await serving()
        server.misbehave(1, Misbehaviour("silent"))
        with pytest.raises(TimeoutError):
            await ask(server)
        return asyncio.get_running_loop().time()

    assert run_virtual(main()) == pytest.approx(1)


def test_a_port_nobody_listens_on_refuses() -> None:
    async def main() -> None:
        await asyncio.open_connection("127.0.0.1", 5020)

    with pytest.raises(ConnectionRefusedError):
        run_virtual(main())


def test_a_restarting_server_drops_its_clients_and_comes_back() -> None:
    async def main() -> tuple[bytes, str]:
        server = await serving()
        reader, _ = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.TaskGroup() as group:
            group.create_task(server.restart(30))
            end = await reader.read()
        return end, await ask(server)

    end, answer = run_virtual(main())
    assert end == b""
    assert answer.endswith("0007")


def test_two_servers_do_not_share_a_port() -> None:
    async def main() -> None:
        server = await serving()
        await ModbusServer(VirtualClock(0)).start(port=server.port)

    with pytest.raises(OSError, match="in use"):
        run_virtual(main())
