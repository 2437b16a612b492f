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


@pytest.mark.timeout(180)
def test_ingest_and_tickets_behave_on_postgresql_as_on_sqlite() -> None:
    unstorable = "tests/cloud/ingest/test_routes.py::test_an_event_that_no_column_holds_is_set_aside"
    assert passed("tests/cloud/ingest/test_service.py", unstorable, "tests/cloud/tickets/test_service.py") >= 40


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_every_test_of_the_cloud_and_its_pages_passes_on_postgresql() -> None:
    without_one = ("--ignore=tests/cloud/sla", "--ignore-glob=tests/cloud/telemetry/test_[!m]*")
    assert passed("tests/cloud", "tests/dashboard", *without_one) >= 600
