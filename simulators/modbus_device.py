"""plant → wire bytes: Modbus devices that answer from register images, and misbehave when told to.

A small raw server, because a library's server cannot be late, deaf or wrong on purpose. Many device ids share one
wire, or every device has its own; a request costs one dictionary look-up and one slice. Function codes 1 to 4 are
answered, anything else gets exception 1: simulated plant cannot be switched either.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, Protocol

from simulators.clock import Clock
from simulators.raw_frames import MBAP, Framing, NoFrame, Request
from simulators.raw_reply import HEALTHY, Chunk, Misbehaviour, Reaction, react

__all__ = [
    "ILLEGAL_ADDRESS", "ILLEGAL_VALUE", "TABLES", "Bank", "Conversation", "Misbehaviour", "ModbusServer", "Refused",
    "Registers", "Request", "Silent", "Table", "Witness", "answer", "asked",
]  # fmt: skip

Table = Literal["coil", "discrete", "holding", "input"]
TABLES: Mapping[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, NO_TARGET = 1, 2, 3, 11
MAX_BITS, MAX_REGISTERS = 2000, 125
BACKLOG = 4096
"""A gateway with a thousand lines opens them at once."""
_REQUEST = struct.Struct(">BHH")
_WORDS = [struct.Struct(f">{count}H") for count in range(MAX_REGISTERS + 1)]


class Refused(Exception):
    """The device answers with a Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class Silent(Exception):
    """The device does not answer this request at all."""


class Registers(Protocol):
    """One device's tables."""

    def read(self, table: Table, first: int, count: int) -> list[int]:
        """``count`` registers (or bits, 0 and 1) from wire address ``first``. Raises Refused, or Silent."""
        ...


def answer(registers: Registers | None, pdu: bytes) -> bytes:
    """The reply PDU to a request PDU (Modbus Application Protocol 1.1b3). Errors are exception replies.

    Raises Silent when the device says nothing.
    """
    function = pdu[0] if pdu else 0
    try:
        return _read(registers, function, pdu)
    except Refused as refusal:
        return bytes((function | 0x80, refusal.code))


def _read(registers: Registers | None, function: int, pdu: bytes) -> bytes:
    if registers is None:
        raise Refused(NO_TARGET)
    table, first, count = _legal(pdu)
    values = registers.read(table, first, count)
    body = _bits(values) if function < 3 else _WORDS[len(values)].pack(*values)
    return bytes((function, len(body))) + body


@lru_cache(maxsize=4096)
def _legal(pdu: bytes) -> tuple[Table, int, int]:
    """Table, first address and count of a read that the standard allows. Raises Refused."""
    function = pdu[0] if pdu else 0
    if function not in TABLES:
        raise Refused(ILLEGAL_FUNCTION)
    if len(pdu) != _REQUEST.size:
        raise Refused(ILLEGAL_VALUE)
    table, first, count = asked_of(pdu)
    most = MAX_BITS if function < 3 else MAX_REGISTERS
    if not 1 <= count <= most:
        raise Refused(ILLEGAL_VALUE)
    if first + count > 65_536:
        raise Refused(ILLEGAL_ADDRESS)
    return table, first, count


def _bits(values: list[int]) -> bytes:
    packed = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        packed[index >> 3] |= (value & 1) << (index & 7)
    return bytes(packed)


def asked(request: Request) -> tuple[Table, int, int]:
    """Table, first address and count of a read. Raises KeyError or struct.error for anything else."""
    return asked_of(request.pdu)


def asked_of(pdu: bytes) -> tuple[Table, int, int]:
    """As ``asked``, of the request's own bytes."""
    function, first, count = _REQUEST.unpack(pdu)
    return TABLES[function], first, count


Witness = Callable[[Request, bytes, Misbehaviour], None]
"""Told of each request, its right answer, and how the device then misbehaved."""


