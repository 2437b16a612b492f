"""A part that many look at is made once after each change, for each language and role, and never for a stranger."""

import asyncio
from types import SimpleNamespace
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from cloud.dashboard.shared import OLDEST_MS, SharedParts
from cloud.hub import Hub
from cloud.people.service import User
from tests.support.desk import START, StoppedClock

ENGINEER, VIEWER = User(1, "li", "", "engineer", "zh", ""), User(2, "wang", "", "viewer", "zh", "")


def request(path: str = "/parts/wall", language: str = "zh", query: bytes = b"") -> Request:
    headers = [(b"accept-language", language.encode()), (b"host", b"desk.example")]
    app = SimpleNamespace(state=SimpleNamespace())
    return Request(
        {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": headers, "app": app}
    )


class Floor:
    def __init__(self) -> None:
        self.hub, self.clock, self.made = Hub(), StoppedClock(START), 0
        self.parts = SharedParts(self.hub, self.clock)
        self.status = 200

    async def make(self) -> Response:
        self.made += 1
        await asyncio.sleep(0)
        return Response(f"part {self.made}", self.status, {"Cache-Control": "no-store"})

    async def ask(self, user: User = ENGINEER, **of: Any) -> str:
        response = await self.parts.get(request(**of), user, self.make)
        assert response.headers["cache-control"] == "no-store"
        return bytes(response.body).decode()


async def test_two_hundred_who_ask_at_once_get_one_part() -> None:
    floor = Floor()
    found = await asyncio.gather(*(floor.ask() for _ in range(200)))
    assert set(found) == {"part 1"}


async def test_a_change_makes_the_part_anew() -> None:
    floor = Floor()
    assert await floor.ask() == "part 1"
    floor.hub.publish("samples")
    assert await floor.ask() == "part 2"


async def test_ages_are_never_older_than_a_second() -> None:
    floor = Floor()
    await floor.ask()
    floor.clock.ms += OLDEST_MS
    assert await floor.ask() == "part 2"


async def test_languages_roles_and_addresses_have_parts_of_their_own() -> None:
    floor = Floor()
    first = await floor.ask()
    others = [await floor.ask(language="en", user=User(3, "x", "", "engineer", "", "")), await floor.ask(user=VIEWER),
              await floor.ask(path="/parts/bands"), await floor.ask(query=b"site=a")]  # fmt: skip
    assert len({first, *others}) == 5
    assert await floor.ask() == first


async def test_what_failed_is_asked_again() -> None:
    floor = Floor()
    floor.status = 503
    assert await floor.ask() == "part 1"
    floor.status = 200
    assert await floor.ask() == "part 2"


async def test_a_reader_whose_session_ends_turns_nobody_else_away() -> None:
    floor = Floor()

    async def turned_away() -> Response:
        await asyncio.sleep(0)
        raise PermissionError("nobody is signed in")

    first = asyncio.create_task(floor.parts.get(request(), ENGINEER, turned_away))
    await asyncio.sleep(0)
    assert await floor.ask() == "part 1"
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], PermissionError)


async def test_what_nobody_looks_at_any_more_is_not_kept() -> None:
    floor = Floor()
    for number in range(5):
        await floor.ask(query=f"site={number}".encode())
    floor.clock.ms += OLDEST_MS
    await floor.ask()
    assert len(floor.parts._parts) == 1
