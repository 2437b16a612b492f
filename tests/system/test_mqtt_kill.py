"""A gateway killed between receiving messages and committing them: the broker has them still, and nothing is lost."""

import asyncio
import json
import sqlite3
from collections import Counter
from pathlib import Path

import aiomqtt
import pytest

from contract.codec import decode_record
from contract.messages import SampleBatch
from edge.outbox.record import unpack
from simulators.processes import Family, program
from tests.support.brokers import Mosquitto, mosquitto

MODEL = """
id: counter
equipment_class: lv_switchgear
name: Counter
maker: Test
status: unverified
sources: [made for this test]
protocol: mqtt
mqtt: {topic: "site/{address}"}
payload:
  energy_import: {path: n}
"""
SITE = """
site: {{id: s, name: S, zone: Asia/Shanghai}}
gateway: {{id: gw_1, status: {{port: 0}}}}
library: library
equipment: [{{id: f_1, class: lv_switchgear, ratings: {{rated_a: 1000}}}}]
buses: [{{id: sensors, mqtt: "mqtt://127.0.0.1:{port}", mqtt_version: {version}}}]
devices: [{{id: m_1, model: counter, bus: sensors, address: a, equipment: f_1, every: 60s}}]
"""
COUNT = 3_000


def write_site(folder: Path, port: int, version: str) -> Path:
    model = folder / "library" / "models" / "lv_switchgear" / "counter.yaml"
    model.parent.mkdir(parents=True)
    model.write_text(MODEL)
    site = folder / "site.yaml"
    site.write_text(SITE.format(port=port, version=version))
    return site


async def start(family: Family, name: str, site: Path, data: Path) -> None:
    child = await family.start(name, [*program("plantroom-edge"), "run", str(site), "--data", str(data)])
    async with asyncio.timeout(20):
        while "broker_connected" not in child.log.read_text():
            family.check()
            await asyncio.sleep(0.02)


async def count_up(broker: Mosquitto) -> None:
    """One number after the other, about as fast as the broker takes them."""
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for n in range(COUNT):
            await client.publish("site/a", json.dumps({"n": n}), qos=1)


def committed(data: Path) -> list[int]:
    """Every number in the outbox, in the order it was written."""
    db = sqlite3.connect(f"file:{data}/edge.db?mode=ro", uri=True)
    try:
        rows = db.execute("SELECT body FROM outbox WHERE lane = 'samples' ORDER BY epoch, seq").fetchall()
    finally:
        db.close()
    found: list[int] = []
    for (body,) in rows:
        record = decode_record(unpack(body))
        if isinstance(record, SampleBatch):
            found += [int(value) for one in record.series for value in one.value if isinstance(value, int | float)]
    return found


@pytest.mark.parametrize("version", ["3.1.1", pytest.param("5", marks=pytest.mark.proof)])
async def test_a_gateway_that_is_killed_again_and_again_loses_no_message(tmp_path: Path, version: str) -> None:
    data, family = tmp_path / "data", Family(tmp_path)
    async with mosquitto(tmp_path, "max_queued_messages 0\n") as broker:
        site = write_site(tmp_path, broker.port, version)
        await start(family, "life_0", site, data)
        counting = asyncio.create_task(count_up(broker))
        try:
            for kill in range(3):
                while len(set(committed(data))) < 200 * (kill + 1):
                    await asyncio.sleep(0.01)
                await family.kill(f"life_{kill}")
                await start(family, f"life_{kill + 1}", site, data)
            await counting
            async with asyncio.timeout(15):
                while len(set(committed(data))) < COUNT:
                    await asyncio.sleep(0.05)
        finally:
            counting.cancel()
            await family.stop()
    found = committed(data)
    assert set(found) == set(range(COUNT)), "nothing is lost"
    repeated = Counter(found)
    assert max(repeated.values()) <= 4, "a number comes once more for each kill at most"
    assert len(found) < 3 * COUNT, "only what was in flight is repeated"
