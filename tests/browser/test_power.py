"""Power quality in a real browser: drawn at every width, walked hour by hour, printed, and read without a script."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OUTPUT, Open, Served
from tests.support import power_months as made

DAY = 86_400_000
VIEW = "/power?at=riverside/incomer_2"


async def metered(served: Served) -> None:
    """A week of quarter hours up to now with a day without compensation, and counters of some months."""
    now = served.world.clock.now_ms() // made.QUARTER * made.QUARTER
    midnight = now - (now + 8 * made.HOUR) % DAY
    fails, silent = midnight - 2 * DAY, (midnight - DAY + 2 * made.HOUR, midnight - DAY + 5 * made.HOUR)
    await served.world.store.write([
        *made.quarter_hours("incomer_2", midnight - 6 * DAY, now, fails=fails, silent=silent),
        *made.counters("incomer_2", now - 100 * DAY, now - 40 * DAY, ratio=0.6),
        *made.counters("incomer_2", now - 40 * DAY, now, resets=now - 5 * DAY),
    ])  # fmt: skip
    await made.mend_counters(served.world.store, "incomer_2")
    await made.tell_stages(served.world.database, "incomer_2")


@pytest.mark.timeout(180)
async def test_a_month_is_drawn_at_every_width_and_prints(served: Served, at: Open) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    await metered(served)
    for width, theme, language, heat in (
        (1440, "light", "en", "power_factor"), (1440, "dark", "zh", "load"), (390, "light", "zh", "power_factor"), (390, "dark", "en", "load"),
    ):  # fmt: skip
        async with at(f"{VIEW}&heat={heat}", width=width, theme=theme, language=language) as page:
            await expect(page.locator("svg.trend")).to_have_count(6)
            for button in await page.locator(".phead .btn, .range .btn").all():
                box = await button.bounding_box()
                assert box is not None
                assert box["width"] < 200, await button.inner_text()
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await page.screenshot(
                path=OUTPUT / f"power-{width}-{theme}-{language}.png", full_page=True, caret="initial"
            )
            if width == 1440 and language == "en":
                await page.pdf(path=OUTPUT / "power.pdf", format="A4")


@pytest.mark.timeout(120)
async def test_an_hour_is_told_when_pointed_at_or_walked_to(served: Served, at: Open) -> None:
    await metered(served)
    async with at(VIEW) as page:
        told = page.locator("[data-told]")
        await page.locator("table.heat td.out").first.hover()
        await expect(told).to_contain_text("below 0.90")
        await page.locator("table.heat td[tabindex='0']").focus()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("ArrowRight")
        assert await page.evaluate("document.activeElement.tagName") == "TD"
        await expect(told).to_contain_text("01:00")


@pytest.mark.timeout(120)
async def test_the_page_is_read_and_moved_without_a_script(served: Served, at: Open) -> None:
    await metered(served)
    async with at(VIEW, script=False) as page:
        await expect(page.locator("svg.trend path.ln").first).to_be_visible()
        await page.click("text=Load, %")
        assert "heat=load" in page.url
        await page.locator("table.heat th a").last.click()
        assert "days=1" in page.url
        await page.locator("form a", has_text="‹").click()
        assert "month=" in page.url
        assert await page.locator("[data-loading]").is_hidden()
