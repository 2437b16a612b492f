from collections.abc import Sequence
from pathlib import Path

import pytest

from cloud.storage import tables as t
from cloud.telemetry.store import Row
from contract.messages import Cause, Quality, SampleBatch, SampleSeries
from tests.support.desk import HOUR, START, announcement, desk, rows


def batch(*values: float | None) -> SampleBatch:
    at = [START + n for n in range(len(values))]
    quality = [Quality.BAD if value is None else Quality.GOOD for value in values]
    cause = [Cause.NO_RESPONSE if value is None else Cause.NONE for value in values]
    series = SampleSeries(
        equipment="incomer_1",
        point="power_factor",
        device="meter_1",
        at=at,
        value=list(values),
        quality=quality,
        cause=cause,
    )
    return SampleBatch(series=[series])


async def test_committed_samples_reach_the_history_store_and_are_marked_as_taken(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        await gateway.tell(batch(0.9, None), batch(0.8), lane="samples")
        assert [await d.app.state.mover.move() for _ in range(2)] == [2, 0]
        newest = (await d.app.state.store.latest("riverside", "incomer_1"))["power_factor"]
        assert (newest.at_ms, newest.value, newest.cause) == (START + 1, None, "no_response")
        assert [row["applied_at"] for row in await rows(d.database, t.record, lane="samples")] == [START, START]


async def test_samples_wait_in_the_database_while_the_store_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(batch(0.9), lane="samples")

        async def fail(_rows: Sequence[Row]) -> None:
            raise OSError("disk full")

        with monkeypatch.context() as broken:
            broken.setattr(d.app.state.store, "write", fail)
            with pytest.raises(OSError, match="disk full"):
                await d.app.state.mover.move()
        assert [row["applied_at"] for row in await rows(d.database, t.record)] == [None]
        assert await d.app.state.mover.move() == 1


async def test_taken_sample_records_go_after_a_day_and_events_stay(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        await gateway.tell(batch(0.9), lane="samples")
        await d.app.state.mover.move()
        d.clock.ms += 25 * HOUR
        await d.app.state.mover._clean()
        assert [row["type"] for row in await rows(d.database, t.record)] == ["DeviceAnnounced"]
