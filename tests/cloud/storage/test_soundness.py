"""A damaged database file is told of before somebody needs the page."""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from cloud.app import Parts, create_app
from cloud.config import Config
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.storage.soundness import Inspector
from tests.support.databases import sqlite_only
from tests.support.desk import START, announcement, desk, raised, trapped

pytestmark = sqlite_only
PAGE = 4096


async def filled(folder: Path) -> Path:
    """A desk's database with a fault in it, closed."""
    database = open_database(f"sqlite:///{folder / 'cloud.db'}")
    await migrate(database)
    async with desk(folder, database=database) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement(), raised(START), trapped(START))
    return folder / "cloud.db"


def garble(file: Path, table: str) -> None:
    """Random bytes over the first page of a table, as a failing disk leaves them."""
    with closing(sqlite3.connect(file)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with file.open("r+b") as pages:
        pages.seek((root - 1) * PAGE)
        pages.write(os.urandom(PAGE))


async def inspected(file: Path) -> tuple[Database, list[dict[str, Any]]]:
    database = open_database(f"sqlite:///{file}")
    with capture_logs() as said:
        await Inspector(database, file).inspect()
    await database.close()
    return database, [dict(line) for line in said]


async def test_a_whole_file_has_nothing_said_of_it(tmp_path: Path) -> None:
    database, said = await inspected(await filled(tmp_path))
    assert (database.damage, said) == ("", [])


@pytest.mark.parametrize("table", ["ticket", "alarm", "record", "audit"])
async def test_a_garbled_page_is_found_without_anybody_asking_for_it(tmp_path: Path, table: str) -> None:
    file = await filled(tmp_path)
    garble(file, table)
    database, (line,) = await inspected(file)
    assert (line["event"], line["file"]) == ("database_damaged", str(file))
    assert database.damage == line["reason"]
    assert "backup" in line["remedy"]


async def test_a_file_that_cannot_be_read_now_is_not_called_damaged(tmp_path: Path) -> None:
    database, (line,) = await inspected(tmp_path / "nowhere.db")
    assert (line["event"], database.damage) == ("database_not_inspected", "")


async def test_a_cloud_on_a_damaged_file_starts_and_says_so_without_being_asked(tmp_path: Path) -> None:
    file = await filled(tmp_path)
    garble(file, "quarantine")
    app = create_app(Config(data=tmp_path, database_url=f"sqlite:///{file}"), Parts())
    app.state.background = [one for one in app.state.background if one[0] == "inspector"]
    with capture_logs() as said:
        async with app.router.lifespan_context(app), client(app) as http:
            await until_damaged(app.state.database)
            told = await http.get("/healthz")
    assert (told.status_code, told.json()) == (503, {"status": "database_damaged"})
    assert [line["event"] for line in said] == ["database_damaged"]


async def until_damaged(database: Database) -> None:
    async with asyncio.timeout(10):
        while not database.damage:
            await asyncio.sleep(0.01)


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test")


async def test_the_request_that_meets_the_damage_is_told_what_to_do_and_pages_say_it_from_then_on(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as d:
        await (await d.gateway()).tell(announcement(), raised(START))
        await d.sign_in()
        assert "damaged" not in (await d.http.get("/gateways")).text
    garble(tmp_path / "cloud.db", "timeline")
    async with desk(tmp_path) as d:
        await d.sign_in("second")
        with capture_logs() as said:
            answer = await d.http.get("/api/v1/tickets/T-000001")
        assert (answer.status_code, answer.json()["code"]) == (503, "database_damaged")
        assert "backup" in answer.json()["remedy"]
        assert [line["event"] for line in said] == ["database_damaged"]
        assert "The database file of this desk is damaged" in (await d.http.get("/gateways")).text
