"""Tickets → sla: working time. When is the desk open, when is a target used up, how much of it was used (pure).

Time counts when the site's wall clock stands inside an open window, so a night with 25 hours counts 25 and an hour that
daylight saving skips counts nothing. A window belongs to the date on which it starts. Arithmetic is in whole microseconds.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Hold = tuple[datetime, datetime]
"""An interval that does not count: aware start and end, the end excluded."""
Window = tuple[int, int]
"""Seconds after local midnight, the end excluded; an end above 86,400 lies on the next day."""
Span = tuple[int, int]
"""Microseconds since 1970, the end excluded."""

DAY_S = 86_400
_US = 1_000_000
_DAY_US = DAY_S * _US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d))?")
_KEYS = {"tz", "week", "dates", "breaks", "holidays", "names"}
_ALL_DAY: tuple[Window, ...] = ((0, DAY_S),)
_EMPTY_YEARS = 30
"""After so many years without an open minute the search for a due instant gives up."""


class CalendarError(ValueError):
    """A calendar that cannot be: the text says where and what to write instead."""


def to_us(instant: datetime) -> int:
    """Aware datetime to whole microseconds since 1970. Raises ValueError for a naive one."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone; a naive datetime means nothing")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """Microseconds since 1970 to an aware UTC datetime."""
    return _EPOCH + us * _MICROSECOND


def merge(spans: Sequence[Span]) -> list[Span]:
    """Overlapping and touching spans joined, in order, empty ones left out."""
    joined: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def subtract(spans: Sequence[Span], cuts: Sequence[Span]) -> list[Span]:
    """What is left of ``spans`` outside ``cuts``; both merged."""
    left: list[Span] = []
    for start, end in spans:
        at = start
        for cut_start, cut_end in cuts:
            if cut_end <= at or cut_start >= end:
                continue
            if cut_start > at:
                left.append((at, cut_start))
            at = max(at, cut_end)
        if at < end:
            left.append((at, end))
    return left


@dataclass(frozen=True, slots=True)
class _Year:
    """The open spans of one UTC year and the open time up to the end of each."""

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    sums: tuple[int, ...]

    def before(self, at: int) -> int:
        """Open microseconds of this year before ``at``."""
        index = bisect_right(self.starts, at) - 1
        return self.sums[index] - max(0, self.ends[index] - at) if index >= 0 else 0

    def when(self, used: int) -> int:
        """The first instant with so much open time behind it; ``used`` is above zero and at most the year's sum."""
        index = bisect_left(self.sums, used)
        return self.ends[index] - (self.sums[index] - used)

    @property
    def total(self) -> int:
        return self.sums[-1] if self.sums else 0


