"""A part that many look at is made once after each change; who looks is looked up once a second, and never seen in another's place."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard.shared import OLDEST_MS, Readers, SharedParts
from cloud.people import service
from tests.dashboard.world import World
from tests.support.desk import START, StoppedClock


class Floor:
    def __init__(self) -> None:
        self.clock, self.asked = StoppedClock(START), 0
        self.parts = SharedParts(self.clock)
        self.fails = False
        self.version, self.since = 0, START + 1

    async def make(self) -> bytes | None:
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            raise OSError("the database is away")
        return f"part {self.asked}".encode()

    async def ask(self, *key: str) -> bytes | None:
        return (await self.parts.get(key, self.version, self.since, self.make))[0]


async def test_two_hundred_who_ask_at_once_get_one_part() -> None:
    floor = Floor()
    found = await asyncio.gather(*(floor.ask("wall") for _ in range(200)))
    assert set(found) == {b"part 1"}


async def test_a_change_makes_the_part_anew() -> None:
    floor = Floor()
    assert await floor.ask("wall") == b"part 1"
    floor.version += 1
    assert await floor.ask("wall") == b"part 2"


async def test_who_heard_of_a_change_late_gets_what_was_made_for_a_later_one() -> None:
    floor = Floor()
    floor.version = 7
    await floor.ask("wall")
    floor.version = 6
    assert await floor.ask("wall") == b"part 1"


async def test_what_was_made_at_the_same_full_second_serves_all_who_are_told_then() -> None:
    floor = Floor()
    floor.version = 6
    await floor.ask("wall")
    floor.version, floor.since = 7, START
    assert await floor.parts.get(("wall",), 7, START, floor.make) == (
        b"part 1",
        6,
    )  # and they look again at what came since


async def test_ages_are_never_older_than_a_second() -> None:
    floor = Floor()
    await floor.ask("wall")
    floor.clock.ms += OLDEST_MS
    assert await floor.ask("wall") == b"part 2"


async def test_whatever_a_part_depends_on_has_a_part_of_its_own() -> None:
    floor = Floor()
    found = [await floor.ask(*key) for key in (("wall", "zh", "viewer"), ("wall", "en", "viewer"), ("wall", "zh", "engineer"))]  # fmt: skip
    assert len(set(found)) == 3
    assert await floor.ask("wall", "zh", "viewer") == found[0]


async def test_what_failed_is_told_to_all_who_wait_and_asked_again() -> None:
    floor = Floor()
    floor.fails = True
    found = await asyncio.gather(floor.ask("wall"), floor.ask("wall"), return_exceptions=True)
    assert [type(one) for one in found] == [OSError, OSError]
    floor.fails = False
    assert await floor.ask("wall") == b"part 2"


async def test_a_reader_who_leaves_meanwhile_takes_the_part_from_nobody() -> None:
    floor = Floor()
    first = asyncio.create_task(floor.ask("wall"))
    await asyncio.sleep(0)
    second = asyncio.create_task(floor.ask("wall"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == b"part 1"


async def test_what_nobody_looks_at_any_more_is_not_kept() -> None:
    floor = Floor()
    for number in range(5):
        await floor.ask(f"site {number}")
    floor.clock.ms += OLDEST_MS
    await floor.ask("wall")
    assert len(floor.parts._parts) == 1


# --- who looks ----------------------------------------------------------------------------------------------------


async def test_all_who_look_at_once_are_looked_up_with_one_question(
    desk: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    real = service.users_of

    async def counted(connection: AsyncConnection, tokens: list[str], now: int) -> dict[str, service.User]:
        asked.append(list(tokens))
        return await real(connection, tokens, now)

    monkeypatch.setattr(service, "users_of", counted)
    readers = Readers(desk.database, desk.clock)
    names = ["duty_engineer", "nobody", "electrician_a", "duty_engineer"]
    found = await asyncio.gather(*(readers.who(f"session of {name}") for name in names))
    assert [one.name if one else None for one in found] == ["duty_engineer", None, "electrician_a", "duty_engineer"]
    assert len(asked) == 1
    assert await readers.who("") is None


async def test_a_session_that_ended_is_noticed_within_a_second(desk: World) -> None:
    readers = Readers(desk.database, desk.clock)
    assert await readers.who("session of duty_engineer") is not None
    async with desk.database.write() as connection:
        await service.sign_out(connection, "session of duty_engineer")
    desk.clock.ms += OLDEST_MS
    assert await readers.who("session of duty_engineer") is None
    desk.clock.ms += OLDEST_MS
    await readers.who("session of electrician_a")
    assert list(readers._known) == ["session of electrician_a"]  # who left is forgotten
