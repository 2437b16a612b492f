"""Lists, search, bulk actions and exports over HTTP, on the database of the run."""

import csv
import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cloud.storage import tables as t
from cloud.tickets import search_index
from cloud.tickets.search_export import safe
from tests.support.desk import HOUR, START, Desk, announcement, cleared, desk, raised, rows, trapped


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Desk]:
    """T-000001 a low power factor, taken with a note; T-000002 a person trapped; T-000003 a second fault of the incomer."""
    async with desk(tmp_path) as d:
        await d.sign_in()
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        d.clock.ms += HOUR
        await gateway.tell(trapped(d.clock.ms), raised(d.clock.ms, "overcurrent"))
        assert (await d.act("T-000001", "acknowledge")).status_code == 200
        assert (await d.act("T-000001", "note", note="接触器 K5 熔焊，contactor K5 welded")).status_code == 200
        yield d


async def listed(office: Desk, query: str) -> list[str]:
    answer = await office.http.get(f"/api/v1/tickets?{query}")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["tickets"]]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [3, 2, 1]), ("sort=oldest", [1, 2, 3]), ("state=acknowledged", [1]), ("state=new,acknowledged", [3, 2, 1]), ("open=0", []), ("open=1", [3, 2, 1]),
        ("priority=life_safety", [2]), ("kind=fault&equipment=incomer_1", [3, 1]), ("holder=me", [1]), ("holder=nobody", [3, 2]), ("rule=pf_low", [1]),
        ("system=lifts", [2]), ("site=riverside", [3, 2, 1]), ("clause=h-5.3.1-pf&state=new", [3, 2]), ("from=2026-11-21&to=2026-11-21", [3, 2, 1]),
        ("to=2026-11-20", []), ("late=1", []), ("breached=any", []), ("past=1", []), ("reopened=1", []), ("text=功率因数", [1]), ("text=welded", [1]), ("text=熔", [1]),
        ("text=weld k5", [1]), ("text=困人", [2]), ("text=lift trapped", [2]), ("text=lift welded", []), ("text=000003", [3]), ("due=1&open=1", []),
    ],
)  # fmt: skip
async def test_a_list_holds_what_its_address_asks_for(office: Desk, query: str, numbers: list[int]) -> None:
    assert await listed(office, query) == [f"T-{number:06d}" for number in numbers]


@pytest.mark.parametrize("query", ["state=neww", "priority=high", "due=soon", "from=yesterday", "site=nowhere", "holder=nobody_known", "clause=x", "equipment=lift_9",
                                   "text=?!", "before=next", "sort=up", "open=maybe", "system=nuclear"])  # fmt: skip
async def test_a_filter_that_cannot_hold_is_refused_with_its_place(office: Desk, query: str) -> None:
    answer = await office.http.get(f"/api/v1/tickets?{query}")
    assert answer.status_code == 422, answer.text
    name, _, value = query.partition("=")
    assert name in str(answer.json()["errors"] or answer.json())
    assert value in answer.text or "before" in answer.text


async def test_late_is_late_at_the_second_and_for_ever(office: Desk) -> None:
    due = (await office.http.get("/api/v1/tickets/T-000003")).json()["response_due"]
    office.clock.ms += 2 * HOUR
    assert due == "2026-11-21T10:00:00.000Z"
    assert await listed(office, "late=1&rule=overcurrent") == []  # exactly at due is on time
    office.clock.ms += 1
    assert await listed(office, "late=1&rule=overcurrent") == ["T-000003"]
    await office.tick()
    (ticket,) = await rows(office.database, t.ticket, id=3)
    assert ticket["breached_at"] == START + 3 * HOUR
    for verb, body in (("acknowledge", {}), ("resolve", {"cause": "c", "action": "a"}), ("close", {"reason": "seen"})):
        assert (await office.act("T-000003", verb, **body)).status_code == 200, verb
    assert await listed(office, "late=1&open=0") == ["T-000003"]
    assert await listed(office, "breached=response&rule=overcurrent") == ["T-000003"]
    assert await listed(office, "breached=arrival&rule=overcurrent") == []


