from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import present, words
from cloud.dashboard.present import Here

EN, ZH = words.load("en"), words.load("zh")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


NOW = ms("2026-11-21T16:05:12+08:00")


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0.868, 2, "0.87"), (1204.4, 0, "1204"), (9412.0, 1, "9412.0"), (94120.0, 0, "94\u2009120"),
        (4962962.34, 1, "4\u2009962\u2009962.3"), (-12.5, 1, "\u221212.5"), (-0.004, 2, "0.00"), (float("nan"), 1, "—"), (float("inf"), 0, "—"),
    ],
)  # fmt: skip
def test_figures_have_a_decimal_point_thin_spaces_from_five_digits_and_a_real_minus(
    value: float, digits: int, expected: str
) -> None:
    assert present.number(value, digits) == expected


def test_a_unit_follows_with_a_space_and_per_cent_joins_in_chinese() -> None:
    assert present.with_unit("0.86", "MPa", EN) == "0.86\u00a0MPa"
    assert present.with_unit("83", "%", EN) == "83\u00a0%"
    assert present.with_unit("83", "%", ZH) == "83%"
    assert present.with_unit("0.87", "", ZH) == "0.87"


@pytest.mark.parametrize(
    ("seconds", "en", "zh", "chip"),
    [
        (0, "0 s", "0 秒", "0 秒"), (48, "48 s", "48 秒", "48 秒"), (288, "4 min 48 s", "4 分 48 秒", "4 分 48 秒"),
        (300, "5 min", "5 分钟", "5 分"), (2550, "42 min", "42 分钟", "42 分"), (3600, "1 h", "1 小时", "1 时"),
        (25_620, "7 h 07 min", "7 小时 07 分", "7 时 07 分"), (86_400, "1 d", "1 天", "1 天"),
        (262_800, "3 d 01 h", "3 天 01 小时", "3 天 01 时"), (-5, "0 s", "0 秒", "0 秒"),
    ],
)  # fmt: skip
def test_durations_show_the_two_largest_units_and_seconds_only_under_ten_minutes(
    seconds: float, en: str, zh: str, chip: str
) -> None:
    assert present.duration(seconds, EN) == en
    assert present.duration(seconds, ZH) == zh
    assert present.duration(seconds, ZH, short=True) == chip


def test_the_lines_of_a_sum_are_exact_to_the_second() -> None:
    assert present.exact(178_300) == "49:31:40"
    assert present.exact(0) == "0:00:00"


@pytest.mark.parametrize(
    ("at", "en", "zh"),
    [
        ("2026-11-21T09:12:40+08:00", "09:12", "09:12"),
        ("2026-11-20T23:59:00+08:00", "Fri 23:59", "周五 23:59"),
        ("2026-11-16T00:00:00+08:00", "Mon 00:00", "周一 00:00"),
        ("2026-11-15T10:49:00+08:00", "15 Nov 10:49", "11-15 10:49"),
        ("2026-11-23T10:49:00+08:00", "23 Nov 10:49", "11-23 10:49"),
        ("2025-11-21T10:49:00+08:00", "21 Nov 2025 10:49", "2025-11-21 10:49"),
    ],
)  # fmt: skip
def test_times_of_today_this_week_and_else(at: str, en: str, zh: str) -> None:
    assert Here(EN, SHANGHAI, NOW).when(ms(at)) == en
    assert Here(ZH, SHANGHAI, NOW).when(ms(at)) == zh


def test_times_are_the_sites_not_the_servers() -> None:
    late = ms("2026-11-21T18:30:00+00:00")
    assert Here(EN, SHANGHAI, late).when(late, seconds=True) == "02:30:00"
    assert Here(EN, UTC, late).when(late) == "18:30"


def test_the_long_day_reads_naturally_in_both_languages() -> None:
    assert Here(EN, SHANGHAI, NOW).long_day(NOW) == "Sat 21 Nov 2026"
    assert Here(ZH, SHANGHAI, NOW).long_day(NOW) == "2026年11月21日 周六"
    assert Here(EN, SHANGHAI, NOW).due_day(NOW) == "Sat 21 Nov"


def test_a_fresh_value_has_its_age_in_tenths_of_a_second() -> None:
    assert present.age(0.62, EN) == "0.6 s"
    assert present.age(-3, EN) == "0.0 s"
    assert present.age(185, EN) == "3 min 5 s"


def test_severities_sort_worst_first_and_nothing_sorts_last() -> None:
    assert sorted(["minor", "life_safety", "", "major"], key=present.severity_rank) == [
        "life_safety",
        "major",
        "minor",
        "",
    ]
    assert present.css("life_safety") == "life"
    assert present.css(None) == ""
