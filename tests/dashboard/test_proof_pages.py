"""Evidence, parts, hours and watching by form, and the work order on paper."""

from pathlib import Path

import httpx
import pytest
import segno

from cloud.dashboard import work_order
from cloud.dashboard.web import LANGUAGE_COOKIE
from cloud.storage import tables as t
from cloud.tickets.attachments_media import PDF
from cloud.tickets.ticket import Action
from tests.dashboard.conftest import client
from tests.dashboard.world import HOUR, MINUTE, World
from tests.support.desk import rows
from tests.support.photos import PDF as PAPER
from tests.support.photos import photo

TICKET = "/tickets/T-000001"  # incomer 2: its rule asks for a quarter of an hour within the limit


async def send(reader: httpx.AsyncClient, data: bytes = b"", name: str = "IMG_1.jpg", **said: str) -> httpx.Response:
    return await reader.post(f"{TICKET}/photos", files={"photo": (name, data)}, data={"shows": "fault", **said})


async def test_a_photo_is_attached_shown_and_taken_off_again(desk: World, reader: httpx.AsyncClient) -> None:
    answer = await send(reader, photo(), note="fuse <b>3</b>")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{TICKET}#evidence")
    page = (await reader.get(TICKET)).text
    assert f'src="{TICKET}/files/1/small"' in page
    assert "fuse &lt;b&gt;3&lt;/b&gt;" in page
    assert "Duty engineer: attached" in page
    for path in ("files/1", "files/1/small"):
        served = await reader.get(f"{TICKET}/{path}")
        assert served.headers["content-type"] == "image/jpeg"
        assert "sandbox" in served.headers["content-security-policy"]
    assert (await reader.post(f"{TICKET}/photos/1/remove", data={"reason": "a tenant's face"})).status_code == 303
    page = (await reader.get(TICKET)).text
    assert "removed 16:05 by Duty engineer: a tenant&#39;s face" in page
    assert "files/1/small" not in page
    assert (await reader.get(f"{TICKET}/files/1")).status_code == 410
    async with client(desk) as stranger:
        assert (await stranger.get(f"{TICKET}/files/1")).status_code == 303
        assert (await send(stranger, photo())).headers["location"] == "/sign-in"


async def test_several_files_at_once_and_a_paper_is_no_photo(desk: World, reader: httpx.AsyncClient) -> None:
    chosen = [("file", ("a.jpg", photo())), ("file", ("b.png", photo("PNG"))), ("file", ("permit.pdf", PAPER))]
    assert (await reader.post(f"{TICKET}/photos", files=chosen, data={"shows": "other"})).status_code == 303
    found = await rows(desk.database, t.proof.attachment)
    assert [row["media_type"] for row in found] == ["image/jpeg", "image/png", PDF]
    assert ">PDF<" in (await reader.get(TICKET)).text
    assert "files/3/small" not in (await reader.get(TICKET)).text


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [(b"<html>", 415, "This is not a photo"), (b"", 422, "No photo was chosen"), (photo()[:300], 422, "damaged")],
    ids=["page", "nothing", "half"],
)  # fmt: skip
async def test_what_is_no_photo_is_refused_in_words_with_a_way_back(
    reader: httpx.AsyncClient, data: bytes, status: int, told: str
) -> None:
    answer = await send(reader, data, "" if not data else "x.jpg")
    assert answer.status_code == status
    assert told in answer.text
    assert f'href="{TICKET}"' in answer.text


async def test_the_card_says_what_is_needed_and_how_it_stands_in_both_languages(
    desk: World, reader: httpx.AsyncClient
) -> None:
    page = (await reader.get(TICKET)).text
    assert "Power factor ≥ 0.9 for 15 min" in page
    assert "outside its limit" in page
    async with client(desk, "duty_engineer") as chinese:
        chinese.cookies.set(LANGUAGE_COOKIE, "zh")
        page = (await chinese.get(TICKET)).text
        assert "功率因数 ≥ 0.9，持续 15 分钟" in page
        assert "超出限值" in page
    refused = await reader.post(f"{TICKET}/resolve", data={"cause": "fuse", "action": "replaced"})
    assert refused.status_code in {409, 422}
    now = desk.clock.now_ms()
    await desk.past("incomer_2", "power_factor", {now + at: 0.95 for at in range(1000, 20 * MINUTE, 10_000)})
    desk.clock.ms = now + 20 * MINUTE
    assert "0.950 … 0.950" in (await reader.get(TICKET)).text


