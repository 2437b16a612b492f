"""A month's energies from counters: resets, gaps, leaps and borders."""

from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import power, power_drawing, power_page, words
from cloud.dashboard.power import HOUR_MS, Bounds
from cloud.dashboard.power_energy import EnergyMonth, Stretch, grown, months_of, stretches_of
from cloud.dashboard.present import Here
from cloud.dashboard.rows import LimitMark
from cloud.telemetry.store import Bucket
from tests.support.power_months import local

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = local(2026, 11, 21, 16, 7)
MARK = LimitMark("low_power_factor_month", "<", 0.9, "minor", "h-5.3.1-pf")
BOUND = Bounds(month=MARK, month_kwh=1000, rated_kva=1056)
HERE = Here(words.load("en"), SHANGHAI, NOW)
OCTOBER, NOVEMBER = (power.wanted_month(f"2026-{month}", SHANGHAI, NOW) for month in (10, 11))


def reading(at: int, value: float) -> Bucket:
    return Bucket(at, at + HOUR_MS, 60, value - 1, value - 0.5, value, value, "good", "")


def hourly(start: int, end: int, kw: float = 100.0, base: float = 5000.0) -> list[Bucket]:
    return [reading(at, base + (at - start) / HOUR_MS * kw) for at in range(start, end, HOUR_MS)]


def november(active: list[Bucket], reactive: list[Bucket], bounds: Bounds = BOUND) -> EnergyMonth:
    return months_of([NOVEMBER], [active], [reactive], bounds)[0]


def level(*values: float) -> list[Stretch]:
    return [Stretch(n * HOUR_MS, (n + 1) * HOUR_MS, value, value, value) for n, value in enumerate(values)]


# --- one counter ------------------------------------------------------------------------------------------------


def test_a_counter_grows_by_the_difference_of_its_ends_whatever_is_missing_between() -> None:
    assert grown(level(10.0, 12.0, 40.0)).amount == 30.0


def test_a_counter_that_begins_again_is_counted_on_both_sides() -> None:
    found = grown([*level(1000.0, 1010.0), Stretch(2 * HOUR_MS, 3 * HOUR_MS, 0.0, 1015.0, 7.0)])
    assert (found.amount, found.resets) == (22.0, (2 * HOUR_MS,))


def test_a_new_beginning_between_two_readings_counts_what_is_certain() -> None:
    found = grown(level(1000.0, 1010.0, 3.0, 9.0))
    assert (found.amount, len(found.resets)) == (16.0, 1)


def test_one_low_reading_is_no_new_beginning() -> None:
    found = grown([*level(1000.0), Stretch(HOUR_MS, 2 * HOUR_MS, 0.0, 1004.0, 1004.0)])
    assert (found.amount, found.resets) == (4.0, ())


def test_the_last_digit_of_a_float_may_step_back() -> None:
    found = grown(level(16_777_216.0, 16_777_215.0))
    assert (found.amount, found.resets) == (0.0, ())


def test_a_leap_further_than_the_circuit_can_carry_is_not_counted_but_told() -> None:
    found = grown(level(100.0, 200.0, 900_000.0, 900_100.0), most_kw=1056)
    assert (found.amount, len(found.jumps)) == (200.0, 1)


def test_a_long_silence_allows_as_much_as_it_lasted() -> None:
    later = Stretch(101 * HOUR_MS, 102 * HOUR_MS, 100_000.0, 100_000.0, 100_000.0)
    assert grown([*level(100.0), later], most_kw=1056).jumps == ()


def test_what_holds_no_number_is_left_out() -> None:
    bad = Bucket(0, HOUR_MS, 0, None, None, None, None, "bad", "no_response")
    late = Bucket(HOUR_MS, 2 * HOUR_MS, 2, 5.0, 6.0, 7.0, None, "bad", "no_response")
    assert [one.last for one in stretches_of([late, bad])] == [7.0]
    assert grown([]).amount is None


# --- months -----------------------------------------------------------------------------------------------------


def test_the_months_power_factor_comes_from_both_energies() -> None:
    found = november(hourly(NOVEMBER.start, NOVEMBER.until), hourly(NOVEMBER.start, NOVEMBER.until, kw=75.0))
    assert found.power_factor == pytest.approx(0.8, abs=0.001)
    assert (found.meets, found.is_partial, found.unread_ms) == (False, True, 0)


