"""When a periodic test is due: the 31st, leap years, zones, windows, grace, fixed and floating anchors."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.maintenance.occurrence import (
    Period,
    Schedule,
    add,
    counts_for,
    first_due,
    is_missed,
    local_date,
    next_due,
    occurrence,
    parse_every,
    parse_period,
)


def _schedule(every: str = "P7D", anchor: str = "fixed", **changes: str) -> Schedule:
    return Schedule(
        every=parse_period(every),
        anchor="fixed" if anchor == "fixed" else "floating",
        window=parse_period(changes.get("window", "P1D")),
        grace=parse_period(changes.get("grace", "P0D")),
        zone=changes.get("zone", "Asia/Shanghai"),
        start=date.fromisoformat(changes.get("start", "2026-01-31")),
    )


def _series(schedule: Schedule, count: int) -> list[str]:
    due = first_due(schedule)
    dates = [due]
    while len(dates) < count:
        due = next_due(schedule, due, None)
        dates.append(due)
    return [due.isoformat() for due in dates]


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("P1D", Period(0, 1)),
        ("P2W", Period(0, 14)),
        ("P6M", Period(6, 0)),
        ("P1Y", Period(12, 0)),
        ("P0D", Period(0, 0)),
    ],
)
def test_a_period_is_months_and_days(text: str, period: Period) -> None:
    assert parse_period(text) == period


@pytest.mark.parametrize("text", ["", "P", "6M", "PT1H", "P1.5D", "P-1D"])
def test_a_period_that_means_nothing_here_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="P7D"):
        parse_period(text)


def test_a_test_of_the_31st_returns_to_the_31st_after_february() -> None:
    assert _series(_schedule("P1M"), 4) == ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_a_yearly_test_of_29_february_returns_in_the_leap_year() -> None:
    dates = _series(_schedule("P1Y", start="2024-02-29"), 4)
    assert dates == ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_a_fixed_anchor_ignores_when_the_work_was_done() -> None:
    schedule = _schedule("P7D", start="2026-11-02")
    assert next_due(schedule, date(2026, 11, 9), date(2026, 11, 12)) == date(2026, 11, 16)


def test_a_floating_anchor_counts_from_the_day_it_was_done() -> None:
    schedule = _schedule("P15D", anchor="floating", start="2026-11-01")
    assert first_due(schedule) == date(2026, 11, 16)
    assert next_due(schedule, date(2026, 11, 16), date(2026, 11, 12)) == date(2026, 11, 27)


def test_a_floating_test_known_to_be_done_is_due_one_period_later() -> None:
    assert first_due(_schedule("P6M", anchor="floating"), date(2026, 8, 31)) == date(2027, 2, 28)


def test_the_day_ends_where_the_site_is() -> None:
    due = occurrence(_schedule(), date(2026, 11, 21))
    assert due.due_at == datetime(2026, 11, 21, 16, 0, tzinfo=UTC)
    assert not is_missed(due, due.due_at - timedelta(milliseconds=1))
    assert is_missed(due, due.due_at)


def test_a_day_of_25_hours_is_one_day() -> None:
    due = occurrence(_schedule("P1D", zone="Europe/Berlin"), date(2026, 10, 25))
    assert due.due_at - due.opens_at == timedelta(hours=25)


def test_a_day_of_23_hours_is_one_day() -> None:
    due = occurrence(_schedule("P1D", zone="Europe/Berlin"), date(2026, 3, 29))
    assert due.due_at - due.opens_at == timedelta(hours=23)


def test_where_midnight_is_skipped_the_day_begins_with_its_first_instant() -> None:
    due = occurrence(_schedule("P1D", zone="America/Sao_Paulo"), date(2018, 11, 4))  # clocks went from 0:00 to 1:00
    assert due.opens_at == datetime(2018, 11, 4, 3, 0, tzinfo=UTC)
    assert due.due_at - due.opens_at == timedelta(hours=23)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC"])
def test_due_dates_of_three_years_touch_and_leave_no_instant_out(zone: str) -> None:
    schedule = _schedule("P1D", zone=zone, start="2010-12-01")
    due = first_due(schedule)
    for _ in range(1096):
        following = next_due(schedule, due, None)
        assert following == due + timedelta(days=1)
        now, after = occurrence(schedule, due), occurrence(schedule, following)
        assert now.due_at == after.opens_at
        assert now.opens_at <= now.due_at
        due = following


def _recurring(text: str, since: str) -> Schedule:
    every, start = parse_every(text)
    assert start is not None
    return replace(_schedule(), every=every, start=start, since=date.fromisoformat(since))


def test_a_recurrence_is_due_on_its_own_dates_whenever_equipment_was_registered() -> None:
    monthly = _recurring("R/2026-01-31/P1M", since="2026-11-21")
    assert _series(monthly, 4) == ["2026-11-30", "2026-12-31", "2027-01-31", "2027-02-28"]
    assert first_due(_recurring("R/2026-01-31/P1M", since="2026-11-30")) == date(2026, 11, 30)
    assert first_due(_recurring("R/2027-03-01/P1Y", since="2026-11-21")) == date(2027, 3, 1)


@pytest.mark.parametrize(
    "text", ["R/2026-02-30/P1M", "R/2026-01-31/PT1H", "R/P1M", "R/2026-01-31/P0D", "P0D", "weekly"]
)
def test_a_recurrence_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_every(text)


@given(
    start=st.dates(date(2000, 1, 1), date(2040, 1, 1)),
    months=st.integers(0, 24),
    days=st.integers(0, 40),
    after=st.integers(0, 9000),
)
def test_the_next_due_date_is_the_first_of_the_series_that_is_later(
    start: date, months: int, days: int, after: int
) -> None:
    period, due_on = Period(months, days), start + timedelta(days=after)
    if period:
        schedule = replace(_schedule(), every=period, start=start)
        walked = next(due for number in range(1, 10_000) if (due := add(start, period, number)) > due_on)
        assert next_due(schedule, due_on, None) == walked


def test_grace_delays_being_missed_but_not_being_due() -> None:
    due = occurrence(_schedule(grace="P2D"), date(2026, 11, 21))
    assert due.missed_at - due.due_at == timedelta(days=2)


def test_work_before_the_window_does_not_count_and_late_work_does() -> None:
    due = occurrence(_schedule("P7D", window="P3D"), date(2026, 11, 21))
    assert local_date(due.opens_at, "Asia/Shanghai") == date(2026, 11, 19)
    assert not counts_for(due, due.opens_at - timedelta(seconds=1))
    assert counts_for(due, due.opens_at)
    assert counts_for(due, due.missed_at + timedelta(days=3))


def test_a_window_never_reaches_past_the_previous_due_date() -> None:
    due = occurrence(_schedule("P1D", window="P7D"), date(2026, 11, 21))
    assert local_date(due.opens_at, "Asia/Shanghai") == date(2026, 11, 21)


@given(
    start=st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    months=st.integers(0, 24),
    days=st.integers(0, 400),
    count=st.integers(1, 40),
)
def test_due_dates_only_go_forward(start: date, months: int, days: int, count: int) -> None:
    period = Period(months, days)
    if period:
        assert add(start, period, count) > add(start, period, count - 1)
