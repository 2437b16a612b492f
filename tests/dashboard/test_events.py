"""The stream: what changed is pushed to open pages, to each what its reader may see, and silence can be told from a lost connection."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy import update

from cloud.dashboard import live
from cloud.dashboard.live import BEAT_MS, CALM_MS, Part, due
from cloud.dashboard.web import LANGUAGE_COOKIE
from cloud.errors import Refused
from cloud.people import service
from cloud.people.access import COOKIE
from cloud.storage import tables as t
from tests.dashboard.world import World

WALL, BANDS = Part("wall", "/parts/wall?", has_data=True), Part("bands", "/parts/bands")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still here: nobody waits between two events."""
    monkeypatch.setattr(live, "CALM_MS", 0)
    monkeypatch.setattr(live, "DATA_MS", 1)


def listening(
    desk: World, *parts: Part, who: str = "duty_engineer", language: str = "en", page: str = "/wall"
) -> AsyncIterator[bytes]:
    headers = {"host": "desk.test", "cookie": f"{COOKIE}=session of {who}; {LANGUAGE_COOKIE}={language}"}
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": "GET", "path": "/events", "query_string": b"", "headers": told, "app": desk.app, "scheme": "http",
    }  # fmt: skip
    return live.stream(Request(scope), parts, page)


def events(said: bytes) -> dict[str, str]:
    """Each event's name and content."""
    found = re.findall(r"event: (\S+)\n((?:data:.*\n)+)\n", said.decode())
    return {name: "\n".join(line[6:] for line in lines.splitlines()) for name, lines in found}


async def told(stream: AsyncIterator[bytes], desk: World, *topics: str) -> dict[str, str]:
    """What a stream that waits says when these topics change."""
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait([waiting], timeout=0)
    desk.clock.ms += 1
    desk.app.state.hub.publish(*topics)
    return events(await waiting)


async def close(stream: Any) -> None:
    await stream.aclose()


async def test_a_stream_begins_with_all_that_its_page_shows(desk: World) -> None:
    stream = listening(desk, WALL, BANDS)
    first = await anext(stream)
    assert first.startswith(b"retry: 2000\nevent: work\n")
    found = events(first)
    assert list(found) == ["work", "data", "wall", "bands"]
    assert "LV incomer 2" in found["wall"]
    assert found["wall"].count("<header") == found["wall"].count("</header>") == 3
    await close(stream)


async def test_a_change_is_pushed_and_what_is_as_it_was_is_not_told_again(desk: World) -> None:
    stream = listening(desk, WALL, BANDS)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait([waiting], timeout=0)
    desk.clock.ms += 1
    await desk.raise_alarm("lift_1", "entrapment_button", 0)
    found = events(await waiting)
    assert list(found) == ["work", "wall", "bands"]
    assert "Alarm button in the car" in found["bands"]
    assert list(await told(stream, desk, "tickets")) == ["work"]
    await close(stream)


async def test_samples_make_only_the_parts_that_show_them(desk: World) -> None:
    stream = listening(desk, BANDS)
    await anext(stream)
    desk.clock.ms += 1
    await desk.raise_alarm("lift_1", "entrapment_button", 0)
    await anext(stream)
    await desk.clear_alarm("lift_1", "entrapment_button")
    desk.app.state.hub._listeners[0].take()
    assert list(await told(stream, desk, "samples")) == ["data"]
    assert list(await told(stream, desk, "samples", "gateways")) == ["work", "data", "bands"]
    await close(stream)


async def test_what_happens_between_two_events_is_told_once(desk: World) -> None:
    stream = listening(desk)
    await anext(stream)
    assert list(await told(stream, desk, *["alarms"] * 50, "gateways", "samples")) == ["work", "data"]
    assert desk.app.state.hub._listeners[0].topics == {}
    await close(stream)


async def test_who_reads_slowly_is_told_the_newest_and_nothing_waits_for_them(desk: World) -> None:
    stream = listening(desk, WALL)
    await anext(stream)
    for _ in range(200):  # nobody takes anything meanwhile
        desk.clock.ms += 1_000
        desk.app.state.hub.publish("samples", "tickets")
    found = events(await anext(stream))
    assert list(found) == ["work", "data", "wall"]
    assert desk.app.state.hub._listeners[0].topics == {}
    await close(stream)


async def test_a_quiet_plant_still_beats_and_its_values_grow_old(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "BEAT_MS", 0)
    stream = listening(desk, WALL)
    await anext(stream)
    assert list(events(await anext(stream))) == ["beat"]
    desk.clock.ms += 600_000
    assert list(events(await anext(stream))) == ["beat", "wall"]
    await close(stream)


