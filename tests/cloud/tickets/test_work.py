"""A ticket is resolved with what its rule asks for; parts, hours and watchers; all through the API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from cloud.storage import tables as t
from cloud.telemetry.store import Row, Sample
from cloud.tickets.watchers import watched_by, watching
from contract.conventions import format_instant
from contract.messages import AnnouncedPoint, DeviceAnnounced, PointLimit, Resolving, Severity, Text
from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, desk, raised, rows, words
from tests.support.photos import photo

PATH = "/api/v1/tickets/T-000001"
RESOLVE = {"cause": "fuse of stage 3", "action": "replaced"}
ASKS = Resolving(photos=["fault", "repair"], within_limits=["power_factor"], lasting_ms=15 * MINUTE,
                 note=Text(en="Which stage", zh="哪一组"))  # fmt: skip


def asking(resolve: Resolving | None = ASKS) -> DeviceAnnounced:
    """The incomer whose rule asks for evidence, with a limit beside its power factor."""
    plain = announcement()
    (incomer, lift) = plain.equipment
    limit = PointLimit(rule="pf_low", op="<", value=0.9, severity=Severity.MAJOR, clause="h-5.3.1-pf")
    point = AnnouncedPoint(
        id="power_factor", name=Text(en="Power factor", zh="功率因数"), kind="gauge", digits=2, device="meter_1", limits=[limit],
        expected_every_ms=1000,
    )  # fmt: skip
    rule = msgspec.structs.replace(incomer.rules[0], resolve=resolve)
    return msgspec.structs.replace(
        plain, equipment=[msgspec.structs.replace(incomer, points=[point], rules=[rule]), lift], site_name=words("x").en
    )  # fmt: skip


@asynccontextmanager
async def at_work(folder: Path, resolve: Resolving | None = ASKS) -> AsyncIterator[Desk]:
    async with desk(folder) as d:
        gateway = await d.gateway()
        await d.sign_in("anna", "engineer")
        await gateway.tell(asking(resolve), raised(START))
        assert (await d.act("T-000001", "acknowledge")).status_code == 200
        yield d


async def read(d: Desk, value: float | None, minutes: float = 16, quality: str = "good") -> None:
    """The meter shows this from so long ago until now."""
    now = d.clock.ms
    rows_ = [
        Row("riverside", "incomer_1", "power_factor", Sample(at, value, quality, "none"))
        for at in range(now - round(minutes * MINUTE), now + 1, 10_000)
    ]
    await d.app.state.store.write(rows_)


async def states(d: Desk) -> dict[str, str]:
    return {need["id"]: need["state"] for need in (await d.http.get(f"{PATH}/evidence")).json()["needs"]}


async def attach(d: Desk, shows: str, colour: str) -> None:
    sent = await d.http.post(
        f"{PATH}/attachments", files={"file": ("a.jpg", photo(colour=colour))}, data={"shows": shows}
    )
    assert sent.status_code == 201


async def test_resolving_waits_for_photos_a_reading_within_limits_and_a_note(tmp_path: Path) -> None:
    async with at_work(tmp_path) as d:
        d.clock.ms += HOUR
        await read(d, 0.85)
        refused = await d.act("T-000001", "resolve", **RESOLVE)
        assert (refused.status_code, refused.json()["code"]) == (422, "evidence")
        assert refused.json()["title"] == (
            "before it is resolved it needs: Photo of the fault; Photo after the repair; "
            "Power factor ≥ 0.9 for 15 min, 0.85, outside its limit; Note: Which stage"
        )
        await attach(d, "fault", "red")
        await attach(d, "repair", "blue")
        await d.act("T-000001", "note", note="stage 3")
        d.clock.ms += 5 * MINUTE
        await read(d, 0.95, 4.9)
        assert await states(d) == {
            "photo:fault": "attached", "photo:repair": "attached", "reading:power_factor": "waiting", "note": "noted",
        }  # fmt: skip
        assert (await d.act("T-000001", "resolve", **RESOLVE)).status_code == 422
        d.clock.ms += 11 * MINUTE
        await read(d, 0.96, 11)
        done = await d.act("T-000001", "resolve", **RESOLVE)
        assert (done.status_code, done.json()["state"]) == (200, "resolved")
        (proof,) = await rows(d.database, t.proof.reading_proof)
        assert (proof["facts"]["lowest"], proof["facts"]["highest"], proof["facts"]["limits"]) == (
            0.95,
            0.96,
            [["<", 0.9]],
        )
        d.clock.ms += HOUR
        await read(d, 0.5)
        assert (await states(d))["reading:power_factor"] == "measured"  # as it was when it was resolved


async def test_a_merge_does_not_lose_the_evidence_that_a_rule_asks_for(tmp_path: Path) -> None:
    async with at_work(tmp_path) as d:
        said = {"kind": "fault", "title": "light flickers", "site": "riverside", "equipment": "incomer_1", "reported_at": format_instant(START - HOUR)}  # fmt: skip
        assert (await d.http.post("/api/v1/tickets", json=said)).status_code == 201
        answer = await d.act("T-000001", "merge", into="T-000002", reason="same matter")
        assert (answer.status_code, answer.json()["code"]) == (409, "merge_evidence")
        assert (await rows(d.database, t.ticket, id=1))[0]["state"] == "acknowledged"


async def test_unknown_is_never_within(tmp_path: Path) -> None:
    async with at_work(tmp_path, Resolving(within_limits=["power_factor"], lasting_ms=15 * MINUTE)) as d:
        d.clock.ms += HOUR
        assert await states(d) == {"reading:power_factor": "unknown"}
        await read(d, 0.95, quality="uncertain")
        assert await states(d) == {"reading:power_factor": "unknown"}

        async def away(*_: object) -> None:
            raise OSError("connection refused")

        d.app.state.store.samples = away
        assert (await d.act("T-000001", "resolve", **RESOLVE)).status_code == 422
        (need,) = (await d.http.get(f"{PATH}/evidence")).json()["needs"]
        assert need["detail"] == {"en": "the history does not answer", "zh": "历史数据无响应"}


async def test_a_person_measures_what_nothing_reads_and_the_value_must_be_within(tmp_path: Path) -> None:
    async with at_work(tmp_path, Resolving(within_limits=["power_factor"], lasting_ms=15 * MINUTE)) as d:
        d.clock.ms += HOUR
        body: dict[str, Any] = {"point": "power_factor", "value": 0.8, "instrument": "clamp meter 12"}
        assert (await d.http.post(f"{PATH}/readings", json=body)).status_code == 422
        assert (await d.http.post(f"{PATH}/readings", json={**body, "point": "voltage"})).status_code == 422
        answer = await d.http.post(f"{PATH}/readings", json={**body, "value": 0.95})
        assert answer.status_code == 201
        assert answer.json()["needs"][0]["detail"]["en"] == "0.95, by hand: anna, clamp meter 12"
        await read(d, 0.85)  # the meter is back and says otherwise
        assert await states(d) == {"reading:power_factor": "outside"}
        assert (await d.act("T-000001", "resolve", **RESOLVE)).status_code == 422


async def test_a_ticket_that_was_opened_again_needs_its_evidence_again(tmp_path: Path) -> None:
    async with at_work(tmp_path, Resolving(photos=["repair"])) as d:
        await attach(d, "repair", "red")
        assert (await d.act("T-000001", "resolve", **RESOLVE)).status_code == 200
        d.clock.ms += MINUTE
        assert (await d.act("T-000001", "reopen", reason="came back")).status_code == 200
        assert await states(d) == {"photo:repair": "missing"}
        await attach(d, "repair", "blue")
        assert (await d.act("T-000001", "resolve", **RESOLVE)).status_code == 200


async def test_a_rule_that_asks_for_nothing_needs_cause_and_action_only(tmp_path: Path) -> None:
    async with at_work(tmp_path, None) as d:
        assert await states(d) == {}
        assert (await d.act("T-000001", "resolve", **RESOLVE)).status_code == 200


async def test_parts_and_hours_add_up_and_a_correction_is_a_new_line(tmp_path: Path) -> None:
    async with at_work(tmp_path, None) as d:
        part = {"name": "Contactor", "number": "LC1-D25", "quantity": 2, "unit": "pc", "cost_cents": 37_000}
        first = (await d.http.post(f"{PATH}/parts", json=part)).json()["parts"][0]["id"]
        told = await d.http.post(f"{PATH}/parts", json={**part, "quantity": 1, "cost_cents": 18_500, "replaces": first})
        assert told.status_code == 201
        assert [(line["quantity"], line["counts"]) for line in told.json()["parts"]] == [(2, False), (1, True)]
        assert told.json()["cost_cents"] == {"CNY": 18_500}
        again = await d.http.post(f"{PATH}/parts", json={**part, "replaces": first})
        assert (again.status_code, again.json()["code"]) == (409, "corrected")
        hours = {"from": "2026-11-21T05:00:00.000Z", "to": "2026-11-21T06:30:00.000Z"}
        assert (await d.http.post(f"{PATH}/hours", json=hours)).json()["minutes_by_person"] == {"anna": 90}
        told = await d.http.post(f"{PATH}/hours", json={"person": "ben", "minutes": 30})
        assert (told.json()["minutes"], told.json()["minutes_by_person"]) == (120, {"anna": 90, "ben": 30})
        gone = await d.http.post(
            f"{PATH}/hours", json={"person": "ben", "minutes": 0, "replaces": told.json()["hours"][1]["id"]}
        )
        assert gone.json()["minutes"] == 90
        kinds = [row["kind"] for row in await rows(d.database, t.timeline)][2:]
        assert kinds == ["part_added", "part_corrected", "hours_added", "hours_added", "hours_corrected"]


async def test_what_cannot_be_parts_or_hours_is_refused(tmp_path: Path) -> None:
    async with at_work(tmp_path, None) as d:
        for path, body in (
            ("parts", {"name": " ", "quantity": 1}), ("parts", {"name": "Fuse", "quantity": 0}), ("hours", {}),
            ("parts", {"name": "Fuse", "quantity": 1, "replaces": 99}), ("hours", {"minutes": 0}),
            ("hours", {"from": "2026-11-21T06:00:00.000Z", "to": "2026-11-21T05:00:00.000Z"}),
            ("hours", {"minutes": 10, "from": "2026-11-22T06:00:00.000Z"}), ("hours", {"from": "noon", "to": "night"}),
        ):  # fmt: skip
            answer = await d.http.post(f"{PATH}/{path}", json=body)
            assert answer.status_code == 422, (path, body, answer.text)
        await d.sign_in("guest", "viewer")
        assert (await d.http.post(f"{PATH}/hours", json={"minutes": 5})).status_code == 403


async def test_anybody_may_watch_and_those_who_watch_are_known(tmp_path: Path) -> None:
    async with at_work(tmp_path, None) as d:
        await d.sign_in("guest", "viewer")
        for _ in range(2):
            assert (await d.http.post(f"{PATH}/watch")).json() == {"watchers": ["guest"]}
        async with d.database.read() as connection:
            assert await watching(connection, 1) == ["guest"]
            assert await watched_by(connection, "guest") == [1]
        assert (await d.http.post("/api/v1/tickets/T-000009/watch")).status_code == 404
        assert (await d.http.post(f"{PATH}/unwatch")).json() == {"watchers": []}
        assert (await d.http.get(f"{PATH}/watchers")).json() == {"watchers": []}
