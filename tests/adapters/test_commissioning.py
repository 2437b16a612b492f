"""read, probe and scan against devices behind real sockets, directly and through the running gateway."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contract.conventions import Exit
from edge.cli import app
from edge.clock import SystemClock
from edge.commission.asking import open_asker
from edge.commission.reading import read_device
from edge.site import Bus
from tests.support.buses import own_addresses
from tests.support.meters import Image, floats, served
from tests.support.modbus_peers import Asked
from tests.support.serial_lines import RawSerial, serial_pair

SITE = """\
site: {{id: demo, name: Tower, zone: Asia/Shanghai}}
gateway: {{id: gw_1, status: {{port: 0}}}}
equipment:
  - {{id: feeder_1, class: lv_switchgear, ratings: {{rated_a: {rated}}}}}
buses:
  - {{id: lan, modbus: tcp, host: 127.0.0.1, port: {port}}}
devices:
  - {{id: meter_1, model: eastron_sdm630, bus: lan, address: 1, equipment: feeder_1, every: 500ms}}
"""


def meter() -> Image:
    words = dict.fromkeys(range(400), 0) | floats({0: 230.2, 2: 229.1, 70: 50.01})
    return Image(input=words, holding={100: 0x3333, 101: 0x4366, 102: 0, 200: 2302})


def run(*arguments: object, text: str | None = None) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def rows(result: Result) -> list[Any]:
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def port() -> Iterator[int]:
    with served({1: meter(), 5: Image(coil={0: 1, 1: 0})}) as server:
        yield server.port


@pytest.fixture
def site(tmp_path: Path, port: int) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.format(port=port, rated=250))
    return file


@contextmanager
def gateway(site: Path, data: Path) -> Iterator["Log"]:
    """``plantroom-edge run`` as a process of its own."""
    log = data.parent / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge.cli", "run", str(site), "--data", str(data)], stderr=sink
        )
        try:
            told = Log(process, log)
            told.until("ready")
            deadline = time.monotonic() + 10
            while not (data / "desk.sock").exists() and time.monotonic() < deadline:
                time.sleep(0.01)
            yield told
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == Exit.DONE


class Log:
    """What a gateway process says."""

    def __init__(self, process: "subprocess.Popen[bytes]", path: Path) -> None:
        self.process, self.path, self._read = process, path, 0

    def until(self, event: str) -> dict[str, Any]:
        """The next line of this event."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            lines = self.path.read_text().splitlines()
            for at, line in enumerate(lines[self._read :], start=self._read):
                if line.endswith("}") and json.loads(line)["event"] == event:
                    self._read = at + 1
                    found: dict[str, Any] = json.loads(line)
                    return found
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"no {event} in {self.path.read_text()}")


# --- read -----------------------------------------------------------------------------------------------------------


def test_read_shows_words_value_unit_quality_and_time_of_one_point(site: Path, tmp_path: Path) -> None:
    result = run("read", site, "meter_1", "voltage_l1", "--data", tmp_path / "data")
    assert result.exit_code == Exit.DONE
    head, row = result.stdout.splitlines()
    assert head.split() == ["point", "wire", "words", "value", "unit", "quality", "ms"]
    assert {"voltage_l1", "4366", "3333", "230.2", "V", "good"} <= set(row.split())


def test_read_of_a_device_gives_every_point_and_one_refused_register_costs_no_other(site: Path, tmp_path: Path) -> None:
    found = {row["point"]: row for row in rows(run("read", site, "meter_1", "--json", "--data", tmp_path / "data"))}
    assert found["frequency"]["value"] == pytest.approx(50.01)
    assert found["frequency"]["words"] == [0x4248, 0x0A3D]
    assert found["voltage_l2"]["quality"] == "good"


def test_a_device_that_is_silent_is_told_point_by_point(site: Path, tmp_path: Path) -> None:
    site.write_text(site.read_text().replace("address: 1", "address: 9"))
    result = run("read", site, "meter_1", "voltage_l1", "--json", "--data", tmp_path / "data")
    assert result.exit_code == Exit.FINDING
    (row,) = rows(result)
    assert (row["value"], row["quality"], row["cause"]) == (None, "bad", "no_response")


