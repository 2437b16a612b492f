"""Prometheus reads the cloud's figures: from the same machine as it is, from elsewhere only after a sign-in."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.desk import START, Desk, announcement, desk, raised


async def scrape(d: Desk, host: str, headers: dict[str, str] | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(d.app, client=(host, 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://desk.test", cookies=d.http.cookies) as http:
        return await http.get("/metrics", headers=headers)


def figures(answer: httpx.Response) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_figures_count_what_is_in_the_database(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        answer = await scrape(d, "127.0.0.1")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        found = figures(answer)
        assert found["plantroom_cloud_active_alarms", raised(START).severity.value] == 1
        assert sum(value for key, value in found.items() if key[0] == "plantroom_cloud_open_tickets") == 1
        assert found["plantroom_cloud_gateways",] == 1
        assert found["plantroom_cloud_overdue_deadlines",] == 0
        assert found["plantroom_cloud_history_store_up",] == 1


async def test_overdue_clocks_are_counted(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        d.clock.ms += 365 * 86_400_000
        assert figures(await scrape(d, "::1"))["plantroom_cloud_overdue_deadlines",] >= 1


async def test_no_figure_names_a_point_or_a_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        text = (await scrape(d, "127.0.0.1")).text
        assert "T-0" not in text
        assert "incomer_1" not in text
        labels = {name for f in text_string_to_metric_families(text) for s in f.samples for name in s.labels}
        assert labels == {"severity", "priority", "outcome"}


@pytest.mark.parametrize(
    ("host", "headers"),
    [("192.0.2.7", {}), ("127.0.0.1", {"X-Forwarded-For": "192.0.2.7"}), ("nowhere", {})],
)
async def test_from_elsewhere_it_needs_a_sign_in(tmp_path: Path, host: str, headers: dict[str, str]) -> None:
    async with desk(tmp_path) as d:
        assert (await scrape(d, host, headers)).status_code == 401
        await d.sign_in()
        assert (await scrape(d, host, headers)).status_code == 200
