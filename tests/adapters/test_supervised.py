"""What systemd hears from a gateway: ready after its first turn, alive while its cycle moves, and its end."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge.cycle import STUCK_AFTER_MS
from edge.gateway import Parts, build
from edge.supervised import IDLE_S, Supervisor, from_environment
from tests.support.clock import FakeClock
from tests.support.plant import START, make_class, make_site


@dataclass
class Ear:
    """systemd's end of the socket."""

    path: Path
    door: socket.socket
    heard: list[str] = field(default_factory=list)

    def listen(self) -> list[str]:
        self.heard = []
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard += self.door.recv(4096).decode().split("\n")
        return self.heard


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
        door.bind(str(tmp_path / "notify"))
        door.setblocking(False)
        yield Ear(tmp_path / "notify", door)


def gateway(folder: Path) -> tuple[Parts, FakeClock]:
    clock = FakeClock(START.wall_ms)
    return build(make_site(make_class()), clock, folder, inline=True, log=clock), clock


async def test_systemd_hears_that_the_gateway_is_ready_lives_and_stops(ear: Ear, tmp_path: Path) -> None:
    parts, clock = gateway(tmp_path)
    told = Supervisor({"NOTIFY_SOCKET": str(ear.path), "WATCHDOG_USEC": "20000000"})
    task = asyncio.create_task(told.run(parts))
    await asyncio.sleep(0)
    assert ear.listen() == [], "nothing is ready before the first turn"
    await parts.cycle.turn(0)
    await clock.until(lambda: clock.slept_s > 11)
    assert ear.listen()[:3] == ["READY=1", "STATUS=works alone; 1 events wait; 0 active alarms", "WATCHDOG=1"]
    task.cancel()
    await asyncio.wait([task])
    assert ear.listen()[-1] == "STOPPING=1"


async def test_a_cycle_that_hangs_is_left_to_the_watchdog(ear: Ear, tmp_path: Path) -> None:
    parts, clock = gateway(tmp_path)
    await parts.cycle.turn(0)
    told = Supervisor({"NOTIFY_SOCKET": str(ear.path), "WATCHDOG_USEC": "20000000"})
    task = asyncio.create_task(told.run(parts))
    await clock.until(lambda: clock.slept_s > 5 * STUCK_AFTER_MS / 1000)
    task.cancel()
    await asyncio.wait([task])
    assert ear.listen().count("WATCHDOG=1") == STUCK_AFTER_MS // 10_000, "told while it was fresh, and then no more"


def test_the_watchdog_is_told_at_half_its_time_and_without_one_now_and_then() -> None:
    assert Supervisor({"WATCHDOG_USEC": "60000000"}).every_s == 30.0
    assert Supervisor({}).every_s == IDLE_S
    assert Supervisor({"WATCHDOG_USEC": "soon"}).every_s == IDLE_S


def test_a_supervisor_that_is_gone_stops_no_gateway(tmp_path: Path) -> None:
    assert not Supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).tell("READY=1")
    assert not Supervisor({}).tell("READY=1")


def test_no_child_of_the_gateway_can_speak_in_its_name(ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(ear.path))
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    found = from_environment()
    assert found.tell("READY=1")
    assert found.every_s == 15.0
    assert "NOTIFY_SOCKET" not in os.environ