async def test_what_is_due_next_comes_first_and_pages_follow_one_another(office: Desk) -> None:
    first = (await office.http.get("/api/v1/tickets?open=1&sort=due&limit=1")).json()
    second = (await office.http.get(f"/api/v1/tickets?open=1&sort=due&limit=1&before={first['next']}")).json()
    third = (await office.http.get(f"/api/v1/tickets?open=1&sort=due&limit=1&before={second['next']}")).json()
    assert [page["tickets"][0]["id"] for page in (first, second, third)] == ["T-000002", "T-000003", "T-000001"]
    assert third["next"] is None
    newest = (await office.http.get("/api/v1/tickets?limit=2")).json()
    assert newest["next"] == "T-000002"
    assert await listed(office, "before=T-000002") == ["T-000001"]


# --- search -------------------------------------------------------------------------------------------------------


async def test_search_says_where_it_was_found(office: Desk) -> None:
    found = (await office.http.get("/api/v1/search?q=熔焊")).json()
    assert (found["count"], found["is_more"], found["unwritten"]) == (1, False, 0)
    assert [(one["ticket"]["id"], one["field"]) for one in found["tickets"]] == [("T-000001", "note")]
    assert "熔焊" in found["tickets"][0]["excerpt"]


async def test_a_title_tells_more_than_a_note_and_open_more_than_closed(office: Desk) -> None:
    await office.act("T-000003", "note", note="the power factor is fine here")
    found = (await office.http.get("/api/v1/search?q=power factor")).json()
    assert [one["ticket"]["id"] for one in found["tickets"]] == ["T-000001", "T-000003"]


async def test_a_changed_ticket_is_found_by_its_new_words_at_once_and_by_its_old_ones_too(office: Desk) -> None:
    assert await listed(office, "text=gasket") == []
    await office.act("T-000002", "note", note="gasket")
    assert await listed(office, "text=gasket") == ["T-000002"]
    assert await listed(office, "text=trapped") == ["T-000002"]


async def test_the_background_step_leaves_nothing_to_a_search(office: Desk) -> None:
    async with office.database.read() as connection:
        assert await search_index.count_missing(connection) == 3
    assert await office.app.state.indexer.index() == 3
    async with office.database.read() as connection:
        assert await search_index.count_missing(connection) == 0
        assert (await connection.execute(text("SELECT COUNT(*) FROM ticket_words"))).scalar_one() == 3


async def test_what_a_search_could_not_write_any_more_is_told(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_index.catch_up, "__defaults__", (1,))
    monkeypatch.setattr(search_index.index_missing, "__defaults__", (1,))
    assert (await office.http.get("/api/v1/search?q=incomer")).json()["unwritten"] == 2


# --- many at once -------------------------------------------------------------------------------------------------


