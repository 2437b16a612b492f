"""Storage: bring a database to this release's schema. Runs at every start; does nothing when there is nothing to do."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from cloud.storage.session import Database

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_236_416_001
"""Advisory lock on PostgreSQL: of several replicas that start at once, one migrates and the others wait."""


class NewerSchema(RuntimeError):
    """The database was written by a newer release; an older one must not touch it."""


def _config() -> Config:
    from alembic.config import Config

    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@cache
def _head() -> str:
    """The schema of this release; to know it every migration's file is read."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _upgrade(connection: Connection) -> str:
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.util import CommandError

    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    head, current = _head(), MigrationContext.configure(connection).get_current_revision()
    if current == head:
        return head
    config = _config()
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
