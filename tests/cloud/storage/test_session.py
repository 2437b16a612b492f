import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from cloud.storage import tables
from cloud.storage.prepared import Prepared
from cloud.storage.session import Database, database_url, open_database

SITE = Prepared(tables.site.insert())


async def fresh(tmp_path: Path, *, is_inline: bool = False) -> Database:
    database = open_database(f"sqlite:///{tmp_path / 'cloud.db'}", is_inline=is_inline)
    async with database.write() as connection:
        await connection.run_sync(tables.metadata.create_all)
    return database


async def test_a_write_is_kept_and_a_failed_write_is_not(tmp_path: Path) -> None:
    database = await fresh(tmp_path)
    async with database.write() as connection:
        await connection.execute(insert(tables.site).values(id="one"))
    with pytest.raises(RuntimeError):
        await fail_in_a_write(database)
    async with database.read() as connection:
        assert (await connection.execute(select(tables.site.c.id))).scalars().all() == ["one"]
    await database.close()


async def fail_in_a_write(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(tables.site).values(id="two"))
        raise RuntimeError


@pytest.mark.parametrize("is_inline", [False, True])
async def test_sqlite_is_durable_and_keeps_its_references(tmp_path: Path, is_inline: bool) -> None:
    database = await fresh(tmp_path, is_inline=is_inline)
    async with database.read() as connection:
        found = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]
    with pytest.raises(IntegrityError):
        await write_an_orphan(database)
    await database.close()


async def write_an_orphan(database: Database) -> None:
    async with database.write() as connection:
        await connection.execute(insert(tables.gateway).values(id="gw", site_id="nowhere", created_at=0))


async def test_inline_starts_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise AssertionError("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    database = await fresh(tmp_path, is_inline=True)
    async with database.write() as connection:
        await connection.execute(insert(tables.site), [{"id": "one"}, {"id": "two"}])
    async with database.read() as connection:
        assert (await connection.execute(select(tables.site.c.id))).scalars().all() == ["one", "two"]
    await database.close()


async def test_an_inline_transaction_is_one_step_of_the_loop(tmp_path: Path) -> None:
    database = await fresh(tmp_path, is_inline=True)
    async with database.write():
        pass
    steps: list[str] = []

    async def watch() -> None:
        steps.append("another task ran")

    watching = asyncio.ensure_future(watch())
    async with database.write() as connection:
        await connection.execute(insert(tables.site).values(id="one"))
        await connection.execute(select(tables.site))
        assert steps == []
    await watching
    await database.close()


async def test_two_writers_take_turns(tmp_path: Path) -> None:
    database = await fresh(tmp_path)

    async def count_and_add(name: str) -> None:
        async with database.write() as connection:
            seen = len((await connection.execute(select(tables.site))).all())
            await connection.execute(insert(tables.site).values(id=f"{name}{seen}"))

    await asyncio.gather(*(count_and_add("s") for _ in range(8)))
    async with database.read() as connection:
        ids = (await connection.execute(select(tables.site.c.id).order_by(tables.site.c.id))).scalars().all()
    assert ids == [f"s{n}" for n in range(8)]
    await database.close()


def test_a_url_gets_the_driver_of_this_product() -> None:
    assert database_url("postgresql://db/plantroom").drivername == "postgresql+asyncpg"
    assert database_url("sqlite:///cloud.db").drivername == "sqlite+aiosqlite"
    with pytest.raises(ValueError, match="write sqlite:///FILE or postgresql://HOST/NAME"):
        database_url("mysql://db/plantroom")


async def test_only_sqlite_runs_inline() -> None:
    with pytest.raises(ValueError, match="only SQLite"):
        open_database("postgresql://db/plantroom", is_inline=True)


async def test_half_a_character_is_refused_when_it_is_written(tmp_path: Path) -> None:
    database = await fresh(tmp_path)
    half, whole = ({"id": 1, "at": 0, "data": {"said": said}} for said in ("\ud800", "消防泵"))
    with pytest.raises((UnicodeEncodeError, DBAPIError)):
        await write_audit(database, half)
    await write_audit(database, whole)
    async with database.read() as connection:
        found = (await connection.execute(select(tables.audit.c.data))).scalars().all()
    assert found == [whole["data"]]
    await database.close()


async def write_audit(database: Database, row: dict[str, Any]) -> None:
    async with database.write() as connection:
        await connection.execute(insert(tables.audit), row)


@pytest.mark.parametrize("is_inline", [False, True])
async def test_a_glance_sees_what_was_committed_and_keeps_no_snapshot_and_no_change(
    tmp_path: Path, is_inline: bool
) -> None:
    database = await fresh(tmp_path, is_inline=is_inline)
    for number in range(3):
        async with database.write(is_brief=True) as connection:
            await SITE.run(connection, {"id": f"s{number}", "name": ""})
        with pytest.raises(IntegrityError):
            await glance_and_write(database, "s0")
        assert await sites(database) == [f"s{one}" for one in range(number + 1)]
    await glance_and_write(database, "gone")
    assert await sites(database) == ["s0", "s1", "s2"]
    await database.close()


async def glance_and_write(database: Database, name: str) -> None:
    async with database.glance() as connection:
        await connection.execute(insert(tables.site).values(id=name))


async def sites(database: Database) -> list[str]:
    async with database.glance() as connection:
        return [name for (name,) in await Prepared(select(tables.site.c.id)).tuples(connection)]


@pytest.mark.parametrize("is_inline", [False, True])
@pytest.mark.parametrize("is_mixed", [False, True], ids=["prepared", "with one of SQLAlchemy's"])
async def test_a_brief_write_is_kept_whole_or_not_at_all(tmp_path: Path, is_inline: bool, is_mixed: bool) -> None:
    database = await fresh(tmp_path, is_inline=is_inline)
    await brief_write(database, "one", is_mixed=is_mixed)
    with pytest.raises(IntegrityError):
        await brief_write(database, "two", "one", is_mixed=is_mixed)
    await brief_write(database, "three", is_mixed=is_mixed)
    assert set(await sites(database)) == {"one", "three"} | ({"one_", "three_"} if is_mixed else set())
    await database.close()


async def brief_write(database: Database, *names: str, is_mixed: bool) -> None:
    async with database.write(is_brief=True) as connection:
        for name in names:
            await SITE.run(connection, {"id": name, "name": ""})
            if is_mixed:
                async with connection.begin_nested():
                    await connection.execute(insert(tables.site).values(id=name + "_"))
