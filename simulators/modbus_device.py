"""plant → wire bytes: Modbus TCP devices that answer from register images, and misbehave when told to.

A small raw server, because a library's server cannot be late, deaf or wrong on purpose. Many device ids share one
port, or every device has its own; a request costs one dictionary look-up and one slice. Function codes 1 to 4 are
answered, anything else gets exception 1: simulated plant cannot be switched either.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from simulators.clock import Clock

Table = Literal["coil", "discrete", "holding", "input"]
TABLES: Mapping[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE, BUSY, NO_TARGET = 1, 2, 3, 4, 6, 11
MAX_BITS, MAX_REGISTERS = 2000, 125
_MBAP = struct.Struct(">HHHB")
_REQUEST = struct.Struct(">BHH")

Fault = Literal["none", "silent", "slow", "late", "busy", "garbage", "duplicate", "half_open", "wrong_device"]


class Refused(Exception):
    """The device answers with a Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Registers(Protocol):
    """One device's tables."""

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """``count`` registers (or bits, 0 and 1) from wire address ``first``. Raises Refused."""
        ...


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """How one device answers wrongly. ``delay_s`` is how slow or late; ``every`` spoils each n-th request only."""

    fault: Fault = "none"
    delay_s: float = 0.0
    every: int = 1


HEALTHY = Misbehaviour()


@dataclass(frozen=True, slots=True)
class Request:
    """One frame of a client."""

    transaction: int
    device: int
    pdu: bytes


def answer(registers: Registers | None, pdu: bytes) -> bytes:
    """The reply PDU to a request PDU (Modbus Application Protocol 1.1b3). Never raises: errors are exception replies."""
    function = pdu[0] if pdu else 0
    try:
        return _read(registers, function, pdu)
    except Refused as refusal:
        return bytes((function | 0x80, refusal.code))


def _read(registers: Registers | None, function: int, pdu: bytes) -> bytes:
    if registers is None:
        raise Refused(NO_TARGET)
    table = TABLES.get(function)
    if table is None:
        raise Refused(ILLEGAL_FUNCTION)
    if len(pdu) != _REQUEST.size:
        raise Refused(ILLEGAL_VALUE)
    _, first, count = _REQUEST.unpack(pdu)
    most = MAX_BITS if function < 3 else MAX_REGISTERS
    if not 1 <= count <= most:
        raise Refused(ILLEGAL_VALUE)
    if first + count > 65_536:
        raise Refused(ILLEGAL_ADDRESS)
    body = _bits(registers.read(table, first, count)) if function < 3 else _words(registers.read(table, first, count))
    return bytes((function, len(body))) + body


def _words(values: list[int]) -> bytes:
    return struct.pack(f">{len(values)}H", *values)


def _bits(values: list[int]) -> bytes:
    packed = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        packed[index >> 3] |= (value & 1) << (index & 7)
    return bytes(packed)


def frame(transaction: int, device: int, pdu: bytes) -> bytes:
    """A PDU in its MBAP header."""
    return _MBAP.pack(transaction, 0, len(pdu) + 1, device) + pdu


class ModbusServer:
    """One listening port with any number of device ids behind it.

    ``misbehave`` may be called at any time, from the loop's thread; it holds until it is called again.
    """

    def __init__(self, clock: Clock, devices: Mapping[int, Registers] | None = None, *, seed: int = 0) -> None:
        self.devices: dict[int, Registers] = dict(devices or {})
        self.requests = 0
        self.unserved: list[tuple[int, int]] = []
        """(device, function) of requests with a function code other than 1 to 4: a gateway must leave this empty."""
        self._clock = clock
        self._noise = random.Random(seed)
        self._faults: dict[int, Misbehaviour] = {}
        self._counts: dict[int, int] = {}
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._late: dict[asyncio.Task[None], int] = {}
        self._host, self._port = "127.0.0.1", 0

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Port 0 takes a free one. Raises OSError when the port is in use."""
        self._host = host
        self._server = await asyncio.start_server(self._serve, host, port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        tasks = [*self._connections, *self._late]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def restart(self, dark_s: float) -> None:
        """Vanish for ``dark_s`` seconds, connections and all, and come back on the same port."""
        await self.stop()
        await self._clock.sleep(dark_s)
        await self.start(self._host, self._port)

    def misbehave(self, device: int, how: Misbehaviour = HEALTHY) -> None:
        """Let one device answer wrongly from now on; without ``how`` it is healthy again."""
        self._faults[device] = how
        self._counts[device] = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - a connection handler always runs in a task
            return
        self._connections[task] = writer
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._converse(reader, writer)
        finally:
            del self._connections[task]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            header = await reader.readexactly(_MBAP.size)
            transaction, protocol, length, device = _MBAP.unpack(header)
            if protocol != 0 or not 2 <= length <= 254:
                return
            await self._reply(Request(transaction, device, await reader.readexactly(length - 1)), writer)
            await writer.drain()

    async def _reply(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests += 1
        if request.pdu[0] not in TABLES:
            self.unserved.append((request.device, request.pdu[0]))
        how = self._due_fault(request.device)
        if how.fault in ("silent", "half_open"):
            await self._keep_quiet(how)
            return
        if how.fault == "late":
            self._send_late(how.delay_s, self._frames(request, how), writer)
            return
        if how.fault == "slow":
            await self._clock.sleep(how.delay_s)
        writer.write(self._frames(request, how))

    def _due_fault(self, device: int) -> Misbehaviour:
        how = self._faults.get(device, HEALTHY)
        if how.fault == "none":
            return how
        self._counts[device] += 1
        return how if self._counts[device] % how.every == 0 else HEALTHY

    async def _keep_quiet(self, how: Misbehaviour) -> None:
        # A half-open peer does not even read: its connection stays up and nothing ever comes.
        if how.fault == "half_open":
            await asyncio.get_running_loop().create_future()

    def _frames(self, request: Request, how: Misbehaviour) -> bytes:
        if how.fault == "garbage":
            return self._noise.randbytes(self._noise.randint(1, 40))
        if how.fault == "busy":
            return frame(request.transaction, request.device, bytes((request.pdu[0] | 0x80, BUSY)))
        device = request.device ^ 0x40 if how.fault == "wrong_device" else request.device
        whole = frame(request.transaction, device, answer(self.devices.get(request.device), request.pdu))
        return whole * 2 if how.fault == "duplicate" else whole

    def _send_late(self, delay_s: float, data: bytes, writer: asyncio.StreamWriter) -> None:
        async def later() -> None:
            await self._clock.sleep(delay_s)
            if not writer.is_closing():
                writer.write(data)

        task = asyncio.get_running_loop().create_task(later(), name="late_reply")
        self._late[task] = 0
        task.add_done_callback(lambda done: self._late.pop(done, None))
