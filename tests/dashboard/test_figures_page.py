"""The page of figures: every number with its sum, its meaning, and the list behind it."""

import re
from typing import Any
from zoneinfo import ZoneInfo

import httpx

from cloud.dashboard import words
from cloud.dashboard.figures_drawing import bars_of
from cloud.dashboard.figures_page import part_of, share_text
from cloud.dashboard.present import Here
from cloud.reports.backlog import Point
from cloud.reports.figures import Share
from tests.dashboard.conftest import client
from tests.dashboard.world import World

NOW = 1_795_248_312_000
DAY = 86_400_000
EN = Here(words.load("en"), ZoneInfo("Asia/Shanghai"), NOW)
ZH = Here(words.load("zh"), ZoneInfo("Asia/Shanghai"), NOW)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def links(html: str, start: str) -> list[str]:
    return [found.replace("&amp;", "&") for found in re.findall(r'href="([^"]*)"', html) if found.startswith(start)]


async def page(reader: httpx.AsyncClient, query: str = "") -> str:
    answer = await reader.get(f"/figures{query}")
    assert answer.status_code == 200, answer.text[:500]
    return answer.text


def test_a_percentage_never_stands_without_its_sum_and_is_never_rounded_up() -> None:
    assert share_text(Share(38, 40), EN) == "95.0\u00a0% (38 of 40)"
    assert share_text(Share(38, 40), ZH) == "95.0%（40 中 38）"
    assert share_text(Share(9999, 10_000), EN) == "99.9\u00a0% (9999 of 10\u2009000)"
    assert share_text(Share(0, 0), EN) == "none to judge"


def test_the_bar_of_a_share_has_both_parts() -> None:
    part = part_of(Share(3, 4), EN)
    assert (part.met, part.late) == (75.0, 25.0)
    assert (part_of(Share(0, 0), EN).met, part_of(Share(0, 0), EN).late) == (0, 0)


def test_the_drawing_begins_at_zero_and_holds_the_highest_bar() -> None:
    bars = bars_of([Point(NOW - (30 - day) * DAY, day * 3) for day in range(31)], EN)
    assert bars.bars[0].height == 0
    assert all(bar.y >= 0 and bar.y + bar.height <= bars.bottom + 0.2 for bar in bars.bars)
    assert [text for _, text in bars.grid] == ["0", "50", "100"]
    assert sum(bool(bar.label) for bar in bars.bars) <= 8
    assert bars_of([], EN).bars == ()


async def test_the_page_tells_shares_durations_backlog_and_what_they_mean(reader: httpx.AsyncClient) -> None:
    text = text_of(await page(reader))
    for said in ("In time, and how long", "of those decided", "From when the fault began", "Open tickets", "Reopened",
                 "A late one stays late", "Period before", "Clause m-2.1.3-95"):  # fmt: skip
        assert said in text, said


async def test_every_number_leads_to_a_list_of_that_length(reader: httpx.AsyncClient) -> None:
    html = await page(reader)
    behind = links(html, "/figures/clocks")
    assert behind
    for href in behind:
        listed = (await reader.get(href)).text
        shown = re.search(rf'href="{re.escape(href.replace("&", "&amp;"))}">([0-9]+)<', html)
        assert shown is not None
        assert len(set(links(listed, "/tickets/T-"))) <= int(shown[1])
        assert listed.count("<tr data-row>") == int(shown[1])


async def test_it_groups_by_everything_in_both_languages(desk: World) -> None:
    for language in ("en", "zh"):
        async with client(desk, "duty_engineer", language) as reader:
            reader.cookies.set("plantroom_language", language)
            for by in ("site", "system", "person", "clause", "kind", "priority"):
                html = await page(reader, f"?by={by}&period=this_year")
                assert 'id="groups"' in html


async def test_a_period_that_cannot_be_says_so_in_place(reader: httpx.AsyncClient) -> None:
    answer = await reader.get("/figures?from=2026-11-30&to=2026-11-01")
    assert answer.status_code == 422
    assert "lies after" in answer.text
    assert 'name="from"' in answer.text


async def test_nothing_yet_is_said_and_no_share_of_nothing_is_shown(empty: World) -> None:
    await empty.add_user("anna", "admin")
    async with client(empty, "anna") as reader:
        text = text_of(await page(reader))
        assert "No ticket was opened and no clock was due in this period." in text
        assert "0 %" not in text.replace("\u00a0", " ")


async def test_only_roles_that_may_see_it_have_it_in_their_navigation(desk: World) -> None:
    shown: dict[str, Any] = {}
    for name in ("duty_engineer", "electrician_a"):
        async with client(desk, name) as reader:
            shown[name] = (
                'href="/figures"' in (await reader.get("/tickets")).text,
                (await reader.get("/figures")).status_code,
            )
    assert shown == {"duty_engineer": (True, 200), "electrician_a": (False, 403)}
