from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from cloud.storage import migrations
from cloud.storage.migrate import NewerSchema, migrate
from cloud.storage.session import open_database
from cloud.storage.tables import metadata
from cloud.storage.tables_search import is_ours


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"include_name": is_ours}), metadata))


async def test_migrating_makes_exactly_the_tables_and_twice_is_as_good_as_once(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'cloud.db'}")
    assert await migrate(database) == await migrate(database)
    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


def _upgrade_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def test_a_database_of_the_release_before_keeps_what_it_holds(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'cloud.db'}")
    async with database.write() as connection:
        await connection.run_sync(_upgrade_to, "0002")
        await connection.execute(text("INSERT INTO site (id, name) VALUES ('riverside', 'Riverside')"))
        await connection.execute(text("INSERT INTO gateway (id, site_id, created_at) VALUES ('gw_1', 'riverside', 1)"))
        await connection.execute(
            text("INSERT INTO ticket (fault_key, title, opened_at) VALUES ('riverside/lift_1/door', '{}', 1)")
        )
    assert await migrate(database) == "0011"
    async with database.read() as connection:
        kept = await connection.execute(text("SELECT fault_key, state FROM ticket"))
        assert kept.all() == [("riverside/lift_1/door", "new")]
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_the_indexes_that_keep_one_open_ticket_are_partial(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'cloud.db'}")
    await migrate(database)
    async with database.read() as connection:
        found = await connection.execute(text("SELECT sql FROM sqlite_master WHERE name LIKE 'one_%' ORDER BY name"))
        assert [sql.partition("WHERE ")[2] for sql in found.scalars()] == [
            "state = 'active'",
            "state NOT IN ('closed', 'cancelled', 'merged')",
        ]
    await database.close()


async def test_an_older_release_leaves_a_newer_database_alone(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'cloud.db'}")
    await migrate(database)
    async with database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerSchema, match="install the newer release"):
        await migrate(database)
    await database.close()
