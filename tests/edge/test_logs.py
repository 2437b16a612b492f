"""The gateway's log stays readable and small whatever the plant does."""

import contextlib

import pytest
import structlog

from edge.logs import MOST, MOST_KINDS, RateLimit


class Log:
    def __init__(self) -> None:
        self.now = 0
        self.limit = RateLimit(lambda: self.now)
        self.lines: list[dict[str, object]] = []

    def say(self, event: str, **values: object) -> None:
        with contextlib.suppress(structlog.DropEvent):
            self.lines.append(dict(self.limit(None, "info", {"event": event, **values})))


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_device_that_flaps_all_night_leaves_ten_lines_a_minute_of_each_kind(log: Log) -> None:
    for second in range(8 * 3600):
        log.now = second * 1000
        log.say("device_silent" if second % 2 else "device_answers", device="meter_1")
    assert len(log.lines) == 8 * 60 * 2 * MOST


def test_what_was_kept_back_is_counted_in_the_next_line(log: Log) -> None:
    for _ in range(MOST + 37):
        log.say("device_silent", device="meter_1")
    log.now = 60_000
    log.say("device_silent", device="meter_1")
    assert log.lines[-1] == {"event": "device_silent", "device": "meter_1", "kept_back": 37}
    log.now = 120_000
    log.say("device_silent", device="meter_1")
    assert "kept_back" not in log.lines[-1]


def test_one_things_noise_silences_no_other(log: Log) -> None:
    for _ in range(100):
        log.say("device_silent", device="meter_1")
    log.say("device_silent", device="meter_2")
    log.say("alarm_raised", device="meter_1")
    log.say("bus_not_connected", bus="line_a")
    assert len(log.lines) == MOST + 3


def test_lines_about_ever_new_things_fill_no_memory(log: Log) -> None:
    for number in range(3 * MOST_KINDS):
        log.now = number * 100
        log.say("subscription_refused", topic=f"t/{number}")
    assert len(log.lines) == 3 * MOST_KINDS
    assert len(log.limit._kinds) <= MOST_KINDS
