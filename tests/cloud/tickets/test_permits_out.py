"""Planned outages: what the gateway is asked while something is cut, and what the passing of time says."""

from pathlib import Path
from typing import Any

import pytest

from cloud.storage import tables as t
from cloud.tickets import permits_out
from cloud.tickets.permits import Step
from cloud.tickets.permits_service import Given, take
from cloud.tickets.service import Actor
from cloud.tickets.ticket import parse_ticket
from contract.conventions import format_instant
from contract.messages import DirectiveApplied
from tests.cloud.tickets.test_permits import kinds, ready
from tests.support.desk import HOUR, MINUTE, START, Desk, desk, rows
from tests.support.permits import (
    APPROVE,
    APPROVE_RESTORE,
    ASK,
    CUT,
    DONE,
    END,
    MEASURES,
    NIGHT,
    NOTIFY,
    RESTORE,
    cut,
    drafted,
    step,
    walk,
)

# --- out of service -----------------------------------------------------------------------------------------------


async def test_a_gateway_that_is_cut_off_finds_the_wish_when_it_is_back_and_the_permit_shows_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await ready(d)
        ticket = await cut(d)
        d.clock.ms += HOUR
        (thing,) = (await d.http.get(f"/api/v1/permits/{ticket}")).json()["equipment"]
        assert (thing["wish"], thing["sent_at"], thing["applied"]) == ("out_of_service", None, None)
        (wish,) = (await gateway.tell()).directives
        await gateway.tell(DirectiveApplied(directive=wish.id, at=format_instant(d.clock.ms), applied=True))
        (thing,) = (await d.http.get(f"/api/v1/permits/{ticket}")).json()["equipment"]
        assert (thing["applied"], thing["applied_at"]) == (True, format_instant(d.clock.ms))


async def test_an_extension_moves_the_end_for_the_gateway_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await ready(d)
        ticket = await cut(d)
        later = END + HOUR
        assert (await step(d, "chief", ticket, "extend", until=format_instant(END), reason="slow")).status_code == 422
        await walk(d, ticket, ("chief", "extend", {"until": format_instant(later), "reason": "a bolt broke"}))
        assert [one.until for one in (await gateway.tell()).directives] == [format_instant(END), format_instant(later)]
        assert (await d.http.get(f"/api/v1/permits/{ticket}")).json()["until_at"] == format_instant(later)


