"""Ground floor: the words that every message of the published language shares: values, qualities, severities, texts."""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

CONTRACT_VERSION = 1

Lane = Literal["events", "samples"]
Value = float | int | bool | str | None
"""A point's value. ``None`` when there is none to give, which always goes with bad quality."""


class Quality(enum.StrEnum):
    """OPC UA's three families. Only ``good`` may raise or clear an alarm."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Cause(enum.StrEnum):
    """Why a sample is not good. ``none`` goes with good quality and with nothing else."""

    NONE = "none"
    NO_RESPONSE = "no_response"
    """The device did not answer in time."""
    NOT_CONNECTED = "not_connected"
    """The line, gateway, broker or network to the device is down."""
    EXCEPTION = "exception"
    """The device answered with an error of its protocol (a Modbus exception code)."""
    UNDECODABLE = "undecodable"
    """Bytes arrived that the mapping cannot read: wrong length, not a number, unknown enum value."""
    SENTINEL = "sentinel"
    """The device's own pattern for not available."""
    OUT_OF_RANGE = "out_of_range"
    """Outside the plausible range of the point: a sensor's range end, a clean decode of nonsense."""
    RATE = "rate"
    """Changed faster than the point physically can."""
    STUCK = "stuck"
    """Has not changed for longer than a live sensor would allow."""
    STALE = "stale"
    """Older than the point's permitted age."""
    LATE = "late"
    """Arrived with a device timestamp outside the permitted skew."""
    ABSENT = "absent"
    """The message or map of this device does not hold the point."""
    RETAINED = "retained"
    """A broker's stored message: true once, age unknown."""
    NOT_YET = "not_yet"
    """Nothing has been read since the process started."""


class Severity(enum.StrEnum):
    """How bad an alarm is (IEC 62682 leaves the scale to the site; architecture section 7 fixes ours)."""

    ADVISORY = "advisory"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    LIFE_SAFETY = "life_safety"

    @property
    def rank(self) -> int:
        """Position on the scale, worst highest."""
        return list(Severity).index(self)


class Text(msgspec.Struct, frozen=True):
    """A sentence in both languages of the users."""

    en: str
    zh: str
