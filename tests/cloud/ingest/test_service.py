"""Envelopes into the database: every one counts once, whatever arrives in whatever order."""

import asyncio
import random
from pathlib import Path

import pytest

from cloud.ingest.service import ingest
from cloud.people.secrets import hash_secret
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.tickets.desk import Desk as Rules
from cloud.tickets.directives import send
from contract.conventions import format_instant
from contract.messages import (
    DeviceHealth,
    Directive,
    DirectiveApplied,
    Envelope,
    GatewayStatus,
    Record,
    SampleBatch,
    SampleSeries,
    SamplesThinned,
    Term,
    TestObserved,
)
from tests.support.desk import START, Desk, announcement, cleared, desk, fresh_database, raised, rows, trapped

TABLES = (
    t.record,
    t.quarantine,
    t.alarm,
    t.ticket,
    t.timeline,
    t.deadline,
    t.lane,
    t.test_result,
    t.equipment,
    t.point,
)


async def everything(d: Desk) -> list[object]:
    return [await rows(d.database, table) for table in TABLES]


def samples(*values: float) -> SampleBatch:
    at = [START + n for n in range(len(values))]
    return SampleBatch(series=[SampleSeries(equipment="incomer_1", point="power_factor", device="meter_1", at=at, value=list(values))])  # fmt: skip


