"""The gateway only reads: whatever is done with it, only function codes 1 to 4 reach a device."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.adapters.test_commissioning import WRITE, ask_desk, gateway, run
from tests.support.modbus_peers import Asked, RawServer, in_thread
from tests.support.serial_lines import RawSerial, serial_pair

SITE = """\
site: {{id: demo, name: Tower, zone: Asia/Shanghai}}
gateway: {{id: gw_1, status: {{port: 0}}}}
library: library
equipment:
  - {{id: pump_1, class: pump, ratings: {{rated_a: 30, rated_kw: 15, setpoint_mpa: 0.5}}}}
buses:
  - {{id: line, {line}}}
devices:
  - {{id: dev, model: everything, bus: line, address: 1, equipment: pump_1, every: 500ms}}
"""
MODEL = """\
{id: everything, equipment_class: pump, name: Everything, maker: none, status: unverified, sources: [made for a test],
 protocol: modbus, modbus: {gap: 4, timeout: 200ms}, registers: {
  running: {table: coil, address: 3}, fault: {table: discrete, address: 4},
  motor_current: {table: holding, address: 7, scale_from: 30}, flow: {table: input, address: 8, type: float32},
  active_power: {table: holding, address: 20, type: uint32}}}
"""


class Moody:
    """A device that answers, refuses, is busy, keeps silent or hangs up, as it likes: every path is taken."""

    def __init__(self) -> None:
        self.dice, self.seen = random.Random(3), set[bytes]()

    async def answer(self, asked: Asked) -> None:
        self.seen.add(asked.pdu)
        mood = self.dice.random()
        if mood < 0.75:
            asked.answer(self.bits(asked) if asked.pdu[0] <= 2 else None)
        elif mood < 0.95:
            asked.refuse(self.dice.choice([2, 3, 4, 5, 6, 10, 11]))
        elif not asked.is_rtu and mood < 0.98:
            asked.writer.close()

    def bits(self, asked: Asked) -> bytes:
        size = -(-asked.count // 8)
        return bytes([asked.pdu[0], size]) + b"\xa5" * size


@contextlib.asynccontextmanager
async def device(kind: str, moody: Moody) -> AsyncIterator[tuple[str, tuple[object, ...]]]:
    """How a site file and a command line name the line."""
    if kind == "rtu":
        async with serial_pair() as (here, there), RawSerial(moody.answer).serve(there):
            yield f"modbus: rtu, port: {here}, baud: 115200", ("--serial", here, "--baud", 115_200)
    else:
        async with RawServer(moody.answer).serve() as server:
            options = ("--host", "127.0.0.1", "--port", server.port)
            yield f"modbus: tcp, host: 127.0.0.1, port: {server.port}", options


@pytest.mark.parametrize("kind", ["tcp", pytest.param("rtu", marks=pytest.mark.proof)])
def test_only_the_four_reading_functions_leave_whatever_is_asked_of_it(kind: str, tmp_path: Path) -> None:
    """run, reload, read, probe, scan and accept, on their own line and through the gateway, and a forged question to it."""
    moody, file, data = Moody(), tmp_path / "site.yaml", tmp_path / "data"
    (tmp_path / "library/models/pump").mkdir(parents=True)
    (tmp_path / "library/models/pump/everything.yaml").write_text(MODEL)
    key = tmp_path / "key"
    key.write_text("a key of twelve letters and more")

    def everything(options: tuple[object, ...]) -> None:
        near = ("--timeout", 50, "--data", data)
        run("read", file, "dev", "--data", data)
        for table in ("holding", "input", "coil", "discrete"):
            run("probe", *options, "--id", 1, "--address", 7, "--table", table, *near)
        run("scan", *options, "--ids", "0-2", "--addresses", "0-30", "--tables", "holding,input,coil,discrete",
            "--pause", 0, "--most", 40, *near)  # fmt: skip
        run("accept", file, "--engineer", "Li Wei", "--key", key, "--data", data, text="\n" * 40)

    with in_thread(device(kind, moody)) as (line, options):
        file.write_text(SITE.format(line=line))
        everything(options)
        with gateway(file, data) as log:
            everything(options)
            named = WRITE.replace(
                b"elsewhere", str(options[1]).encode() + (f":{options[3]}".encode() if kind == "tcp" else b"")
            )
            assert "only 1, 2, 3 and 4 are ever sent" in ask_desk(data, named)[0]["mistake"]
            file.write_text(SITE.format(line=line).replace("500ms", "300ms"))
            log.until("reloaded")
            asyncio.run(asyncio.sleep(1))
    assert {pdu[0] for pdu in moody.seen} == {1, 2, 3, 4}
    assert {len(pdu) for pdu in moody.seen} == {5}
