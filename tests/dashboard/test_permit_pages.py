"""Planned outages, their notice, out of service by button, and links for contractors, as people see them."""

import itertools
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from cloud.dashboard import words
from cloud.storage import tables as t
from cloud.tickets import permits
from cloud.tickets.contractors import LinkState, Verb
from cloud.tickets.permits import STEPS, Stage
from contract.conventions import format_instant
from contract.messages import AlarmChanged, DirectiveApplied
from tests.dashboard.conftest import client
from tests.dashboard.world import SATURDAY, World

FORM = {
    "site": "riverside", "equipment": ["incomer_1", "lift_1"], "from": "2026-11-22T21:00", "until": "2026-11-23T01:00",
    "work": "Yearly overhaul", "measures": ["isolated", "tested_dead"], "other_measures": "Rubber mats\n\n", "workers": "A and B",
    "affected": "Floors 3 to 12", "is_notice_needed": "1", "lead_h": "24", "watch_instead": "a guard at the landing",
}  # fmt: skip
NIGHT = SATURDAY + 29 * 3_600_000


@pytest.fixture
async def chief(desk: World) -> AsyncIterator[httpx.AsyncClient]:
    await desk.add_user("chief", "manager", "Chief engineer")
    async with client(desk, "chief") as found:
        yield found


async def drafted(reader: httpx.AsyncClient, **changes: object) -> str:
    """A draft through the form; its ticket's path."""
    answer = await reader.post("/permits/new", data=FORM | changes)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def press(who: httpx.AsyncClient, path: str, step: str, **data: object) -> None:
    answer = await who.post(f"{path.replace('/tickets/', '/permits/')}/{step}", data=data)
    assert answer.status_code == 303, answer.text


async def test_an_outage_from_the_form_to_closed_by_its_buttons(
    desk: World, reader: httpx.AsyncClient, chief: httpx.AsyncClient
) -> None:
    path = await drafted(reader)
    page = (await reader.get(path)).text
    for text in ("Yearly overhaul", "Rubber mats", "Tested dead", "a guard at the landing", "Ask for approval"):
        assert text in page
    await press(reader, path, "ask")
    assert "Waits for a person with role manager" in (await reader.get(path)).text
    await press(chief, path, "approve_cut")
    await press(reader, path, "notify", how="Posted in both lobbies")
    assert "Why earlier, or at short notice" in (await reader.get(path)).text
    desk.clock.ms = NIGHT
    assert "Why earlier, or at short notice" not in (await reader.get(path)).text
    await press(reader, path, "cut", checked=["isolated", "tested_dead", "Rubber mats"])
    page = (await reader.get(path)).text
    assert page.count("not yet applied") == 2
    assert "Not watched while out of service" in page
    assert "trapped" in page
    assert path.rpartition("/")[2] in (await reader.get("/permits")).text
    await press(reader, path, "report_done", action="contacts cleaned")
    await press(chief, path, "approve_restore", checked=list(permits.CLEARANCE))
    await press(reader, path, "restore")
    await press(reader, path, "close")
    assert "Planned outages" in (await reader.get("/permits")).text


async def test_asked_applied_and_overrun_are_told_apart(
    desk: World, reader: httpx.AsyncClient, chief: httpx.AsyncClient
) -> None:
    path = await drafted(reader, equipment=["incomer_1"])
    await press(reader, path, "ask")
    await press(chief, path, "approve_cut")
    await press(reader, path, "notify", how="posted")
    desk.clock.ms = NIGHT
    await press(reader, path, "cut", checked=["isolated", "tested_dead", "Rubber mats"], reason="agreed")
    async with desk.database.read() as db:
        wish = (await db.execute(select(t.directive.c.id).where(t.directive.c.kind == "out_of_service"))).scalar_one()
    at = format_instant(NIGHT)
    until = "2026-11-22T17:00:00.000Z"
    await desk.tell(AlarmChanged(equipment="incomer_1", rule="", at=at, what="out_of_service", reason="T", until=until))
    await desk.tell(DirectiveApplied(directive=wish, at=at, applied=True))
    assert "out of service, applied" in (await reader.get(path)).text
    desk.clock.ms = NIGHT + 5 * 3_600_000
    assert "overrun by" in (await reader.get(path)).text
    assert "overrun by" in (await reader.get("/permits")).text
    await desk.tell(AlarmChanged(equipment="incomer_1", rule="", at=at, what="in_service", reason="over"))
    assert "watched again: the planned end has passed" in (await reader.get(path)).text


@pytest.mark.parametrize(("language", "told"), [("en", "Safety measures: choose"), ("zh", "安全措施：至少")])
async def test_a_form_with_mistakes_comes_back_filled_with_every_one(desk: World, language: str, told: str) -> None:
    async with client(desk, "duty_engineer") as reader:
        reader.cookies.set("plantroom_language", language)
        answer = await reader.post(
            "/permits/new", data=FORM | {"measures": [], "other_measures": "", "until": FORM["from"]}
        )
        assert answer.status_code == 422
        assert told in answer.text
        assert 'value="2026-11-22T21:00"' in answer.text
        assert "Floors 3 to 12" in answer.text
        assert (await reader.post("/permits/new", data=FORM | {"from": "soon"})).status_code == 422
        assert (await reader.post("/permits/new", data=FORM | {"lead_h": "x"})).status_code == 422


async def test_a_draft_is_opened_again_and_changed(reader: httpx.AsyncClient) -> None:
    path = await drafted(reader)
    change = path.replace("/tickets/", "/permits/") + "/change"
    page = (await reader.get(change)).text
    assert "Rubber mats" in page
    assert (await reader.post(change, data=FORM | {"work": "Only the breaker"})).status_code == 303
    assert "Only the breaker" in (await reader.get(path)).text
    stale = await reader.post(change, data=FORM | {"version": "1"})
    assert stale.status_code == 409
    await press(reader, path, "ask")
    assert (await reader.post(change, data=FORM)).status_code == 409


