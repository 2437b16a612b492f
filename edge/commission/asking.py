"""acquire, by hand: one question to one device, and whatever came of it. Whoever holds the line asks it.

``open_asker`` finds out: the running gateway, over the socket in its data folder, or nobody, and the line is opened here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from contract.messages import Cause
from edge.acquire.frames import ExceptionReply, Garbled, Read
from edge.acquire.line import Answer, Line, NoResponse, NotConnected
from edge.acquire.modbus import open_line
from edge.clock import Clock
from edge.errors import Transient
from edge.site import Bus

SOCKET = "desk.sock"
LONGEST_PATH = 100
"""Of a Unix socket; Linux takes 107 bytes."""
GREETING_S = 3.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a question brought: ``payload`` of a right answer, else the device's ``exception`` or why nothing came."""

    payload: bytes | None = None
    exception: int | None = None
    cause: Cause = Cause.NONE
    reason: str = ""
    ms: float = 0.0

    @property
    def is_silence(self) -> bool:
        """True when no device answered, not even with an exception."""
        return self.cause in (Cause.NO_RESPONSE, Cause.NOT_CONNECTED)


class Asker(Protocol):
    """Who may ask on a line."""

    through: str
    """The gateway that asks for us, empty when the line is our own."""

    async def ask(self, unit: int, read: Read, timeout_ms: int) -> Outcome:
        """One request. Never raises for what the device or the line does."""


class Asks(Protocol):
    """A line as its holder lends it: ``Line.exchange`` or ``ModbusBus.ask_between``."""

    async def __call__(self, unit: int, read: Read, timeout_ms: int) -> Answer: ...


async def outcome_of(asks: Asks, unit: int, read: Read, timeout_ms: int, clock: Clock) -> Outcome:
    """Ask and say in one value what came of it."""
    asked_ms = clock.moment().steady_ms

    def took() -> float:
        return clock.moment().steady_ms - asked_ms

    try:
        answer = await asks(unit, read, timeout_ms)
    except NoResponse as error:
        return Outcome(cause=Cause.NO_RESPONSE, reason=str(error), ms=took())
    except NotConnected as error:
        return Outcome(cause=Cause.NOT_CONNECTED, reason=str(error), ms=took())
    except Garbled as error:
        return Outcome(cause=Cause.UNDECODABLE, reason=str(error), ms=took())
    if isinstance(answer, ExceptionReply):
        cause = {10: Cause.NOT_CONNECTED, 11: Cause.NO_RESPONSE}.get(answer.code, Cause.EXCEPTION)
        return Outcome(exception=answer.code, cause=cause, reason=str(answer), ms=took())
    return Outcome(payload=answer, ms=took())


class OwnLine:
    """The line is free: opened here, closed at the end."""

    through = ""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        self._line: Line = open_line(bus, clock)
        self._clock = clock

    async def ask(self, unit: int, read: Read, timeout_ms: int) -> Outcome:
        return await outcome_of(self._exchange, unit, read, timeout_ms, self._clock)

    async def _exchange(self, unit: int, read: Read, timeout_ms: int) -> Answer:
        while self._line.is_open and self._line.is_ambiguous(unit, read):
            await self._clock.sleep(0.05)  # a late answer to an earlier question may still come
        if not self._line.is_open:
            await self._line.connect()
        return await self._line.exchange(unit, read, timeout_ms)

    async def leave(self) -> None:
        await self._line.leave()


# --- through the running gateway ---------------------------------------------------------------------------------


def line_of(bus: Bus) -> str:
    """What two buses on the same wire have in common: the serial port, or host and port."""
    return os.path.realpath(bus.serial_port) if bus.serial_port else f"{bus.host}:{bus.port}"


@contextlib.contextmanager
def socket_path(data: Path) -> Iterator[str]:
    """Where the gateway of a data folder listens, short enough for a socket wherever the folder lies.

    Raises OSError when there is no such folder.
    """
    path = str((data / SOCKET).absolute())
    if len(os.fsencode(path)) <= LONGEST_PATH:
        yield path
        return
    folder = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


@dataclass(slots=True)
class Desk:
    """The running gateway, as it greets."""

    gateway: str
    lines: tuple[str, ...]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def call(self, question: dict[str, Any]) -> dict[str, Any]:
        """One question, one answer. Raises Transient when the gateway has gone."""
        try:
            self.writer.write(json.dumps(question).encode() + b"\n")
            await self.writer.drain()
            answer = json.loads(await self.reader.readline())
        except (OSError, ValueError) as error:
            raise Transient(f"gateway {self.gateway} stopped while it was asked: run the command again") from error
        if not isinstance(answer, dict) or "mistake" in answer:
            raise Transient(f"gateway {self.gateway} refuses: {answer}")
        return answer


async def find_desk(data: Path) -> Desk | None:
    """The gateway that runs on this data folder, None when there is none."""
    try:
        with socket_path(data) as path:
            reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return None
    desk = Desk("", (), reader, writer)
    try:
        async with asyncio.timeout(GREETING_S):
            greeting = await desk.call({"hello": 1})
    except (TimeoutError, Transient):
        writer.close()
        return None
    desk.gateway, desk.lines = str(greeting["gateway"]), tuple(greeting["lines"])
    return desk


class Lent:
    """The gateway holds the line and asks for us between its polls."""

    def __init__(self, desk: Desk, line: str) -> None:
        self.through, self._desk, self._line = desk.gateway, desk, line

    async def ask(self, unit: int, read: Read, timeout_ms: int) -> Outcome:
        answer = await self._desk.call(
            {
                "line": self._line, "unit": unit, "function": read.function, "address": read.address,
                "count": read.count, "timeout_ms": timeout_ms,
            }
        )  # fmt: skip
        payload = answer.get("payload")
        return Outcome(
            payload=None if payload is None else bytes.fromhex(payload), exception=answer.get("exception"),
            cause=Cause(answer["cause"]), reason=answer["reason"], ms=answer["ms"],
        )  # fmt: skip


@contextlib.asynccontextmanager
async def open_asker(bus: Bus, data: Path, clock: Clock) -> AsyncIterator[Asker]:
    """The right to ask on a bus: lent by the gateway of ``data`` when it holds that line, else the line itself."""
    desk = await find_desk(data)
    try:
        if desk is not None and line_of(bus) in desk.lines:
            yield Lent(desk, line_of(bus))
            return
        own = OwnLine(bus, clock)
        try:
            yield own
        finally:
            await own.leave()
    finally:
        if desk is not None:
            desk.writer.close()


def words_of(payload: bytes) -> Sequence[int]:
    """Registers of an answer."""
    return [int.from_bytes(payload[at : at + 2], "big") for at in range(0, len(payload), 2)]