# --- to whom ------------------------------------------------------------------------------------------------------


async def test_everybody_is_pushed_what_their_role_and_language_may_see(desk: World) -> None:
    await desk.raise_alarm("lift_1", "entrapment_button", 0)
    await desk.add_user("visitor", "viewer")
    seen = []
    for who, language in [("duty_engineer", "en"), ("duty_engineer", "zh"), ("visitor", "en")]:
        stream = listening(desk, BANDS, who=who, language=language, page="/equipment")
        seen.append(events(await anext(stream))["bands"])
        await close(stream)
    assert "<button" in seen[0]
    assert "困人" in seen[1] or "轿厢" in seen[1]
    assert "<button" not in seen[2]  # who may not acknowledge is shown no button, whatever was made for others


async def test_what_is_one_readers_own_is_pushed_to_nobody(desk: World) -> None:
    own = [
        Part("mine", "/parts/my"),
        Part("list", "/parts/tickets"),
        Part("page", "/my"),
        Part("nothing", "/parts/none"),
    ]
    stream = listening(desk, *own)
    assert list(events(await anext(stream))) == ["work", "data"]
    await close(stream)


async def test_a_session_that_ends_ends_its_stream_and_the_page_is_told(desk: World) -> None:
    stream, other = listening(desk, WALL), listening(desk, WALL, who="electrician_a")
    await anext(stream), await anext(other)
    async with desk.database.write() as connection:
        await service.sign_out(connection, "session of duty_engineer")
    desk.clock.ms += 1_000
    assert list(await told(stream, desk, "samples")) == ["over"]
    assert [piece async for piece in stream] == []
    assert "wall" in events(await anext(other))
    await close(other)


async def test_a_role_that_changes_changes_what_is_pushed(desk: World) -> None:
    await desk.raise_alarm("lift_1", "entrapment_button", 0)
    stream = listening(desk, BANDS, page="/equipment")
    assert "<button" in events(await anext(stream))["bands"]
    async with desk.database.write() as connection:
        await connection.execute(update(t.app_user).where(t.app_user.c.name == "duty_engineer").values(role="viewer"))
    desk.clock.ms += 1_000
    assert "<button" not in (await told(stream, desk, "tickets"))["bands"]
    await close(stream)


async def test_a_stream_ends_so_that_what_it_began_with_is_checked_again(desk: World) -> None:
    stream = listening(desk)
    await anext(stream)
    desk.clock.ms += live.STREAM_MS
    desk.app.state.hub.publish("tickets")
    assert [list(events(piece)) async for piece in stream] == []


async def test_a_part_that_cannot_be_made_ends_the_stream(desk: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its page says that it is reconnecting, and not that it is live."""
    stream = listening(desk, WALL)
    await anext(stream)

    async def away(*_: object) -> None:
        raise live.PartFailed("/parts/wall")

    monkeypatch.setattr(live, "made", away)
    desk.clock.ms += 1_000
    desk.app.state.hub.publish("samples")
    assert [piece async for piece in stream] == []


async def test_a_reader_who_leaves_is_forgotten(desk: World) -> None:
    stream = listening(desk)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait([waiting], timeout=0)
    assert len(desk.app.state.hub._listeners) == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    assert desk.app.state.hub._listeners == []


# --- when, and of what --------------------------------------------------------------------------------------------


def test_work_is_told_soon_and_samples_at_full_seconds_to_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "CALM_MS", CALM_MS)
    monkeypatch.setattr(live, "DATA_MS", 1_000)
    assert due({"tickets", "samples"}, heard_at=10_050, told_at=10_000, spoke_at=10_000) == 10_000 + CALM_MS
    assert [due({"samples"}, at, 9_900, 9_900) for at in (10_000, 10_999)] == [11_000, 11_000]
    assert due((), 0, 9_000, 10_000) == 10_000 + BEAT_MS


def test_a_page_asks_for_parts_by_the_elements_they_fill() -> None:
    found = live.parts_of({"live": ["wall /parts/wall?site=a b"], "part": ["bands /parts/bands"]})
    assert found == (Part("wall", "/parts/wall?site=a b", has_data=True), BANDS)
    for wrong in (
        "wall",
        "work /parts/wall",
        "a\nb /parts/wall",
        "wall //elsewhere",
        "wall http://elsewhere/",
        " /x",
        "feed /events?page=/wall",
        "feed /%65vents",
    ):
        with pytest.raises(Refused):
            live.parts_of({"part": [wrong]})
    with pytest.raises(Refused):
        live.parts_of({"part": ["bands /parts/bands"] * 9})
