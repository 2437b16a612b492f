"""A cut connection: the page says since when its values are old, and goes on by itself when the server is back, nothing twice."""

import re
from contextlib import AsyncExitStack
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open, Served
from tests.dashboard.world import MINUTE

SHAPES = [(1440, "en"), (1440, "zh"), (1024, "en"), (1024, "zh"), (390, "en"), (390, "zh")]
PUMP = "/equipment/riverside/booster_1"
TREND = "/trends?p=riverside/booster_1/discharge_pressure&span=1h"
PAGES = {"equipment": PUMP, "trends": TREND, "gateway": "/gateways/gw_1", "gateways": "/gateways", "power": "/power"}
WORDS = {
    "en": ("Live", "Reconnecting", r"Live values stopped at \d\d:\d\d:\d\d"),
    "zh": ("实时", "正在重连", r"实时值停在 \d\d:\d\d:\d\d"),
}
VALUE = "tr[data-row=discharge_pressure] .v"
ALIKE = """() => {
  const ids = [...document.querySelectorAll("[id]")].map(one => one.id), rows = [...document.querySelectorAll("[data-row]")].map(one => one.dataset.row);
  const twice = list => list.filter((one, at) => list.indexOf(one) !== at);
  return {twice: [...twice(ids), ...twice(rows)], charts: document.querySelectorAll("canvas").length, untouched: window.untouched === true,
          wide: document.documentElement.scrollWidth};
}"""


async def pressure(served: Served, value: float) -> None:
    await served.world.past("booster_1", "discharge_pressure", {served.world.clock.now_ms(): value})
    served.world.app.state.hub.publish("samples")


async def open_all(stack: AsyncExitStack, at: Open, width: int, language: str) -> dict[str, Page]:
    """Every page live, with a mark that a reload would lose."""
    pages = {}
    for name, path in PAGES.items():
        page = await stack.enter_async_context(at(path, width=width, language=language, may_complain=True))
        await page.clock.install()
        await page.reload()
        await expect(page.locator("#live")).to_contain_text(WORDS[language][0])
        await page.evaluate("window.untouched = true")
        pages[name] = page
    return pages


async def goes_on(served: Served, pages: dict[str, Page], width: int, value: float) -> None:
    """A new value arrives where it belongs, and every page is what it was, once."""
    await pressure(served, value)
    shown = await pages["trends"].locator("[data-shown]").get_attribute("data-shown")
    await expect(pages["equipment"].locator(VALUE)).to_have_text(f"{value:.3f}", timeout=20_000)
    await pages["trends"].clock.fast_forward(6_000)
    await expect(pages["trends"].locator("[data-shown]")).not_to_have_attribute(
        "data-shown", shown or "", timeout=20_000
    )
    for name, page in pages.items():
        told = await page.evaluate(ALIKE)
        assert told == {"twice": [], "charts": int(name == "trends"), "untouched": True, "wide": width}, name


async def is_cut(pages: dict[str, Page], language: str, since: datetime) -> None:
    _, reconnecting, stopped = WORDS[language]
    for page in pages.values():
        await page.clock.fast_forward(6_500)
        await expect(page.locator("#live")).to_contain_text(reconnecting)
        await expect(page.locator("#lost")).to_be_hidden()
        await page.clock.fast_forward(10_000)
        await expect(page.locator("#lost")).to_contain_text(re.compile(stopped))
        told = re.search(r"(\d\d):(\d\d):(\d\d)", await page.locator("#lost").inner_text())
        assert told is not None
        hour, minute, second = map(int, told.groups())
        late = (since - since.replace(hour=hour, minute=minute, second=second)).total_seconds()
        assert min(late % 86_400, -late % 86_400) < 60  # the hour of the site, when the last was heard
        assert "is-lost" in (await page.locator("body").get_attribute("class") or "")


async def is_back(pages: dict[str, Page], language: str) -> None:
    for page in pages.values():
        await expect(page.locator("#live")).to_contain_text(WORDS[language][0], timeout=30_000)
        await expect(page.locator("#lost")).to_be_hidden()
        assert "is-lost" not in (await page.locator("body").get_attribute("class") or "")


async def cut_and_back(served: Served, at: Open, width: int, language: str) -> None:
    now = served.world.clock.now_ms()
    await served.world.past("booster_1", "discharge_pressure", {now - n * MINUTE: 0.8 for n in range(1, 50)})
    async with AsyncExitStack() as stack:
        pages = await open_all(stack, at, width, language)
        await goes_on(served, pages, width, 0.711)
        await served.stop()
        await is_cut(pages, language, served.world.clock.now().astimezone(ZoneInfo("Asia/Shanghai")))
        await served.start()
        await is_back(pages, language)
        await goes_on(served, pages, width, 0.722)


@pytest.mark.proof
@pytest.mark.timeout(180)
async def test_a_phone_that_lost_the_server_says_so_and_goes_on(served: Served, at: Open) -> None:
    await cut_and_back(served, at, 390, "zh")


@pytest.mark.proof
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("width", "language"), SHAPES)
async def test_every_shape_says_that_the_server_is_away_and_goes_on(
    served: Served, at: Open, width: int, language: str
) -> None:
    await cut_and_back(served, at, width, language)
