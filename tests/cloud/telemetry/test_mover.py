from collections.abc import Sequence
from pathlib import Path

import pytest

from cloud.storage import tables as t
from cloud.telemetry.keeping import Keeping
from cloud.telemetry.mover import Bounds, Mover
from cloud.telemetry.store import Away, Parked, Row, Sample
from contract.codec import decode_record
from contract.messages import Cause, Quality, SampleBatch, SampleSeries
from tests.support.desk import HOUR, MINUTE, START, Desk, announcement, desk, raised, rows


def batch(*values: float | None, point: str = "power_factor") -> SampleBatch:
    at = [START + n for n in range(len(values))]
    quality = [Quality.BAD if value is None else Quality.GOOD for value in values]
    cause = [Cause.NO_RESPONSE if value is None else Cause.NONE for value in values]
    series = SampleSeries(
        equipment="incomer_1",
        point=point,
        device="meter_1",
        at=at,
        value=list(values),
        quality=quality,
        cause=cause,
    )
    return SampleBatch(series=[series])


class Server:
    """Stands in for the store's writing: away for some calls, then refusing what it was told to refuse."""

    def __init__(self, d: Desk, monkeypatch: pytest.MonkeyPatch, away: int = 0, refused: str = "") -> None:
        self.away, self.refused, self.calls = away, refused, 0
        self._write = d.app.state.store.write
        monkeypatch.setattr(d.app.state.store, "write", self.write)

    async def write(self, given: Sequence[Row]) -> Sequence[Parked]:
        self.calls += 1
        if self.calls <= self.away:
            raise Away("connection refused")
        await self._write([row for row in given if row.point != self.refused])
        return [Parked(row, "field type conflict") for row in given if row.point == self.refused]


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


async def test_a_store_that_is_away_is_waited_for_longer_each_time_and_then_given_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(batch(0.9, 0.8), lane="samples")
        Server(d, monkeypatch, away=8)
        await d.app.state.mover.move_all()
        assert d.clock.ms - START == 1000 * (1 + 2 + 4 + 8 + 16 + 32 + 60 + 60)
        assert (await d.app.state.store.latest("riverside", "incomer_1"))["power_factor"].value == 0.8
        assert not d.app.state.mover.is_away


async def test_a_dead_store_delays_no_ticket_and_its_backlog_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        Server(d, monkeypatch, away=10**6)
        for number in range(5):
            await gateway.tell(batch(0.9 - number / 10), lane="samples")
            with pytest.raises(Away):
                await d.app.state.mover.move()
        await gateway.tell(raised(START))
        (ticket,) = await rows(d.database, t.ticket)
        assert (ticket["rule"], ticket["opened_at"]) == ("pf_low", START)
        d.clock.ms += MINUTE
        await d.sign_in()
        told = (await d.http.get("/metrics")).text
        assert "plantroom_cloud_history_backlog_records 5.0" in told
        assert "plantroom_cloud_history_backlog_seconds 60.0" in told


async def test_the_backlog_is_bounded_on_disk_and_the_newest_samples_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        for number in range(30):
            d.clock.ms += MINUTE
            await gateway.tell(batch(float(number)), lane="samples")
        one = len((await rows(d.database, t.record, lane="samples"))[-1]["body"])
        bounds = Bounds(HOUR, backlog_bytes=10 * one)
        mover = Mover(d.database, d.app.state.store, d.clock, lambda *_: None, bounds)
        Server(d, monkeypatch, away=1)
        await mover.move_all()
        kept = await rows(d.database, t.record, lane="samples")
        assert [row["seq"] for row in kept] == list(range(21, 31))
        assert mover.thinned_records == 20
        (note,) = await rows(d.database, t.audit, action="history_thinned")
        assert note["data"]["records"] == 20
        assert [row["type"] for row in await rows(d.database, t.record, lane="events")] == ["DeviceAnnounced"]


async def test_a_refused_sample_is_set_aside_with_its_reason_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        mixed = SampleBatch(series=[*batch(0.9).series, *batch(1.0, 2.0, point="odd").series])
        await gateway.tell(mixed, batch(0.7), lane="samples")
        with monkeypatch.context() as refusing:
            Server(d, refusing, refused="odd")
            await d.app.state.mover.move_all()
        assert d.app.state.mover.parked_samples == 2
        (aside,) = await rows(d.database, t.quarantine)
        assert "field type conflict" in aside["reason"]
        kept = decode_record(aside["body"])
        assert isinstance(kept, SampleBatch)
        assert [(series.point, series.value) for series in kept.series] == [("odd", [1.0, 2.0])]
        assert set(await d.app.state.store.latest("riverside", "incomer_1")) == {"power_factor"}
        await d.sign_in(role="admin")
        answer = await d.http.post(f"/api/v1/quarantine/{aside['id']}/replay")
        assert answer.json() == {"applied": True, "reason": ""}
        await d.app.state.mover.move_all()
        assert (await d.app.state.store.latest("riverside", "incomer_1"))["odd"].value == 2.0
        assert await rows(d.database, t.quarantine) == []


async def test_taken_sample_records_go_after_a_day_and_events_stay(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        gateway = await d.gateway()
        await gateway.tell(announcement())
        await gateway.tell(batch(0.9), lane="samples")
        await d.app.state.mover.move()
        d.clock.ms += 25 * HOUR
        await d.app.state.mover.tidy()
        assert [row["type"] for row in await rows(d.database, t.record)] == ["DeviceAnnounced"]


async def test_each_kind_of_point_is_kept_as_long_and_as_finely_as_its_rule_says(tmp_path: Path) -> None:
    day = 24 * HOUR
    rules = (Keeping("*/energy", 900 * day), Keeping("incomer_*/power_factor", 400 * day, 30 * day, 5 * MINUTE))
    async with desk(tmp_path) as d:
        store = d.app.state.store
        for point in ("energy", "power_factor", "voltage"):
            await store.write([
                Row("riverside", "incomer_1", point, sample)
                for series in batch(*map(float, range(1000))).series
                for sample in samples_of(series, 30_000)
            ])  # fmt: skip
        await store.seal()
        before = {one.point: one.samples for one in await store.held()}
        d.clock.ms = START + 100 * day
        await Mover(d.database, store, d.clock, lambda *_: None, Bounds(90 * day, rules)).tidy()
        after = {one.point: one.samples for one in await store.held()}
        assert after["energy"] == before["energy"] == 1000
        assert "voltage" not in after
        assert 100 < after["power_factor"] < 400  # the newest are never sealed, the others are tenths
        (whole,) = await store.range("riverside", "incomer_1", "power_factor", START, START + day, 1)
        assert (whole.count, whole.minimum, whole.maximum, whole.last) == (1000, 0.0, 999.0, 999.0)
        assert whole.mean == pytest.approx(499.5)


def samples_of(series: SampleSeries, every_ms: int) -> list[Sample]:
    return [Sample(START + n * every_ms, value, "good", "none") for n, value in enumerate(series.value)]