async def test_the_notice_says_everything_in_both_languages_on_one_sheet(reader: httpx.AsyncClient) -> None:
    path = await drafted(reader)
    page = (await reader.get(path.replace("/tickets/", "/permits/") + "/notice")).text
    sheet = page.partition("<article")[2]
    for text in (
        "计划停电通知",
        "Notice of planned power outage",
        "2026-11-22 21:00",
        "2026-11-23 01:00",
        "Floors 3 to 12",
    ):
        assert text in sheet
    await press(reader, path, "withdraw", reason="the firm cannot come")
    assert "does not take place" in (await reader.get(path.replace("/tickets/", "/permits/") + "/notice")).text


async def test_equipment_goes_out_of_service_by_button_and_comes_back(desk: World, reader: httpx.AsyncClient) -> None:
    service, numbers = "/equipment/riverside/fire_pump_1/service", itertools.count()
    desk.app.state.tokens = lambda: f"wish-{next(numbers)}"
    assert f'href="{service}"' in (await reader.get("/equipment/riverside/fire_pump_1")).text
    page = (await reader.get(service)).text
    assert "Not watched while out of service" in page
    assert "Fire pump failed to start" in page
    assert (await reader.post(service, data={"reason": "seal", "until": "never"})).status_code == 422
    assert (await reader.post(service, data={"reason": "", "until": "2026-11-21T20:00"})).status_code == 422
    assert (await reader.post(service, data={"reason": "seal", "until": "2026-11-20T20:00"})).status_code == 422
    answer = await reader.post(service, data={"reason": "seal replaced", "until": "2026-11-21T20:00"})
    assert answer.headers["location"] == service
    async with desk.database.read() as db:
        (wish,) = (await db.execute(select(t.directive).where(t.directive.c.kind == "out_of_service"))).mappings()
    assert (wish["body"]["reason"], wish["body"]["until"]) == ("seal replaced", "2026-11-21T12:00:00.000Z")
    assert "not yet applied" in (await reader.get(service)).text
    at = format_instant(SATURDAY)
    await desk.tell(
        AlarmChanged(
            equipment="fire_pump_1",
            rule="",
            at=at,
            what="out_of_service",
            reason="seal replaced",
            until=wish["body"]["until"],
        )
    )
    await desk.tell(DirectiveApplied(directive=wish["id"], at=at, applied=True))
    page = (await reader.get(service)).text
    assert "seal replaced" in page
    assert "Put back in service" in page
    assert (await reader.post(service, data={"back": "1"})).status_code == 303
    async with desk.database.read() as db:
        kinds = (await db.execute(select(t.directive.c.kind).order_by(t.directive.c.created_at))).scalars().all()
    assert kinds[-1] == "in_service"


async def test_who_may_not_is_told_so(desk: World) -> None:
    await desk.add_user("guest", "viewer")
    async with client(desk, "guest") as guest:
        assert "may not change this" in (await guest.get("/equipment/riverside/lift_1/service")).text
        assert (await guest.post("/equipment/riverside/lift_1/service", data={"back": "1"})).status_code == 403
        assert (await guest.post("/permits/new", data=FORM)).status_code == 403
        assert (await guest.post("/links/T-000005/new", data={"name": "x", "days": "7"})).status_code == 403
        assert "make-link" not in (await guest.get("/tickets/T-000005")).text
    async with client(desk) as nobody:
        for path in ("/permits", "/permits/new", "/equipment/riverside/lift_1/service"):
            assert (await nobody.get(path)).headers["location"].startswith("/sign-in")
        for path in ("/permits/new", "/links/T-000005/new", "/links/1/revoke"):
            assert (await nobody.post(path)).status_code == 303


async def test_a_link_is_made_on_the_ticket_and_listed_there(desk: World, reader: httpx.AsyncClient) -> None:
    desk.app.state.tokens = lambda: "a-secret-of-tests"
    assert "make-link" in (await reader.get("/tickets/T-000005")).text
    made = await reader.post("/links/T-000005/new", data={"name": "Northside Lifts", "contact": "555", "days": "7"})
    assert re.search(r'value="http://desk\.test/c/a-secret-of-tests"', made.text)
    page = (await reader.get("/tickets/T-000005")).text
    assert "Northside Lifts" in page
    assert "a-secret-of-tests" not in page
    assert (await reader.post("/links/T-000005/new", data={"name": "x", "days": "many"})).status_code == 422


def test_there_are_words_for_everything_that_a_permit_or_a_link_can_be() -> None:
    entries = words.load("en").entries
    wanted = [
        *(f"permit.stage.{one}" for one in Stage), *(f"timeline.{row.entry}" for row in STEPS),
        *(f"permit.act.{row.step}" for row in STEPS if row.to is not None or row.step == "extend"),
        *(f"permit.measure.{one}" for one in permits.MEASURES), *(f"permit.clear.{one}" for one in permits.CLEARANCE),
        *(f"contractor.state.{one}" for one in LinkState), *(f"contractor.page.{one}" for one in Verb),
        *(f"contractor.page.gone_{one}" for one in LinkState if one is not LinkState.GOOD),
    ]  # fmt: skip
    assert [key for key in wanted if key not in entries] == []


def test_the_guide_holds_the_table_of_steps() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "permits.md").read_text(encoding="utf-8")
    for row in STEPS:
        cells = [
            f"`{row.step}`",
            ", ".join(row.sources),
            str(row.to or ""),
            str(row.role),
            ", ".join(row.needs),
            row.clause,
        ]
        assert f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |") in guide, row.step
