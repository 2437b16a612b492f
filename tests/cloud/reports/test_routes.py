"""Figures over HTTP, of tickets that really happened."""

import csv
import io
from pathlib import Path
from typing import Any

from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, desk, raised, trapped

NOVEMBER = "from=2026-11-01&to=2026-11-30"


async def figures(d: Desk, query: str = NOVEMBER) -> Any:
    answer = await d.http.get(f"/api/v1/figures?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def power(d: Desk) -> Any:
    """The clocks of the power system: the silent gateway's own ticket is in another."""
    groups = (await figures(d, f"{NOVEMBER}&by=system"))["groups"]
    return next(group["ordinary"] for group in groups if group["key"] == "power")


async def late_ticket(d: Desk) -> None:
    """One ticket whose response was due at 09:00 and given at 10:00."""
    gateway = await d.gateway()
    await gateway.tell(announcement(), raised(START, began_at="2026-11-21T06:45:00.000Z"))
    await d.sign_in()
    await d.tick(3 * HOUR)
    assert (await d.act("T-000001", "acknowledge")).status_code == 200


async def test_a_breach_is_told_with_its_sum_and_leads_to_its_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await late_ticket(d)
        (response, resolution) = await power(d)
        assert response["in_time"] == {"numerator": 0, "denominator": 1, "percent": 0.0}
        assert (response["elapsed"]["max_s"], response["since_began"]["max_s"]) == (10_800.0, 11_700.0)
        assert (resolution["running"], resolution["in_time"]["percent"]) == (1, None)
        found = (await d.http.get(f"/api/v1/figures/clocks?{NOVEMBER}&clock=response&outcome=breached")).json()
        assert [(one["ticket"], one["breached_at"]) for one in found["clocks"]] == [
            ("T-000001", "2026-11-21T09:00:00.000Z")
        ]
        assert (await d.http.get(found["clocks"][0]["clocks_url"])).status_code == 200


async def test_no_later_change_takes_a_breach_out_of_the_figures(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await late_ticket(d)
        before = (await power(d))[0]
        await d.act("T-000001", "set_priority", priority="general", reason="smaller than thought")
        assert (await power(d))[0] == before
        await d.act("T-000001", "cancel", reason="a test of the relay")
        assert (await power(d))[0]["breached"] == 1
        await d.tick(24 * HOUR)
        assert (await power(d))[0]["breached"] == 1


async def test_life_safety_is_counted_apart_and_every_activation_by_itself(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), trapped(START), trapped(START + MINUTE))
        total = (await figures(d))["total"]
        assert total["ordinary"] == []
        assert [(one["clock"], one["due"]) for one in total["life_safety"]] == [
            ("response", 2), ("arrival", 2), ("resolution", 1),
        ]  # fmt: skip


async def test_a_spreadsheet_has_the_same_figures(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await late_ticket(d)
        answer = await d.http.get(f"/api/v1/figures?{NOVEMBER}&by=system&format=csv")
        assert answer.headers["content-type"].startswith("text/csv")
        rows = [row for row in csv.reader(io.StringIO(answer.text)) if row]
        first = dict(zip(rows[0], rows[1], strict=True))
        assert (first["key"], first["clock"], first["in_time_numerator"], first["in_time_denominator"]) == (
            "(all)", "response", "0", "1",
        )  # fmt: skip
        assert {row[4] for row in rows if len(row) > 4} >= {"(all)", "power"}


async def test_the_period_before_stands_beside_when_asked_for(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await late_ticket(d)
        found = await figures(d, "from=2026-12-01&to=2026-12-31&compare=true")
        assert found["total"]["ordinary"] == []
        assert found["before"]["ordinary"][0]["breached"] == 1


async def test_only_engineers_and_later_roles_read_figures(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert (await d.http.get("/api/v1/figures")).status_code == 401
        await d.sign_in("anna", "technician")
        assert (await d.http.get("/api/v1/figures")).status_code == 403
