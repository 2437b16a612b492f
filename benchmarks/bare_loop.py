"""What a script would do, to compare with: read two blocks a device and second, unpack, publish one JSON message.

`python -m benchmarks.bare_loop pymodbus|socket PORT DEVICES BROKER` runs until it is terminated and prints, each half second, how many
points it has read and when. It judges nothing, keeps nothing, and forgets what the broker did not take. A poll that comes late is
made up for at once, as such scripts do.
"""

import asyncio
import itertools
import json
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.client import AsyncModbusTcpClient

from benchmarks.modbus_plant import BLOCKS, PANEL

NAMES = tuple(PANEL)
TELL_S = 0.5


class Loop:
    """All devices in one process, one connection each."""

    def __init__(self, port: int, broker: int) -> None:
        self.port, self.points = port, 0
        self.publisher = paho.Client(CallbackAPIVersion.VERSION2)
        self.publisher.connect("127.0.0.1", broker)
        self.publisher.loop_start()

    def publish(self, device: int, values: list[float]) -> None:
        self.publisher.publish(f"site/meter_{device}", json.dumps(dict(zip(NAMES, values, strict=True))))
        self.points += len(values)

    async def pymodbus(self, device: int, offset: float) -> None:
        await asyncio.sleep(offset)
        client = AsyncModbusTcpClient("127.0.0.1", port=self.port)
        await client.connect()
        async for _ in every_second():
            values: list[float] = []
            for address in BLOCKS:
                answer = await client.read_holding_registers(address, count=40, device_id=1)
                values += struct.unpack(">20f", struct.pack(">40H", *answer.registers))
            self.publish(device, values)

    async def socket(self, device: int, offset: float) -> None:
        await asyncio.sleep(offset)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        questions = [struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, address, 40) for address in BLOCKS]
        async for _ in every_second():
            values: list[float] = []
            for question in questions:
                writer.write(question)
                values += struct.unpack(">20f", (await reader.readexactly(89))[9:])
            self.publish(device, values)

    async def tell(self) -> None:
        while True:
            print(self.points, time.monotonic(), flush=True)
            await asyncio.sleep(TELL_S)


async def every_second() -> AsyncIterator[None]:
    begun = time.monotonic()
    for turn in itertools.count(1):
        yield
        await asyncio.sleep(max(0.0, begun + turn - time.monotonic()))


async def main(kind: str, port: int, devices: int, broker: int) -> None:
    loop = Loop(port, broker)
    poll: Callable[[int, float], Awaitable[None]] = loop.pymodbus if kind == "pymodbus" else loop.socket
    await asyncio.gather(loop.tell(), *(poll(device, device / devices) for device in range(devices)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
