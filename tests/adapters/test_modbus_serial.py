"""Modbus RTU on a serial line and through a converter: one line, many units, and no answer to the wrong question."""

import asyncio
from typing import Any

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer

from contract.messages import Cause, Quality
from edge.site import Bus
from tests.support.buses import own_addresses, running, wrong
from tests.support.modbus_peers import Asked, RawServer, pymodbus_server, sim_device
from tests.support.serial_lines import RawSerial, serial_pair


def line(port: str, **keys: Any) -> Bus:
    return Bus("line", "rtu", serial_port=port, **{"baud": 115_200, **keys})


def converter(port: int) -> Bus:
    return Bus("line", "rtu_over_tcp", host="127.0.0.1", port=port, baud=115_200)


async def answers(asked: Asked) -> None:
    asked.answer()


async def test_three_units_on_one_line_are_read_from_an_independent_server() -> None:
    async with serial_pair() as (here, there):
        server = ModbusSerialServer(
            [sim_device(unit, {at: at for at in range(20)}) for unit in (1, 2, 3)], framer=FramerType.RTU, port=there, baudrate=115_200
        )  # fmt: skip
        await server.serve_forever(background=True)
        devices = [
            own_addresses(20, line(here), unit=unit, name=f"meter_{unit}", every_ms=100, timeout="2s")
            for unit in (1, 2, 3)
        ]
        async with running(line(here), *devices) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= 180)
            assert wrong(one.basket.samples) == []
            assert {(row.device, row.quality) for row in one.basket.samples} == {
                (f"meter_{unit}", Quality.GOOD) for unit in (1, 2, 3)
            }
        await server.shutdown()  # type: ignore[no-untyped-call]


async def test_a_converter_that_passes_bytes_on_is_read_from_an_independent_server() -> None:
    words = {at: at for at in range(130) if at != 60}
    async with pymodbus_server(sim_device(1, words), framer=FramerType.RTU) as port:
        bus = converter(port)
        async with running(bus, own_addresses(130, bus, timeout="2s")) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= 390)
            assert wrong(one.basket.samples) == []
            assert {row.point for row in one.basket.samples if row.quality is not Quality.GOOD} == {"p60"}


async def late_answers(asked: Asked, number: int, late_s: float) -> None:
    if number % 4 == 1:
        await asyncio.sleep(late_s)
    asked.answer()


async def test_lesson_c_a_late_answer_on_a_serial_line_is_never_given_to_the_next_question() -> None:
    """Each answer that comes late meets a question of the same unit, function and, without care, length."""

    async def behave(asked: Asked) -> None:
        await late_answers(asked, len(units.asked), 0.16)

    async with serial_pair() as (here, there):
        units = RawSerial(behave)
        device = own_addresses(40, line(here), max_registers=10, gap=0, timeout="150ms")
        async with units.serve(there), running(line(here), device) as one:
            await one.basket.until(lambda: one.bus.late_answers >= 4, seconds=20)
            assert wrong(one.basket.samples) == []
            assert Cause.NO_RESPONSE in {row.cause for row in one.basket.samples}
            assert Quality.GOOD in {row.quality for row in one.basket.samples}


async def test_a_device_with_one_single_request_is_asked_again_once_its_late_answer_came() -> None:
    """No question of another length exists, so only the late answer itself, or time, makes an end."""

    async def behave(asked: Asked) -> None:
        if len(units.asked) == 1:
            await asyncio.sleep(0.4)
            asked.writer.write(asked.frame(b"\x03\x02\x12\x34"))
        else:
            asked.answer()

    async with serial_pair() as (here, there):
        units = RawSerial(behave)
        async with units.serve(there), running(line(here), own_addresses(1, line(here))) as one:
            good = await one.first("p0", quality=Quality.GOOD)
            assert wrong(one.basket.samples) == []
            assert 200 <= good.steady_ms - one.basket.samples[0].steady_ms < 2000
            assert one.bus.late_answers == 1


