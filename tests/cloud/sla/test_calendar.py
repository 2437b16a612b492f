"""Working time: named cases for what other desks get wrong, and properties that hold for every calendar."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cloud.sla import Calendar, CalendarError, Hold, due, elapsed

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OFFICE = {"tz": "Asia/Shanghai", "week": {d: [["09:00", "18:00"]] for d in ("mon", "tue", "wed", "thu", "fri")}}
NIGHT = {"tz": "Europe/Berlin", "week": {d: [["22:00", "06:00"]] for d in ("mon", "tue", "wed", "thu", "fri")}}
SHIFTS = {
    "tz": "Europe/Berlin",
    "week": {d: [["06:00", "12:00"], ["12:30", "24:00"]] for d in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}


def daily(windows: list[list[str]]) -> dict[str, list[list[str]]]:
    return {day: windows for day in DAYS}  # noqa: C420  fromkeys hides that all days share one list


def h(hours: float) -> timedelta:
    return timedelta(hours=hours)


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def test_without_a_calendar_every_hour_counts() -> None:
    assert due(at("2026-11-21 09:00"), h(48)) == at("2026-11-23 09:00")
    assert elapsed(at("2026-11-21 09:00"), at("2026-11-23 09:00")) == h(48)


def test_a_target_that_ends_exactly_at_closing_is_due_then_and_not_next_morning() -> None:
    assert due(at("2026-11-20 16:00"), h(2), Calendar.from_dict(OFFICE)) == at("2026-11-20 18:00")


def test_a_start_after_closing_counts_from_the_next_opening() -> None:
    assert due(at("2026-11-20 19:00"), h(1), Calendar.from_dict(OFFICE)) == at("2026-11-23 10:00")


def test_a_full_day_calendar_loses_no_minute_at_midnight() -> None:
    every_day = Calendar.from_dict({"tz": "Asia/Shanghai", "week": daily([["00:00", "24:00"]])})
    assert elapsed(at("2026-01-01 00:00"), at("2027-01-01 00:00"), every_day) == timedelta(days=365)


def test_several_windows_a_day_leave_lunch_out() -> None:
    week = daily([["09:00", "12:00"], ["13:00", "18:00"]])
    assert due(at("2026-11-20 11:30"), h(1), Calendar.from_dict({"tz": "Asia/Shanghai", "week": week})) == at(
        "2026-11-20 13:30"
    )


def test_a_night_shift_crosses_midnight_and_belongs_to_its_first_day() -> None:
    calendar = Calendar.from_dict({**NIGHT, "holidays": ["2026-11-20"]})  # a Friday
    assert due(at("2026-11-19 23:00", "Europe/Berlin"), h(7), calendar) == at("2026-11-20 06:00", "Europe/Berlin")
    assert elapsed(at("2026-11-20 12:00", "Europe/Berlin"), at("2026-11-22 12:00", "Europe/Berlin"), calendar) == h(0)


def test_a_make_up_saturday_is_open_and_a_holiday_is_closed() -> None:
    dates = {"2026-02-14": [["09:00", "18:00"]]}
    calendar = Calendar.from_dict({**OFFICE, "dates": dates, "holidays": ["2026-02-16", "2026-02-17"]})
    assert due(at("2026-02-13 17:00"), h(2), calendar) == at("2026-02-14 10:00")
    assert due(at("2026-02-14 17:00"), h(2), calendar) == at("2026-02-18 10:00")


def test_an_opened_date_wins_over_a_holiday_and_an_empty_list_closes_a_date() -> None:
    calendar = Calendar.from_dict(
        {**OFFICE, "holidays": ["2026-11-23"], "dates": {"2026-11-23": [["10:00", "11:00"]], "2026-11-24": []}}
    )
    assert due(at("2026-11-20 18:00"), h(2), calendar) == at("2026-11-25 10:00")


def test_a_break_stops_the_count_whatever_is_open() -> None:
    calendar = Calendar.from_dict({**OFFICE, "breaks": {"2026-11-20": [["10:00", "10:30"]]}})
    assert due(at("2026-11-20 09:00"), h(2), calendar) == at("2026-11-20 11:30")


def test_clocks_going_back_give_a_night_shift_an_hour_more() -> None:
    calendar = Calendar.from_dict({"tz": "Europe/Berlin", "week": {"sat": [["22:00", "06:00"]]}})
    assert elapsed(utc("2026-10-24"), utc("2026-10-26"), calendar) == h(9)


def test_clocks_going_forward_take_an_hour_from_a_night_shift() -> None:
    calendar = Calendar.from_dict({"tz": "Europe/Berlin", "week": {"sat": [["22:00", "06:00"]]}})
    assert elapsed(utc("2026-03-28"), utc("2026-03-30"), calendar) == h(7)


def test_a_window_inside_the_skipped_hour_never_opens() -> None:
    calendar = Calendar.from_dict({"tz": "Europe/Berlin", "week": {"sun": [["02:10", "02:50"]]}})
    assert elapsed(utc("2026-03-28"), utc("2026-03-30"), calendar) == h(0)


def test_a_window_inside_the_repeated_hour_opens_twice() -> None:
    calendar = Calendar.from_dict({"tz": "Europe/Berlin", "week": {"sun": [["02:10", "02:50"]]}})
    assert elapsed(utc("2026-10-24"), utc("2026-10-26"), calendar) == timedelta(minutes=80)


def test_a_shift_across_new_year_is_counted_once() -> None:
    calendar = Calendar.from_dict({"tz": "UTC", "week": daily([["20:00", "04:00"]])})
    assert elapsed(utc("2026-12-31"), utc("2027-01-01") + h(12), calendar) == h(4 + 4 + 4)
    assert due(utc("2026-12-31") + h(20), h(8), calendar) == utc("2027-01-01") + h(4)


def test_a_hold_moves_the_due_instant_by_its_working_time_only() -> None:
    over_night: Hold = (at("2026-11-19 17:00"), at("2026-11-20 10:00"))
    assert due(at("2026-11-19 16:00"), h(2), Calendar.from_dict(OFFICE), [over_night]) == at("2026-11-20 11:00")


def test_a_hold_that_begins_as_the_target_ends_changes_nothing() -> None:
    assert due(at("2026-11-20 16:00"), h(1), None, [(at("2026-11-20 17:00"), at("2026-11-21 17:00"))]) == at(
        "2026-11-20 17:00"
    )


def test_overlapping_holds_count_once() -> None:
    holds = [(at("2026-11-20 10:00"), at("2026-11-20 12:00")), (at("2026-11-20 11:00"), at("2026-11-20 13:00"))]
    assert due(at("2026-11-20 09:00"), h(2), None, holds) == at("2026-11-20 14:00")


def test_zones_with_part_hours_and_changes_at_midnight_are_counted() -> None:
    for zone in ("Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe", "America/St_Johns"):
        calendar = Calendar.from_dict({"tz": zone})
        assert elapsed(utc("2026-01-01"), utc("2027-01-01"), calendar) == timedelta(days=365)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"tz": "Asia/Nowhere"}, "tz: 'Asia/Nowhere' is not an IANA zone"),
        ({"week": {}}, "tz: missing"),
        ({"tz": "UTC", "week": {}}, "never opens"),
        ({"tz": "UTC", "weak": {}}, "weak: unknown"),
        ({"tz": "UTC", "week": {"monday": []}}, "week.monday: unknown"),
        ({"tz": "UTC", "week": {"mon": [["09:00", "09:00"]]}}, "is empty; a whole day is"),
        ({"tz": "UTC", "week": {"mon": [["9", "18:00"]]}}, "week.mon: '9' is not a time of day"),
        ({"tz": "UTC", "week": {"mon": ["09:00-18:00"]}}, "is not a window"),
        ({"tz": "UTC", "week": {"mon": [["09:00", "24:01"]]}}, "'24:01' is not a time of day"),
        ({"tz": "UTC", "week": None}, "week: None has no days"),
        ({"tz": "UTC", "week": {"mon": None}}, "week.mon: None is not a list"),
        ({"tz": "UTC", "dates": ["2026-02-14"]}, "dates: .* has no days"),
        ({"tz": "UTC", "holidays": 2026}, "holidays: 2026 is not a list"),
        ({"tz": "UTC", "holidays": ["2026-02-30"]}, "holidays: '2026-02-30' is not a date"),
    ],
)
def test_a_wrong_calendar_says_where_and_what_to_write(data: dict[str, object], message: str) -> None:
    with pytest.raises(CalendarError, match=message):
        Calendar.from_dict(data)


def test_a_calendar_that_stops_opening_says_so_and_does_not_search_for_ever() -> None:
    calendar = Calendar.from_dict({"tz": "UTC", "week": {}, "dates": {"2026-02-14": [["09:00", "18:00"]]}})
    assert due(utc("2026-02-14"), h(9), calendar) == utc("2026-02-14") + h(18)
    with pytest.raises(CalendarError, match="no more working time"):
        due(utc("2026-02-14"), h(10), calendar)


def test_naive_times_negative_targets_and_backward_intervals_are_refused() -> None:
    naive = datetime(2026, 11, 20)  # noqa: DTZ001
    with pytest.raises(ValueError, match="time zone"):
        due(naive, h(1))
    with pytest.raises(ValueError, match="negative"):
        due(utc("2026-11-20"), h(-1))
    with pytest.raises(ValueError, match="before the start"):
        elapsed(utc("2026-11-21"), utc("2026-11-20"))
    with pytest.raises(ValueError, match="hold ends before"):
        due(utc("2026-11-20"), h(1), None, [(utc("2026-11-21"), utc("2026-11-20"))])


# --- properties ---------------------------------------------------------------------------------------------------


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


minutes = st.integers(0, 96).map(lambda quarter: quarter * 15)
windows = st.lists(
    st.tuples(minutes, minutes)
    .filter(lambda w: w[0] != w[1] and w[0] != 1440)
    .map(lambda w: [clock(w[0]), clock(w[1])]),
    max_size=3,
)
days = st.dates(date(2026, 3, 20), date(2026, 4, 20)).map(str)
plain: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "tz": st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe"]),
        "week": st.fixed_dictionaries(dict.fromkeys(DAYS, windows)),
        "dates": st.dictionaries(days, windows, max_size=3),
        "breaks": st.dictionaries(days, windows, max_size=3),
        "holidays": st.lists(days, max_size=3),
    }
)
calendars = plain.filter(lambda data: sum(bool(shifts) for shifts in data["week"].values()) > 2)
instants = st.integers(0, 30 * 24 * 60).map(lambda minute: utc("2026-03-20") + timedelta(minutes=minute))
targets = st.integers(0, 4 * 24 * 60).map(lambda minute: timedelta(minutes=minute))
holds = st.lists(
    st.tuples(instants, st.integers(0, 3000)).map(lambda hold: (hold[0], hold[0] + timedelta(minutes=hold[1]))),
    max_size=3,
)
_fast = settings(deadline=None, max_examples=60)


@_fast
@given(calendars, instants, targets, holds)
def test_the_elapsed_time_up_to_due_is_the_target(
    data: dict[str, object], start: datetime, target: timedelta, held: list[Hold]
) -> None:
    calendar = Calendar.from_dict(data)
    end = due(start, target, calendar, held)
    assert elapsed(start, end, calendar, held) == target
    if target:
        assert elapsed(start, end - timedelta(microseconds=1), calendar, held) < target


@_fast
@given(calendars, instants, targets, holds, st.data())
def test_splitting_a_hold_changes_nothing(
    data: dict[str, object], start: datetime, target: timedelta, held: list[Hold], draw: st.DataObject
) -> None:
    assume(held)
    calendar = Calendar.from_dict(data)
    first, last = held[0]
    middle = first + (last - first) * draw.draw(st.floats(0, 1))
    split = [(first, middle), (middle, last), *held[1:]]
    assert due(start, target, calendar, split) == due(start, target, calendar, held)


@_fast
@given(calendars, instants, targets, days)
def test_another_holiday_never_makes_it_due_earlier(
    data: dict[str, list[str]], start: datetime, target: timedelta, holiday: str
) -> None:
    closed = {**data, "holidays": [*data["holidays"], holiday]}
    assert due(start, target, Calendar.from_dict(closed)) >= due(start, target, Calendar.from_dict(data))


@_fast
@given(calendars, instants, targets, targets, holds)
def test_a_longer_target_is_never_due_earlier(
    data: dict[str, object], start: datetime, one: timedelta, other: timedelta, held: list[Hold]
) -> None:
    calendar = Calendar.from_dict(data)
    shorter, longer = sorted((one, other))
    assert due(start, shorter, calendar, held) <= due(start, longer, calendar, held)


class SlowCalendar:
    """Minute by minute: is the wall clock inside a window that starts today or yesterday, and outside every break?"""

    def __init__(self, data: dict[str, dict[str, list[list[str]]]]) -> None:
        self.data = data
        self.zone = ZoneInfo(str(data["tz"]))

    def is_open(self, instant: datetime) -> bool:
        wall = instant.astimezone(self.zone)
        minute = wall.hour * 60 + wall.minute
        today, yesterday = wall.date(), wall.date() - timedelta(days=1)

        def inside(shifts: list[list[str]], passed: int) -> bool:
            for a, b in shifts:
                start, end = (int(x[:2]) * 60 + int(x[3:]) for x in (a, b))
                if start <= passed < (end if end > start else end + 1440):
                    return True
            return False

        breaks = self.data["breaks"]
        paused = inside(breaks.get(str(today), []), minute) or inside(breaks.get(str(yesterday), []), minute + 1440)
        opened = inside(self.windows(today), minute) or inside(self.windows(yesterday), minute + 1440)
        return opened and not paused

    def windows(self, day: date) -> list[list[str]]:
        if str(day) in self.data["dates"]:
            return self.data["dates"][str(day)]
        return [] if str(day) in self.data["holidays"] else self.data["week"][DAYS[day.weekday()]]


@settings(deadline=None, max_examples=40)
@given(calendars, instants, st.integers(0, 2880))
@example({"tz": "Europe/Berlin", "week": daily([["01:30", "02:30"]]), "dates": {}, "breaks": {}, "holidays": []}, utc("2026-03-28"), 2880)  # fmt: skip
@example({"tz": "Australia/Lord_Howe", "week": daily([["01:30", "02:30"]]), "dates": {}, "breaks": {}, "holidays": []}, utc("2026-04-04"), 2880)  # fmt: skip
def test_it_agrees_with_counting_minute_by_minute(
    data: dict[str, dict[str, list[list[str]]]], start: datetime, length: int
) -> None:
    slow = SlowCalendar(data)
    counted = sum(slow.is_open(start + timedelta(minutes=n)) for n in range(length))
    assert elapsed(start, start + timedelta(minutes=length), Calendar.from_dict(data)) == timedelta(minutes=counted)
