"""Modbus peers for tests: pymodbus's server as an independent one, and a raw one that misbehaves on purpose."""

import asyncio
import contextlib
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from edge.acquire.frames import crc16

__all__ = ["Asked", "ExcCodes", "RawServer", "in_thread", "pymodbus_server", "sim_device"]
_T = TypeVar("_T")


@contextlib.contextmanager
def in_thread(context: AbstractAsyncContextManager[_T]) -> Iterator[_T]:
    """Peers served by a loop of their own in another thread, for commands that run theirs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(_enter(context), loop).result(10)
        asyncio.run_coroutine_threadsafe(_leave(context), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


async def _enter(context: AbstractAsyncContextManager[_T]) -> _T:
    return await context.__aenter__()


async def _leave(context: AbstractAsyncContextManager[_T]) -> None:
    await context.__aexit__(None, None, None)


def sim_device(unit: int, registers: Mapping[int, int], coils: Sequence[bool] = (False,)) -> SimDevice:
    """A device whose holding and input registers hold ``registers``; everything else is an illegal address."""
    words = [
        SimData(address, values=[word], datatype=DataType.REGISTERS) for address, word in sorted(registers.items())
    ]
    bits = [SimData(0, values=list(coils), datatype=DataType.BITS)]
    return SimDevice(unit, simdata=(bits, bits, words, words))


@contextlib.asynccontextmanager
async def pymodbus_server(
    *devices: SimDevice, framer: FramerType = FramerType.SOCKET, udp: bool = False, port: int = 0
) -> AsyncIterator[int]:
    """Serve on a free loopback port, which is given."""
    kind = ModbusUdpServer if udp else ModbusTcpServer
    server = kind(list(devices), framer=framer, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield _port_of(server)
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]


def _port_of(server: ModbusTcpServer | ModbusUdpServer) -> int:
    transport = server.transport
    assert transport is not None
    sockets = getattr(transport, "sockets", None)
    name = sockets[0].getsockname() if sockets else transport.get_extra_info("sockname")
    return int(name[1])


@dataclass
class Asked:
    """One request as it came, and how to answer it."""

    transaction: int
    unit: int
    pdu: bytes
    writer: asyncio.StreamWriter
    is_rtu: bool = False

    @property
    def address(self) -> int:
        return int(struct.unpack(">H", self.pdu[1:3])[0])

    @property
    def count(self) -> int:
        return int(struct.unpack(">H", self.pdu[3:5])[0])

    def frame(self, pdu: bytes, transaction: int | None = None, unit: int | None = None) -> bytes:
        to = self.unit if unit is None else unit
        if self.is_rtu:
            frame = bytes([to]) + pdu
            return frame + crc16(frame).to_bytes(2, "little")
        number = self.transaction if transaction is None else transaction
        return struct.pack(">HHHB", number, 0, len(pdu) + 1, to) + pdu

    def values(self) -> bytes:
        """Each register holds its own address, so that a value on the wrong point shows."""
        words = b"".join(struct.pack(">H", at & 0xFFFF) for at in range(self.address, self.address + self.count))
        return bytes([self.pdu[0], len(words)]) + words

    def answer(self, pdu: bytes | None = None) -> None:
        self.writer.write(self.frame(self.values() if pdu is None else pdu))

    def refuse(self, code: int) -> None:
        self.answer(bytes([self.pdu[0] | 0x80, code]))


Behaviour = Callable[[Asked], Awaitable[None]]


@dataclass
class RawServer:
    """Answers each request as ``behave`` says, which runs beside the reading of the next one."""

    behave: Behaviour
    is_rtu: bool = False
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    is_over: bool = False
    """True once the test has left: what is still asked then is answered by nobody."""

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator["RawServer"]:
        async with asyncio.TaskGroup() as group:
            server = await asyncio.start_server(
                lambda reader, writer: self._serve(reader, writer, group), "127.0.0.1", port, ssl=self.tls
            )
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                self.is_over = True
                server.close()
                for writer in self.writers:
                    writer.close()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, group: asyncio.TaskGroup
    ) -> None:
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, asyncio.CancelledError):
            while True:
                asked = await self._next(reader, writer)
                self.asked.append(asked)
                if not self.is_over:
                    group.create_task(self._behave(asked))
        writer.close()

    async def _behave(self, asked: Asked) -> None:
        with contextlib.suppress(ConnectionError):
            await self.behave(asked)

    async def _next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
        if self.is_rtu:
            frame = await reader.readexactly(8)
            return Asked(0, frame[0], frame[1:6], writer, is_rtu=True)
        transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
        return Asked(transaction, unit, await reader.readexactly(length - 1), writer)
