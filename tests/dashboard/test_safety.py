"""What a page must never do: run what somebody typed, answer another site's form, show itself to a stranger."""

import re
from pathlib import Path

import httpx
import pytest

from cloud.dashboard import web
from cloud.people.access import COOKIE
from contract.messages import Term
from tests.dashboard.conftest import client
from tests.dashboard.test_pages import PARTS, PATHS
from tests.dashboard.world import World

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


async def test_every_page_and_part_needs_sign_in(desk: World) -> None:
    async with client(desk) as stranger:
        for path in PATHS:
            answer = await stranger.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in?next="), path
            assert "Riverside" not in answer.text, path
        for path in [*PARTS, "/events"]:
            answer = await stranger.get(path, headers={"HX-Request": "true"})
            assert (answer.status_code, answer.text) == (401, ""), path
        for path in ("/sign-in", "/static/app.css", "/favicon.ico"):
            assert (await stranger.get(path)).status_code == 200, path


async def test_every_action_needs_sign_in(desk: World) -> None:
    async with client(desk) as stranger:
        for path in ("/tickets/T-000005/acknowledge", "/alarms/1/acknowledge", "/equipment/new", "/equipment/csv"):
            answer = await stranger.post(path, data={"id": "x"})
            assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path
        async with desk.database.read() as db:
            from cloud.dashboard import views

            ticket = await views.one_ticket(db, 5)
        assert ticket is not None
        assert ticket.state == "new"


async def test_the_content_policy_allows_our_own_origin_only_and_nothing_inline(reader: httpx.AsyncClient) -> None:
    for path in ["/wall", "/tickets/T-000001", "/sign-in", "/tickets/T-999999", "/parts/wall"]:
        headers = (await reader.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "data:" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


async def test_no_page_has_anything_inline_or_from_elsewhere(reader: httpx.AsyncClient) -> None:
    for path in [*PATHS, *PARTS]:
        html = (await reader.get(path)).text
        assert not re.search(r"\sstyle=", html), path
        assert not re.search(r"\son[a-z]+=", html), path
        assert "<style" not in html, path
        assert re.findall(r"<script(?![^>]*\ssrc=)", html) == [], path
        assert re.findall(r"(?:src|href|action)=\"(?:https?:)?//", html) == [], path


@pytest.mark.parametrize(
    "path",
    ["/search?q=", "/sign-in?next=", "/equipment?system=", "/tickets?show=", "/wall?sound=", "/alarms?severity="],
)
async def test_what_stands_in_an_address_is_never_run(reader: httpx.AsyncClient, path: str) -> None:
    html = (await reader.get(path + httpx.QueryParams({"x": EVIL}).__str__()[2:])).text
    assert "<script>alert" not in html
    assert "<img" not in html


async def test_what_a_gateway_or_a_person_says_is_shown_and_never_run(desk: World, reader: httpx.AsyncClient) -> None:
    await desk.raise_alarm("lift_1", "door_slow", 60_000, because=(Term(name=EVIL, value=EVIL, unit=EVIL),))
    await desk.out_of_service("lift_2", EVIL, desk.clock.now_ms() + 3_600_000)
    answer = await reader.post("/tickets/T-000001/note", data={"note": EVIL})
    assert answer.status_code == 303
    assert (await reader.post("/tickets/T-000001/hold", data={"reason": EVIL})).status_code == 303
    for path in PATHS:
        html = (await reader.get(path)).text
        assert "<script>alert" not in html, path
        assert "<img src=x" not in html, path
    assert "&lt;script&gt;" in (await reader.get("/tickets/T-000001")).text


@pytest.mark.parametrize("origin", ["https://evil.example", "http://desk.test.evil.example", "null"])
async def test_a_form_of_another_site_is_refused(desk: World, origin: str) -> None:
    async with client(desk, "duty_engineer") as reader:
        for path in ("/tickets/T-000005/acknowledge", "/display", "/sign-out", "/sign-in"):
            answer = await reader.post(path, headers={"Origin": origin}, data={"theme": "dark"})
            assert answer.status_code == 403, path
            assert "set-cookie" not in answer.headers, path


async def test_a_browser_that_says_the_form_came_from_elsewhere_is_believed(desk: World) -> None:
    async with client(desk, "duty_engineer") as reader:
        del reader.headers["Origin"]
        assert (
            await reader.post("/display", headers={"Sec-Fetch-Site": "cross-site"}, data={"theme": "dark"})
        ).status_code == 403
        assert (
            await reader.post("/display", headers={"Sec-Fetch-Site": "same-origin"}, data={"theme": "dark"})
        ).status_code == 303


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/my", "/my"), ("/tickets?show=late", "/tickets?show=late"), ("//evil.example", "/wall"), ("https://evil.example", "/wall"), ("/\\evil.example", "/wall"),
     ("javascript:alert(1)", "/wall"), ("", "/wall"), ("/a\nb", "/wall"), ("/a\\b", "/wall")],
)  # fmt: skip
def test_the_way_back_never_leaves_the_site(path: str, expected: str) -> None:
    assert web.local_path(path) == expected


async def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(empty: World) -> None:
    from cloud.people import service

    async with empty.database.write() as db:
        await service.add_user(db, "anna", "engineer", "correct horse battery", empty.clock.now_ms())
    async with client(empty) as stranger:
        wrong = await stranger.post("/sign-in", data={"name": "anna", "password": "guess"})
        assert wrong.status_code == 401
        assert "Name or password is not right." in wrong.text
        right = await stranger.post(
            "/sign-in", data={"name": "anna", "password": "correct horse battery", "next": "/my"}
        )
        assert (right.status_code, right.headers["location"]) == (303, "/my")
        cookie = right.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}=")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert (await stranger.get("/my")).status_code == 200
        assert (await stranger.post("/sign-out")).headers["location"] == "/sign-in"
        assert (await stranger.get("/my")).status_code == 303


async def test_a_one_time_link_asks_before_it_signs_in_and_works_once(empty: World) -> None:
    from cloud.people import service

    async with empty.database.write() as db:
        number = await service.add_user(db, "anna", "admin", None, empty.clock.now_ms())
        code = await service.new_sign_in_code(db, number, empty.clock.now_ms(), lambda: "one-time-code")
    async with client(empty) as preview:
        for _ in range(3):
            assert "signs you in once" in (await preview.get(f"/sign-in/{code}")).text
        assert (await preview.post(f"/sign-in/{code}")).headers["location"] == "/wall"
        assert (await preview.get("/wall")).status_code == 200
    async with client(empty) as second:
        assert (await second.get(f"/sign-in/{code}")).status_code == 410
        assert (await second.post(f"/sign-in/{code}")).status_code == 410


def test_no_template_and_no_script_reaches_for_another_host() -> None:
    for path in [
        *(web.HERE / "templates").rglob("*.html"),
        web.STATIC / "app.js",
        web.STATIC / "app.css",
        web.STATIC / "plantroom.css",
    ]:
        text = Path(path).read_text(encoding="utf-8").replace("http://www.w3.org/", "")
        assert not re.search(
            r"https?://|@import|eval\(|innerHTML\s*=\s*[^h]", text.replace("part.innerHTML = html", "")
        ), path.name
