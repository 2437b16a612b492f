"""What people see happen: faults appear by themselves, hands are never moved, and a lost connection is said."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from cloud.dashboard import live
from cloud.tickets.ticket import Action
from contract.messages import Term
from tests.browser.conftest import Open, Served

PROMISED_MS = 2000
SOON_MS = 8000
"""What is not about the promise itself may take longer on a busy machine."""


async def test_a_fault_appears_on_the_wall_within_two_seconds_without_a_reload(served: Served, at: Open) -> None:
    async with at("/wall", width=1920, height=1080) as page:
        await expect(page.locator("#live")).to_contain_text("Live")
        await page.evaluate("window.untouched = true")
        await expect(page.locator(".count.sev-critical b")).to_have_text("1")
        number = await served.world.raise_alarm(
            "booster_1", "dry_run", 0, because=(Term(name="active_power", value=0.3, unit="kW"),)
        )
        await expect(page.locator(".count.sev-critical b")).to_have_text("2", timeout=PROMISED_MS)
        tile = page.locator("#tile-riverside\\.booster_1")
        await expect(tile).to_have_class(re.compile("sev-critical"))
        await expect(tile).to_have_class(re.compile("fresh"))
        await expect(page.locator(".work")).to_contain_text(f"T-{number:06d}")
        assert await page.evaluate("window.untouched")


async def test_life_safety_takes_a_band_on_every_open_page_until_it_is_acknowledged(served: Served, at: Open) -> None:
    async with at("/wall", width=1920, height=1080) as wall, at("/equipment") as desk:
        number = await served.world.raise_alarm("lift_1", "entrapment_button", 0)
        for page in (wall, desk):
            band = page.locator(".lifeband")
            await expect(band).to_contain_text("Alarm button in the car", timeout=SOON_MS)
            await expect(band).to_contain_text(re.compile("arrive"))
        await expect(wall.locator("form")).to_have_count(0)  # the overview has no controls
        assert await wall.evaluate("document.documentElement.scrollHeight") == 1080
        await desk.locator(".lifeband button").click()
        await expect(wall.locator(".lifeband")).to_have_count(0, timeout=SOON_MS)
        await expect(desk.locator(".lifeband")).to_have_count(0)
        await desk.goto(f"{served.address}/tickets/T-{number:06d}")
        await expect(desk.locator("[data-clock=response]")).to_have_attribute("data-state", "met")
        await expect(desk.locator("[data-clock=arrival]")).to_have_attribute("data-state", "running")


async def test_taking_a_ticket_stops_its_response_clock_on_every_open_page(served: Served, at: Open) -> None:
    path = f"/tickets/T-{await served.world.raise_alarm('fire_panel_1', 'fire', 0):06d}"
    async with at(path) as mine, at(path, who="electrician_a") as theirs:
        response, arrival = mine.locator("[data-clock=response]"), mine.locator("[data-clock=arrival]")
        await expect(response).to_have_attribute("data-state", "running")
        before = await arrival.locator(".f b").inner_text()
        await expect(arrival.locator(".f b")).not_to_have_text(before)  # it ticks
        await mine.locator("#next [data-action=acknowledge]").click()
        await expect(response).to_have_attribute("data-state", "met")
        await expect(theirs.locator("[data-clock=response]")).to_have_attribute("data-state", "met", timeout=SOON_MS)
        await expect(theirs.locator(".tl li.human").last).to_contain_text("Duty engineer: acknowledged")
        await expect(theirs.locator("[data-clock=arrival]")).to_have_attribute("data-state", "running")
        stopped = await response.locator(".f b").inner_text()
        await asyncio.sleep(1.3)
        assert await response.locator(".f b").inner_text() == stopped


async def test_an_open_form_and_its_words_survive_what_others_do(served: Served, at: Open) -> None:
    path = f"/tickets/{served.ticket('incomer_2')}"
    async with at(path) as page:
        await page.locator("#act-hold summary").click()
        await page.fill("#hold-reason", "waiting for a key")
        await served.world.act(
            served.tickets["incomer_2"], Action.NOTE, served.world.clock.now_ms(), note="somebody else was here"
        )
        served.world.app.state.hub.publish("tickets")
        await expect(page.locator(".tl")).to_contain_text("somebody else was here", timeout=SOON_MS)
        await expect(page.locator("#hold-reason")).to_have_value("waiting for a key")
        await expect(page.locator("#hold-reason")).to_be_focused()


async def test_new_rows_gather_behind_a_button_and_nothing_moves_under_the_pointer(served: Served, at: Open) -> None:
    async with at("/tickets") as page:
        rows = page.locator("#ticket-rows tr[data-row]")
        before = await rows.evaluate_all("rows => rows.map(row => row.dataset.row)")
        number = await served.world.raise_alarm("tx_1", "winding_over_temperature", 0)
        button = page.locator(".new-rows")
        await expect(button).to_have_text("1 new, show", timeout=SOON_MS)
        assert await rows.evaluate_all("rows => rows.map(row => row.dataset.row)") == before
        await button.click()
        await expect(page.locator(f"tr[data-row='T-{number:06d}']")).to_be_visible()
        await expect(button).to_have_count(0)


async def test_a_lost_stream_is_said_after_five_seconds_and_greys_values_after_fifteen(
    at: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "BEAT_MS", 3_600_000)  # the connection stands, and nothing comes through it any more
    async with at("/wall", width=1920, height=1080) as page:
        await page.clock.install()
        await page.reload()
        await expect(page.locator("#live")).to_contain_text("Live")
        await page.clock.fast_forward(6_000)
        await expect(page.locator("#live")).to_contain_text("Reconnecting")
        await expect(page.locator("#lost")).to_be_hidden()
        await page.clock.fast_forward(12_000)
        await expect(page.locator("#lost")).to_contain_text("Live values stopped at")
        await expect(page.locator("#lost")).to_contain_text("Alarms and calls continue.")
        assert "is-lost" in (await page.locator("body").get_attribute("class") or "")


async def test_every_step_works_without_script(served: Served, at: Open) -> None:
    path = f"/tickets/{served.ticket('fire_pump_2')}"
    async with at(path, script=False) as page:
        await page.locator("#next [data-action=acknowledge]").click()
        assert page.url.endswith(path)
        await expect(page.locator("[data-clock=response]")).to_have_attribute("data-state", "met")
        await page.locator("#act-hold summary").click()
        await page.fill("#hold-reason", "waiting for the key")
        await page.locator("#form-hold button").click()
        await expect(page.locator(".chip.state")).to_have_text("On hold")
        await expect(page.locator("[data-clock=resolution]")).to_have_attribute("data-state", "held")
        await page.goto(f"{served.address}/equipment/riverside/incomer_2/trends")
        await expect(page.locator("svg.trend").first).to_be_visible()


async def test_the_script_draws_the_trend_over_the_servers_drawing(at: Open) -> None:
    async with at("/equipment/riverside/incomer_2/trends?p=power_factor&span=24h") as page:
        await expect(page.locator(".u-over")).to_be_visible()
        await expect(page.locator(".plot .drawn")).to_be_hidden()
        box = await page.locator(".u-over").bounding_box()
        assert box
        await page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 40)
        await page.mouse.down()
        await page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40, steps=4)
        await page.mouse.up()
        await expect(page).to_have_url(re.compile(r"from=\d+&to=\d+"))  # the address restores the view


async def test_a_wall_with_sound_can_be_muted_and_the_mute_ends_by_itself(served: Served, at: Open) -> None:
    async with at("/wall?sound=major", width=1920, height=1080, may_complain=True) as page:
        await expect(page.locator("#live")).to_contain_text("Live")
        button = page.locator("[data-mute-button]")
        await served.world.raise_alarm("lift_2", "door_slow", 0)
        await expect(page.locator(".count.sev-minor b")).to_have_text("2", timeout=SOON_MS)
        await expect(button).to_be_hidden()  # a minor alarm is below what this wall rings for
        await served.world.raise_alarm("booster_1", "dry_run", 0)
        await expect(button).to_be_visible(timeout=SOON_MS)
        for _ in range(2):  # the first press may only unlock the browser's sound
            if await button.is_visible() and "Muted" not in await button.inner_text():
                await button.click()
                await served.world.raise_alarm("booster_2", "dry_run", 0)
                await expect(button).to_be_visible(timeout=SOON_MS)
        await expect(button).to_contain_text("Muted until")


async def test_keys_lead_everywhere_and_can_be_switched_off(at: Open) -> None:
    async with at("/tickets") as page:
        await page.keyboard.press("/")
        await expect(page.locator("#search")).to_be_focused()
        await page.locator("h1").click()
        await page.keyboard.press("j")
        await expect(page.locator("tr.is-here")).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/tickets/T-\d+"))
        await page.keyboard.press("?")
        await page.locator("[data-keys-toggle]").click()
        await page.keyboard.press("Escape")
        await page.keyboard.press("/")
        await expect(page.locator("#search")).not_to_be_focused()


async def test_language_and_theme_change_in_place(at: Open) -> None:
    async with at("/alarms") as page:
        await page.locator(".side button[value=zh]").click()
        await expect(page.locator("h1")).to_have_text("报警")
        await page.locator(".side button[value=dark]").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 20, 24)"
