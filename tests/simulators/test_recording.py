"""What a site said is kept whole and said again: the gateway reads from the replay what it read from the plant."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.acquire.mqtt import MqttBus
from edge.acquire.mqtt_link import MqttLink
from edge.config import load_site
from edge.decode.sample import Sample
from edge.site import Bus, Device, Site
from simulators.clock import VirtualClock, run_virtual
from simulators.modbus_device import Misbehaviour
from simulators.plant import PlantServers, SimulatedPlant
from simulators.record import Heard, RecordedModbus, RecordedMqtt, Tape, record
from simulators.recording import Exchange, Header, Message, Recording, RecordingError, open_recording
from simulators.replay import Player, Replay, words_of
from simulators.replay import Tape as Played
from simulators.site import build_site, load_file
from simulators.virtual_broker import MemoryBroker, MemoryLink
from tests.support.devices import Basket

START_MS = 1_795_190_400_000
SITE = """
site: {id: corner, name: Corner House, zone: Asia/Shanghai}
gateway: {id: gw_1}
equipment:
  - {id: incomer_1, class: lv_switchgear, ratings: {rated_a: 630}}
  - {id: pump_1, class: pump, ratings: {rated_kw: 5.5, rated_a: 11, setpoint_mpa: 0.5}}
  - {id: lift_1, class: lift}
buses:
  - {id: lan, modbus: tcp, host: 127.0.0.1, port: 5020}
  - {id: pumps, modbus: tcp, host: 127.0.0.1, port: 5021}
  - {id: sensors, mqtt: "mqtt://127.0.0.1:1883"}
devices:
  - {id: meter_1, model: eastron_sdm630, bus: lan, address: 1, equipment: incomer_1, every: 2s}
  - {id: drive_1, model: grundfos_cim, bus: pumps, address: 2, equipment: pump_1, every: 1s}
  - {id: box_1, model: generic_lift_gateway, bus: sensors, address: lift_1, equipment: lift_1, every: 5s}
"""
LONG_S = 180.0


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE, encoding="utf-8")
    return path


class Ear(Heard):
    """What the recorder's own acquisition made of it."""

    def __init__(self) -> None:
        super().__init__()
        self.samples_heard: list[Sample] = []

    async def put(self, samples: Sequence[Sample], committed: Any = None) -> None:
        self.samples_heard += samples
        await super().put(samples, committed)


async def troubles(servers: PlantServers, plant: SimulatedPlant, clock: VirtualClock) -> None:
    """A silent meter, a drive that refuses, a fault of the plant, and a bus that is gone for a while."""
    await clock.sleep(20.2)
    servers.misbehave("meter_1", Misbehaviour("silent"))
    plant.inject("pump_1", "dry_run")
    await clock.sleep(20)
    servers.misbehave("meter_1", Misbehaviour())
    servers.misbehave("drive_1", Misbehaviour("exception", code=4))
    await clock.sleep(20)
    servers.misbehave("drive_1", Misbehaviour())
    servers.misbehave("drive_1", Misbehaviour("restart", delay_s=20))
    plant.inject("lift_1", "entrapment")


async def taped(path: Path, out: Path) -> list[Sample]:
    """Record the simulated site; what the recorder itself read."""
    clock, broker, ear = VirtualClock(START_MS), MemoryBroker(), Ear()
    site = load_site(path)
    plant = SimulatedPlant(build_site(load_file(path), site.library), clock, seed=3)
    servers = PlantServers(plant, clock)

    def make(bus: Bus, devices: Sequence[Device], heard: Heard, tape: Tape) -> RecordedModbus | RecordedMqtt:
        if bus.kind != "mqtt":
            return RecordedModbus(bus, devices, heard, tape)
        made = RecordedMqtt(bus, devices, heard, tape)
        made._link = cast("MqttLink", MemoryLink(broker, made._receive))
        return made

    await servers.start_modbus()
    recording = Recording(out, Header(site.id, START_MS, tuple(load_file(path)["buses"])))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(device.speak(broker)) for device in servers.message_devices()]
        tasks.append(group.create_task(troubles(servers, plant, clock)))
        await record(site, Tape(recording, clock), LONG_S, ear, make)
        for task in tasks:
            task.cancel()
    await servers.stop_modbus()
    return ear.samples_heard


async def replayed(path: Path, out: Path) -> list[Sample]:
    """The same site file read from the recording."""
    clock, broker, basket = VirtualClock(START_MS), MemoryBroker(), Basket()
    header, entries = open_recording(out)
    replay = Replay(Player(Played(entries), clock), header.buses, clock)
    async with asyncio.TaskGroup() as group:
        over = group.create_task(replay.run({"sensors": broker}))
        await clock.sleep(0)
        buses = [group.create_task(bus.run()) for bus in gateway(load_site(path), clock, basket, broker)]
        await over
        for bus in buses:
            bus.cancel()
    return basket.samples


