"""The simulated plant's control panel in Chromium: a desk and a phone, both languages, both themes, and without scripts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from device_profiles.library import load
from simulators.clock import SystemClock
from simulators.control import Hand
from simulators.panel.server import panel
from simulators.plant import PlantServers, SimulatedPlant
from simulators.site import build_site
from tests.browser.conftest import watch

SITE = {
    "site": {"id": "here", "zone": "Asia/Shanghai"},
    "gateway": {"id": "gw_1"},
    "equipment": [{"id": "feeder_1", "class": "lv_switchgear", "name": {"en": "Feeder 1", "zh": "1号馈线"}, "ratings": {"rated_a": 250}}],
    "buses": [{"id": "sensors", "mqtt": "mqtt://127.0.0.1:1883"}],
    "devices": [{"id": "meter_1", "model": "shelly_pro_3em", "bus": "sensors", "address": "m1", "equipment": "feeder_1"}],
}  # fmt: skip
OUTPUT = Path("test-output") / "browser"


@pytest.fixture
def hand() -> Hand:
    clock = SystemClock()
    plant = SimulatedPlant(build_site(SITE, load()), clock)
    servers = PlantServers(plant, clock)
    servers.message_devices()
    return Hand(plant, servers, plant.now_ms)


@pytest_asyncio.fixture(loop_scope="session")
async def address(hand: Hand) -> AsyncIterator[str]:
    async with panel(hand) as found:
        yield found.rstrip("/")


@pytest.mark.parametrize(
    ("width", "theme", "language", "script"),
    [(1440, "light", "en", True), (390, "dark", "zh", True), (390, "light", "en", False)],
)
async def test_a_fault_is_caused_and_repaired_by_hand(
    browser: Browser, hand: Hand, address: str, width: int, theme: Any, language: str, script: bool
) -> None:
    context = await browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=theme, java_script_enabled=script,
        locale="zh-CN" if language == "zh" else "en-GB",
    )  # fmt: skip
    page = await context.new_page()
    complaints = watch(page, address)
    await page.goto(address)
    await page.get_by_role("link", name="1号馈线" if language == "zh" else "Feeder 1").click()
    await page.locator("select[name=fault]").first.select_option("overload")
    await page.get_by_role("button", name="造成故障" if language == "zh" else "Cause").click()
    await page.locator(".broken li").wait_for()
    assert [one.fault for one in hand.wrong()] == ["overload"]
    if script:
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        small = await page.evaluate(
            "[...document.querySelectorAll('button, select, input:not([type=hidden])')].filter(e => e.getBoundingClientRect().height < 44).length"
        )
        assert small == 0
    OUTPUT.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=OUTPUT / f"panel_{width}_{theme}.png", full_page=True)
    await page.locator(".broken button").first.click()
    await page.locator(".broken").wait_for(state="detached")
    assert hand.wrong() == []
    await context.close()
    assert complaints == []


async def test_values_renew_by_themselves_and_a_form_in_use_stays(browser: Browser, hand: Hand, address: str) -> None:
    page = await browser.new_page()
    await page.goto(f"{address}/equipment/feeder_1")
    await page.locator("select[name=fault]").first.select_option("phase_loss")
    hand.cause("feeder_1", "overload")
    await page.locator(".broken li").wait_for(timeout=10_000)
    assert await page.locator("select[name=fault]").first.input_value() == "phase_loss"
    await page.close()
