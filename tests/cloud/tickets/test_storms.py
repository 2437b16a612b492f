"""A storm is one ticket: whatever its gateway tells, how often, and in which order."""

import random
from pathlib import Path
from typing import Any

import pytest

from cloud.storage import tables as t
from cloud.tickets.triage import CHATTERING, FLOOD
from contract.conventions import EpochMs, format_instant
from contract.messages import AlarmChanged, AlarmRaised, Record, Severity, StormBegan, StormEnded, StormMember
from tests.support.desk import MINUTE, SECOND, START, Desk, announcement, cleared, desk, raised, rows, trapped

FLOOD_ID = "flood@1"
DOOR_ID = "chattering:incomer_1/pf_low@1"


def member(of: AlarmRaised) -> StormMember:
    return StormMember(equipment=of.equipment, rule=of.rule, severity=of.severity, raised_at=of.raised_at)


def flood(*before: AlarmRaised, at: EpochMs, storm: str = FLOOD_ID) -> StormBegan:
    return StormBegan(
        storm=storm, kind="flood", began_at=before[0].raised_at, recognised_at=format_instant(at), within_ms=600_000,
        members=[member(one) for one in before],
    )  # fmt: skip


def over(of: StormBegan, at: EpochMs, raises: int = 3) -> StormEnded:
    return StormEnded(
        storm=of.storm, kind=of.kind, equipment=of.equipment, rule=of.rule, instance=of.instance, began_at=of.began_at,
        recognised_at=of.recognised_at, ended_at=format_instant(at), raises=raises,
    )  # fmt: skip


def inside(at: EpochMs, rule: str, storm: str = FLOOD_ID, **changes: Any) -> AlarmRaised:
    """Raised inside a storm and silent."""
    return raised(at, rule, suppressed_by="storm", storms=[storm], **changes)


FIRST = raised(START, severity=Severity.MINOR)
BEGAN = flood(FIRST, at=START + 1)
STORY: list[Record] = [
    announcement(),
    FIRST,
    BEGAN,
    inside(START + 1, "overload"),
    inside(START + 2, "phase_loss", severity=Severity.MINOR),
    trapped(START + 3),
    over(BEGAN, START + 5),
    AlarmChanged(
        equipment="incomer_1", rule="overload", at=format_instant(START + 5), what="unsuppressed", reason="storm"
    ),
]


async def of_storms(d: Desk, rule: str = FLOOD) -> list[dict[str, Any]]:
    return await rows(d.database, t.ticket, rule=rule)


async def test_a_flood_is_one_ticket_beside_those_that_came_before_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(*STORY[:5])
        found = {one["rule"]: one["priority"] for one in await rows(d.database, t.ticket)}
        assert found == {"pf_low": "general", FLOOD: "major"}  # the worst member sets it, silent ones open nothing
        (storm,) = await rows(d.database, t.storm)
        (ticket,) = await of_storms(d)
        assert (storm["ticket_id"], storm["within_ms"], storm["ended_at"]) == (ticket["id"], 600_000, None)
        assert ticket["clause"] == "h-5.3.1-pf"
        assert ticket["title"] == {"en": "gw_1: flood of alarms", "zh": "gw_1：报警泛滥"}
        members = await rows(d.database, t.storm_member)
        assert [(one["rule"], one["severity"]) for one in members] == [
            ("overload", "major"), ("pf_low", "minor"), ("phase_loss", "minor")
        ]  # fmt: skip


