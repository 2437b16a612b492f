"""Links for outside contractors: what they open, what they record, and when they open nothing any more."""

import asyncio
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import update

from cloud.storage import tables as t
from cloud.tickets.contractors_gate import Gate
from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, desk, raised, rows, trapped
from tests.support.permits import APPROVE, ASK, CUT, MEASURES, NIGHT, NOTIFY, be, drafted, people, walk

DAY = 24 * HOUR
DONE = {"cause": "door shoe worn", "action": "shoe replaced"}
ORIGIN = {"Origin": "http://desk.test"}


async def with_link(d: Desk, alarm: Any = None, **body: Any) -> str:
    """A fault with a link for the lift firm; the address's path."""
    gateway = await d.gateway()
    await people(d)
    await gateway.tell(announcement(), alarm or trapped(START))
    be(d, "anna")
    answer = await d.http.post(
        "/api/v1/tickets/T-000001/links", json={"name": "Northside Lifts", "contact": "555 0100", **body}
    )
    assert answer.status_code == 201, answer.text
    d.http.cookies.clear()
    return str(answer.json()["url"]).removeprefix("http://desk.test")


async def press(d: Desk, path: str, verb: str, **data: str) -> int:
    """One act through the link; the answer's status."""
    return (await d.http.post(f"{path}/{verb}", data=data, headers=ORIGIN)).status_code


async def clocks(d: Desk) -> dict[str, str]:
    return {row["clock"]: row["state"] for row in await rows(d.database, t.deadline)}


async def lines(d: Desk) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["actor_kind"], row["actor"]) for row in await rows(d.database, t.timeline)]


async def test_accepting_arriving_and_finishing_stop_the_clocks_in_the_contractors_name(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d)
        d.clock.ms += MINUTE
        assert await press(d, path, "accept") == 303
        assert await clocks(d) == {"response": "met", "arrival": "running", "resolution": "running"}
        assert await press(d, path, "arrive") == 303
        assert (await clocks(d))["arrival"] == "met"
        assert await press(d, path, "done", **DONE) == 303
        assert (await clocks(d))["resolution"] == "met"
        firm = ("contractor", "Northside Lifts")
        assert await lines(d) == [
            ("opened", "machine", (await lines(d))[0][2]), ("link_made", "person", "anna"), ("acknowledged", *firm),
            ("arrived", *firm), ("resolved", *firm),
        ]  # fmt: skip
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], ticket["cause_text"], ticket["action_text"]) == ("resolved", *DONE.values())
        (alarm,) = await rows(d.database, t.alarm)
        assert alarm["acknowledged_by"] == "Northside Lifts"


async def test_pressing_twice_or_at_the_same_moment_records_one_act(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d)
        assert await asyncio.gather(*(press(d, path, "accept") for _ in range(3))) == [303, 303, 303]
        assert [kind for kind, _, _ in await lines(d)].count("acknowledged") == 1


async def test_what_our_own_people_did_first_is_not_done_again_but_the_contractors_word_is_kept(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d)
        be(d, "tom")
        for verb in ("acknowledge", "start"):
            assert (await d.act("T-000001", verb)).status_code == 200
        await d.act("T-000001", "hold", reason="waiting for the firm")
        d.http.cookies.clear()
        assert await press(d, path, "accept") == 303
        assert await press(d, path, "arrive") == 303
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["state"], ticket["holder"]) == ("on_hold", "tom")
        assert (await clocks(d))["arrival"] == "met"
        assert [kind for kind, actor, _ in await lines(d) if actor == "contractor"] == ["acknowledged", "arrived"]


async def test_the_page_opens_without_sign_in_and_shows_the_job_and_nothing_else(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d, raised(START))
        page = await d.http.get(path)
        assert page.status_code == 200
        assert "LV incomer 1: power factor low" in page.text
        assert "Riverside Tower" in page.text
        assert "Lift 1" not in page.text
        for name in ("anna", "chief", "tom", "pf_low", "gw_1"):
            assert name not in page.text
        assert set(re.findall(r'href="([^"#]*)', page.text)) <= {"?lang=en", "?lang=zh", "/static/favicon.svg"} | set(
            re.findall(r'href="(/static/[^"]*)', page.text)
        )
        assert "<script" not in page.text
        assert page.headers["x-robots-tag"].startswith("noindex")
        assert "script-src" not in page.headers["content-security-policy"]
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert page.headers["cache-control"] == "no-store"
        assert "接单" in (await d.http.get(f"{path}?lang=zh")).text