@dataclass(frozen=True)
class Calendar:
    """When work is done at a site. ``Calendar()`` is open all the time.

    ``tz``: IANA zone. ``week``: windows of Monday to Sunday. ``dates``: windows of single dates, which win over
    everything (an empty list closes the date). ``holidays``: closed dates. ``breaks``: wall-clock windows of a date in
    which nothing counts, whatever is open then. Immutable; years are worked out once and remembered.
    """

    tz: str = "UTC"
    week: tuple[tuple[Window, ...], ...] = (_ALL_DAY,) * 7
    dates: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)
    breaks: Mapping[date, tuple[Window, ...]] = field(default_factory=dict)
    holidays: frozenset[date] = frozenset()
    names: Mapping[date, Mapping[str, str]] = field(default_factory=dict, compare=False)
    """What dates are called (language to text), for showing."""
    _years: dict[int, _Year] = field(default_factory=dict, init=False, repr=False, compare=False)
    _days: dict[str, Calendar] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.tz)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise CalendarError(f"tz: {self.tz!r} is not an IANA zone; write one such as Asia/Shanghai") from error
        if not any(self.week) and not any(self.dates.values()):
            raise CalendarError("week: no window at all; a calendar that never opens can never be met")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build from plain data. Raises CalendarError with the path of the first mistake.

        ``{"tz": "Asia/Shanghai", "week": {"mon": [["09:00", "12:00"], ["13:00", "18:00"]]}, "dates": {"2026-02-14":
        [["09:00", "18:00"]]}, "breaks": {"2026-02-14": [["12:00", "13:00"]]}, "holidays": ["2026-02-17"]}``.
        ``names`` (date to text, or language to text) says what dates are called. 24:00 is allowed, a window whose end is not after its start crosses midnight, a weekday left out is closed,
        and without ``week`` every day is open all day.
        """
        for key in data:
            if key not in _KEYS:
                raise CalendarError(f"{key}: unknown; a calendar has {', '.join(sorted(_KEYS))}")
        if "tz" not in data:
            raise CalendarError("tz: missing; write an IANA zone such as Asia/Shanghai")
        return cls(
            tz=str(data["tz"]),
            week=_parse_week(data["week"]) if "week" in data else (_ALL_DAY,) * 7,
            dates=_parse_dates(data.get("dates", {}), "dates"),
            breaks=_parse_dates(data.get("breaks", {}), "breaks"),
            holidays=frozenset(
                _parse_date(day, "holidays") for day in _listed(data.get("holidays", ()), "holidays", '["2026-02-17"]')
            ),
            names={
                _parse_date(day, "names"): _parse_name(name)
                for day, name in _keyed(data.get("names", {}), "names").items()
            },
        )

    def windows(self, day: date) -> tuple[Window, ...]:
        """The windows that start on a date, before breaks."""
        if day in self.dates:
            return self.dates[day]
        return () if day in self.holidays else self.week[day.weekday()]

    def open_between(self, start: int, end: int) -> int:
        """Open microseconds in [start, end)."""
        first, last = _year_of(start), _year_of(end)
        if first == last:
            year = self._year(first)
            return year.before(end) - year.before(start)
        whole = sum(self._year(number).total for number in range(first, last))
        return whole - self._year(first).before(start) + self._year(last).before(end)

    def spans(self, start: int, end: int) -> list[Span]:
        """The open spans in [start, end), in order, for showing the sum line by line."""
        found: list[Span] = []
        for number in range(_year_of(start), _year_of(end) + 1):
            year = self._year(number)
            found += [(max(a, start), min(b, end)) for a, b in zip(year.starts, year.ends, strict=True)]
        return merge(found)

    def used_up(self, start: int, target: int) -> int:
        """The first instant with ``target`` open microseconds since ``start``. Raises CalendarError when there is none."""
        if target == 0:
            return start
        number = _year_of(start)
        year = self._year(number)
        wanted = year.before(start) + target
        empty = 0
        while wanted > year.total:
            wanted -= year.total
            empty = 0 if year.total else empty + 1
            if empty > _EMPTY_YEARS or number >= date.max.year - 1:
                raise CalendarError(f"no more working time after {number - empty}; the calendar opens too little")
            number += 1
            year = self._year(number)
        return year.when(wanted)

    def whole_days(self) -> Calendar:
        """The same working days, each open from midnight to midnight, for showing."""
        return self._whole(self.tz)

    def wall_days(self) -> Calendar:
        """``whole_days`` on the wall clock's own axis (written as UTC), for counting."""
        return self._whole("UTC")

    def _whole(self, tz: str) -> Calendar:
        if tz not in self._days:
            week = tuple(_ALL_DAY if windows else () for windows in self.week)
            dates = {day: _ALL_DAY if windows else () for day, windows in self.dates.items()}
            self._days[tz] = Calendar(tz, week, dates, {}, self.holidays, self.names)
        return self._days[tz]

    def _year(self, number: int) -> _Year:
        if number not in self._years:
            self._years[number] = self._work_out(number)
        return self._years[number]

    def _work_out(self, number: int) -> _Year:
        spans = merge(
            [span for segment in _constant_offset(ZoneInfo(self.tz), number) for span in self._open(*segment)]
        )
        return _Year(
            tuple(start for start, _ in spans),
            tuple(end for _, end in spans),
            tuple(accumulate(end - start for start, end in spans)),
        )

    def _open(self, start: int, end: int, offset: int) -> list[Span]:
        """Open spans between two instants of one UTC offset: there wall time is UTC plus the offset."""
        first, last = (start + offset) // _DAY_US - 2, (end + offset) // _DAY_US + 1
        opened: list[Span] = []
        paused: list[Span] = []
        for number in range(first, last + 1):
            day = _EPOCH_DAY + timedelta(days=number)
            midnight = number * _DAY_US - offset
            opened += [(midnight + a * _US, midnight + b * _US) for a, b in self.windows(day)]
            paused += [(midnight + a * _US, midnight + b * _US) for a, b in self.breaks.get(day, ())]
        counted = subtract(merge(opened), merge(paused))
        return [(max(a, start), min(b, end)) for a, b in counted if a < end and b > start]


def due(
    start: datetime, target: timedelta, calendar: Calendar | None = None, holds: Sequence[Hold] | None = None
) -> datetime:
    """The instant (UTC) at which ``target`` of counted time has passed since ``start``.

    Time counts while ``calendar`` is open (always, when it is None) and outside ``holds``. A target that ends exactly
    at closing time is due then; a target of zero is due at the start. Holds may overlap and lie anywhere.
    Raises ValueError for naive datetimes, a negative target, a hold that ends before it starts, and (CalendarError)
    when the calendar has no more working time.
    """
    need = target // _MICROSECOND
    if need < 0:
        raise ValueError("a target cannot be negative")
    at = to_us(start)
    for hold_start, hold_end in _merged(holds):
        if hold_end <= at:
            continue
        if hold_start > at:
            counted = _open(calendar, at, hold_start)
            if counted >= need:
                break
            need -= counted
        at = hold_end if need else at
    return from_us(calendar.used_up(at, need) if calendar else at + need)


