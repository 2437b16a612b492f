"""A meter behind a real socket for the commissioning tools: registers from a dictionary, the rest refused."""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Iterator, Mapping

from simulators.clock import SystemClock
from simulators.modbus_device import ILLEGAL_ADDRESS, ModbusServer, Refused, Table


class Image:
    """What a device holds, by table and address."""

    def __init__(self, **tables: Mapping[int, int]) -> None:
        self.tables = {name: dict(words) for name, words in tables.items()}

    def read(self, table: Table, first: int, count: int) -> list[int]:
        words = self.tables.get(table, {})
        if not all(at in words for at in range(first, first + count)):
            raise Refused(ILLEGAL_ADDRESS)
        return [words[at] for at in range(first, first + count)]


def floats(values: Mapping[int, float]) -> dict[int, int]:
    """Float32 values, high word first, at these addresses."""
    words = {}
    for at, value in values.items():
        words[at], words[at + 1] = struct.unpack(">HH", struct.pack(">f", value))
    return words


@contextlib.contextmanager
def served(devices: Mapping[int, Image]) -> Iterator[ModbusServer]:
    """The devices on a free port, served by a loop in another thread, for commands that run their own."""
    loop = asyncio.new_event_loop()
    server = ModbusServer(SystemClock(), devices, seed=7)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(5)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
