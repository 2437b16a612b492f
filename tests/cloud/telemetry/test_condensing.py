"""Old samples become sums over equal stretches: wide answers stay the same, and nothing is lost or counted twice on the way."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.telemetry import blocks, condensed
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.keeping import Keeping, duties
from cloud.telemetry.store import Bucket, Row, Sample
from tests.support.history import plain

STEP = 10
KEY = ("demo", "pump_1", "flow")
values = st.one_of(
    st.integers(-500, 500).map(lambda number: (number / 10, "good", "none")),
    st.just((21.5, "uncertain", "stale")), st.just((None, "bad", "no_response")), st.just((True, "good", "none")),
    st.just(("auto", "good", "none")), st.just((99.0, "bad", "out_of_range")),
)  # fmt: skip


def row(at: int, value: Any, quality: str = "good", cause: str = "none") -> Row:
    return Row(*KEY, Sample(at, value, quality, cause))


async def opened(path: Path | str) -> EmbeddedStore:
    store = EmbeddedStore(path, is_inline=True, block=6, keep=2)
    await store.open()
    return store


def bytes_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    (size,) = connection.execute("SELECT SUM(LENGTH(bytes)) FROM body").fetchone()
    connection.close()
    return int(size)


def told(bucket: Bucket) -> tuple[Any, ...]:
    mean = None if bucket.mean is None else pytest.approx(bucket.mean, abs=0.01)
    return bucket.count, bucket.minimum, mean, bucket.maximum, bucket.last, bucket.quality, bucket.cause


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.tuples(st.integers(0, 120), values), max_size=25), st.integers(0, 14)), min_size=1, max_size=6),
    st.lists(st.tuples(st.integers(-2, 40), st.integers(1, 40)), min_size=1, max_size=5),
)  # fmt: skip
async def test_sums_over_whole_stretches_are_those_of_a_plain_list(
    steps: list[tuple[list[Any], int]], spans: list[tuple[int, int]]
) -> None:
    store = await opened(":memory:")
    known: dict[int, Sample] = {}
    limit = 0
    for batch, further in steps:
        rows = [row(limit + at, *content) for at, content in batch]  # in any order, but not into what is summed up
        await store.write(rows)
        known.update((one.sample.at_ms, one.sample) for one in rows)
        await store.seal()
        limit += further * STEP
        await store.condense(limit + 3, STEP, [KEY])
    for first, length in [*spans, (0, 10**6)]:
        start, end = first * STEP, (first + length) * STEP
        wanted = plain(known, start, end, 1)
        if sum(start <= at < end for at in known) > 1:
            found = await store.range(*KEY, start, end, 1)
            assert len(found) == 1
            assert told(found[0]) == told(wanted[0])
    await store.close()


async def test_condensing_makes_a_year_small_and_keeps_the_newest_as_it_was(tmp_path: Path) -> None:
    rng = random.Random(1)
    path = tmp_path / "t.db"
    store = EmbeddedStore(path, is_inline=True)
    await store.open()
    count = 40_000
    await store.write([row(n * 30_000, round(rng.gauss(230, 2), 1)) for n in range(count)])
    await store.compact()
    before = bytes_of(path)
    raw = await store.range(*KEY, 0, count * 30_000, 50)
    limit = 39_000 * 30_000
    assert await store.condense(limit, 300_000, [KEY]) == 39_000
    assert await store.condense(limit, 300_000, [KEY]) == 0
    await store.compact()
    assert bytes_of(path) < before / 2
    for one, other in zip(raw, await store.range(*KEY, 0, count * 30_000, 50), strict=True):
        assert told(one) == told(other)
    newest = await store.samples(*KEY, limit, count * 30_000, 10**5)
    assert (len(newest), newest[0].at_ms) == (1000, limit)
    stretches = await store.range(*KEY, 0, 3_000_000, 500)
    assert [(one.start_ms, one.end_ms, one.count) for one in stretches] == [
        (n * 300_000, (n + 1) * 300_000, 10) for n in range(10)
    ]
    assert (await store.samples(*KEY, 0, 300_000, 10))[0].value == pytest.approx(stretches[0].mean)
    await store.close()


async def test_a_sample_that_is_late_for_its_stretch_changes_no_sum_and_one_for_an_empty_stretch_is_kept(
    tmp_path: Path,
) -> None:
    store = await opened(tmp_path / "t.db")
    await store.write([row(at, float(at)) for at in range(100) if not 40 <= at < 60])
    await store.seal()
    await store.condense(80, STEP, [KEY])
    late = [row(5, 999.0), row(45, 45.0), row(46, 46.0), row(-7, -7.0)]
    for _ in range(2):  # before and after they are sealed
        await store.write([*late, *(row(at, float(at)) for at in range(100, 120))])
        (whole,) = await store.range(*KEY, -100, 100, 1)
        assert (whole.count, whole.minimum, whole.maximum) == (83, -7.0, 99.0)
        await store.seal()
    await store.condense(80, STEP, [KEY])
    (hole,) = await store.range(*KEY, 40, 60, 1)
    assert (hole.count, hole.mean) == (2, 45.5)
    await store.close()


async def test_another_step_takes_over_where_the_first_one_ended(tmp_path: Path) -> None:
    store = await opened(tmp_path / "t.db")
    await store.write([row(at, float(at)) for at in range(200)])
    await store.seal()
    for limit, step in ((55, 10), (150, 35), (185, 7)):
        await store.condense(limit, step, [KEY])
        (whole,) = await store.range(*KEY, 0, 200, 1)
        assert (whole.count, whole.minimum, whole.maximum) == (200, 0.0, 199.0)
        assert whole.mean == pytest.approx(99.5)
    connection = sqlite3.connect(tmp_path / "t.db")
    ends = connection.execute("SELECT first_at, last_at FROM block ORDER BY first_at").fetchall()
    connection.close()
    assert all(before[1] < after[0] for before, after in pairwise(ends))
    await store.close()


async def test_forgetting_goes_by_whole_stretches(tmp_path: Path) -> None:
    store = await opened(tmp_path / "t.db")
    await store.write([row(at, float(at)) for at in range(100)])
    await store.seal()
    await store.condense(90, STEP, [KEY])
    await store.delete_before(34, [KEY])
    (whole,) = await store.range(*KEY, 0, 100, 1)
    assert (whole.count, whole.minimum) == (70, 30.0)
    await store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="kills a forked process")
async def test_a_kill_between_any_two_steps_of_condensing_changes_no_sum(tmp_path: Path) -> None:
    store = await opened(tmp_path / "first.db")
    await store.write([row(at, float(at)) for at in range(0, 80, 2)])
    await store.seal()
    await store.write([row(at, float(at)) for at in (3, 21)])
    await store.close()
    was_killed, killed = True, 0
    while was_killed:
        path = Path(shutil.copy(tmp_path / "first.db", tmp_path / f"{killed}.db"))
        was_killed = _killed_at(path, killed + 1)
        killed += was_killed
        store = await opened(path)
        (whole,) = await store.range(*KEY, 0, 100, 1)
        assert (whole.count, whole.minimum, whole.maximum) == (42, 0.0, 78.0), f"killed at step {killed}"
        await store.condense(60, STEP, [KEY])
        (whole,) = await store.range(*KEY, 0, 100, 1)
        assert whole.mean == pytest.approx((sum(range(0, 80, 2)) + 24) / 42)
        await store.close()
    assert killed > 10


def _killed_at(path: Path, statement: int) -> bool:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(_condense_and_die(path, statement))
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


async def _condense_and_die(path: Path, statement: int) -> None:
    store = await opened(path)
    left = [statement]

    def count(_sql: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store._opened.database.set_trace_callback(count)
    await store.condense(60, STEP, [KEY])


def test_a_stretch_without_numbers_keeps_its_quality_and_newest_value() -> None:
    rows = [
        (1, blocks.NONE, None, 2, "no_response"),
        (4, blocks.TEXT, "auto", 0, "none"),
        (12, blocks.BIT, 1.0, 1, "stale"),
    ]
    found = condensed.decode(condensed.encode(condensed.condense(rows, 10, 0)))
    assert [(at, one.numbers, one.quality, one.cause, one.last) for at, one in found] == [
        (0, 0, 2, "no_response", "auto"), (10, 1, 1, "", 1.0),
    ]  # fmt: skip
    assert condensed.sample_of(*found[1]).value is True


def test_the_first_rule_that_fits_a_point_binds_it() -> None:
    rules = (Keeping("lift_*/door", 5), Keeping("*/door", 6), Keeping("lift_1/*", 7))
    points = [("a", "lift_1", "door"), ("a", "gate_1", "door"), ("b", "lift_1", "speed"), ("b", "lift_2", "speed")]
    assert [(duty.keeping.keep_ms, duty.points) for duty in duties(9, rules, points)] == [
        (5, points[:1]), (6, points[1:2]), (7, points[2:3]), (9, points[3:]),
    ]  # fmt: skip
    assert duties(9, (), points)[0].points is None