def test_what_grew_over_a_months_border_belongs_to_the_new_month() -> None:
    active = [hourly(OCTOBER.start, OCTOBER.end), hourly(NOVEMBER.start, NOVEMBER.until, base=5000.0 + 744 * 100)]
    old, new = months_of([OCTOBER, NOVEMBER], active, active, BOUND)
    assert old.kwh == 743 * 100 + 1
    assert new.kwh == NOVEMBER.slots / 4 * 100


def test_a_silence_inside_the_month_loses_nothing() -> None:
    whole = hourly(OCTOBER.start, OCTOBER.end)
    holed = [*whole[:200], *whole[400:]]
    found = months_of([OCTOBER], [holed], [holed], BOUND)[0]
    assert (found.kwh, found.is_partial, found.meets) == (743 * 100 + 1, False, False)


def test_a_silence_over_a_border_makes_both_months_partial_and_neither_gets_its_energy() -> None:
    old = hourly(OCTOBER.start, OCTOBER.end - 48 * HOUR_MS)
    new = hourly(NOVEMBER.start + 48 * HOUR_MS, NOVEMBER.until, base=80_000.0)
    first, second = months_of([OCTOBER, NOVEMBER], [old, new], [old, new], BOUND)
    assert (first.is_partial, first.unread_ms, first.meets, first.why) == (True, 48 * HOUR_MS, None, "unread")
    assert second.unread_ms == 48 * HOUR_MS
    assert power_page.notes_of(first, HERE) == ("partial: read until 30 Oct 00:00",)
    assert power_page.why_text(first, BOUND, HERE) == "2 d at its beginning or end were not read"


@pytest.mark.parametrize(
    ("active", "reactive", "bounds", "why"),
    [
        ([], [], BOUND, "no_kwh"), (hourly(NOVEMBER.start, NOVEMBER.until), [], BOUND, "no_kvarh"),
        (hourly(NOVEMBER.start, NOVEMBER.until, kw=1.0), hourly(NOVEMBER.start, NOVEMBER.until, kw=1.0), BOUND, "too_little"),
        (hourly(NOVEMBER.start, NOVEMBER.until), hourly(NOVEMBER.start, NOVEMBER.until), Bounds(), "no_limit"),
        ([*hourly(NOVEMBER.start, NOVEMBER.until), reading(NOVEMBER.until, 9e6)], hourly(NOVEMBER.start, NOVEMBER.until), BOUND, "jumped"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_why(active: list[Bucket], reactive: list[Bucket], bounds: Bounds, why: str) -> None:
    found = november(active, reactive, bounds)
    assert (found.meets, found.why) == (None, why)
    assert words.load("zh").has(f"power.why.{why}")


def test_the_first_line_answers_yes_no_or_not_known() -> None:
    good = november(hourly(NOVEMBER.start, NOVEMBER.until), hourly(NOVEMBER.start, NOVEMBER.until, kw=30.0))
    assert (
        power_page.verdict(good, power.Total(), BOUND, HERE).text
        == "Yes, so far. Nov 2026 has a power factor of 0.958 until now; the clause asks for at least 0.90."
    )
    poor = months_of([OCTOBER], [hourly(OCTOBER.start, OCTOBER.end)], [hourly(OCTOBER.start, OCTOBER.end)], BOUND)[0]
    answer = power_page.verdict(poor, power.Total(), BOUND, HERE)
    assert (answer.answer, answer.severity) == ("no", "minor")
    assert answer.text == "No. Oct 2026 has a power factor of 0.707; the clause asks for at least 0.90."
    unknown = power_page.verdict(november([], []), power.Total(), BOUND, HERE)
    assert unknown.text == "Not known for Nov 2026: no reading of the active energy."


def test_bars_stand_from_nothing_and_a_low_month_is_marked() -> None:
    months = months_of(
        [OCTOBER, NOVEMBER], [hourly(OCTOBER.start, OCTOBER.end), []], [hourly(OCTOBER.start, OCTOBER.end), []], BOUND
    )
    drawn = power_drawing.month_bars(months, MARK, HERE)
    assert [(bar.is_low, bar.figure, bar.height > 0) for bar in drawn.bars] == [
        (True, "0.707", True),
        (False, "—", False),
    ]
    assert drawn.grid[0].text == "0.0"


def test_the_table_of_months_says_what_is_partial() -> None:
    line = power_page.months_csv([november(hourly(NOVEMBER.start, NOVEMBER.until), [])], HERE).split("\r\n")[1]
    assert line.startswith("2026-11,")
    assert line.endswith(",no_kvarh")
    assert ",1,2026-11-01T00:00:00+08:00," in line