@pytest.mark.parametrize(("arguments", "said"), [
    (["metre_1"], "Did you mean meter_1?"), (["meter_1", "voltage_11"], "Did you mean voltage_l1?"),
])  # fmt: skip
def test_a_wrong_name_is_told_with_the_nearest(site: Path, arguments: list[str], said: str) -> None:
    result = run("read", site, *arguments)
    assert result.exit_code == Exit.MISCONFIGURED
    assert said in result.stderr


# --- probe ----------------------------------------------------------------------------------------------------------


def probe(port: int, *arguments: object) -> Result:
    return run("probe", "--host", "127.0.0.1", "--port", port, *arguments)


@pytest.mark.parametrize("address", [99, 100, 101])
def test_probe_finds_the_right_address_type_and_order_from_what_the_display_shows(port: int, address: int) -> None:
    best = rows(probe(port, "--id", 1, "--address", address, "--expect", 230.2, "--json"))[0]
    assert (best["address"], best["type"], best["order"], best["scale"]) == (100, "float32", "CDAB", 1.0)
    assert best["shift"] == 100 - address


def test_probe_finds_a_scale(port: int) -> None:
    best = rows(probe(port, "--id", 1, "--address", "0xC9", "--one-based", "--expect", 230.2, "--json"))[0]
    assert (best["address"], best["type"], best["scale"], best["value"]) == (200, "uint16", 0.1, 230.2)


def test_probe_of_bits_shows_the_neighbours(port: int) -> None:
    found = rows(probe(port, "--id", 5, "--table", "coil", "--address", 0, "--json"))
    assert [(row["address"], row["value"]) for row in found] == [(0, True), (1, False)]


def test_probe_says_when_nothing_reads_like_that(port: int) -> None:
    result = probe(port, "--id", 1, "--address", 200, "--expect", 7777.7)
    assert result.exit_code == Exit.FINDING
    assert "another address" in result.stderr
    nowhere = probe(port, "--id", 1, "--address", 5000)
    assert nowhere.exit_code == Exit.FINDING
    assert "exception 2" in nowhere.stderr


@pytest.mark.parametrize(("arguments", "said"), [
    (["--id", 1, "--address", 1], "no line is named"), (["--host", "h", "--id", 1, "--address", "x"], "'x' is no address"),
    (["--host", "h", "--id", 1, "--address", 1, "--table", "holdings"], "Did you mean holding?"),
    (["--host", "h", "--id", 1, "--address", 1, "--type", "float23"], "Did you mean float32?"),
    (["--host", "h", "--id", 1, "--address", 0, "--one-based"], "'0' is no address"),
    (["--host", "h", "--kind", "tpc", "--id", 1, "--address", 0], "Did you mean tcp?"),
])  # fmt: skip
def test_a_mistake_of_probe_is_one_message(arguments: list[object], said: str) -> None:
    result = run("probe", *arguments)
    assert result.exit_code == Exit.MISCONFIGURED
    assert said in result.stderr


# --- scan -----------------------------------------------------------------------------------------------------------


def scan(port: int, *arguments: object) -> Result:
    return run("scan", "--host", "127.0.0.1", "--port", port, "--pause", 0, *arguments)


def test_scan_finds_who_answers_and_what_they_let_read(port: int) -> None:
    result = scan(port, "--ids", "1-6", "--addresses", "95-210", "--tables", "holding,coil", "--json")
    assert rows(result) == [
        {"id": 1, "ranges": {"holding": [[100, 102], [200, 200]]}, "stopped": "", "draft": None},
        {"id": 5, "ranges": {}, "stopped": "", "draft": None},
    ]
    assert "6/6" in result.stderr


def test_a_drafted_mapping_passes_the_library_check_and_reads_the_device(port: int, tmp_path: Path) -> None:
    scan(port, "--ids", "1,5", "--addresses", "0-210", "--tables", "holding,coil", "--out", tmp_path)
    drafts = sorted((tmp_path / "models").rglob("*.yaml"))
    assert [file.name for file in drafts] == ["draft_1.yaml", "draft_5.yaml"]
    checked = run("library", "check", *drafts)
    assert checked.exit_code == Exit.DONE, checked.stdout
    assert (
        "holding_00100: {table: holding, address: 100, type: float32, order: CDAB}  # now 230.2"
        in drafts[0].read_text()
    )


def test_scan_keeps_to_its_most_requests_and_says_where_it_stopped(port: int) -> None:
    (found,) = rows(scan(port, "--ids", 1, "--addresses", "0-999", "--most", 5, "--json"))
    assert "requests were used up" in found["stopped"]


