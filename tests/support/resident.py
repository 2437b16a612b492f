"""The gateway and its simulated devices as processes beside the tests, with what the gateway takes of memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOUR_S = 3600
DEVICES = 200
ROOT = Path(__file__).parents[2]
HOUR = pytest.StashKey[subprocess.Popen[str]]()


def begin(seconds: float = HOUR_S) -> subprocess.Popen[str]:
    """`python -m benchmarks.resident`, which prints seconds, megabytes and points."""
    arguments = [sys.executable, "-m", "benchmarks.resident", str(seconds), str(DEVICES)]
    return subprocess.Popen(
        arguments, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True
    )
