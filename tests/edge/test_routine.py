"""The gateway's news of itself: soon when something changed, seldom while nobody listens."""

from pathlib import Path

import pytest

from contract.conventions import format_instant
from contract.messages import Cause, GatewayStatus
from edge.acquire.frames import Read
from edge.acquire.health import HealthBoard
from edge.outbox.sqlite import Outbox
from edge.pace import USUAL
from edge.routine import ALONE_EVERY_MS, MOST_READ, Routine
from edge.rules.engine import Engine
from edge.uplink.deliver import Link
from tests.support.clock import FakeClock
from tests.support.plant import START, make_class, make_site, rule

OF = make_class(rules={"overload": rule("load > load_max")})


ANNOUNCED = GatewayStatus(at="2026-11-21T07:05:00.123Z", version="announced", outbox_events=0, outbox_samples=0)


class Floor:
    def __init__(self, folder: Path, outcome: str = "committed") -> None:
        site, self.clock = make_site(OF), FakeClock(START.wall_ms)
        self.board, self.link = HealthBoard(["device_1"]), Link(outcome=outcome)
        self.outbox = Outbox(folder / "edge.db", START.wall_ms)
        self.routine = Routine(
            site, self.outbox, Engine(site, START), self.board, self.link, "1.2.3", lambda: [ANNOUNCED]
        )

    def count(self, seconds: int) -> int:
        """Statuses in so many seconds, asked ten times a second as the cycle does."""
        found = 0
        for _ in range(seconds * 10):
            found += len(self.routine.records(self.clock.moment()))
            self.clock.advance(0.1)
        return found


def test_a_gateway_tells_of_itself_at_the_start_and_then_twice_a_minute(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    assert floor.count(1) == 1
    assert floor.count(10 * USUAL.status_ms // 1000) == 10


def test_a_device_that_falls_silent_is_told_within_seconds(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    floor.board.answered("device_1", floor.clock.moment(), 12.0)
    floor.count(3)
    floor.board.failed("device_1", floor.clock.moment(), Cause.NO_RESPONSE, "no answer")
    assert floor.count(3) == 1
    assert floor.count(3) == 0


def test_the_cloud_is_told_anew_what_a_device_refuses_and_when_it_no_longer_does(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    floor.board.refuses("device_1", ["p3"], ["refused by the device: p3"])
    assert floor.count(3) == 1, "the first announcement holds what was known at the start"
    floor.board.refuses("device_1", ["p3", "p7"], ["refused by the device: p3, p7"])
    floor.clock.advance(3)
    assert floor.routine.records(floor.clock.moment()) == [ANNOUNCED]
    floor.board.refuses("device_1", [], [])
    floor.clock.advance(3)
    assert floor.routine.records(floor.clock.moment()) == [ANNOUNCED]


@pytest.mark.parametrize("outcome", ["unreachable", "unauthorised", "not_yet"])
def test_while_nobody_listens_the_outbox_is_not_filled_with_news_of_itself(tmp_path: Path, outcome: str) -> None:
    floor = Floor(tmp_path, outcome)
    assert floor.count(ALONE_EVERY_MS // 1000 + 10) == 2


def test_a_status_says_what_waits_and_since_when(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    floor.outbox.save(START.wall_ms - 60_000, events=[_status()])
    (status,) = floor.routine.records(floor.clock.moment())
    assert isinstance(status, GatewayStatus)
    assert (status.outbox_events, status.outbox_samples, status.version) == (1, 0, "1.2.3")
    assert status.oldest_unsent_at is not None
    assert status.oldest_unsent_at < status.at
    assert [device.state for device in status.devices] == ["not_yet"]


def _status() -> GatewayStatus:
    return GatewayStatus(at="2026-11-21T07:05:00.123Z", version="1", outbox_events=0, outbox_samples=0)


def test_a_status_says_what_went_wrong_and_what_came_last_of_some_devices_in_turn(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    names = [f"device_{number}" for number in range(MOST_READ + 2)]
    floor.board.keep(names)
    for name in names:
        floor.board.answered(name, floor.clock.moment())
        floor.board.heard(name, floor.clock.moment(), Read(3, 0, 1), b"\x00\x2a")
    told = []
    for _ in range(3):
        (status,) = floor.routine.records(floor.clock.moment())
        assert isinstance(status, GatewayStatus)
        told.append([device.device for device in status.devices if device.reads])
        floor.clock.advance(USUAL.status_ms / 1000)
    assert told == [names[:MOST_READ], names[MOST_READ:], names[:MOST_READ]]


def test_nobody_is_told_of_last_answers_while_the_cloud_is_away(tmp_path: Path) -> None:
    floor = Floor(tmp_path, "unreachable")
    floor.link.trouble, floor.link.trouble_ms = "unreachable: refused", START.wall_ms
    floor.board.heard("device_1", floor.clock.moment(), Read(3, 0, 1), b"\x00\x2a")
    (status,) = floor.routine.records(floor.clock.moment())
    assert isinstance(status, GatewayStatus)
    assert status.devices[0].reads == []
    assert (status.link_trouble, status.link_trouble_at) == ("unreachable: refused", format_instant(START.wall_ms))
