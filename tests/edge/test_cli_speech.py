"""What the log cannot say must not stop the work."""

import io
from typing import Any

import pytest
import structlog

from edge.cli import configure_log


class Full(io.StringIO):
    """A log file on a full disk."""

    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("broken", [Full(), "closed"])
def test_a_log_that_cannot_be_written_raises_nothing(monkeypatch: pytest.MonkeyPatch, broken: Any) -> None:
    stream = io.StringIO() if broken == "closed" else broken
    monkeypatch.setattr("sys.stderr", stream)
    configure_log()
    try:
        if broken == "closed":
            stream.close()
        structlog.get_logger("edge").warning("disk_failing")
        said = io.StringIO()
        monkeypatch.setattr("sys.stderr", said)
        structlog.get_logger("edge").info("disk_well_again")
        assert "disk_well_again" in said.getvalue()
    finally:
        structlog.reset_defaults()