def test_nobody_there_is_a_finding() -> None:
    with served({}) as server:
        result = scan(server.port, "--ids", "1-2", "--timeout", 50)
    assert result.exit_code == Exit.FINDING
    assert "no id answers" in result.stderr


WRITE = b'{"line":"elsewhere","unit":1,"function":6,"address":0,"count":1,"timeout_ms":100}'


def ask_desk(data: Path, *lines: bytes) -> list[Any]:
    """What the gateway's desk answers to these lines."""
    with socket.socket(socket.AF_UNIX) as desk:
        desk.settimeout(5)
        desk.connect(str(data / "desk.sock"))
        stream = desk.makefile("rwb", buffering=0)
        answers = []
        for line in lines:
            stream.write(line + b"\n")
            if answer := stream.readline():
                answers.append(json.loads(answer))
        return answers


# --- through the running gateway, and reload ------------------------------------------------------------------------


def test_read_probe_and_scan_go_through_the_running_gateway(site: Path, port: int, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with gateway(site, data):
        assert (data / "desk.sock").stat().st_mode & 0o777 == 0o600
        result = run("read", site, "meter_1", "voltage_l1", "--data", data)
        assert "through the running gateway gw_1" in result.stderr
        assert "230.2" in result.stdout
        best = probe(port, "--id", 1, "--address", 101, "--expect", 230.2, "--json", "--data", data)
        assert "through the running gateway" in best.stderr
        assert rows(best)[0]["address"] == 100
        assert rows(scan(port, "--ids", "5", "--tables", "coil", "--addresses", "0-9", "--json", "--data", data))[0][
            "ranges"
        ] == {"coil": [[0, 1]]}
        asked = ask_desk(data, b"garbage", b"[]", b"[" * 3000, WRITE, WRITE.replace(b"6", b"3"), b'{"hello":1}')
        assert [list(answer) for answer in asked[:5]] == [["mistake"]] * 5
        assert "only 1, 2, 3 and 4 are ever sent" in asked[3]["mistake"]
        assert asked[5] == {"gateway": "gw_1", "site": "demo", "lines": [f"127.0.0.1:{port}"]}
        assert ask_desk(data, b"x" * 10_000) == []
    assert not (data / "desk.sock").exists()
    assert "through" not in run("read", site, "meter_1", "voltage_l1", "--data", data).stderr


def test_a_changed_file_and_sighup_reload_and_a_wrong_file_changes_nothing(
    site: Path, port: int, tmp_path: Path
) -> None:
    with gateway(site, tmp_path / "data") as log:
        site.write_text(SITE.format(port=port, rated=400))
        told = log.until("reloaded")
        assert (told["kept"], told["stopped"], told["announced"]) == (["lan"], [], True)
        site.write_text(SITE.format(port=port, rated=400).replace("lv_switchgear", "lv_swichgear"))
        refused = log.until("reload_refused")
        assert "Did you mean lv_switchgear?" in refused["mistakes"][0]
        site.write_text(SITE.format(port=port, rated=400))
        log.until("reload_unchanged")
        os.kill(log.process.pid, signal.SIGHUP)
        log.until("reload_unchanged")
        site.write_text(SITE.format(port=port, rated=400).replace("id: gw_1", "id: gw_2"))
        assert "Restart the gateway" in log.until("reload_refused")["mistakes"][0]


async def refuses_block_of_five(asked: Asked) -> None:
    if asked.count == 5:
        asked.refuse(2)
    else:
        asked.answer()


async def test_a_serial_line_is_read_by_hand_and_given_back(tmp_path: Path) -> None:
    async with serial_pair() as (here, there), RawSerial(refuses_block_of_five).serve(there) as server:
        bus = Bus("line", "rtu", serial_port=here, baud=115_200)
        device, clock = own_addresses(5, bus, timeout="500ms"), SystemClock()
        for _ in range(2):
            async with open_asker(bus, tmp_path, clock) as asker:
                found = [row async for row in read_device(asker, device, clock)]
            assert [(row.point, row.value, row.words) for row in found] == [(f"p{at}", at, (at,)) for at in range(5)]
        assert {(asked.unit, asked.pdu[0]) for asked in server.asked} == {(1, 3)}
