"""Up from every schema ever released, with a row in each of its tables, on both databases: nothing that was kept is lost."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Boolean, Column, Connection, Float, Integer, LargeBinary, MetaData, Table, select, text
from sqlalchemy.exc import IntegrityError

from cloud.storage import migrations
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.storage.tables import metadata
from cloud.storage.tables_search import is_ours
from tests.support.servers import postgres

FOLDER = str(Path(migrations.__file__).parent)


def settings() -> Config:
    config = Config()
    config.set_main_option("script_location", FOLDER)
    config.set_main_option("path_separator", "os")
    return config


RELEASED = sorted(one.revision for one in ScriptDirectory.from_config(settings()).walk_revisions())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        found = open_database(f"sqlite:///{tmp_path / 'cloud.db'}")
    else:
        found = open_database(request.getfixturevalue("server"))
        async with found.write() as connection:
            await connection.execute(text("DROP SCHEMA public CASCADE"))
            await connection.execute(text("CREATE SCHEMA public"))
    yield found
    await found.close()


def release(connection: Connection, revision: str) -> dict[str, list[dict[str, Any]]]:
    """The schema of a release, with one row in each table; what was put in."""
    config = settings()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    told = MetaData()
    told.reflect(connection)
    kept = {}
    for table in told.sorted_tables:
        if table.name != "alembic_version" and is_ours(table.name, "table", {}):
            connection.execute(table.insert().values(_row(table)))
            kept[table.name] = _rows(connection, table)
    return kept


def _row(table: Table) -> dict[str, Any]:
    return {column.name: _value(column) for column in table.columns}


def _value(column: Column[Any]) -> Any:
    kind = column.type
    if isinstance(kind, Boolean):
        return True
    if isinstance(kind, Integer):
        return 7
    if isinstance(kind, Float):
        return 1.5
    if isinstance(kind, LargeBinary):
        return b"body"
    if "JSON" in str(kind).upper():
        return {"en": "words", "zh": "文字"}
    return "same"


def _rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def left(connection: Connection, before: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """What is there now of the columns that were there before."""
    now = MetaData()
    now.reflect(connection)
    return {
        name: [{key: row[key] for key in rows[0]} for row in _rows(connection, now.tables[name])]
        for name, rows in before.items()
    }


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"include_name": is_ours}), metadata))


@pytest.mark.parametrize("revision", RELEASED)
async def test_a_database_of_an_earlier_release_keeps_every_row(database: Database, revision: str) -> None:
    async with database.write() as connection:
        before = await connection.run_sync(release, revision)
    assert len(before) >= 20
    assert await migrate(database) == RELEASED[-1]
    async with database.read() as connection:
        assert await connection.run_sync(left, before) == before
        assert await connection.run_sync(differences) == []


def down(connection: Connection, revision: str) -> None:
    config = settings()
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


async def test_the_way_back_to_before_merged_tickets_keeps_every_ticket_and_one_open_one_of_a_fault(
    database: Database,
) -> None:
    added = (
        "INSERT INTO ticket (id, fault_key, title, opened_at, state) VALUES (:id, 'site/lift_1/door', '{}', 1, :state)"
    )
    async with database.write() as connection:
        await connection.run_sync(release, "0004")
        for number, state in ((8, "merged"), (9, "new")):
            await connection.execute(text(added), {"id": number, "state": state})
            line = "INSERT INTO timeline (ticket_id, at, data) VALUES (:id, 1, '{}')"
            await connection.execute(text(line), {"id": number})
        await connection.run_sync(down, "0003")
        kept = await connection.execute(text("SELECT id, state FROM ticket WHERE id IN (8, 9) ORDER BY id"))
        assert [tuple(row) for row in kept] == [(8, "closed"), (9, "new")]
        lines = await connection.execute(text("SELECT count(*) FROM timeline WHERE ticket_id IN (8, 9)"))
        assert lines.scalar_one() == 2
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await connection.execute(text(added), {"id": 10, "state": "new"})
    await migrate(database)


def test_releases_follow_one_another_in_one_line() -> None:
    script = ScriptDirectory.from_config(settings())
    assert len(script.get_heads()) == 1
    assert [f"{number + 1:04}" for number in range(len(RELEASED))] == RELEASED
