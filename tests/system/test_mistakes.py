"""What a user can get wrong ends in one clear message and the right exit code, never in a traceback."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.conventions import Exit
from simulators.broker import free_port
from simulators.processes import program

SITE = """\
site: {{id: demo, name: Tower, zone: Asia/Shanghai}}
gateway: {{id: gw_1, cloud: "http://127.0.0.1:{cloud}", credential_file: credential, status: {{port: {status}}}}}
equipment:
  - {{id: feeder_1, class: lv_switchgear, ratings: {{rated_a: 250}}}}
  - {{id: lift_1, class: lift}}
buses:
  - {{id: lan, modbus: tcp, host: 127.0.0.1, port: {modbus}}}
  - {{id: sensors, mqtt: "mqtt://127.0.0.1:{broker}"}}
devices:
  - {{id: meter_1, model: eastron_sdm630, bus: lan, address: 1, equipment: feeder_1, every: 1s}}
  - {{id: box_1, model: generic_lift_gateway, bus: sensors, address: 1, equipment: lift_1, every: 1s}}
"""


def write_site(folder: Path, **ports: int) -> Path:
    used = {name: ports.get(name) or free_port() for name in ("cloud", "status", "modbus", "broker")}
    file = folder / "site.yaml"
    file.write_text(SITE.format(**used))
    return file


def run(name: str, *arguments: object, timeout: float = 40) -> subprocess.CompletedProcess[str]:
    command = [*program(name), *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


# --- the gateway ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "line", "said"),
    [
        ("every: 1s", "every: soon", 10, "soon"),
        ("eastron_sdm630", "eastron_sdm999", 10, "eastron_sdm999"),
        ("class: lv_switchgear", "class: lv_switchgaer", 4, "lv_switchgaer"),
        ("bus: lan", "bus: wan", 10, "wan"),
        ("zone: Asia/Shanghai", "zone: Asia/Shangai", 1, "Asia/Shangai"),
        ("buses:", "busses:", 6, "busses"),
    ],
)
def test_a_wrong_site_file_is_refused_with_file_and_line(
    tmp_path: Path, right: str, wrong: str, line: int, said: str
) -> None:
    file = write_site(tmp_path)
    file.write_text(file.read_text().replace(right, wrong, 1))
    done = run("plantroom-edge", "check", file)
    assert done.returncode == Exit.MISCONFIGURED
    assert f"{file}:{line}" in done.stdout + done.stderr
    assert said in done.stdout + done.stderr


def test_run_refuses_an_unknown_model_as_check_does(tmp_path: Path) -> None:
    file = write_site(tmp_path)
    file.write_text(file.read_text().replace("eastron_sdm630", "eastron_sdm999"))
    done = run("plantroom-edge", "run", file, "--data", tmp_path)
    assert done.returncode == Exit.MISCONFIGURED
    assert f"{file}:10" in done.stderr
    assert "eastron_sdm999" in done.stderr


def test_a_site_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = run("plantroom-edge", "check", tmp_path / "nowhere.yaml")
    assert done.returncode == Exit.MISCONFIGURED
    assert "nowhere.yaml" in done.stderr


def test_the_gateways_status_port_in_use_is_told(tmp_path: Path, taken_port: int) -> None:
    site = write_site(tmp_path, status=taken_port, broker=taken_port)  # a broker that is reached must end quietly too
    done = run("plantroom-edge", "run", site, "--data", tmp_path)
    assert done.returncode == Exit.MISCONFIGURED
    assert str(taken_port) in done.stderr


def test_enrolling_while_the_cloud_is_down_fails_with_its_address(tmp_path: Path) -> None:
    port = free_port()
    done = run("plantroom-edge", "enrol", write_site(tmp_path, cloud=port), "some-code")
    assert done.returncode == Exit.FINDING
    assert f"127.0.0.1:{port}" in done.stderr


def test_a_gateway_with_cloud_device_and_broker_down_goes_on_and_says_so(tmp_path: Path) -> None:
    status = free_port()
    (tmp_path / "credential").write_text("a-credential\n")
    file = write_site(tmp_path, status=status)
    log = tmp_path / "gateway.log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            [*program("plantroom-edge"), "run", str(file), "--data", str(tmp_path)], stdout=sink, stderr=sink
        )
    try:
        until_open(status, process)
        time.sleep(3)
        assert process.poll() is None
    finally:
        process.terminate()
    assert process.wait(20) in (Exit.DONE, Exit.INTERRUPTED)
    said = log.read_text()
    assert "Traceback" not in said
    for name in ("lan", "sensors", "cloud"):
        assert name in said


def until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        assert process.poll() is None, "it ended instead of going on"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nothing listens on {port}")


# --- the cloud ------------------------------------------------------------------------------------------------------


def test_the_clouds_port_in_use_is_told(tmp_path: Path, taken_port: int) -> None:
    done = run("plantroom-cloud", "serve", "--port", taken_port, "--data", tmp_path)
    assert done.returncode == Exit.MISCONFIGURED
    assert str(taken_port) in done.stderr


def test_a_database_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "cloud.db").write_text("this is a shopping list")
    done = run("plantroom-cloud", "serve", "--port", free_port(), "--data", tmp_path)
    assert done.returncode == Exit.MISCONFIGURED
    assert "cloud.db" in done.stderr


# --- the demo -------------------------------------------------------------------------------------------------------


def test_the_demos_port_in_use_is_told(taken_port: int) -> None:
    done = run("plantroom-sim", "demo", "--port", taken_port)
    assert done.returncode == Exit.MISCONFIGURED
    assert f"port {taken_port} is in use" in done.stderr
    assert "--port" in done.stderr


def test_a_data_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("plantroom-sim", "demo", "--data", tmp_path / "file" / "folder")
    assert done.returncode == Exit.MISCONFIGURED
    assert "--data" in done.stderr


def test_a_data_folder_of_an_earlier_run_is_not_mixed_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "cloud.db").touch()
    done = run("plantroom-sim", "demo", "--data", tmp_path)
    assert done.returncode == Exit.MISCONFIGURED
    assert "choose an empty folder" in done.stderr


def test_a_machine_without_any_broker_is_told_what_to_install(tmp_path: Path) -> None:
    # A folder in front of the path makes the embedded broker look uninstalled; an empty PATH hides Mosquitto.
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u, simulators.broker as b\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'amqtt' else find(name, package)\n"
        "b.find_mosquitto = lambda: None\n"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    code = "import sys; from simulators.cli import main; sys.argv = ['plantroom-sim', 'demo']; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=40, check=False
    )
    assert done.returncode == Exit.MISCONFIGURED
    assert "no MQTT broker is installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_plant_refuses_a_site_that_names_what_does_not_exist(tmp_path: Path) -> None:
    file = write_site(tmp_path)
    file.write_text(file.read_text().replace("eastron_sdm630", "eastron_sdm999"))
    done = run("plantroom-sim", "site", file)
    assert done.returncode == Exit.MISCONFIGURED
    assert "eastron_sdm999" in done.stderr


def test_injecting_without_a_plant_is_told() -> None:
    port = free_port()
    done = run("plantroom-sim", "inject", "lift_1", "entrapment", "--control", port)
    assert done.returncode == Exit.FINDING
    assert f"no simulated plant answers on port {port}" in done.stderr
