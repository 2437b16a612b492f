"""The desk's and the dashboard's own tests, each on a database of a real PostgreSQL server: they must not know the difference."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import VARIABLE
from tests.support.system_packages import require

ROOT = Path(__file__).parents[2]


def passed(*paths: str) -> int:
    """Run these tests on PostgreSQL; how many passed. Fails with what they said when one did not."""
    require("initdb")
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not proof", "-p", "no:cacheprovider", *paths]
    environment = {**os.environ, VARIABLE: "postgresql"}
    ran = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    found = re.search(r"(\d+) passed", ran.stdout)
    return int(found[1]) if found else 0


SOME = (
    "ingest/test_routes.py::test_an_event_that_no_column_holds_is_set_aside",
    "ingest/test_service.py::test_replaying_envelopes_in_any_order_changes_nothing[0]",
    "ingest/test_service.py::test_an_event_that_makes_no_sense_leaves_no_trace_but_its_quarantine",
    "ingest/test_service.py::test_connections_that_race_with_the_same_alarm_open_one_ticket",
    "tickets/test_service.py::test_a_ticket_goes_from_new_to_closed_and_every_step_is_on_its_timeline",
    "tickets/test_service.py::test_a_call_with_the_same_key_is_done_once",
    "tickets/test_service.py::test_the_list_is_filtered_and_paged",
)


@pytest.mark.timeout(180)
def test_what_leans_on_the_database_most_behaves_on_postgresql_as_on_sqlite() -> None:
    assert passed(*(f"tests/cloud/{name}" for name in SOME)) >= len(SOME)


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_every_test_of_the_cloud_and_its_pages_passes_on_postgresql() -> None:
    without_one = ("--ignore=tests/cloud/sla", "--ignore-glob=tests/cloud/telemetry/test_[!m]*")
    assert passed("tests/cloud", "tests/dashboard", *without_one) >= 600
