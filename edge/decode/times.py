"""decode: the ways devices write an instant, to ISO 8601 text and back. Pure.

``unix32``, ``unix64`` and ``unix_ms64`` count from 1970 in UTC and read ``2026-11-21T07:05:00Z``. The others are what the
device's own clock shows, in a zone it does not tell, and read without one: ``cp56time`` is IEC 60870-5-4's binary time as
Schneider (TI081, DATETIME) and Siemens (SICAM) put it into four registers, ``bcd_time`` the S7's DATE_AND_TIME, ``calendar``
six registers of year, month, day, hour, minute and second.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from device_profiles.schema import WireType

SIZES: dict[WireType, int] = {
    "unix32": 4, "unix64": 8, "unix_ms64": 8, "cp56time": 8, "bcd_time": 8, "calendar": 12,
}  # fmt: skip
"""Bytes that each way takes."""
TIMES = frozenset(SIZES)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class NotValid(ValueError):
    """The device itself says that its time is not valid or not synchronised."""


def read(wire_type: WireType, straight: bytes) -> str:
    """High-first bytes to an instant. Raises ValueError when they are none, NotValid when the device says so."""
    if wire_type.startswith("unix"):
        number = int.from_bytes(straight, "big")
        return _told(_since_epoch(number if wire_type == "unix_ms64" else 1000 * number), wire_type) + "Z"
    parts = {"cp56time": _cp56, "bcd_time": _bcd, "calendar": _calendar}[wire_type](straight)
    return _told(datetime(*parts[:6], 1000 * parts[6]), wire_type)  # noqa: DTZ001 - the device tells no zone


def write(wire_type: WireType, text: str) -> bytes:
    """An instant to high-first bytes: the inverse of ``read``. Raises ValueError for a text that is none."""
    told = datetime.fromisoformat(text)
    if wire_type.startswith("unix"):
        since = (told if told.tzinfo else told.replace(tzinfo=UTC)) - _EPOCH
        number = since // (_MILLISECOND if wire_type == "unix_ms64" else timedelta(seconds=1))
        return number.to_bytes(SIZES[wire_type], "big")
    return {"cp56time": _as_cp56, "bcd_time": _as_bcd, "calendar": _as_calendar}[wire_type](told)


def _told(instant: datetime, wire_type: WireType) -> str:
    has_fraction = wire_type in ("unix_ms64", "cp56time", "bcd_time")
    return instant.replace(tzinfo=None).isoformat(timespec="milliseconds" if has_fraction else "seconds")


def _since_epoch(milliseconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise ValueError(f"{milliseconds} ms lie beyond the year 9999") from None


_Parts = tuple[int, int, int, int, int, int, int]
"""Year, month, day, hour, minute, second, millisecond."""


def _cp56(straight: bytes) -> _Parts:
    """Year from 2000, month, day, hour, minute and milliseconds of the minute; the flags stand in their top bits."""
    _, year, month, day, hour, minute = straight[:6]
    milliseconds = int.from_bytes(straight[6:], "big")
    if minute & 0x80:
        raise NotValid("the device marks its time as not valid")
    return (
        2000 + (year & 0x7F), month & 0x0F, day & 0x1F, hour & 0x1F, minute & 0x3F,
        milliseconds // 1000, milliseconds % 1000,
    )  # fmt: skip


def _as_cp56(told: datetime) -> bytes:
    if not 2000 <= told.year <= 2127:
        raise ValueError(f"{told.year} is outside 2000 to 2127, which cp56time can say")
    milliseconds = 1000 * told.second + told.microsecond // 1000
    fields = (0, told.year - 2000, told.month, told.day, told.hour, told.minute)
    return bytes(fields) + milliseconds.to_bytes(2, "big")


def _bcd(straight: bytes) -> _Parts:
    """Two digits each from year to second, three of milliseconds, and the day of the week, which is not looked at."""
    digits = straight.hex()
    if not digits[:15].isdecimal():
        raise ValueError(f"0x{digits} holds a digit above 9")
    year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    return (1900 if year >= 90 else 2000) + year, month, day, hour, minute, second, int(digits[12:15])


def _as_bcd(told: datetime) -> bytes:
    if not 1990 <= told.year <= 2089:
        raise ValueError(f"{told.year} is outside 1990 to 2089, which bcd_time can say")
    day_of_week = told.isoweekday() % 7 + 1
    return bytes.fromhex(f"{told:%y%m%d%H%M%S}{told.microsecond // 1000:03}{day_of_week}")


def _calendar(straight: bytes) -> _Parts:
    """A year of one or two digits is of this century."""
    year, *rest = (int.from_bytes(straight[at : at + 2], "big") for at in range(0, 12, 2))
    month, day, hour, minute, second = rest
    return year + 2000 if year < 100 else year, month, day, hour, minute, second, 0


def _as_calendar(told: datetime) -> bytes:
    fields = (told.year, told.month, told.day, told.hour, told.minute, told.second)
    return b"".join(field.to_bytes(2, "big") for field in fields)
