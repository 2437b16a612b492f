"""Before the demo starts: a folder, free ports, the site moved to them, and the commands of every process.

Every mistake of the user's is found here, before anything runs: a folder that cannot be written or is in use, a port
somebody listens on, no broker, a site or scenario that names what does not exist.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from device_profiles.library import LibraryError
from simulators.broker import NOTHING_INSTALLED, find_mosquitto, free_port, is_port_free, mosquitto_command
from simulators.processes import program
from simulators.scenario import Scenario, ScenarioError, check_scenario, load_scenario
from simulators.site import Ports, SimulatedSite, SiteError, add_meters, build_site, load_file, load_library, relocate

SITES = Path(__file__).parent / "sites"
EXTRA_METER = ("eastron_sdm630", "lv_switchgear", {"rated_a": 400})


class DemoMisconfigured(ValueError):
    """The demo cannot start as asked. The text says what, where and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for."""

    seconds: float | None = None
    """End after so long; None runs until Ctrl-C."""
    is_json: bool = False
    devices: int | None = None
    """How many devices the plant shall have; None leaves the site as it is."""
    port: int | None = None
    """The dashboard's port; None takes a free one."""
    data: Path | None = None
    seed: int = 0
    site: Path = SITES / "demo" / "site.yaml"
    scenario: Path | None = SITES / "demo" / "scenario.yaml"


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything the processes need."""

    folder: Path
    is_temporary: bool
    site_file: Path
    ports: Ports
    control_port: int
    site: SimulatedSite
    site_id: str
    gateway_id: str
    scenario: Scenario
    broker_kind: str
    broker_command: list[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.ports.cloud}"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"


def prepare(options: Options) -> Setup:
    """Check everything and write the folder. Raises DemoMisconfigured."""
    try:
        return _prepare(options)
    except (SiteError, ScenarioError, LibraryError) as error:
        raise DemoMisconfigured(str(error)) from error


def _prepare(options: Options) -> Setup:
    data = _grown(load_file(options.site), options.devices)
    if own := data.get("library"):
        data["library"] = str((options.site.parent / own).resolve())  # the moved site file stands elsewhere
    library = load_library(data, options.site.parent)
    ports = _ports(options.port, [bus["id"] for bus in data.get("buses", []) if "modbus" in bus])
    moved = relocate(data, ports)
    site = build_site(moved, library)
    scenario = load_scenario(options.scenario) if options.scenario else Scenario(faults=[])
    if problems := check_scenario(scenario, site):
        raise ScenarioError("\n".join(f"{options.scenario}: {problem}" for problem in problems))
    folder = _folder(options.data)
    kind, command = _broker(ports.broker, folder)
    site_file = folder / "site.yaml"
    written = yaml.safe_dump(moved, allow_unicode=True, sort_keys=False, width=120)
    site_file.write_text(f"# Made from {options.site.name} for the ports of this demo.\n{written}", encoding="utf-8")
    return Setup(
        folder, options.data is None, site_file, ports, free_port(), site, moved["site"]["id"], moved["gateway"]["id"],
        scenario, kind, command,
    )  # fmt: skip


def _grown(data: dict[str, Any], devices: int | None) -> dict[str, Any]:
    if devices is None:
        return data
    return add_meters(data, devices - len(data["devices"]), *EXTRA_METER)


def _ports(cloud: int | None, buses: list[str]) -> Ports:
    if cloud is not None and not is_port_free(cloud):
        raise DemoMisconfigured(f"port {cloud} is in use; stop what listens there, or choose another one with --port")
    return Ports(cloud or free_port(), free_port(), free_port(), {bus: free_port() for bus in buses})


def _folder(wanted: Path | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="plantroom-demo-")) if wanted is None else wanted
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoMisconfigured(f"{folder}: cannot be written: {error.strerror}; choose another --data") from error
    if not os.access(folder, os.W_OK):
        raise DemoMisconfigured(f"{folder}: cannot be written; choose another --data")
    if (folder / "cloud.db").exists():
        raise DemoMisconfigured(f"{folder}: holds the data of an earlier run; choose an empty folder with --data")
    return folder


def _broker(port: int, folder: Path) -> tuple[str, list[str]]:
    if mosquitto := find_mosquitto():
        return "Mosquitto", mosquitto_command(mosquitto, port, folder)
    if importlib.util.find_spec("amqtt") is None:
        raise DemoMisconfigured(NOTHING_INSTALLED)
    return "amqtt", [*program("plantroom-sim"), "broker", "--port", str(port)]
