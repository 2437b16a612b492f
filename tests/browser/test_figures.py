"""The page of figures over a year of tickets: on a desk, on a phone, on paper, in both languages."""

import random
from typing import Any

import pytest
from sqlalchemy import insert

from cloud.storage import tables as t
from cloud.storage.session import Database
from tests.browser.conftest import OUTPUT, Open, Served

HOUR, DAY = 3_600_000, 86_400_000
SYSTEMS = {"incomer_2": "power", "lift_2": "lifts", "booster_4": "water", "fire_pump_2": "fire"}
PEOPLE = ("electrician_a", "王工", "duty_engineer", "")


def made_up(number: int, dice: random.Random, now: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One closed ticket of the last year with both its clocks."""
    opened = now - dice.randrange(2 * DAY, 365 * DAY)
    equipment = dice.choice(list(SYSTEMS))
    answered, solved = (
        opened + round(dice.expovariate(1 / 3200)) * 1000,
        opened + round(dice.expovariate(1 / 60_000)) * 1000,
    )
    closed = max(answered, solved) + dice.randrange(HOUR, 40 * HOUR)
    priority = "life_safety" if dice.random() < 0.04 else dice.choice(["general", "major", "urgent"])
    row = {
        "id": number, "fault_key": f"riverside/{equipment}/r{dice.randrange(8)}", "site_id": "riverside", "equipment_id": equipment,
        "title": {"en": "Fault", "zh": "故障"}, "priority": priority, "system": SYSTEMS[equipment], "clause": "m-2.3.3-2h",
        "state": "cancelled" if dice.random() < 0.03 else "closed", "opened_at": opened, "received_at": opened,
        "began_at": opened - dice.randrange(1000, 900_000), "closed_at": min(closed, now), "resolved_at": min(solved, now),
        "holder": dice.choice(PEOPLE), "is_past": dice.random() < 0.02, "reopened": int(dice.random() < 0.06),
    }  # fmt: skip
    clocks = [
        clock(number, "response", opened, 2 * HOUR, answered),
        clock(number, "resolution", opened, 48 * HOUR, min(solved, now)),
    ]
    return row, clocks


def clock(number: int, name: str, start: int, target: int, stop: int) -> dict[str, Any]:
    late = stop > start + target
    return {
        "ticket_id": number, "clock": name, "target_s": target // 1000, "start_at": start, "due_at": start + target, "met_at": stop,
        "breached_at": start + target if late else None, "state": "breached" if late else "met", "used_s": (stop - start) / 1000,
        "clause": "m-2.3.3-2h" if name == "response" else "m-2.3.3-48h",
    }  # fmt: skip


async def fill_a_year(database: Database, now: int, count: int = 900) -> None:
    dice = random.Random(6)
    made = [made_up(number, dice, now) for number in range(1000, 1000 + count)]
    async with database.write() as connection:
        await connection.execute(insert(t.ticket), [row for row, _ in made])
        await connection.execute(insert(t.deadline), [one for _, clocks in made for one in clocks])


@pytest.mark.timeout(180)
async def test_a_year_of_figures_fits_every_width_and_prints(served: Served, at: Open) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    await fill_a_year(served.world.database, served.world.clock.now_ms())
    for width, theme, language in (
        (1440, "light", "en"),
        (1440, "dark", "zh"),
        (390, "light", "zh"),
        (390, "dark", "en"),
    ):
        async with at("/figures?period=this_year&by=system", width=width, theme=theme, language=language) as page:
            await page.screenshot(
                path=OUTPUT / f"figures-{width}-{theme}-{language}.png", full_page=True, caret="initial"
            )
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
            outside = "[...document.querySelectorAll('.barsdrawn rect')].filter(r => r.getBBox().y < 0 || r.getBBox().height < 0).length"
            assert await page.evaluate(outside) == 0
            if width == 1440 and language == "en":
                await page.pdf(path=OUTPUT / "figures.pdf", format="A4")
                await page.click("#ordinary a.link >> nth=0")
                assert "/figures/clocks" in page.url
                await page.screenshot(path=OUTPUT / "figures-clocks.png", caret="initial")


async def test_figures_are_read_without_script(at: Open) -> None:
    async with at("/figures", script=False) as page:
        await page.click("text=Last month")
        assert "period=last_month" in page.url
        assert await page.locator("h1").inner_text() == "Figures"
