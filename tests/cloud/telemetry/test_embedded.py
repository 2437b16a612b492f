import asyncio
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cloud.errors import Refused
from cloud.telemetry.embedded import EmbeddedStore
from cloud.telemetry.store import Away, Row, Sample
from contract.messages import Value

SITE, EQUIPMENT, POINT = "riverside", "incomer_1", "power_factor"


def row(at: int, value: Value, quality: str = "good", cause: str = "none", point: str = POINT) -> Row:
    return Row(SITE, EQUIPMENT, point, Sample(at, value, quality, cause))


async def opened(folder: Path) -> EmbeddedStore:
    store = EmbeddedStore(folder / "telemetry.db", is_inline=True)
    await store.open()
    return store


async def test_the_newest_sample_of_every_point_is_known_also_after_a_restart(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write([row(2, 0.9), row(1, 0.8), row(1, True, point="running"), row(1, "auto", point="mode")])
    await store.write([row(3, None, "bad", "no_response")])
    expected = {
        POINT: Sample(3, None, "bad", "no_response"),
        "running": Sample(1, True, "good", "none"),
        "mode": Sample(1, "auto", "good", "none"),
    }
    assert await store.latest(SITE, EQUIPMENT) == expected
    await store.close()
    again = await opened(tmp_path)
    assert await again.latest(SITE, EQUIPMENT) == expected
    assert await again.latest(SITE, "nothing") == {}
    await again.close()


async def test_late_samples_fill_history_and_do_not_become_the_newest(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write([row(100, 0.9)])
    await store.write([row(50, 0.5)])
    assert (await store.latest(SITE, EQUIPMENT))[POINT].at_ms == 100
    assert [bucket.last for bucket in await store.range(SITE, EQUIPMENT, POINT, 0, 200, 2)] == [0.5, 0.9]
    await store.close()


async def test_a_bucket_sums_up_its_samples_and_a_gap_is_left_out(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write([row(0, 1.0), row(5, 3.0), row(9, 2.0), row(20, 7.0)])
    first, third = await store.range(SITE, EQUIPMENT, POINT, 0, 30, 3)
    assert (first.start_ms, first.end_ms, first.count, first.minimum, first.mean, first.maximum, first.last) == (
        0, 10, 3, 1.0, 2.0, 3.0, 2.0,
    )  # fmt: skip
    assert (third.start_ms, third.count, third.quality) == (20, 1, "good")
    await store.close()


async def test_a_bad_sample_counts_for_nothing_and_says_why(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write([row(0, 1.0), row(1, 99.0, "bad", "out_of_range"), row(10, None, "bad", "no_response")])
    first, second = await store.range(SITE, EQUIPMENT, POINT, 0, 20, 2)
    assert (first.count, first.maximum, first.quality, first.cause) == (1, 1.0, "bad", "out_of_range")
    assert (second.count, second.mean, second.last, second.cause) == (0, None, None, "no_response")
    await store.close()


async def test_the_end_of_a_range_is_not_in_it_and_an_empty_range_is_empty(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write([row(10, 1.0), row(20, 2.0)])
    assert [bucket.last for bucket in await store.range(SITE, EQUIPMENT, POINT, 10, 20, 5)] == [1.0]
    assert await store.range(SITE, EQUIPMENT, POINT, 20, 20, 5) == []
    assert await store.range(SITE, EQUIPMENT, "unknown", 0, 99, 5) == []
    await store.close()


async def test_writing_the_same_sample_again_changes_nothing(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    for _ in range(3):
        await store.write([row(1, 1.0), row(2, 2.0)])
    (bucket,) = await store.range(SITE, EQUIPMENT, POINT, 0, 10, 1)
    assert (bucket.count, bucket.mean) == (2, 1.5)
    await store.close()


async def test_old_samples_are_forgotten(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    await store.write([row(n, float(n)) for n in range(10)])
    assert await store.delete_before(7) == 7
    assert [bucket.last for bucket in await store.range(SITE, EQUIPMENT, POINT, 0, 10, 10)] == [7.0, 8.0, 9.0]
    await store.close()


async def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    with pytest.raises(ValueError, match="excellent is no quality"):
        await store.write([row(1, 1.0, point="new"), row(2, 2.0, "excellent")])
    await store.write([row(3, 3.0, point="new")])
    assert list(await store.latest(SITE, EQUIPMENT)) == ["new"]
    (bucket,) = await store.range(SITE, EQUIPMENT, "new", 0, 10, 1)
    assert bucket.count == 1
    await store.close()


async def test_it_works_in_its_own_thread_too(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "telemetry.db")
    await store.open()
    await store.write([row(1, 1.0)])
    assert (await store.health()).is_ok
    assert len(await store.range(SITE, EQUIPMENT, POINT, 0, 10, 1)) == 1
    await store.close()


async def test_it_may_be_closed_while_a_question_is_at_work(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "t.db")
    await store.open()
    await store.write([Row("demo", "pump_1", "flow", Sample(at, float(at), "good", "none")) for at in range(50_000)])
    questions = [asyncio.ensure_future(store.range("demo", "pump_1", "flow", 0, 50_000, 7)) for _ in range(20)]
    await asyncio.sleep(0.01)
    for question in questions:
        question.cancel()  # its thread goes on
    await store.close()


async def test_a_damaged_file_is_set_aside_and_history_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "telemetry.db").write_bytes(b"this is a shopping list, not a database" * 100)
    store = EmbeddedStore(tmp_path / "telemetry.db")
    with capture_logs() as said:
        await store.open()
    assert (await store.health()).is_ok
    await store.close()
    (aside,) = tmp_path.glob("telemetry.broken-*")
    assert aside.read_bytes().startswith(b"this is a shopping list")
    assert [(one["event"], one["file"]) for one in said] == [("history_set_aside", str(aside))]


async def test_a_full_disk_at_the_start_costs_history_alone_until_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EmbeddedStore(tmp_path / "telemetry.db")
    with monkeypatch.context() as full, capture_logs() as said:
        full.setattr("cloud.telemetry.embedded.Archive", refuse)
        await store.open()
        with pytest.raises(Away, match="disk is full"):
            await store.write([row(1, 1.0)])
        with pytest.raises(Refused, match="database or disk is full"):
            await store.latest(SITE, EQUIPMENT)
        assert not (await store.health()).is_ok
    (line,) = said
    assert (line["event"], line["file"], line["reason"]) == (
        "history_unavailable",
        str(tmp_path / "telemetry.db"),
        FULL,
    )
    assert "free space" in line["remedy"]
    await store.write([row(1, 1.0)])
    assert (await store.health()).is_ok
    assert list(await store.latest(SITE, EQUIPMENT)) == [POINT]
    await store.close()


FULL = "database or disk is full"


def refuse(*_: object) -> None:
    raise sqlite3.OperationalError(FULL)
