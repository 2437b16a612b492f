"""``plantroom-edge read`` of an MQTT device: its payload beside what the mapping makes of it, with a gateway or without."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest_asyncio
from typer.testing import CliRunner, Result

from contract.conventions import Exit
from edge.cli import app
from edge.clock import SystemClock
from edge.commission.desk import serve_desk
from edge.commission.listening import hear
from edge.config import load_site
from edge.gateway import Parts, run_gateway
from tests.support.brokers import Mosquitto, free_port, mosquitto
from tests.support.mqtt_buses import publish

SITE = """\
site: {{id: demo, name: Tower, zone: Asia/Shanghai}}
gateway: {{id: gw_1, status: {{port: 0}}}}
equipment: [{{id: room_1, class: room}}]
buses: [{{id: sensors, mqtt: "mqtt://127.0.0.1:{port}"}}]
devices: [{{id: t_1, model: zigbee2mqtt_climate, bus: sensors, address: floor1/archive, equipment: room_1, every: 1h}}]
"""
TOPIC = "zigbee2mqtt/floor1/archive"


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with mosquitto(tmp_path) as one:
        yield one


def site_at(folder: Path, port: int) -> Path:
    path = folder / "site.yaml"
    path.write_text(SITE.format(port=port), encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


async def read(site: Path, *more: object, said: list[tuple[str, Any]], broker: Mosquitto) -> Result:
    """Read while the device speaks."""
    reading = asyncio.create_task(asyncio.to_thread(run, "read", site, "t_1", "--data", site.parent / "none", *more))
    while not reading.done():
        await publish(broker, *said)
        await asyncio.sleep(0.1)
    return await reading


async def test_without_a_gateway_the_broker_is_listened_to(tmp_path: Path, broker: Mosquitto) -> None:
    site = site_at(tmp_path, broker.port)
    await publish(broker, (TOPIC, '{"temp'), retain=True)  # so it is the first that whoever listens hears
    said = [(TOPIC, {"temperature": 21.5, "humidity": 40})]
    result = await read(site, "--json", "--wait", 10, said=said, broker=broker)
    assert result.exit_code == Exit.DONE
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["point"], row["value"], row["unit"], row["quality"]) for row in rows] == [
        ("temperature", 21.5, "°C", "good"), ("humidity", 40, "%", "good"),
    ]  # fmt: skip
    assert rows[0]["where"] == f"topic {TOPIC} path temperature"
    assert f"listening on 127.0.0.1:{broker.port} for 10 s to {TOPIC}, {TOPIC}/availability" in result.stderr
    assert f'{TOPIC} {{"temperature": 21.5, "humidity": 40}}' in result.stderr
    assert "could not be read, 20" in result.stderr
    assert f'{TOPIC} {{"temp: ' in result.stderr


async def test_a_device_that_says_nothing_is_a_finding(tmp_path: Path, broker: Mosquitto) -> None:
    result = await asyncio.to_thread(
        run, "read", site_at(tmp_path, broker.port), "t_1", "--data", tmp_path, "--wait", 0.3
    )
    assert result.exit_code == Exit.FINDING
    assert "bad: no_response (it said nothing of this in that time)" in result.stdout


def test_a_broker_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    result = run("read", site_at(tmp_path, free_port()), "t_1", "--data", tmp_path)
    assert result.exit_code == Exit.FINDING
    assert "nothing listens there; check host and port" in result.stderr


async def test_a_running_gateway_tells_what_it_heard_last_and_what_it_could_not_read(
    tmp_path: Path, broker: Mosquitto
) -> None:
    site = load_site(site_at(tmp_path, broker.port))
    parts: list[Parts] = []

    async def look(running: Parts) -> None:
        parts.append(running)

    gateway = asyncio.create_task(
        run_gateway(
            site, clock=SystemClock(), data=tmp_path, page=None,
            beside={"desk": partial(serve_desk, data=tmp_path), "look": look},
        )
    )  # fmt: skip
    try:
        async with asyncio.timeout(10):
            while not parts or not any(getattr(bus, "is_connected", False) for bus in parts[0].buses.values()):
                await asyncio.sleep(0.02)
            await publish(broker, (TOPIC, b"\xff\xfe"), (TOPIC, {"temperature": "hot", "humidity": 40}))
            heard = await hear(site.devices[0], tmp_path, SystemClock(), 1.0, lambda _text: None)
            while heard.rows[1].value != 40:
                await asyncio.sleep(0.05)
                heard = await hear(site.devices[0], tmp_path, SystemClock(), 1.0, lambda _text: None)
    finally:
        gateway.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gateway
    assert [(row.point, row.value, row.cause) for row in heard.rows] == [
        ("temperature", None, "undecodable"), ("humidity", 40, "none"),
    ]  # fmt: skip
    assert heard.notes[0].endswith(f'{TOPIC} {{"temperature": "hot", "humidity": 40}}')
    assert f"{TOPIC} 0xfffe: " in heard.notes[1]
    assert heard.notes[2].endswith("what it says of temperature is no such value")
