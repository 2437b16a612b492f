"""accept against a device behind a real socket: read, compare, go on another day, sign, verify."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from contract.conventions import Exit
from edge.cli import app
from tests.support.meters import Image, served

SITE = """\
site: {{id: demo, name: Tower <1>, zone: Asia/Shanghai}}
gateway: {{id: gw_1, credential_file: credential}}
equipment:
  - {{id: fire_1, class: fire_alarm_panel}}
  - {{id: pump_1, class: pump, ratings: {{rated_kw: 15, rated_a: 30, setpoint_mpa: 0.45}}}}
buses:
  - {{id: lan, modbus: tcp, host: 127.0.0.1, port: {port}}}
library: own
devices:
  - {{id: panel, model: panel, bus: lan, address: 1, channels: {{a: pump_1/running, b: pump_1/discharge_pressure, c: pump_1/speed}}}}
"""
MODEL = """\
id: panel
equipment_class: input_module
name: Panel
maker: Maker
status: unverified
sources: [made for a test]
protocol: modbus
channels: true
registers:
  a: {table: coil, address: 0, type: bit}
  b: {table: holding, address: 0, type: uint16, scale: 0.001, unit: MPa}
  c: {table: holding, address: 9, type: uint16}
"""


def run(*arguments: object, text: str = "") -> Result:
    result = CliRunner().invoke(app, ["accept", *(str(argument) for argument in arguments)], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    models = tmp_path / "own" / "models" / "input_module"
    models.mkdir(parents=True)
    (models / "panel.yaml").write_text(MODEL)
    (tmp_path / "credential").write_text("a-credential-of-this-gateway\n")
    with served({1: Image(coil={0: 1}, holding={0: 447})}) as server:
        (tmp_path / "site.yaml").write_text(SITE.format(port=server.port))
        yield tmp_path / "site.yaml"


def sheet(site: Path) -> Any:
    return json.loads((site.parent / "demo.acceptance.json").read_text())


def test_every_point_is_read_shown_and_asked_about(site: Path) -> None:
    result = run(site, "--engineer", "Li", "--data", site.parent / "data", text="\n0.45\nn display is broken\n")
    assert "[1/3] pump_1/running" in result.stderr
    assert "reads 0.447 MPa" in result.stderr
    assert "bad: exception" in result.stderr
    assert "1 noted" in result.stdout
    entries = {one["point"]: one for one in sheet(site)["sheet"]["entries"]}
    assert [one["verdict"] for one in entries.values()] == ["agrees", "agrees", "noted"]
    assert entries["panel/b"]["shown"] == "0.45"
    assert entries["panel/b"]["words"] == [447]
    assert entries["panel/c"]["note"] == "display is broken"
    assert result.exit_code == Exit.DONE


def test_a_display_that_shows_something_else_is_a_finding(site: Path) -> None:
    result = run(site, "--data", site.parent, text="false\n4.47\n\n")
    assert result.exit_code == Exit.FINDING
    assert [one["verdict"] for one in sheet(site)["sheet"]["entries"]] == ["differs"] * 3
    assert "plantroom-edge probe" in result.stderr


def test_the_walk_can_be_left_and_goes_on_with_what_is_open(site: Path) -> None:
    first = run(site, "--engineer", "Li", "--data", site.parent, text="\ns\nq\n")
    assert first.exit_code == Exit.FINDING
    assert sheet(site)["sheet"]["open"] == ["panel/b", "panel/c"]
    second = run(site, "--data", site.parent, text="r\n?\n0.447\nn ok\n")
    assert second.exit_code == Exit.DONE
    assert "pump_1/running" not in second.stderr
    assert "[2/3] pump_1/discharge_pressure" in second.stderr
    assert (sheet(site)["sheet"]["engineer"], sheet(site)["sheet"]["open"]) == ("Li", [])


def test_a_point_that_is_read_in_another_way_is_asked_about_again(site: Path) -> None:
    run(site, "--data", site.parent, text="\n0.447\nn ok\n")
    model = site.parent / "own" / "models" / "input_module" / "panel.yaml"
    model.write_text(MODEL.replace("scale: 0.001", "scale: 0.01"))
    result = run(site, "--data", site.parent, text="4.47\n")
    assert "reads 4.47 MPa" in result.stderr
    assert result.stderr.count("display?") == 1


def test_the_sheet_and_its_page_are_verified_and_a_change_is_found(site: Path, tmp_path: Path) -> None:
    run(site, "--engineer", "Li <b>", "--data", site.parent, text="\n0.447\nn ok\n")
    file, page = tmp_path / "demo.acceptance.json", tmp_path / "demo.acceptance.html"
    for one in (file, page):
        result = run(site, "--verify", one)
        assert (result.exit_code, "as gateway gw_1 signed it: 3 points, 0 open" in result.stdout) == (Exit.DONE, True)
    assert "Tower &lt;1&gt;" in page.read_text()
    assert "<b>" not in page.read_text()
    text, shown = file.read_text(), page.read_text()
    page.write_text(shown.replace("0.447", "0.448"))
    assert "does not show what" in run(site, "--verify", page).stdout
    file.write_text(text.replace("0.447", "0.448"))
    changed = run(site, "--verify", file)
    assert (changed.exit_code, "was changed" in changed.stdout) == (Exit.FINDING, True)
    file.write_text(text)
    (tmp_path / "credential").write_text("the-credential-of-another\n")
    assert "not signed with this key" in run(site, "--verify", file).stdout
    assert "needs the key" in run("--verify", file).stdout


def test_a_key_file_signs_where_there_is_no_credential(site: Path, tmp_path: Path) -> None:
    (tmp_path / "credential").unlink()
    unsigned = run(site, "--data", site.parent, text="\n0.447\nn ok\n")
    assert "not signed" in unsigned.stderr
    assert "carries no signature" in run("--verify", tmp_path / "demo.acceptance.json").stdout
    (tmp_path / "key").write_bytes(bytes(range(1, 33)))
    run(site, "--data", site.parent, "--key", tmp_path / "key")
    assert run("--verify", tmp_path / "demo.acceptance.json", "--key", tmp_path / "key").exit_code == Exit.DONE


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"sheet": {}}', "no json"])
def test_a_file_that_is_no_sheet_is_told(tmp_path: Path, content: str) -> None:
    file = tmp_path / "sheet.json"
    file.write_text(content)
    assert run("--verify", file).exit_code == Exit.FINDING


def test_mistakes_of_the_command_are_one_message(site: Path, tmp_path: Path) -> None:
    assert "no site file is named" in run().stderr
    assert "cannot be read" in run("--verify", tmp_path / "none.json").stderr
    (tmp_path / "short").write_text("x")
    assert "too short" in run("--verify", tmp_path / "site.yaml", "--key", tmp_path / "short").stderr
    (tmp_path / "demo.acceptance-progress.json").write_text("{}")
    assert "Move it away" in run(site).stderr
