"""MQTT against a real broker: nothing acknowledged is lost, nothing old is new, and every silence is told."""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiomqtt
import psutil
import pytest

from contract.messages import Cause, Quality
from edge.acquire.mqtt import MOST_WAITING
from edge.decode.sample import Sample
from edge.site import Bus
from simulators.broker import embedded_broker
from tests.support.brokers import Mosquitto, free_port, mosquitto
from tests.support.devices import Basket
from tests.support.mqtt_buses import VERSIONS, bus_of, publish, running, sensor


async def test_a_message_becomes_a_sample_of_its_own_device(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus), sensor(bus, address="b", device="meter_2")) as one:
            await one.connected()
            await publish(broker, ("site/b", {"p": 2}), ("site/c", {"p": 3}), ("site/a", {"p": 1.5}))
            found = await one.first(device="meter_1", quality=Quality.GOOD)
            assert (found.value, found.cause) == (1.5, Cause.NONE)
            assert [row.value for row in one.basket.of("pressure", "meter_2")] == [2]
            assert one.state() == "ok"


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_not_committed_is_sent_again_and_what_was_is_not(tmp_path: Path, version: str) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker, mqtt_version=version)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            await publish(broker, ("site/a", {"p": 1}))
            await one.first(value=1)
            one.commit()
            await publish(broker, ("site/a", {"p": 2}), ("site/a", {"p": 3}))
            await one.first(value=3)
        async with running(bus, sensor(bus)) as again:
            await again.first(value=3)
            assert [row.value for row in again.basket.of("pressure")] == [2, 3]
            again.commit()
            await asyncio.sleep(0.1)
        async with running(bus, sensor(bus)) as last:
            await last.connected()
            await asyncio.sleep(0.2)
            assert [row.value for row in last.basket.of("pressure") if row.value is not None] == []


# amqtt leaves the socket of a client it refused to the garbage collector when the client is gone first
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_broker_that_knows_only_the_older_version_is_spoken_to_in_it() -> None:
    async with embedded_broker(free_port()) as port:
        bus = Bus("sensors", "mqtt", host="127.0.0.1", port=port, client_id="gw_1-sensors")
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V311) as client:
                await client.publish("site/a", b'{"p": 1}', qos=1)
            await one.first(value=1)
    gc.collect()  # here, and not in the middle of another test


@pytest.mark.parametrize("version", VERSIONS)
async def test_messages_sent_while_the_gateway_was_away_arrive_when_it_returns(tmp_path: Path, version: str) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker, mqtt_version=version)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
        await publish(broker, *(("site/a", {"p": at}) for at in range(5)))
        async with running(bus, sensor(bus)) as one:
            await one.first(value=4)
            assert [row.value for row in one.basket.of("pressure")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("version", VERSIONS)
async def test_after_a_broker_restart_messages_flow_again(tmp_path: Path, version: str) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker, mqtt_version=version)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            await publish(broker, ("site/a", {"p": 1}))
            await one.first(value=1)
            await broker.stop()
            lost = await one.first(cause=Cause.NOT_CONNECTED)
            assert lost.value is None
            for held in tmp_path.glob("*.db"):
                held.unlink()  # a broker that forgot the session, too
            await broker.start()
            await one.connected()
            await publish(broker, ("site/a", {"p": 2}))
            assert (await one.first(value=2)).quality is Quality.GOOD


async def test_a_broker_that_starts_later_is_found(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    bus = bus_of(broker)
    async with running(bus, sensor(bus)) as one:
        await one.first(cause=Cause.NOT_CONNECTED)
        assert one.state() == "not_connected"
        await broker.start()
        try:
            await one.connected()
            await publish(broker, ("site/a", {"p": 1}))
            await one.first(value=1)
        finally:
            await broker.stop()


async def test_a_retained_message_is_marked_and_never_hides_a_fresh_one(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        await publish(broker, ("site/a", {"p": 1}), retain=True)
        async with running(bus, sensor(bus)) as one:
            found = await one.first(value=1)
            assert (found.quality, found.cause) == (Quality.UNCERTAIN, Cause.RETAINED)
            await publish(broker, ("site/a", {"p": 2}), retain=True)
            assert (await one.first(value=2)).quality is Quality.GOOD


async def test_the_last_will_makes_every_point_not_connected_at_once(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus, every_ms=60_000)) as one:
            await one.connected()
            await publish(broker, ("site/a/will", "online"), ("site/a", {"p": 1}))
            await one.first(value=1)
            await publish(broker, ("site/a/will", "offline"))
            assert (await one.first(cause=Cause.NOT_CONNECTED)).value is None
            assert one.state() == "not_connected"
            await publish(broker, ("site/a", {"p": 2}))
            await one.first(value=2)
            assert one.state() == "degraded"


async def test_a_silent_device_is_told_after_its_stale_time_and_at_each_interval(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus, stale_ms=300)) as one:
            await one.connected()
            await publish(broker, ("site/a", {"p": 1}))
            good = await one.first(value=1)
            await one.basket.until(lambda: sum(row.cause is Cause.NO_RESPONSE for row in one.basket.samples) >= 3)
            silent = next(
                row for row in one.basket.samples[one.basket.samples.index(good) :] if row.cause is Cause.NO_RESPONSE
            )
            assert silent.steady_ms - good.steady_ms >= 300
            assert one.state() == "silent"


