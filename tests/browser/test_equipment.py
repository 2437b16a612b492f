"""Equipment in a real browser: tree with buildings, filters, the engineer's mapping; at both widths, in both languages."""

import pytest
from playwright.async_api import expect
from sqlalchemy import update

from cloud.storage import tables as t
from contract.conventions import format_instant
from contract.messages import Cause, DeviceHealth, DeviceRead, DeviceTrouble, GatewayStatus
from tests.browser.conftest import OUTPUT, Open, Served


async def prepared(served: Served) -> None:
    async with served.world.database.write() as connection:
        for tower in ("A", "B"):
            where = t.equipment.c.place == f"Tower {tower}"
            await connection.execute(update(t.equipment).where(where).values(building=f"Tower {tower}", place="Shaft"))
    now = format_instant(served.world.clock.now_ms())
    raw = " ".join(f"{number * 523 % 65536:04X}" for number in range(72))
    trouble = DeviceTrouble(at=now, cause=Cause.NO_RESPONSE, text="input 0x00EA-0x00F9: no answer in 500 ms", times=2)
    health = DeviceHealth(device="meter_2", state="ok", answered_share=0.98, last_ok_at=now, response_ms=9.0, errors=2, recent=[trouble],
                          reads=[DeviceRead(at=now, where="input 0x0000-0x0047", raw=raw)])  # fmt: skip
    await served.world.tell(GatewayStatus(at=now, version="0.1.0", outbox_events=0, outbox_samples=0, devices=[health]))


@pytest.mark.timeout(150)
async def test_the_tree_is_filtered_walked_and_opened_at_both_widths(served: Served, at: Open) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    await prepared(served)
    for width, theme, language in ((1440, "light", "en"), (1440, "dark", "zh"), (390, "light", "zh")):
        async with at("/equipment", width=width, theme=theme, language=language) as page:
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await page.screenshot(
                path=OUTPUT / f"equipment-list-{width}-{theme}-{language}.png", full_page=True, caret="initial"
            )
            await page.click("details.filters summary")
            await page.select_option("select[name=state]", "alarm")
            await page.click("details.filters button")
            assert "state=alarm" in page.url
            assert 3 < await page.locator("#equipment-rows [data-row]").count() < 10
    async with at("/equipment") as page:
        await page.locator("[data-tree] a").first.focus()
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowDown")
        assert await page.evaluate("document.activeElement.closest('[data-tree]') !== null")
        await page.keyboard.press("ArrowLeft")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/equipment?site=riverside**")


@pytest.mark.timeout(120)
async def test_the_engineer_reads_raw_words_and_error_counts(served: Served, at: Open) -> None:
    await prepared(served)
    for width, theme, language in ((1440, "light", "en"), (390, "dark", "zh")):
        async with at(
            "/equipment/riverside/incomer_2/mapping", width=width, theme=theme, language=language, script=width > 400
        ) as page:
            await expect(page.locator("section.card")).to_have_count(4)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await page.screenshot(
                path=OUTPUT / f"mapping-{width}-{theme}-{language}.png", full_page=True, caret="initial"
            )
