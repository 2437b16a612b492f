"""Ground floor: the conventions both sides share (time, exit codes, data directory), one place each."""

from __future__ import annotations

import enum
import io
import json
import os
import re
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

_INSTANT = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Instant = Annotated[str, msgspec.Meta(pattern=_INSTANT)]
"""A UTC instant on the wire: RFC 3339 with exactly three decimals, ``2026-11-21T07:05:00.123Z``."""

EpochMs = int
"""Integer milliseconds since 1970-01-01T00:00:00Z, as databases and sample columns hold instants."""


class Exit(enum.IntEnum):
    """What a command's exit status means, for all three commands."""

    DONE = 0
    FINDING = 1
    MISCONFIGURED = 2
    INTERRUPTED = 130


def to_ms(instant: datetime) -> EpochMs:
    """Aware datetime to epoch milliseconds, rounded down. Raises ValueError for a naive datetime."""
    if instant.tzinfo is None:
        msg = "an instant needs a time zone; a naive datetime means nothing"
        raise ValueError(msg)
    return (instant - _EPOCH) // _MILLISECOND


@lru_cache(maxsize=4096)
def from_ms(epoch_ms: EpochMs) -> datetime:
    """Epoch milliseconds to an aware UTC datetime."""
    return _EPOCH + epoch_ms * _MILLISECOND


def format_instant(instant: datetime | EpochMs) -> str:
    """An instant (aware datetime or epoch ms) as the contract writes it. Raises ValueError for a naive datetime."""
    at = from_ms(instant if isinstance(instant, int) else to_ms(instant))
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def parse_instant(text: str) -> datetime:
    """The contract's instant as an aware UTC datetime. Raises ValueError for any other shape."""
    if re.match(_INSTANT, text) is None:
        msg = f"{text!r} is not an instant; write UTC with milliseconds, such as 2026-11-21T07:05:00.123Z"
        raise ValueError(msg)
    return datetime.fromisoformat(text)


@lru_cache(maxsize=4096)
def instant_ms(text: str) -> EpochMs:
    """The contract's instant as epoch milliseconds; one event tells the same instant several times. Raises ValueError for any other shape."""
    return to_ms(parse_instant(text))


def json_line(row: object) -> str:
    """What ``--json`` prints for one object or one row of a list: one line, words readable as they are.

    Raises ValueError for a number JSON does not know (NaN, infinity): there it would be a wrong number.
    """
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def data_directory(option: Path | None, *, service: bool = False) -> Path:
    """Where a process keeps its data: ``--data``, else ``PLANTROOM_DATA``, else the default of its kind.

    The default is ``/var/lib/plantroom`` for an installed service and ``./.plantroom`` otherwise. Not created here.
    """
    if option is not None:
        return option
    if named := os.environ.get("PLANTROOM_DATA"):
        return Path(named)
    return Path("/var/lib/plantroom") if service else Path(".plantroom")


class StandardError(io.TextIOBase):
    """Standard error as it is now. Where it cannot be written (a full disk, a closed pipe), the line is lost and work goes on."""

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
