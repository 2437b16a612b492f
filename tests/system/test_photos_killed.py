"""The cloud is killed while photos arrive: every row names a whole file, and what is left over is swept."""

import asyncio
import contextlib
import hashlib
import json
import random
import signal
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from cloud.clock import SystemClock
from cloud.storage import tables as t
from cloud.storage.files import Files, FilesAt
from cloud.storage.migrate import migrate
from cloud.storage.session import open_database
from cloud.tickets.attachments_sweep import KEPT_MS, Sweeper
from tests.support.desk import StoppedClock, announcement, desk, raised
from tests.support.photos import photo

KILLS = 6
PATH = "/api/v1/tickets/T-000001/attachments"


async def prepared(folder: Path) -> str:
    """A ticket and somebody who is signed in; the session."""
    now, database = SystemClock().now_ms(), open_database(f"sqlite:///{folder / 'cloud.db'}", is_inline=True)
    await migrate(database)
    async with desk(folder, clock=StoppedClock(now), database=database) as d:
        gateway = await d.gateway()
        await d.sign_in("anna", "technician")
        await gateway.tell(announcement(), raised(now))
        return str(d.http.cookies["plantroom_session"])


async def one_life(folder: Path, session: str, first: int, chance: random.Random) -> int:
    """Start the cloud, send photos to it, kill it while they arrive; how many it confirmed."""
    command = (sys.executable, "-m", "cloud.cli", "serve", "--data", str(folder), "--port", "0", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    address = json.loads(await process.stdout.readline())["url"]
    confirmed = 0

    async def send(number: int, http: httpx.AsyncClient) -> None:
        nonlocal confirmed
        data = photo(size=(300 + number, 200))
        with contextlib.suppress(httpx.HTTPError):
            answer = await http.post(PATH, files={"file": (f"{number}.jpg", data)})
            confirmed += answer.status_code == 201

    async with httpx.AsyncClient(base_url=address, cookies={"plantroom_session": session}, timeout=20) as http:
        await send(first, http)  # what is imported at the first photo is there now
        sending = [asyncio.create_task(send(first + n, http)) for n in range(1, 9)]
        await asyncio.sleep(chance.uniform(0.02, 0.6))
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.gather(*sending)
    return confirmed


@pytest.mark.proof
@pytest.mark.timeout(300)
async def test_no_kill_leaves_a_row_without_its_whole_file(tmp_path: Path) -> None:
    session, chance, confirmed = await prepared(tmp_path), random.Random(7), 0
    for life in range(KILLS):
        confirmed += await one_life(tmp_path, session, life * 9, chance)
    database, files = open_database(f"sqlite:///{tmp_path / 'cloud.db'}"), Files(FilesAt(str(tmp_path / "files")))
    async with database.read() as connection:
        rows = (await connection.execute(select(t.proof.attachment))).mappings().all()
    assert len(rows) >= confirmed
    for row in rows:
        assert hashlib.sha256(await files.read(row["file"])).hexdigest() == row["stored_hash"]
        assert await files.read(row["file"] + ".small")
    assert confirmed > 0  # some were answered before the kill
    left = sum(path.is_file() for path in (tmp_path / "files").rglob("*")) - 2 * len(rows)
    later = StoppedClock(SystemClock().now_ms() + KEPT_MS)
    assert await Sweeper(database, files, later).sweep() == left
    await database.close()
