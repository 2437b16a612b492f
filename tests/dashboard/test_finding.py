"""The list with its filters, search, and what is done to many tickets at once, as people see it."""

import re

import httpx
import pytest

from tests.dashboard.conftest import client
from tests.dashboard.test_pages import words_of
from tests.dashboard.world import World


def numbers(html: str) -> list[str]:
    return re.findall(r'data-row="(T-\d+)"', html)


async def test_a_filter_is_a_chip_that_leads_to_the_list_without_it(reader: httpx.AsyncClient) -> None:
    html = (await reader.get("/tickets?open=1&priority=major&holder=nobody")).text
    assert "Priority: major" in words_of(html)
    assert 'href="/tickets?open=1&amp;holder=nobody"' in html
    assert 'href="/tickets?open=1&amp;priority=major"' in html
    assert 'href="/tickets?open=any&amp;priority=major&amp;holder=nobody"' in html


async def test_open_tickets_stand_by_what_is_due_next(reader: httpx.AsyncClient) -> None:
    assert numbers((await reader.get("/tickets")).text) == [f"T-00000{n}" for n in (2, 6, 5, 1, 3, 4)]


@pytest.mark.parametrize(
    ("query", "told"),
    [("priority=high", "Possible: general, major"), ("site=nowhere", "nothing here is called “nowhere”"), ("due=soon", "is not a number of minutes"),
     ("from=yesterday", "is not a day")],
)  # fmt: skip
async def test_a_wrong_filter_is_told_and_not_an_empty_list(reader: httpx.AsyncClient, query: str, told: str) -> None:
    answer = await reader.get(f"/tickets?{query}")
    assert answer.status_code == 422
    assert told in words_of(answer.text)
    assert "No ticket here" not in answer.text


async def test_a_saved_view_is_a_link_with_its_count_and_says_where_one_is(reader: httpx.AsyncClient) -> None:
    html = (await reader.get("/tickets?open=1&holder=nobody")).text
    assert re.search(r'href="/tickets\?open=1&amp;holder=nobody" aria-current="page">Nobody has taken \d', html)
    assert numbers((await reader.get("/tickets?show=untaken")).text) == numbers(html)


async def test_pages_have_numbers_and_what_follows_is_reached(
    reader: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.dashboard.routes_lists.PAGE_SIZE", 2)
    monkeypatch.setattr("cloud.dashboard.find_page.PAGE_SIZE", 2)
    html = (await reader.get("/tickets?open=1&page=2")).text
    assert numbers(html) == ["T-000005", "T-000001"]
    assert "Page 2 of 3" in words_of(html)
    assert 'rel="next" href="/tickets?open=1&amp;page=3"' in html
    monkeypatch.setattr("cloud.tickets.search_pages.count.__defaults__", (4,))
    html = (await reader.get("/tickets?open=1&page=2")).text
    assert "more than 4 tickets" in words_of(html)
    follows = re.search(r'rel="next" href="([^"]*after=[^"]*)"', html)
    assert follows is not None
    assert numbers((await reader.get(follows[1].replace("&amp;", "&"))).text) == ["T-000003", "T-000004"]


async def test_search_marks_what_it_found_in_both_languages(desk: World, reader: httpx.AsyncClient) -> None:
    html = (await reader.get("/search?q=power fac")).text
    assert "<mark>Power</mark> <mark>factor</mark>" in html
    assert "h-5.3.1-pf" in html  # the clause
    async with client(desk, "duty_engineer", "zh") as zh:
        zh.cookies.set("plantroom_language", "zh")
        assert "<mark>功率因数</mark>" in (await zh.get("/search?q=功率因数")).text


async def test_a_number_goes_to_its_ticket(reader: httpx.AsyncClient) -> None:
    for typed in ("T-3", "t-000003", "T3"):
        assert (await reader.get("/search", params={"q": typed})).headers["location"] == "/tickets/T-000003", typed


async def test_chosen_tickets_are_done_one_by_one_and_the_page_says_what_happened(
    desk: World, reader: httpx.AsyncClient
) -> None:
    life = await desk.raise_alarm("lift_1", "entrapment_button", 60_000)
    form = {"ticket": ["T-000005", "T-000001", f"T-{life:06d}"], "action": "acknowledge", "back": "/tickets?open=1"}
    text = words_of((await reader.post("/tickets/bulk", data=form)).text)
    assert "1 ticket: done; 2 tickets: not done" in text
    assert "T-000005 done Taken" in text
    assert "Life safety is acknowledged one by one" in text


async def test_a_viewer_has_nothing_to_tick(desk: World) -> None:
    await desk.add_user("guest", "viewer")
    async with client(desk, "guest") as guest:
        assert 'type="checkbox"' not in (await guest.get("/tickets")).text


async def test_an_export_has_the_list_s_filters_and_the_reader_s_words(desk: World) -> None:
    async with client(desk, "duty_engineer", "zh") as zh:
        zh.cookies.set("plantroom_language", "zh")
        html = (await zh.get("/tickets?open=1&priority=major")).text
        link = re.search(r'href="(/tickets/export\?[^"]*as=csv)"', html)
        assert link is not None
        answer = await zh.get(link[1].replace("&amp;", "&"))
    lines = answer.text.splitlines()
    assert lines[0].startswith("\ufeff工单")
    assert "响应：应于" in lines[0]
    assert len(lines) == 1 + len(numbers(html))
    assert "attachment" in answer.headers["content-disposition"]


async def test_an_export_that_cannot_be_is_refused(reader: httpx.AsyncClient) -> None:
    assert (await reader.get("/tickets/export?as=pdf")).status_code == 422
    assert (await reader.get("/tickets/export?priority=high")).status_code == 422
