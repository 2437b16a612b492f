"""The commands of docker-compose.yml, run as they are on this machine: real PostgreSQL, InfluxDB and Mosquitto, no container.

Names and places of the containers become places of this test; nothing else of a command changes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from simulators.broker import free_port
from tests.support.servers import influxdb, postgres
from tests.support.system_packages import require

ROOT = Path(__file__).parent.parent.parent
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))[
    "services"
]
PROGRAMS = {"gateway": "plantroom-edge", "cloud": "plantroom-cloud", "simulators": "plantroom-sim"}
LIMIT_S = 60.0


class Machine:
    """One machine in place of the containers. ``here`` says where a thing of theirs is."""

    def __init__(self, folder: Path, database: str, history: str) -> None:
        self.folder = folder
        self.ports = {name: free_port() for name in ("cloud", "status", "broker", "control", "line_1", "line_2")}
        for name in ("database", "telemetry", "broker", "grafana", "site", "enrol", "data"):
            (folder / name).mkdir()
        (folder / "database/url").write_text(database)
        (folder / "telemetry/url").write_text(f"{history}/plantroom")
        self.started: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, text: str, service: str = "") -> str:
        ports = self.ports
        replaced = {
            "/run/plantroom": str(self.folder),
            "/var/lib/plantroom": str(self.data(service or "gateway")),
            "/demo-site.yaml": str(ROOT / "simulators/sites/demo/site.yaml"),
            "/demo-scenario.yaml": str(ROOT / "simulators/sites/demo/scenario.yaml"),
            "/prepare.sh": str(ROOT / "docker/prepare.sh"),
            "http://cloud:8080": f"http://127.0.0.1:{ports['cloud']}",
            "host: simulators": "host: 127.0.0.1",
            "mosquitto:1883": f"127.0.0.1:{ports['broker']}",
            "0.0.0.0": "127.0.0.1",
            "$$": "$",
        }
        for theirs, ours in replaced.items():
            text = text.replace(theirs, ours)
        numbers = {"8080": "cloud", "8081": "status", "5010": "control", "5020": "line_1", "5021": "line_2"}
        return re.sub(r"\b(8080|8081|5010|5020|5021)\b", lambda found: str(ports[numbers[found[1]]]), text)

    def data(self, service: str) -> Path:
        """The volume a service keeps its data in."""
        volumes = (volume.split(":") for volume in SERVICES[service].get("volumes", ()))
        name = next((source for source, target, *_ in volumes if target == "/var/lib/plantroom"), f"{service}-tmpfs")
        return self.folder / "volumes" / name

    def command(self, service: str) -> list[str]:
        told = SERVICES[service]
        words = [str(word) for word in (*told.get("entrypoint", ()), *told.get("command", ()))]
        if "entrypoint" not in told:
            words.insert(0, PROGRAMS[told["build"]["target"]])
        return [self.here(word, service) for word in words]

    def environment(self, service: str) -> dict[str, str]:
        told = {name: self.here(str(value)) for name, value in SERVICES[service].get("environment", {}).items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        data = self.data(service)
        data.mkdir(parents=True, exist_ok=True)
        return {**os.environ, **told, "PATH": path, "PLANTROOM_DATA": str(data), "PYTHONUNBUFFERED": "1"}

    def once(self, service: str) -> None:
        result = subprocess.run(
            self.command(service),
            env=self.environment(service),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{service}: {result.stdout}{result.stderr}"

    def serve(self, service: str, command: Sequence[str] = ()) -> None:
        with (self.folder / f"{service}.log").open("wb") as log:
            self.started[service] = subprocess.Popen(
                command or self.command(service), env=self.environment(service), cwd=self.folder, stdout=log, stderr=log
            )

    def log(self, service: str) -> str:
        return (self.folder / f"{service}.log").read_text(errors="replace")

    def wait_until_healthy(self, service: str) -> None:
        """The service's own health check of the compose file, until it succeeds."""
        kind, *words = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        check = [self.here(word, service) for word in words]
        limit = time.monotonic() + LIMIT_S
        while subprocess.run(check, env=self.environment(service), capture_output=True, check=False).returncode:
            assert self.started[service].poll() is None, self.log(service)
            assert time.monotonic() < limit, f"{service} did not become healthy:\n{self.log(service)}"
            time.sleep(0.2)

    def stop(self) -> dict[str, int]:
        """Ask all to end, the youngest first; exit codes by name."""
        codes = {}
        for name, process in reversed(self.started.items()):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            if process.poll() is None:
                process.kill()
            codes[name] = process.wait()
        self.started.clear()
        return codes


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    require("mosquitto")
    with postgres() as database, influxdb(tmp_path / "influxdb") as history:
        made = Machine(tmp_path, database, history)
        try:
            yield made
        finally:
            made.stop()


