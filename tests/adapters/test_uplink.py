"""The uplink on real sockets: a server that commits, cuts, dawdles, redirects and lies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contract.codec import ANSWER_DIGEST, BODY_DIGEST, deflate, digest, inflate
from edge.errors import Rejected, Transient
from edge.uplink.http import Cloud, store_credential
from tests.support.plant import make_gateway

Talk = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(talk: Talk, folder: Path) -> AsyncIterator[Cloud]:
    """A server that hands each request's head and body to ``talk``, and a cloud client for it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.split(b":")[1])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                await talk(head, await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store_credential(folder / "credential", "secret")
    cloud = Cloud.open(make_gateway(cloud=f"http://127.0.0.1:{port}", credential_file=folder / "credential"))
    try:
        yield cloud
    finally:
        await cloud.close()
        server.close()


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_an_envelope_travels_compressed_with_its_credential_on_one_connection(tmp_path: Path) -> None:
    heads: list[tuple[bytes, bytes, object]] = []

    async def talk(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append((head, inflate(body), writer.get_extra_info("peername")))
        writer.write(answer("200 OK", b"receipt"))

    async with serving(talk, tmp_path) as cloud:
        for _ in range(3):
            found = await cloud.ingest(b'{"contract":1}')
            assert (found.status, found.body) == (200, b"receipt")
    head, body, _ = heads[0]
    assert b"POST /api/v1/ingest" in head
    assert b"authorization: bearer secret" in head.lower()
    assert b"content-encoding: gzip" in head.lower()
    assert body == b'{"contract":1}'
    assert len({peer for _, _, peer in heads}) == 1


async def test_a_connection_cut_after_the_request_is_no_answer(tmp_path: Path) -> None:
    async def talk(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(talk, tmp_path) as cloud:
        found = await cloud.ingest(b"{}")
    assert found.status == 0
    assert found.reason


async def test_an_answer_is_sure_when_its_digest_names_this_request_and_this_answer(tmp_path: Path) -> None:
    sent, heads = deflate(b"{}"), []

    async def talk(head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head.decode())
        told = (digest(sent, b"receipt"), digest(sent, b"receipT"), digest(b"another", b"receipt"))[len(heads) - 1]
        writer.write(answer("200 OK", b"receipt", f"{ANSWER_DIGEST}: {told}"))

    async with serving(talk, tmp_path) as cloud:
        found = [await cloud.ingest(b"{}") for _ in range(3)]
    assert [(one.status, one.is_sure) for one in found] == [(200, True), (0, False), (0, False)]
    assert f"{BODY_DIGEST}: {digest(sent)}".lower() in heads[0].lower()


async def test_an_answer_cut_in_the_middle_is_no_answer(tmp_path: Path) -> None:
    async def talk(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        writer.close()

    async with serving(talk, tmp_path) as cloud:
        assert (await cloud.ingest(b"{}")).status == 0


async def test_a_cloud_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(_head: bytes, _body: bytes, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr("edge.uplink.http.ANSWER_S", 0.2)
    async with serving(talk, tmp_path) as cloud:
        found = await cloud.ingest(b"{}")
    assert found.status == 0
    assert "Timeout" in found.reason


async def test_a_cloud_that_trickles_does_not_hold_the_lane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await asyncio.sleep(0.02)

    monkeypatch.setattr("edge.uplink.http.WHOLE_S", 0.2)
    async with serving(talk, tmp_path) as cloud:
        assert (await cloud.ingest(b"{}")).status == 0


async def test_a_redirect_is_reported_and_not_followed_with_the_credential(tmp_path: Path) -> None:
    asked = 0

    async def talk(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(answer("302 Found", b"", "Location: http://portal.example/sign-in"))

    async with serving(talk, tmp_path) as cloud:
        assert (await cloud.ingest(b"{}")).status == 302
    assert asked == 1


async def test_retry_after_in_seconds_is_passed_on(tmp_path: Path) -> None:
    async def talk(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer("503 Busy", b"later", "Retry-After: 17"))

    async with serving(talk, tmp_path) as cloud:
        found = await cloud.ingest(b"{}")
    assert (found.status, found.retry_after_s) == (503, 17.0)


async def test_an_endless_answer_is_cut_off(tmp_path: Path) -> None:
    async def talk(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(2000):
            writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            await writer.drain()

    async with serving(talk, tmp_path) as cloud:
        found = await cloud.ingest(b"{}")
    assert (found.status, found.reason) == (0, "the answer is too long for a receipt")


async def test_bytes_that_are_no_http_are_no_answer(tmp_path: Path) -> None:
    async def talk(_head: bytes, _body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP ready\r\n")
        writer.close()

    async with serving(talk, tmp_path) as cloud:
        assert (await cloud.ingest(b"{}")).status == 0


async def test_enrolment_brings_a_credential_and_its_refusal_the_reason(tmp_path: Path) -> None:
    async def talk(_head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        good = b'"code":"right"' in body
        writer.write(
            answer("200 OK", b'{"credential": "new"}') if good else answer("403 Forbidden", b"the code was used")
        )

    async with serving(talk, tmp_path) as cloud:
        assert await cloud.enrol("gw_1", "right") == "new"
        with pytest.raises(Rejected, match="the code was used"):
            await cloud.enrol("gw_1", "wrong")


async def test_enrolment_without_a_cloud_names_its_address(tmp_path: Path) -> None:
    cloud = Cloud.open(make_gateway(cloud="http://127.0.0.1:9", credential_file=tmp_path / "credential"))
    with pytest.raises(Transient, match=r"127\.0\.0\.1:9"):
        await cloud.enrol("gw_1", "code")
    await cloud.close()


def test_a_credential_is_for_its_owner_alone_and_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    store_credential(file, "one")
    store_credential(file, "two")
    assert file.read_text() == "two\n"
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["credential"]


def test_a_certificate_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Transient, match="certificate files of gateway gw_1"):
        Cloud.open(make_gateway(cloud="https://desk", ca_file=tmp_path / "nowhere.pem"))


def test_the_client_follows_no_redirect(tmp_path: Path) -> None:
    cloud = Cloud.open(make_gateway(cloud="http://desk"), httpx.MockTransport(lambda _request: httpx.Response(200)))
    assert cloud.client.follow_redirects is False
