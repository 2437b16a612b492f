"""Simulated Modbus TCP devices for benches: as quick as a Python process can answer, so that they are not the bottleneck.

`python -m benchmarks.modbus_plant` serves every unit on one loopback port, prints the port, and ends with its standard input.
Each device is a healthy switchgear panel of 40 float32: 20 from register 0, 20 from register 100. Values move a little, so that
nobody who reads them gets away with a cache. Every possible answer is made beforehand.
"""

import asyncio
import random
import struct
import sys
from typing import cast

BLOCKS = (0, 100)
PANEL = {
    "active_power": 300, "power_factor": 0.97, "current_l1": 460, "current_l2": 455, "current_l3": 465, "neutral_current": 8,
    "residual_current": 20, "voltage_l1": 221, "voltage_l2": 220, "voltage_l3": 222, "frequency": 50, "reactive_power": 60,
    "apparent_power": 306, "active_power_l1": 100, "active_power_l2": 99, "active_power_l3": 101, "reactive_power_l1": 20,
    "reactive_power_l2": 20, "reactive_power_l3": 20, "apparent_power_l1": 102, "apparent_power_l2": 101,
    "apparent_power_l3": 103, "power_factor_l1": 0.97, "power_factor_l2": 0.97, "power_factor_l3": 0.97,
    "thd_voltage_l1": 1.5, "thd_voltage_l2": 1.6, "thd_voltage_l3": 1.4, "energy_import": 1.2e6, "energy_export": 12,
    "reactive_energy_import": 2.4e5, "reactive_energy_export": 7, "voltage_average": 221, "current_average": 460,
    "joint_temperature_l1": 41, "joint_temperature_l2": 42, "joint_temperature_l3": 41, "dc_voltage": 220,
    "room_temperature": 24, "room_humidity": 50,
}  # fmt: skip
"""Standard points of `lv_switchgear` in the order of the registers, with what a healthy panel shows."""
VARIANTS = 64
REQUEST_BYTES = 12
_COUNTERS = ("energy_import", "energy_export", "reactive_energy_import", "reactive_energy_export")


def bodies() -> dict[int, list[bytes]]:
    """First register of a block to the answers it may get."""
    noise = random.Random(3)
    found: dict[int, list[bytes]] = {address: [] for address in BLOCKS}
    for _ in range(VARIANTS):
        values = [usual * (1 if name in _COUNTERS else noise.uniform(0.998, 1.002)) for name, usual in PANEL.items()]
        for at, address in enumerate(BLOCKS):
            found[address].append(struct.pack(">20f", *values[20 * at : 20 * at + 20]))
    return found


BODIES = bodies()


class Device(asyncio.Protocol):
    """Answers each read of a block at once."""

    asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answers: list[bytes] = []
        for at in range(0, len(data) - REQUEST_BYTES + 1, REQUEST_BYTES):
            address = int.from_bytes(data[at + 8 : at + 10], "big")
            Device.asked += 1
            answers += (data[at : at + 4], b"\0\x53", data[at + 6 : at + 8], b"\x50")
            answers.append(BODIES[address][Device.asked % VARIANTS])
        self.transport.write(b"".join(answers))


async def serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Device, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve())