async def test_only_what_comes_next_is_possible(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d)
        assert await press(d, path, "done", **DONE) == 409
        assert await press(d, path, "accept") == 303
        assert await press(d, path, "done", cause="door", action=" ") == 422
        kept = await d.http.post(f"{path}/done", data={"cause": "door shoe worn", "action": ""}, headers=ORIGIN)
        assert "door shoe worn" in kept.text
        assert await press(d, path, "explode") == 404
        assert (await d.http.post(f"{path}/done", data=DONE, headers={"Origin": "http://evil.test"})).status_code == 403


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_an_ended_link_says_why_and_shows_no_more_than_it_may(tmp_path: Path, language: str) -> None:
    async with desk(tmp_path) as d:
        path = f"{await with_link(d)}?lang={language}"
        gone = {"en": ("has expired", "was revoked"), "zh": ("已过期", "已作废")}[language]
        d.clock.ms = START + 7 * DAY - 1
        assert "person trapped" in (await d.http.get(path)).text or language == "zh"
        d.clock.ms += 1
        page = (await d.http.get(path)).text
        assert gone[0] in page
        assert "Lift" not in page
        assert await press(d, path.partition("?")[0], "accept") == 410
        d.clock.ms = START
        be(d, "anna")
        assert (await d.http.post("/api/v1/links/1/revoke")).json()["state"] == "revoked"
        assert (await d.http.post("/api/v1/links/1/revoke")).status_code == 200
        d.http.cookies.clear()
        page = (await d.http.get(path)).text
        assert gone[1] in page
        assert "Lift" not in page
        assert await press(d, path.partition("?")[0], "accept") == 410
        assert [kind for kind, _, _ in await lines(d)].count("link_revoked") == 1


async def test_after_the_report_and_after_closing_the_link_shows_the_result_only(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d)
        await press(d, path, "accept")
        await press(d, path, "done", **DONE)
        assert await press(d, path, "arrive") == 410
        page = (await d.http.get(path)).text
        assert "reported done through this link" in page
        assert "shoe replaced" in page
        async with d.database.write() as connection:
            await connection.execute(update(t.ticket).values(state="closed", closed_at=d.clock.ms))
        page = (await d.http.get(path)).text
        assert "This ticket is closed" in page
        assert "shoe replaced" in page
        assert "<form" not in page


async def test_a_link_made_so_also_closes_and_one_that_is_not_leaves_closing_to_us(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d, may_close=True)
        await press(d, path, "accept")
        assert await press(d, path, "close") == 409
        await press(d, path, "done", **DONE)
        assert await press(d, path, "close") == 422  # the alarm is still active
        async with d.database.write() as connection:
            await connection.execute(update(t.alarm).values(state="cleared", cleared_at=d.clock.ms))
        assert await press(d, path, "close") == 303
        assert await press(d, path, "close") == 303
        assert [line for line in await lines(d) if line[0] == "closed"] == [("closed", "contractor", "Northside Lifts")]
        assert "This ticket is closed" in (await d.http.get(path)).text


async def test_a_secret_is_told_once_and_kept_as_a_hash(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d)
        token = path.removeprefix("/c/")
        (link,) = await rows(d.database, t.permits.contractor_link)
        assert token not in str(link)
        be(d, "tom")
        (shown,) = (await d.http.get("/api/v1/tickets/T-000001/links")).json()["links"]
        assert token not in str(shown)
        assert (shown["name"], shown["state"], shown["seen_at"]) == ("Northside Lifts", "good", None)
        await d.http.get(path)
        (shown,) = (await d.http.get("/api/v1/tickets/T-000001/links")).json()["links"]
        assert shown["seen_at"] is not None


