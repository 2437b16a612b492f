"""A day of a small site through gateway, outbox, ingest, tickets and clocks, on virtual time; in proof twice, byte for byte.

The days run in processes of their own, with different hash seeds: nothing may depend on the order of a set.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.day import MIDNIGHT_MS

pytestmark = pytest.mark.timeout(400)
ROOT = Path(__file__).parents[2]


def start(folder: Path, hash_seed: str) -> subprocess.Popen[bytes]:
    folder.mkdir()
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": "UTC" if hash_seed == "1" else "Asia/Tokyo"}
    return subprocess.Popen([sys.executable, "-m", "tests.support.day", str(folder)], cwd=ROOT, env=environment)


def lived(folder: Path, hash_seed: str) -> bytes:
    day = start(folder, hash_seed)
    try:
        assert day.wait(300) == 0
    finally:
        day.kill()
        day.wait()
    return (folder / "day.dump").read_bytes()


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return lived(tmp_path_factory.mktemp("days") / "one", "1")


@pytest.fixture(scope="module")
def rows(dump: bytes) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in dump.decode().splitlines():
        table, _, body = line.partition(" ")
        found.setdefault(table, []).append(json.loads(body))
    return found


def at(clock: str) -> int:
    hour, minute = clock.split(":")
    return MIDNIGHT_MS + (int(hour) * 60 + int(minute)) * 60_000


@pytest.mark.proof
def test_the_same_day_leaves_the_same_bytes(dump: bytes, tmp_path: Path) -> None:
    """In ``make test`` a scenario does the same: tests/flow/test_scenario_run.py."""
    assert len(dump) > 1_000_000
    assert lived(tmp_path / "two", "2") == dump


def test_every_fault_of_the_day_has_one_ticket_and_nothing_else_has(rows: dict[str, list[dict[str, Any]]]) -> None:
    seen = [(one["equipment_id"], one["rule"], one["priority"], one["state"]) for one in rows["ticket"]]
    assert seen == [
        ("incomer_1", "low_power_factor", "major", "resolved"),
        ("lift_1", "entrapment_button", "life_safety", "new"),
        ("gw_1", "gateway_silent", "major", "new"),
        ("pump_1", "dry_run", "urgent", "new"),
        ("panel_1", "panel_in_fault", "major", "new"),
        ("pump_1", "pump_fault", "major", "resolved"),
        ("incomer_1", "no_data", "general", "new"),
        ("lift_1", "door_fault", "major", "new"),
        ("panel_1", "fire", "life_safety", "on_site"),
    ]


def test_what_happened_while_the_line_was_cut_is_told_as_past(rows: dict[str, list[dict[str, Any]]]) -> None:
    past = [one for one in rows["ticket"] if one["is_past"]]
    assert [one["rule"] for one in past] == ["dry_run"]
    assert past[0]["began_at"] < at("06:45") < at("09:00") < past[0]["opened_at"] < at("09:02")


def test_a_door_that_jams_three_times_is_one_ticket(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert [one["occurrences"] for one in rows["ticket"] if one["rule"] == "door_fault"] == [3]


def clocks(rows: dict[str, list[dict[str, Any]]], rule: str) -> dict[str, dict[str, Any]]:
    number = next(one["id"] for one in rows["ticket"] if one["rule"] == rule)
    return {one["clock"]: one for one in rows["deadline"] if one["ticket_id"] == number}


def test_nobody_came_for_the_trapped_person_and_the_clocks_say_when(rows: dict[str, list[dict[str, Any]]]) -> None:
    found = clocks(rows, "entrapment_button")
    assert {name: one["state"] for name, one in found.items()} == {
        "response": "breached", "arrival": "breached", "resolution": "running",
    }  # fmt: skip
    assert found["arrival"]["breached_at"] - found["arrival"]["start_at"] == 30 * 60_000
    assert found["response"]["breached_at"] - found["response"]["start_at"] == 60 * 60_000


def test_a_hold_stops_the_resolution_clock_and_not_the_response(rows: dict[str, list[dict[str, Any]]]) -> None:
    found = clocks(rows, "pump_fault")
    held_s = (at("14:00") - at("12:30")) / 1000
    wall_s = (found["resolution"]["met_at"] - found["resolution"]["start_at"]) / 1000
    assert found["resolution"]["used_s"] == pytest.approx(wall_s - held_s, abs=1)
    assert found["response"]["state"] == "met"


def test_help_at_the_fire_in_two_minutes_is_in_time(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert {name: one["state"] for name, one in clocks(rows, "fire").items()} == {
        "response": "met", "arrival": "met", "resolution": "running",
    }  # fmt: skip


def test_each_breach_is_told_once_at_its_own_instant(rows: dict[str, list[dict[str, Any]]]) -> None:
    breached = sorted((one["ticket_id"], one["breached_at"]) for one in rows["deadline"] if one["breached_at"])
    told = sorted((one["ticket_id"], one["at"]) for one in rows["timeline"] if one["kind"] == "breached")
    assert told == breached
    assert breached


def test_nothing_was_set_aside(rows: dict[str, list[dict[str, Any]]]) -> None:
    assert "quarantine" not in rows
