"""A publisher for benches: one connection, messages made beforehand, as many a second as asked.

`python -m benchmarks.mqtt_flood PORT TOPIC RATE SECONDS` publishes with quality of service 1 and reads the answers away.
"""

import asyncio
import struct
import sys
import time

SLICE_S = 0.01
BODY_BYTES = 200


def packet(kind: int, body: bytes) -> bytes:
    """One MQTT 3.1.1 packet; the length takes one or two bytes here."""
    size = len(body)
    length = bytes((size,)) if size < 128 else bytes((size & 0x7F | 0x80, size >> 7))
    return bytes((kind,)) + length + body


def publication(topic: str, number: int, identifier: int) -> bytes:
    text = b'{"p": %d, "pad": "' % number
    text += b"x" * (BODY_BYTES - len(text) - 2) + b'"}'
    name = topic.encode()
    return packet(0x32, struct.pack(">H", len(name)) + name + struct.pack(">H", identifier) + text)


async def flood(port: int, topic: str, rate: int, seconds: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(packet(0x10, b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x05flood"))
    await reader.readexactly(4)
    draining = asyncio.ensure_future(drain(reader))
    burst = round(rate * SLICE_S)
    begun = time.monotonic()
    for turn in range(round(seconds / SLICE_S)):
        first = turn * burst
        writer.write(b"".join(publication(topic, at, at % 65_535 + 1) for at in range(first, first + burst)))
        await writer.drain()
        await asyncio.sleep(max(0.0, begun + (turn + 1) * SLICE_S - time.monotonic()))
    await asyncio.sleep(1.0)
    draining.cancel()
    writer.close()


async def drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


if __name__ == "__main__":
    asyncio.run(flood(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
