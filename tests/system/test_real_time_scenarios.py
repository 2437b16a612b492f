"""Shipped scenarios over real sockets: the same file, real processes, and the same tickets as on virtual time."""

import json
import subprocess
from typing import Any

import pytest

from contract.conventions import Exit
from simulators.processes import program

pytestmark = pytest.mark.timeout(300)
SHORT = "live_trapped_passenger"
OTHERS = ("live_line_cut", "live_power_cut")


def played(name: str, *how: str) -> dict[str, Any]:
    command = [*program("plantroom-sim"), "run", name, "--json", *how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == Exit.DONE, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(name: str) -> None:
    real, virtual = played(name, "--real-time"), played(name, "--virtual")
    assert real["tickets"] == virtual["tickets"]
    assert real["met"] == virtual["met"]


@pytest.mark.proof
def test_a_short_scenario_gives_the_same_tickets_in_real_time() -> None:
    check(SHORT)


@pytest.mark.proof
@pytest.mark.parametrize("name", OTHERS)
def test_longer_ones_do_too(name: str) -> None:
    check(name)
