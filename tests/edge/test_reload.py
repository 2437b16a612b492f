"""A changed site file is taken while running: only what changed is touched, and a wrong file touches nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import structlog

from contract.messages import AlarmRaised, DeviceAnnounced, Quality
from edge.acquire.health import HealthBoard
from edge.clock import Clock, SystemClock
from edge.config import load_site
from edge.cycle import Intake
from edge.decode.sample import Moment, Sample
from edge.gateway import Parts, run_gateway
from edge.health import view
from edge.page import render
from edge.reload import Reloader, make_engine, reload
from edge.rules.engine import Engine
from edge.site import Bus, Device

SITE = """\
site: {id: demo, name: Tower, zone: Asia/Shanghai}
gateway: {id: gw_1, status: {port: 0}}
equipment:
  - {id: feeder_1, class: lv_switchgear, ratings: {rated_a: 250}}
  - {id: lift_1, class: lift}
buses:
  - {id: lan, modbus: tcp, host: 127.0.0.1, port: 5020}
  - {id: lifts, modbus: tcp, host: 127.0.0.1, port: 5021}
devices:
  - {id: meter_1, model: eastron_sdm630, bus: lan, address: 1, equipment: feeder_1, every: 1s}
  - {id: di_1, model: generic_di16, bus: lifts, address: 7, channels: {di_1: lift_1/in_door_zone}}
"""
ANOTHER_METER = """\
  - {id: meter_2, model: eastron_sdm630, bus: lifts, address: 8, equipment: feeder_2}
