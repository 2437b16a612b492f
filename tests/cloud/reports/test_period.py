from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.reports.backlog import BUCKET_MS
from cloud.reports.period import EARLIEST, LATEST, PRESETS, Period, PeriodError, preset_period, read_period
from contract.conventions import format_instant

SHANGHAI, SYDNEY, LORD_HOWE = (ZoneInfo(name) for name in ("Asia/Shanghai", "Australia/Sydney", "Australia/Lord_Howe"))
TODAY = date(2026, 11, 21)
HOUR = 3_600_000


def days(preset: str) -> tuple[str, str]:
    found = preset_period(preset, TODAY, SHANGHAI)
    return found.first.isoformat(), found.last.isoformat()


def test_named_periods_are_whole_months_quarters_and_years() -> None:
    assert {preset: days(preset) for preset in PRESETS} == {
        "this_month": ("2026-11-01", "2026-11-30"),
        "last_month": ("2026-10-01", "2026-10-31"),
        "this_quarter": ("2026-10-01", "2026-12-31"),
        "last_quarter": ("2026-07-01", "2026-09-30"),
        "this_year": ("2026-01-01", "2026-12-31"),
        "last_year": ("2025-01-01", "2025-12-31"),
    }
    january = preset_period("last_month", date(2026, 1, 31), SHANGHAI)
    assert (january.first, january.last) == (date(2025, 12, 1), date(2025, 12, 31))


def test_a_period_is_whole_days_of_the_sites_zone() -> None:
    period = read_period("", "2026-10-01", "2026-10-31", TODAY, SHANGHAI)
    assert format_instant(period.start) == "2026-09-30T16:00:00.000Z"
    assert format_instant(period.end) == "2026-10-31T16:00:00.000Z"


def test_a_day_of_daylight_saving_has_its_own_length() -> None:
    assert (
        Period(date(2026, 10, 4), date(2026, 10, 4), SYDNEY).end
        - Period(date(2026, 10, 4), date(2026, 10, 4), SYDNEY).start
        == 23 * HOUR
    )
    assert (
        Period(date(2026, 4, 5), date(2026, 4, 5), SYDNEY).end
        - Period(date(2026, 4, 5), date(2026, 4, 5), SYDNEY).start
        == 25 * HOUR
    )


def test_whole_months_are_compared_with_as_many_whole_months_and_days_with_as_many_days() -> None:
    def before(first: str, last: str) -> tuple[str, str]:
        found = read_period("", first, last, TODAY, SHANGHAI).before()
        return found.first.isoformat(), found.last.isoformat()

    assert before("2026-03-01", "2026-03-31") == ("2026-02-01", "2026-02-28")
    assert before("2026-01-01", "2026-03-31") == ("2025-10-01", "2025-12-31")
    assert before("2026-11-10", "2026-11-16") == ("2026-11-03", "2026-11-09")


@pytest.mark.parametrize(
    ("preset", "first", "last", "says"),
    [
        ("next_month", "", "", "period: 'next_month' is none"),
        ("", "2026-02-30", "", "from: '2026-02-30' is not a date"),
        ("", "2026-11-02", "2026-11-01", "from: 2026-11-02 lies after to: 2026-11-01"),
        ("", "", "9999-12-31", "to: 9999-12-31 is out of reach"),
        ("", "\x00", "", "from: '\\x00' is not a date"),
    ],
)
def test_a_period_that_cannot_be_says_what_to_write(preset: str, first: str, last: str, says: str) -> None:
    with pytest.raises(PeriodError) as refused:
        read_period(preset, first, last, TODAY, SHANGHAI)
    assert str(refused.value).startswith(says)


def test_one_date_alone_reaches_to_today_or_from_the_first_of_its_month() -> None:
    assert read_period("", "2026-11-10", "", TODAY, SHANGHAI).last == TODAY
    assert read_period("", "", "2026-11-10", TODAY, SHANGHAI).first == date(2026, 11, 1)


@given(
    st.dates(EARLIEST, LATEST),
    st.integers(0, 800),
    st.sampled_from([SHANGHAI, SYDNEY, LORD_HOWE, ZoneInfo("Africa/Cairo")]),
)
def test_the_marks_end_with_the_period_and_lie_on_quarter_hours_since_its_start(
    first: date, more: int, zone: ZoneInfo
) -> None:
    last = date.fromordinal(min(first.toordinal() + more, LATEST.toordinal()))
    period = Period(first, last, zone)
    marks = period.marks()
    assert marks[-1] == period.end
    assert list(marks) == sorted(set(marks))
    assert marks[0] > period.start
    assert all((mark - period.start) % BUCKET_MS == 0 for mark in marks)
    assert len(marks) <= 54 or more > 370
