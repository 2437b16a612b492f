"""A storm in a real browser: its members fit a phone, and several life-safety alarms leave the wall its room."""

from playwright.async_api import expect

from tests.browser.conftest import Open, Served
from tests.dashboard.test_storm_pages import flood
from tests.dashboard.world import MINUTE

HEIGHTS = "[...document.querySelectorAll('.lifeband, .wall-main')].map(one => one.getBoundingClientRect().height)"
ENDS = "[...document.querySelectorAll('table.members td')].map(cell => cell.getBoundingClientRect().right)"


async def test_a_storms_members_fit_a_desk_and_a_phone(served: Served, at: Open) -> None:
    _, storm = await flood(served.world)
    for width, language in ((1440, "en"), (390, "zh")):
        async with at(f"/tickets/T-{storm:06d}", width=width, language=language) as page:
            await expect(page.locator("table.members tbody tr")).to_have_count(3)
            assert await page.evaluate("document.documentElement.scrollWidth") == width
            ends = await page.evaluate(ENDS)
            assert 0 < max(ends) <= width


async def test_several_life_safety_alarms_leave_the_wall_its_room(served: Served, at: Open) -> None:
    await served.world.raise_alarm("lift_1", "entrapment_button", MINUTE)
    await served.world.raise_alarm("lift_2", "entrapment_button", MINUTE)
    async with at("/wall", width=1920, height=1080) as page:
        await expect(page.locator(".lifeband")).to_have_count(2)
        heights = await page.evaluate(HEIGHTS)
        assert max(heights[:2]) < 120
        assert heights[2] > 700
