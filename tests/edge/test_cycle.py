"""Take, judge, save: events at once, samples in groups, and judging goes on whatever the disk does."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contract.codec import decode_record
from contract.messages import (
    AlarmRaised,
    DeviceAnnounced,
    Directive,
    DirectiveApplied,
    Quality,
    Record,
    SampleBatch,
    SamplesThinned,
    Value,
)
from edge import cycle as cycles
from edge.announce import announcement
from edge.cycle import Cycle, Intake
from edge.decode.sample import Moment, Sample
from edge.errors import Transient
from edge.outbox.sqlite import Outbox
from edge.rules.engine import Engine
from edge.store import AsyncOutbox
from tests.support.clock import FakeClock
from tests.support.plant import START, Bench, make_class, make_site, rule

OF = make_class(rules={"overload": rule("load > load_max"), "fire": rule("running", severity="life_safety")})


class Floor:
    """A cycle with a real outbox on a clock of our own."""

    def __init__(self, folder: Path) -> None:
        self.site, self.clock = make_site(OF), FakeClock(START.wall_ms)
        self.outbox = Outbox(folder / "edge.db", START.wall_ms)
        self.engine = Engine(self.site, self.clock.moment(), self.outbox.load_state())
        self.told: list[Record] = []
        self.woken = 0
        self.cycle = Cycle(
            Intake(), self.engine, AsyncOutbox(self.outbox, self.clock, self.announcement, inline=True), self.clock,
            self.clock, self.announcement, lambda _now: [], self.told.extend, self.wake, answered=self.outbox.answered(),
        )  # fmt: skip

    def announcement(self) -> Sequence[Record]:
        return announcement(self.site, self.engine, {}, "1")

    def wake(self) -> None:
        self.woken += 1

    def sample(self, point: str, value: Value) -> Sample:
        now = self.clock.moment()
        bench = Bench(OF)
        bench.now = Moment(now.wall_ms, now.steady_ms)
        return bench.sample(point, value, Quality.GOOD)

    async def read(self, committed: Any = None, **values: Value) -> None:
        await self.cycle.intake.put([self.sample(name, value) for name, value in values.items()], committed)
        await self.cycle.turn(0)

    def disk(self) -> tuple[bool, bool]:
        """Whether it is said to be well, and whether the outbox is on it."""
        return self.cycle.is_disk_well, self.outbox.is_lasting

    def kept(self, lane: Any = "events") -> list[Record]:
        batch = self.outbox.next_batch(lane, 1000, 10**9)
        return [decode_record(body) for body in batch.bodies] if batch else []


async def test_the_announcement_is_the_first_event_of_an_epoch(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    task = asyncio.create_task(floor.cycle.run())
    await floor.clock.until(lambda: bool(floor.kept()))
    task.cancel()
    first = floor.kept()[0]
    assert isinstance(first, DeviceAnnounced)
    assert [rule.id for rule in first.equipment[0].rules] == ["overload", "fire", "no_data"]
    limit = next(one for one in first.equipment[0].points if one.id == "load").limits[0]
    assert (limit.rule, limit.op, limit.value) == ("overload", ">", 100)


async def test_an_alarm_is_saved_at_once_with_its_state_and_its_samples(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    await floor.read(load=101.0)
    assert [type(record) for record in floor.kept()] == [AlarmRaised]
    assert len(floor.kept("samples")) == 1
    assert set(floor.outbox.load_state()) == {"alarms/pump_1", "storms"}
    assert floor.woken == 1
    assert floor.told == floor.kept()


async def test_samples_alone_wait_a_second_at_most_and_go_as_one_group(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    for _ in range(10):
        await floor.read(load=50.0)
        floor.clock.advance(0.1)
    assert floor.kept("samples") == []
    await floor.read(load=50.0)
    (batch,) = floor.kept("samples")
    assert isinstance(batch, SampleBatch)
    assert len(batch.series[0].at) == 11


async def test_many_samples_do_not_wait_for_the_second_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycles, "SAMPLES_TOGETHER", 5)
    floor = Floor(tmp_path)
    for _ in range(4):
        await floor.read(load=50.0)
    assert floor.kept("samples") == []
    await floor.read(load=50.0)
    assert len(floor.kept("samples")) == 1


async def test_a_brokers_message_is_acknowledged_only_after_the_commit(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    acknowledged: list[int] = []
    await floor.read(lambda: acknowledged.append(len(floor.kept("samples"))), load=50.0)
    assert acknowledged == []
    floor.clock.advance(0.05)
    await floor.cycle.turn(0)
    assert acknowledged == [1]


async def test_a_disk_that_fails_stops_no_judging_and_loses_nothing_once_it_is_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = Floor(tmp_path)
    save = floor.outbox.save

    def full(*_: object, **__: object) -> None:
        raise Transient("edge.db: database or disk is full")

    monkeypatch.setattr(floor.outbox, "save", full)
    await floor.read(load=101.0)
    assert [type(record) for record in floor.told] == [AlarmRaised]
    assert not floor.cycle.is_disk_well
    floor.clock.advance(2)
    await floor.read(load=50.0, running=True)
    assert len(floor.told) == 3  # cleared, fire: the people on site are told all the same
    assert floor.clock.said("disk_failing")[0]["remedy"]
    assert len(floor.clock.said("disk_failing")) == 1
    monkeypatch.setattr(floor.outbox, "save", save)
    floor.clock.advance(2)
    await floor.cycle.turn(0)
    assert len(floor.clock.said("disk_well_again")) == 1
    assert floor.kept() == floor.told
    (batch,) = floor.kept("samples")
    assert isinstance(batch, SampleBatch)
    assert batch.series[0].value == [101.0, 50.0]


def fill(floor: Floor, *, is_full: bool) -> None:
    """A full disk, as SQLite itself reports it; and one that was freed."""
    disk = floor.outbox._disk or floor.outbox._db
    pages = disk.execute("PRAGMA page_count").fetchone()[0] if is_full else 1_000_000
    disk.execute(f"PRAGMA max_page_count = {pages}")


async def test_a_disk_that_stays_full_makes_nobody_mute_and_gets_everything_when_it_is_freed(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    await floor.read(load=50.0)
    floor.outbox.save(START.wall_ms, state=[("big", bytes(100_000))])
    first = floor.outbox.epoch
    fill(floor, is_full=True)
    floor.cycle.unsaved.state["more"] = bytes(1_000_000)
    for _ in range(cycles.LEAVE_DISK_AFTER_MS // 1000 + 2):
        floor.clock.advance(1)
        await floor.read(load=101.0)
    await floor.cycle.turn(0)
    assert [type(record) for record in floor.kept()] == [DeviceAnnounced, AlarmRaised]  # the cloud can be told
    assert floor.outbox.epoch > first
    assert floor.disk() == (False, False)
    fill(floor, is_full=False)
    floor.clock.advance(cycles.TRY_DISK_EVERY_MS / 1000)
    await floor.read(load=101.0, running=True)
    assert floor.disk() == (True, True)
    assert len(floor.clock.said("disk_well_again")) == 1
    found = Outbox(tmp_path / "edge.db", floor.clock.now_ms())
    batch = found.next_batch("events", 1000, 10**9)
    assert batch is not None
    assert batch.epoch > first
    assert [type(decode_record(body)) for body in batch.bodies] == [DeviceAnnounced, AlarmRaised, AlarmRaised]
    assert found.load_state()["more"] == bytes(1_000_000)


async def test_memory_stays_bounded_while_the_disk_takes_nothing_and_the_loss_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = Floor(tmp_path)
    monkeypatch.setattr(cycles, "MOST_UNSAVED", 100)

    def full(*_: object, **__: object) -> None:
        raise Transient("full")

    with monkeypatch.context() as broken:
        broken.setattr(floor.outbox, "save", full)
        for _ in range(300):
            floor.clock.advance(2)
            await floor.read(load=50.0)
        assert len(floor.cycle.unsaved.samples) <= 100
    floor.clock.advance(2)
    await floor.cycle.turn(0)
    thinned = [record for record in floor.kept() if isinstance(record, SamplesThinned)]
    (batch,) = floor.kept("samples")
    assert isinstance(batch, SampleBatch)
    assert sum(record.dropped for record in thinned) + len(batch.series[0].at) == 300


async def test_a_directive_is_carried_out_once_and_answered_even_if_the_cloud_repeats_it(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    wish = Directive(id="d1", kind="set_limit", by="li", equipment="pump_1", limit="load_max", value=40.0)
    floor.cycle.take_directives([wish, wish])
    await floor.cycle.turn(0)
    floor.cycle.take_directives([wish])
    await floor.cycle.turn(0)
    assert [type(record) for record in floor.kept()] == [DeviceAnnounced, DirectiveApplied]
    again = Floor(tmp_path)
    again.cycle.take_directives([wish])
    await again.cycle.turn(0)
    assert [type(record) for record in again.kept()] == [DeviceAnnounced, DirectiveApplied]  # those of the first life
    limit = next(one for one in _announced(again).equipment[0].limits if one.id == "load_max")
    assert (limit.value, limit.set_by, limit.class_value) == (40.0, "cloud", 100)


def _announced(floor: Floor) -> DeviceAnnounced:
    (record,) = floor.announcement()
    assert isinstance(record, DeviceAnnounced)
    return record


async def test_a_kill_between_any_two_turns_loses_and_doubles_no_alarm(tmp_path: Path) -> None:
    history: Sequence[dict[str, Value]] = [
        {"load": 50.0},
        {"load": 101.0},
        {"load": 101.0},
        {"load": 50.0},
        {"load": 101.0},
    ]
    for stop in range(len(history)):
        folder = tmp_path / str(stop)
        floor = Floor(folder)
        for values in history[: stop + 1]:
            await floor.read(**values)
        again = Floor(folder)  # the first is abandoned, as a kill -9 leaves it
        for values in history[stop + 1 :]:
            await again.read(**values)
        kept = [type(record).__name__ for record in _all_events(folder)]
        assert kept == ["AlarmRaised", "AlarmCleared", "AlarmRaised"], f"killed after turn {stop}"


def _all_events(folder: Path) -> list[Record]:
    import sqlite3

    with sqlite3.connect(folder / "edge.db") as db:
        rows = db.execute("SELECT body FROM outbox WHERE lane = 'events' ORDER BY epoch, seq").fetchall()
    return [decode_record(body) for (body,) in rows]


async def test_the_last_turn_saves_everything_that_was_handed_over(tmp_path: Path) -> None:
    floor = Floor(tmp_path)
    await floor.cycle.intake.put([floor.sample("load", 101.0)])
    await floor.cycle.finish()
    assert len(floor.kept()) == 1
    assert len(floor.kept("samples")) == 1


async def test_a_bus_waits_while_the_cycle_is_behind() -> None:
    intake = Intake(most=2)
    bench = Bench(OF)
    sample = bench.sample("load", 1.0)
    await intake.put([sample, sample])
    blocked = asyncio.create_task(intake.put([sample]))
    await asyncio.sleep(0)
    assert not blocked.done()
    taken, _ = await intake.take(0)
    await blocked
    assert len(taken) == 2
    assert len((await intake.take(0))[0]) == 1
