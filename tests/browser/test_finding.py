"""Lists, filters and search before a real browser, at a desk and on a phone, with script and without."""

import pytest

from tests.browser.conftest import OUTPUT, Open

PAGES = {
    "list": "/tickets?open=1&holder=nobody&priority=general,major,urgent", "wrong": "/tickets?priority=high", "search": "/search?q=power factor 功率",
}  # fmt: skip


@pytest.mark.parametrize(
    ("width", "language"),
    [(1440, "en"), (390, "zh"), *(pytest.param(*one, marks=pytest.mark.proof) for one in ((1440, "zh"), (390, "en")))],
)
async def test_the_list_its_filters_and_the_search_fit(at: Open, width: int, language: str) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name, path in PAGES.items():
        async with at(path, width=width, language=language, may_complain=name == "wrong") as page:
            if name == "list":
                await page.locator("details.filters > summary").click()
            await page.screenshot(
                path=OUTPUT / f"finding-{name}-{width}-{language}.png", full_page=True, caret="initial"
            )
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name


async def test_tickets_are_ticked_and_noted_without_script(at: Open) -> None:
    async with at("/tickets", script=False) as page:
        for box in await page.locator("input[name=ticket]").all():
            await box.check()
        await page.locator("form.bulk details > summary").click()
        await page.locator("form.bulk input[name=note]").fill("water is off until noon")
        await page.locator("form.bulk button[value=note]").click()
        assert "tickets: done" in await page.inner_text("main")