def prepare(machine: Machine) -> None:
    """The first container's work; what it wrote is moved from the containers' names to this machine."""
    entry = [*SERVICES["prepare"]["entrypoint"], str(machine.folder)]
    subprocess.run([machine.here(word) for word in entry], check=True)
    site = machine.folder / "site/site.yaml"
    written = yaml.safe_load(machine.here(site.read_text()))
    written["gateway"]["status"] = {"port": machine.ports["status"]}
    site.write_text(yaml.safe_dump(written, allow_unicode=True, sort_keys=False))


def start_broker(machine: Machine) -> None:
    settings = (ROOT / "docker/mosquitto.conf").read_text() + "user root\n"
    for theirs, ours in {
        "listener 1883": f"listener {machine.ports['broker']} 127.0.0.1",
        "/tmp/passwords": f"{machine.folder}/passwords",
        "/mosquitto/data/": f"{machine.folder}/data/",
    }.items():
        settings = settings.replace(theirs, ours)
    (machine.folder / "mosquitto.conf").write_text(settings)
    script, folder = ROOT / "docker/mosquitto.sh", machine.folder
    machine.serve(
        "mosquitto", ["sh", *map(str, (script, folder / "broker", folder / "passwords", folder / "mosquitto.conf"))]
    )


def signed_in(machine: Machine) -> httpx.Client:
    """A client that used the one-time sign-in which the cloud printed."""
    limit = time.monotonic() + LIMIT_S
    while (link := re.search(r"/sign-in/([\w-]+)", machine.log("cloud"))) is None:
        assert time.monotonic() < limit, machine.log("cloud")
        time.sleep(0.1)
    client = httpx.Client(base_url=f"http://127.0.0.1:{machine.ports['cloud']}", trust_env=False, timeout=10)
    client.post("/api/v1/sign-in", json={"code": link[1]}).raise_for_status()
    return client


def until_tickets(client: httpx.Client, machine: Machine, wanted: set[str]) -> list[dict[str, Any]]:
    limit = time.monotonic() + LIMIT_S
    while True:
        tickets: list[dict[str, Any]] = client.get("/api/v1/tickets").raise_for_status().json()["tickets"]
        if wanted <= {ticket["equipment"] for ticket in tickets}:
            return tickets
        assert time.monotonic() < limit, f"only {tickets}\n{machine.log('gateway')}\n{machine.log('simulators')}"
        time.sleep(0.2)


@pytest.mark.timeout(240)
def test_the_commands_of_the_compose_file_make_tickets_of_faults(machine: Machine) -> None:
    prepare(machine)
    start_broker(machine)
    machine.serve("cloud")
    machine.wait_until_healthy("cloud")
    for _ in range(2):  # a second `docker compose up` runs them again
        machine.once("register")
        machine.once("enrol")
    machine.serve("simulators")
    machine.wait_until_healthy("simulators")
    machine.serve("gateway")
    machine.wait_until_healthy("gateway")

    with contextlib.closing(signed_in(machine)) as client:
        tickets = until_tickets(client, machine, {"incomer_1", "lift_1"})
    faults = [(ticket["equipment"], ticket["rule"]) for ticket in tickets]
    assert len(faults) == len(set(faults))
    assert all(ticket["response_due"] and ticket["clause"] for ticket in tickets)
    assert samples_in_history(machine) > 100
    machine.once("dashboards")
    assert (machine.folder / "dashboards/plantroom/en/overview.json").is_file()
    assert machine.stop() == dict.fromkeys(("gateway", "simulators", "cloud", "mosquitto"), 0), shlex.join(SERVICES)


def samples_in_history(machine: Machine) -> int:
    """What InfluxDB itself counts."""
    address = (machine.folder / "telemetry/url").read_text().replace("influxdb://", "http://").rsplit("/", 1)[0]
    query = {"db": "plantroom", "q": 'SELECT COUNT("kind") FROM "sample"'}
    answer = httpx.get(f"{address}/query", params=query, trust_env=False).raise_for_status().json()
    return int(answer["results"][0]["series"][0]["values"][0][1])
