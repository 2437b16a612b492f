"""What Grafana is given: made from the classes, right by Grafana's own schema, in both languages, with no secret in it."""

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path, PurePath
from typing import Any

import pytest
import yaml

from cloud import cli
from cloud.grafana.files import Wanted, files
from cloud.telemetry.address import parse_address
from contract.conventions import Exit
from device_profiles.library import Library, load

INFLUX = "influxdb://the-token@influx:8086/org/plantroom"
ADDRESSES = {
    INFLUX: ("influxdb", "http://influx:8086"),
    "influxdb+https://anna:the-token@influx/plantroom?ca=/etc/ca.pem": ("influxdb", "https://influx:8086"),
    "victoriametrics://the-token@vm:8428": ("prometheus", "http://vm:8428"),
    "victoriametrics://insert:8480/7?select=select:8481": ("prometheus", "http://select:8481/select/7/prometheus"),
}
CJK = re.compile(r"[\u3400-\u9fff]")
OWN_CLASS = """
id: sauna
name: {en: Sauna, zh: 桑拿房}
system: water
points:
  heat: {name: {en: Heat, zh: 温度}, kind: gauge, unit: °C, plausible: [0, 150]}
  occupied: {name: {en: Occupied, zh: 有人}, kind: bit}
main_points: [heat]
"""
SCHEMA = """
import type { Dashboard } from "@grafana/schema";
import type * as series from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type * as states from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
// a value of an enumeration stands in JSON as its text
type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Some<T> = Partial<Plain<T>>;
"""
PANELS = {
    "timeseries": "series.Options",
    "state-timeline": "states.Options",
    "stat": "stat.Options",
    "table": "table.Options",
}
DRAWN = {"timeseries": "series.FieldConfig", "state-timeline": "states.FieldConfig"}


@cache
def library() -> Library:
    return load()


@cache
def made(url: str = INFLUX, secret_file: str = "") -> dict[str, str]:
    wanted = Wanted(parse_address(url), PurePath("/grafana"), ("en", "zh"), "http://desk", secret_file)
    return dict(files(library(), wanted))


def boards(of: dict[str, str], tongue: str) -> dict[str, dict[str, Any]]:
    return {
        PurePath(name).stem: json.loads(text) for name, text in of.items() if name.startswith(f"plantroom/{tongue}/")
    }


def test_every_class_has_a_dashboard_in_both_languages_beside_a_sites_and_power_quality() -> None:
    found = made()
    wanted = {"overview", "power", *(id.replace("_", "-") for id in library().classes)}
    assert boards(found, "en").keys() == boards(found, "zh").keys() == wanted
    for id, board in boards(found, "zh").items():
        assert all(CJK.search(panel["title"]) for panel in board["panels"]), id
        assert CJK.search(board["title"])
    assert [id for id, board in boards(found, "en").items() if CJK.search(json.dumps(board, ensure_ascii=False))] == []
    uids = [board["uid"] for tongue in ("en", "zh") for board in boards(found, tongue).values()]
    assert len(set(uids)) == len(uids)
    assert max(map(len, uids)) <= 40  # Grafana takes no longer one


def test_every_point_of_a_class_is_on_its_dashboard() -> None:
    shown = boards(made(), "en")
    for id, one in library().classes.items():
        told = json.dumps(shown[id.replace("_", "-")])
        assert [point for point in one.points if f"'{point}'" not in told] == []


def test_the_same_library_gives_the_same_bytes() -> None:
    assert made.__wrapped__() == made()


