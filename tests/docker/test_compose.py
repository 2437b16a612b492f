"""`docker compose up` is the demo on real servers; what can be shown without a container engine is shown here.

Debian's docker-compose judges the file; its scripts run on this machine; its commands are commands that exist.
"""

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
import yaml

from edge.config import load_site
from simulators.broker import free_port
from simulators.site import load_file
from tests.docker.test_images import COMMANDS, STAGES
from tests.support.system_packages import require

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {name for name, service in SERVICES.items() if service["restart"] == "no"}
# These images start as root to own their volume, and become their own user before they serve.
DROP_BY_THEMSELVES = {"postgres", "influxdb"}


def test_debians_docker_compose_accepts_the_file() -> None:
    command = [require("docker-compose"), "-f", "docker-compose.yml", "config", "-q"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_grafana_finds_what_the_command_writes_and_is_of_the_version_whose_schema_is_tested() -> None:
    made, shown = SERVICES["dashboards"], SERVICES["grafana"]
    assert [name for name, service in SERVICES.items() if service.get("profiles")] == ["dashboards", "grafana"]
    folder, secret = made["command"][1], made["command"][3]
    assert f"dashboards:{folder}" in made["volumes"]
    assert f"dashboards:{folder}:ro" in shown["volumes"]
    assert shown["environment"]["GF_PATHS_PROVISIONING"] == folder
    assert [volume for volume in shown["volumes"] if secret.startswith(volume.split(":")[1])]
    npm = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert shown["image"] == f"grafana/grafana:{npm['devDependencies']['@grafana/schema']}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_one_of_our_images_or_a_pinned_version(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[\w/-]+:\d+\.\d+[\w.-]*", service["image"])
    if "build" in service:
        assert service["build"]["dockerfile"] == "docker/Dockerfile"
        assert service["image"].startswith(f"plantroom-{service['build']['target']}:")
        assert service["build"]["target"] in STAGES


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_without_root_and_ours_without_rights_or_a_writable_image(name: str) -> None:
    service = SERVICES[name]
    assert name in DROP_BY_THEMSELVES or not service["user"].startswith("0")
    if "build" in service:
        assert service["user"] == "10001:10001"
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONCE))
def test_a_server_has_a_health_check_and_comes_back(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_who_waits_for_whom_can_come_true() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert wait["condition"] == wanted, (name, other)


def test_every_volume_has_a_name_and_a_user() -> None:
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if not volume.startswith("./")
    }
    assert used == set(COMPOSE["volumes"])
    bound = [v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if v.startswith("./")]
    assert all((ROOT / path).is_file() for path in bound)


def test_a_secret_is_named_by_its_file_and_given_only_to_who_needs_it() -> None:
    for name, service in SERVICES.items():
        for key in service.get("environment", {}):
            assert not re.search(r"PASSWORD|TOKEN|SECRET|_URL", key) or key.endswith("_FILE"), (name, key)
    readers = {
        secret: {
            name
            for name, service in SERVICES.items()
            if any(volume.startswith(f"{secret}_secret:") for volume in service.get("volumes", []))
        }
        for secret in ("database", "telemetry", "broker", "grafana")
    }
    assert readers["database"] == {"prepare", "postgres", "cloud", "register"}
    assert readers["telemetry"] == {"prepare", "influxdb", "cloud", "dashboards", "grafana"}
    assert readers["grafana"] == {"prepare", "grafana"}
    assert readers["broker"] == {"prepare", "mosquitto", "gateway", "enrol", "simulators"}


def our_commands() -> Iterator[tuple[str, list[str]]]:
    """Every call of one of our commands in the file: program and words."""
    for service in SERVICES.values():
        if "build" not in service:
            continue
        if "entrypoint" not in service:
            yield COMMANDS[service["build"]["target"]], [str(word) for word in service["command"]]
        else:
            for call in re.finditer(r"(plantroom-\w+) ([^|>]+)", " ".join(service.get("command", []))):
                yield call[1], call[2].split()


@pytest.mark.parametrize(("program", "words"), list(our_commands()), ids=lambda value: str(value)[:60])
def test_a_command_of_the_file_exists_with_its_options(program: str, words: list[str]) -> None:
    options = {word for word in words if word.startswith("--")}
    levels = 2 if words[0] in {"gateway", "user"} else 1
    script = Path(sys.executable).parent / program
    result = subprocess.run([script, *words[:levels], "--help"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert not {option for option in options if option not in result.stdout}


def prepared(folder: Path) -> Path:
    for name in ("database", "telemetry", "broker", "grafana", "site"):
        (folder / name).mkdir(exist_ok=True)
    site_file = ROOT / "simulators/sites/demo/site.yaml"
    subprocess.run(["sh", ROOT / "docker/prepare.sh", site_file, folder], check=True)
    return folder


def test_secrets_are_made_once_and_differ(tmp_path: Path) -> None:
    names = ("database/password", "telemetry/password", "telemetry/token", "broker/login", "grafana/password")
    first = {name: (prepared(tmp_path) / name).read_text() for name in names}
    second = {name: (prepared(tmp_path) / name).read_text() for name in names}
    assert first == second
    assert len(set(first.values())) == len(names)
    assert all(len(secret.strip()) >= 48 for secret in first.values())
    assert first["database/password"].strip() in (tmp_path / "database/url").read_text()


def test_the_site_is_the_demos_at_the_containers_names(tmp_path: Path) -> None:
    path = prepared(tmp_path) / "site/site.yaml"
    moved, original = load_file(path), load_file(ROOT / "simulators/sites/demo/site.yaml")
    assert "127.0.0.1" not in path.read_text()
    assert {key: value for key, value in moved.items() if key not in ("gateway", "buses")} == {
        key: value for key, value in original.items() if key not in ("gateway", "buses")
    }
    site = load_site(path)
    assert site.gateway.cloud == "http://cloud:8080"
    assert str(site.gateway.credential_file) == "/var/lib/plantroom/credential"
    assert {bus.host for bus in site.buses} == {"simulators", "mosquitto"} <= set(SERVICES)
    (broker,) = [bus for bus in site.buses if bus.kind == "mqtt"]
    assert str(broker.credential_file) == "/run/plantroom/broker/login"


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """The compose file's own start script and settings, on a free loopback port."""
    require("mosquitto")
    port = free_port()
    settings = (ROOT / "docker/mosquitto.conf").read_text()
    settings = settings.replace("listener 1883", f"listener {port} 127.0.0.1").replace(
        "/tmp/passwords", f"{folder}/passwords"
    )
    settings += "user root\n"  # only heeded by root, who otherwise becomes a user that may not read this folder
    (folder / "mosquitto.conf").write_text(settings.replace("/mosquitto/data/", f"{folder}/data/"))
    (folder / "data").mkdir()
    script = [ROOT / "docker/mosquitto.sh", folder / "broker", folder / "passwords", folder / "mosquitto.conf"]
    process = subprocess.Popen(["sh", *script], stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


async def connects(port: int, user: str | None, password: str | None) -> bool:
    try:
        async with aiomqtt.Client("127.0.0.1", port, username=user, password=password, timeout=3):
            return True
    except aiomqtt.MqttError:
        return False


async def test_the_broker_knows_the_secret_and_nobody_else(tmp_path: Path) -> None:
    prepared(tmp_path)
    user, _, password = (tmp_path / "broker/login").read_text().strip().partition(":")
    with mosquitto(tmp_path) as port:
        async with asyncio.timeout(10):
            while not await connects(port, user, password):
                await asyncio.sleep(0.05)
        assert not await connects(port, None, None)
        assert not await connects(port, user, "wrong")
