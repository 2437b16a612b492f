"""The real thing: simulated plant, broker, gateway and cloud as processes, and a person before the page."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from simulators.demo_setup import Options, prepare
from simulators.stack import Stack
from tests.browser.conftest import OUTPUT, watch

PROMISED_MS = 2000
ON_DELAY_MS = 3000
"""What the demo's site leaves of the dry-run delay, and the pump's own second to run dry."""


@pytest_asyncio.fixture(loop_scope="session")
async def stack() -> AsyncIterator[Stack]:
    running = Stack(prepare(Options(scenario=None)))
    try:
        await running.start()
        yield running
    finally:
        await running.stop()


@pytest.mark.timeout(120)
async def test_a_person_signs_in_sees_a_real_fault_appear_takes_it_and_sees_the_clock_stop(
    stack: Stack, browser: Browser
) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="en-GB", reduced_motion="reduce"
    )
    page = await context.new_page()
    complaints = watch(page, stack.setup.address)
    await page.goto(stack.link)
    await page.get_by_role("button", name="Sign in here").click()
    await expect(page.locator("#live")).to_contain_text("Live")
    tile = page.locator("#tile-demo\\.pump_1")
    await expect(tile).to_be_visible()
    await page.evaluate("window.untouched = true")

    await stack.change("inject", "pump_1", "dry_run")
    await expect(tile).to_have_class(re.compile("sev-critical"), timeout=ON_DELAY_MS + PROMISED_MS + 4000)
    assert await page.evaluate("window.untouched")
    await page.screenshot(path=OUTPUT / "real-wall.png", caret="initial")

    await page.locator(".work a", has_text="Dry running").click()
    response = page.locator("[data-clock=response]")
    await expect(response).to_have_attribute("data-state", "running")
    await page.locator("#next [data-action=acknowledge]").click()
    await expect(response).to_have_attribute("data-state", "met")
    await expect(page.locator(".tl li.human")).to_contain_text("acknowledged")
    await expect(page.locator("[data-clock=resolution]")).to_have_attribute("data-state", "running")

    await stack.change("clear", "pump_1", "dry_run")
    await expect(page.locator(".phead")).to_contain_text("Alarm cleared", timeout=20_000)
    await expect(page.locator(".chip.state")).to_have_text("Taken")  # a cleared alarm closes no ticket
    await page.screenshot(path=OUTPUT / "real-ticket.png", full_page=True, caret="initial")
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.screenshot(path=OUTPUT / "real-ticket-390.png", full_page=True, caret="initial")
    assert complaints == []