async def test_a_device_with_one_single_request_that_never_answered_waits_for_the_line_to_drain() -> None:
    async def behave(asked: Asked) -> None:
        if len(units.asked) > 1:
            asked.answer()

    async with serial_pair() as (here, there):
        units = RawSerial(behave)
        async with units.serve(there), running(line(here), own_addresses(1, line(here))) as one:
            good = await one.first("p0", quality=Quality.GOOD)
            assert good.steady_ms - one.basket.samples[0].steady_ms >= 3000
            assert {row.cause for row in one.basket.samples[:-1]} == {Cause.NO_RESPONSE}


async def test_lesson_c_a_late_answer_through_a_converter_is_never_given_to_the_next_question() -> None:
    async def behave(asked: Asked) -> None:
        await late_answers(asked, len(server.asked), 0.2)

    async with RawServer(behave, is_rtu=True).serve() as server:
        bus = converter(server.port)
        device = own_addresses(40, bus, max_registers=10, gap=0)
        async with running(bus, device) as one:
            await one.basket.until(lambda: len(server.asked) >= 12, seconds=20)
            assert wrong(one.basket.samples) == []
            assert {row.cause for row in one.basket.samples} == {Cause.NONE, Cause.NO_RESPONSE}
            assert server.connections >= 3


async def test_noise_spoils_its_own_answer_and_no_other() -> None:
    async def behave(asked: Asked) -> None:
        frame = bytearray(asked.frame(asked.values()))
        if len(units.asked) % 5 == 0:
            frame[5] ^= 0x10
        asked.writer.write(bytes(frame))

    async with serial_pair() as (here, there):
        units = RawSerial(behave)
        async with units.serve(there), running(line(here), own_addresses(20, line(here), every_ms=100)) as one:
            await one.basket.until(lambda: len(units.asked) >= 14)
            assert wrong(one.basket.samples) == []
            causes = [row.cause for row in one.basket.of("p7")]
            assert Cause.UNDECODABLE in causes
            assert causes.count(Cause.NONE) >= 8


async def test_an_adapter_that_echoes_is_understood() -> None:
    async with serial_pair() as (here, there):
        units = RawSerial(answers)
        units.heard = units.write
        async with units.serve(there), running(line(here), own_addresses(20, line(here))) as one:
            await one.basket.until(lambda: len(one.basket.samples) >= 60)
            assert wrong(one.basket.samples) == []
            assert {row.quality for row in one.basket.samples} == {Quality.GOOD}


async def test_lesson_a_one_silent_unit_among_ten_leaves_the_others_their_rate() -> None:
    """The requirement's line: ten devices, 9600 baud; shortened here, in full under ``make proof``."""

    async def behave(asked: Asked) -> None:
        if asked.unit != 4:
            await asyncio.sleep(0.02)
            asked.answer()

    async with serial_pair() as (here, there):
        units, bus = RawSerial(behave), line(here, baud=9600)
        devices = [
            own_addresses(10, bus, unit=unit, name=f"meter_{unit}", every_ms=500, timeout="300ms")
            for unit in range(1, 11)
        ]
        async with units.serve(there), running(bus, *devices) as one:
            await asyncio.sleep(7)
            rates = {
                device.id: sum(row.quality is Quality.GOOD for row in one.basket.of("p0", device.id))
                for device in devices
            }
            assert rates.pop("meter_4") == 0
            assert min(rates.values()) >= 0.9 * 7 / 0.5 - 1
            assert len(one.basket.of("p0", "meter_4")) >= 12


async def test_a_port_that_is_pulled_out_and_put_back_is_found_again() -> None:
    bus = line("/dev/does_not_exist")
    async with running(bus, own_addresses(1, bus)) as one:
        await one.first("p0", cause=Cause.NOT_CONNECTED)
        assert one.state() == "not_connected"
    async with serial_pair() as (here, there):
        units = RawSerial(answers)
        async with units.serve(there), running(line(here), own_addresses(4, line(here))) as one:
            await one.first("p0", quality=Quality.GOOD)
            one.bus._line._link.connection_lost(OSError("pulled out"))  # type: ignore[union-attr]
            one.bus._line.close()
            seen = len(one.basket.samples)
            await one.basket.until(lambda: any(row.quality is Quality.GOOD for row in one.basket.samples[seen:]))
