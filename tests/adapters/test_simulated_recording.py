"""`plantroom-sim record` and `replay` as a user types them, with a meter on a real socket."""

import asyncio
import subprocess
from pathlib import Path

import aiomqtt
import pytest
import yaml
from typer.testing import CliRunner

from edge.acquire.health import HealthBoard
from edge.acquire.modbus import ModbusBus
from edge.clock import SystemClock
from edge.config import load_site
from edge.decode.sample import Sample
from simulators.broker import embedded_broker, free_port
from simulators.cli import application
from simulators.clock import SystemClock as SimulatorClock
from simulators.processes import program
from simulators.recording import Header, Message, Recording, open_recording
from simulators.replay import Player, Replay, Tape
from simulators.site import SiteError
from tests.support.devices import Basket
from tests.support.meters import Image, floats, served

VOLTS = {0: 229.5, 2: 230.25, 4: 231.0}


def site_file(path: Path, port: int) -> Path:
    data = {
        "site": {"id": "corner", "name": "Corner House", "zone": "Asia/Shanghai"}, "gateway": {"id": "gw_1"},
        "equipment": [{"id": "incomer_1", "class": "lv_switchgear", "ratings": {"rated_a": 630}}],
        "buses": [{"id": "lan", "modbus": "tcp", "host": "127.0.0.1", "port": port}],
        "devices": [
            {"id": "meter_1", "model": "eastron_sdm630", "bus": "lan", "address": 1, "equipment": "incomer_1", "every": "1s"}
        ],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


async def read_volts(path: Path) -> list[Sample]:
    """As the gateway reads the site."""
    site, basket = load_site(path), Basket()
    task = asyncio.create_task(ModbusBus(site.buses[0], site.devices, SystemClock(), basket, HealthBoard()).run())
    try:
        await basket.until(lambda: any(one.value is not None for one in basket.of("voltage_l3")), seconds=15)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return basket.samples


def test_a_meter_is_recorded_and_read_again_from_the_file(tmp_path: Path) -> None:
    tape = tmp_path / "corner.plantroom"
    with served({1: Image(input=floats({at: VOLTS.get(at, 0.0) for at in range(0, 400, 2)}))}) as server:
        site = site_file(tmp_path / "site.yaml", server.port)
        done = CliRunner().invoke(application(), ["record", str(site), "--for", "2s", "--out", str(tape)])
        assert done.exit_code == 0, done.output
        assert "good values" in done.output
    elsewhere = site_file(tmp_path / "elsewhere.yaml", free_port())
    command = [*program("plantroom-sim"), "replay", str(tape), "--site", str(elsewhere)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        samples = asyncio.run(read_volts(elsewhere))
        assert process.communicate(timeout=20)[0] == "The recording is over.\n"
    assert process.returncode == 0
    volts = {one.point: one.value for one in samples if one.point.startswith("voltage_l") and one.value is not None}
    assert volts == {"voltage_l1": 229.5, "voltage_l2": 230.25, "voltage_l3": 231.0}


def test_mistakes_are_told_in_one_line_each(tmp_path: Path) -> None:
    site = site_file(tmp_path / "site.yaml", 5020)
    for arguments, told in (
        (["record", str(site), "--for", "soon", "--out", str(tmp_path / "a")], "--for soon"),
        (["record", str(tmp_path / "none.yaml"), "--out", str(tmp_path / "a")], "none.yaml"),
        (
            ["record", str(site), "--for", "1s", "--out", str(site)],
            "is there already; choose another name or remove it",
        ),
        (["replay", str(site)], "is no recording; make one with `plantroom-sim record`"),
        (["replay", str(tmp_path / "none")], "cannot be read: No such file or directory"),
    ):
        done = CliRunner().invoke(application(), arguments)
        assert done.exit_code == 2, done.output
        assert told in done.output


def recorded(path: Path, port: int) -> Replay:
    """A recording of two messages, and the replay of it on this broker."""
    bus = {"id": "sensors", "mqtt": f"mqtt://127.0.0.1:{port}"}
    recording = Recording(path, Header("corner", 1_795_190_400_000, (bus,)))
    recording.add(Message(500, "sensors", "lifts/7", b'{"door": 1}', is_retained=False))
    recording.add(Message(600, "sensors", "lifts/7", b'{"door": 0}', is_retained=False))
    recording.close()
    header, entries = open_recording(path)
    return Replay(Player(Tape(entries), SimulatorClock()), header.buses, SimulatorClock())


async def test_recorded_messages_are_published_again_to_the_sites_broker(tmp_path: Path) -> None:
    heard = []
    async with embedded_broker(free_port()) as port:
        async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V311) as listener:
            await listener.subscribe("lifts/#", qos=1)
            await recorded(tmp_path / "tape", port).run()
            async with asyncio.timeout(5):
                async for message in listener.messages:
                    heard.append((str(message.topic), message.payload))
                    if len(heard) == 2:
                        break
        await asyncio.sleep(0.1)  # the broker closes its end of both connections
    assert heard == [("lifts/7", b'{"door": 1}'), ("lifts/7", b'{"door": 0}')]


async def test_a_broker_that_is_not_there_is_told_with_its_address(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(SiteError, match=f"bus sensors: the broker at 127.0.0.1:{port} cannot be reached"):
        await recorded(tmp_path / "tape", port).run()
