"""A gateway that runs for weeks: an hour at 200 devices of 40 values a second, whole path, in flat memory."""

from collections.abc import Callable
from statistics import median

import pytest

from benchmarks.contest import grown_mb
from tests.support.resident import DEVICES, HOUR, HOUR_S

MOST_MB = 90.0
"""Beside the other proofs, where a turn waits longer and holds more. Alone on a machine `bench_gateway` wants less than 80."""
MOST_GROWN_MB = 2.0
"""An hour. A leak of a byte a sample would be 29."""
WARM_UP_S = 1_200.0
"""Beside other proofs a turn is sometimes late and holds more; Python's allocator keeps the room that it once needed. What grows
after twenty minutes of that is a leak."""


@pytest.mark.proof
@pytest.mark.timeout(HOUR_S + 300)
def test_an_hour_of_reading_takes_no_more_memory(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    told, _ = request.config.stash[HOUR].communicate()
    rows = [(float(at), float(megabytes), int(points)) for at, megabytes, points in map(str.split, told.splitlines())]
    warm = [(at, megabytes) for at, megabytes, _ in rows if at >= WARM_UP_S]
    assert rows[-1][0] > HOUR_S - 30, "the gateway ran for the hour"
    read = rows[-1][2] - rows[0][2]
    assert read > 0.9 * DEVICES * 40 * rows[-1][0], "and kept what it was asked to read"
    grown = grown_mb(warm, HOUR_S)
    record_property("MB after twenty minutes, at the end, grown in an hour", (warm[0][1], warm[-1][1], grown))
    assert grown < MOST_GROWN_MB
    assert median(megabytes for _, megabytes in warm) < MOST_MB
