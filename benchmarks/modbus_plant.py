"""Simulated Modbus TCP devices for benches: as quick as a Python process can answer, so that they are not the bottleneck.

`python -m benchmarks.modbus_plant` serves every unit on one loopback port, prints the port, and ends with its standard input.
"""

import asyncio
import struct
import sys
from typing import cast

FLOATS = struct.pack(">60f", *(220.0 + at / 7 for at in range(60)))


class Device(asyncio.Protocol):
    """Answers each read at once with plausible floats, whatever the address."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answers = []
        for at in range(0, len(data) - 11, 12):
            transaction, _, _, unit, function, _, count = struct.unpack_from(">HHHBBHH", data, at)
            size = 2 * count
            answers.append(struct.pack(">HHHBBB", transaction, 0, size + 3, unit, function, size) + FLOATS[:size])
        self.transport.write(b"".join(answers))


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Device, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
