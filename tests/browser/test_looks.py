"""How it looks: pictures of every page to look at, no sideways scroll, targets a thumb can hit, a wall that fits its screen."""

import re

import pytest
from playwright.async_api import expect

from cloud.ingest import register
from cloud.ingest.register import Thing
from tests.browser.conftest import OUTPUT, Open, Served

PAGES = {
    "wall": "/wall", "equipment": "/equipment", "incomer": "/equipment/riverside/incomer_2", "trends": "/equipment/riverside/incomer_2/trends?span=24h",
    "mapping": "/equipment/riverside/incomer_2/mapping", "alarms": "/alarms", "tickets": "/tickets", "ticket": "/tickets/T-000001", "my": "/my",
    "tests": "/tests", "gateways": "/gateways/gw_1", "add": "/equipment/new", "power": "/power", "several": "/trends?p=riverside/incomer_2/power_factor&span=24h",
}  # fmt: skip


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("width", "height", "theme", "language"),
    [
        (1440, 900, "light", "en"),
        (390, 844, "dark", "zh"),
        pytest.param(390, 844, "light", "en", marks=pytest.mark.proof),
        pytest.param(1440, 900, "dark", "zh", marks=pytest.mark.proof),
    ],
)
async def test_pictures_of_every_page_without_sideways_scroll(
    served: Served, at: Open, width: int, height: int, theme: str, language: str
) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    async with at("/wall", width=width, height=height, theme=theme, language=language) as page:
        for name, path in PAGES.items():
            await page.goto(served.address + path)
            await expect(page.locator("#live")).to_contain_text("Live" if language == "en" else "实时")
            await page.screenshot(
                path=OUTPUT / f"{name}-{width}-{theme}-{language}.png", full_page=True, caret="initial"
            )
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, name


@pytest.mark.parametrize("width", [320, 1024, *(pytest.param(one, marks=pytest.mark.proof) for one in (768, 1280))])
async def test_no_page_scrolls_sideways_at_any_width(served: Served, at: Open, width: int) -> None:
    async with at("/wall", width=width) as page:
        for name, path in PAGES.items():
            await page.goto(served.address + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, name


CUT = """() => [...document.querySelectorAll("table.t.wide td, table.t.wide .v")]
  .filter(one => { const cell = one.closest("td").getBoundingClientRect(), range = document.createRange(); range.selectNodeContents(one);
                   return !one.querySelector(".cut") && range.getBoundingClientRect().right > cell.right + 1; })
  .map(one => one.textContent.trim().slice(0, 40))"""


async def test_no_value_of_the_equipment_list_is_cut(at: Open) -> None:
    async with at("/equipment") as page:
        for width in (1024, 1280, 1440, 1920):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await page.evaluate(CUT) == [], width


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (3840, 2160), (1680, 1050), (1440, 900)])
async def test_the_wall_fits_its_screen_without_a_scroll(served: Served, at: Open, width: int, height: int) -> None:
    await served.world.raise_alarm("lift_1", "entrapment_button", 60_000)
    async with at("/wall", width=width, height=height) as page:
        sizes = await page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert sizes == [width, height]
        cut = await page.evaluate(OVERFLOWING)
        assert cut == []
        OUTPUT.mkdir(parents=True, exist_ok=True)
        await page.screenshot(path=OUTPUT / f"wall-life-{width}.png", caret="initial")


async def test_a_wall_with_many_pieces_shows_the_abnormal_and_counts_the_rest(served: Served, at: Open) -> None:
    things = [Thing(f"extra_{number}", "pump", f"Extra pump {number}") for number in range(40)]
    async with served.world.database.write() as db:
        await register.add(db, "riverside", things, served.world.clock.now_ms(), "anna")
    async with at("/wall", width=1920, height=1080) as page:
        water = page.locator(".sys > section").nth(2)
        await expect(water.locator(".tile")).to_have_count(4)
        await expect(water.locator(".tile").first).to_have_class(re.compile("sev-minor"))
        await expect(water.locator(".tile.rest")).to_contain_text("+41 normal")
        assert await page.evaluate("document.documentElement.scrollHeight") == 1080
        await page.screenshot(path=OUTPUT / "wall-many.png", caret="initial")


# Values, ids and clocks never truncate: nothing of these may stick out of its tile.
OVERFLOWING = """() => [...document.querySelectorAll('.tile .v, .tile .u, .tile .ft > span:last-child, .work .s')]
  .filter(node => { const box = node.closest('.tile, li').getBoundingClientRect(), own = node.getBoundingClientRect();
                    return own.right > box.right + 1 || own.bottom > box.bottom + 1; })
  .map(node => node.textContent)"""


