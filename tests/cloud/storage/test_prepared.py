"""Prepared statements: what SQLAlchemy would do, without its doing it each time."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import BindParameter, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from cloud.storage import tables as t
from cloud.storage.prepared import Prepared
from cloud.storage.session import Database
from tests.support.desk import fresh_database

SITES = Prepared(select(t.site.c.id).where(t.site.c.id.in_(bindparam("ids", expanding=True))).order_by(t.site.c.id))
ADD = Prepared(t.site.insert())


@pytest.fixture(params=[True, False], ids=["inline", "in a thread"])
async def database(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    found = await fresh_database(tmp_path, is_inline=request.param)
    async with found.write() as connection:
        await ADD.run(connection, *({"id": f"s{number}", "name": ""} for number in range(9)))
    yield found
    await found.close()


@pytest.mark.parametrize("count", range(7))
async def test_a_list_of_any_length_finds_each_of_its_members_once(database: Database, count: int) -> None:
    asked = tuple(f"s{number}" for number in range(count))
    async with database.read() as connection:
        assert await SITES.tuples(connection, {"ids": asked}) == [(one,) for one in asked]


async def test_lists_that_follow_one_another_keep_apart_and_the_same_one_may_be_named_twice(database: Database) -> None:
    ids: BindParameter[str] = bindparam("ids", expanding=True)
    others: BindParameter[str] = bindparam("others", expanding=True)
    statement = select(t.site.c.id).where(t.site.c.id.in_(ids), t.site.c.id.in_(ids), t.site.c.id.not_in(others))
    asked = {"ids": ("s1", "s2", "s3"), "others": ("s2", "s7", "s8", "s9", "s0")}
    async with database.read() as connection:
        found = await Prepared(statement.order_by(t.site.c.id)).tuples(connection, asked)
    assert found == [("s1",), ("s3",)]


async def test_values_come_back_as_they_went_in(database: Database) -> None:
    gateway = Prepared(t.gateway.insert())
    told = {"id": "gw", "site_id": "s1", "created_at": 5, "status": {"a": [1, None, "升"], "b": True}}
    async with database.write() as connection:
        assert await gateway.run(connection, told) == 1
        (row,) = await Prepared(select(t.gateway)).rows(connection)
        (plain,) = (await connection.execute(select(t.gateway))).mappings().all()
    assert row == dict(plain)
    assert row["status"] == told["status"]


async def test_what_is_sought_and_what_is_fixed_in_a_statement_are_told_apart(database: Database) -> None:
    rename = update(t.site).where(t.site.c.id == bindparam("which"), t.site.c.zone.in_(("UTC", "Asia/Shanghai")))
    async with database.write() as connection:
        statement = Prepared(rename.values(name="Tower"))
        assert await statement.run(connection, {"which": "s1"}, {"which": "s2"}, {"which": "nowhere"}) == 2
        named = await Prepared(select(t.site.c.id).where(t.site.c.name == "Tower")).tuples(connection)
    assert named == [("s1",), ("s2",)]


async def test_a_key_that_is_taken_is_the_error_that_sqlalchemy_would_raise(database: Database) -> None:
    async def add(*ids: str) -> None:
        async with database.write() as connection:
            for one in ids:
                await ADD.run(connection, {"id": one, "name": ""})

    with pytest.raises(IntegrityError):
        await add("new", "s1")
    async with database.read() as connection:
        assert await SITES.tuples(connection, {"ids": ("new", "s1")}) == [("s1",)]


async def test_damage_is_noticed_by_a_prepared_statement_too(tmp_path: Path) -> None:
    found = await fresh_database(tmp_path, is_inline=False)
    await found.close()
    file = tmp_path / "cloud.db"
    file.write_bytes(file.read_bytes()[:4096] + b"\x55" * (file.stat().st_size - 4096))
    with pytest.raises(Exception, match=r"malformed|not a database"):
        async with found.read() as connection:
            await SITES.tuples(connection, {"ids": ("s1",)})
    assert found.damage
    await found.close()
