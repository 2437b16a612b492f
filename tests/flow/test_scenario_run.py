"""``plantroom-sim run`` on virtual time: the same bytes in every process, a miss with its timeline, and exit codes."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contract.conventions import Exit
from simulators.cli import application
from simulators.processes import program
from simulators.run import run_scenario
from simulators.run_report import as_object, lines_of, summary
from simulators.scenario_file import SHIPPED, load_scenario_file
from simulators.scenario_shelf import shipped

pytestmark = pytest.mark.timeout(180)
FILE = SHIPPED / "live_power_cut.yaml"


def start(*arguments: str, hash_seed: str, zone: str) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "LANG": "C.UTF-8"}
    command = [*program("plantroom-sim"), "run", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=150)
    finally:
        process.kill()
    return process.returncode, out, err


def sim(command: str, *arguments: str) -> Result:
    """The command in this process, as far as its exit."""
    return CliRunner().invoke(application(command), [command, *arguments])


def copy_of(folder: Path, **changes: str) -> Path:
    """The shipped scenario with words replaced, seeing the same site."""
    text = FILE.read_text(encoding="utf-8").replace("sites/live.yaml", str(SHIPPED / "sites" / "live.yaml"))
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "one.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_same_seed_leaves_the_same_bytes_in_every_process_and_keeps_them_where_asked(tmp_path: Path) -> None:
    name = "live_power_cut"
    runs = [
        start(name, "--json", "--data", str(tmp_path), "--timeline", hash_seed="1", zone="UTC"),
        start(name, "--json", hash_seed="2", zone="Asia/Tokyo"),
    ]
    (one_code, one, told), (two_code, two, _) = [ended(run) for run in runs]
    assert (one_code, two_code) == (Exit.DONE, Exit.DONE)
    assert one == two
    found = json.loads(one)
    assert (found["passed"], found["missed"], found["broken"]) == (True, [], [])
    assert "T-000001 incomer_1/phase_loss: acknowledged by technician" in told
    kept = tmp_path / name
    assert sorted(one.name for one in kept.glob("cloud*")) == ["cloud", "cloud_1"]  # what a power cut left is a copy
    again = sim("run", name, "--data", str(tmp_path))
    assert again.exit_code == Exit.MISCONFIGURED
    assert f"{tmp_path}: is not empty: it holds {name}. Name an empty folder with --data" in again.stderr


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (("b", "a", "c", "d"), "out: is not empty: it holds a, b, c …. Name an empty folder with --data"),
        (None, "out: cannot be used: Not a directory. Name an empty folder with --data"),
    ],
)
def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, held: tuple[str, ...] | None, said: str) -> None:
    out = tmp_path / "out"
    if held is None:
        out.write_text("mine")
    for name in held or ():
        (out / name).mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    done = sim("run", "live_power_cut", "--data", str(out))
    assert (done.exit_code, sorted(tmp_path.rglob("*"))) == (Exit.MISCONFIGURED, before)
    assert said in done.stderr


def test_scenarios_of_one_name_do_not_share_a_folder(tmp_path: Path) -> None:
    done = sim("run", "live_power_cut", str(FILE), "--data", str(tmp_path / "out"))
    assert done.exit_code == Exit.MISCONFIGURED
    assert "two scenarios are named live_power_cut" in done.stderr


def test_a_miss_is_told_with_its_line_and_the_timeline_around_it(tmp_path: Path) -> None:
    file = copy_of(tmp_path, **{"holder: technician": "holder: manager"})
    outcome = run_scenario(load_scenario_file(file), tmp_path)
    (miss,) = as_object(outcome)["missed"]
    assert (miss["what"], miss["expected"], miss["found"]) == ("incomer_1/phase_loss: holder", "manager", "technician")
    assert {one["who"] for one in miss["timeline"]} == {"plant", "gateway", "cloud", "people", "world"}
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "holder:" in text)
    report = list(lines_of(outcome, "en"))
    assert report[0].startswith("FAIL  one: Three quarters of a minute")
    assert "1 of 9 expectations not met" in report[0]
    assert report[1] == f"  {file}:{line}: incomer_1/phase_loss: holder: expected manager, found technician"
    assert any("plant   incomer_1: phase_loss comes" in text for text in report)
    assert any("------- here" in text for text in report)
    assert summary([outcome], 5.0) == "0 of 1 scenario passed: 45s lived in 5.0 s, 9 times real time"


def test_mistakes_of_every_file_are_told_before_anything_is_played(tmp_path: Path) -> None:
    file = copy_of(tmp_path, **{"lasts: 45s": "lasts: 45"})
    done = sim("run", str(file), "no_such_scenario")
    assert done.exit_code == Exit.MISCONFIGURED
    assert done.stdout == ""
    assert "one.yaml:8: lasts: " in done.stderr
    assert "no_such_scenario: there is no shipped scenario of that name" in done.stderr


def test_what_needs_virtual_time_is_refused_with_its_line_before_anything_is_played() -> None:
    done = sim("run", "live_power_cut", "gateway_clock_jumps", "--real-time")
    assert (done.exit_code, done.stdout) == (Exit.MISCONFIGURED, "")
    assert re.search(
        r"gateway_clock_jumps.yaml:\d+: timeline\[\d+\].clock: the gateway's clock cannot jump in real time",
        done.stderr,
    )


def test_two_kinds_of_time_at_once_are_refused() -> None:
    done = sim("run", "live_power_cut", "--virtual", "--real-time")
    assert done.exit_code == Exit.MISCONFIGURED
    assert "exclude each other" in done.stderr


def test_the_shipped_ones_are_listed_with_their_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert "live_line_cut" in sim("scenarios").stdout
    assert "四十五秒：断线期间两个故障" in sim("scenarios").stdout


def test_programs_read_the_list_line_by_line() -> None:
    found = [json.loads(line) for line in sim("scenarios", "--json").stdout.splitlines()]
    assert [one["name"] for one in found] == [path.stem for path in shipped()]
    (cut,) = [one for one in found if one["name"] == "live_line_cut"]
    assert cut["title"]["zh"].startswith("四十五秒")
    assert (cut["lasts_s"], cut["pace"], Path(cut["file"]).name) == (45, "real", "live_line_cut.yaml")
