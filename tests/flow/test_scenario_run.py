"""``plantroom-sim run`` on virtual time: the same bytes in every process, a miss with its timeline, and exit codes."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contract.conventions import Exit
from simulators.processes import program
from simulators.scenario_file import SHIPPED

pytestmark = pytest.mark.timeout(180)
FILE = SHIPPED / "live_power_cut.yaml"


def start(*arguments: str, hash_seed: str = "0", zone: str = "UTC") -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "LANG": "C.UTF-8"}
    command = [*program("plantroom-sim"), "run", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=150)
    finally:
        process.kill()
    return process.returncode, out, err


def copy_of(folder: Path, **changes: str) -> Path:
    """The shipped scenario with words replaced, seeing the same site."""
    text = FILE.read_text(encoding="utf-8").replace("sites/live.yaml", str(SHIPPED / "sites" / "live.yaml"))
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "one.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_same_seed_leaves_the_same_bytes_in_every_process() -> None:
    runs = [
        start("live_power_cut", "--json", hash_seed="1"),
        start("live_power_cut", "--json", hash_seed="2", zone="Asia/Tokyo"),
    ]
    (one_code, one, _), (two_code, two, _) = [ended(run) for run in runs]
    assert (one_code, two_code) == (Exit.DONE, Exit.DONE)
    assert one == two
    found: dict[str, Any] = json.loads(one)
    assert (found["passed"], found["missed"], found["broken"]) == (True, [], [])


def test_a_miss_is_told_with_its_line_and_the_timeline_around_it(tmp_path: Path) -> None:
    file = copy_of(tmp_path, **{"holder: technician": "holder: manager"})
    code, out, err = ended(start(str(file), "--json"))
    assert code == Exit.FINDING
    (miss,) = json.loads(out)["missed"]
    assert (miss["what"], miss["expected"], miss["found"]) == ("incomer_1/phase_loss: holder", "manager", "technician")
    whos = [one["who"] for one in miss["timeline"]]
    assert {"plant", "gateway", "cloud", "people", "world"} == set(whos)
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "holder:" in text)
    assert f"{file}:{line}: incomer_1/phase_loss: holder: expected manager, found technician" in err
    assert "------- here" in err
    assert "plant   incomer_1: phase_loss comes" in err


def test_mistakes_of_every_file_are_told_before_anything_is_played(tmp_path: Path) -> None:
    file = copy_of(tmp_path, **{"inject: phase_loss": "inject: phase_los", "lasts: 45s": "lasts: 45"})
    code, out, err = ended(start(str(file), "no_such_scenario"))
    assert (code, out) == (Exit.MISCONFIGURED, "")
    assert "one.yaml:" in err
    assert "'45'" in err or "45" in err
    assert "no_such_scenario: there is no shipped scenario of that name" in err
    assert "Traceback" not in err


def test_two_kinds_of_time_at_once_are_refused() -> None:
    code, _, err = ended(start("live_power_cut", "--virtual", "--real-time"))
    assert code == Exit.MISCONFIGURED
    assert "exclude each other" in err


def test_what_was_written_is_kept_where_it_was_asked_for(tmp_path: Path) -> None:
    code, out, _ = ended(start("live_trapped_passenger", "--data", str(tmp_path), "--timeline"))
    assert code == Exit.DONE
    assert (tmp_path / "live_trapped_passenger" / "cloud" / "cloud.db").is_file()
    assert "T-000001 lift_1/entrapment_button: acknowledged by engineer" in out
    code, _, err = ended(start("live_trapped_passenger", "--data", str(tmp_path)))
    assert code == Exit.MISCONFIGURED
    assert "holds the data of an earlier run" in err
