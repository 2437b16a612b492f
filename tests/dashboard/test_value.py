from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import value, words
from cloud.dashboard.present import Here
from cloud.dashboard.rows import LimitMark, PointRow, SampleRow

NOW = 1_795_248_312_000
EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), NOW)
ZH = Here(words.load("zh"), ZoneInfo("Asia/Shanghai"), NOW)


def mark(op: str, limit: float, severity: str = "major", clause: str = "h-5.3.1-pf") -> LimitMark:
    return LimitMark("rule", op, limit, severity, clause)


PF = PointRow(
    "power_factor",
    {"en": "Power factor", "zh": "功率因数"},
    "gauge",
    "",
    2,
    (-1, 1),
    limits=(mark("<", 0.9),),
    expected_every_ms=1000,
)
VOLTAGE = PointRow("voltage", {"en": "Voltage"}, "gauge", "V", 1, (0, 500), limits=(mark("<", 353), mark(">", 407)))
WINDING = PointRow(
    "winding", {"en": "Winding"}, "gauge", "°C", 1, (-30, 250), limits=(mark(">", 130), mark(">", 150, "critical"))
)
DOOR = PointRow("door", {"en": "Door", "zh": "轿门"}, "state", states={"closed": {"en": "closed", "zh": "关闭"}})
RUNNING = PointRow(
    "running",
    {"en": "Running"},
    "bit",
    states={"true": {"en": "running", "zh": "运行"}, "false": {"en": "stopped", "zh": "停止"}},
)
LEAK = PointRow("leak", {"en": "Leak"}, "bit")


def good(worth: object, ago_ms: int = 600) -> SampleRow:
    return SampleRow(NOW - ago_ms, worth)  # type: ignore[arg-type]


def test_a_good_value_carries_unit_limit_quality_and_age() -> None:
    shown = value.show(VOLTAGE, good(396.42), EN)
    assert (shown.figure, shown.unit, shown.limit, shown.quality_word, shown.age) == (
        "396.4",
        "V",
        "353.0 – 407.0",
        "good",
        "0.6 s",
    )
    assert shown.icon == ""
    assert not shown.is_void


def test_states_and_bits_are_words_in_the_readers_language() -> None:
    assert value.show(DOOR, good("closed"), ZH).figure == "关闭"
    assert value.show(DOOR, good("half_open"), EN).figure == "half_open"
    assert value.show(RUNNING, good(worth=False), EN).figure == "stopped"
    assert value.show(LEAK, good(worth=True), EN).figure == "yes"
    assert value.show(LEAK, good(worth=True), EN).is_word


def test_a_bad_value_is_a_dash_with_its_cause_never_an_old_value() -> None:
    shown = value.show(PF, SampleRow(NOW - 600, None, "bad", "exception", NOW - 720_000, 0.91), EN)
    assert (shown.figure, shown.quality_word, shown.icon) == ("—", "bad, exception from the device", "q-bad")
    assert shown.last_good == "last good 0.91 at 15:53"
    assert shown.is_void
    assert shown.bar is not None
    assert shown.bar.at is None


def test_a_point_that_was_never_read_says_so() -> None:
    assert value.show(PF, None, EN).quality_word == "bad, nothing read yet"
    assert value.show(PF, None, ZH).quality_word == "无效，尚未读取"
    assert value.show(PF, None, EN).figure == "—"


@pytest.mark.parametrize(
    ("point", "age_ms", "expected"),
    [(PF, 14_999, "good"), (PF, 15_001, "stale"), (PointRow("slow", {}, "gauge", expected_every_ms=60_000), 179_000, "good"),
     (PointRow("slow", {}, "gauge", expected_every_ms=60_000), 181_000, "stale")],
)  # fmt: skip
def test_a_good_sample_grows_stale_after_three_intervals_at_least_fifteen_seconds(
    point: PointRow, age_ms: int, expected: str
) -> None:
    assert value.quality_of(good(0.95, age_ms), point, NOW) == expected


def test_an_uncertain_value_is_shown_with_its_doubt() -> None:
    shown = value.show(WINDING, SampleRow(NOW - 11_000, 58.4, "uncertain", "retained"), EN)
    assert (shown.figure, shown.quality, shown.icon) == ("58.4", "uncertain", "q-unc")
    assert shown.quality_word == "uncertain, stored message, age unknown"
    assert shown.bar is not None
    assert shown.bar.at is not None


@pytest.mark.parametrize(
    ("point", "expected"),
    [(PF, "≥ 0.90"), (VOLTAGE, "353.0 – 407.0"), (WINDING, "≤ 130.0"), (DOOR, "none")],
)  # fmt: skip
def test_the_permitted_range_is_written_with_its_side(point: PointRow, expected: str) -> None:
    assert value.limit_text(point, words.load("en")) == expected


def test_the_power_factors_bar_has_its_limit_in_the_middle_as_designed() -> None:
    bar = value.bar(PF, 0.87)
    assert bar is not None
    assert (bar.ticks, bar.ok_from, bar.ok_width) == ((50.0,), 50.0, 50.0)
    assert bar.at == pytest.approx(35.0)


def test_a_bar_with_two_limits_on_one_side_permits_up_to_the_inner_one() -> None:
    bar = value.bar(WINDING, 70)
    assert bar is not None
    assert len(bar.ticks) == 2
    assert bar.ok_width == bar.ticks[0]


def test_limits_on_one_side_cut_the_permitted_side_to_what_can_be_read() -> None:
    power = PointRow("power", {}, "gauge", "kW", 1, (-10_000, 10_000), limits=(mark("<", 3.0),))
    assert value.scale(power) == pytest.approx((0.0, 9.0))
    assert value.scale(WINDING) == pytest.approx((0.0, 189.0))


def test_a_value_beyond_the_scale_sits_at_the_end_and_says_so() -> None:
    low, high = value.bar(VOLTAGE, 100), value.bar(VOLTAGE, 480)
    assert low is not None
    assert high is not None
    assert (low.at, low.beyond) == (0.0, "low")
    assert (high.at, high.beyond) == (100.0, "high")


def test_a_word_has_no_bar_and_a_number_without_any_range_has_none() -> None:
    assert value.bar(DOOR, "closed") is None
    assert value.bar(PointRow("free", {}, "gauge"), 5.0) is None


def test_a_bar_without_limits_shows_no_permitted_zone() -> None:
    bar = value.bar(PointRow("floor", {}, "gauge", plausible=(-5, 60)), 14)
    assert bar is not None
    assert (bar.ok_width, bar.ticks) == (0.0, ())


def test_only_a_point_of_an_active_alarm_takes_its_severity() -> None:
    assert value.show(PF, good(0.87), EN, {"power_factor": "major"}).severity == "major"
    assert value.show(PF, good(0.87), EN).severity == ""
    assert value.show(PF, good(0.87), EN, {"power_factor": "major"}).clause == "h-5.3.1-pf"


def test_the_clause_is_that_of_the_limit_that_is_met_first() -> None:
    limits = (
        mark("<", 110, "critical", "phase-loss"),
        mark("<", 204, "minor", "voltage"),
        mark(">", 235, "minor", "voltage"),
    )
    phase = PointRow("voltage_l1", {}, "gauge", "V", 1, (0, 500), limits=limits)
    assert value.show(phase, good(220), EN).clause == "voltage"
    assert value.show(phase, good(60), EN, {"voltage_l1": "critical"}).clause == "phase-loss"