async def test_a_thumb_can_hit_every_button_of_the_phone(served: Served, at: Open) -> None:
    async with at("/wall", width=390, height=844) as page:
        for path in ("/my", f"/tickets/{served.ticket('fire_pump_2')}", "/alarms", "/tickets"):
            await page.goto(served.address + path)
            await expect(page.locator("#live")).to_contain_text("Live")
            await page.wait_for_timeout(700)  # the look at what changed before the stream was open
            small = await page.locator(".btn:visible, .dock a:visible, .wk:visible, summary.btn:visible").evaluate_all(
                "nodes => nodes.map(n => [n.textContent.trim(), n.getBoundingClientRect().height]).filter(([, h]) => h < 47.5)"
            )
            assert small == [], path
        await page.goto(f"{served.address}/tickets/{served.ticket('fire_pump_2')}")
        primary = page.locator(".dock .btn.pri")
        await expect(primary).to_be_visible()
        await page.wait_for_timeout(700)
        box = await primary.bounding_box()
        assert box
        assert box["height"] >= 56
        assert box["y"] + box["height"] > 844 - 120
        await primary.click()
        await expect(page.locator("[data-clock=response]")).to_have_attribute("data-state", "met")


async def test_the_first_tab_stop_skips_to_the_content_and_focus_is_seen(at: Open) -> None:
    async with at("/tickets") as page:
        await page.keyboard.press("Tab")
        await expect(page.locator(".skip")).to_be_focused()
        await page.keyboard.press("Enter")
        assert page.url.endswith("#main")
        await page.keyboard.press("Tab")
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
        assert outline == "3px"


async def test_every_field_and_button_has_a_name(served: Served, at: Open) -> None:
    async with at("/wall") as page:
        for name, path in PAGES.items():
            await page.goto(served.address + path)
            nameless = await page.evaluate(NAMELESS)
            assert nameless == [], name


NAMELESS = """() => [...document.querySelectorAll('button, a[href], input:not([type=hidden]), select, textarea, [role=img]')]
  .filter(n => !(n.getAttribute('aria-label') || n.textContent.trim() || n.labels?.length || n.title))
  .map(n => n.outerHTML.slice(0, 120))"""


async def test_severity_is_told_by_shape_and_word_as_well_as_colour(at: Open) -> None:
    async with at("/wall", width=1920, height=1080) as page:
        for tile in await page.locator(".tile[class*=sev-]").all():
            assert await tile.locator(".st svg use").count() == 1
            assert re.search(r"\w", await tile.locator(".st").inner_text())


SHEET = 718  # an A4's width less its margins, in pixels
PRINTED = """() => ({
  wide: document.documentElement.scrollWidth,
  controls: [...document.querySelectorAll(".side, .topbar, .dock, .skip, button, .btn, input:not([type=hidden]), select, textarea")]
    .filter(one => { const box = one.getBoundingClientRect(); return box.width > 1 && box.height > 1 && getComputedStyle(one).visibility !== "hidden"; })
    .map(one => one.outerHTML.slice(0, 90)),
  ground: getComputedStyle(document.body).backgroundColor, ink: getComputedStyle(document.documentElement).getPropertyValue("--major-ink").trim(),
  charts: [...document.querySelectorAll(".plot canvas")].filter(one => one.getBoundingClientRect().width > 0).length,
  drawings: [...document.querySelectorAll(".plot .drawn")].every(one => one.getBoundingClientRect().width > 0),
  cut: [...document.querySelectorAll("main .card")].filter(one => one.getBoundingClientRect().right > innerWidth + 1).map(one => one.id || one.className),
})"""


# what is dark on a screen is black on white, and a chart is the server's drawing, whose colours are the paper's
PAPER = {
    "wide": SHEET, "controls": [], "ground": "rgb(255, 255, 255)", "ink": "#874500", "charts": 0, "drawings": True, "cut": [],
}  # fmt: skip


@pytest.mark.timeout(120)
async def test_every_page_fits_a_sheet_of_paper_without_its_controls(served: Served, at: Open) -> None:
    pages = {
        name: path for name, path in PAGES.items() if name not in ("wall", "add", "my")
    }  # a screen, a form, a phone
    async with at("/equipment", width=SHEET, height=1000, theme="dark") as page:
        await page.emulate_media(media="print")
        for name, path in pages.items():
            await page.goto(served.address + path)
            if name in ("trends", "several"):
                await expect(page.locator("canvas").first).to_be_attached()
            told = await page.evaluate(PRINTED)
            assert told == PAPER, name


async def test_the_ticket_prints_on_paper_without_its_buttons(served: Served, at: Open) -> None:
    async with at("/tickets/T-000001") as page:
        await page.emulate_media(media="print")
        for hidden in (".side", ".topbar", ".actions", ".dock", ".note"):
            await expect(page.locator(hidden).first).to_be_hidden()
        await expect(page.locator("h1")).to_be_visible()
        pdf = await page.pdf(format="A4")
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 2