async def test_the_receipt_names_what_is_committed(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        receipt = await gateway.tell(announcement(), raised(START))
        assert [(c.epoch, c.lane, c.through) for c in receipt.committed] == [(1, "events", 2)]
        assert receipt.server_time == format_instant(START)
        receipt = await gateway.tell(samples(0.9), lane="samples")
        assert [(c.lane, c.through) for c in receipt.committed] == [("samples", 1)]
        assert [(r["seq"], r["type"]) for r in await rows(d.database, t.record, lane="events")] == [
            (1, "DeviceAnnounced"), (2, "AlarmRaised"),
        ]  # fmt: skip


async def test_a_gap_commits_nothing_and_the_receipt_says_where_to_go_on(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        receipt = await gateway.tell(raised(START), first=7)
        assert [c.through for c in receipt.committed] == [1]
        assert await rows(d.database, t.alarm) == []


@pytest.mark.parametrize("seed", range(6))
async def test_replaying_envelopes_in_any_order_changes_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        alarm, later = raised(START), trapped(START + 5)
        story: list[Record | bytes] = [
            announcement(),
            alarm,
            b'{"type":"LiftMood"}',
            cleared(alarm, START + 1),
            later,
            raised(START + 9),
        ]
        sent: list[Envelope] = []
        while story:
            part = [story.pop(0) for _ in range(min(len(story), chance.randint(1, 3)))]
            sent.append(gateway.envelope(*part))
            await gateway.tell(*part)
        sent.append(gateway.envelope(samples(0.9, 0.8), lane="samples"))
        await gateway.tell(samples(0.9, 0.8), lane="samples")
        before = await everything(d)
        for again in chance.choices(sent, k=12):
            assert (await gateway.post(again)).status_code == 200
        assert await everything(d) == before


async def test_a_broken_record_is_quarantined_and_counts_as_committed(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        receipt = await gateway.tell(announcement(), b'{"type":"LiftMood"}', raised(START))
        assert [(one.seq, "LiftMood" in one.reason) for one in receipt.refused] == [(2, True)]
        assert receipt.committed[0].through == 3
        (aside,) = await rows(d.database, t.quarantine)
        assert aside["body"] == b'{"type":"LiftMood"}'
        assert len(await rows(d.database, t.ticket)) == 1


async def test_an_event_that_makes_no_sense_leaves_no_trace_but_its_quarantine(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        foreign = announcement(site="elsewhere")
        impossible = raised(START, raised_at="2026-13-41T07:05:00.000Z")
        receipt = await gateway.tell(foreign, impossible)
        assert "belongs to site riverside" in receipt.refused[0].reason
        assert [one.seq for one in receipt.refused] == [1, 2]
        assert [await rows(d.database, table) for table in (t.equipment, t.alarm, t.record)] == [[], [], []]


async def test_a_site_told_in_parts_is_whole_after_the_last_of_them_in_any_order(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        whole = announcement()
        incomer, lift = whole.equipment
        parts = (
            announcement(equipment=[lift], devices=[], other_equipment=["incomer_1"], other_devices=["meter_1"]),
            announcement(equipment=[incomer], other_equipment=["lift_1"]),
        )
        for told in (parts, parts[::-1], [whole], parts):
            await gateway.tell(*told)
            served = {row["id"]: row["gateway_id"] for row in await rows(d.database, t.equipment)}
            assert served == dict.fromkeys(("incomer_1", "lift_1"), "gw_1")
            assert [row["id"] for row in await rows(d.database, t.device)] == ["meter_1"]
        gone = announcement(equipment=[incomer], devices=[], content_hash="2")
        await gateway.tell(gone)
        served = {row["id"]: row["gateway_id"] for row in await rows(d.database, t.equipment)}
        assert served == {"incomer_1": "gw_1", "lift_1": None}
        assert await rows(d.database, t.device) == []


async def test_what_is_announced_wins_and_what_is_left_out_stays_without_telemetry(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        first = announcement()
        await gateway.tell(first)
        d.clock.ms += 1
        await gateway.tell(announcement(equipment=[first.equipment[1]], devices=[], content_hash="2"))
        assert [(e["id"], e["gateway_id"], e["registered_at"]) for e in await rows(d.database, t.equipment)] == [
            ("incomer_1", None, START), ("lift_1", "gw_1", START),
        ]  # fmt: skip
        assert await rows(d.database, t.device) == []
        (site,) = await rows(d.database, t.site)
        assert (site["name"], site["zone"]) == ("Riverside Tower", "Asia/Shanghai")


async def test_a_gateway_cannot_speak_for_equipment_of_another(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        one, other = await d.gateway(), await d.gateway("gw_2")
        await one.tell(announcement())
        receipt = await other.tell(announcement())
        assert "is served by gateway gw_1" in receipt.refused[0].reason


async def test_a_status_updates_the_gateway_and_its_devices(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        health = DeviceHealth(
            device="meter_1", state="degraded", answered_share=0.5, errors=3, last_error="no response"
        )
        status = GatewayStatus(
            at=format_instant(START), version="0.2", outbox_events=1, outbox_samples=2, devices=[health]
        )
        await gateway.tell(announcement(), status, sent_at=format_instant(START - 1500))
        (device,) = await rows(d.database, t.device)
        (row,) = await rows(d.database, t.gateway)
        assert (device["state"], device["answered_share"], device["last_error"]) == ("degraded", 0.5, "no response")
        assert (row["version"], row["status"]["outbox_samples"], row["clock_offset_ms"]) == ("0.2", 2, -1500)


async def test_a_test_and_its_evidence_are_kept_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        seen = TestObserved(
            equipment="lift_1", test="weekly_run", started_at=format_instant(START), ended_at=format_instant(START + 9),
            passed=False, reasons=["stopped after 8 min"], evidence=[Term(name="run_time", value=8, unit="min")],
        )  # fmt: skip
        await gateway.tell(announcement(), seen)
        (result,) = await rows(d.database, t.test_result)
        assert (result["event_id"], result["passed"], result["reasons"]) == (
            "gw_1:1:events:2",
            False,
            ["stopped after 8 min"],
        )


async def test_thinned_samples_are_noted_for_ever(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        at = format_instant(START)
        await gateway.tell(
            SamplesThinned(first=1, last=9, from_at=at, to_at=at, dropped=8, kept=1, reason="disk budget")
        )
        (note,) = await rows(d.database, t.audit, action="samples_thinned")
        assert (note["data"]["dropped"], note["data"]["reason"]) == (8, "disk budget")


async def test_a_wish_travels_in_every_receipt_until_the_gateway_answers_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        wish = Directive(id="d1", kind="shelve", by="chief", reason="works", equipment="lift_1", rule="door")
        async with d.database.write() as connection:
            await send(connection, "gw_1", wish, d.clock.ms)
        assert [(await gateway.tell()).directives for _ in range(2)] == [[wish], [wish]]
        answer = DirectiveApplied(directive="d1", at=format_instant(START), applied=False, reason="no such rule")
        assert (await gateway.tell(answer)).directives == []
        (row,) = await rows(d.database, t.directive)
        assert (row["sent_at"], row["applied"], row["reason"]) == (START, False, "no such rule")


async def test_a_restored_backup_is_declared(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START), raised(START + 1))
        await gateway.tell(previous=gateway.restart(events=1))
        (note,) = await rows(d.database, t.audit, action="outbox_restored")
        assert note["data"] == {"epoch": 2, "previous": 1, "numbers": 2}


async def test_a_new_disk_and_a_cloned_gateway_are_declared_once_and_lose_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START))
        past = gateway.restart(events=2)
        await gateway.tell(announcement(), previous=past)
        gateway.epoch, gateway.numbers["events"] = past.epoch, 3  # the other copy goes on where the disk was copied
        for later in range(2):
            await gateway.tell(cleared(raised(START), START + 5 + later))
        gateway.epoch, gateway.numbers["events"] = 9, 1  # a third one, with an empty disk
        await gateway.tell(announcement())
        notes = [
            (row["action"], row["data"]["epoch"])
            for row in await rows(d.database, t.audit, actor="gw_1")
            if row["data"]
        ]
        assert notes == [("gateway_cloned", 1), ("outbox_new", 9)]
        assert len(await rows(d.database, t.record, lane="events")) == 6


async def test_rows_of_an_older_epoch_still_arrive(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        gateway.epoch = 9
        await gateway.tell(lane="samples")
        gateway.epoch, gateway.numbers["events"] = 1, 2
        receipt = await gateway.tell(raised(START))
        assert [(c.epoch, c.through) for c in receipt.committed] == [(1, 2)]


async def test_connections_that_race_with_the_same_alarm_open_one_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        databases = [await fresh_database(tmp_path, is_inline=False) for _ in range(2)]
        envelopes = [gateway.envelope(raised(START)), gateway.envelope(raised(START))]
        gateway.restart()
        envelopes += [gateway.envelope(raised(START)), gateway.envelope(raised(START + 1))]

        async def deliver(database: Database, envelope: Envelope) -> None:
            await ingest(database, Rules(), f"Bearer {gateway.credential}", envelope, START)

        await asyncio.gather(*(deliver(databases[n % 2], envelopes[n]) for n in range(4)))
        assert len(await rows(d.database, t.ticket)) == 1
        assert len(await rows(d.database, t.alarm, state="active")) == 1
        for database in databases:
            await database.close()


async def test_an_alarm_of_another_gateways_equipment_is_set_aside(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        one, other = await d.gateway(), await d.gateway("gw_2")
        await one.tell(announcement())
        receipt = await other.tell(raised(START))
        assert "served by gateway gw_1" in receipt.refused[0].reason
        assert await rows(d.database, t.alarm) == []


async def test_a_credential_is_kept_only_as_its_hash(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        (row,) = await rows(d.database, t.gateway)
        assert row["credential_hash"] == hash_secret(gateway.credential)
        assert gateway.credential not in str(row)
