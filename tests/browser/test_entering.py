"""A person enters a ticket and joins it to others, on a desk and on a phone, with and without a script."""

from playwright.async_api import Page

from tests.browser.conftest import OUTPUT, Open, Served


async def overflow(page: Page) -> float:
    return float(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


async def test_a_request_is_entered_on_a_phone_without_a_script_and_merged(at: Open, served: Served) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    async with at("/tickets/new?equipment=riverside/fire_pump_2", width=390, height=844, script=False) as page:
        assert await overflow(page) <= 0
        await page.screenshot(path=OUTPUT / "new-ticket-390.png", full_page=True, caret="initial")
        await page.fill("input[name=title]", "Pump hums")
        await page.fill("textarea[name=description]", "Since noon, louder than its neighbour")
        await page.fill("input[name=reporter]", "The guard")
        await page.select_option("select[name=kind]", "complaint")
        await page.click("form.enter button.pri")
        assert "/tickets/T-" in page.url
        assert "Since noon" in (await page.text_content("#about") or "")
        assert await overflow(page) <= 0
        await page.click("#act-link > summary")
        await page.fill("#link-other", served.ticket("fire_pump_2"))
        await page.click("#form-link button")
        assert served.ticket("fire_pump_2") in (await page.text_content("#joined") or "")
        await page.click("#act-resolve > summary") if await page.query_selector("#act-resolve") else None
        await page.screenshot(path=OUTPUT / "ticket-joined-390.png", full_page=True, caret="initial")


async def test_both_languages_show_the_form_and_what_a_priority_would_move(at: Open, served: Served) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for language, said in (("en", "no due time moves"), ("zh", "时限不变")):
        async with at("/tickets/new", language=language) as page:
            assert await overflow(page) <= 0
            await page.screenshot(path=OUTPUT / f"new-ticket-{language}.png", full_page=True, caret="initial")
        for width in (1440, 390):
            async with at(f"/tickets/{served.ticket('incomer_2')}", language=language, width=width) as page:
                await page.click("#act-set_priority > summary")
                await page.click("#act-merge > summary")
                assert said in (await page.text_content("#form-set_priority") or "")
                assert await overflow(page) <= 0
                await page.screenshot(
                    path=OUTPUT / f"ticket-steps-{language}-{width}.png", full_page=True, caret="initial"
                )
