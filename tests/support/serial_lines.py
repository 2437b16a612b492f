"""Serial lines without hardware: two pseudo terminals whose bytes are passed across."""

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from tests.support.modbus_peers import Asked, Behaviour


@contextlib.asynccontextmanager
async def serial_pair() -> AsyncIterator[tuple[str, str]]:
    """The names of two serial ports that are wired to each other."""
    loop = asyncio.get_running_loop()
    pairs = [os.openpty(), os.openpty()]
    masters = [master for master, _ in pairs]
    for _, slave in pairs:
        tty.setraw(slave)
    for here, there in (masters, reversed(masters)):
        loop.add_reader(here, _pass_on, here, there)
    try:
        yield os.ttyname(pairs[0][1]), os.ttyname(pairs[1][1])
    finally:
        for master in masters:
            loop.remove_reader(master)
        for descriptor in (*masters, *(slave for _, slave in pairs)):
            os.close(descriptor)


def _pass_on(here: int, there: int) -> None:
    with contextlib.suppress(OSError):
        os.write(there, os.read(here, 4096))


@dataclass
class RawSerial:
    """Units on one end of a serial line that answer each request as ``behave`` says."""

    behave: Behaviour
    descriptor: int = -1
    asked: list[Asked] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    held: bytes = b""
    heard: Callable[[bytes], None] = lambda _data: None

    @contextlib.asynccontextmanager
    async def serve(self, port: str) -> AsyncIterator["RawSerial"]:
        self.descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.descriptor, self._read)
        try:
            yield self
        finally:
            loop.remove_reader(self.descriptor)
            os.close(self.descriptor)

    def write(self, data: bytes) -> None:
        os.write(self.descriptor, data)

    def _read(self) -> None:
        data = os.read(self.descriptor, 4096)
        self.heard(data)
        self.held += data
        while len(self.held) >= 8:
            frame, self.held = self.held[:8], self.held[8:]
            asked = Asked(0, frame[0], frame[1:6], self, is_rtu=True)  # type: ignore[arg-type]
            self.asked.append(asked)
            task = asyncio.ensure_future(self._behave(asked))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _behave(self, asked: Asked) -> None:
        with contextlib.suppress(OSError):
            await _awaited(self.behave(asked))


async def _awaited(behaviour: Awaitable[None]) -> None:
    await behaviour
