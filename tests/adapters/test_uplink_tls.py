"""The uplink over TLS on real sockets: the authority is pinned, the gateway shows its own certificate, a proxy stands between."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from contract.codec import ANSWER_DIGEST, digest, inflate
from edge.errors import Transient
from edge.uplink.http import Cloud, store_credential
from tests.support.http_proxy import proxying
from tests.support.plant import make_gateway


@dataclass
class Desk:
    """What reached the server: bodies, the connections they came on, and who the other end proved to be."""

    port: int
    bodies: list[bytes] = field(default_factory=list)
    peers: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)


@asynccontextmanager
async def desk(certificates: Path, *, wants_certificate: bool = False) -> AsyncIterator[Desk]:
    """An HTTPS server that answers every envelope with ``receipt``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ca.pem"))
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED if wants_certificate else ssl.CERT_NONE
    seen = Desk(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                body = await reader.readexactly(int(lengths[0].split(b":")[1]))
                seen.bodies.append(inflate(body))
                seen.peers.append(writer.get_extra_info("peername"))
                told = writer.get_extra_info("peercert") or {}
                seen.names += [
                    value for part in told.get("subject", ()) for name, value in part if name == "commonName"
                ]
                headers = f"Content-Length: 7\r\n{ANSWER_DIGEST}: {digest(body, b'receipt')}\r\n\r\n"
                writer.write(b"HTTP/1.1 200 OK\r\n" + headers.encode() + b"receipt")
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()


def gateway(server: Desk, folder: Path, host: str = "127.0.0.1", **files: Any) -> Cloud:
    store_credential(folder / "credential", "secret")
    return Cloud.open(
        make_gateway(cloud=f"https://{host}:{server.port}", credential_file=folder / "credential", **files)
    )  # fmt: skip


async def test_a_pinned_authority_is_believed_and_two_envelopes_share_a_connection(
    certificates: Path, tmp_path: Path
) -> None:
    async with desk(certificates) as server:
        cloud = gateway(server, tmp_path, ca_file=certificates / "ca.pem")
        first, second = await cloud.ingest(b"one"), await cloud.ingest(b"two")
        await cloud.close()
    assert (first.body, first.is_sure, second.body) == (b"receipt", True, b"receipt")
    assert server.bodies == [b"one", b"two"]
    assert len(set(server.peers)) == 1


async def test_another_authority_is_not_believed_and_nothing_is_sent(certificates: Path, tmp_path: Path) -> None:
    async with desk(certificates) as server:
        cloud = gateway(server, tmp_path, ca_file=certificates / "other_ca.pem")
        answer = await cloud.ingest(b"one")
        await cloud.close()
    assert answer.status == 0
    assert "certificate verify failed" in answer.reason
    assert server.bodies == []


async def test_without_a_pinned_authority_a_private_one_is_not_believed(certificates: Path, tmp_path: Path) -> None:
    async with desk(certificates) as server:
        cloud = gateway(server, tmp_path)
        assert "certificate verify failed" in (await cloud.ingest(b"one")).reason
        await cloud.close()


async def test_a_certificate_for_another_name_is_not_believed(certificates: Path, tmp_path: Path) -> None:
    async with desk(certificates) as server:
        cloud = gateway(server, tmp_path, host="127.0.0.2", ca_file=certificates / "ca.pem")
        answer = await cloud.ingest(b"one")
        await cloud.close()
    assert answer.status == 0
    assert server.bodies == []


async def test_the_gateway_shows_its_own_certificate_where_one_is_wanted(certificates: Path, tmp_path: Path) -> None:
    files: dict[str, Any] = {"ca_file": certificates / "ca.pem"}
    own: dict[str, Any] = {"cert_file": certificates / "client.pem", "key_file": certificates / "client.key"}
    async with desk(certificates, wants_certificate=True) as server:
        unknown = gateway(server, tmp_path, **files)
        refused = await unknown.ingest(b"nobody")
        await unknown.close()
        known = gateway(server, tmp_path, **files, **own)
        accepted = await known.ingest(b"somebody")
        await known.close()
    assert refused.status == 0
    assert (accepted.status, accepted.body) == (200, b"receipt")
    assert (server.bodies, server.names) == ([b"somebody"], ["client"])


async def test_a_proxy_tunnels_and_never_sees_the_inside(certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "login").write_text("site 7:a:b\n")
    async with desk(certificates) as server, proxying("site 7:a:b") as proxy:
        way: dict[str, Any] = {"proxy": f"http://127.0.0.1:{proxy.port}", "proxy_credential_file": tmp_path / "login"}
        cloud = gateway(server, tmp_path, ca_file=certificates / "ca.pem", **way)
        answers = [await cloud.ingest(b"one"), await cloud.ingest(b"two")]
        await cloud.close()
    assert [answer.body for answer in answers] == [b"receipt", b"receipt"]
    assert proxy.opened == [f"127.0.0.1:{server.port}"], "one tunnel serves both"
    assert server.bodies == [b"one", b"two"]


async def test_a_proxy_that_refuses_is_told_by_its_status(certificates: Path, tmp_path: Path) -> None:
    async with desk(certificates) as server, proxying("site:right") as proxy:
        way: dict[str, Any] = {"proxy": f"http://127.0.0.1:{proxy.port}"}
        cloud = gateway(server, tmp_path, ca_file=certificates / "ca.pem", **way)
        answer = await cloud.ingest(b"one")
        await cloud.close()
    assert answer.status == 0
    assert "407" in answer.reason
    assert (proxy.refused, server.bodies) == (1, [])


async def test_a_proxy_that_is_not_there_is_no_answer(certificates: Path, tmp_path: Path) -> None:
    async with proxying() as gone:
        port = gone.port
    async with desk(certificates) as server:
        cloud = gateway(server, tmp_path, ca_file=certificates / "ca.pem", proxy=f"http://127.0.0.1:{port}")
        assert (await cloud.ingest(b"one")).status == 0
        await cloud.close()


async def test_the_environments_proxy_holds_where_the_site_file_names_none(
    certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(certificates) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        cloud = gateway(server, tmp_path, ca_file=certificates / "ca.pem")
        assert (await cloud.ingest(b"one")).body == b"receipt"
        await cloud.close()
    assert proxy.opened == [f"127.0.0.1:{server.port}"]


def test_a_login_that_cannot_be_read_is_told_with_its_file(tmp_path: Path) -> None:
    config = make_gateway(cloud="https://desk", proxy="http://proxy:3128", proxy_credential_file=tmp_path / "login")
    with pytest.raises(Transient, match="login"):
        Cloud.open(config)
