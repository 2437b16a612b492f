"""Trends in a real browser: drawn, followed, seen closer, saved as a picture, and read without a script."""

import re
import struct
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.conftest import OUTPUT, Open, Served, sign_in
from tests.dashboard.world import MINUTE

VIEW = "/trends?p=riverside/incomer_2/power_factor&p=riverside/booster_3/discharge_pressure&span=24h&compare=before"


IN_COLOUR = """() => {
  const pixels = (canvas) => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const one = document.createElement("canvas");
  one.width = one.height = 1;
  const on = one.getContext("2d");
  on.fillStyle = plantroomChart.inkOf("major")[2];
  on.fillRect(0, 0, 1, 1);
  const [r, g, b] = pixels(one);
  const drawn = pixels(document.querySelector(".plot canvas"));
  let count = 0;
  for (let i = 0; i < drawn.length; i += 4) if (drawn[i] === r && drawn[i + 1] === g && drawn[i + 2] === b) count += 1;
  return count;
}"""
"""How many points of the first chart have the colour of what lies beyond a major limit."""


async def history(served: Served) -> None:
    now = served.world.clock.now_ms()
    await served.world.past(
        "booster_3", "discharge_pressure", {now - n * MINUTE: 0.6 + n % 7 / 100 for n in range(1, 900)}
    )


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("width", "theme", "language"), [(1440, "light", "en"), (1024, "light", "zh"), (390, "dark", "zh")]
)
async def test_panels_are_drawn_at_every_width(served: Served, at: Open, width: int, theme: str, language: str) -> None:
    await history(served)
    OUTPUT.mkdir(parents=True, exist_ok=True)
    async with at(VIEW, width=width, theme=theme, language=language) as page:
        await expect(page.locator("canvas")).to_have_count(2)
        await expect(page.locator(".drawn").first).to_be_hidden()
        assert await page.evaluate(IN_COLOUR) > 200
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 390:
            sizes = [await one.bounding_box() for one in await page.locator(".range .btn, [data-png]").all()]
            assert all(box is not None and box["x"] + box["width"] < 380 and box["width"] < 200 for box in sizes)
        await page.screenshot(path=OUTPUT / f"trends-{width}-{theme}-{language}.png", full_page=True, caret="initial")


@pytest.mark.timeout(120)
async def test_a_part_dragged_over_is_seen_closer_and_a_panel_is_saved_as_a_picture(
    served: Served, at: Open, tmp_path: Path
) -> None:
    await history(served)
    async with at(VIEW) as page:
        plot = page.locator(".u-over").first
        box = await plot.bounding_box()
        assert box is not None
        async with page.expect_download() as download:
            await page.locator("[data-png]").first.click()
        picture = tmp_path / "panel.png"
        await (await download.value).save_as(picture)
        width, height = struct.unpack(">II", picture.read_bytes()[16:24])
        assert width > 600
        assert height > 280
        await page.mouse.move(box["x"] + 200, box["y"] + 60)
        await page.mouse.down()
        await page.mouse.move(box["x"] + 420, box["y"] + 60, steps=4)
        await page.mouse.up()
        await page.wait_for_url("**/trends?*from=*to=*")
        assert "span=" not in page.url
        assert "compare=before" in page.url
        await expect(page.locator("canvas")).to_have_count(2)


@pytest.mark.timeout(120)
async def test_the_newest_value_is_followed_while_the_range_ends_now(served: Served, at: Open) -> None:
    await history(served)
    async with at(VIEW.replace("24h", "1h")) as page:
        await expect(page.locator("canvas")).to_have_count(2)
        shown = int(await page.locator("[data-shown]").get_attribute("data-shown") or 0)
        await served.world.past("booster_3", "discharge_pressure", {served.world.clock.now_ms(): 0.9})
        await expect(page.locator("[data-shown]")).not_to_have_attribute("data-shown", str(shown), timeout=30_000)


@pytest.mark.timeout(120)
async def test_the_servers_drawing_serves_where_scripts_are_off(served: Served, at: Open) -> None:
    await history(served)
    async with at(VIEW, script=False) as page:
        await expect(page.locator("svg.trend")).to_have_count(2)
        await expect(page.locator("svg.trend path.ln").first).to_be_visible()
        await page.locator("a", has_text="Earlier").click()
        await page.wait_for_url("**from=**")
        await expect(page.locator("svg.trend")).not_to_have_count(0)


@pytest.mark.timeout(60)
async def test_a_reader_in_another_zone_is_told_both_times(served: Served, browser: Browser) -> None:
    for zone, expected in (("Europe/Berlin", r"Times are those of Asia/Shanghai; \d\d:\d\d there is \d\d:\d\d where you are \(Europe/Berlin\)"),
                           ("Asia/Singapore", "^Times are those of Asia/Shanghai$")):  # fmt: skip
        context = await browser.new_context(timezone_id=zone)
        await sign_in(context, served.address, "duty_engineer", "en")
        page = await context.new_page()
        await page.goto(f"{served.address}/trends")
        await expect(page.locator("[data-zone-note]")).to_have_text(re.compile(expected))
        await context.close()
