"""Evidence and the work order in a real browser: the camera's picture, one A4 in black and white, a code that leads back."""

import asyncio
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.async_api import expect

from cloud.storage import tables as t
from tests.browser.conftest import OUTPUT, Open, Served
from tests.support.desk import rows
from tests.support.photos import photo
from tests.support.qr import read_picture

FORM = "#add-photo"
IS_UPRIGHT = """() => {
  const img = document.querySelector("#evidence .photos img");
  if (img) img.scrollIntoView();
  return Boolean(img && img.complete && img.naturalWidth > 0 && img.naturalHeight > img.naturalWidth);
}"""


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_work_order_is_one_a4_in_black_and_white_whose_code_leads_to_the_ticket(
    served: Served, at: Open, language: str
) -> None:
    path = f"/tickets/{served.ticket('incomer_2')}"
    async with at(path, language=language) as page:
        for n in range(8):
            await page.request.post(
                f"{served.address}{path}/parts", headers={"Origin": served.address},
                form={"name": f"Contactor for stage {n} " * 4, "number": "LC1-D25-" * 6, "quantity": "2", "cost": "185.00"},
            )  # fmt: skip
        await page.goto(f"{served.address}{path}/work-order")
        OUTPUT.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=OUTPUT / f"work-order-{language}.png", full_page=True, caret="initial")
        pdf = await page.pdf(path=OUTPUT / f"work-order-{language}.pdf", prefer_css_page_size=True)
        assert pages_of(pdf) == 1
        assert re.search(rb"/MediaBox \[0 0 59[45][.\d]* 84[12]", pdf), "not A4"
        await page.emulate_media(media="print")
        footer = await page.locator("footer").bounding_box()
        sheet = await page.locator(".sheet").bounding_box()
        assert footer is not None
        assert sheet is not None
        assert footer["y"] + footer["height"] <= sheet["y"] + sheet["height"] + 1  # nothing was cut off
        with Image.open(io.BytesIO(await page.screenshot(full_page=True, caret="initial"))) as picture:
            grey = picture.convert("L").convert("RGB")
            assert ImageChops.difference(picture.convert("RGB"), grey).getextrema() == ((0, 0), (0, 0), (0, 0))
        await page.emulate_media(media="screen")
        code = Image.open(io.BytesIO(await page.locator("figure svg").screenshot(caret="initial")))
        assert read_picture(code) == f"{served.address}{path}"


async def take(page: Any, folder: Path, shows: str, colour: str) -> None:
    """Choose what the camera would give, and send it."""
    (folder / "IMG.jpg").write_bytes(photo(size=(800, 600), colour=colour, turned=6))
    await page.locator(f"{FORM} summary").first.click()
    await page.select_option(f"{FORM} select[name=shows]", shows)
    await page.set_input_files(f"{FORM} input[name=photo]", folder / "IMG.jpg")
    await page.locator(f"{FORM} button.pri").click()


@pytest.mark.parametrize(("width", "language", "script"), [(390, "zh", True), (1440, "en", False)])
async def test_a_photo_taken_with_the_phone_is_on_the_ticket_with_its_need_met(
    served: Served, at: Open, tmp_path: Path, width: int, language: str, *, script: bool
) -> None:
    path = f"/tickets/{served.ticket('incomer_2')}"
    async with at(path, width=width, height=844, language=language, script=script) as page:
        camera = page.locator(f"{FORM} input[name=photo]")
        assert await camera.get_attribute("capture") == "environment"
        assert "image/jpeg" in str(await camera.get_attribute("accept"))
        await take(page, tmp_path, "repair", "blue")
        await expect(page.locator("#evidence .photos img").first).to_be_visible()
        async with asyncio.timeout(10):
            while not await page.evaluate(IS_UPRIGHT):  # a live update may put another picture in its place
                await asyncio.sleep(0.1)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.screenshot(path=OUTPUT / f"evidence-{width}-{language}.png", full_page=True, caret="initial")
        (row,) = await rows(served.world.database, t.proof.attachment)
        assert (row["shows"], row["added_by"], row["width"], row["height"]) == ("repair", "duty_engineer", 600, 800)


async def test_from_my_work_to_resolved_on_a_phone(served: Served, at: Open, tmp_path: Path) -> None:
    ticket = served.ticket("fire_pump_2")
    async with at("/my", width=390, height=844) as page:
        await page.locator(f"[data-row={ticket}]").first.click()
        for action in ("acknowledge", "start"):
            await page.locator(f"#ticket-dock [data-action={action}]").click()
            await page.wait_for_load_state()
        await page.locator("#ticket-dock a[href='#photo']").click()
        await expect(page.locator(f"{FORM} input[name=photo]")).to_be_visible()
        await page.locator(f"{FORM} summary").first.click()
        await take(page, tmp_path, "fault", "red")
        await page.locator("#ticket-dock .btn.pri").click()
        await page.fill("#resolve-cause", "left in manual after works")
        await page.fill("#resolve-action", "selector back to automatic")
        await page.locator("#form-resolve button").click()
        await expect(page.locator(".chip.state")).to_contain_text("Resolved")
