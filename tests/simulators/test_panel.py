import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from device_profiles.library import load
from simulators.control import Hand
from simulators.panel.app import Panel, is_our_host
from simulators.panel.words import keys, word
from simulators.plant import PlantServers, SimulatedPlant
from simulators.site import build_site

NOW = 1_795_000_000_000
ROOT = Path(__file__).parents[2]
SITE = {
    "site": {"id": "here", "zone": "Asia/Shanghai"},
    "gateway": {"id": "gw_1"},
    "equipment": [
        {
            "id": "feeder_1",
            "class": "lv_switchgear",
            "name": {"en": "Feeder <1>", "zh": "1号馈线"},
            "ratings": {"rated_a": 250},
        }
    ],
    "buses": [{"id": "sensors", "mqtt": "mqtt://127.0.0.1:1883"}],
    "devices": [
        {"id": "meter_1", "model": "shelly_pro_3em", "bus": "sensors", "address": "m1", "equipment": "feeder_1"}
    ],
}


class Standing:
    def now_ms(self) -> int:
        return NOW

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


@pytest.fixture
def hand() -> Hand:
    plant = SimulatedPlant(build_site(SITE, load()), Standing())
    servers = PlantServers(plant, Standing())
    servers.message_devices()
    return Hand(plant, servers, plant.now_ms)


@pytest.fixture
async def browser(hand: Hand) -> AsyncIterator[httpx.AsyncClient]:
    way = httpx.ASGITransport(Panel(hand, hand.plant.now_ms, "secret").app())
    async with httpx.AsyncClient(transport=way, base_url="http://127.0.0.1:8082") as client:
        yield client


async def press(
    browser: httpx.AsyncClient, path: str = "/cause", headers: dict[str, str] | None = None, **form: str
) -> int:
    fields = {"token": "secret", "target": "feeder_1", "fault": "overload"} | form
    answer = await browser.post(path, data=fields, headers=headers or {"origin": "http://127.0.0.1:8082"})
    return answer.status_code


async def test_a_button_causes_a_fault_and_another_repairs_it(browser: httpx.AsyncClient, hand: Hand) -> None:
    assert await press(browser) == 303
    assert [(one.target, one.fault) for one in hand.wrong()] == [("feeder_1", "overload")]
    assert "Wrong now" in (await browser.get("/")).text
    assert await press(browser, "/repair") == 303
    assert hand.wrong() == []


async def test_a_device_a_sensor_and_a_line_go_wrong_and_right(browser: httpx.AsyncClient, hand: Hand) -> None:
    for target, fault in (("meter_1", "silent"), ("meter_1/voltage_l1", "stuck"), ("sensors", "cut")):
        assert await press(browser, target=target, fault=fault) == 303
    assert {(one.kind, one.fault) for one in hand.wrong()} == {
        ("device", "silent"),
        ("sensor", "stuck"),
        ("line", "cut"),
    }
    assert await press(browser, "/repair-all") == 303
    assert hand.wrong() == []


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({"origin": "https://elsewhere.example"}, {}),
        ({"origin": "null"}, {}),
        ({"sec-fetch-site": "cross-site"}, {}),
        ({"host": "rebound.example:8082", "origin": "http://rebound.example:8082"}, {}),
        ({}, {"token": ""}),
        ({}, {"token": "guessed"}),
    ],
)
async def test_another_sites_page_cannot_press_a_button(
    browser: httpx.AsyncClient, hand: Hand, headers: dict[str, str], form: dict[str, str]
) -> None:
    assert await press(browser, headers=headers, **form) in (403, 421)
    assert hand.wrong() == []


async def test_a_form_that_is_too_long_is_refused(browser: httpx.AsyncClient, hand: Hand) -> None:
    assert await press(browser, more="x" * 20_000) == 403
    assert hand.wrong() == []


async def test_what_cannot_be_done_is_told_on_the_page(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/cause", data={"token": "secret", "target": "feeder_1", "fault": "rust"})
    assert answer.status_code == 422
    assert "feeder_1 knows no fault rust" in answer.text


async def test_a_page_is_not_shown_under_a_foreign_name(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/", headers={"host": "rebound.example"})).status_code == 421
    assert is_our_host("localhost:8082")
    assert is_our_host("[::1]:8082")
    assert is_our_host("192.168.1.7:8082")
    assert not is_our_host("plant.example:8082")


async def test_nothing_inline_and_nothing_from_elsewhere(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/equipment/feeder_1"):
        answer = await browser.get(path)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert " style=" not in answer.text
        assert re.findall(r"<script(?! src=\"/static/)", answer.text) == []
        assert re.findall(r"(?:src|href)=\"https?:", answer.text) == []
        assert "Feeder &lt;1&gt;" in answer.text


async def test_it_speaks_the_readers_language_and_remembers_the_choice(browser: httpx.AsyncClient) -> None:
    assert "模拟设备" in (await browser.get("/", headers={"accept-language": "zh-CN"})).text
    answer = await browser.get("/language/zh?to=/equipment/feeder_1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/equipment/feeder_1")
    assert "1号馈线" in (await browser.get("/equipment/feeder_1")).text
    assert (await browser.get("/language/en?to=//elsewhere.example")).headers["location"] == "/"


async def test_a_lying_sensor_is_shown_beside_the_truth(browser: httpx.AsyncClient) -> None:
    await press(browser, target="meter_1/voltage_l1", fault="range_end")
    page = (await browser.get("/equipment/feeder_1?part=live")).text
    assert "differs" in page
    assert "<html" not in page


async def test_equipment_is_found_by_its_name(browser: httpx.AsyncClient) -> None:
    assert "/equipment/feeder_1" in (await browser.get("/?q=馈线")).text
    assert "No equipment has this" in (await browser.get("/?q=boiler")).text
    assert (await browser.get("/equipment/boiler")).status_code == 404


def test_every_word_is_there_in_both_languages() -> None:
    assert all(word(key, "en") and word(key, "zh") for key in keys())


def test_the_tokens_are_those_of_the_dashboard() -> None:
    pattern = re.compile(r"(--[a-z0-9-]+):\s*([^;]+);")
    dashboard = (
        (ROOT / "cloud/dashboard/static/plantroom.css").read_text(encoding="utf-8").split("/* severity sets four")[0]
    )
    panel = (ROOT / "simulators/panel/static/panel.css").read_text(encoding="utf-8").split("/* ---------- the panel")[0]
    assert pattern.findall(panel) == pattern.findall(dashboard)
