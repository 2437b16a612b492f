"""Permits on a real PostgreSQL server and on a real file: replicas that approve at once, and processes that die while they cut."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cloud.errors import Refused
from cloud.storage import tables as t
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.tickets import contractors, permits_service
from cloud.tickets.contractors import Said, Verb
from cloud.tickets.desk import Desk as Rules
from cloud.tickets.permits import Step
from cloud.tickets.permits_keeper import PermitKeeper
from cloud.tickets.permits_service import Given
from cloud.tickets.service import Actor
from cloud.tickets.ticket import parse_ticket
from tests.support.desk import HOUR, Desk, announcement, desk, rows
from tests.support.dying_permit import MOMENTS
from tests.support.permits import (
    APPROVE,
    APPROVE_RESTORE,
    ASK,
    CLOSE,
    CUT,
    DONE,
    END,
    NIGHT,
    NOTIFY,
    RESTORE,
    be,
    cut,
    drafted,
    people,
    walk,
)
from tests.support.servers import postgres

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres() as address:
        yield address


async def empty(url: str) -> Database:
    """A migrated database with nothing in it."""
    database = open_database(url)
    if url.startswith("postgresql"):
        async with database.write() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
    await migrate(database)
    return database


async def ready(d: Desk) -> Any:
    gateway = await d.gateway()
    await people(d)
    await gateway.tell(announcement())
    return gateway


async def kinds(d: Desk) -> list[str]:
    return [row["kind"] for row in await rows(d.database, t.timeline)]


@pytest.mark.proof
async def test_a_permit_lives_from_draft_to_closed_on_postgresql(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await ready(d)
        ticket = await cut(d, equipment=["incomer_1", "lift_1"], watch_instead="a guard")
        assert len((await gateway.tell()).directives) == 2
        d.clock.ms = END + HOUR
        await d.app.state.permit_keeper.look()
        assert len((await d.http.get("/api/v1/permits?stage=cut")).json()["permits"]) == 1
        await walk(d, ticket, DONE, APPROVE_RESTORE, RESTORE, CLOSE)
        assert await kinds(d) == [
            "drafted", "permit_asked", "permit_cut_approved", "permit_notified", "permit_cut", "permit_unapplied",
            "permit_unapplied", "permit_ending", "permit_overrun", "permit_done", "permit_restore_approved", "permit_restored",
            "closed",
        ]  # fmt: skip
        assert [one.kind for one in (await gateway.tell()).directives][-2:] == ["in_service", "in_service"]


@pytest.mark.proof
async def test_of_two_replicas_that_approve_and_refuse_at_once_one_comes_second(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        await ready(d)
        replicas = [open_database(url) for _ in range(2)]
        for _ in range(5):
            ticket = await drafted(d)
            await walk(d, ticket, ASK)

            async def say(replica: Database, step: Step, number: int) -> str:
                try:
                    async with replica.write() as connection:
                        actor, given = Actor("chief", "manager"), Given(reason="no")
                        await permits_service.take(Rules(), connection, number, step, actor, d.clock.ms, given)
                except Refused as refused:
                    return refused.code
                return str(step)

            steps = (Step.APPROVE_CUT, Step.REFUSE_CUT)
            said = await asyncio.gather(
                *(say(replica, step, parse_ticket(ticket)) for replica, step in zip(replicas, steps, strict=True))
            )
            assert said.count("state") == 1
        answered = [kind for kind in await kinds(d) if kind in {"permit_cut_approved", "permit_cut_refused"}]
        assert len(answered) == 5
        for replica in replicas:
            await replica.close()


@pytest.mark.proof
async def test_replicas_that_look_at_the_same_clock_say_it_once(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        await ready(d)
        await cut(d)
        d.clock.ms = END + HOUR
        replicas = [open_database(url) for _ in range(3)]
        keepers = [PermitKeeper(one, Rules(), d.clock, lambda *_: None) for one in replicas]
        await asyncio.gather(*(keeper.look() for keeper in keepers))
        assert (await kinds(d))[5:] == ["permit_unapplied", "permit_ending", "permit_overrun"]
        for replica in replicas:
            await replica.close()


@pytest.mark.proof
async def test_two_permits_that_cut_and_restore_the_same_equipment_at_once_leave_it_out(
    url: str, tmp_path: Path
) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await ready(d)
        first = await cut(d)
        await walk(d, first, DONE, APPROVE_RESTORE)
        d.clock.ms = NIGHT - 29 * HOUR
        second = await drafted(d)
        await walk(d, second, ASK, APPROVE, NOTIFY)
        d.clock.ms = NIGHT
        be(d, "anna")
        body = {"restore": {}, "cut": {"checked": CUT[2]["checked"]}}
        answers = await asyncio.gather(*(
            d.http.post(f"/api/v1/permits/{ticket}/steps/{step}", json=body[step])
            for ticket, step in ((first, "restore"), (second, "cut"))
        ))  # fmt: skip
        assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]
        last = (await gateway.tell()).directives[-1]
        assert (last.kind, last.reason.partition(":")[0]) == ("out_of_service", second)


@pytest.mark.proof
async def test_a_link_pressed_and_revoked_at_once_neither_hangs_nor_does_both_twice(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        await ready(d)
        ticket = await drafted(d)
        be(d, "anna")
        made = (await d.http.post(f"/api/v1/tickets/{ticket}/links", json={"name": "Firm"})).json()
        token = made["url"].rpartition("/")[2]
        replicas = [open_database(url) for _ in range(3)]

        async def accept(replica: Database) -> None:
            async with replica.write() as connection:
                await contractors.do(Rules(), connection, token, Verb.ACCEPT, Said(), d.clock.ms)

        async def revoke(replica: Database) -> None:
            async with replica.write() as connection:
                await contractors.revoke(Rules(), connection, made["id"], Actor("anna", "engineer"), d.clock.ms)

        await asyncio.gather(accept(replicas[0]), accept(replicas[1]), revoke(replicas[2]), return_exceptions=True)
        found = await kinds(d)
        assert found.count("link_revoked") == 1
        assert found.count("acknowledged") <= 1
        for replica in replicas:
            await replica.close()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.proof)])
async def test_a_process_that_dies_while_it_cuts_leaves_both_cut_and_wish_or_neither(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    address = request.getfixturevalue("url") if kind == "postgresql" else f"sqlite:///{tmp_path / 'cloud.db'}"
    async with desk(tmp_path, database=await empty(address)) as d:
        gateway = await ready(d)
        for moment in MOMENTS:
            d.clock.ms = NIGHT - 30 * HOUR
            ticket = await drafted(d)
            await walk(d, ticket, ASK, APPROVE, NOTIFY)
            d.clock.ms = NIGHT
            code = await asyncio.to_thread(die_at, address, parse_ticket(ticket), moment)
            assert code == -signal.SIGKILL
            wished = [one for one in (await gateway.tell()).directives if ticket in one.reason]
            stage = (await d.http.get(f"/api/v1/permits/{ticket}")).json()["stage"]
            is_cut = moment == "after the commit"
            assert (stage, len(wished)) == (("cut", 1) if is_cut else ("notified", 0)), moment
            if not is_cut:
                await walk(d, ticket, CUT)


def die_at(url: str, number: int, moment: str) -> int:
    command = [sys.executable, "-m", "tests.support.dying_permit", url, str(number), str(NIGHT), moment]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode
