from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import chart, words
from cloud.dashboard.chart import Bucket
from cloud.dashboard.present import Here
from cloud.dashboard.rows import LimitMark, PointRow

NOW = 1_795_248_312_000
DAY = 86_400_000
EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), NOW)
PF = PointRow(
    "pf", {"en": "Power factor"}, "gauge", "", 2, (-1, 1), limits=(LimitMark("low", "<", 0.9, "major", "h-5.3.1-pf"),)
)
FREE = PointRow("p", {"en": "Power"}, "gauge", "kW", 1)
SIZE = (800.0, 240.0)


def line(*values: float | None, step: int = 60_000, cause: str = "none") -> list[Bucket]:
    return [
        Bucket(NOW - DAY + index * step, one, one, one, cause=cause if one is None else "none")
        for index, one in enumerate(values)
    ]


def draw(buckets: list[Bucket], point: PointRow = PF, **more: object) -> chart.Trend:
    return chart.draw(point, buckets, (NOW - DAY, NOW), EN, size=SIZE, **more)  # type: ignore[arg-type]


def test_a_line_changes_its_stroke_where_it_crosses_the_limit() -> None:
    made = draw(line(0.95, 0.94, 0.86, 0.87))
    assert [one.is_out for one in made.lines] == [False, True]
    assert made.severity == "major"


def test_a_gap_is_drawn_as_a_gap_with_its_cause_and_never_bridged() -> None:
    made = draw(line(0.95, 0.94, None, None, None, 0.95, 0.96, cause="no_response"))
    assert len(made.lines) == 2
    (gap,) = made.gaps
    assert gap.text.startswith("no response ")


def test_a_silence_without_samples_is_a_gap_too() -> None:
    buckets = line(0.95, 0.95, 0.95)
    late = [Bucket(NOW - DAY + 3_600_000 + n * 60_000, 0.95) for n in range(3)]
    assert draw([*buckets, *late]).gaps[0].text.startswith("no data ")


def test_the_limit_is_dashed_with_its_clause_and_its_forbidden_side_tinted() -> None:
    made = draw(line(0.95, 0.86))
    (limit,), (zone,) = made.limits, made.zones
    assert limit.text == "limit 0.90, clause h-5.3.1-pf"
    assert zone.y == limit.y
    assert zone.y + zone.height == pytest.approx(made.plot_bottom)


@pytest.mark.parametrize("value", [0.6, 1e9, 0.0])
def test_equal_values_whose_mean_differs_in_its_last_digit_have_an_axis(value: float) -> None:
    noisy = [Bucket(NOW - 60_000, value, value, value), Bucket(NOW, value + abs(value) * 2e-16, value, value)]
    assert 3 <= len(draw(noisy, FREE).rows) <= 12


def test_the_value_axis_holds_every_value_and_the_limit_near_them() -> None:
    made = draw(line(0.95, 0.93, 0.96))
    assert len(made.limits) == 1
    assert next(tick.text for tick in made.rows) <= "0.90"
    assert all(made.top - 0.1 <= tick.at <= made.plot_bottom + 0.1 for tick in made.rows)


def test_a_flat_line_and_a_single_value_can_be_drawn() -> None:
    assert len(draw(line(5.0, 5.0, 5.0), FREE).lines) == 1
    assert len(draw(line(0.0), FREE).lines) == 1


def test_no_history_is_empty_not_zero() -> None:
    made = draw([])
    assert made.is_empty
    assert made.gaps == ()


def test_the_time_axis_has_round_local_times_and_names_midnight() -> None:
    texts = [tick.text for tick in draw(line(0.9)).columns]
    assert texts == ["18:00", "21:00", "Sat 00:00", "03:00", "06:00", "09:00", "12:00", "15:00"]


def test_a_month_has_days_on_its_axis() -> None:
    made = chart.draw(FREE, line(1.0, 2.0), (NOW - 31 * DAY, NOW), EN, size=SIZE)
    assert 4 <= len(made.columns) <= 13
    assert all(tick.is_strong for tick in made.columns)


def test_alarms_are_marked_on_the_time_axis() -> None:
    made = draw(line(0.95), events=[(NOW - DAY // 2, "04:05 alarm"), (NOW - 2 * DAY, "before")])
    assert [event.text for event in made.events] == ["04:05 alarm"]


def test_columns_for_the_script_break_at_a_gap() -> None:
    buckets = [*line(1.0, 2.0), Bucket(NOW - DAY + 3_600_000, 3.0)]
    buckets = [Bucket(NOW - DAY + n * 60_000, 1.0) for n in range(5)] + [Bucket(NOW - DAY + 3_600_000, 3.0)]
    at, mean, _, _ = chart.with_gaps(buckets)
    assert mean == [1.0, 1.0, 1.0, 1.0, 1.0, None, 3.0]
    assert at == sorted(at)
    assert len(chart.gap_spans(buckets)) == 1


@pytest.mark.parametrize(("value", "expected"), [(0.89, True), (0.90, False), (0.95, False)])
def test_exactly_at_the_limit_is_within_it(value: float, expected: bool) -> None:
    assert chart.is_out(PF, value) is expected


def test_a_sparkline_needs_two_values() -> None:
    assert chart.sparkline([1.0]) == ""
    assert chart.sparkline([1.0, 3.0, 2.0]).startswith("M0.0,30.0 L50.0,4.0")