async def test_a_clock_set_back_does_not_turn_the_order_of_wishes_round(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await ready(d)
        ticket = await cut(d)
        d.clock.ms = NIGHT - 10 * MINUTE
        await walk(d, ticket, DONE, APPROVE_RESTORE, RESTORE)
        assert [one.kind for one in (await gateway.tell()).directives] == ["out_of_service", "in_service"]


async def test_equipment_of_two_permits_stays_out_until_both_are_over(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await ready(d)
        first = await cut(d)
        d.clock.ms = START
        second = await cut(d, until=format_instant(END + HOUR), work="new meter")
        await walk(d, first, DONE, APPROVE_RESTORE, RESTORE)
        last = (await gateway.tell()).directives[-1]
        assert (last.kind, last.until, last.reason) == (
            "out_of_service",
            format_instant(END + HOUR),
            f"{second}: new meter",
        )
        await walk(d, second, DONE, APPROVE_RESTORE, RESTORE)
        assert (await gateway.tell()).directives[-1].kind == "in_service"


async def test_what_a_permit_holds_out_is_put_back_by_the_permit_only(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        await cut(d)
        body = {"site": "riverside", "equipment": "incomer_1", "kind": "in_service"}
        answer = await d.http.post("/api/v1/directives", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "permit")


async def test_equipment_without_a_gateway_is_marked_in_the_register_until_its_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        async with d.database.write() as connection:
            values = {
                "site_id": "riverside",
                "id": "tank_1",
                "system": "water",
                "name": {"en": "Tank 1"},
                "roles": [],
                "ratings": {},
                "main_points": [],
                "registered_at": START,
            }
            await connection.execute(t.equipment.insert().values(**values))  # fmt: skip
        ticket = await cut(d, equipment=["tank_1"])
        (tank,) = await rows(d.database, t.equipment, id="tank_1")
        assert tank["out_of_service"] == {"reason": f"{ticket}: yearly overhaul", "at": NIGHT, "until": END}
        assert await rows(d.database, t.directive) == []
        d.clock.ms = END
        await d.app.state.permit_keeper.look()
        (tank,) = await rows(d.database, t.equipment, id="tank_1")
        assert tank["out_of_service"] is None


async def cut_here(d: Desk, ticket: str) -> None:
    """Cut without the way over HTTP, so that an error arrives as it is."""
    given = Given(checked=MEASURES)
    async with d.database.write() as connection:
        await take(
            d.app.state.desk, connection, parse_ticket(ticket), Step.CUT, Actor("anna", "engineer"), NIGHT, given
        )


async def test_cut_and_wish_are_there_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def dies(*_: Any) -> bool:
        raise RuntimeError("the process ends here")

    async with desk(tmp_path) as d:
        gateway = await ready(d)
        ticket = await drafted(d)
        await walk(d, ticket, ASK, APPROVE, NOTIFY)
        d.clock.ms = NIGHT
        with monkeypatch.context() as patch:
            patch.setattr(permits_out, "send", dies)
            with pytest.raises(RuntimeError):
                await cut_here(d, ticket)
        assert (await d.http.get(f"/api/v1/permits/{ticket}")).json()["stage"] == "notified"
        assert "permit_cut" not in await kinds(d)
        await walk(d, ticket, CUT)
        assert len((await gateway.tell()).directives) == 1


# --- time passes --------------------------------------------------------------------------------------------------


async def test_an_end_that_nears_and_passes_is_said_once_at_its_own_instant(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await ready(d)
        ticket = await cut(d)
        (wish,) = (await gateway.tell()).directives
        await gateway.tell(DirectiveApplied(directive=wish.id, at=format_instant(NIGHT), applied=True))
        before = (await d.http.get(f"/api/v1/permits/{ticket}")).json()
        for now in (
            END - 31 * MINUTE,
            END - 29 * MINUTE,
            END - 29 * MINUTE,
            END,
            END + HOUR,
            END - HOUR,
            END + 2 * HOUR,
        ):
            d.clock.ms = now
            await d.app.state.permit_keeper.look()
        lines = [(row["kind"], row["at"]) for row in await rows(d.database, t.timeline)][5:]
        assert lines == [("permit_ending", END - 30 * MINUTE), ("permit_overrun", END)]
        after = (await d.http.get(f"/api/v1/permits/{ticket}")).json()
        assert (before["is_overrun"], after["is_overrun"]) == (False, True)
        assert after["version"] == before["version"] + 2


async def test_a_keeper_that_slept_through_everything_says_all_of_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        await cut(d)
        d.clock.ms = END + 24 * HOUR
        await d.app.state.permit_keeper.look()
        lines = [(row["kind"], row["at"]) for row in await rows(d.database, t.timeline)][5:]
        assert lines == [
            ("permit_unapplied", NIGHT + 5 * MINUTE), ("permit_ending", END - 30 * MINUTE), ("permit_overrun", END),
        ]  # fmt: skip


async def test_an_extension_after_the_end_is_a_new_end_that_is_watched_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await cut(d)
        d.clock.ms = END + MINUTE
        await d.app.state.permit_keeper.look()
        later = END + 2 * HOUR
        await walk(d, ticket, ("chief", "extend", {"until": format_instant(later), "reason": "a bolt broke"}))
        d.clock.ms = later + 1
        await d.app.state.permit_keeper.look()
        assert [row["at"] for row in await rows(d.database, t.timeline, kind="permit_overrun")] == [END, later]
        await walk(d, ticket, DONE, APPROVE_RESTORE, RESTORE)
        (line,) = await rows(d.database, t.timeline, kind="permit_restored")
        assert line["data"]["late_ms"] == 1


async def test_a_gateway_that_refuses_is_noted(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await ready(d)
        await cut(d)
        (wish,) = (await gateway.tell()).directives
        await gateway.tell(
            DirectiveApplied(directive=wish.id, at=format_instant(NIGHT), applied=False, reason="not on this gateway")
        )
        d.clock.ms += 5 * MINUTE
        await d.app.state.permit_keeper.look()
        (line,) = await rows(d.database, t.timeline, kind="permit_unapplied")
        assert line["data"]["reason"] == "not on this gateway"


async def test_a_permit_that_nobody_used_lapses(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        ticket = await drafted(d)
        await walk(d, ticket, ASK, APPROVE, NOTIFY)
        d.clock.ms = END + HOUR
        for _ in range(2):
            await d.app.state.permit_keeper.look()
        assert [row["at"] for row in await rows(d.database, t.timeline, kind="permit_lapsed")] == [END]
        assert (await step(d, "anna", ticket, "cut", checked=MEASURES)).json()["code"] == "over"


async def test_the_list_shows_what_is_out_first(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await ready(d)
        coming = await drafted(d, equipment=["lift_1"], watch_instead="guard")
        out = await cut(d)
        found = (await d.http.get("/api/v1/permits")).json()["permits"]
        assert [one["ticket"] for one in found] == [out, coming]
        found = (await d.http.get("/api/v1/permits?stage=drafted&site=riverside")).json()["permits"]
        assert [one["ticket"] for one in found] == [coming]
        table = (await d.http.get("/api/v1/permit-steps")).json()
        assert [one["step"] for one in table] == [str(one) for one in Step]