"""


class Quiet:
    """A bus that says nothing, and how often one was made for each id."""

    made: list[str] = []  # noqa: RUF012 - cleared by each test

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.is_running = False
        Quiet.made.append(bus.id)

    async def run(self) -> None:
        self.is_running = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_running = False


def factory(bus: Bus, _devices: Sequence[Device], _clock: Clock, _sink: Intake, _board: HealthBoard) -> Quiet:
    return Quiet(bus)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Quiet.made.clear()
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


@contextlib.asynccontextmanager
async def running(file: Path) -> AsyncIterator[Parts]:
    started: asyncio.Future[Parts] = asyncio.get_running_loop().create_future()

    async def beside(parts: Parts) -> None:
        started.set_result(parts)

    work = run_gateway(
        load_site(file), clock=SystemClock(), data=file.parent, bus_factory=factory, page=None,
        beside={"test": beside}, inline=True,
    )  # fmt: skip
    task = asyncio.create_task(work)
    try:
        parts = await started
        await asyncio.sleep(0.05)
        yield parts
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def sample(now: Moment, point: str, value: float | bool, thing: str = "feeder_1", device: str = "meter_1") -> Sample:
    return Sample(device, thing, point, value, Quality.GOOD, "none", now.wall_ms, now.steady_ms)  # type: ignore[arg-type]


def events(parts: Parts, kind: type) -> int:
    return sum(isinstance(record, kind) for record in parts.cycle.unsaved.events)


async def test_a_bus_that_did_not_change_goes_on_and_one_that_did_is_made_anew(file: Path) -> None:
    async with running(file) as parts:
        before = {bus.bus.id: bus for bus in parts.buses.values() if isinstance(bus, Quiet)}
        file.write_text(SITE.replace("address: 7", "address: 9"))
        assert await reload(parts, file)
        await asyncio.sleep(0.01)
        after = {bus.bus.id: bus for bus in parts.buses.values() if isinstance(bus, Quiet)}
        assert after["lan"] is before["lan"]
        assert before["lan"].is_running
        assert after["lifts"] is not before["lifts"]
        assert (before["lifts"].is_running, after["lifts"].is_running) == (False, True)
        assert Quiet.made == ["lan", "lifts", "lifts"]


async def test_new_equipment_and_devices_join_and_the_cloud_is_told(file: Path) -> None:
    async with running(file) as parts:
        equipment = "  - {id: feeder_2, class: lv_switchgear, ratings: {rated_a: 100}}\nbuses:"
        file.write_text(SITE.replace("buses:", equipment) + ANOTHER_METER)
        assert await reload(parts, file)
        assert events(parts, DeviceAnnounced) == 1
        assert parts.engine.runtime("feeder_2") is not None
        assert [row.device for row in parts.board.rows(parts.clock.moment())] == ["meter_1", "di_1", "meter_2"]


async def test_removed_devices_leave_nothing_running(file: Path) -> None:
    async with running(file) as parts:
        gone = next(bus for bus in parts.buses.values() if isinstance(bus, Quiet) and bus.bus.id == "lifts")
        file.write_text("".join(line for line in SITE.splitlines(keepends=True) if "di_1" not in line))
        assert await reload(parts, file)
        assert not gone.is_running
        assert [row.device for row in parts.board.rows(parts.clock.moment())] == ["meter_1"]


@pytest.mark.parametrize("wrong", [
    SITE.replace("eastron_sdm630", "eastron"), SITE + "  - {id: x", "", SITE.replace("id: demo", "id: other"),
    SITE.replace("gateway: {id: gw_1", "gateway: {id: gw_1, cloud: 'https://desk.example'"),
])  # fmt: skip
async def test_a_wrong_file_changes_nothing_and_is_shown_on_the_page(file: Path, wrong: str) -> None:
    async with running(file) as parts:
        engine, site = parts.engine, parts.site
        file.write_text(wrong)
        with structlog.testing.capture_logs() as lines:
            assert not await reload(parts, file)
        (told,) = [line for line in lines if line["event"] == "reload_refused"]
        assert told["log_level"] == "error"
        assert (parts.engine, parts.site, Quiet.made) == (engine, site, ["lan", "lifts"])
        page = render.page(view(parts), "en")
        assert "was refused" in page
        assert "site.yaml" in page
        file.write_text(SITE)
        assert await reload(parts, file)
        assert "was refused" not in render.page(view(parts), "en")


async def test_a_file_that_says_the_same_is_not_announced_again(file: Path) -> None:
    async with running(file) as parts:
        file.write_text("# a remark\n" + SITE)
        assert await reload(parts, file)
        assert events(parts, DeviceAnnounced) == 0


async def test_the_file_is_taken_when_it_has_stood_still(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.reload.WATCH_S", 0.02)
    async with running(file) as parts:
        watching = asyncio.create_task(Reloader(file).run(parts))
        file.write_text(SITE.replace("rated_a: 250", "rated_a: 400"))
        async with asyncio.timeout(10):
            while parts.site.equipment[0].ratings["rated_a"] != 400:
                await asyncio.sleep(0.01)
        watching.cancel()


def overload(now: Moment) -> list[Sample]:
    return [sample(now, f"current_l{phase}", 900.0) for phase in (1, 2, 3)]


def engine_of(file: Path, now: Moment) -> Engine:
    return Engine(load_site(file), now)


START = Moment(1_795_000_000_000, 1_795_000_000_000)


def at(seconds: float) -> Moment:
    return Moment(START.wall_ms + round(1000 * seconds), START.steady_ms + round(1000 * seconds))


@pytest.mark.parametrize("changed", [
    SITE.replace("id: lift_1, class", "id: lift_1, place: B1, class"), SITE.replace("rated_a: 250", "rated_a: 260"),
    SITE.replace("every: 1s", "every: 2s"), SITE.replace("name: Tower", "name: The Tower"),
])  # fmt: skip
def test_an_alarm_stays_raised_and_is_not_raised_again(file: Path, changed: str) -> None:
    old = engine_of(file, START)
    raised = [old.evaluate(overload(at(s)), at(s)) for s in range(0, 1000, 5)]
    assert any(isinstance(record, AlarmRaised) and record.rule == "overcurrent" for part in raised for record in part)
    before = [(one.rule, one.raised_ms) for one in old.active_alarms()]
    file.write_text(changed)
    new = make_engine(old, load_site(file), at(1000), dict(old.take_dirty(at(1000), everything=True)))
    assert [(one.rule, one.raised_ms) for one in new.active_alarms()] == before
    again = new.evaluate(overload(at(1001)), at(1001))
    assert not any(isinstance(record, AlarmRaised) for record in again)


def test_changed_equipment_keeps_the_values_that_are_read_as_before(file: Path) -> None:
    old = engine_of(file, START)
    old.evaluate([sample(START, "voltage_l1", 231.0)], START)
    file.write_text(SITE.replace("rated_a: 250", "rated_a: 400"))
    new = make_engine(old, load_site(file), at(1), dict(old.take_dirty(at(1), everything=True)))
    runtime = new.runtime("feeder_1")
    assert runtime is not None
    assert (runtime.values["voltage_l1"], runtime.values["rated_a"]) == (231.0, 400)


def test_a_delay_under_way_goes_on_in_unchanged_equipment(file: Path) -> None:
    old = engine_of(file, START)
    old.evaluate(overload(START), START)
    before = old.next_alarm_due()
    assert before is not None
    file.write_text(SITE.replace("id: lift_1, class", "id: lift_1, place: B1, class"))
    new = make_engine(old, load_site(file), at(2), dict(old.take_dirty(at(2), everything=True)))
    new.evaluate([], at(2))
    assert new.next_alarm_due() == before
