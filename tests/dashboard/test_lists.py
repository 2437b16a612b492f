from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import gateway_page, lists, present, words
from cloud.dashboard.present import Here
from cloud.dashboard.rows import GatewayRow, TestRow

NOW = 1_795_248_312_000
DAY = 86_400_000
EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), NOW)
ZH = Here(words.load("zh"), ZoneInfo("Asia/Shanghai"), NOW)
NAMES = {
    "power_factor": {"en": "Power factor", "zh": "功率因数"}, "pf_min": {"en": "Lowest power factor", "zh": "功率因数下限"},
    "active_power": {"en": "Active power", "zh": "有功功率"},
}  # fmt: skip


def test_why_is_told_with_the_names_that_people_know() -> None:
    terms = [{"name": "power_factor", "value": 0.8683}, {"name": "pf_min", "value": 0.9}]
    assert lists.because(terms, NAMES, EN.words) == "Power factor 0.868, Lowest power factor 0.9"
    assert lists.because(terms, NAMES, ZH.words) == "功率因数 0.868，功率因数下限 0.9"


def test_a_mean_is_called_a_mean_and_a_formula_is_left_out() -> None:
    terms = [
        {"name": "avg(active_power, pf_window)", "value": 544.243, "unit": "kW"}, {"name": "pf_min", "value": 0.9},
        {"name": "avg((current_l1 + current_l2) / 3, pf_window)", "value": 1051.4, "unit": "A"},
    ]  # fmt: skip
    assert lists.because(terms, NAMES, EN.words) == "Mean of Active power 544.2\u00a0kW, Lowest power factor 0.9"
    assert "avg((" in lists.because(terms[2:], NAMES, EN.words)


def test_a_value_that_was_missing_is_a_dash_and_a_bit_a_word() -> None:
    terms: list[dict[str, Any]] = [
        {"name": "door_open", "value": True},
        {"name": "speed", "value": None},
        {"name": "mode", "value": "in_service"},
    ]
    assert lists.because(terms, {}, EN.words) == "door open yes, speed —, mode in service"


@pytest.mark.parametrize(
    ("period", "en", "zh"),
    [("P1D", "daily", "每天"), ("P7D", "every 7 days", "每 7 天"), ("P1M", "monthly", "每月"), ("P6M", "every 6 months", "每 6 个月"), ("P1Y", "yearly", "每年"),
     ("P1Y6M", "P1Y6M", "P1Y6M")],
)  # fmt: skip
def test_a_period_is_said_as_people_say_it(period: str, en: str, zh: str) -> None:
    assert lists.every(period, EN.words) == en
    assert lists.every(period, ZH.words) == zh


def due(**more: object) -> TestRow:
    row = {"site": "s", "equipment": "p1", "equipment_name": {"en": "Pump 1"}, "id": "round", "name": {"en": "Daily round"}, "every": "P1D", "clause": "c",
           "proof": "form"}  # fmt: skip
    return TestRow(**{**row, **more})  # type: ignore[arg-type]


def test_a_test_is_due_on_its_day_and_missed_after_it() -> None:
    midnight = EN.midnight(1)
    assert lists.due_test(due(due_at=midnight), EN).due == "Sat 21 Nov"
    missed = lists.due_test(due(due_at=NOW - 2 * DAY), EN)
    assert (missed.is_missed, missed.due) == (True, "late 2 d")
    assert lists.due_test(due(), EN).due == ""


def test_a_failed_test_says_why() -> None:
    failed = lists.due_test(
        due(due_at=NOW, last_at=NOW - DAY, last_passed=False, last_reasons=("pressure 0.4 MPa",)), EN
    )
    assert (failed.last, failed.mark, failed.reasons) == ("failed Fri 16:05", "q-bad", ("pressure 0.4 MPa",))
    assert lists.due_test(due(due_at=NOW, last_at=NOW - DAY, last_passed=True), EN).last == "passed Fri 16:05"


def test_the_same_test_of_several_pieces_on_one_day_is_one_line() -> None:
    rows = [lists.due_test(due(equipment=f"p{n}", due_at=EN.midnight(1)), EN) for n in range(3)]
    later = lists.due_test(due(due_at=NOW + 9 * DAY), EN)
    (group,) = lists.due_soon([*rows, later], EN)
    assert lists.due_name(group, EN.words) == "Daily round, 3 pieces"
    assert lists.due_name(group[:1], EN.words) == "Pump 1: Daily round"


@pytest.mark.parametrize(
    ("ago_ms", "offline", "expected"), [(29_000, None, True), (31_000, None, False), (1000, NOW - 500, False)]
)
def test_a_gateway_is_heard_within_three_of_its_promised_intervals(
    ago_ms: int, offline: int | None, expected: bool
) -> None:
    row = GatewayRow("gw_1", "s", NOW - ago_ms, 10_000, "0.1", -12, offline, None, {})
    assert lists.is_heard(row, NOW) is expected
    line = gateway_page.gateway_line(row, (), None, EN)
    assert line.is_silent is not expected
    assert line.offset == "\u221212\u00a0ms"


def test_a_gateway_that_never_spoke_and_a_revoked_one_say_so() -> None:
    assert (
        gateway_page.gateway_line(GatewayRow("g", "s", None, 10_000, "", None, None, None, {}), (), None, EN).state
        == "never heard"
    )
    assert (
        gateway_page.gateway_line(GatewayRow("g", "s", NOW, 10_000, "", None, None, NOW, {}), (), None, EN).state
        == "revoked 16:05"
    )


@pytest.mark.parametrize(("ms", "expected"), [(500, "0.5 s"), (1000, "1 s"), (1500, "1.5 s"), (60_000, "1 min")])
def test_a_poll_period_under_a_second_is_not_zero(ms: int, expected: str) -> None:
    assert present.period(ms, EN.words) == expected
