"""Whole working days: the same time of day on the n-th working day, or when that day closes."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.sla import Calendar
from cloud.sla.days import due_days, elapsed_days

ZONE = "Asia/Shanghai"
_WINDOWS = [["09:00", "12:00"], ["13:00", "18:00"]]
OFFICE = {
    "tz": ZONE, "week": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), _WINDOWS), "dates": {"2026-02-14": _WINDOWS},
    "holidays": ["2026-02-17", "2026-02-18"],
}  # fmt: skip
KEPT = Calendar.from_dict(OFFICE)
_fast = settings(deadline=None, max_examples=60)
starts = st.integers(0, 31_536_000).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
holds = st.lists(
    st.tuples(starts, st.integers(0, 300)).map(lambda one: (one[0], one[0] + timedelta(hours=one[1]))), max_size=4
)


def local(text: str, zone: str = ZONE) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("start", "days", "is_end", "expected"),
    [
        ("2026-02-13T16:00", 1, False, "2026-02-14T16:00"),  # the make-up Saturday
        ("2026-02-13T16:00", 2, False, "2026-02-16T16:00"),
        ("2026-02-16T16:00", 1, False, "2026-02-19T16:00"),  # over the holidays
        ("2026-02-15T10:00", 1, False, "2026-02-17T00:00"),  # begun on a Sunday: the end of Monday
        ("2026-02-16T10:00", 0, True, "2026-02-16T18:00"),
        ("2026-02-16T18:00", 0, True, "2026-02-19T18:00"),  # after closing: the next working day
        ("2026-02-16T10:00", 1, True, "2026-02-19T18:00"),
        ("2026-02-15T10:00", 0, True, "2026-02-16T18:00"),
    ],
)
def test_days_end_where_people_expect_them(start: str, days: int, is_end: bool, expected: str) -> None:
    assert due_days(local(start), days, KEPT, is_end_of_day=is_end) == local(expected)


def test_a_hold_within_the_day_leaves_the_end_of_the_day_and_one_over_night_moves_it() -> None:
    start = local("2026-02-12T10:00")
    short = (local("2026-02-12T10:30"), local("2026-02-12T12:30"))
    assert due_days(start, 0, KEPT, [short], is_end_of_day=True) == local("2026-02-12T18:00")
    long = (local("2026-02-12T10:30"), local("2026-02-13T11:00"))
    assert due_days(start, 0, KEPT, [long], is_end_of_day=True) == local("2026-02-13T18:00")


def test_a_clock_change_keeps_the_time_of_day_and_a_skipped_one_falls_on_the_change() -> None:
    always = Calendar(tz="Europe/Berlin")
    for day in ("2026-03-28", "2026-10-24"):
        start = local(f"{day}T12:00", "Europe/Berlin")
        assert due_days(start, 1, always).astimezone(start.tzinfo).time() == start.time()
    assert due_days(local("2026-03-28T02:30", "Europe/Berlin"), 1, always) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert due_days(local("2026-10-24T02:30", "Europe/Berlin"), 1, always) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_the_second_pass_of_a_repeated_hour_stands_still() -> None:
    always = Calendar(tz="Europe/Berlin")
    first, last = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert elapsed_days(first, last, always) == timedelta(minutes=30)


def test_no_days_at_all_are_refused() -> None:
    for days in (-1, 0):
        with pytest.raises(ValueError, match="at least one"):
            due_days(local("2026-02-12T10:00"), days, KEPT)


@_fast
@given(starts, st.integers(1, 40), holds)
def test_the_days_elapsed_up_to_due_are_the_target(
    start: datetime, days: int, paused: list[tuple[datetime, datetime]]
) -> None:
    at = due_days(start, days, KEPT, paused)
    assert elapsed_days(start, at, KEPT, paused) == timedelta(days=days)


@_fast
@given(starts, st.integers(0, 20), holds, st.booleans())
def test_splitting_a_hold_changes_nothing(
    start: datetime, days: int, paused: list[tuple[datetime, datetime]], is_end: bool
) -> None:
    split = [part for a, b in paused for part in ((a, a + (b - a) / 2), (a + (b - a) / 2, b))]
    is_end = is_end or not days
    assert due_days(start, days, KEPT, paused, is_end_of_day=is_end) == due_days(
        start, days, KEPT, split, is_end_of_day=is_end
    )


@_fast
@given(starts, st.integers(0, 20), st.dates(date(2026, 1, 1), date(2027, 1, 31)), holds, st.booleans())
def test_another_holiday_never_makes_it_due_earlier(
    start: datetime, days: int, day: date, paused: list[tuple[datetime, datetime]], is_end: bool
) -> None:
    more = Calendar.from_dict({**OFFICE, "holidays": [*OFFICE["holidays"], day.isoformat()]})
    is_end = (is_end or not days) and not paused
    if days or is_end:
        assert due_days(start, days, more, [], is_end_of_day=is_end) >= due_days(
            start, days, KEPT, [], is_end_of_day=is_end
        )


@_fast
@given(starts, st.integers(1, 20), st.integers(0, 20), holds, st.booleans())
def test_more_days_are_never_due_earlier(
    start: datetime, days: int, more: int, paused: list[tuple[datetime, datetime]], is_end: bool
) -> None:
    assert due_days(start, days + more, KEPT, paused, is_end_of_day=is_end) >= due_days(
        start, days, KEPT, paused, is_end_of_day=is_end
    )


@_fast
@given(starts.map(lambda at: at.replace(second=0)), st.integers(1, 4))
def test_it_agrees_with_counting_minute_by_minute(start: datetime, days: int) -> None:
    """A working day's every minute counts, whatever its windows; Shanghai has no clock changes."""
    left, at = days * 1440, start
    while left:
        left -= bool(KEPT.windows(at.astimezone(ZoneInfo(ZONE)).date()))
        at += timedelta(minutes=1)
    assert due_days(start, days, KEPT) == at
