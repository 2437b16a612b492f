"""How a test asks for a real server or browser: it runs, or it is skipped by name, or with CI=true it fails."""

import os
import shutil
from pathlib import Path

import pytest

# program → the Debian package that holds it
PACKAGES = {
    "mosquitto": "mosquitto",
    "chromium": "chromium",
    "initdb": "postgresql",
    "influxd": "influxdb",
    "victoria-metrics": "victoria-metrics",
    "docker-compose": "docker-compose",
}


def find_program(name: str) -> str | None:
    """The program's path, also where Debian keeps servers off an ordinary user's path."""
    places = [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]
    places += [str(folder) for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    return shutil.which(name, path=os.pathsep.join(places))


def require(name: str) -> str:
    """The program's path; skips the test that asks when it is not installed, and fails it with CI=true."""
    if path := find_program(name):
        return path
    message = f"{name} is not installed: sudo apt-get install --no-install-recommends {PACKAGES.get(name, name)}"
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
