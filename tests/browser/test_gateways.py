"""Gateways in a real browser: their list and one gateway's page at both widths, in both languages."""

import pytest
from playwright.async_api import expect

from contract.conventions import format_instant
from contract.messages import Cause, DeviceHealth, DeviceTrouble, GatewayStatus
from tests.browser.conftest import OUTPUT, Open, Served
from tests.dashboard.world import MINUTE, announced


async def a_status(served: Served) -> None:
    """All devices answer but one, which says why; some samples wait."""
    now = served.world.clock.now_ms()
    at = [format_instant(now - n * MINUTE) for n in range(4)]
    troubles = [DeviceTrouble(at=at[1], cause=Cause.EXCEPTION, text="input 0x0156-0x017D: exception 2 (illegal address)", times=3),
                DeviceTrouble(at=at[2], cause=Cause.NO_RESPONSE, text="no answer in 500 ms")]  # fmt: skip
    devices = [
        DeviceHealth(device=one.id, state="ok", answered_share=1.0, last_ok_at=at[0], response_ms=8.0)
        for one in announced().devices
    ]
    devices[1] = DeviceHealth(
        device="meter_2",
        state="degraded",
        answered_share=0.71,
        last_ok_at=at[0],
        response_ms=31.0,
        errors=12,
        recent=troubles,
    )
    await served.world.tell(GatewayStatus(
        at=at[0], version="0.1.0", outbox_events=0, outbox_samples=412, oldest_sample_at=at[3], clock_offset_ms=-7400, devices=devices,
        link_trouble="unreachable: connection refused", link_trouble_at=at[2],
    ))  # fmt: skip


@pytest.mark.timeout(120)
async def test_backlog_plan_and_troubles_are_read_at_both_widths(served: Served, at: Open) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    await a_status(served)
    for width, theme, language in (
        (1440, "light", "en"),
        (1440, "dark", "zh"),
        (390, "light", "zh"),
        (390, "dark", "en"),
    ):
        async with at("/gateways/gw_1", width=width, theme=theme, language=language) as page:
            await expect(page.locator("#troubles tbody tr")).to_have_count(2)
            assert await page.locator("#plan tbody tr").count() > 30
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            await page.screenshot(
                path=OUTPUT / f"gateway-{width}-{theme}-{language}.png", full_page=True, caret="initial"
            )
    async with at("/gateways", script=False) as page:
        await page.screenshot(path=OUTPUT / "gateways-1440.png", full_page=True, caret="initial")
        await page.click("text=gw_1")
        await expect(page.locator("#state")).to_contain_text("connection refused")
