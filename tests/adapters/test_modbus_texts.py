"""Texts and times behind a real socket."""

from typing import Any

from edge.site import Bus
from tests.support.buses import EVERY_MS, running
from tests.support.devices import make_device, modbus_model
from tests.support.modbus_peers import pymodbus_server, sim_device


def lan(port: int, kind: Any = "tcp") -> Bus:
    return Bus("lan", kind, host="127.0.0.1", port=port)


def registers_of(text: str, count: int, *, swapped: bool = False) -> list[int]:
    """Text in registers, NULs behind it."""
    payload = text.encode().ljust(2 * count, b"\0")
    return [int.from_bytes(payload[at : at + 2], "little" if swapped else "big") for at in range(0, 2 * count, 2)]


async def test_texts_in_both_byte_orders_and_times_are_read_from_an_independent_server() -> None:
    words = [
        *registers_of("SN-4711", 8), *registers_of("2号泵房", 8, swapped=True), *registers_of("full16charactersx"[:16], 8),
        *registers_of("", 2), 0xFFFF, 0xFFFF, 0x692A, 0x1A80, 0x001A, 0x0B15, 0x1305, 0xEA5B,
    ]  # fmt: skip
    model = modbus_model({
        "serial": {"address": 0, "type": "string", "length": 8}, "room": {"address": 8, "type": "string", "length": 8, "order": "BA"},
        "full": {"address": 16, "type": "string", "length": 8}, "empty": {"address": 24, "type": "string", "length": 2},
        "garbled": {"address": 26, "type": "string", "length": 2}, "seconds": {"address": 28, "type": "unix32"},
        "clock": {"address": 30, "type": "cp56time"},
    })  # fmt: skip
    async with (
        pymodbus_server(sim_device(1, dict(enumerate(words)))) as port,
        running(lan(port), make_device(model, lan(port), every_ms=EVERY_MS)) as one,
    ):
        await one.basket.until(lambda: len(one.basket.samples) >= 7)
        assert {row.point: (row.value, row.cause.value) for row in one.basket.samples} == {
            "serial": ("SN-4711", "none"), "room": ("2号泵房", "none"), "full": ("full16characters", "none"),
            "empty": ("", "none"), "garbled": (None, "undecodable"), "seconds": ("2025-11-28T21:56:16Z", "none"),
            "clock": ("2026-11-21T19:05:59.995", "none"),
        }  # fmt: skip
        assert len(one.bus.plans[0].requests) == 1
