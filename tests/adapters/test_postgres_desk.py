"""The desk on a real PostgreSQL server: the same behaviour as on SQLite, and several replicas at once."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError

from cloud.ingest.service import ingest
from cloud.storage import session
from cloud.storage import tables as t
from cloud.storage.migrate import migrate
from cloud.storage.prepared import Prepared
from cloud.storage.session import Database, open_database
from cloud.storage.tables_search import is_ours
from cloud.tickets.desk import Desk as Rules
from cloud.tickets.ticker import Ticker
from contract.messages import Envelope, SampleBatch, SampleSeries
from tests.cloud.tickets.test_storms import STORY
from tests.support.desk import HOUR, MINUTE, START, announcement, cleared, desk, raised, rows, trapped
from tests.support.servers import postgres


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with postgres() as address:
        yield address


async def empty(url: str) -> Database:
    """A migrated database with nothing in it."""
    database = open_database(url)
    async with database.write() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await migrate(database)
    return database


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"include_name": is_ours}), t.metadata))


async def test_migrating_makes_exactly_the_tables_also_when_replicas_start_at_once(url: str) -> None:
    database = await empty(url)
    async with database.write() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    others = [open_database(url) for _ in range(3)]
    assert len(set(await asyncio.gather(*(migrate(one) for one in others)))) == 1
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
    for one in (database, *others):
        await one.close()


async def test_a_fault_becomes_a_ticket_that_is_answered_breached_and_closed(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await d.gateway()
        await d.sign_in()
        alarm = raised(START)
        series = SampleSeries(equipment="incomer_1", point="power_factor", device="meter_1", at=[START], value=[0.8])
        await gateway.tell(announcement(), alarm, b'{"type":"LiftMood"}', trapped(START))
        await gateway.tell(SampleBatch(series=[series]), lane="samples")
        await gateway.tell(announcement(content_hash="2"), cleared(alarm, START + MINUTE))
        assert await d.app.state.mover.move() == 1
        await d.tick(3 * HOUR)
        for verb, body in (
            ("acknowledge", {}), ("hold", {"reason": "part"}), ("resume", {}),
            ("resolve", {"cause": "coil", "action": "new"}), ("close", {}),
        ):  # fmt: skip
            answer = await d.act("T-000001", verb, **body)
            assert answer.status_code == 200, answer.text
        clocks = {(r["ticket_id"], r["clock"]): r["state"] for r in await rows(d.database, t.deadline)}
        assert clocks[1, "response"] == "breached"
        assert clocks[1, "resolution"] == "met"
        assert clocks[2, "arrival"] == "breached"
        assert len(await rows(d.database, t.quarantine)) == 1


async def test_a_storm_is_one_ticket_with_its_members_on_the_page(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await d.gateway()
        await d.sign_in()
        await gateway.tell(*STORY)
        await gateway.tell(*STORY, first=1)
        (storm,) = await rows(d.database, t.storm)
        page = await d.http.get(f"/tickets/T-{storm['ticket_id']:06d}")
        assert page.status_code == 200
        assert page.text.count('<tr class="') >= 4
        for show in ("active", "silenced", "returned", "history"):
            assert (await d.http.get(f"/alarms?show={show}")).status_code == 200


async def test_replicas_that_race_with_the_same_alarm_open_one_ticket(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        replicas = [open_database(url) for _ in range(3)]
        envelopes = [gateway.envelope(raised(START)) for _ in range(4)]
        gateway.restart()
        envelopes += [gateway.envelope(raised(START + 1)), gateway.envelope(raised(START))]

        async def deliver(replica: Database, envelope: Envelope) -> None:
            await ingest(replica, Rules(), f"Bearer {gateway.credential}", envelope, START)

        await asyncio.gather(*(deliver(replicas[n % 3], envelope) for n, envelope in enumerate(envelopes)))
        assert len(await rows(d.database, t.ticket)) == 1
        assert len(await rows(d.database, t.alarm, state="active")) == 1
        for replica in replicas:
            await replica.close()


async def test_the_database_itself_refuses_a_second_open_ticket_of_a_fault(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        insert = t.ticket.insert().values(fault_key="s/e/r", title={}, opened_at=START)
        async with d.database.write() as connection:
            await connection.execute(insert)
            await connection.execute(insert.values(state="closed"))
        with pytest.raises(Exception, match="one_open_ticket_per_fault"):
            async with d.database.write() as connection:
                await connection.execute(insert.values(state="on_hold"))


async def test_tickers_of_several_replicas_record_each_breach_and_each_silence_once(url: str, tmp_path: Path) -> None:
    async with desk(tmp_path, database=await empty(url)) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START), trapped(START))
        replicas = [open_database(url) for _ in range(3)]
        tickers = [Ticker(one, Rules(), d.clock, lambda *_: None) for one in replicas]
        d.clock.ms += 3 * HOUR
        await asyncio.gather(*(ticker.tick() for ticker in tickers))
        await asyncio.gather(*(ticker.tick() for ticker in tickers))
        breaches = [
            (r["ticket_id"], r["data"]["clock"], r["at"] - START)
            for r in await rows(d.database, t.timeline, kind="breached")
        ]
        assert sorted(one for one in breaches if one[0] < 3) == [
            (1, "response", 2 * HOUR), (2, "arrival", 30 * MINUTE), (2, "response", HOUR),
        ]  # fmt: skip
        assert len(await rows(d.database, t.ticket, rule="gateway_silent")) == 1
        for replica in replicas:
            await replica.close()


async def test_two_that_block_each_other_and_a_server_that_ends_are_passing_troubles(url: str) -> None:
    database = await empty(url)
    async with database.write() as connection:
        await connection.execute(t.site.insert(), [{"id": "one"}, {"id": "two"}])

    async def rename(first: str, second: str) -> None:
        async with database.write() as connection:
            for name in (first, second):
                await connection.execute(t.site.update().where(t.site.c.id == name).values(name=first))
                await asyncio.sleep(0.2)

    ended = await asyncio.gather(rename("one", "two"), rename("two", "one"), return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["NoneType", "OperationalError"]
    with pytest.raises((OperationalError, InterfaceError)):
        async with database.write() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    assert database.is_writable, "no disk is full"
    async with database.write() as connection:
        await connection.execute(t.site.update().values(name="well again"))
    await database.close()


async def _end_all(url: str) -> None:
    """What a server that starts anew leaves of everybody's connections."""
    other = open_database(url)
    ends = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()")  # fmt: skip
    async with other.read() as connection:
        await connection.execute(ends)
    await other.close()


