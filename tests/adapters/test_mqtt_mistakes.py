"""The mistakes a newcomer makes with a broker, each against a real one: told in the device list with what to do."""

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from contract.messages import Cause
from edge.site import Bus, Tls
from tests.support.brokers import Mosquitto, free_port, mosquitto
from tests.support.mqtt_buses import VERSIONS, bus_of, publish, running, sensor


async def why_not(bus: Bus) -> str:
    """What the device list says once the broker was tried."""
    async with running(bus, sensor(bus)) as one:
        found = await one.first(cause=Cause.NOT_CONNECTED)
        assert found.value is None
        assert not one.bus.is_connected
        assert one.state() == "not_connected"
        return one.last_error()


def served(certificates: Path, *, client: bool = False) -> str:
    return (
        f"cafile {certificates}/ca.pem\ncertfile {certificates}/server.pem\nkeyfile {certificates}/server.key\n"
        f"require_certificate {str(client).lower()}\n"
    )


async def with_password(folder: Path) -> str:
    tool = shutil.which("mosquitto_passwd")
    assert tool is not None
    passwords = folder / "passwords"
    make = [tool, "-b", "-c", str(passwords), "gateway", "secret:with:colons"]
    await asyncio.to_thread(subprocess.run, make, check=True, capture_output=True)
    passwords.chmod(0o644)
    return f"allow_anonymous false\npassword_file {passwords}\n"


async def test_a_port_where_nothing_listens() -> None:
    bus = Bus("sensors", "mqtt", host="127.0.0.1", port=free_port(), client_id="gw")
    assert "nothing listens there; check host and port (1883 plain, 8883 TLS)" in await why_not(bus)


async def test_a_name_that_nobody_knows() -> None:
    assert "its name is not known here" in await why_not(
        Bus("b", "mqtt", host="broker.invalid", port=1, client_id="gw")
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_wrong_password_is_told_and_a_right_one_connects(tmp_path: Path, version: str) -> None:
    credential = tmp_path / "credential"
    credential.write_text("gateway:wrong\n")
    async with mosquitto(tmp_path, await with_password(tmp_path)) as broker:
        bus = bus_of(broker, credential_file=credential, mqtt_version=version)
        async with running(bus, sensor(bus)) as one:
            await one.first(cause=Cause.NOT_CONNECTED)
            assert "credential_file" in one.last_error()
            credential.write_text("gateway:secret:with:colons\n")
            await one.connected()


async def test_no_password_where_one_is_wanted_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    async with mosquitto(tmp_path, await with_password(tmp_path)) as broker:
        assert "check the credential_file" in await why_not(bus_of(broker))
        said = await why_not(bus_of(broker, credential_file=tmp_path / "absent"))
        assert f"{tmp_path}/absent cannot be read: No such file or directory; check credential_file" in said


@pytest.mark.parametrize("version", VERSIONS)
async def test_tls_with_the_right_authority_and_client_certificate_carries_messages(
    tmp_path: Path, certificates: Path, version: str
) -> None:
    async with mosquitto(tmp_path, served(certificates, client=True)) as broker:
        own = Tls(certificates / "ca.pem", certificates / "client.pem", certificates / "client.key")
        bus = bus_of(broker, tls=own, mqtt_version=version)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            await publish(broker, *(("site/a", {"p": at, "pad": "x" * 9_000}) for at in range(20)), tls=own)
            await one.basket.until(lambda: len(one.basket.of("pressure")) >= 20)
            assert [row.value for row in one.basket.of("pressure")] == list(range(20))


async def test_an_authority_that_did_not_sign_the_broker(tmp_path: Path, certificates: Path) -> None:
    async with mosquitto(tmp_path, served(certificates)) as broker:
        said = await why_not(bus_of(broker, tls=Tls(certificates / "other_ca.pem", None, None)))
        assert said.endswith("is not signed by an authority known here; name the authority's certificate as ca_file")


async def test_a_broker_whose_certificate_is_for_another_host(tmp_path: Path, certificates: Path) -> None:
    async with mosquitto(tmp_path, served(certificates)) as broker:
        bus = Bus(
            "b",
            "mqtt",
            host="127.0.0.2",
            port=broker.port,
            client_id="gw",
            tls=Tls(certificates / "ca.pem", None, None),
        )
        broker_on_all = Mosquitto(tmp_path, served(certificates), port=broker.port, host="127.0.0.2")
        await broker_on_all.start()
        try:
            assert "its certificate is for another host" in await why_not(bus)
        finally:
            await broker_on_all.stop()


async def test_no_client_certificate_where_one_is_wanted(tmp_path: Path, certificates: Path) -> None:
    async with mosquitto(tmp_path, served(certificates, client=True)) as broker:
        said = await why_not(bus_of(broker, tls=Tls(certificates / "ca.pem", None, None)))
        assert "client certificate" in said
        assert said.endswith("name cert_file and key_file")


async def test_tls_to_a_plain_port_and_plain_to_a_tls_port(tmp_path: Path, certificates: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        said = await why_not(bus_of(broker, tls=Tls(certificates / "ca.pem", None, None)))
        assert "write mqtt:// instead of mqtts://, or its TLS port (usually 8883)" in said
    async with mosquitto(tmp_path, served(certificates)) as broker:
        assert (await why_not(bus_of(broker))).endswith("if that is its TLS port, write mqtts:// instead of mqtt://")


async def test_a_port_where_something_else_listens() -> None:
    async def speak_http(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(speak_http, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        said = await why_not(Bus("b", "mqtt", host="127.0.0.1", port=port, client_id="gw"))
        assert "what listens there speaks no MQTT; check host and port" in said


async def test_two_gateways_with_one_client_id_are_told_what_to_look_for(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        bus = bus_of(broker)
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            async with running(bus, sensor(bus)):
                await one.first(cause=Cause.NOT_CONNECTED)
                assert one.last_error().endswith("often a second client has the client_id gw_1-sensors")


async def test_a_topic_that_the_broker_refuses_is_named_at_its_device(tmp_path: Path) -> None:
    """Mosquitto 2.0 grants what it will never send, so a server that refuses stands in here."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(b"\x20\x02\x00\x00")
        asked = await reader.read(1000)
        writer.write(b"\x90\x04" + asked[2:4] + b"\x80\x01")
        await reader.read(1000)
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        bus = Bus("b", "mqtt", host="127.0.0.1", port=port, client_id="gw", mqtt_version="3.1.1")
        async with running(bus, sensor(bus)) as one:
            await one.connected()
            await one.first(cause=Cause.NOT_CONNECTED)
            assert (
                one.last_error()
                == "the broker refuses the topic site/a; let this login read it in the broker's access list"
            )