def test_a_limit_of_a_rule_is_drawn_where_its_points_are() -> None:
    power = boards(made(), "en")["power"]
    (panel,) = [panel for panel in power["panels"] if panel["title"].startswith("Power factor")]
    assert [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [None, 0.9]
    tank = boards(made(), "en")["tank"]
    (panel,) = [panel for panel in tank["panels"] if panel["title"] == "Water temperature"]
    assert [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [None, 5.0, 30.0]


@pytest.mark.parametrize("url", ADDRESSES)
@pytest.mark.parametrize("secret_file", ["", "/run/secret"])
def test_the_data_source_is_the_servers_and_no_file_holds_its_secret(url: str, secret_file: str) -> None:
    found = made(url, secret_file=secret_file)
    (source,) = yaml.safe_load(found["datasources/plantroom.yaml"])["datasources"]
    assert (source["type"], source["url"]) == ADDRESSES[url]
    assert [name for name, text in found.items() if "the-token" in text] == []
    secrets = {**source["secureJsonData"]}
    if "tlsCACert" in secrets:
        assert secrets.pop("tlsCACert") == "$__file{/etc/ca.pem}"
    told = "$__file{/run/secret}" if secret_file else "$PLANTROOM_TELEMETRY_SECRET"
    assert [text for text in secrets.values() if told not in text] == []
    assert bool(secrets) == ("the-token" in url)
    for board in boards(found, "en").values():
        assert {panel["datasource"]["uid"] for panel in board["panels"] if "targets" in panel} == {source["uid"]}


def test_grafana_finds_the_folders_that_its_files_name() -> None:
    found = made()
    providers = yaml.safe_load(found["dashboards/plantroom.yaml"])["providers"]
    for provider in providers:
        folder = PurePath(provider["options"]["path"]).relative_to("/grafana")
        assert any(PurePath(name).parent == folder for name in found)
    assert len({provider["folderUid"] for provider in providers}) == 2


def test_grafanas_own_schema_finds_nothing_wrong(tmp_path: Path) -> None:
    """The types that Grafana publishes, by their own compiler: a wrong type, a missing or an unknown field is an error."""
    node = shutil.which("node") or shutil.which("node", path=".venv-node/bin")
    assert node, "node is not here: scripts/assets.sh dev"
    lines = [SCHEMA]
    for url, tongue in ((INFLUX, "zh"), ("victoriametrics://vm:8428", "en")):
        for board in boards(made(url), tongue).values():
            lines.append(
                f"export const board{len(lines)}: Plain<Dashboard> = {json.dumps(board, ensure_ascii=False)};\n"
            )
            for kind, body in (part for panel in board["panels"] for part in typed(panel)):
                lines.append(f"export const part{len(lines)}: {kind} = {json.dumps(body)};\n")
    assert judge(node, tmp_path, lines) == ""
    wrong = lines[1].replace('"timezone": "browser"', '"timezone": 8, "unheard_of": 1')
    assert judge(node, tmp_path, [SCHEMA, wrong]).count("error TS") >= 1


def typed(panel: dict[str, Any]) -> list[tuple[str, Any]]:
    """The parts of a panel that only its own kind's schema knows."""
    found = []
    if panel["type"] in PANELS:
        found.append((f"Some<{PANELS[panel['type']]}>", panel.get("options", {})))
    custom = panel.get("fieldConfig", {}).get("defaults", {}).get("custom")
    if custom and panel["type"] in DRAWN:
        found.append((f"Some<{DRAWN[panel['type']]}>", custom))
    return found


def judge(node: str, folder: Path, lines: list[str]) -> str:
    """What the compiler says."""
    (folder / "boards.ts").write_text("".join(lines), encoding="utf-8")
    modules = folder / "node_modules"
    if not modules.exists():
        modules.symlink_to(Path("node_modules").absolute())
    options = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--moduleResolution",
        "bundler",
        "--module",
        "esnext",
        "--target",
        "esnext",
    ]
    compiler = Path("node_modules/typescript/bin/tsc").absolute()
    done = subprocess.run(
        [node, str(compiler), *options, "boards.ts"], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["plantroom-cloud", "grafana", *words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_the_command_writes_a_dashboard_for_a_class_of_ones_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PLANTROOM_TELEMETRY_URL", INFLUX)
    own = tmp_path / "own" / "classes"
    own.mkdir(parents=True)
    (own / "sauna.yaml").write_text(OWN_CLASS, encoding="utf-8")
    target = tmp_path / "provisioning"
    more = ["--data", str(tmp_path), "--language", "zh", "--json"]
    assert run(monkeypatch, str(target), *more) == Exit.DONE
    before = json.loads(capsys.readouterr().out)["dashboards"]
    assert run(monkeypatch, str(target), *more, "--library", str(own.parent)) == Exit.DONE
    assert json.loads(capsys.readouterr().out)["dashboards"] == before + 1
    board = json.loads((target / "plantroom/zh/sauna.json").read_text(encoding="utf-8"))
    assert [panel["title"] for panel in board["panels"] if "targets" in panel][:2] == ["温度", "有人"]
    assert run(monkeypatch, str(target), *more) == Exit.DONE
    assert not (target / "plantroom/zh/sauna.json").exists()  # a class that is gone has no dashboard


def test_without_a_server_the_command_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("PLANTROOM_TELEMETRY_URL", raising=False)
    assert run(monkeypatch, str(tmp_path / "x"), "--data", str(tmp_path)) == Exit.MISCONFIGURED
    assert "set telemetry_url to InfluxDB or VictoriaMetrics" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_that_cannot_be_written_and_an_address_that_is_none_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PLANTROOM_TELEMETRY_URL", INFLUX)
    taken = tmp_path / "taken"
    taken.write_text("a file", encoding="utf-8")
    assert run(monkeypatch, str(taken), "--data", str(tmp_path)) == Exit.MISCONFIGURED
    assert "cannot be written: Not a directory" in capsys.readouterr().err
    more = ["--data", str(tmp_path), "--plantroom", "desk.example"]
    assert run(monkeypatch, str(tmp_path / "x"), *more) == Exit.MISCONFIGURED
    assert "--plantroom: 'desk.example' is no address of a page" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
