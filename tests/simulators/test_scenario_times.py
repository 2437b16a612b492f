"""Times of a scenario: of day in the site's zone, days later, and since the start."""

from zoneinfo import ZoneInfo

import pytest

from contract.conventions import format_instant
from simulators.scenario_times import parse_at, parse_start

SHANGHAI, LONDON = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/London")
START = parse_start("2026-11-21T10:00:00+08:00")


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("10:30", "2026-11-21T02:30:00.000Z"),
        ("10:30:15", "2026-11-21T02:30:15.000Z"),
        ("24:00", "2026-11-21T16:00:00.000Z"),
        ("3d 14:20", "2026-11-24T06:20:00.000Z"),
        ("90min", "2026-11-21T03:30:00.000Z"),
        ("2d", "2026-11-23T02:00:00.000Z"),
    ],
)
def test_an_instant_is_what_a_person_at_the_site_would_say(written: str, instant: str) -> None:
    assert format_instant(parse_at(written).instant(START, SHANGHAI)) == instant


def test_a_time_of_day_follows_summer_time_and_a_duration_does_not() -> None:
    eve = parse_start("2026-03-28T12:00:00Z")  # the night to 29 March has an hour less in London
    assert format_instant(parse_at("1d 12:00").instant(eve, LONDON)) == "2026-03-29T11:00:00.000Z"
    assert format_instant(parse_at("1d").instant(eve, LONDON)) == "2026-03-29T12:00:00.000Z"


def test_a_minute_is_as_exact_as_it_is_written() -> None:
    assert [parse_at(text).width_ms for text in ("05:15", "05:15:00", "5h")] == [60_000, 1000, 1000]


@pytest.mark.parametrize("wrong", ["24:01", "7:5", "12:60", "noon", 1030])
def test_what_is_no_time_is_refused_in_words(wrong: object) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_at(wrong)
