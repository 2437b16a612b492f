"""Every way to a Modbus device, from the command line and in the running gateway: TCP, UDP, TLS, RTU over TCP, RTU on a port."""

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pymodbus.framer import FramerType

from contract.conventions import Exit
from tests.adapters.test_commissioning import gateway, run
from tests.support.modbus_peers import Asked, RawServer, in_thread, pymodbus_server, sim_device
from tests.support.serial_lines import RawSerial, serial_pair

OWN_ADDRESSES = {at: at for at in range(20)}
MODEL = """\
{id: own_addresses, equipment_class: pump, name: Own addresses, maker: none, status: unverified, sources: [made for a test],
 protocol: modbus, registers: {motor_current: {table: holding, address: 7}, flow: {table: holding, address: 8}}}
"""


@dataclass(frozen=True, slots=True)
class Way:
    """One transport with a device behind it: how a site file and how a command line names it."""

    bus: dict[str, Any]
    options: tuple[object, ...]


async def answers(asked: Asked) -> None:
    if asked.address + asked.count > len(OWN_ADDRESSES):
        asked.refuse(2)
    else:
        asked.answer()


@contextlib.asynccontextmanager
async def ways(certificates: Path) -> AsyncIterator[dict[str, Way]]:
    """A device on each: pymodbus's servers where they speak the transport, raw ones for the others."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    device = sim_device(1, OWN_ADDRESSES)
    async with (
        pymodbus_server(device) as tcp,
        pymodbus_server(device, udp=True) as udp,
        pymodbus_server(device, framer=FramerType.RTU) as converter,
        RawServer(answers, tls=context).serve() as secure,
        serial_pair() as (here, there),
        RawSerial(answers).serve(there),
    ):
        ca, cert, key = (str(certificates / name) for name in ("ca.pem", "client.pem", "client.key"))
        ports = {"tcp": tcp, "udp": udp, "rtu_over_tcp": converter, "tls": secure.port}
        found = {
            kind: Way(
                {"id": kind, "modbus": kind, "host": "127.0.0.1", "port": port},
                ("--host", "127.0.0.1", "--port", port, "--kind", kind),
            )
            for kind, port in ports.items()
        }
        files = {"ca_file": ca, "cert_file": cert, "key_file": key}
        found["tls"] = Way(
            found["tls"].bus | files,
            (*found["tls"].options, "--ca-file", ca, "--cert-file", cert, "--key-file", key),
        )
        found["rtu"] = Way(
            {"id": "rtu", "modbus": "rtu", "port": here, "baud": 115_200}, ("--serial", here, "--baud", 115_200)
        )
        yield found


@pytest.fixture(scope="module")
def served(certificates: Path) -> Iterator[dict[str, Way]]:
    """The devices, served by a loop in another thread while the commands run their own."""
    with in_thread(ways(certificates)) as found:
        yield found


def site_of(folder: Path, *chosen: Way) -> Path:
    """A site file with a pump and a device behind each way. JSON is YAML."""
    (folder / "library/models/pump").mkdir(parents=True)
    (folder / "library/models/pump/own_addresses.yaml").write_text(MODEL)
    kinds = [way.bus["id"] for way in chosen]
    file = folder / "site.yaml"
    file.write_text(
        json.dumps(
            {
                "site": {"id": "demo", "name": "Tower", "zone": "Asia/Shanghai"},
                "gateway": {"id": "gw_1", "status": {"port": 0}},
                "library": "library",
                "equipment": [
                    {"id": f"pump_{kind}", "class": "pump", "ratings": {"rated_a": 30, "rated_kw": 15, "setpoint_mpa": 0.5}}
                    for kind in kinds
                ],
                "buses": [way.bus for way in chosen],
                "devices": [
                    {
                        "id": kind, "model": "own_addresses", "bus": kind, "address": 1, "equipment": f"pump_{kind}",
                        "every": "500ms",
                    }
                    for kind in kinds
                ],
            }
        )
    )  # fmt: skip
    return file


KINDS = ("tcp", "udp", "tls", "rtu_over_tcp", "rtu")


@pytest.mark.parametrize("kind", KINDS)
def test_read_probe_and_scan_go_over_every_transport(served: dict[str, Way], kind: str, tmp_path: Path) -> None:
    way = served[kind]
    result = run("read", site_of(tmp_path, way), kind, "motor_current", "--json", "--data", tmp_path)
    (row,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (row["value"], row["quality"], row["words"]) == (7.0, "good", [7])
    found = run("probe", *way.options, "--id", 1, "--address", 6, "--expect", 7, "--type", "uint16", "--json")
    assert json.loads(found.stdout.splitlines()[0])["address"] == 7
    scanned = run(
        "scan", *way.options, "--ids", 1, "--addresses", "10-29", "--tables", "holding", "--json", "--pause", 0
    )
    assert json.loads(scanned.stdout)["ranges"] == {"holding": [[10, 19]]}


def test_the_running_gateway_reads_over_every_transport_at_once(served: dict[str, Way], tmp_path: Path) -> None:
    """And lends each of its lines, the serial port among them, to the commands."""
    site = site_of(tmp_path, *(served[kind] for kind in KINDS))
    data = tmp_path / "data"
    with gateway(site, data):
        for kind in KINDS:
            result = run("read", site, kind, "--json", "--data", data)
            assert "through the running gateway gw_1" in result.stderr
            assert [json.loads(line)["value"] for line in result.stdout.splitlines()] == [7.0, 8.0]
        found = run(
            "probe", *served["rtu"].options, "--id", 1, "--address", 6, "--expect", 7, "--type", "uint16", "--json",
            "--data", data,
        )  # fmt: skip
        assert "through the running gateway" in found.stderr
        assert json.loads(found.stdout.splitlines()[0])["address"] == 7
        elsewhere = run("probe", *served["rtu"].options, "--id", 1, "--address", 6, "--data", tmp_path / "other")
        assert elsewhere.exit_code == Exit.FINDING
        assert "another program holds it; a running gateway lends its line" in elsewhere.stderr


def test_a_device_that_wants_a_certificate_is_not_read_without(served: dict[str, Way]) -> None:
    options = served["tls"].options
    bare = options[: options.index("--cert-file")]
    result = run("probe", *bare, "--id", 1, "--address", 6, "--timeout", 500)
    assert result.exit_code == Exit.FINDING
    assert "certificate" in result.stderr or "connection" in result.stderr


@pytest.mark.parametrize(("port", "said"), [("/dev/no_such_port", "no such port"), ("/dev/null", "no serial port")])
def test_a_port_that_cannot_be_had_says_why_and_what_to_do(port: str, said: str) -> None:
    result = run("probe", "--serial", port, "--id", 1, "--address", 6)
    assert result.exit_code == Exit.FINDING
    assert said in result.stderr


def test_a_port_that_cannot_switch_rs_485_says_so_and_what_to_do(served: dict[str, Way]) -> None:
    """A pseudo terminal has no such mode, as most USB adapters have none."""
    result = run("probe", *served["rtu"].options, "--rs485", "--id", 1, "--address", 6)
    assert result.exit_code == Exit.FINDING
    assert "cannot switch RS-485" in result.stderr
    assert "remove rs485 from the bus" in result.stderr
