"""A plant lives by the clock on its own wall: hours, days of rest, changes of the clock, and sums that need no walking."""

import itertools
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.physics.calendar import Calendar, Profile, Routine, make_calendar
from simulators.physics.models.loads import ELECTRICITY, LIFTS, WATER

NATIONAL_DAY = [date(2026, 10, day) for day in range(1, 8)]
CALENDARS = (make_calendar(), make_calendar("Europe/Berlin", NATIONAL_DAY), make_calendar("Australia/Lord_Howe"))
FIRST_S, LAST_S = 1_760_000_000, 1_860_000_000
instants = st.integers(FIRST_S, LAST_S)


def at(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def test_the_wall_clock_knows_day_hour_and_rest() -> None:
    berlin = make_calendar("Europe/Berlin", NATIONAL_DAY)
    summer = berlin.local(at("2026-07-06T08:30", "Europe/Berlin"))
    assert (summer.weekday, summer.hour, summer.is_rest) == (0, 8.5, False)
    assert berlin.local(at("2026-07-11T08:30", "Europe/Berlin")).is_rest, "a Saturday"
    assert berlin.local(at("2026-10-07T08:30", "Europe/Berlin")).is_rest, "a holiday"
    assert not Calendar("Europe/Berlin").local(at("2026-10-07T08:30", "Europe/Berlin")).is_rest


@pytest.mark.parametrize("profile", [ELECTRICITY, WATER, LIFTS])
@pytest.mark.parametrize("calendar", CALENDARS, ids=lambda one: one.zone)
def test_the_sum_of_a_profile_is_what_adding_up_its_shares_gives(profile: Profile, calendar: Calendar) -> None:
    """Three weeks around National Day, and around both changes of the clock."""
    for start in ("2026-09-25T00:00", "2026-10-20T12:30", "2027-03-20T07:07"):
        since = at(start, "UTC")
        added, step = 0.0, 300
        for second in range(0, 21 * 86_400, step):
            added += profile.share(calendar.local(since + second + step / 2)) * step / 3600
        assert profile.hours(calendar, since, since + 21 * 86_400) == pytest.approx(added, rel=2e-4)


@given(times=st.lists(instants, min_size=2, max_size=6), which=st.sampled_from(CALENDARS))
@settings(max_examples=60)
def test_a_sum_never_falls_and_its_parts_make_the_whole(times: list[int], which: Calendar) -> None:
    times.sort()
    sums = [LIFTS.hours(which, FIRST_S, one) for one in times]
    assert sums == sorted(sums)
    parts = [LIFTS.hours(which, before, after) for before, after in itertools.pairwise(times)]
    assert sum(parts) == pytest.approx(sums[-1] - sums[0], abs=1e-6)


def test_people_travel_up_in_the_morning_and_rest_at_night_and_on_sunday() -> None:
    china = make_calendar()
    share = {hour: LIFTS.share(china.local(at(f"2026-11-18T{hour:02}:00", "Asia/Shanghai"))) for hour in range(24)}
    assert share[8] > 10 * share[3]
    assert LIFTS.share(china.local(at("2026-11-22T08:00", "Asia/Shanghai"))) < share[8] / 2


def test_a_profile_has_a_share_for_every_hour_and_both_days_begin_alike() -> None:
    with pytest.raises(ValueError, match="24 shares"):
        Profile((0.1,) * 23, (0.1,) * 24)
    with pytest.raises(ValueError, match="both begin alike"):
        Profile((0.1,) * 24, (0.2,) * 24)


WEEKLY = Routine(every_days=7, on_day=2, hour=10.0, lasts_s=1800)


def test_a_weekly_routine_comes_on_its_day_at_its_hour_through_a_change_of_the_clock() -> None:
    berlin = make_calendar("Europe/Berlin")
    for day in ("2026-10-21", "2026-10-28", "2026-11-04"):
        start = at(f"{day}T10:00", "Europe/Berlin")
        assert WEEKLY.since(berlin, start + 60) == 60
        assert WEEKLY.since(berlin, start - 1) is None
        assert WEEKLY.since(berlin, start + 1800) is None
    assert WEEKLY.times(berlin, at("2026-10-19T00:00", "Europe/Berlin"), at("2026-11-09T00:00", "Europe/Berlin")) == 3
