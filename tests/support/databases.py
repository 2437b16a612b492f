"""The database of a test: SQLite in its folder, or with ``PLANTROOM_TEST_DATABASE=postgresql`` one of its own on a real server.

The server is private to the process and starts with the first test that needs it. It holds one migrated template; a test's
database is a copy of it, and goes when the next test asks for its own.
"""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from cloud.storage import tables
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from tests.support.servers import postgres

VARIABLE = "PLANTROOM_TEST_DATABASE"
IS_POSTGRESQL = os.environ.get(VARIABLE, "sqlite") == "postgresql"
sqlite_only = pytest.mark.skipif(IS_POSTGRESQL, reason="is about SQLite itself")


@dataclass
class _Server:
    """A running server, its template, and which folder's databases it holds now."""

    address: str
    numbers: count[int] = field(default_factory=count)
    made: dict[Path, str] = field(default_factory=dict)
    has_template: bool = False

    async def url(self, path: Path) -> str:
        """The database that stands for this file; made empty when there is none yet."""
        if not self.has_template:
            await self._make_template()
        if path not in self.made:
            name = f"test_{next(self.numbers)}"
            await self._do(*self._drop_others(path.parent), f"CREATE DATABASE {name} TEMPLATE plantroom")
            self.made[path] = f"{self.address.rpartition('/')[0]}/{name}"
        return self.made[path]

    async def _make_template(self) -> None:
        database = open_database(self.address)
        await migrate(database)
        await database.close()
        self.has_template = True

    def _drop_others(self, folder: Path) -> list[str]:
        """Statements that end the databases of tests that are over."""
        over = [self.made.pop(path) for path in list(self.made) if path.parent != folder]
        return [f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)" for url in over]

    async def _do(self, *statements: str) -> None:
        connection = await asyncpg.connect(f"{self.address.rpartition('/')[0]}/postgres")
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@cache
def _server() -> _Server:
    stack = ExitStack()
    atexit.register(stack.close)
    return _Server(stack.enter_context(postgres()))


async def database_url(path: Path) -> str:
    """Where the database is that SQLite would keep in ``path``."""
    return await _server().url(path) if IS_POSTGRESQL else f"sqlite:///{path}"


async def database_at(path: Path, *, is_inline: bool = True) -> Database:
    """A database with every table, or the one that is there already. SQLite inline by default: fewer threads, the same rules."""
    url = await database_url(path)
    database = open_database(url, is_inline=is_inline and not IS_POSTGRESQL)
    if not IS_POSTGRESQL:
        async with database.write() as connection:
            await connection.run_sync(tables.metadata.create_all)
    return database
