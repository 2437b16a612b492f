"""``plantroom-sim explore`` and ``plantroom-sim site`` as a user runs them: the whole product, in virtual time."""

import json
import subprocess
from pathlib import Path

import pytest

from contract.conventions import Exit
from simulators.processes import program

SITE = """
site: {id: house, name: House, zone: Asia/Shanghai}
gateway: {id: gw_1, cloud: "https://desk.example", credential_file: credential, interval: 1min}
equipment:
  - {id: panel_1, class: fire_alarm_panel, rules: {valve_closed: {enabled: false}}}
buses:
  - {id: line, modbus: rtu, port: /dev/ttyUSB7, baud: 9600}
devices:
  - {id: words_1, model: fire_panel_words, bus: line, address: 3, equipment: panel_1, every: 15s}
"""


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [*program("plantroom-sim"), *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, timeout=800, check=False)


@pytest.mark.timeout(200)
def test_a_site_file_is_accepted_before_anything_is_connected(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE, encoding="utf-8")
    done = run("site", file, "--fault", "detector_fire", "--fault", "valve_closed", "--json", cwd=tmp_path)
    assert done.returncode == Exit.DONE, done.stderr
    told = json.loads(done.stdout)
    assert [(one["rule"], one["raised"], one["cleared"], one["ticket"]) for one in told["findings"]] == [
        ("fire", "in_time", "in_time", "T-000001")
    ]
    assert [(one["rule"], one["why"]) for one in told["unreachable"]] == [
        ("valve_closed", "switched off in the site file (enabled: false)")
    ]
    assert "bus line: rtu /dev/ttyUSB7 → tcp 127.0.0.1:5020" in done.stderr
    assert file.read_text(encoding="utf-8") == SITE


def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE.replace("fire_alarm_panel", "fire_alarm_pannel"), encoding="utf-8")
    done = run("site", file, cwd=tmp_path)
    assert done.returncode == Exit.MISCONFIGURED
    assert "site.yaml:5: equipment[0].class: class fire_alarm_pannel is not known" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(200)
def test_a_little_exploration_finds_nothing_broken(tmp_path: Path) -> None:
    done = run("explore", "--runs", "1", "--seed", "5", "--json", cwd=tmp_path)
    assert done.returncode == Exit.DONE, done.stderr
    assert json.loads(done.stdout) == {"runs": 1, "seed": 5, "broke": 0, "kinds": []}


@pytest.mark.proof
@pytest.mark.timeout(800)
def test_much_exploration_finds_nothing_broken(tmp_path: Path) -> None:
    done = run("explore", "--runs", "40", "--seed", "1000", cwd=tmp_path)
    assert done.returncode == Exit.DONE, done.stderr
