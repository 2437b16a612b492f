"""Targets and calendars in a real browser: every change is reviewed, nothing complains, nothing runs over the edge."""

import pytest
from playwright.async_api import expect

from cloud.tickets import targets
from tests.browser.conftest import OUTPUT, Open, Served

WIDE = "document.documentElement.scrollWidth"
PATHS = ("/settings/targets", "/settings/targets/line?n=1", "/settings/calendars", "/settings/calendars/office")


@pytest.mark.proof
@pytest.mark.parametrize(("width", "language"), [(1440, "en"), (1440, "zh"), (390, "zh"), (390, "en")])
async def test_settings_fit_a_desk_and_a_phone_and_a_change_is_reviewed(
    served: Served, at: Open, width: int, language: str
) -> None:
    await served.world.add_user("chief", "manager", "Chief")
    await targets.begin(served.world.database, served.world.desk, served.world.clock.now_ms())
    async with at("/settings/targets", width=width, who="chief", language=language) as page:
        for path in PATHS:
            await page.goto(served.address + path)
            assert await page.evaluate(WIDE) <= width, path
            name = path.strip("/").replace("/", "-").replace("?", "-")
            await page.screenshot(path=OUTPUT / f"{name}-{width}-{language}.png", full_page=True, caret="initial")
        await page.goto(served.address + "/settings/targets/line?n=1")
        await page.locator("input[name=within]").fill("96")
        await page.locator("form.permit-form button.pri").click()
        await expect(page.locator("input[name=seen]")).to_have_count(1)
        assert await page.evaluate(WIDE) <= width
        await page.screenshot(path=OUTPUT / f"settings-review-{width}-{language}.png", full_page=True, caret="initial")
        await page.locator("form.permit-form button.pri").click()
        await expect(page.locator("text=v2").first).to_be_visible()
