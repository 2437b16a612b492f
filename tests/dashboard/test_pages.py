import httpx
import pytest

PATHS = [
    "/wall",
    "/equipment",
    "/equipment/riverside/incomer_2",
    "/equipment/riverside/incomer_2/trends",
    "/equipment/riverside/incomer_2/alarms",
    "/equipment/riverside/incomer_2/tests",
    "/equipment/riverside/incomer_2/tickets",
    "/equipment/riverside/incomer_2/mapping",
    "/alarms",
    "/alarms?show=silenced",
    "/alarms?show=history",
    "/tickets",
    "/tickets?show=late",
    "/tickets?show=closed",
    "/tickets/T-000001",
    "/my",
    "/tests",
    "/gateways",
    "/gateways/gw_1",
    "/search?q=lift",
]


@pytest.mark.parametrize("path", PATHS)
async def test_page(reader: httpx.AsyncClient, path: str) -> None:
    answer = await reader.get(path)
    assert answer.status_code == 200, answer.text[:3000]