async def test_life_safety_in_a_flood_keeps_its_own_ticket_and_makes_the_storm_as_pressing(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        entrapment = raised(START + 3, "entrapment", "lift_1", storms=[FLOOD_ID])
        await gateway.tell(*STORY[:5], entrapment)
        found = {one["rule"]: one["priority"] for one in await rows(d.database, t.ticket)}
        assert found == {"pf_low": "general", FLOOD: "life_safety", "entrapment": "life_safety"}


async def test_a_member_that_grows_more_severe_presses_the_storm(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        worse = AlarmChanged(
            equipment="incomer_1", rule="overload", at=format_instant(START + 3), what="severity", severity=Severity.CRITICAL
        )  # fmt: skip
        await gateway.tell(*STORY[:5], worse)
        (ticket,) = await of_storms(d)
        assert (ticket["priority"], ticket["severity"]) == ("urgent", "critical")


async def test_the_end_is_noted_and_what_lasts_gets_its_own_ticket(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(*STORY)
        (ticket,) = await of_storms(d)
        lines = [one for one in await rows(d.database, t.timeline, ticket_id=ticket["id"]) if one["kind"] == "cleared"]
        assert [(one["data"]["cleared_at"], one["data"]["raises"]) for one in lines] == [(START + 5, 3)]
        assert [one["priority"] for one in await rows(d.database, t.ticket, rule="overload")] == ["major"]
        assert await rows(d.database, t.ticket, rule="phase_loss") == []
        await d.sign_in("li", "engineer")
        assert (await d.act("T-000002", "acknowledge")).status_code == 200
        assert (await d.act("T-000002", "resolve", cause="mains", action="none")).status_code == 200
        assert (await d.act("T-000002", "close")).status_code == 200  # no reason asked: the storm is over


@pytest.mark.parametrize("seed", range(4))
async def test_replaying_a_storm_in_any_order_changes_nothing(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    tables = (t.storm, t.storm_member, t.alarm, t.ticket, t.timeline, t.deadline)
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        sent, story = [], list(STORY)
        while story:
            part = [story.pop(0) for _ in range(min(len(story), chance.randint(1, 3)))]
            sent.append(gateway.envelope(*part))
            await gateway.tell(*part)
        before = [await rows(d.database, table) for table in tables]
        for again in chance.choices(sent, k=10):
            assert (await gateway.post(again)).status_code == 200
        gateway.restart(events=len(STORY))
        await gateway.tell(*STORY[:7])  # a gateway that lost its numbers tells everything again
        assert [await rows(d.database, table) for table in tables] == before
        assert len(await of_storms(d)) == 1


@pytest.mark.parametrize("order", [(2, 3, 4, 6), (6, 2, 3, 4), (3, 6, 4, 2), (4, 3, 2, 6)])
async def test_out_of_quarantine_in_any_order_a_storm_is_one_ticket_that_is_over(
    tmp_path: Path, order: tuple[int, ...]
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(*STORY[:2], *(STORY[at] for at in order))
        (ticket,) = await of_storms(d)
        (storm,) = await rows(d.database, t.storm)
        assert (storm["ticket_id"], storm["ended_at"]) == (ticket["id"], START + 5)
        assert len(await rows(d.database, t.storm_member)) == 3
        assert await rows(d.database, t.alarm, rule=FLOOD, state="active") == []


async def test_a_chattering_alarm_keeps_its_one_ticket_and_its_storm_has_one(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        alarms = [raised(START + n * 20 * SECOND) for n in range(3)]
        story: list[Record] = [announcement()]
        for one in alarms:
            story += [one, cleared(one, START + 50 * SECOND)]
        began = StormBegan(
            storm=DOOR_ID, kind="chattering", equipment="incomer_1", rule="pf_low", began_at=alarms[0].raised_at,
            recognised_at=format_instant(START + 50 * SECOND), within_ms=MINUTE, members=[member(one) for one in alarms],
        )  # fmt: skip
        again = [inside(START + n * MINUTE, "pf_low", DOOR_ID) for n in range(1, 9)]
        for one in again:
            story += [one, cleared(one, START + 9 * MINUTE)]
        await gateway.tell(*story[:7], began, *story[7:])
        (own,) = await rows(d.database, t.ticket, rule="pf_low")
        (storm,) = await of_storms(d, CHATTERING)
        assert own["occurrences"] == 3  # before it was a storm; never again by it
        assert storm["title"]["en"] == "LV incomer 1: power factor low keeps coming and going"
        assert len(await rows(d.database, t.storm_member, storm_id=DOOR_ID)) == 11
        await gateway.tell(over(began, START + 10 * MINUTE, raises=11))
        assert await rows(d.database, t.alarm, rule=CHATTERING, state="active") == []


async def test_a_storm_that_comes_back_joins_its_open_ticket_and_after_closing_reopens_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(*STORY)
        other = raised(START + MINUTE, "earth_fault")
        again = flood(other, at=START + MINUTE, storm="flood@2")
        await gateway.tell(other, again)
        (ticket,) = await of_storms(d)
        assert ticket["occurrences"] == 2
        assert [one["ticket_id"] for one in await rows(d.database, t.storm)] == [ticket["id"]] * 2


async def test_a_storm_that_was_over_before_it_could_be_told_opens_a_ticket_marked_as_past(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        d.clock.ms += 30 * MINUTE
        await gateway.tell(*STORY)
        assert [one["is_past"] for one in await of_storms(d)] == [True]


async def test_another_gateways_equipment_is_no_member(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await (await d.gateway()).tell(announcement())
        stranger = await d.gateway("gw_2")
        receipt = await stranger.tell(BEGAN)
        assert ["served by gateway gw_1" in one.reason for one in receipt.refused] == [True]
        assert await of_storms(d) == []


async def test_a_storms_ticket_is_the_parent_of_its_members_tickets(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        trapped_in_it = raised(START + 3, "entrapment", "lift_1", storms=[FLOOD_ID])
        await gateway.tell(*STORY[:5], trapped_in_it, *STORY[6:])
        found = {one["rule"]: one for one in await rows(d.database, t.ticket)}
        parent = found.pop(FLOOD)
        assert {rule: one["parent_ticket_id"] for rule, one in found.items()} == {
            "pf_low": parent["id"], "entrapment": parent["id"], "overload": parent["id"],
        }  # fmt: skip
        told = [line["data"]["tickets"] for line in await rows(d.database, t.timeline, kind="child_joined")]
        assert sorted(name for names in told for name in names) == [f"T-{one['id']:06d}" for one in found.values()]


async def test_a_ticket_that_has_a_parent_keeps_it_in_a_storm(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(announcement(), raised(START - 1, "other"), FIRST)
        assert (await d.act("T-000002", "set_parent", parent="T-000001")).status_code == 200
        await gateway.tell(BEGAN)
        (child,) = await rows(d.database, t.ticket, rule="pf_low")
        assert child["parent_ticket_id"] == 1
