"""The broker a demo starts is a real one: messages, retained messages and last wills pass through it."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from simulators.broker import (
    BrokerUnavailable,
    embedded_broker,
    free_port,
    is_port_free,
    mosquitto_command,
)
from tests.support.system_packages import require

V311 = aiomqtt.ProtocolVersion.V311


@contextlib.asynccontextmanager
async def mosquitto(folder: Path) -> AsyncIterator[int]:
    program = Path(require("mosquitto"))
    port = free_port()
    process = await asyncio.create_subprocess_exec(*mosquitto_command(program, port, folder), stderr=sys.stderr)
    try:
        for _ in range(200):
            if not is_port_free(port):
                break
            await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture(params=["embedded", "mosquitto"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[int]:
    kind = embedded_broker(free_port()) if request.param == "embedded" else mosquitto(tmp_path)
    async with kind as port:
        yield port


async def test_a_message_arrives_at_the_one_who_asked_for_it(broker: int) -> None:
    async with aiomqtt.Client("127.0.0.1", broker, protocol=V311) as listener:
        await listener.subscribe("lifts/+", qos=1)
        async with aiomqtt.Client("127.0.0.1", broker, protocol=V311) as lift:
            await lift.publish("lifts/1", b"moving", qos=1)
        async with asyncio.timeout(5):
            message = await anext(aiter(listener.messages))
    assert (str(message.topic), message.payload) == ("lifts/1", b"moving")


async def test_the_last_will_tells_that_a_device_is_gone(broker: int) -> None:
    async with aiomqtt.Client("127.0.0.1", broker, protocol=V311) as listener:
        await listener.subscribe("lifts/1/state", qos=1)
        will = aiomqtt.Will("lifts/1/state", b"offline", qos=1)
        lift = aiomqtt.Client("127.0.0.1", broker, protocol=V311, will=will)
        await lift.__aenter__()
        wire = lift._client.socket()
        assert isinstance(wire, socket.socket)
        wire.shutdown(socket.SHUT_RDWR)  # a device that loses its power says no goodbye
        async with asyncio.timeout(5):
            message = await anext(aiter(listener.messages))
        with contextlib.suppress(aiomqtt.MqttError):
            await lift.__aexit__(None, None, None)
    assert message.payload == b"offline"


async def test_a_port_in_use_is_told_in_one_sentence(broker: int) -> None:
    with pytest.raises(BrokerUnavailable, match=rf"^port {broker} is in use; "):
        async with embedded_broker(broker):
            pass
