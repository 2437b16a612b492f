"""A disk that is really full, and one that really failed: the outbox and the cloud's database on a file system of their own."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from cloud.storage.session import Database, is_passing
from edge.errors import Transient
from edge.outbox.sqlite import Outbox
from tests.support import power_cloud, power_outbox
from tests.support.mounts import Disk, small_disk

START = power_outbox.START_MS
SPOIL: dict[str, Callable[[Disk], None]] = {"full": Disk.fill, "read-only": Disk.fail}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path, 8) as made:
        yield made


def save(outbox: Outbox, number: int) -> None:
    now = START + number * 1000
    samples = [power_outbox.sample(point, now) for point in range(200)]
    outbox.save(now, events=[power_outbox.status(number)], samples=samples)


def save_until_refused(outbox: Outbox, first: int) -> int:
    """The number that was not saved any more."""
    for number in range(first, first + 1000):
        try:
            save(outbox, number)
        except Transient:
            return number
    raise AssertionError("the disk took a thousand")


def told(outbox: Outbox) -> list[int]:
    """The number of every waiting event, in line over all epochs."""
    rows = outbox._db.execute("SELECT body FROM outbox WHERE lane = 'events' ORDER BY epoch, seq").fetchall()
    return [int(body.decode().partition('"version":"')[2].partition('"')[0]) for (body,) in rows]


def spoiled(disk: Disk, spoil: Callable[[Disk], None]) -> tuple[Outbox, int]:
    """An outbox whose disk takes nothing any more and which goes on in memory, and the first number that is there."""
    outbox = Outbox(disk.folder / "edge.db", START)
    for number in range(1, 4):
        save(outbox, number)
    spoil(disk)
    refused = save_until_refused(outbox, 4)
    outbox.leave_disk(START + 1)
    save(outbox, refused)
    with pytest.raises(Transient):
        outbox.return_to_disk()
    assert outbox.is_away
    assert told(outbox) == [refused]
    return outbox, refused


def test_a_full_disk_gets_everything_when_there_is_room_again(disk: Disk) -> None:
    outbox, refused = spoiled(disk, Disk.fill)
    disk.free()
    outbox.return_to_disk()
    assert told(outbox) == list(range(1, refused + 1))
    outbox.close()
    again = Outbox(disk.folder / "edge.db", START + 10**7)
    assert (again.set_aside, told(again)) == (None, list(range(1, refused + 1)))
    again.close()


def test_a_disk_that_failed_holds_after_its_repair_what_was_saved_before(disk: Disk) -> None:
    outbox, refused = spoiled(disk, Disk.fail)
    outbox.close()
    disk.repair()
    again = Outbox(disk.folder / "edge.db", START + 10**7)
    assert (again.set_aside, told(again)) == (None, list(range(1, refused)))
    again.close()


@pytest.mark.parametrize("how", SPOIL)
def test_a_disk_that_is_unusable_at_the_start_is_said(disk: Disk, how: str) -> None:
    SPOIL[how](disk)
    with pytest.raises(Transient, match=r"edge\.db: "):
        Outbox(disk.folder / "edge.db", START)


async def send_all_one_by_one(database: Database) -> None:
    for number in range(3, 2 * power_cloud.ALARMS + 1):
        assert await power_cloud.send(database, number, 1) == number


async def confirmed_until(disk: Disk, spoil: Callable[[Disk], None]) -> Database:
    """A cloud whose disk takes nothing any more: it confirms nothing, and says so."""
    database = await power_cloud.begin(disk.folder)
    assert await power_cloud.send(database, 1, 2) == 2
    spoil(disk)
    with pytest.raises(OperationalError) as refused:
        await send_all_one_by_one(database)
    assert is_passing(refused.value.orig)
    assert not database.is_writable
    return database


def test_a_cloud_goes_on_by_itself_when_its_full_disk_has_room_again(disk: Disk) -> None:
    async def story() -> None:
        database = await confirmed_until(disk, Disk.fill)
        disk.free()
        assert await power_cloud.send(database, 1, 1000) == 2 * power_cloud.ALARMS
        assert database.is_writable
        await database.close()
        await power_cloud.check(disk.folder, 2 * power_cloud.ALARMS, is_sent_again=True)

    asyncio.run(story())


def test_a_cloud_whose_disk_failed_holds_after_its_repair_what_it_confirmed(disk: Disk) -> None:
    async def story() -> None:
        database = await confirmed_until(disk, Disk.fail)
        await database.close()
        disk.repair()
        await power_cloud.check(disk.folder, 2, is_sent_again=True)

    asyncio.run(story())