async def test_connections_that_rested_while_the_server_was_away_are_replaced_and_nobody_notices(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, names = await empty(url), Prepared(select(t.site.c.name))
    await _end_all(url)
    monkeypatch.setattr(session, "_RESTING_MS", -1)
    async with database.write(is_brief=True) as connection:
        assert await names.tuples(connection) == []
    await database.close()


async def test_a_question_while_the_server_says_why_it_ends_a_connection_finds_it_lost(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In that moment asyncpg is neither closed nor ready, which it calls an error of its own."""
    database, add = await empty(url), Prepared(t.site.insert())

    execute = asyncpg.Connection.execute

    async def still_reading(driver: asyncpg.Connection, sql: str, *parameters: object) -> str:
        if sql.startswith("INSERT"):
            raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")
        status: str = await execute(driver, sql, *parameters)
        return status

    async def name() -> None:
        async with database.write(is_brief=True) as connection:
            processes.append((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())
            await add.run(connection, {"id": "kept", "name": ""})

    processes: list[int] = []
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "execute", still_reading)
        with pytest.raises(OperationalError) as lost:
            await name()
    assert lost.value.connection_invalidated
    await name()
    assert len(set(processes)) == 2
    assert [row["id"] for row in await rows(database, t.site)] == ["kept"]
    await database.close()


async def test_a_connection_in_use_is_lost_once_and_with_it_all_that_were_lost(url: str) -> None:
    database, add = await empty(url), Prepared(t.site.insert())

    async def name(*ids: str) -> None:
        async with database.write(is_brief=True) as connection:
            for one in ids:
                await add.run(connection, {"id": one, "name": ""})
                if one == "lost":
                    await _end_all(url)

    with pytest.raises((OperationalError, InterfaceError)):
        await name("lost", "never")
    await asyncio.gather(*(name(f"site_{number}") for number in range(4)))
    assert sorted(row["id"] for row in await rows(database, t.site)) == [f"site_{number}" for number in range(4)]
    with pytest.raises(IntegrityError):
        await name("new", "site_1")
    with pytest.raises(DataError):
        await name("half a character \x00")
    await database.close()
