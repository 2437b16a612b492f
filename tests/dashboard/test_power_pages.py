"""The page of power quality: what it says with a full month, an empty one, a silent meter, a dead store, and no incomer."""

import csv
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cloud.storage import tables as t
from cloud.telemetry.store import Row
from tests.dashboard import scenario, world
from tests.dashboard.conftest import client
from tests.dashboard.world import SATURDAY, World
from tests.support import power_months as made
from tests.support.power_months import local

INCOMER = "riverside/incomer_2"
FAILS, SILENT = local(2026, 11, 18), (local(2026, 11, 19, 2), local(2026, 11, 19, 4))


@pytest.fixture
async def metered(tmp_path: Path) -> AsyncIterator[World]:
    of = await world.make(tmp_path)
    await scenario.afternoon(of)
    await of.store.write([
        *made.quarter_hours("incomer_2", local(2026, 11, 17), SATURDAY // made.QUARTER * made.QUARTER, fails=FAILS, silent=SILENT),
        *made.counters("incomer_2", local(2026, 10, 1), local(2026, 11, 1), ratio=0.6),
        *made.counters("incomer_2", local(2026, 11, 1), SATURDAY, resets=local(2026, 11, 9)),
    ])  # fmt: skip
    await made.mend_counters(of.store, "incomer_2")
    yield of
    await of.store.close()
    await of.database.close()


async def page(of: World, query: str = "", language: str = "en") -> str:
    async with client(of, "duty_engineer") as reader:
        reader.cookies.set("plantroom_language", language)
        answer = await reader.get(f"/power?at={INCOMER}{query}")
    assert answer.status_code == 200, answer.text[:800]
    assert 'style="' not in answer.text
    return answer.text


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).replace("\u00a0", " ")


async def test_the_first_line_answers_and_the_figures_behind_it_follow(metered: World) -> None:
    text = plain(await page(metered))
    assert "Yes, so far. Nov 2026 has a power factor of 0.958 until now; the clause asks for at least 0.90." in text
    assert "counter began again Mon 9 Nov 00:00" in text.replace("9 Nov 00:00", "Mon 9 Nov 00:00")
    assert "h-5.3.1-pf" in text
    assert "no response Thu 02:00 – Thu 04:00" in await page(metered)


async def test_a_month_below_the_limit_is_said_so_in_both_languages(metered: World) -> None:
    assert "No. Oct 2026 has a power factor of 0.857; the clause asks for at least 0.90." in plain(
        await page(metered, "&month=2026-10")
    )
    assert "不符合。2026 年 10 月功率因数为 0.857，条款要求不低于 0.90。" in plain(
        await page(metered, "&month=2026-10", "zh")
    )
    assert "至今符合。2026 年 11 月截至目前功率因数为 0.958，条款要求不低于 0.90。" in plain(
        await page(metered, language="zh")
    )


async def test_the_day_without_compensation_is_marked_hour_by_hour(metered: World) -> None:
    html = await page(metered)
    days = re.findall(r"<tr(?: class=\"drawn-day\")?><th scope=\"row\">.*?</tr>", html, re.DOTALL)
    failed = next(day for day in days if "18 Nov" in day)
    assert failed.count('class="out sev-major"') >= 8
    assert re.search('title="Wed 18 Nov 14:00: power factor 0.860, load 6\\d\u00a0%, below 0.90"', failed)
    assert "out sev-major" not in next(day for day in days if "20 Nov" in day)


async def test_load_is_shown_by_choice_and_one_day_by_its_name(metered: World) -> None:
    html = await page(metered, "&heat=load&days=1&last=18")
    assert html.count('class="drawn-day"') == 1
    assert '<td class="l3" title="Wed 18 Nov 14:00' in html
    assert re.search(r"Wed 18 Nov to Wed 18 Nov", html)


async def test_stages_are_drawn_where_a_device_tells_them_and_missed_in_words_where_none_does(metered: World) -> None:
    assert "Neither meter nor controller" in await page(metered)
    await made.tell_stages(metered.database, "incomer_2")
    html = await page(metered)
    assert html.count('class="steady"') > 20
    assert "8 installed" in html


async def test_a_month_without_history_says_so(metered: World) -> None:
    text = plain(await page(metered, "&month=2025-02"))
    assert "No quarter hour of this month was read" in text
    assert "Not known for Feb 2025: no reading of the active energy." in text


async def test_a_silent_meter_is_said_above_values_that_end(metered: World) -> None:
    metered.clock.ms += 3 * world.HOUR
    assert "Newest reading: stale" in plain(await page(metered))
    assert "Newest reading" not in await page(metered, "&month=2026-10")


