"""Every page for everybody: axe finds nothing against WCAG 2.2 AA, in both languages, light and dark, on a desk and on a phone."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from cloud.tickets import targets
from tests.browser.axe import violations
from tests.browser.conftest import Open, Served, watch
from tests.browser.test_permits import cut
from tests.dashboard.test_storm_pages import flood
from tests.dashboard.world import MINUTE

LOOKS = [(1440, "light", "en"), (390, "dark", "zh"), (1440, "dark", "zh"), (390, "light", "en")]
INCOMER = "/equipment/riverside/incomer_2"
TREND = "p=riverside/incomer_2/power_factor&p=riverside/booster_3/discharge_pressure"
# What people open all day is judged at every commit, each in one of two looks; `make proof` judges every page in every look.
MAIN = {
    "wall": "/wall", "equipment": "/equipment", "live": INCOMER, "equipment trends": f"{INCOMER}/trends?span=24h", "mapping": f"{INCOMER}/mapping",
    "trends": f"/trends?{TREND}&span=24h&compare=before", "alarms": "/alarms", "tickets": "/tickets", "ticket": "/tickets/T-000001", "my": "/my",
    "new ticket": "/tickets/new", "tests": "/tests", "figures": "/figures", "gateway": "/gateways/gw_1", "targets": "/settings/targets",
    "missing ticket": "/tickets/T-999999", "power": "/power",
}  # fmt: skip
REST = {
    "system": "/equipment?system=power", "in alarm": "/equipment?state=alarm", "nothing like it": "/equipment?q=zeppelin", "old power": "/power?month=2020-01",
    "equipment alarms": f"{INCOMER}/alarms", "equipment tests": "/equipment/riverside/fire_pump_1/tests",
    "equipment tickets": f"{INCOMER}/tickets", "service": "/equipment/riverside/fire_pump_1/service", "add": "/equipment/new", "no trend": "/trends",
    "old alarms": "/alarms?show=history", "no tickets": "/tickets?text=nothingofthekind", "search": "/search?q=pump", "notices": "/notices",
    "order": "/tickets/T-000001/work-order", "missing gateway": "/gateways/nobody", "behind": "/figures/clocks?clock=response&of=ordinary&outcome=breached", "permits": "/permits",
    "new outage": "/permits/new?equipment=lift_1", "gateways": "/gateways", "calls": "/settings/calls", "target": "/settings/targets/line?n=1",
    "version": "/settings/targets/versions/shipped-1", "calendars": "/settings/calendars", "calendar": "/settings/calendars/office",
}  # fmt: skip


async def much_happened(served: Served) -> dict[str, str]:
    """A site where something of everything happened; the pages that only then exist."""
    world = served.world
    await world.add_user("chief", "manager", "Chief")
    await targets.begin(world.database, world.desk, world.clock.now_ms())
    outage = await cut(world)
    _, storm = await flood(world)
    await world.raise_alarm("lift_1", "entrapment_button", MINUTE)
    return {"outage": f"/tickets/{outage}", "notice": f"/permits/{outage}/notice", "storm": f"/tickets/T-{storm:06d}"}


async def judge(page: Page, address: str, pages: dict[str, str]) -> dict[str, list[str]]:
    """What is wrong, by page."""
    wrong: dict[str, list[str]] = {}
    for name, path in pages.items():
        answer = await page.goto(address + path)
        assert answer is not None
        if answer.status != (404 if name.startswith("missing") else 200):
            wrong[name] = [f"answers {answer.status}"]
        elif found := await violations(page):
            wrong[name] = found
    return wrong


@pytest.mark.timeout(180)
async def test_no_page_of_every_day_breaks_a_rule(served: Served, at: Open) -> None:
    await much_happened(served)
    names = list(MAIN)
    for look, chosen in ((0, names[::2]), (1, names[1::2])):
        width, theme, language = LOOKS[look]
        async with at("/wall", width=width, theme=theme, language=language, who="chief", may_complain=True) as page:
            assert await judge(page, served.address, {name: MAIN[name] for name in chosen}) == {}


@pytest.mark.proof
@pytest.mark.timeout(400)
@pytest.mark.parametrize(("width", "theme", "language"), LOOKS)
async def test_no_page_breaks_a_rule(served: Served, at: Open, width: int, theme: str, language: str) -> None:
    pages = MAIN | REST | await much_happened(served)
    async with at("/wall", width=width, theme=theme, language=language, who="chief", may_complain=True) as page:
        assert await judge(page, served.address, pages) == {}
        for form in ("/tickets/new", "/settings/targets/line?n=1"):  # what a wrong form and a review say
            await page.goto(served.address + form)
            await page.evaluate("document.querySelector('main form:has(button.pri)').noValidate = true")
            await page.locator("main form button.pri").first.click()
            await page.wait_for_load_state()
            assert await violations(page) == [], form


@pytest.mark.timeout(120)
async def test_no_page_of_a_stranger_breaks_a_rule(served: Served, at: Open, browser: Browser) -> None:
    """Who has not signed in sees the sign-in page; a contractor sees one job."""
    job = served.ticket("lift_3")
    async with at(f"/tickets/{job}") as page:
        form: dict[str, str | float | bool] = {"name": "Northside Lifts", "contact": "555", "days": "7"}
        made = await page.request.post(
            f"{served.address}/links/{job}/new", headers={"Origin": served.address}, form=form
        )
        link = re.search(r"(/c/[^\"<]+)", await made.text())
        assert link is not None
    for width, theme, language in LOOKS[:2]:
        context = await browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme="dark" if theme == "dark" else "light",
            locale="zh-CN" if language == "zh" else "en-GB", reduced_motion="reduce",
        )  # fmt: skip
        page = await context.new_page()
        complaints = watch(page, served.address)
        assert await judge(page, served.address, {"sign-in": "/wall", "contractor": link[1]}) == {}
        assert complaints == []
        await context.close()


HERE = """() => { const one = document.activeElement, box = one.getBoundingClientRect(), style = getComputedStyle(one);
  return {name: one.tagName + " " + (one.getAttribute("aria-label") || one.textContent || one.name || "").trim().slice(0, 40), tag: one.tagName,
          // the parts of a date are drawn by the browser, their focus too
          seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 || one.matches(".skip, [type^=date]"), within: box.width > 0 && box.height > 0,
          order: [...document.querySelectorAll("*")].indexOf(one)}; }"""


@pytest.mark.timeout(120)
async def test_keys_reach_everything_in_reading_order_and_show_where_they_are(served: Served, at: Open) -> None:
    async with at("/equipment") as page:
        for path in ("/equipment", INCOMER, MAIN["trends"], "/alarms", "/gateways"):
            await page.goto(served.address + path)
            places = await stops(page)
            assert len(places) > 12, path
            assert [one["name"] for one in places if not (one["seen"] and one["within"])] == [], path
            order = [one["order"] for one in places]
            assert order == sorted(order), path


async def stops(page: Page) -> list[dict[str, Any]]:
    """Where the tab key leads, at most sixty places."""
    places: list[dict[str, Any]] = []
    for _ in range(60):
        await page.keyboard.press("Tab")
        here = await page.evaluate(HERE)
        if here["tag"] == "BODY":
            break
        places.append(here)
    return places