async def test_parts_and_hours_by_form_add_up_and_are_corrected_by_a_new_line(
    desk: World, reader: httpx.AsyncClient
) -> None:
    part = {"name": "Contactor", "number": "LC1-D25", "quantity": "1,5", "unit": "pc", "cost": "1185.50"}
    assert (await reader.post(f"{TICKET}/parts", data=part)).headers["location"] == f"{TICKET}#work"
    worked = {"from": "2026-11-21T14:00", "to": "2026-11-21T15:30"}
    assert (await reader.post(f"{TICKET}/hours", data=worked)).status_code == 303
    page = (await reader.get(TICKET)).text
    assert "1.5 pc" in page
    assert "1\u2009185.50 CNY" in page
    assert "1 h 30 min" in page
    assert (await reader.post(f"{TICKET}/parts", data={**part, "quantity": "0", "replaces": "1"})).status_code == 303
    assert "1.5 pc" not in (await reader.get(f"{TICKET}/part/side")).text
    refused = await reader.post(f"{TICKET}/parts", data={**part, "replaces": "1"})
    assert refused.status_code == 409
    assert "Somebody corrected this line meanwhile." in refused.text
    assert (await reader.post(f"{TICKET}/parts", data={**part, "quantity": "many"})).status_code == 422


async def test_what_one_watches_stands_on_my_work(desk: World, reader: httpx.AsyncClient) -> None:
    assert "You watch no ticket." in (await reader.get("/my")).text
    assert (await reader.post(f"{TICKET}/watch")).status_code == 303
    assert "You watch no ticket." not in (await reader.get("/my")).text
    assert "Stop watching" in (await reader.get(TICKET)).text
    assert (await reader.post(f"{TICKET}/unwatch")).status_code == 303
    assert "You watch no ticket." in (await reader.get("/my")).text


async def test_a_value_measured_by_hand_stands_where_nothing_is_read(desk: World, reader: httpx.AsyncClient) -> None:
    desk.clock.ms += 2 * HOUR  # nothing was read for two hours
    assert "Measured by hand…" in (await reader.get(TICKET)).text
    hand = {"point": "power_factor", "value": "0,95", "instrument": "clamp meter 12"}
    assert (await reader.post(f"{TICKET}/readings", data={**hand, "instrument": ""})).status_code == 422
    assert (await reader.post(f"{TICKET}/readings", data=hand)).status_code == 303
    assert "0.950, by hand: duty_engineer, clamp meter 12" in (await reader.get(TICKET)).text


async def test_the_work_order_says_everything_that_is_needed_on_site(desk: World, reader: httpx.AsyncClient) -> None:
    await reader.post(f"{TICKET}/parts", data={"name": "Contactor", "quantity": "1"})
    page = (await reader.get(f"{TICKET}/work-order")).text
    for told in ("T-000001", "http://desk.test/tickets/T-000001", "Proved dead with a tested instrument", "Contactor", "h-5.3.1-pf",
                 "Power factor ≥ 0.9 for 15 min", "Resolution", "Riverside Tower", "Accepted by"):  # fmt: skip
        assert told in page, told
    assert "style=" not in page
    assert "T-000001/work-order" in (await reader.get(TICKET)).text
    async with client(desk, "duty_engineer") as chinese:
        chinese.cookies.set(LANGUAGE_COOKIE, "zh")
        assert "派工单" in (await chinese.get(f"{TICKET}/work-order")).text
    assert (await reader.get("/tickets/T-999999/work-order")).status_code == 404


def test_the_code_is_the_address_and_nothing_that_the_content_policy_forbids() -> None:
    address = "https://desk.example/tickets/T-000123"
    drawn = work_order.qr(address)
    assert "style" not in drawn
    assert drawn == segno.make(address, error="m").svg_inline(border=4, svgclass=None, lineclass=None, omitsize=True)


@pytest.mark.parametrize("system", ["lifts", "power", "water", "fire", "", "something_new"])
def test_every_system_has_checks_before_anything_is_touched(system: str) -> None:
    from cloud.dashboard import words

    for language in words.LANGUAGES:
        assert len(work_order.checks(system, words.load(language))) >= 3


def test_a_long_text_leaves_room_for_the_others() -> None:
    assert len(work_order.short("x" * 1000)) == work_order.MOST_LETTERS
    assert work_order.short("short") == "short"


async def test_every_action_is_still_what_it_was(desk: World, reader: httpx.AsyncClient, tmp_path: Path) -> None:
    """The addresses of photos, parts and hours stand before those of actions, and take none of them away."""
    own = {"photos", "parts", "hours", "watch", "unwatch", "readings", "files"}
    assert not own & {str(action) for action in Action}
