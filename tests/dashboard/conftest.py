"""A desk with a site in it, and a browserless reader of its pages."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cloud.people.access import COOKIE
from tests.dashboard import scenario, world
from tests.dashboard.world import World


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[World]:
    made = await world.make(tmp_path)
    yield made
    await made.store.close()
    await made.database.close()


@pytest.fixture
async def desk(empty: World) -> World:
    await scenario.afternoon(empty)
    return empty


@pytest.fixture
async def reader(desk: World) -> AsyncIterator[httpx.AsyncClient]:
    async with client(desk, "duty_engineer") as found:
        yield found


def client(of: World, name: str = "", language: str = "en") -> httpx.AsyncClient:
    """Somebody at a browser; nobody without a name."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(of.app), base_url="http://desk.test", cookies={COOKIE: f"session of {name}"} if name else {},
        headers={"Accept-Language": language, "Origin": "http://desk.test"},
    )  # fmt: skip
