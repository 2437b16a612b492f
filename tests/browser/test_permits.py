"""Planned outages and a contractor's phone in a real browser: nothing complains, nothing runs over the edge."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from cloud.tickets import permits_drafting, permits_service
from cloud.tickets.permits import Step
from cloud.tickets.permits_drafting import Draft
from cloud.tickets.permits_service import Given
from cloud.tickets.service import Actor
from cloud.tickets.ticket import ticket_name
from tests.browser.conftest import Open, Served, watch
from tests.dashboard.world import HOUR, World

WIDE = "document.documentElement.scrollWidth"
MEASURES = ["isolated", "tested_dead", "Rubber mats"]


async def cut(world: World) -> str:
    """An outage that is out and past its end; its ticket."""
    now = world.clock.now_ms()
    anna, chief = Actor("electrician_a", "engineer"), Actor("chief", "manager")
    steps: tuple[tuple[Step, Actor, dict[str, Any]], ...] = (
        (Step.ASK, anna, {}), (Step.APPROVE_CUT, chief, {}), (Step.NOTIFY, anna, {"how": "posted in both lobbies"}),
        (Step.CUT, anna, {"checked": MEASURES, "reason": "agreed"}),
    )  # fmt: skip
    draft = Draft(
        "riverside", ["fire_pump_1", "incomer_1"], now - 2 * HOUR, now - HOUR, "Replace the packing and test", MEASURES,
        affected="Floors 3 to 12", window_reason="the utility comes only then", watch_instead="a fire watch",
    )  # fmt: skip
    async with world.database.write() as db:
        number = await permits_drafting.draft(world.desk, db, draft, anna, now - 40 * HOUR)
        for step, who, given in steps:
            await permits_service.take(world.desk, db, number, step, who, now - 2 * HOUR, Given(**given))
    return ticket_name(number)


@pytest.mark.proof
async def test_an_outage_that_overran_fits_a_desk_and_a_phone(served: Served, at: Open) -> None:
    ticket = await cut(served.world)
    paths = ("/permits", f"/tickets/{ticket}", f"/permits/{ticket}/notice", "/permits/new?equipment=lift_1",
             "/equipment/riverside/fire_pump_1/service")  # fmt: skip
    for width, language in ((1440, "en"), (390, "zh")):
        async with at("/permits", width=width, language=language) as page:
            for path in paths:
                await page.goto(served.address + path)
                assert await page.evaluate(WIDE) == width, path
        async with at(f"/tickets/{ticket}", width=width, language=language) as page:
            await expect(page.locator("#permit .late").first).to_contain_text("1" if language == "en" else "超时")
            await page.locator("#permit-report_done > summary").click()
            await page.locator("#permit-report_done textarea").fill("done")
            await expect(page.locator("#permit-report_done button")).to_be_visible()


@pytest.mark.proof
async def test_an_outage_is_drafted_by_the_form(served: Served, at: Open) -> None:
    async with at("/permits/new?site=riverside&equipment=booster_1") as page:
        await page.fill("[name=from]", "2030-11-23T21:00")
        await page.fill("[name=until]", "2030-11-23T23:00")
        await page.fill("[name=work]", "Seal replaced")
        await page.check("[name=measures][value=isolated]")
        await page.click(".permit-form > .btn")
        await expect(page.locator("#permit")).to_contain_text("Seal replaced")
        await page.click("[data-action=permit-ask]")
        await expect(page.locator("#permit header")).to_contain_text("approval asked for")


async def test_a_contractor_does_the_job_on_a_phone_without_script(served: Served, at: Open, browser: Browser) -> None:
    served.world.app.state.tokens = lambda: "a-secret-of-the-browser-tests"
    ticket = served.ticket("fire_pump_2")
    async with at(f"/tickets/{ticket}") as page:
        await page.click("#make-link > summary")
        await page.fill("#make-link [name=name]", "Northside Pumps")
        await page.click("#make-link button")
        address = await page.input_value("#link-address")
        await expect(page.locator(".qr svg")).to_be_visible()
    context = await browser.new_context(
        viewport={"width": 390, "height": 800}, java_script_enabled=False, locale="zh-CN"
    )
    phone = await context.new_page()
    complaints = watch(phone, served.address)
    await phone.goto(address)
    await phone.click("form.accept button")
    await phone.click("form.arrive button")
    await phone.fill("[name=cause]", "手动位")
    await phone.fill("[name=action]", "恢复自动")
    await phone.click("form.done button")
    await expect(phone.locator("main")).to_contain_text("已通过本链接报告完成")
    assert complaints == []
    await context.close()
    async with at(f"/tickets/{ticket}") as page:
        await expect(page.locator(".tl")).to_contain_text("Northside Pumps (contractor, by link): resolved")