async def test_a_dead_store_costs_the_figures_not_the_page(metered: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> list[Row]:
        raise OSError("gone")

    monkeypatch.setattr(metered.store, "range", broken)
    html = await page(metered)
    assert "history_unavailable" in html
    async with client(metered, "duty_engineer") as reader:
        for table in (
            "/power.csv",
            "/power/months.csv",
            f"/trends.csv?p={INCOMER}/power_factor",
            f"/equipment/{INCOMER}/history.csv",
        ):
            answer = await reader.get(table)
            assert (answer.status_code, "History cannot be read now" in answer.text) == (503, True)
    assert "LV incomer 2" in html


async def test_a_desk_without_an_incomer_says_what_would_be_here(empty: World) -> None:
    async with empty.database.write() as connection:
        await connection.execute(t.point.delete())
    await empty.add_user("duty_engineer", "engineer", "Duty engineer")
    async with client(empty, "duty_engineer") as reader:
        html = (await reader.get("/power")).text
        assert "No incomer with a power meter" in html
        assert (await reader.get("/power?at=riverside/lift_1")).status_code == 200
        assert (await reader.get("/power.csv?at=riverside/lift_1")).status_code == 404


STRANGE = (
    "&month=x&days=²",
    "&days=9&last=-1&heat=blue",
    "&last=999999999999&month=2026-02-30",
    "&month=2026-13",
    "&last=" + "9" * 5000,
    "&days=" + "9" * 5000,
    "&month=2026-" + "9" * 5000,
)


async def test_a_strange_address_shows_the_month_of_now_and_what_is_no_incomer_is_not_found(metered: World) -> None:
    for query in STRANGE:
        assert "Nov 2026" in await page(metered, query)
    async with client(metered, "duty_engineer") as reader:
        assert (await reader.get("/power?at=riverside/ghost")).status_code == 404


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("&month=2026-13", "month=2026-13"),
        ("&month=2027-01", "month=2027-01"),
        ("&month=1999-12", "month=1999-12"),
        ("&month=2026-11&last=32&days=9", "days=9, last=32"),
        ("&month=" + "9" * 5000, "month=" + "9" * 20),
    ],
)
async def test_what_the_address_says_in_vain_is_told_with_what_is_shown(metered: World, query: str, said: str) -> None:
    assert f"Not understood in the address: {said}. Shown is Nov 2026;" in plain(await page(metered, query))
    assert f"地址中无法识别：{said}。现显示 2026 年 11 月；" in plain(await page(metered, query, "zh"))
    async with client(metered, "duty_engineer") as reader:
        for file in ("/power.csv", "/power/months.csv"):
            answer = await reader.get(f"{file}?at={INCOMER}{query}")
            assert answer.status_code == 422
            assert f"Not understood in the address: {said}." in answer.text


async def test_addresses_that_the_page_makes_are_understood(metered: World) -> None:
    for query in ("", "&month=2026-11", "&month=2000-01&heat=load&days=1&last=31", "&month=&last=1"):
        assert "Not understood" not in await page(metered, query)


async def test_both_tables_are_given_to_keep(metered: World) -> None:
    async with client(metered, "duty_engineer") as reader:
        quarters = await reader.get(f"/power.csv?at={INCOMER}&month=2026-11")
        months = await reader.get(f"/power/months.csv?at={INCOMER}")
    rows = list(csv.DictReader(io.StringIO(quarters.text)))
    assert len(rows) == (SATURDAY - local(2026, 11, 1)) // made.QUARTER
    assert sum(int(row["below_limit"]) for row in rows) > 50
    assert quarters.headers["content-disposition"].endswith('incomer_2_2026-11.csv"')
    found = {row["month"]: row for row in csv.DictReader(io.StringIO(months.text))}
    assert (found["2026-10"]["meets_limit"], found["2026-11"]["meets_limit"], found["2026-09"]["meets_limit"]) == (
        "0",
        "1",
        "",
    )
    assert found["2026-11"]["counter_resets"] == "2"  # on the 9th, and where October's counter gave way to November's


async def test_the_menu_leads_here(reader: httpx.AsyncClient) -> None:
    assert 'href="/power" aria-current="page"' in (await reader.get("/power")).text


async def test_voltage_and_harmonics_are_read_when_asked_for(metered: World) -> None:
    at = local(2026, 11, 20)
    values = {at + n * made.QUARTER: 250.0 if n < 4 else 220.0 for n in range(16)}
    await metered.past("incomer_2", "voltage_l1", {**values, at + 17 * made.QUARTER: None})
    assert "Read them" in await page(metered)
    text = plain(await page(metered, "&more=1"))
    assert "Voltage L1 220.0 V 227.5 V 250.0 V" in text
    assert "gbt12325-voltage" in text
    assert re.search(r"25\.0 %", text)