async def test_malformed_messages_stop_nothing_and_the_last_few_are_kept(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            await publish(
                broker, *(("site/a", b"{%d" % at) for at in range(7)), ("site/a", b"\xff\xfe"), ("site/a", {"p": 1})
            )
            await one.first(value=1)
            kept = one.health.unreadable["meter_1"]
            assert [row.payload for row in kept] == [b"{3", b"{4", b"{5", b"{6", b"\xff\xfe"]
            assert kept[0].topic == "site/a"
            assert sum(row.cause is Cause.UNDECODABLE for row in one.basket.samples) == 8


async def flood(broker: Mosquitto, bodies: Iterator[bytes]) -> None:
    async with aiomqtt.Client("127.0.0.1", broker.port, max_inflight_messages=1000) as client:
        for body in bodies:
            await client.publish("site/a", body, qos=1)


async def test_a_flood_waits_in_the_network_while_the_gateway_is_behind(tmp_path: Path) -> None:
    class Slow(Basket):
        def __init__(self) -> None:
            super().__init__()
            self.gate = asyncio.Event()

        async def put(self, samples: Sequence[Sample], committed: Any = None) -> None:
            await self.gate.wait()
            await super().put(samples, committed)
            committed()

    count = 8_000
    body = b'{"p":%d,"pad":"' + b"x" * 4_000 + b'"}'
    async with mosquitto(tmp_path, "max_queued_messages 0\nmax_inflight_messages 0\n") as broker:
        bus, slow = bus_of(broker), Slow()
        async with running(bus, sensor(bus, every_ms=60_000, stale_ms=60_000), basket=slow) as one:
            await one.connected()
            before = psutil.Process().memory_info().rss
            sending = asyncio.create_task(flood(broker, (body % at for at in range(count))))
            async with asyncio.timeout(20):
                await sending
            await asyncio.sleep(0.5)
            held = psutil.Process().memory_info().rss - before
            assert one.bus.waiting <= MOST_WAITING + 200  # one reading of the socket more
            assert held < 20_000_000, "32 MB of messages wait in the broker, not here"
            slow.gate.set()
            await one.basket.until(lambda: len(one.basket.samples) >= count, seconds=20)
            assert [row.value for row in one.basket.samples] == list(range(count))


async def test_a_will_that_was_said_before_the_start_is_known_also_on_an_old_session(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
        await publish(broker, ("site/a/will", "offline"), retain=True, qos=0)
        async with running(bus, sensor(bus, every_ms=60_000)) as one:
            await one.first(cause=Cause.NOT_CONNECTED)
            assert one.last_error() == "its last will says that it is offline"
            await publish(broker, ("site/a/will", '{"state": "online"}'), ("site/a", {"p": 1}))
            assert (await one.first(value=1)).quality is Quality.GOOD


async def test_a_retained_value_after_a_start_is_uncertain_also_on_an_old_session(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            await publish(broker, ("site/a", {"p": 1}), retain=True)
            assert (await one.first(value=1)).quality is Quality.GOOD
            one.commit()
            await asyncio.sleep(0.1)
        async with running(bus, sensor(bus)) as one:
            assert (await one.first(value=1)).cause is Cause.RETAINED


async def test_a_message_that_is_too_long_is_told_and_passes(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            await publish(broker, ("site/a", b"x" * 3_000_000), ("site/a", {"p": 1}))
            await one.first(value=1)
            (kept,) = one.health.unreadable["meter_1"]
            assert (kept.reason, len(kept.payload)) == ("3000000 bytes are too long to be read", 1000)


async def test_two_models_may_read_one_device_and_a_topic_nobody_has_is_counted(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus), sensor(bus, device="meter_2")) as one:
            await one.connected()
            await publish(broker, ("site/a", {"p": 1}))
            await one.first(device="meter_1", value=1)
            await one.first(device="meter_2", value=1)
            assert one.bus.routes.unmatched == 0
