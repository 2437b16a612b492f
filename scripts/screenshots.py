"""Make the README's pictures: the real processes with a few faults, people at work, and Debian's Chromium before them.

``make screenshots`` or ``python scripts/screenshots.py [FOLDER]``; takes about five minutes, because faults need time. The weeks before are
the same simulated plant's, computed at once and brought in by ``plantroom-cloud history import``.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from cloud.telemetry.exchange import write_rows  # noqa: E402
from cloud.telemetry.store import Row, Sample  # noqa: E402
from simulators.clock import SystemClock  # noqa: E402
from simulators.demo_setup import DemoMisconfigured, Options, prepare  # noqa: E402
from simulators.plant import SimulatedPlant  # noqa: E402
from simulators.processes import ProcessFailed, program  # noqa: E402
from simulators.stack import Stack  # noqa: E402

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
FAULTS = (
    ("incomer_1", "low_power_factor"),
    ("lift_2", "door_fault"),
    ("fire_pump_1", "not_in_auto"),
    ("pump_2", "high_discharge_pressure"),
)
CALM_S, TROUBLE_S, LATER_S = 60, 75, 20
WEEKS_MS, STEP_MS = 26 * 86_400_000, 300_000
DAY_MS, CLOSE_MS = 25 * 3_600_000, 30_000
"""The last day is read closer, or the minutes of the demo would weigh more in a mean than the day before them."""
REMEMBERED = ("incomer_1", "pump_1", "pump_2")
TREND = "p=demo/incomer_1/power_factor&p=demo/incomer_1/active_power&p=demo/pump_1/discharge_pressure&p=demo/pump_2/discharge_pressure"


@dataclass(frozen=True)
class Picture:
    """One file: which page, how wide, in which language and theme."""

    name: str
    path: str
    width: int
    height: int
    language: str = "en"
    theme: str = "light"


def pictures(minutes: int, now_ms: int, ticket: str) -> tuple[Picture, ...]:
    span = f"from={now_ms - minutes * 60_000}&to={now_ms}"
    return (
        Picture("wall", "/wall", 1920, 1080),
        Picture("wall-zh", "/wall", 1920, 1080, "zh", "dark"),
        Picture("equipment", f"/equipment/demo/incomer_1?{span}", 1440, 900),
        Picture("equipment-list", "/equipment", 1440, 1000),
        Picture("trends", f"/trends?{TREND}&span=24h&compare=week", 1440, 1200),
        Picture("power", "/power?at=demo/incomer_1", 1440, 1200),
        Picture("power-zh", "/power?at=demo/incomer_1#verdict", 390, 844, "zh", "dark"),
        Picture("gateway", "/gateways/gw_1", 1440, 1000),
        Picture("ticket", f"/tickets/{ticket}", 1440, 1100),
        Picture("phone", f"/tickets/{ticket}", 390, 844),
    )


async def main(folder: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        raise DemoMisconfigured(
            "chromium is not installed: sudo apt-get install --no-install-recommends chromium fonts-noto-cjk"
        )
    stack = Stack(prepare(Options(scenario=None, data=Path(tempfile.mkdtemp(prefix="plantroom-pictures-")))))
    try:
        await remember(stack)
        await stack.start()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            await take(stack, browser, folder)
            await browser.close()
    finally:
        await stack.stop()
        shutil.rmtree(stack.setup.folder, ignore_errors=True)


class Then(SystemClock):
    """An instant of the past."""

    at_ms = 0

    def now_ms(self) -> int:
        return self.at_ms


async def remember(stack: Stack) -> None:
    """Some weeks of the plant that the demo goes on with, read every five minutes, and twice a minute at the end."""
    setup, then = stack.setup, Then()
    file = setup.folder / "weeks.csv.gz"
    end = SystemClock().now_ms()
    plant = SimulatedPlant(setup.site, then)
    sources = {source for device in setup.site.devices for source in device.sources.values() if source[0] in REMEMBERED}

    def rows(at_ms: int) -> list[Row]:
        then.at_ms = at_ms
        values = {name: plant.values(name) for name in REMEMBERED}
        told = [(name, point, values[name][point]) for name, point in sorted(sources)]
        return [Row(setup.site_id, name, point, Sample(at_ms, value, "good", "none")) for name, point, value in told]

    instants = [*range(end - WEEKS_MS, end - DAY_MS, STEP_MS), *range(end - DAY_MS, end, CLOSE_MS)]
    write_rows(file, map(rows, instants))
    await stack.family.run(
        "history", [*program("plantroom-cloud"), "history", "import", str(file), "--data", str(setup.folder)]
    )


async def take(stack: Stack, browser: Browser, folder: Path) -> None:
    """A calm minute, faults one after the other, somebody at work, then the pictures."""
    context = await browser.new_context(locale="en-GB")
    page = await context.new_page()
    await page.goto(stack.link)
    await page.locator("button.pri").click()
    await wait(page, CALM_S, "a calm minute")
    for equipment, fault in FAULTS:
        await stack.change("inject", equipment, fault)
        await wait(page, TROUBLE_S // len(FAULTS), f"{equipment}: {fault}")
    ticket = await work(page, stack.setup.address)
    await wait(page, LATER_S, "somebody is at work")
    now_ms = int(await page.evaluate("Date.now()"))
    for picture in pictures(4, now_ms, ticket):
        await draw(browser, await context.cookies(), stack.setup.address, picture, folder)


async def wait(page: Page, seconds: float, why: str) -> None:
    print(f"{why}, {seconds:.0f} s", file=sys.stderr)
    await page.wait_for_timeout(seconds * 1000)


async def work(page: Page, address: str) -> str:
    """Take the incomer's ticket, go there, put it on hold for a part and go on."""
    await page.goto(f"{address}/tickets")
    row = page.locator("tr[data-row]", has_text="Power factor low")
    ticket = str(await row.get_attribute("data-row"))
    await page.goto(f"{address}/tickets/{ticket}")
    for action in ("acknowledge", "start"):
        await page.locator(f"#next [data-action={action}]").click()
        await page.wait_for_timeout(4000)
    await page.locator("#act-hold summary").click()
    await page.fill("#hold-reason", "waiting for part: contactor K5")
    await page.locator("#form-hold button").click()
    await page.wait_for_timeout(9000)
    await page.locator("#next [data-action=resume]").click()
    return ticket


async def draw(browser: Browser, cookies: list[Any], address: str, picture: Picture, folder: Path) -> None:
    """One picture, in a browser of its own size, language and theme."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": picture.width, "height": picture.height}, locale="zh-CN" if picture.language == "zh" else "en-GB",
        device_scale_factor=2 if picture.width < 600 else 1, reduced_motion="reduce",
    )  # fmt: skip
    wanted = {"plantroom_language": picture.language, "plantroom_theme": picture.theme}
    kept = [cookie for cookie in cookies if cookie["name"] not in wanted]
    chosen: list[Any] = [{"name": name, "value": value, "url": address} for name, value in wanted.items()]
    await context.add_cookies([*kept, *chosen])
    page = await context.new_page()
    await page.goto(address + picture.path)
    await page.wait_for_timeout(2500)
    path = folder / f"{picture.name}.png"
    await page.screenshot(path=path, caret="initial")
    print(path)
    await context.close()


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    target.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(main(target))
    except (DemoMisconfigured, ProcessFailed) as error:
        print(f"screenshots: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, DemoMisconfigured) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
