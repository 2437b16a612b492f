"""The gateway's own page: alarms without the cloud, a door when it is opened to the network, figures for machines."""

import re
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from contract.messages import Cause, Directive
from edge import health
from edge.gateway import Parts, build
from edge.page.door import Door, hash_password, matches
from edge.page.words import WORDS
from edge.site import StatusPage
from tests.support.clock import FakeClock
from tests.support.plant import NAME, START, Bench, make_class, make_gateway, make_site, rule

OF = make_class(
    rules={
        "fire": rule("running", severity="life_safety", name={"en": "Fire <1>", "zh": "火灾"}),
        "overload": rule("load > load_max", suppressed_by=["fire"], name=NAME),
    }
)


class Page:
    def __init__(self, folder: Path, password: str = "") -> None:
        site = make_site(OF)
        status = site.gateway.status
        if password:
            (folder / "password").write_text(hash_password(password))
            status = StatusPage("0.0.0.0", 0, folder / "password")
        self.clock = FakeClock(START.wall_ms)
        site = replace(site, gateway=make_gateway(cloud="https://desk.example", status=status))
        self.parts: Parts = build(site, self.clock, folder, inline=True, log=self.clock)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(health.app(self.parts)), base_url="http://gw")

    async def read(self, **values: float | bool) -> None:
        bench = Bench(OF)
        bench.now = self.clock.moment()
        await self.parts.cycle.intake.put([bench.sample(name, value) for name, value in values.items()])
        await self.parts.cycle.turn(0)


async def test_the_page_shows_active_alarms_worst_first_and_escapes_every_word(tmp_path: Path) -> None:
    page = Page(tmp_path)
    await page.read(load=101.0)
    await page.read(running=True)
    text = (await page.client.get("/")).text
    assert "Fire &lt;1&gt;" in text
    assert "Fire <1>" not in text
    assert text.index("life safety") < text.index("major")
    assert "silent by design (fire)" in text
    assert 'data-loudest="life_safety"' in text
    assert "2026-" in text or re.search(r">\d\d:\d\d:\d\d<", text)  # the site's own time


async def test_an_alarm_that_cleared_unseen_stays_on_the_page_until_it_is_acknowledged(tmp_path: Path) -> None:
    page = Page(tmp_path)
    await page.read(load=101.0)
    assert "not acknowledged" in (await page.client.get("/live")).text
    await page.read(load=1.0)
    text = (await page.client.get("/live")).text
    assert text.index("No active alarm") < text.index("Cleared, not acknowledged")
    wish = Directive(id="d1", kind="acknowledge", by="li", equipment="pump_1", rule="overload")
    page.parts.cycle.take_directives([wish])
    await page.parts.cycle.turn(0)
    assert "Cleared, not acknowledged" not in (await page.client.get("/live")).text


async def test_the_page_tells_of_a_running_storm(tmp_path: Path) -> None:
    page = Page(tmp_path)
    for _ in range(4):
        await page.read(load=101.0)
        await page.read(load=1.0)
    await page.read(load=101.0)
    text = (await page.client.get("/live")).text
    assert "An alarm keeps coming and going: 5 alarms raised since" in text
    assert "silent by design (part of a storm)" in text


async def test_the_page_works_with_the_cloud_down_and_says_what_waits(tmp_path: Path) -> None:
    page = Page(tmp_path)
    await page.read(running=True)
    page.parts.board.failed("device_1", page.clock.moment(), Cause.NO_RESPONSE, "no answer to <read>")
    text = (await page.client.get("/live")).text
    assert "not reachable: alarms and samples are kept here" in text
    assert "<dd>2</dd>" in text  # the gateway's status and the alarm
    assert "no answer to &lt;read&gt;" in text


async def test_messages_that_could_not_be_read_are_shown_newest_first_and_escaped(tmp_path: Path) -> None:
    page = Page(tmp_path)
    assert "could not be read" not in (await page.client.get("/live")).text
    for at in range(7):
        page.clock.advance(1)
        page.parts.board.malformed("device_1", page.clock.moment(), "site/<a>", b"\x00{%d<" % at, "no JSON")
    text = (await page.client.get("/live")).text
    assert "Messages that could not be read <b>7</b>" in text
    assert "site/&lt;a&gt;" in text
    assert [f"{{{at}&lt;" in text for at in range(7)] == [False, False, True, True, True, True, True]
    assert text.index("{6&lt;") < text.index("{2&lt;")
    assert "\0" not in text
    assert "无法解析的报文" in (await page.client.get("/live", headers={"Accept-Language": "zh"})).text


async def test_a_silenced_alarm_does_not_sound(tmp_path: Path) -> None:
    page = Page(tmp_path)
    runtime = page.parts.engine.runtime("pump_1")
    assert runtime is not None
    runtime.out_of_service = "permit 7"
    await page.read(running=True)
    assert 'data-loudest=""' in (await page.client.get("/live")).text


