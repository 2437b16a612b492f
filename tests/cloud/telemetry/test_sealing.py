"""Samples move from rows into blocks: nothing is lost at any moment, and every answer stays the same."""

import asyncio
import os
import random
import shutil
import signal
import sqlite3
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.errors import Misconfigured
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.store import Bucket, Row, Sample
from tests.support.history import plain, same

BLOCK, KEEP = 8, 4
PLAIN_ROWS = """
CREATE TABLE series (id INTEGER PRIMARY KEY, site TEXT NOT NULL, equipment TEXT NOT NULL, point TEXT NOT NULL, UNIQUE (site, equipment, point));
CREATE TABLE sample (series INTEGER NOT NULL, at INTEGER NOT NULL, kind INTEGER NOT NULL, value, quality INTEGER NOT NULL,
    cause TEXT NOT NULL, PRIMARY KEY (series, at)) WITHOUT ROWID;
INSERT INTO series VALUES (1, 'demo', 'pump_1', 'flow');
"""


def row(at: int, value: Any = None, quality: str = "good", cause: str = "none", point: str = "flow") -> Row:
    value = float(at) if value is None and quality == "good" else value
    return Row("demo", "pump_1", point, Sample(at, value, quality, cause))


async def opened(path: Path | str, **how: Any) -> EmbeddedStore:
    store = EmbeddedStore(path, is_inline=True, **{"block": BLOCK, "keep": KEEP, **how})
    await store.open()
    return store


async def ask(store: EmbeddedStore, start: int, end: int, buckets: int) -> list[Bucket]:
    return await store.range("demo", "pump_1", "flow", start, end, buckets)


async def contents(store: EmbeddedStore, end: int = 1000) -> dict[int, Any]:
    """Instant → value of every sample, each in a bucket of its own."""
    return {bucket.start_ms: bucket.last for bucket in await ask(store, 0, end, end)}


def counted(path: Path, table: str) -> int:
    connection = sqlite3.connect(path)
    (count,) = connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()
    connection.close()
    return int(count)


values = st.one_of(
    st.integers(-500, 500).map(lambda number: (number / 10, "good", "none")),
    st.just((21.5, "uncertain", "stale")), st.just((None, "bad", "no_response")), st.just((99.0, "bad", "out_of_range")),
    st.just((True, "good", "none")), st.just(("auto", "good", "none")),
)  # fmt: skip
batches = st.lists(st.tuples(st.integers(0, 300), values), min_size=8, max_size=25)
writes = st.lists(st.one_of(batches, batches, st.integers(0, 300)), min_size=1, max_size=12)
"""Batches of samples in any order, late and repeated, and now and then an instant before which all is forgotten."""
spans = st.lists(st.tuples(st.integers(-50, 320), st.integers(1, 400), st.integers(1, 500)), min_size=1, max_size=4)


@settings(max_examples=120, deadline=None)
@given(writes, spans)
async def test_it_answers_as_a_plain_list_does(steps: list[Any], questions: list[tuple[int, int, int]]) -> None:
    store = await opened(":memory:", block=3, keep=2)
    known: dict[int, Sample] = {}
    for step in steps:
        if isinstance(step, int):
            assert await store.delete_before(step) == sum(at < step for at in known)
            known = {at: sample for at, sample in known.items() if at >= step}
        else:
            rows = [row(at, *content) for at, content in step]
            await store.write(rows)
            known.update((one.sample.at_ms, one.sample) for one in rows)
    for start, length, buckets in [*questions, (-(10**15), 10**16, 3), (-(2**70), 2**71, 500)]:
        assert same(await ask(store, start, start + length, buckets), plain(known, start, start + length, buckets))
    newest = {"flow": known[max(known)]} if known else {}
    assert await store.latest("demo", "pump_1") == newest
    await store.close()