async def in_bulk(office: Desk, action: str, *names: str, **body: Any) -> dict[str, Any]:
    answer = await office.http.post("/api/v1/tickets/bulk", json={"tickets": list(names), "action": action, **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_each_ticket_is_done_by_itself_and_life_safety_is_never_acknowledged_with_others(office: Desk) -> None:
    found = await in_bulk(office, "acknowledge", "T-000001", "T-000002", "T-000003", "T-000009")
    assert (found["done"], found["refused"]) == (1, 3)
    told = {one["ticket"]: (one["status"], one["code"], one["state"]) for one in found["tickets"]}
    assert told == {
        "T-000001": (409, "state", ""), "T-000002": (409, "bulk_life_safety", ""), "T-000003": (200, "", "acknowledged"), "T-000009": (404, "not_found", ""),
    }  # fmt: skip
    assert await listed(office, "state=new") == ["T-000002"]


async def test_a_lowered_priority_opens_no_way_to_acknowledge_an_emergency_with_others(office: Desk) -> None:
    assert (await in_bulk(office, "set_priority", "T-000002", priority="general", reason="only a test"))["done"] == 1
    (found,) = (await in_bulk(office, "acknowledge", "T-000002"))["tickets"]
    assert (found["is_done"], found["code"]) == (False, "bulk_life_safety")


async def test_a_repeated_call_with_its_key_does_nothing_more(office: Desk) -> None:
    for _ in range(2):
        assert (await in_bulk(office, "note", "T-000001", "T-000002", note="water is off", key="k1"))["done"] == 2
    lines = [line for line in await rows(office.database, t.timeline) if line["data"].get("note") == "water is off"]
    assert len(lines) == 2


async def test_priority_and_holder_of_many(office: Desk) -> None:
    assert (await in_bulk(office, "set_priority", "T-000001", "T-000003", priority="urgent", reason="tenant"))[
        "done"
    ] == 2
    assert (await in_bulk(office, "dispatch", "T-000003", holder="electrician"))["done"] == 1
    assert await listed(office, "priority=urgent&holder=electrician") == ["T-000003"]


async def test_a_viewer_does_nothing_to_many(office: Desk) -> None:
    await office.sign_in("guest", "viewer")
    answer = await office.http.post(
        "/api/v1/tickets/bulk", json={"tickets": ["T-000001"], "action": "note", "note": "x"}
    )
    assert answer.status_code == 403


# --- exports ------------------------------------------------------------------------------------------------------


async def test_csv_has_every_clock_and_no_formula(office: Desk) -> None:
    await office.act("T-000003", "acknowledge")
    body = {"cause": '=HYPERLINK("http://evil")', "action": "-1+1"}
    assert (await office.act("T-000003", "resolve", **body)).status_code == 200
    answer = await office.http.get("/api/v1/tickets/export?rule=overcurrent")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (row["number"], row["state"], row["equipment_name"]) == ("T-000003", "resolved", "LV incomer 1")
    assert (row["cause"], row["action"]) == ('\'=HYPERLINK("http://evil")', "'-1+1")
    assert row["response_due"] == "2026-11-21T18:00:00+08:00"
    assert (row["response_state"], row["response_target"], row["arrival_due"]) == ("met", "2.0", "")


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@A1", "\t=1", "\r=1", "\n=1", *map(chr, (0xFF1D, 0xFF0B, 0xFF0D, 0xFF20))]
)
def test_text_that_a_spreadsheet_takes_for_a_formula_is_text(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


async def test_a_state_that_is_open_among_tickets_that_are_over_is_nobodys(office: Desk) -> None:
    answer = await office.http.get("/api/v1/tickets?state=new&open=0")
    assert answer.json()["tickets"] == []


async def test_xlsx_has_dates_that_are_dates_in_the_zone_of_the_site(office: Desk) -> None:
    answer = await office.http.get("/api/v1/tickets/export?as=xlsx&language=zh&sort=oldest")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        sheet, styles = book.read("xl/worksheets/sheet1.xml").decode(), book.read("xl/styles.xml").decode()
    assert "yyyy-mm-dd hh:mm:ss" in styles
    assert sheet.count("<row ") == 4
    assert "功率因数" in sheet
    assert "<v>46347.625</v>" in sheet  # 2026-11-21 15:00, when the first was opened, at the site


async def test_an_export_keeps_the_breach_of_an_earlier_activation(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        first = trapped(START)
        await gateway.tell(announcement(), first)
        await d.tick(2 * HOUR)
        await gateway.tell(cleared(first, d.clock.ms), trapped(d.clock.ms))
        answer = await d.http.get("/api/v1/tickets/export?priority=life_safety")
        (row,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
        assert (row["response_state"], row["response_breached"]) == ("running", "2026-11-21T16:00:00+08:00")


async def test_a_long_list_is_exported_whole(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud.tickets.search_export.CHUNK", 2)
    for sort in ("due", "newest", "oldest"):
        answer = await office.http.get(f"/api/v1/tickets/export?open=1&sort={sort}")
        assert len(answer.text.splitlines()) == 4, sort
