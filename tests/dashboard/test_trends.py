"""Trends: points of any equipment on one time axis, from an address that says everything."""

import csv
import io
import json
import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import httpx

from cloud.dashboard import trends, words
from cloud.dashboard.chart import LEFT, Bucket
from cloud.dashboard.history import Range
from cloud.dashboard.present import Here
from cloud.dashboard.rows import EquipmentRow, LimitMark, PointRow
from cloud.dashboard.trends import Asked, Read
from tests.dashboard.conftest import client
from tests.dashboard.world import HOUR, MINUTE, SATURDAY, World

POWER_FACTOR, LOAD = "riverside/incomer_2/power_factor", "riverside/incomer_2/load_percent"
PUMP = "riverside/booster_3/discharge_pressure"


def here() -> Here:
    return Here(words.load("en"), ZoneInfo("Asia/Shanghai"), SATURDAY)


def read(point: str, unit: str, buckets: list[Bucket] | None, before: list[Bucket] | None = None) -> Read:
    row = EquipmentRow("riverside", "incomer_2", "lv_switchgear", "power", {"en": "Incomer 2", "zh": ""})
    limits = (LimitMark("low", "<", 0.9, "major", "e-pf"),) if unit == "" else ()
    return Read(("riverside", "incomer_2", point), row, PointRow(point, {"en": point}, "gauge", unit, 2, limits=limits), buckets, before or [])  # fmt: skip


def steady(value: float, count: int = 60, quality: str = "good") -> list[Bucket]:
    return [Bucket(SATURDAY - HOUR + n * MINUTE, value, value, value, quality) for n in range(count)]


HOURLY = Asked((), Range(SATURDAY - HOUR, SATURDAY, "1h"))


def test_an_address_gives_the_same_view_again() -> None:
    view = trends.asked({"compare": "week", "apart": "1"}, [POWER_FACTOR, PUMP, POWER_FACTOR], Range(1, 2))
    assert view.points == (("riverside", "incomer_2", "power_factor"), ("riverside", "booster_3", "discharge_pressure"))
    assert view.query == f"p={POWER_FACTOR}&p={PUMP}&compare=week&apart=1&from=1&to=2"


def test_what_an_address_names_wrongly_is_left_out_and_eight_points_are_the_most() -> None:
    view = trends.asked({"compare": "century"}, ["nothing", "a//b", *(f"s/e/p{n}" for n in range(9))], Range(1, 2))
    assert view.compare == ""
    assert [key[2] for key in view.points] == [f"p{n}" for n in range(8)]
    assert view.plus(("s", "e", "p9")).points == view.points


def test_points_of_a_unit_share_a_scale_four_at_most_and_other_units_have_their_own() -> None:
    found = [read(f"v{n}", "V", steady(230 + n)) for n in range(5)] + [read("pf", "", steady(0.8))]
    assert [[one.point.id for one in part] for part in trends.groups(HOURLY, found)] == [
        ["v0", "v1", "v2", "v3"],
        ["v4"],
        ["pf"],
    ]
    panels = trends.panels(HOURLY, found, [], here())
    assert [panel.unit for panel in panels] == ["V", "V", ""]
    assert [curve.dash for curve in panels[0].curves] == [0, 1, 2, 3]
    assert [len(part) for part in trends.groups(Asked((), HOURLY.range, is_apart=True), found)] == [1] * 6


def test_a_limit_is_drawn_once_and_the_figures_are_each_curves_own() -> None:
    (panel,) = trends.panels(HOURLY, [read("a", "", steady(0.95)), read("b", "", steady(0.8))], [], here())
    assert [line.text for line in panel.trend.limits] == ["limit 0.90, clause e-pf"]
    assert [curve.figures[1].split("\u00a0")[0] for curve in panel.curves] == ["0.95", "0.80"]


def test_what_lies_beyond_a_limit_is_another_line_of_its_severity() -> None:
    falls = [*steady(0.95, 30), *(replace(one, at=one.at + 30 * MINUTE) for one in steady(0.8, 30))]
    (panel,) = trends.panels(HOURLY, [read("a", "", falls)], [], here())
    (curve,) = panel.curves
    assert ([line.is_out for line in curve.lines], curve.severity) == ([False, True], "major")


def test_a_bad_or_uncertain_stretch_is_marked_with_its_time_and_cause() -> None:
    buckets = [*steady(0.95, 3), Bucket(SATURDAY - HOUR + 3 * MINUTE, None, None, None, "bad", "no_response")]
    (panel,) = trends.panels(HOURLY, [read("a", "", buckets)], [], here())
    assert [(mark.quality, mark.text) for mark in panel.doubts] == [("bad", "15:08 bad: no response")]


def test_what_it_is_compared_with_lies_on_the_same_axis() -> None:
    before = trends.moved([Bucket(SATURDAY - HOUR - trends.WEEK_MS, 0.7)], trends.WEEK_MS)
    (panel,) = trends.panels(HOURLY, [read("a", "", steady(0.95), before)], [], here())
    assert panel.curves[0].was[0].path.startswith(f"M{LEFT:.1f},")