async def test_a_wide_question_reads_no_sealed_sample(tmp_path: Path) -> None:
    store = await opened(tmp_path / "t.db")
    await store.write([row(at) for at in range(100)])
    await store.seal()
    store._opened.database.execute("UPDATE body SET bytes = x'00'")  # whoever reads one breaks
    (bucket,) = await ask(store, 0, 1000, 1)
    assert (bucket.count, bucket.minimum, bucket.mean, bucket.maximum, bucket.last) == (100, 0.0, 49.5, 99.0, 99.0)
    with pytest.raises(zlib.error):
        await ask(store, 3, 1000, 1)
    await store.close()


async def test_a_block_that_reaches_past_the_end_gives_only_what_is_before_it(tmp_path: Path) -> None:
    store = await opened(tmp_path / "t.db")
    await store.write([row(at) for at in range(100)])
    await store.seal()
    # stretches of 13; the last one, were it not cut at 85, would hold the whole block from 80 to 87
    *_, last = await ask(store, 0, 85, 7)
    assert (last.start_ms, last.end_ms, last.count, last.maximum, last.last) == (78, 85, 7, 84.0, 84.0)
    (only,) = await ask(store, 1, 4, 1)
    assert (only.count, only.last) == (3, 3.0)
    await store.close()


async def test_late_and_repeated_samples_are_merged_into_their_blocks(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    store = await opened(path)
    await store.write([row(at) for at in range(100, 200, 2)])
    await store.seal()
    sealed = counted(path, "block")
    late = {at: float(-at) for at in (5, 6, 101, 103, 104, 150, 151)}
    await store.write([row(at, value) for at, value in late.items()])
    wanted = {at: float(at) for at in range(100, 200, 2)} | late
    assert await contents(store) == wanted
    await store.seal()
    assert await contents(store) == wanted
    assert counted(path, "sample") < BLOCK + KEEP
    assert sealed <= counted(path, "block") <= sealed + 2
    await store.close()


async def test_a_file_of_plain_rows_is_read_and_sealed_onwards(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    old = sqlite3.connect(path)
    old.executescript(PLAIN_ROWS)
    old.executemany("INSERT INTO sample VALUES (1, ?, 0, ?, 0, 'none')", [(at, float(at)) for at in range(500)])
    old.commit()
    old.close()
    store = await opened(path)
    assert await contents(store) == {at: float(at) for at in range(500)}
    for at in range(500, 510):
        await store.write([row(at)])
    assert await contents(store) == {at: float(at) for at in range(510)}
    assert counted(path, "sample") < BLOCK + KEEP + 10
    await store.close()


async def test_a_file_of_a_newer_release_is_left_alone_with_a_sentence(tmp_path: Path) -> None:
    newer = sqlite3.connect(tmp_path / "t.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(Misconfigured, match="newer release"):
        await opened(tmp_path / "t.db")


async def prepare(path: Path, samples: dict[int, Any]) -> None:
    """A closed file with these samples, some of them sealed."""
    store = await opened(path)
    await store.write([row(at) for at in samples])
    await store.close()


def killed_at(path: Path, statement: int, rows: list[Row], *, is_delete: bool) -> bool:
    """Another process writes and seals, and is killed as it begins its ``statement``-th step; whether it came so far."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(_write_and_die(path, statement, rows, is_delete=is_delete))
            code = 0
        finally:
            os._exit(code)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended != 0


async def _write_and_die(path: Path, statement: int, rows: list[Row], *, is_delete: bool) -> None:
    store = await opened(path)
    left = [statement]

    def count(_sql: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store._opened.database.set_trace_callback(count)
    await (store.delete_before(10) if is_delete else store.write(rows))


@pytest.mark.skipif(sys.platform == "win32", reason="kills a forked process")
async def test_a_kill_between_any_two_steps_of_sealing_loses_nothing(tmp_path: Path) -> None:
    late_and_new = [row(at, 0.5) for at in (3, 4, 21, 55, 56, 57, 58, 59, 60, 61, 62, 63)]
    before = {at: float(at) for at in range(0, 50, 2)}
    after = before | {one.sample.at_ms: one.sample.value for one in late_and_new}
    outcomes = []
    await prepare(tmp_path / "first.db", before)
    for statement in range(1, 500):
        path = Path(shutil.copy(tmp_path / "first.db", tmp_path / f"{statement}.db"))
        was_killed = killed_at(path, statement, late_and_new, is_delete=False)
        store = await opened(path)
        found = await contents(store)
        assert found in (before, after), f"killed at step {statement}"
        outcomes.append(found == after)
        await store.write(late_and_new)
        await store.seal()
        assert await contents(store) == after
        await store.close()
        if not was_killed:
            break
    assert len(outcomes) > 20
    assert outcomes == sorted(outcomes)  # first none of it is kept, from one step on all of it
    assert outcomes.count(True) > 5


@pytest.mark.skipif(sys.platform == "win32", reason="kills a forked process")
async def test_a_kill_while_forgetting_forgets_all_of_it_or_nothing(tmp_path: Path) -> None:
    before = {at: float(at) for at in range(0, 50, 2)}
    after = {at: value for at, value in before.items() if at >= 10}
    seen = []
    await prepare(tmp_path / "first.db", before)
    for statement in range(1, 100):
        path = Path(shutil.copy(tmp_path / "first.db", tmp_path / f"{statement}.db"))
        was_killed = killed_at(path, statement, [], is_delete=True)
        store = await opened(path)
        seen.append(await contents(store))
        await store.close()
        if not was_killed:
            break
    assert seen[0] == before
    assert seen[-1] == after
    assert all(one in (before, after) for one in seen)


async def test_readers_in_other_processes_see_every_sample_while_it_is_sealed(tmp_path: Path) -> None:
    """Each reader asks for what it knows to be written; a row and its block are never both or neither there."""
    path = tmp_path / "t.db"
    store = EmbeddedStore(path, block=BLOCK, keep=KEEP)
    await store.open()
    await store.write([row(0)])
    reader = (
        "import asyncio, sys\n"
        "from cloud.telemetry.embedded import EmbeddedStore\n"
        "async def main():\n"
        "    store = EmbeddedStore(sys.argv[1], is_inline=True); await store.open(); seen = 0; asked = 0\n"
        "    print('ready', flush=True)\n"
        "    while seen < 1500:\n"
        "        newest = (await store.latest('demo', 'pump_1'))['flow'].at_ms\n"
        "        (one,) = await store.range('demo', 'pump_1', 'flow', 0, newest + 1, 1)\n"
        "        assert one.count == newest + 1, (one.count, newest)\n"
        "        seen = newest; asked += 1\n"
        "    await store.close(); print(asked)\n"
        "asyncio.run(main())\n"
    )
    run = asyncio.create_subprocess_exec
    readers = [
        await run(sys.executable, "-c", reader, str(path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]  # fmt: skip
    for one in readers:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    for start in range(1, 1502, 19):
        await store.write([row(at) for at in range(start, start + 19)])
    for one in readers:
        out, err = await one.communicate()
        assert one.returncode == 0, err.decode()
        assert int(out) > 1
    await store.close()


async def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    one, other = EmbeddedStore(path, block=BLOCK, keep=KEEP), EmbeddedStore(path, block=BLOCK, keep=KEEP)
    await asyncio.gather(one.open(), other.open())
    order = list(range(400))
    random.Random(3).shuffle(order)
    for start in range(0, 400, 20):
        part = [row(at) for at in order[start : start + 20]]
        await asyncio.gather(one.write(part[:12]), other.write(part[8:]))
    assert await contents(other) == {at: float(at) for at in range(400)}
    assert (await one.latest("demo", "pump_1"))["flow"].at_ms == 399
    await asyncio.gather(one.close(), other.close())
