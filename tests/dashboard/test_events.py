"""The stream: what changed is told to open pages, and silence can be told from a lost connection."""

import asyncio
from types import SimpleNamespace
from typing import Any

from cloud.dashboard import routes_wall
from tests.dashboard.world import World


def listening(desk: World) -> Any:
    request = SimpleNamespace(app=desk.app)
    return routes_wall._stream(request)  # type: ignore[arg-type]


async def test_a_stream_looks_once_at_what_changed_before_it_was_open(desk: World) -> None:
    stream = listening(desk)
    pieces = [await anext(stream), await anext(stream)]
    assert [piece.split("event: ")[1].split("\n")[0] for piece in pieces] == ["beat", "work"]
    await stream.aclose()


async def test_the_stream_begins_with_a_beat_and_tells_work_and_data_apart(desk: World) -> None:
    stream = listening(desk)
    assert (await anext(stream)).startswith("retry: 2000\nevent: beat\ndata: ")
    assert await anext(stream) == "event: work\ndata: connected\n\n"
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait([waiting], timeout=0)
    desk.app.state.hub.publish("tickets")
    assert await waiting == "event: work\ndata: tickets\n\n"
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait([waiting], timeout=0)
    desk.app.state.hub.publish("samples")
    assert await waiting == "event: data\ndata: samples\n\n"
    await stream.aclose()


async def test_what_happens_between_two_events_is_told_once(desk: World) -> None:
    stream = listening(desk)
    await anext(stream)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait([waiting], timeout=0)
    for _ in range(50):
        desk.app.state.hub.publish("alarms")
    assert await waiting == "event: work\ndata: alarms\n\n"
    desk.app.state.hub.publish("gateways")
    assert await anext(stream) == "event: work\ndata: gateways\n\n"
    await stream.aclose()


async def test_a_quiet_plant_still_beats(desk: World, monkeypatch: Any) -> None:
    monkeypatch.setattr(routes_wall, "BEAT_S", 0.0)
    stream = listening(desk)
    await anext(stream)
    await anext(stream)
    assert (await anext(stream)).startswith("event: beat\ndata: ")
    await stream.aclose()


async def test_a_stream_ends_so_that_a_session_is_checked_again(desk: World) -> None:
    stream = listening(desk)
    await anext(stream)
    await anext(stream)
    desk.clock.ms += routes_wall.STREAM_MS
    assert [piece async for piece in stream] == []


async def test_a_reader_who_leaves_is_forgotten(desk: World) -> None:
    stream = listening(desk)
    await anext(stream)
    await anext(stream)
    waiting = asyncio.ensure_future(anext(stream))
    await asyncio.wait([waiting], timeout=0)
    assert len(desk.app.state.hub._listeners) == 1
    waiting.cancel()
    await asyncio.wait([waiting])
    for _ in range(3):
        await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=0)
    assert desk.app.state.hub._listeners == []
