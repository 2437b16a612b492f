"""Storage: bring a database to this release's schema. Runs at every start; does nothing when there is nothing to do."""

from __future__ import annotations

import io
from pathlib import Path

from sqlalchemy import Connection

from cloud.storage.session import Database

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_236_416_001
"""Advisory lock on PostgreSQL: of several replicas that start at once, one migrates and the others wait."""


class NewerSchema(RuntimeError):
    """The database was written by a newer release; an older one must not touch it."""


def _upgrade(connection: Connection) -> str:
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    head = ScriptDirectory.from_config(config).get_current_head() or ""
    current = MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return head
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise NewerSchema(
            f"the database has schema {current}, which this release does not know; install the newer release again"
        ) from error
    return head


async def migrate(database: Database) -> str:
    """Upgrade in one transaction; returns the schema's revision. Raises NewerSchema for a newer release's database."""
    async with database.write() as connection:
        return await connection.run_sync(_upgrade)