async def test_who_may_make_links_and_for_how_long(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_link(d)
        be(d, "tom")
        path, body = "/api/v1/tickets/T-000001/links", {"name": "Firm"}
        assert (await d.http.post(path, json=body)).status_code == 403
        assert (await d.http.post("/api/v1/links/1/revoke")).status_code == 403
        be(d, "anna")
        assert (await d.http.post(path, json=body | {"days": 91})).status_code == 422
        assert (await d.http.post(path, json={"name": " "})).status_code == 422
        assert (await d.http.post("/api/v1/tickets/T-000009/links", json=body)).status_code == 404
        assert (await d.http.post("/api/v1/links/9/revoke")).status_code == 404
        async with d.database.write() as connection:
            await connection.execute(update(t.ticket).values(state="closed"))
        assert (await d.http.post(path, json=body)).status_code == 409


async def test_guessing_is_slowed_down_and_says_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        path = await with_link(d)
        assert (await d.http.get("/c/guess")).status_code == 404
        assert "T-000001" not in (await d.http.get("/c/guess")).text
        for _ in range(30):
            await d.http.get("/c/guess")
        slow = await d.http.get("/c/guess")
        assert (slow.status_code, slow.headers["retry-after"]) == (429, "60")
        assert (await d.http.get(path)).status_code == 429
        d.clock.ms += MINUTE
        assert (await d.http.get(path)).status_code == 200


def test_a_gate_forgets_after_a_minute_and_when_the_clock_is_set_back() -> None:
    gate = Gate()
    for _ in range(3):
        gate.note("a", START)
    assert gate.is_over("a", 3, START)
    assert not gate.is_over("b", 1, START)
    assert not gate.is_over("a", 3, START + MINUTE)
    assert not gate.is_over("a", 3, START - 1)


async def test_a_contractor_reports_the_work_of_an_outage_done_and_our_people_restore(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await (await d.gateway()).tell(announcement())
        await people(d)
        ticket = await drafted(d, contractor="Northside Switchgear")
        be(d, "anna")
        made = await d.http.post(f"/api/v1/tickets/{ticket}/links", json={"name": "Northside Switchgear"})
        path = made.json()["url"].removeprefix("http://desk.test")
        await walk(d, ticket, ASK, APPROVE, NOTIFY)
        d.http.cookies.clear()
        assert await press(d, path, "accept") == 303
        page = (await d.http.get(path)).text
        assert "It is not cut yet" in page
        assert "Tested dead" in page
        assert await press(d, path, "done", action="x") == 409
        d.clock.ms = NIGHT
        await walk(d, ticket, CUT)
        d.http.cookies.clear()
        assert await press(d, path, "arrive") == 303
        assert await press(d, path, "done", action="contacts cleaned") == 303
        be(d, "anna")
        shown = (await d.http.get(f"/api/v1/permits/{ticket}")).json()
        assert (shown["stage"], shown["done_by"], shown["measures"]) == ("done", "Northside Switchgear", MEASURES)


async def test_the_button_shows_the_address_once_with_its_qr_code(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await with_link(d)
        be(d, "anna")
        page = await d.http.post("/links/T-000001/new", data={"name": "Other firm", "days": "3"}, headers=ORIGIN)
        assert page.status_code == 200
        assert "<svg" in page.text
        assert (found := re.search(r'value="http://desk\.test(/c/[^"]+)"', page.text)) is not None
        assert (await d.http.get(found[1])).status_code == 200
        again = await d.http.post("/links/2/revoke", headers=ORIGIN)
        assert again.headers["location"] == "/tickets/T-000001"
        d.http.cookies.clear()
        assert "was revoked" in (await d.http.get(found[1])).text


async def test_a_photo_comes_with_the_report_in_the_contractors_name(tmp_path: Path) -> None:
    drawn = BytesIO()
    Image.new("RGB", (640, 480), "grey").save(drawn, "JPEG")
    async with desk(tmp_path) as d:
        path = await with_link(d)
        assert await press(d, path, "accept") == 303
        photo = {"photo": ("door.jpg", drawn.getvalue(), "image/jpeg")}
        bad = {"photo": ("door.jpg", b"no picture", "image/jpeg")}
        refused = await d.http.post(f"{path}/done", data=DONE, files=bad, headers=ORIGIN)
        assert (refused.status_code, "could not be taken over" in refused.text) == (415, True)
        assert (await d.http.post(f"{path}/done", data=DONE, files=photo, headers=ORIGIN)).status_code == 303
        assert [line for line in await lines(d) if line[1] == "contractor"][-2:] == [
            ("attached", "contractor", "Northside Lifts"), ("resolved", "contractor", "Northside Lifts"),
        ]  # fmt: skip