class Bank:
    """Everything behind one wire: devices by id, and what is wrong with each.

    ``misbehave`` may be called at any time, from the loop's thread; it holds until it is called again.
    """

    def __init__(
        self, devices: Mapping[int, Registers] | None = None, framing: Framing = MBAP, *, seed: int = 0
    ) -> None:
        self.devices: dict[int, Registers] = dict(devices or {})
        self.framing = framing
        self.requests = 0
        self.unserved: list[tuple[int, int]] = []
        """(device, function) of requests with a function code other than 1 to 4: a gateway must leave this empty."""
        self.witness: Witness | None = None
        self._noise = random.Random(seed)
        self._faults: dict[int, Misbehaviour] = {}
        self._counts: dict[int, int] = {}

    def misbehave(self, device: int, how: Misbehaviour = HEALTHY) -> None:
        """Let one device answer wrongly from now on; without ``how`` it is healthy again."""
        self._faults[device] = how
        self._counts[device] = 0

    def quick_answer(self, request: Request) -> bytes | None:
        """By far the most frequent case: the whole reply of a healthy device; None when it is not one."""
        if self.witness is not None or self._faults.get(request.device, HEALTHY).fault != "none":
            return None
        self._count(request)
        try:
            pdu = self._answer(request)
        except Silent:
            return b""
        return self.framing.wrap(request.transaction, request.device, pdu)

    def react(self, request: Request) -> Reaction:
        """What this request brings about."""
        self._count(request)
        how = self._due_fault(request.device)
        try:
            pdu = self._answer(request)
        except Silent:
            return Reaction()
        if self.witness is not None:
            self.witness(request, pdu, how)
        return react(how, request, pdu, self.framing, self._noise)

    def _count(self, request: Request) -> None:
        self.requests += 1
        if request.pdu[0] not in TABLES:
            self.unserved.append((request.device, request.pdu[0]))

    def _answer(self, request: Request) -> bytes:
        registers = self.devices.get(request.device)
        if registers is None and not self.framing.has_transactions:
            raise Silent  # nobody on a serial line speaks for another
        return answer(registers, request.pdu)

    def _due_fault(self, device: int) -> Misbehaviour:
        how = self._faults.get(device, HEALTHY)
        if how.fault == "none":
            return how
        self._counts[device] += 1
        return how if self._counts[device] % how.every == 0 else HEALTHY


class Conversation(asyncio.Protocol):
    """One connection's worth of requests and replies, in the order in which they came."""

    def __init__(self, bank: Bank, everyone: set[Conversation] | None = None) -> None:
        self._bank = bank
        self._everyone = everyone
        self._held = bytearray()
        self._wire: Any = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._is_held = self._is_choked = self._is_deaf = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - stream, datagram or serial
        self._wire = transport
        if self._everyone is not None:
            self._everyone.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why makes no difference
        self.stop()
        if self._everyone is not None:
            self._everyone.discard(self)

    def stop(self) -> None:
        """Say nothing more and hang up."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._is_deaf = True
        self._wire.close()

    def pause_writing(self) -> None:
        """A client that reads nothing is served nothing."""
        self._is_choked = True

    def resume_writing(self) -> None:
        self._is_choked = False
        self._serve()

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._held += data
        self._serve()

    def _serve(self) -> None:
        while not (self._is_held or self._is_choked or self._is_deaf) and (request := self._next()) is not None:
            whole = self._bank.quick_answer(request)
            if whole is None:
                self._play(self._bank.react(request))
            elif whole:
                self._wire.write(whole)

    def _next(self) -> Request | None:
        while True:
            try:
                return self._bank.framing.cut(self._held)
            except NoFrame:
                if self._bank.framing.has_transactions:
                    self.stop()
                    return None
                del self._held[0]  # the next byte may begin a frame

    def _play(self, reaction: Reaction) -> None:
        self._is_deaf = reaction.is_deaf
        if reaction.holds_wire:
            self._speak(reaction.chunks)
            return
        at_s = 0.0
        for chunk in reaction.chunks:
            at_s += chunk.after_s
            self._later(at_s, self._say, chunk.data)

    def _speak(self, chunks: Sequence[Chunk]) -> None:
        """In order; the wire is held while something is still to come."""
        for at, chunk in enumerate(chunks):
            if chunk.after_s:
                self._is_held = True
                self._later(chunk.after_s, self._go_on, chunk, chunks[at + 1 :])
                return
            self._say(chunk.data)

    def _go_on(self, chunk: Chunk, rest: Sequence[Chunk]) -> None:
        self._is_held = False
        self._say(chunk.data)
        self._speak(rest)
        self._serve()

    def _say(self, data: bytes) -> None:
        if not self._wire.is_closing():
            self._wire.write(data)

    def _later(self, seconds: float, do: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401
        def ring() -> None:
            self._timers.discard(timer)
            do(*arguments)

        timer = asyncio.get_running_loop().call_later(seconds, ring)
        self._timers.add(timer)


class ModbusServer(Bank):
    """One listening TCP port: MBAP frames, or RTU frames as a converter passes them on; with ``tls`` behind TLS."""

    def __init__(
        self,
        clock: Clock,
        devices: Mapping[int, Registers] | None = None,
        framing: Framing = MBAP,
        *,
        seed: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(devices, framing, seed=seed)
        self._clock, self._tls = clock, tls
        self._server: asyncio.Server | None = None
        self._open: set[Conversation] = set()
        self._host, self._port = "127.0.0.1", 0

    @property
    def port(self) -> int:
        """The port it listens on, once started."""
        return self._port

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Port 0 takes a free one. Raises OSError when the port is in use."""
        self._host = host
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Conversation(self, self._open), host, port, ssl=self._tls, backlog=BACKLOG
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for conversation in list(self._open):
            conversation.stop()
        await self._clock.sleep(0)  # connections take leave on the loop's next turn

    async def restart(self, dark_s: float) -> None:
        """Vanish for ``dark_s`` seconds, connections and all, and come back on the same port."""
        await self.stop()
        await self._clock.sleep(dark_s)
        await self.start(self._host, self._port)
