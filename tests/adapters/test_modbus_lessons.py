"""What the field teaches about acquisition, letter by letter, each as a test against real sockets or a pair of serial ports.

a  one silent unit, the others keep their rate     test_modbus_serial, test_modbus_tcp; the full figures in test_modbus_proof
                                                   and, in virtual time, tests/acquire/test_line_in_virtual_time.py
b  one unit number on two lines, one dead          here (serial), test_modbus_tcp
c  a late answer is given to no other question     test_modbus_serial (line, converter), test_modbus_tcp
d  the middle block of three fails                 test_modbus_blocks
e  values of 32 and 64 bits at a block's end       test_modbus_blocks
f  2, 8, 9, 17 and 2001 bits packed                test_modbus_blocks
g  126 and 251 registers                           test_modbus_tcp
h  exception 6 is not 0                            test_modbus_tcp
i  a sentinel in a block of many values            test_modbus_blocks
j  four days cut off, disk bounded, alarms kept    tests/outbox (delivery's, not acquisition's)
k  a broker's restart: subscribed again            test_mqtt: a message proves it
l  kill -9 at each step                            tests/outbox/test_sqlite.py, tests/system/test_crash_steps.py, test_crash.py
m  a torn last record                              tests/outbox/test_sqlite.py
n  a reconnection or an equal file restarts nobody here
o  a poll longer than its period skips and counts  test_modbus_tcp
p  the clock is set, the machine sleeps            here
q  north blocked for a day                         delivery's; here: no line waits for the cloud (n)
"""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from contract.messages import Cause, Quality
from edge.clock import SystemClock
from edge.decode.sample import Moment
from edge.site import Bus
from tests.adapters.test_commissioning import gateway
from tests.support.buses import EVERY_MS, Running, own_addresses, running, wrong
from tests.support.modbus_peers import Asked, RawServer
from tests.support.serial_lines import RawSerial, serial_pair


async def answers(asked: Asked) -> None:
    asked.answer()


async def is_silent(_asked: Asked) -> None:
    """A unit that is wired and dead."""


async def test_lesson_b_the_same_unit_on_two_serial_lines_is_two_devices() -> None:
    async with serial_pair() as (dead, far), serial_pair() as (alive, near), RawSerial(is_silent).serve(far):
        lines = [Bus(name, "rtu", serial_port=port, baud=115_200) for name, port in (("a", dead), ("b", alive))]
        devices = [own_addresses(2, line, unit=7, name=f"meter_{line.id}") for line in lines]
        async with (
            RawSerial(answers).serve(near),
            running(lines[0], devices[0]) as first,
            running(lines[1], devices[1]) as second,
        ):
            await second.basket.until(lambda: len(second.basket.of("p0")) >= 20)
            assert {row.quality for row in second.basket.samples} == {Quality.GOOD}
            assert {row.cause for row in first.basket.samples} == {Cause.NO_RESPONSE}
            assert (first.state("meter_a"), second.state("meter_b")) == ("silent", "ok")


SITE = """\
site: {{id: demo, name: Tower, zone: Asia/Shanghai}}
gateway: {{id: gw_1, cloud: "http://127.0.0.1:{cloud}", status: {{port: 0}}}}
equipment:
  - {{id: feeder_1, class: lv_switchgear, ratings: {{rated_a: 250}}}}
buses:
  - {{id: lan, modbus: tcp, host: 127.0.0.1, port: {port}}}
devices:
  - {{id: meter_1, model: eastron_sdm630, bus: lan, address: 1, equipment: feeder_1, every: 500ms}}
"""


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A cloud that comes and goes."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


async def test_lesson_n_a_reconnection_or_an_equal_file_restarts_no_line(tmp_path: Path) -> None:
    """The cloud appears and vanishes, the same file is saved again, SIGHUP: one connection to the meter all the while."""
    file = tmp_path / "site.yaml"
    async with RawServer(answers).serve() as server:
        cloud = await asyncio.start_server(_refuse, "127.0.0.1", 0)
        address = cloud.sockets[0].getsockname()[1]
        file.write_text(SITE.format(port=server.port, cloud=address))
        (tmp_path / "credential").write_text("secret")
        await asyncio.to_thread(_live_through, file, tmp_path / "data")
        cloud.close()
        assert len(server.asked) >= 4
        assert server.connections == 1


def _live_through(file: Path, data: Path) -> None:
    with gateway(file, data) as log:
        file.write_text(file.read_text())
        log.until("reload_unchanged")
        os.kill(log.process.pid, signal.SIGHUP)
        log.until("reload_unchanged")


class ChangingClock(SystemClock):
    """A clock that a person, or a time server, sets; and one that goes on while the machine sleeps."""

    wall_ms = 0
    steady_ms = 0

    def moment(self) -> Moment:
        now = super().moment()
        return Moment(now.wall_ms + self.wall_ms, now.steady_ms + self.steady_ms)

    def now_ms(self) -> int:
        return super().now_ms() + self.wall_ms


async def _polls(one: Running, count: int) -> list[int]:
    """Wall instants of the next polls."""
    seen = len(one.basket.of("p0"))
    await one.basket.until(lambda: len(one.basket.of("p0")) >= seen + count)
    return [row.sampled_at_ms for row in one.basket.of("p0")[seen:]]


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
async def test_lesson_p_a_clock_that_is_set_moves_stamps_and_no_poll(
    jump_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ChangingClock()
    monkeypatch.setattr("tests.support.buses.SystemClock", lambda: clock)
    async with RawServer(answers).serve() as server:
        bus = Bus("lan", "tcp", host="127.0.0.1", port=server.port)
        async with running(bus, own_addresses(4, bus)) as one:
            before = await _polls(one, 4)
            clock.wall_ms = jump_ms
            after = await _polls(one, 4)
            assert jump_ms - 10 * EVERY_MS < after[-1] - before[-1] < jump_ms + 40 * EVERY_MS
            assert one.health.skips("meter_1") <= 2, "no poll was made up for, and none forgotten"
            assert wrong(one.basket.samples) == []
            assert {row.quality for row in one.basket.samples} == {Quality.GOOD}


async def test_lesson_p_after_a_sleep_each_poll_runs_once_and_the_rest_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = ChangingClock()
    monkeypatch.setattr("tests.support.buses.SystemClock", lambda: clock)
    async with RawServer(answers).serve() as server:
        bus = Bus("lan", "tcp", host="127.0.0.1", port=server.port)
        async with running(bus, own_addresses(4, bus)) as one:
            await _polls(one, 4)
            asked = len(server.asked)
            clock.wall_ms = clock.steady_ms = 600_000
            await _polls(one, 4)
            assert len(server.asked) - asked <= 6
            assert one.health.skips("meter_1") >= 600_000 // EVERY_MS - 10
            assert wrong(one.basket.samples) == []
