"""``plantroom-edge``: data on standard output, one message per mistake on standard error, the right exit code."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contract.conventions import Exit
from edge.cli import app
from edge.page.door import matches

SITE = """\
site: {id: demo, name: Tower, zone: Asia/Shanghai}
gateway: {id: gw_1, cloud: "http://127.0.0.1:9", credential_file: credential}
equipment:
  - {id: feeder_1, class: lv_switchgear, ratings: {rated_a: 250}}
  - {id: lift_1, class: lift}
buses:
  - {id: lan, modbus: tcp, host: 127.0.0.1, port: 5020}
  - {id: sensors, mqtt: "mqtt://127.0.0.1"}
devices:
  - {id: meter_1, model: eastron_sdm630, bus: lan, address: 1, equipment: feeder_1, every: 1s}
  - {id: gate_1, model: generic_lift_gateway, bus: sensors, address: lift_1, equipment: lift_1}
"""


def run(*arguments: object, text: str | None = None) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    return file


def test_check_prints_the_requests_registers_and_milliseconds_of_each_bus(site: Path) -> None:
    result = run("check", site)
    assert result.exit_code == Exit.DONE
    assert "72 registers" in result.stdout
    assert "ms of each second" in result.stdout
    assert "topic" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("it can run")


def test_check_names_the_rules_that_are_not_watched_and_why(site: Path) -> None:
    found = json.loads(run("check", site, "--json").stdout)
    feeder = next(one for one in found["equipment"] if one["id"] == "feeder_1")
    assert feeder["not_watched"]["residual_current_high"] == "not measured: residual_current"
    assert "overcurrent" in feeder["rules"]
    assert found["buses"][0]["registers"] > 70
    assert found["buses"][1]["busy_ms_per_s"] is None


def test_check_tells_every_mistake_with_file_and_line_and_leaves_with_two(site: Path) -> None:
    site.write_text(SITE.replace("eastron_sdm630", "eastron").replace("class: lift", "class: lfit"))
    result = run("check", site)
    assert result.exit_code == Exit.MISCONFIGURED
    assert result.stdout == ""
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [f"{site}:5", f"{site}:10"]


def test_a_run_with_a_wrong_site_file_ends_before_it_begins(site: Path, tmp_path: Path) -> None:
    site.write_text(SITE.replace("bus: lan", "bus: wan"))
    assert run("run", site, "--data", tmp_path / "data").exit_code == Exit.MISCONFIGURED
    assert not (tmp_path / "data").exists()


def test_a_data_folder_that_cannot_be_is_told(site: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("run", site, "--data", tmp_path / "file" / "data")
    assert result.exit_code == Exit.MISCONFIGURED
    assert "--data" in result.stderr


def test_enrolling_without_a_cloud_in_the_site_file_is_told(site: Path) -> None:
    site.write_text(SITE.replace('cloud: "http://127.0.0.1:9", ', ""))
    result = run("enrol", site, "code")
    assert result.exit_code == Exit.MISCONFIGURED
    assert "gateway.cloud" in result.stderr


def test_a_password_file_opens_with_its_password_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "password"
    assert run("password", file, text="open sesame\n").exit_code == Exit.DONE
    assert matches("open sesame", file.read_text())
    assert file.stat().st_mode & 0o077 == 0
    assert run("password", file, text="short\n").exit_code == Exit.MISCONFIGURED


def test_the_shipped_library_has_no_mistake() -> None:
    assert run("library", "check").exit_code == Exit.DONE


def test_a_wrong_condition_in_a_class_is_shown_with_a_caret(tmp_path: Path) -> None:
    file = tmp_path / "fan.yaml"
    file.write_text(
        "id: fan\nname: {en: Fan, zh: 风机}\nsystem: power\n"
        "points: {speed: {name: {en: Speed, zh: 转速}, kind: gauge, unit: 1/min}}\n"
        "rules:\n  slow:\n    name: {en: Slow, zh: 慢}\n    when: sped < 3\n    severity: minor\n    clause: e-no-overload\n"
    )
    result = run("library", "check", file)
    assert result.exit_code == Exit.MISCONFIGURED
    assert f"{file}:8" in result.stderr
    assert "sped" in result.stderr


def test_a_condition_only_the_rule_language_can_refuse_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "fan.yaml"
    file.write_text(
        "id: fan\nname: {en: Fan, zh: 风机}\nsystem: power\n"
        "points: {speed: {name: {en: Speed, zh: 转速}, kind: gauge, unit: 1/min}, power: {name: {en: P, zh: 功率}, kind: gauge, unit: kW}}\n"
        "rules:\n  slow:\n    name: {en: Slow, zh: 慢}\n    when: speed < power\n    severity: minor\n    clause: e-no-overload\n"
    )
    result = run("library", "check", file)
    assert result.exit_code == Exit.MISCONFIGURED
    assert f"{file}:8: rules.slow.when" in result.stderr
    assert "do not go together" in result.stderr
    assert "^" in result.stderr


def test_list_and_show_look_into_the_library() -> None:
    rows = [json.loads(line) for line in run("library", "list", "--json").stdout.splitlines()]
    assert {"class", "model"} == {row["kind"] for row in rows}
    assert "pf_min" in run("library", "show", "lv_switchgear").stdout
    assert json.loads(run("library", "show", "eastron_sdm630", "--json").stdout)["equipment_class"] == "lv_switchgear"
    wrong = run("library", "show", "lv_switchgaer")
    assert wrong.exit_code == Exit.MISCONFIGURED
    assert "Did you mean lv_switchgear?" in wrong.stderr


def test_coverage_ends_with_one_line_of_sums() -> None:
    assert "watched by rules or tests" in run("library", "coverage").stdout.splitlines()[-1]
    found = json.loads(run("library", "coverage", "--json").stdout)
    assert found["clauses"] == found["watched"] + found["not_watched"] == len(found["rows"])


def test_decode_reads_words_lines_and_everything_plausible() -> None:
    assert json.loads(run("decode", "--type", "float32", "0x4366", "0x3333").stdout)["value"] == pytest.approx(230.2)
    everything = [json.loads(line) for line in run("decode", "--all", "0x4366", "0x3333").stdout.splitlines()]
    assert {"float32"} <= {row["type"] for row in everything}
    lines = run("decode", "--lines", text='{"type": "uint16", "registers": [7]}\nnonsense\n').stdout.splitlines()
    assert json.loads(lines[0])["value"] == 7
    assert "error" in json.loads(lines[1])
    assert run("decode", "0x99999").exit_code == Exit.MISCONFIGURED


def test_explain_answers_from_recorded_samples_and_from_what_was_noted(site: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.csv"
    rows = [
        f"2026-11-21T07:00:{second:02d}Z,feeder_1,current_l{phase},{300 + second}"
        for second in range(9)
        for phase in (1, 2, 3)
    ]
    samples.write_text("\n".join(["time,equipment,point,value", *rows]))
    asked = ("rules", "explain", site, "feeder_1", "overcurrent", "--samples", samples)
    found = json.loads(run(*asked, "--at", "2026-11-21T07:00:04Z", "--json").stdout)
    assert (found["condition"], found["state"], found["waits_ms"]) == (True, "pending", 296_000)
    assert found["terms"][0] == {
        "name": "current_l1",
        "value": 304.0,
        "unit": "A",
        "quality": "good",
        "age_ms": 0,
        "note": "",
    }
    assert "waits for 292 s more" in run(*asked).stdout
    missing = run("rules", "explain", site, "feeder_1", "overcurrent", "--data", tmp_path / "nowhere")
    assert missing.exit_code == Exit.MISCONFIGURED
    assert "has not run here" in missing.stderr
    assert "Did you mean overcurrent" in run("rules", "explain", site, "feeder_1", "overcurent").stderr


def test_replay_prints_events_as_json_lines(site: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples.csv"
    rows = [
        f"2026-11-21T07:{minute:02d}:00Z,feeder_1,current_l{phase},300" for minute in range(9) for phase in (1, 2, 3)
    ]
    samples.write_text("\n".join(["time,equipment,point,value", *rows]))
    events = [json.loads(line) for line in run("rules", "replay", site, samples).stdout.splitlines()]
    assert [(row["event"], row["rule"], row["time"]) for row in events] == [
        ("raised", "overcurrent", "2026-11-21T07:05:00.000Z")
    ]  # fmt: skip
    samples.write_text("time,equipment\n")
    assert run("rules", "replay", site, samples).exit_code == Exit.MISCONFIGURED
