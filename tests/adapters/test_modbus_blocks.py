"""Blocks against real sockets: a value stands on its own point, whatever happens to its neighbours."""

import struct

import pytest

from contract.messages import Cause, Quality
from edge.site import Bus
from tests.support.buses import EVERY_MS, own_addresses, running, wrong
from tests.support.devices import make_device, modbus_model
from tests.support.modbus_peers import Asked, RawServer, pymodbus_server, sim_device


def lan(port: int) -> Bus:
    return Bus("lan", "tcp", host="127.0.0.1", port=port)


async def test_lesson_d_a_middle_block_that_fails_shifts_no_value() -> None:
    async def behave(asked: Asked) -> None:
        if asked.address == 100:
            asked.refuse(4)
        else:
            asked.answer()

    async with RawServer(behave).serve() as server:
        bus = lan(server.port)
        async with running(bus, own_addresses(300, bus, max_registers=100, timeout="2s")) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= 600)
            assert wrong(one.basket.samples) == []
            bad = {int(row.point[1:]) for row in one.basket.samples if row.quality is Quality.BAD}
            assert bad == set(range(100, 200))
            assert {row.cause for row in one.basket.of("p150")} == {Cause.EXCEPTION}


async def test_lesson_e_values_of_two_and_four_registers_over_a_block_boundary_stay_whole() -> None:
    registers = {f"f{at}": {"address": 4 * at, "type": "float32"} for at in range(20)}
    registers |= {f"q{at}": {"address": 80 + 4 * at, "type": "uint64"} for at in range(10)}
    words = {
        4 * at + half: word
        for at in range(20)
        for half, word in enumerate(struct.unpack(">2H", struct.pack(">f", at / 4)))
    } | {4 * at + 2 + half: 0 for at in range(20) for half in range(2)}
    words |= {
        80 + 4 * at + part: word for at in range(10) for part, word in enumerate(struct.unpack(">4H", struct.pack(">Q", at << 40)))
    }  # fmt: skip
    async with pymodbus_server(sim_device(1, words)) as port:
        device = make_device(modbus_model(registers, max_registers=11), lan(port), every_ms=EVERY_MS)
        async with running(lan(port), device) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= 30)
            values = {row.point: row.value for row in one.basket.samples}
            assert values == {**{f"f{at}": at / 4 for at in range(20)}, **{f"q{at}": at << 40 for at in range(10)}}


@pytest.mark.parametrize("table", ["coil", "discrete"])
@pytest.mark.parametrize("count", [2, 8, 9, 17, 2001])
async def test_lesson_f_packed_bits_come_out_one_by_one(count: int, table: str) -> None:
    pattern = [at % 3 == 0 or at == count - 1 for at in range(count)]
    async with pymodbus_server(sim_device(1, {0: 0}, pattern)) as port:
        model = modbus_model({f"b{at}": {"address": at, "table": table} for at in range(count)})
        async with running(lan(port), make_device(model, lan(port), every_ms=1000)) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= count)
            values = {row.point: row.value for row in one.basket.samples}
            assert [values[f"b{at}"] for at in range(count)] == pattern


async def test_lesson_i_a_sentinel_among_other_values_is_bad_alone() -> None:
    registers = {f"p{at}": {"address": at, "sentinels": ["0x8000"]} for at in range(5)}
    model = modbus_model(registers)
    async with (
        pymodbus_server(sim_device(1, {0: 0, 1: 1, 2: 0x8000, 3: 3, 4: 4})) as port,
        running(lan(port), make_device(model, lan(port), every_ms=EVERY_MS)) as one,
    ):
        await one.basket.until(lambda: len(one.basket.samples) >= 10)
        assert {(row.point, row.value, row.cause) for row in one.basket.samples} == {
            ("p0", 0, Cause.NONE), ("p1", 1, Cause.NONE), ("p2", None, Cause.SENTINEL), ("p3", 3, Cause.NONE), ("p4", 4, Cause.NONE),
        }  # fmt: skip