def test_a_store_that_fails_costs_its_curve_and_names_it() -> None:
    (panel,) = trends.panels(HOURLY, [read("a", "", None)], [], here())
    assert (panel.is_empty, panel.failures) == (True, ("Incomer 2 · a",))


def test_nothing_lies_later_than_now() -> None:
    past = Asked((), Range(SATURDAY - 3 * HOUR, SATURDAY - 2 * HOUR))
    links = {move.id: move.href for move in trends.moves(past, here())}
    assert links["later"] == f"/trends?from={SATURDAY - 3 * HOUR + HOUR // 2}&to={SATURDAY - 2 * HOUR + HOUR // 2}"
    assert {move.id: move.href for move in trends.moves(HOURLY, here())}["later"] == ""


# --- the pages --------------------------------------------------------------------------------------------------------


async def test_points_of_several_machines_are_drawn_with_their_limits_alarms_and_figures(
    desk: World, reader: httpx.AsyncClient
) -> None:
    await desk.past("booster_3", "discharge_pressure", {SATURDAY - n * MINUTE: 0.6 for n in range(1, 60)})
    page = (await reader.get(f"/trends?p={POWER_FACTOR}&p={PUMP}&span=24h&compare=before")).text
    assert page.count('class="body plot"') == 2
    assert "LV incomer 2 · Power factor" in page
    assert "clause h-5.3.1-pf<" in page
    assert "In this range" in page
    assert re.search(r'<a href="/tickets/T-\d+">\S+ alarm</a>', page)
    assert 'style="' not in page


async def test_the_script_gets_the_columns_that_the_server_drew(reader: httpx.AsyncClient) -> None:
    data = json.loads((await reader.get(f"/trends.json?p={POWER_FACTOR}&p={LOAD}&span=1h")).text)
    assert data["isLive"] is True
    one = data["panels"][0]["series"][0]
    assert len(one["at"]) == len(one["mean"]) == len(one["low"]) > 10
    assert data["panels"][0]["limits"][0]["value"] == 0.9
    assert one["limits"] == [{"op": "<", "value": 0.9, "severity": "major"}]


async def test_a_curve_beyond_its_limit_is_drawn_so_without_a_script(reader: httpx.AsyncClient) -> None:
    page = (await reader.get(f"/trends?p={POWER_FACTOR}&span=24h")).text
    assert re.search(r'<g class="sev-major">.*<path class="out d0" d="M', page)


async def test_the_table_holds_each_point_by_its_name(desk: World, reader: httpx.AsyncClient) -> None:
    await desk.past("booster_3", "discharge_pressure", {SATURDAY - MINUTE: 0.6})
    answer = await reader.get(f"/trends.csv?p={POWER_FACTOR}&p={PUMP}&span=1h")
    assert answer.headers["content-type"].startswith("text/csv")
    names = {row[0] for row in csv.reader(io.StringIO(answer.text))}
    assert names == {"point", "incomer_2/power_factor", "booster_3/discharge_pressure"}
    units = {row[0]: row[-1] for row in csv.reader(io.StringIO(answer.text))}
    assert units["booster_3/discharge_pressure"] == "MPa"


async def test_a_file_of_an_impossible_range_is_refused_with_what_to_write(reader: httpx.AsyncClient) -> None:
    for path in (f"/trends.csv?p={POWER_FACTOR}", "/equipment/riverside/incomer_2/history.csv?p=power_factor"):
        answer = await reader.get(f"{path}&from=2026-13-01T00:00&to=2026-11-21T07:05")
        assert answer.status_code == 422
        assert "From must lie before to" in answer.text
        assert "write from and to as" in answer.text


async def test_a_point_is_found_by_any_of_its_words_and_added_with_the_view_kept(reader: httpx.AsyncClient) -> None:
    page = (await reader.get(f"/trends?p={POWER_FACTOR}&span=7d&find=booster+pressure")).text
    link = re.search(rf'href="(/trends\?p={POWER_FACTOR}&amp;p={PUMP}&amp;span=7d)"', page)
    assert link is not None
    assert (await reader.get(link[1].replace("&amp;", "&"))).status_code == 200


async def test_an_unknown_point_is_said_and_the_rest_is_drawn(desk: World) -> None:
    async with client(desk, "duty_engineer", "zh") as reader:
        reader.cookies.set("plantroom_language", "zh")
        page = (await reader.get(f"/trends?p=riverside/ghost/x&p={POWER_FACTOR}")).text
    assert "此处未知或非数值：riverside/ghost/x" in page
    assert page.count('class="body plot"') == 1


def test_a_day_of_data_in_a_year_is_not_a_year_outside_the_limit() -> None:
    year = Range(SATURDAY - 366 * 24 * HOUR, SATURDAY, "1y")
    for buckets in (steady(0.8, 1), [steady(0.8, 1)[0], Bucket(SATURDAY - 200 * 24 * HOUR, 0.8, 0.8, 0.8)]):
        (panel,) = trends.panels(Asked((), year), [read("pf", "", buckets)], [], here())
        assert panel.curves[0].figures[3:] in {("17 h 34 min", "365 d 06 h"), ("1 d 11 h", "364 d 12 h")}
