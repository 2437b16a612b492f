"""A storm in a real browser: its members fit a phone, and several life-safety alarms leave the wall its room."""

from playwright.async_api import expect

from tests.browser.conftest import Open, Served
from tests.dashboard.test_storm_pages import flood
from tests.dashboard.world import MINUTE


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
        heights = [(await one.bounding_box() or {})["height"] for one in await page.locator(".lifeband").all()]
        assert len(heights) == 2
        assert max(heights) < 120
        main = await page.locator(".wall-main").bounding_box()
        assert main
        assert main["height"] > 700
