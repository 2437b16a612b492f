"""What the standard asks of a listener, judged by Mosquitto in both versions, or by a server that misbehaves on purpose."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from contract.messages import Cause, Quality
from edge.acquire import mqtt_link
from edge.site import Bus
from tests.support.brokers import Mosquitto, mosquitto
from tests.support.devices import mqtt_model
from tests.support.mqtt_buses import VERSIONS, bus_of, publish, running, sensor

CONNECT_WITH_WILL = (
    b"\x10\x25\x00\x04MQTT\x04\x0e\x00\x3c\x00\x03dev" + b"\x00\x0bsite/a/will" + b"\x00\x07offline"
)  # fmt: skip


@pytest_asyncio.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with mosquitto(tmp_path) as one:
        yield one


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_device_may_publish_with_any_quality_of_service(broker: Mosquitto, version: str, qos: int) -> None:
    bus = bus_of(broker, mqtt_version=version)
    async with running(bus, sensor(bus)) as one:
        await one.connected()
        await publish(broker, ("site/a", {"p": qos}), qos=qos)
        assert (await one.first(value=qos)).quality is Quality.GOOD


@pytest.mark.parametrize("version", VERSIONS)
async def test_payloads_of_every_length_of_length_pass(broker: Mosquitto, version: str) -> None:
    sizes = (0, 90, 127, 128, 200, 16_383, 16_384, 900_000)
    bus = bus_of(broker, mqtt_version=version)
    async with running(bus, sensor(bus)) as one:
        await one.connected()
        bodies = [b'{"p": %d%b}' % (at, b" " * size) for at, size in enumerate(sizes)]
        await publish(broker, *(("site/a", body) for body in bodies))
        await one.basket.until(lambda: len(one.basket.of("pressure")) == len(sizes))
        assert [row.value for row in one.basket.of("pressure")] == list(range(len(sizes)))


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_will_of_a_device_that_was_cut_off_takes_its_points_with_it(broker: Mosquitto, version: str) -> None:
    bus = bus_of(broker, mqtt_version=version)
    async with running(bus, sensor(bus, every_ms=60_000)) as one:
        await one.connected()
        reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
        writer.write(CONNECT_WITH_WILL)
        assert await reader.readexactly(4) == b"\x20\x02\x00\x00"
        await publish(broker, ("site/a", {"p": 1}))
        await one.first(value=1)
        writer.transport.abort()
        assert (await one.first(cause=Cause.NOT_CONNECTED)).value is None
        assert one.last_error() == "its last will says that it is offline"


async def test_an_idle_connection_is_kept_alive(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_link, "KEEP_ALIVE_S", 1)
    bus = bus_of(broker)
    async with running(bus, sensor(bus, every_ms=60_000)) as one:
        await one.connected()
        await asyncio.sleep(2.5)  # the broker would end it after 1.5 s of silence
        assert one.bus._link.generation == 1
        assert one.bus.is_connected


@pytest.mark.parametrize("version", VERSIONS)
async def test_unread_messages_in_flight_come_again_in_their_order_without_end(broker: Mosquitto, version: str) -> None:
    """More than the broker sends ahead of acknowledgements in 3.1.1, where its window is twenty."""
    bus = bus_of(broker, mqtt_version=version)
    async with running(bus, sensor(bus, every_ms=60_000)) as one:
        await one.connected()
        sending = asyncio.create_task(publish(broker, *(("site/a", {"p": at}) for at in range(100))))
        async with asyncio.timeout(10):
            while len(one.basket.of("pressure")) < 100:
                await asyncio.sleep(0.01)
                one.commit()
        await sending
        assert [row.value for row in one.basket.of("pressure")] == list(range(100))


async def test_wildcards_hear_what_the_standard_says(broker: Mosquitto) -> None:
    model = mqtt_model({"pressure": {"path": "p"}}, topic="+/{address}/+/up")
    bus = bus_of(broker)
    async with running(bus, sensor(bus, model=model, every_ms=60_000)) as one:
        await one.connected()
        said = ["x/a/y/up", "x/a/up", "/a//up", "x/b/y/up", "x/a/y/z/up", "x/a/y/up/"]
        await publish(broker, *((topic, {"p": at}) for at, topic in enumerate(said)), ("x/a/end/up", {"p": 99}))
        await one.first(value=99)
        assert [row.value for row in one.basket.of("pressure")] == [0, 2, 99]


@contextlib.asynccontextmanager
async def pretend(*answers: bytes, pause_s: float = 0.0) -> AsyncIterator[asyncio.Server]:
    """A server that answers each packet with the next of these, a byte at a time if it pauses, and then says nothing."""
    writers: list[asyncio.StreamWriter] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        for answer in answers:
            await reader.read(1000)
            for at in range(len(answer) if pause_s else 0):
                writer.write(answer[at : at + 1])
                await asyncio.sleep(pause_s)
            if not pause_s:
                writer.write(answer)
        while await reader.read(1000):
            pass

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        yield server
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def bus_at(server: asyncio.Server, version: str = "5") -> Bus:
    port = server.sockets[0].getsockname()[1]
    return Bus("b", "mqtt", host="127.0.0.1", port=port, client_id="gw", mqtt_version=version)  # type: ignore[arg-type]


GRANTED = b"\x90\x05\x00\x01\x00\x01\x01"


async def test_a_broker_that_falls_silent_is_left_within_its_own_keep_alive_time() -> None:
    async with pretend(b"\x20\x06\x00\x00\x03\x13\x00\x01", GRANTED) as server:  # a keep-alive of one second
        bus = bus_at(server)
        async with running(bus, sensor(bus, every_ms=60_000)) as one:
            await one.connected()
            async with asyncio.timeout(6):
                while one.bus._link.generation < 2:
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize(("farewell", "words"), [
    (b"\xe0\x02\x8e\x00", "another client with the same client_id took over"),
    (b"\xe0\x02\x8b\x00", "it is shutting down"),
    (b"\xe0\x0a\x98\x08\x1f\x00\x05by me", "an administrator ended the session: by me"),
    (b"\x30\x06\x00\x00\x03\x23\x00\x01", "topic aliases were not permitted"),
    (b"\x34\x07\x00\x06site/a", "do not fit its length"),
], ids=["taken over", "shutting down", "administrator", "topic alias", "quality 2"])  # fmt: skip
async def test_a_broker_that_ends_the_session_or_breaks_the_rules_is_told_for_it(farewell: bytes, words: str) -> None:
    async with pretend(b"\x20\x03\x00\x00\x00", GRANTED + farewell) as server:
        bus = bus_at(server)
        async with running(bus, sensor(bus)) as one:
            async with asyncio.timeout(5):
                while words not in one.bus._why:
                    await asyncio.sleep(0.01)


async def test_a_broker_that_answers_byte_by_byte_is_understood() -> None:
    message = b'\x32\x12\x00\x06site/a\x00\x07\x00{"p":3}'
    async with pretend(b"\x20\x03\x00\x00\x00", GRANTED + message, pause_s=0.002) as server:
        bus = bus_at(server)
        async with running(bus, sensor(bus)) as one:
            await one.first(value=3)