def elapsed(
    start: datetime, end: datetime, calendar: Calendar | None = None, holds: Sequence[Hold] | None = None
) -> timedelta:
    """The counted time in [start, end): while ``calendar`` is open (always, when None) and outside ``holds``.

    The inverse of ``due``: ``elapsed(start, due(start, target, c, h), c, h) == target``. Raises ValueError for naive
    datetimes, an end before the start, or a hold that ends before it starts.
    """
    first, last = to_us(start), to_us(end)
    if last < first:
        raise ValueError("the end lies before the start")
    free = subtract([(first, last)], _merged(holds))
    return sum(_open(calendar, a, b) for a, b in free) * _MICROSECOND


def _open(calendar: Calendar | None, start: int, end: int) -> int:
    return calendar.open_between(start, end) if calendar else end - start


def _merged(holds: Sequence[Hold] | None) -> list[Span]:
    if not holds:
        return []
    spans = [(to_us(start), to_us(end)) for start, end in holds]
    if any(end < start for start, end in spans):
        raise ValueError("a hold ends before it starts")
    return merge(spans)


def _year_of(us: int) -> int:
    return from_us(us).year


def offset_us(zone: ZoneInfo, us: int) -> int:
    """Wall time less UTC at an instant, in microseconds."""
    offset = from_us(us).astimezone(zone).utcoffset()
    return offset // _MICROSECOND if offset else 0


def _constant_offset(zone: ZoneInfo, year: int) -> list[tuple[int, int, int]]:
    """A UTC year cut where the zone's offset changes: (start, end, offset), all in microseconds."""
    start, end = to_us(datetime(year, 1, 1, tzinfo=UTC)), to_us(datetime(year + 1, 1, 1, tzinfo=UTC))
    cuts = [start]
    for day in range(start, end, _DAY_US):
        last = min(day + _DAY_US, end)
        if offset_us(zone, day) != offset_us(zone, last):
            cuts.append(offset_change(zone, day, last))
    return [(a, b, offset_us(zone, a)) for a, b in zip(cuts, [*cuts[1:], end], strict=True) if a < b]


def offset_change(zone: ZoneInfo, low: int, high: int) -> int:
    """The second at which the offset changes between two instants (microseconds) with different offsets."""
    low, high = low // _US * _US, -(-high // _US) * _US
    before = offset_us(zone, low)
    while high - low > _US:
        middle = (low + high) // 2 // _US * _US
        low, high = (middle, high) if offset_us(zone, middle) == before else (low, middle)
    return high


def _keyed(value: object, path: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise CalendarError(
            f"{path}: {value!r} has no days; write each day and what belongs to it, or leave {path} out"
        )
    return value


def _listed(value: object, path: str, example: str) -> Iterable[Any]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise CalendarError(f"{path}: {value!r} is not a list; write {example}, or [] for none")
    return value


def _parse_week(week: object) -> tuple[tuple[Window, ...], ...]:
    known = _keyed(week, "week")
    for name in known:
        if name not in _WEEK:
            raise CalendarError(f"week.{name}: unknown; the days are {', '.join(_WEEK)}")
    return tuple(_parse_windows(known.get(name, ()), f"week.{name}") for name in _WEEK)


def _parse_dates(dates: object, path: str) -> dict[date, tuple[Window, ...]]:
    found = _keyed(dates, path)
    return {_parse_date(day, path): _parse_windows(windows, f"{path}.{day}") for day, windows in found.items()}


def _parse_date(day: object, path: str) -> date:
    if isinstance(day, date) and not isinstance(day, datetime):
        return day  # YAML reads an unquoted 2026-02-14 as a date
    try:
        return date.fromisoformat(str(day))
    except ValueError as error:
        raise CalendarError(f"{path}: {day!r} is not a date; write 2026-02-14") from error


def _parse_name(name: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in name.items()} if isinstance(name, Mapping) else {"en": str(name)}


def _parse_windows(windows: object, path: str) -> tuple[Window, ...]:
    return tuple(sorted(_parse_window(window, path) for window in _listed(windows, path, '[["09:00", "18:00"]]')))


def _parse_window(window: Any, path: str) -> Window:  # noqa: ANN401  plain data from a file
    if isinstance(window, str) or not isinstance(window, Sequence) or len(window) != 2:
        raise CalendarError(f'{path}: {window!r} is not a window; write ["09:00", "18:00"]')
    start, end = _parse_clock(window[0], path), _parse_clock(window[1], path)
    if start in (end, DAY_S):
        raise CalendarError(f'{path}: {window!r} is empty; a whole day is ["00:00", "24:00"]')
    return (start, end) if end > start else (start, end + DAY_S)


def _parse_clock(text: object, path: str) -> int:
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0) if match else DAY_S + 1
    if seconds > DAY_S:
        raise CalendarError(f"{path}: {text!r} is not a time of day; write 09:00, 17:30 or 24:00")
    return seconds
