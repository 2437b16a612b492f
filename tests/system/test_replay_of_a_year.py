"""A year of minute data of twenty points through ``plantroom-edge rules replay``, as a process, against a clock."""

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.recorded_year import BAD, FAULTS, HOLE, MINUTES, SITE, instant, write_csv

MOST_CPU_S = 120
Event = dict[str, Any]


def replay(folder: Path, minutes: int) -> tuple[list[Event], float]:
    """The events, and the seconds of CPU that the process took."""
    (folder / "site.yaml").write_text(SITE, encoding="utf-8")
    write_csv(folder / "samples.csv", minutes)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "edge.cli",
        "rules",
        "replay",
        folder / "site.yaml",
        folder / "samples.csv",
    ]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (done.returncode, done.stderr) == (0, "")
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return [json.loads(line) for line in done.stdout.splitlines()], spent


def raised(events: list[Event]) -> list[tuple[str, str]]:
    """Rule and beginning of what was raised and not explained away by something worse."""
    return [(one["rule"], one["began_at"]) for one in events if one["event"] == "raised" and "suppressed_by" not in one]


def check_planted(events: list[Event], minutes: int) -> None:
    """Exactly what was planted came out, each where its fault began, and all of it was over again."""
    wanted = [fault for fault in FAULTS if fault.last < minutes]
    found = [(rule, began) for rule, began in raised(events) if rule != "no_data"]
    assert [rule for rule, _ in found] == [fault.rule for fault in wanted]
    for fault, (_, began) in zip(wanted, found, strict=True):
        assert instant(fault.first) <= began <= instant(fault.first + fault.slow)
    came, went = [[one["rule"] for one in events if one["event"] == event] for event in ("raised", "cleared")]
    assert sorted(came) == sorted(went)
    assert all(
        one["clause"] and one["severity"]
        for one in events
        if one["event"] in ("raised", "cleared") and one["rule"] != "no_data"
    )


def test_exactly_the_planted_faults_of_three_days_come_out(tmp_path: Path) -> None:
    minutes = 3 * 1440
    events, _ = replay(tmp_path, minutes)
    check_planted(events, minutes)
    assert {one["event"] for one in events} == {"raised", "cleared"}
    assert len(raised(events)) == 2


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_a_year_of_twenty_points_takes_less_than_two_minutes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events, spent = replay(tmp_path, MINUTES)
    with capsys.disabled():
        sys.stderr.write(f"\n{MINUTES} minutes of 20 points: {spent:.1f} s of CPU\n")
    check_planted(events, MINUTES)
    silent = [began for rule, began in raised(events) if rule == "no_data"]
    assert len(silent) == 2
    for (first, last), began in zip((BAD, HOLE), silent, strict=True):
        assert instant(first) <= began <= instant(last)
    assert spent < MOST_CPU_S
