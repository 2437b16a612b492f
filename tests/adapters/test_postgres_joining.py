"""One open ticket of a fault on a real PostgreSQL server, while replicas reopen, merge and enter at the same time."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cloud.errors import Refused
from cloud.ingest.service import ingest
from cloud.sla.policy import SHIPPED
from cloud.storage import tables as t
from cloud.storage.session import Database, open_database
from cloud.tickets import entering, service
from cloud.tickets.desk import Desk as Rules
from cloud.tickets.entering import Entered
from cloud.tickets.service import Actor, Details
from cloud.tickets.ticket import FINAL_STATES, Action
from tests.adapters.test_postgres_desk import empty
from tests.support.desk import HOUR, START, Desk, Gateway, announcement, cleared, desk, raised, rows
from tests.support.servers import postgres

CHIEF = Actor("chief", "manager")
LONGER = replace(SHIPPED, reopen_window=timedelta(days=30))
"""What people may still reopen where the fault itself opens a new ticket already: the two meet in the database only."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres() as address:
        yield address


async def act(replica: Database, number: int, action: Action, details: Details, now: int) -> str:
    """What a replica answers a person: done, or the code of its refusal."""
    try:
        async with replica.write() as connection:
            await service.act(Rules(LONGER), connection, number, action, CHIEF, now, details)
    except Refused as refused:
        return refused.code
    return "done"


async def open_ones(database: Database) -> list[int]:
    over = [str(state) for state in FINAL_STATES]
    async with database.read() as connection:
        query = select(t.ticket.c.id).where(t.ticket.c.fault_key.is_not(None), t.ticket.c.state.not_in(over))
        return list((await connection.execute(query.order_by(t.ticket.c.id))).scalars())


async def closed_fault(d: Desk) -> Gateway:
    """T-000001, closed longer ago than the reopen window."""
    gateway = await d.gateway()
    await d.sign_in("first", "manager")
    alarm = raised(START)
    await gateway.tell(announcement(), alarm, cleared(alarm, START))
    for verb, body in (("acknowledge", {}), ("resolve", {"cause": "coil", "action": "new"}), ("close", {})):
        assert (await d.act("T-000001", verb, **body)).status_code == 200
    d.clock.ms += 100 * HOUR
    return gateway


async def test_a_person_reopens_while_the_fault_comes_back_on_another_replica_and_one_ticket_is_open(
    url: str, tmp_path: Path
) -> None:
    for _ in range(2):
        async with desk(tmp_path, database=await empty(url)) as d:
            gateway = await closed_fault(d)
            replicas = [open_database(url) for _ in range(4)]
            envelope = gateway.envelope(raised(d.clock.ms))

            async def come_back(
                replica: Database, gateway: Any = gateway, envelope: Any = envelope, now: int = d.clock.ms
            ) -> str:
                await ingest(replica, Rules(), f"Bearer {gateway.credential}", envelope, now)
                return "told"

            said = await asyncio.gather(
                come_back(replicas[0]),
                *(act(one, 1, Action.REOPEN, Details(reason="came back"), d.clock.ms) for one in replicas[1:]),
            )
            assert set(said[1:]) <= {"done", "fault_open", "state", "changed"}
            assert len(await open_ones(d.database)) == 1
            assert {row["ticket_id"] for row in await rows(d.database, t.alarm, state="active")} == set(
                await open_ones(d.database)
            )
            for one in replicas:
                await one.close()


async def test_the_database_itself_refuses_to_reopen_beside_an_open_ticket(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await closed_fault(d)
        await gateway.tell(raised(d.clock.ms))
        with pytest.raises(IntegrityError, match="one_open_ticket_per_fault"):
            async with d.database.write() as connection:
                await connection.execute(t.ticket.update().where(t.ticket.c.id == 1).values(state="in_progress"))


async def test_two_that_merge_into_each_other_leave_one_and_neither_waits_for_ever(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), *(raised(START, f"rule_{n}") for n in range(6)))
        replicas = [open_database(url) for _ in range(2)]
        pairs = [(1, 2), (3, 4), (5, 6)]
        for first, second in pairs:
            said = await asyncio.gather(
                act(replicas[0], first, Action.MERGE, Details(into=f"T-{second:06d}", reason="same"), START),
                act(replicas[1], second, Action.MERGE, Details(into=f"T-{first:06d}", reason="same"), START),
            )
            assert "done" in said
            assert set(said) <= {"done", "merge_over", "state"}
        found = {row["id"]: row for row in await rows(d.database, t.ticket)}
        assert len(await open_ones(d.database)) == 3
        for pair in pairs:
            gone, on = sorted(pair, key=lambda number: found[number]["state"] != "merged")
            assert (found[gone]["merged_into_id"], found[on]["occurrences"]) == (on, 2)
        for one in replicas:
            await one.close()


async def test_a_fault_comes_back_while_its_ticket_is_merged_and_no_alarm_loses_its_ticket(
    url: str, tmp_path: Path
) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await d.gateway()
        second = raised(START, "thd_high")
        await gateway.tell(announcement(), raised(START), second, cleared(second, START))
        replicas = [open_database(url) for _ in range(2)]
        envelope = gateway.envelope(raised(START + 1, "thd_high"))
        await asyncio.gather(
            ingest(replicas[0], Rules(), f"Bearer {gateway.credential}", envelope, START),
            act(replicas[1], 2, Action.MERGE, Details(into="T-000001", reason="same"), START),
        )
        assert await open_ones(d.database) == [1]
        assert {row["ticket_id"] for row in await rows(d.database, t.alarm)} == {1}
        (into,) = await rows(d.database, t.ticket, id=1)
        assert into["occurrences"] == 3
        for one in replicas:
            await one.close()


async def test_the_same_form_sent_to_two_replicas_at_once_makes_one_ticket(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        await (await d.gateway()).tell(announcement())
        replicas = [open_database(url) for _ in range(3)]
        entered = Entered("request", "Tap drips", place="floor 12", system="water")

        async def send(replica: Database) -> str:
            try:
                async with replica.write() as connection:
                    await entering.enter(Rules(), connection, entered, "anna", "technician", (), START, "k1")
            except Refused as refused:
                return refused.code
            return "done"

        said = await asyncio.gather(*(send(one) for one in replicas))
        assert set(said) <= {"done", "key_busy"}
        assert len(await rows(d.database, t.ticket)) == 1
        assert len(await rows(d.database, t.timeline)) == 1
        assert [await send(one) for one in replicas] == ["done"] * 3
        for one in replicas:
            await one.close()
