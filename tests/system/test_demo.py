"""``plantroom-sim demo`` as a visitor runs it: real processes on real sockets."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from contract.conventions import Exit
from simulators.processes import program

pytestmark = pytest.mark.timeout(120)

POLL_MS = 1000
SYSTEM_OF = {
    "lift": "lifts", "tx": "power", "incomer": "power", "feeder": "power", "pump": "water", "fire": "fire",
}  # fmt: skip


def demo_for(seconds: int, *more: str) -> dict[str, Any]:
    command = [*program("plantroom-sim"), "demo", "--for", str(seconds), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 45, check=False)
    assert done.returncode == Exit.DONE, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(result: dict[str, Any], at_least: int) -> None:
    assert result["missing"] == []
    assert result["unexpected"] == []
    assert len(result["faults"]) == len(result["tickets"]) >= at_least
    assert result["fault_to_ticket_ms"]["p99"] < 2 * POLL_MS
    for ticket in result["tickets"]:
        assert re.fullmatch(r"T-\d{6}", ticket["id"])
        assert ticket["clause"]
        assert ticket["response_due"] > ticket["received_at"] >= ticket["raised_at"]
        assert ticket["resolution_due"] > ticket["response_due"]


def test_every_fault_of_a_short_demo_becomes_its_ticket() -> None:
    check(demo_for(18), at_least=3)


@pytest.mark.proof
@pytest.mark.timeout(180)
def test_a_minute_shows_twelve_faults_over_four_systems() -> None:
    result = demo_for(60)
    check(result, at_least=12)
    systems = [SYSTEM_OF[fault["equipment"].split("_")[0]] for fault in result["faults"]]
    assert {system: systems.count(system) >= 3 for system in set(SYSTEM_OF.values())} == dict.fromkeys(
        SYSTEM_OF.values(), True
    )


@pytest.mark.proof
def test_a_large_plant_changes_nothing() -> None:
    check(demo_for(25, "--devices", "200"), at_least=5)


@contextmanager
def endless(folder: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A demo without an end, once it says that it runs, with what it said."""
    command = [*program("plantroom-sim"), "demo", "--data", str(folder)]
    environment = {**os.environ, "LANG": "en_GB.UTF-8"}
    environment.pop("LC_ALL", None)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C stops everything" in line:
                break
        yield process, lines
    finally:
        process.kill()
        process.communicate()


def inject_by_hand(said: str) -> None:
    control = re.search(r"--control (\d+)", said)
    assert control
    command = [*program("plantroom-sim"), "inject", "pump_2", "bearing_overheating", "--control", control[1]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert json.loads(done.stdout)["at_ms"] > 0


def lines_of(process: subprocess.Popen[str], most: int = 20) -> Iterator[str]:
    assert process.stdout is not None
    return islice(process.stdout, most)


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def are_gone(family: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(family, timeout=10)
    return not alive


def test_it_is_up_in_time_shows_the_way_in_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    with endless(tmp_path) as (process, lines):
        assert time.monotonic() - began < 20
        said = "".join(lines)
        for part in ("simulated plant", "broker", "gateway", "cloud", "Dashboard:", "One-time sign-in:"):
            assert part in said
        link = re.search(r"One-time sign-in: (http://127\.0\.0\.1:\d+/sign-in/\S+)", said)
        assert link
        assert httpx.get(link[1], follow_redirects=True, trust_env=False).status_code == 200
        family = children(process)
        assert len(family) == 4
        inject_by_hand(said)
        assert any("Bearing runs hot" in line and "T-0" in line for line in lines_of(process))
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
        assert process.returncode == Exit.INTERRUPTED
        assert "Nothing is left running" in rest
        assert "Traceback" not in errors
        assert are_gone(family)


def test_a_process_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    with endless(tmp_path) as (process, _):
        family = children(process)
        victim = next(one for one in family if "plantroom-edge" in " ".join(one.cmdline()))
        victim.kill()
        _, errors = process.communicate(timeout=30)
        assert process.returncode == Exit.FINDING
        assert "gateway ended with exit code -9" in errors
        assert str(tmp_path / "logs") in errors
        assert "Traceback" not in errors
        assert are_gone(family)
