"""scenario file → instants: ``01:00`` on the first day, ``3d 14:20`` three days later, ``90min`` since the start (pure).

Times of day are the site's own, across its changes of summer time; a duration is elapsed time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator

from contract.conventions import EpochMs, from_ms, to_ms
from device_profiles.schema import parse_duration_ms

_OF_DAY = re.compile(r"(?:(\d{1,4})d )?(\d{1,2}):(\d{2})(?::(\d{2}))?")
_MINUTE_MS, _SECOND_MS = 60_000, 1000
_FORMS = '"01:00" on the first day, "3d 14:20" three days later, or 90min since the start'


@dataclass(frozen=True, slots=True)
class At:
    """An instant as written. ``days`` and ``of_day_s`` for a time of day, ``since_ms`` for one since the start."""

    text: str
    days: int = 0
    of_day_s: int | None = None
    since_ms: int = 0
    width_ms: int = _SECOND_MS
    """How exact it is: ``05:15`` means that minute, ``05:15:00`` and durations that second."""

    def instant(self, start_ms: EpochMs, zone: ZoneInfo) -> EpochMs:
        """Epoch milliseconds, for a scenario that starts at ``start_ms`` on a site in ``zone``."""
        if self.of_day_s is None:
            return start_ms + self.since_ms
        day = from_ms(start_ms).astimezone(zone).date() + timedelta(days=self.days)
        minutes, second = divmod(self.of_day_s, 60)
        extra, hour = divmod(minutes // 60, 24)
        of_day = time(hour, minutes % 60, second, tzinfo=zone)
        return to_ms(datetime.combine(day + timedelta(days=extra), of_day).astimezone(UTC))


def parse_at(value: object) -> At:
    """A written instant. Raises ValueError in words."""
    text = str(value).strip() if isinstance(value, str) else ""
    if match := _OF_DAY.fullmatch(text):
        days, hour, minute, second = (int(part or 0) for part in match.groups())
        if minute > 59 or second > 59 or hour > 24 or (hour == 24 and minute + second):
            raise ValueError(f"{text!r} is no time of day; write it as 00:00 to 24:00")
        width = _SECOND_MS if match[4] else _MINUTE_MS
        return At(text, days, hour * 3600 + minute * 60 + second, width_ms=width)
    try:
        return At(text, since_ms=parse_duration_ms(text))
    except ValueError:
        raise ValueError(f"{value!r} is no time of a scenario; write {_FORMS}, in quotes") from None


def _at(value: object) -> At:
    return value if isinstance(value, At) else parse_at(value)


AtTime = Annotated[At, BeforeValidator(_at)]


def parse_jump(value: object) -> int:
    """``+2h`` or ``-5min`` to milliseconds. Raises ValueError."""
    text = str(value).strip()
    sign = {"+": 1, "-": -1}.get(text[:1])
    if sign is None:
        raise ValueError(f"{value!r} is no jump; write +2h or -5min")
    return sign * parse_duration_ms(text[1:])


JumpMs = Annotated[int, BeforeValidator(lambda value: value if isinstance(value, int) else parse_jump(value))]


def parse_start(value: object) -> EpochMs:
    """The start as an instant with its offset. Raises ValueError."""
    try:
        start = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is no instant; write 2026-11-21T00:00:00+08:00") from None
    if start.tzinfo is None:
        raise ValueError(f"{value!r} names no zone; end it with +08:00 or Z")
    return to_ms(start.astimezone(UTC))


Start = Annotated[int, BeforeValidator(lambda value: value if isinstance(value, int) else parse_start(value))]