async def test_the_page_speaks_chinese_to_a_chinese_browser_and_by_choice(tmp_path: Path) -> None:
    page = Page(tmp_path)
    assert "当前无报警" in (await page.client.get("/", headers={"Accept-Language": "zh-CN,zh;q=0.9"})).text
    answer = await page.client.get("/language/zh")
    assert answer.headers["location"] == "/"
    assert "当前无报警" in (await page.client.get("/")).text


def test_every_word_exists_in_both_languages() -> None:
    assert all(english and chinese for english, chinese in WORDS.values())


@pytest.mark.parametrize("path", ["/", "/sign-in", "/live", "/healthz", "/static/status.js", "/nothing"])
async def test_every_answer_carries_a_strict_policy(tmp_path: Path, path: str) -> None:
    answer = await Page(tmp_path).client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_has_no_inline_script_style_or_foreign_address(tmp_path: Path) -> None:
    page = Page(tmp_path)
    await page.read(running=True)
    text = (await page.client.get("/")).text
    assert " style=" not in text
    assert not re.search(r"<script(?! src=)", text)
    assert not re.search(r"(?:src|href)=\"(?!/)", text)
    for name in ("status.js", "status.css"):
        assert (await page.client.get(f"/static/{name}")).status_code == 200


# --- the door -------------------------------------------------------------------------------------------------------


async def test_an_opened_page_shows_nothing_before_the_sign_in(tmp_path: Path) -> None:
    page = Page(tmp_path, password="open sesame")
    await page.read(running=True)
    home = await page.client.get("/")
    assert (home.status_code, home.headers["location"]) == (303, "/sign-in")
    assert (await page.client.get("/live")).status_code == 401
    assert (await page.client.get("/metrics")).status_code == 401
    assert (await page.client.get("/healthz")).status_code == 200


async def test_the_right_password_opens_and_the_wrong_one_is_told(tmp_path: Path) -> None:
    page = Page(tmp_path, password="open sesame")
    wrong = await page.client.post("/sign-in", data={"password": "open barley"})
    assert wrong.status_code == 403
    assert "That is not the password" in wrong.text
    right = await page.client.post("/sign-in", data={"password": "open sesame"})
    assert right.status_code == 303
    cookie = right.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert (await page.client.get("/")).status_code == 200


async def test_guessing_is_stopped_for_a_minute(tmp_path: Path) -> None:
    page = Page(tmp_path, password="open sesame")
    for _ in range(5):
        assert (await page.client.post("/sign-in", data={"password": "guess"})).status_code == 403
    assert (await page.client.post("/sign-in", data={"password": "open sesame"})).status_code == 429
    page.clock.advance(61)
    assert (await page.client.post("/sign-in", data={"password": "open sesame"})).status_code == 303


def test_a_password_is_kept_as_a_salted_hash() -> None:
    line = hash_password("open sesame")
    assert "sesame" not in line
    assert line != hash_password("open sesame")
    assert matches("open sesame", line)
    assert not matches("open barley", line)
    assert not matches("open sesame", "open sesame")


def test_a_session_ends_after_a_month(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(hash_password("open sesame"))
    door = Door(tmp_path / "password")
    session = door.sign_in("open sesame", 0)
    assert session is not None
    assert door.knows(session, 29 * 86_400_000)
    assert not door.knows(session, 31 * 86_400_000)
    assert not door.knows("", 0)


# --- for machines ---------------------------------------------------------------------------------------------------


async def test_health_tells_a_stuck_cycle_and_a_failing_disk(tmp_path: Path) -> None:
    page = Page(tmp_path)
    await page.read(running=True)
    assert (await page.client.get("/healthz")).json() == {"status": "ok"}
    page.parts.cycle.is_disk_well = False
    assert (await page.client.get("/healthz")).status_code == 503
    page.clock.advance(60)
    assert (await page.client.get("/healthz")).json() == {"status": "stuck"}


async def test_a_gateway_without_a_disk_judges_on_and_says_that_nothing_lasts(tmp_path: Path) -> None:
    (tmp_path / "edge.db").mkdir()
    page = Page(tmp_path)
    await page.read(running=True)
    assert len(page.parts.engine.active_alarms()) == 1
    assert page.clock.said("disk_failing")
    assert (await page.client.get("/healthz")).json() == {"status": "disk_failing"}
    assert "cannot be written" in (await page.client.get("/")).text


async def test_figures_for_prometheus_name_no_point_and_no_equipment(tmp_path: Path) -> None:
    page = Page(tmp_path)
    await page.read(running=True)
    text = (await page.client.get("/metrics")).text
    assert 'plantroom_edge_active_alarms{severity="life_safety"} 1.0' in text
    assert 'plantroom_edge_outbox_records{lane="events"} 2.0' in text
    assert "plantroom_edge_samples_total 1.0" in text
    assert "pump_1" not in text
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}
    assert all(name.startswith("plantroom_edge_") for name in names)
