"""The cloud's database at work, as a process whose disk is watched: ``python -m tests.support.power_cloud FOLDER``.

After each receipt it writes to ``marks`` which number is confirmed (``e N``). ``check`` looks at what a cut left.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from pathlib import Path

from cloud.ingest.service import ingest
from cloud.people import gateways
from cloud.storage.migrate import migrate
from cloud.storage.session import Database, open_database
from cloud.tickets.desk import Desk
from contract.codec import encode_record, raw_records
from contract.conventions import format_instant
from contract.messages import AlarmCleared, AlarmRaised, Envelope, Record, Severity
from tests.support.power import MARKS

START_MS = 1_795_244_400_000
ALARMS = 40
_GATEWAY, _CREDENTIAL = "gw_1", "power"


def events() -> list[Record]:
    """Each pump's alarm comes, goes and comes again: one ticket a pump."""
    told: list[Record] = []
    for number in range(ALARMS):
        at = format_instant(START_MS + number)
        pump = f"pump_{number % (ALARMS // 2)}"
        told.append(
            AlarmRaised(
                equipment=pump, rule="overload", severity=Severity.MAJOR, clause="", began_at=at, raised_at=at, because=[]
            )
        )  # fmt: skip
        told.append(AlarmCleared(equipment=pump, rule="overload", raised_at=at, cleared_at=at))
    return told


async def send(database: Database, first: int, size: int) -> int:
    """So many events from a number on; the number that is confirmed then."""
    some = events()[first - 1 : first - 1 + size]
    told = Envelope(
        contract=1, gateway=_GATEWAY, epoch=7, lane="events", first=first, sent_at=format_instant(START_MS),
        records=raw_records([encode_record(one) for one in some]),
    )  # fmt: skip
    outcome = await ingest(database, Desk(), f"Bearer {_CREDENTIAL}", told, START_MS)
    return outcome.receipt.committed[0].through


async def begin(folder: Path) -> Database:
    """A cloud's database in a folder, which knows the gateway."""
    database = open_database(f"sqlite:///{folder}/cloud.db")
    await migrate(database)
    async with database.write() as connection:
        await gateways.add(connection, _GATEWAY, "site", "code", START_MS)
        await gateways.enrol(connection, _GATEWAY, "code", START_MS + 1, lambda: _CREDENTIAL)
        await connection.exec_driver_sql("PRAGMA wal_autocheckpoint = 60")
    return database


async def work(folder: Path) -> None:
    with (folder / MARKS).open("w", buffering=1, encoding="utf-8") as marks:
        database = await begin(folder)
        print("e 0", file=marks)
        first = 1
        while first <= 2 * ALARMS:
            first = await send(database, first, 1 + first % 3) + 1
            print(f"e {first - 1}", file=marks)
        await database.close()


async def check(folder: Path, confirmed: int, *, is_sent_again: bool) -> None:
    """What was confirmed is there, once, with its alarm and its ticket; what was not leaves no half of itself."""
    path = folder / "cloud.db"
    if not path.exists():
        assert not confirmed
        return
    through = _look(path)
    assert through >= confirmed
    if is_sent_again and confirmed:
        database = open_database(f"sqlite:///{path}")
        await send(database, through + 1, 1000)
        await send(database, 1, 1000)
        await database.close()
        assert _look(path) == 2 * ALARMS


def _look(path: Path) -> int:
    """The highest number that is there, after a look at everything below it."""
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lane'").fetchone():
            return 0
        through = (db.execute("SELECT through FROM lane").fetchone() or (0,))[0]
        assert [row[0] for row in db.execute("SELECT seq FROM record ORDER BY seq")] == list(range(1, through + 1))
        raised = [one for one in events()[:through] if isinstance(one, AlarmRaised)]
        assert db.execute("SELECT count(*) FROM alarm").fetchone()[0] == len(raised)
        cleared = db.execute("SELECT count(*) FROM alarm WHERE state = 'cleared'").fetchone()[0]
        assert cleared == through - len(raised)
        tickets = db.execute("SELECT equipment_id, occurrences FROM ticket ORDER BY id").fetchall()
        names = [one.equipment for one in raised]
        assert tickets == [(name, names.count(name)) for name in dict.fromkeys(names)]
        return int(through)
    finally:
        db.close()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1])))
