"""The systemd units: what they say holds, what they promise is there, and they leave the process little to harm."""

import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cloud import cli as cloud_cli
from edge import cli as edge_cli
from edge.cycle import STUCK_AFTER_MS

FOLDER = Path(__file__).parents[2] / "deploy"
UNITS = sorted(FOLDER.glob("*.service"))
CONFINED = {
    "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "CapabilityBoundingSet": "",
    "RestrictNamespaces": "yes", "MemoryDenyWriteExecute": "yes", "RestrictSUIDSGID": "yes", "SystemCallArchitectures": "native",
}  # fmt: skip


class _Unit(ConfigParser):
    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None, delimiters=("=",))
        self.optionxform = str  # type: ignore[assignment,method-assign]
        self.read(path, encoding="utf-8")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_confines_its_process(path: Path) -> None:
    service = _Unit(path)["Service"]
    assert {name: service[name] for name in CONFINED} == CONFINED
    assert service["User"] != "root"
    assert service["RestartPreventExitStatus"] == "2"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_the_command_of_a_unit_exists_with_its_options(path: Path) -> None:
    words = _Unit(path)["Service"]["ExecStart"].split()
    app = edge_cli.app if words[0].endswith("plantroom-edge") else cloud_cli.app
    told = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert told.exit_code == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", told.output)
    assert [word for word in words if word.startswith("--") and word not in plain] == []


def test_the_watchdog_is_slower_than_the_pages_own_judgement() -> None:
    watchdog_s = int(_Unit(FOLDER / "plantroom-edge.service")["Service"]["WatchdogSec"])
    assert watchdog_s * 1000 >= 2 * STUCK_AFTER_MS, "a cycle that is merely slow is not ended"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_systemd_itself_finds_no_mistake_and_little_exposure(path: Path, tmp_path: Path) -> None:
    if (tool := shutil.which("systemd-analyze")) is None:
        pytest.skip("this machine has no systemd; Debian: apt-get install systemd")
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    unit = tmp_path / path.name
    unit.write_text(text, encoding="utf-8")
    environment = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    verified = subprocess.run([tool, "verify", unit], capture_output=True, text=True, check=False, env=environment)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        [tool, "security", "--offline=true", "--threshold=20", "--no-pager", unit], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout
