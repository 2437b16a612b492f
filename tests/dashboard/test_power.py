"""Power quality: a month by quarter hours, hours and days, in the site's zone, with what is missing said."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pytest

from cloud.dashboard import power, power_drawing, power_page, words
from cloud.dashboard.chart import Bucket
from cloud.dashboard.power import HOUR_MS, SLOT_MS, Bounds, Month, Slot
from cloud.dashboard.present import Here
from cloud.dashboard.rows import EquipmentRow, LimitMark, PointRow
from tests.support.power_months import local

SHANGHAI, LORD_HOWE = ZoneInfo("Asia/Shanghai"), ZoneInfo("Australia/Lord_Howe")
PARIS = ZoneInfo("Europe/Paris")
NOW = local(2026, 11, 21, 16, 7)
NOVEMBER = power.wanted_month("2026-11", SHANGHAI, NOW)
LIMIT = LimitMark("low_power_factor", "<", 0.9, "major", "h-5.3.1-pf")
BOUND = Bounds(power_factor=LIMIT, least_load=15.0, load=(LimitMark("high_load", ">", 80.0, "advisory", "e"), LimitMark("over", ">", 100.0, "major", "e")), rated_a=1600, rated_kva=1056, stages=8)  # fmt: skip
HERE = Here(words.load("en"), SHANGHAI, NOW)


def slots(month: Month, **columns: Sequence[Bucket]) -> tuple[Slot, ...]:
    return power.slots_of(columns, month, 1600)


# --- months -----------------------------------------------------------------------------------------------------


def test_a_month_begins_and_ends_at_the_sites_midnight_and_runs_until_the_last_whole_quarter_hour() -> None:
    assert (NOVEMBER.start, NOVEMBER.end) == (local(2026, 11, 1), local(2026, 12, 1))
    assert NOVEMBER.until == local(2026, 11, 21, 16, 0)
    assert power.wanted_month("2026-10", SHANGHAI, NOW).is_over


@pytest.mark.parametrize("text", ["", "2026-13", "2026-0", "x-y", "2027-01", "1999-12", "-", "２０２６-11", "2026-²"])
def test_a_month_that_is_none_or_still_to_come_is_the_month_of_now(text: str) -> None:
    assert power.wanted_month(text, SHANGHAI, NOW).id == "2026-11"


def test_months_before_cross_the_year() -> None:
    found = power.months_before(power.wanted_month("2026-02", SHANGHAI, NOW), 4, SHANGHAI, NOW)
    assert [one.id for one in found] == ["2025-11", "2025-12", "2026-01", "2026-02"]


@pytest.mark.parametrize(("month", "hours"), [("2026-03", 743), ("2026-10", 745)])
def test_a_month_with_a_changed_clock_has_an_hour_less_or_more(month: str, hours: int) -> None:
    found = power.wanted_month(month, PARIS, NOW)
    assert found.slots == hours * 4
    load = [Bucket(found.start + n * SLOT_MS, 400.0) for n in range(found.slots)]
    days = power.days_of(slots(found, current_l1=load), PARIS, BOUND)
    changed = next(day for day in days if day.whole.slots != 96)
    assert (changed.hours[2].slots, len(days)) == ((0, 31) if hours == 743 else (8, 31))


def test_half_an_hour_of_summer_time_keeps_every_quarter_hour() -> None:
    month = power.wanted_month("2026-04", LORD_HOWE, NOW)
    days = power.days_of(slots(month), LORD_HOWE, BOUND)
    assert sum(day.whole.slots for day in days) == month.slots == 30 * 96 + 2


def test_a_months_counters_are_read_by_hours_at_its_ends_and_by_days_between_without_a_hole() -> None:
    for zone, text in ((PARIS, "2026-03"), (PARIS, "2026-10"), (SHANGHAI, "2026-11"), (LORD_HOWE, "2026-04")):
        month = power.wanted_month(text, zone, NOW)
        found = power.pieces(month)
        assert (found[0][0], found[-1][1]) == (month.start, month.until)
        assert [one[1] for one in found[:-1]] == [one[0] for one in found[1:]]
        assert [one[2] for one in found] == [power.HOUR_MS, power.DAY_MS, power.HOUR_MS]
        assert (found[1][1] - found[1][0]) % power.DAY_MS == 0
        assert found[-1][1] - found[-1][0] >= power.DAY_MS
    assert len(power.pieces(power.month_at(2026, 11, SHANGHAI, local(2026, 11, 2)))) == 1
    assert power.pieces(power.month_at(2026, 11, SHANGHAI, local(2026, 11, 1))) == []


# --- quarter hours ----------------------------------------------------------------------------------------------


def test_the_power_factor_comes_from_the_means_of_active_and_reactive_power_as_the_rule_judges() -> None:
    at = NOVEMBER.start
    found = slots(
        NOVEMBER, active_power=[Bucket(at, 300.0, count=2), Bucket(at + 60_000, 0.0)], reactive_power=[Bucket(at, 150.0)],
        power_factor=[Bucket(at, 0.5)],
    )  # fmt: skip
    assert found[0].kw == 200.0
    assert found[0].power_factor == pytest.approx(0.8)
    assert found[1].power_factor is None


def test_without_reactive_power_the_meters_own_power_factor_counts_without_its_sign() -> None:
    found = slots(NOVEMBER, active_power=[Bucket(NOVEMBER.start, -3.0)], power_factor=[Bucket(NOVEMBER.start, -0.93)])
    assert found[0].power_factor == 0.93


def test_bad_quality_stays_with_its_quarter_hour_and_its_cause() -> None:
    at = NOVEMBER.start
    parts = [
        Bucket(at, 200.0),
        Bucket(at + 60_000, None, quality="bad", cause="no_response"),
        Bucket(at + 2 * SLOT_MS, 1.0),
    ]
    found = slots(NOVEMBER, active_power=parts)
    assert (found[0].kw, found[0].quality, found[0].cause) == (200.0, "bad", "no_response")
    assert [slot.is_known for slot in found[:3]] == [True, False, True]


def test_little_load_is_not_judged_and_counts_neither_for_nor_against() -> None:
    low = [Bucket(NOVEMBER.start + n * SLOT_MS, 0.5) for n in range(4)]
    load = [Bucket(NOVEMBER.start + n * SLOT_MS, 100.0 if n < 2 else 800.0) for n in range(4)]
    total = power.total_of(slots(NOVEMBER, power_factor=low, current_l1=load), BOUND)
    assert (total.judged, total.low, total.missing) == (2, 2, NOVEMBER.slots - 4)


def test_limits_are_the_equipments_own() -> None:
    row = EquipmentRow(
        "s", "e", "lv_switchgear", "power", {}, ratings={"rated_a": 500, "nominal_v": 230, "contract_kw": 250}
    )
    current = PointRow("current_l1", {}, "gauge", "A", limits=(LimitMark("over", ">", 500.0, "major", "c"), LimitMark("high", ">", 400.0, "minor", "c")))  # fmt: skip
    factor = PointRow("power_factor", {}, "gauge", limits=(LimitMark("low", "<", 0.95, "minor", "c"),))
    found = power.bounds_of(row, {"current_l1": current, "power_factor": factor}, {"pf_min_load": 20.0}, None)
    assert (found.power_factor.value if found.power_factor else 0, [mark.value for mark in found.load]) == (
        0.95,
        [80.0, 100.0],
    )
    assert (found.rated_kva, found.contract_kw, found.least_load) == (345.0, 250.0, 20.0)
    assert found.is_low(0.94, 21.0)
    assert not found.is_low(0.94, 20.0)


def test_a_feeder_without_the_rule_has_no_limit() -> None:
    found = power.bounds_of(EquipmentRow("s", "e", "lv_switchgear", "power", {}), {}, {}, None)
    assert (found.power_factor, found.month, found.is_low(0.1, 90.0)) == (None, None, False)


def test_compensated_incomers_come_first() -> None:
    rows = [EquipmentRow("s", name, "lv_switchgear", "power", {}, roles=(role,)) for name, role in (("a", "feeder"), ("b", "incomer"), ("c", "compensated_incomer"))]  # fmt: skip
    assert [row.id for row in sorted(rows, key=power.rank)] == ["c", "b", "a"]


# --- by hour ----------------------------------------------------------------------------------------------------


def heat(found: Sequence[Slot], kind: power_page.Heat = "power_factor") -> tuple[power_page.HeatRow, ...]:
    view = power_page.View("s/e", NOVEMBER, kind, 7, 31)
    return power_page.heat_rows(power.days_of(found, SHANGHAI, BOUND), view, BOUND, HERE)


def test_an_hour_below_the_limit_is_marked_and_said_and_never_told_by_colour_alone() -> None:
    count = 8
    both = {"active_power": [Bucket(NOVEMBER.start + n * SLOT_MS, 80.0) for n in range(count)],
            "reactive_power": [Bucket(NOVEMBER.start + n * SLOT_MS, 60.0 if n < 4 else 20.0) for n in range(count)],
            "current_l1": [Bucket(NOVEMBER.start + n * SLOT_MS, 800.0) for n in range(count)]}  # fmt: skip
    first, second, third = heat(slots(NOVEMBER, **both))[0].hours[:3]
    assert (first.text, first.css) == ("0.800", "out sev-major")
    assert first.told == "Sun 1 Nov 00:00: power factor 0.800, load 50\u00a0%, below 0.90"
    assert (second.text, second.css) == ("0.970", "l1")
    assert (third.text, third.css) == ("—", "none")
    assert third.told.endswith("no reading")


def test_an_hour_that_is_known_in_part_says_so_and_little_load_is_not_judged() -> None:
    parts = {"power_factor": [Bucket(NOVEMBER.start, 0.5)], "current_l1": [Bucket(NOVEMBER.start, 100.0)]}
    cell = heat(slots(NOVEMBER, **parts))[0].hours[0]
    assert cell.css == "idle part"
    assert "not judged up to 15" in cell.told
    assert "1 of 4 quarter hours" in cell.told


def test_load_has_its_own_limits_and_what_is_to_come_is_empty() -> None:
    parts = {"current_l1": [Bucket(NOVEMBER.start + n * SLOT_MS, 1680.0 if n < 4 else 1400.0) for n in range(8)]}
    rows = heat(slots(NOVEMBER, **parts), "load")
    assert [cell.css for cell in rows[0].hours[:2]] == ["out sev-major", "out sev-advisory"]
    assert len(rows) == 21
    assert [cell.css for cell in rows[-1].hours[15:18]] == ["none", "off", "off"]


def test_the_drawn_days_end_where_the_month_does_for_now() -> None:
    days = power.days_of(slots(NOVEMBER), SHANGHAI, BOUND)
    view = power_page.View("s/e", NOVEMBER, "load", 7, 31)
    assert power_page.drawn_span(view, days) == (local(2026, 11, 15), NOVEMBER.until)
    one = power_page.View("s/e", NOVEMBER, "load", 1, 3)
    assert power_page.drawn_span(one, days) == (local(2026, 11, 3), local(2026, 11, 4))
    new = power.month_at(2026, 11, SHANGHAI, local(2026, 11, 1) + 60_000)
    fresh = power_page.View("s/e", new, "load", 7, 31)
    assert power_page.drawn_span(fresh, power.days_of(slots(new), SHANGHAI, BOUND)) == (new.start, new.start + SLOT_MS)


# --- drawings ---------------------------------------------------------------------------------------------------


def test_one_missing_quarter_hour_is_a_gap_and_so_is_silence_at_the_end() -> None:
    own = [Slot(NOVEMBER.start + n * SLOT_MS, 0.95) for n in range(20)]
    own[5] = Slot(own[5].at, quality="bad", cause="no_response")
    own += [Slot(NOVEMBER.start + n * SLOT_MS) for n in range(20, 24)]
    span = (NOVEMBER.start, NOVEMBER.start + 24 * SLOT_MS)
    point = power_page.curve_points(BOUND, None, HERE)["power_factor"]
    found = power_drawing.curve(own, lambda slot: slot.power_factor, point, span, HERE)
    assert len(found.trend.lines) == 2
    assert found.trend.gaps[0].text.startswith("no response")
    assert found.trend.gaps[1].text.startswith("no data")
    assert len(found.trend.gaps) == 2
    assert found.trend.limits[0].text == "limit 0.900, clause h-5.3.1-pf"


def test_doubtful_quarter_hours_are_marked_under_the_curve() -> None:
    own = [Slot(NOVEMBER.start + n * SLOT_MS, 0.95, quality="uncertain" if n == 3 else "good", cause="late" if n == 3 else "none") for n in range(8)]  # fmt: skip
    point = power_page.curve_points(BOUND, None, HERE)["power_factor"]
    found = power_drawing.curve(own, lambda slot: slot.power_factor, point, (own[0].at, own[-1].at + SLOT_MS), HERE)
    assert [one.quality for one in found.doubts] == ["uncertain"]


def test_stages_are_solid_where_they_stay_and_hatched_where_they_come_and_go() -> None:
    stages: list[tuple[float, float] | None] = [(4, 4), (4, 4), (2, 5), None, (0, 0)]
    own = [Slot(NOVEMBER.start + n * SLOT_MS, stages=one) for n, one in enumerate(stages)]
    found = power_drawing.steps(own, BOUND, (own[0].at, own[-1].at + SLOT_MS), HERE)
    assert found is not None
    assert [bar.text.rpartition(": ")[2] for bar in found.steady] == ["4 stages", "2 – 5 stages"]
    assert len(found.at_times) == 1
    assert len(found.gaps) == 1
    assert found.steady[0].width == pytest.approx(2 * found.steady[1].width, abs=0.2)
    assert [row.text for row in found.rows] == ["0", "4", "8"]
    assert power_drawing.steps(own[3:4], BOUND, (own[3].at, own[4].at), HERE) is None


def test_demand_stands_against_the_contract_and_else_against_the_rating() -> None:
    contract = Bounds(rated_kva=1056, contract_kw=800)
    assert power_page.curve_points(contract, None, HERE)["demand"].unit == "kW"
    assert power_page.demand_text(contract, HERE) == "contract 800\u00a0kW"
    assert power_page.demand_text(BOUND, HERE) == "rated 1056\u00a0kVA"
    assert power_page.curve_points(Bounds(), None, HERE)["demand"].limits == ()


def test_the_load_duration_curve_falls_from_the_greatest_load() -> None:
    found = power_drawing.duration([90.0, 50.0, 10.0], power_page.curve_points(BOUND, None, HERE)["load"], HERE)
    assert found is not None
    heights = [float(part.split(",")[1]) for part in found.path[1:].split(" L")]
    assert heights == sorted(heights)
    assert power_drawing.duration([1.0], power_page.curve_points(BOUND, None, HERE)["load"], HERE) is None


def test_the_table_to_keep_has_every_quarter_hour_and_empty_cells_for_the_unknown() -> None:
    own = [
        Slot(NOVEMBER.start, 0.85, 100.0, 62.0, 50.0, (3, 4)),
        Slot(NOVEMBER.start + SLOT_MS, quality="bad", cause="no_response"),
    ]
    lines = power_page.slots_csv(own, BOUND, HERE).split("\r\n")
    assert lines[1] == "2026-11-01T00:00:00+08:00,0.85,100,62,50,3,4,1,1,good,none"
    assert lines[2] == "2026-11-01T00:15:00+08:00,,,,,,,0,0,bad,no_response"
    assert HOUR_MS == 4 * SLOT_MS