def gateway(site: Site, clock: VirtualClock, basket: Basket, broker: MemoryBroker) -> list[ModbusBus | MqttBus]:
    buses: list[ModbusBus | MqttBus] = []
    for bus in site.buses:
        devices = site.devices_by_bus()[bus.id]
        if bus.kind != "mqtt":
            buses.append(ModbusBus(bus, devices, clock, basket, HealthBoard()))
            continue
        mqtt = MqttBus(bus, devices, clock, basket, HealthBoard())
        mqtt._link = cast("MqttLink", MemoryLink(broker, mqtt._receive))
        buses.append(mqtt)
    return buses


def told(samples: Sequence[Sample], device: str) -> dict[str, list[tuple[Any, ...]]]:
    """Point → what was read of it, in order."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for one in samples:
        if one.device == device:
            found.setdefault(one.point, []).append((one.value, one.quality, one.cause))
    return found


def test_the_gateway_reads_the_same_samples_from_the_replay(site: Path, tmp_path: Path) -> None:
    was = run_virtual(taped(site, tmp_path / "site.plantroom"))
    now = run_virtual(replayed(site, tmp_path / "site.plantroom"))
    for device, least in (("meter_1", 80), ("drive_1", 150), ("box_1", 30)):
        before, after = told(was, device), told(now, device)
        assert set(before) == set(after), device
        assert max(map(len, before.values())) >= least
        for point, values in before.items():
            together = min(len(values), len(after[point]))
            assert together >= len(values) - 3, (device, point)
            assert after[point][:together] == values[:together], (device, point)


HEADER = Header("corner", START_MS, ({"id": "lan", "modbus": "tcp", "host": "127.0.0.1", "port": 5020},))
ENTRIES: list[Exchange | Message] = [
    Exchange(10, "lan", 1, 3, 100, 2, "words", b"\x12\x34\xab\xcd"),
    Message(20, "sensors", "lifts/7", b'{"door": 1}', is_retained=True),
    Exchange(15, "lan", 1, 3, 100, 2, "silent"),
    Exchange(1030, "lan", 1, 3, 100, 2, "exception", b"\x04"),
]


def written(path: Path, *entries: Exchange | Message) -> Path:
    recording = Recording(path, HEADER)
    for entry in entries:
        recording.add(entry)
        recording.sync()
    recording.close()
    return path


def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    header, entries = open_recording(written(tmp_path / "one", *ENTRIES))
    assert (header, list(entries)) == (HEADER, ENTRIES)


@pytest.mark.parametrize("lost", [1, 7, 20])
def test_what_a_crash_cut_off_takes_only_what_was_not_synced(tmp_path: Path, lost: int) -> None:
    path = written(tmp_path / "one", *ENTRIES)
    path.write_bytes(path.read_bytes()[:-lost])
    assert list(open_recording(path)[1])[:3] == ENTRIES[:3]


def test_a_recording_replaces_no_file_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("mine", encoding="utf-8")
    with pytest.raises(RecordingError, match="is there already; choose another name"):
        Recording(tmp_path / "one", HEADER)
    assert (tmp_path / "one").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("content", [b"", b"hello", b"\x1f\x8b\x08", SITE.encode()])
def test_another_file_is_no_recording(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one").write_bytes(content)
    with pytest.raises(RecordingError, match="is no recording; make one with"):
        open_recording(tmp_path / "one")


def every_second(*words: int) -> Played:
    """The same question, answered with another word each second."""
    return Played(
        Exchange(1000 * at, "lan", 1, 3, 100, 1, "words", word.to_bytes(2, "big")) for at, word in enumerate(words)
    )


KEY = ("lan", 1, 3, 100, 1)


@pytest.mark.parametrize("jitter_ms", [-250, -100, 0, 90, 250])
def test_a_gateway_that_polls_a_little_early_or_late_gets_each_answer_once(jitter_ms: int) -> None:
    tape = every_second(7, 8, 9, 10)
    found = [tape.answer(KEY, 1000 * at + jitter_ms * (1 if at % 2 else -1)) for at in range(4)]
    assert [one.payload[1] for one in found if one] == [7, 8, 9, 10]


def test_a_gateway_that_asks_rarely_gets_what_stood_there_at_the_instant() -> None:
    tape = every_second(*range(20))
    found = [tape.answer(KEY, at) for at in (500, 9_500, 18_500)]
    assert [one.payload[1] for one in found if one] == [0, 9, 18]


def test_a_question_that_was_never_asked_is_answered_from_what_was_read() -> None:
    tape = Played(iter([Exchange(0, "lan", 1, 3, 100, 3, "words", bytes.fromhex("000100020003"))]))
    assert tape.words("lan", 1, 3, range(101, 103), 10) == [2, 3]
    assert tape.words("lan", 1, 3, range(102, 104), 10) is None
    assert tape.words("lan", 2, 3, range(101, 103), 10) is None


def test_bits_come_lowest_first() -> None:
    assert words_of(Exchange(0, "lan", 1, 2, 0, 10, "words", b"\x05\x02")) == [1, 0, 1, 0, 0, 0, 0, 0, 0, 1]
