"""uplink ═ contract: bytes to the cloud over HTTPS and back. Decides nothing."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from contract.codec import ANSWER_DIGEST, BODY_DIGEST, deflate, digest
from edge.errors import Rejected, Transient
from edge.site import GatewayConfig
from edge.uplink.session import Answer

CONNECT_S = 5.0
ANSWER_S = 30.0
WHOLE_S = 60.0
"""For a request with its answer: a server that trickles must not hold a lane."""
MOST_ANSWER_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class Cloud:
    """One keep-alive client. The credential is read anew for each request, so that it can be renewed while running."""

    client: httpx.AsyncClient
    credential_file: Path

    @classmethod
    def open(cls, config: GatewayConfig, transport: httpx.AsyncBaseTransport | None = None) -> Cloud:
        """A client for the gateway's cloud. Raises Transient when its certificate or login files cannot be read."""
        timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
        client = httpx.AsyncClient(
            base_url=config.cloud or "", timeout=timeout, transport=transport, verify=_trust(config),
            proxy=_proxy(config),
            follow_redirects=False, limits=httpx.Limits(max_connections=4, max_keepalive_connections=4),
        )  # fmt: skip
        return cls(client, config.credential_file)

    async def ingest(self, body: bytes) -> Answer:
        """One envelope. Never raises for what the network or the cloud does: status 0 says why nothing came back."""
        try:
            credential = self.credential_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            return Answer(0, reason=f"no credential in {self.credential_file}: {error.strerror}; enrol this gateway")
        sent = deflate(body)
        headers = {
            "Authorization": f"Bearer {credential}", "Content-Encoding": "gzip", "Content-Type": "application/json",
            BODY_DIGEST: digest(sent),
        }  # fmt: skip
        return await self._post("/api/v1/ingest", sent, headers)

    async def _post(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        try:
            async with (
                asyncio.timeout(WHOLE_S),
                self.client.stream("POST", path, content=body, headers=headers) as response,
            ):
                received = bytearray()
                async for chunk in response.aiter_bytes():
                    received += chunk
                    if len(received) > MOST_ANSWER_BYTES:
                        return Answer(0, reason="the answer is too long for a receipt")
                return _answer(response, body, bytes(received))
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
            return Answer(0, reason=f"{type(error).__name__}: {error}".rstrip(": "))

    async def enrol(self, gateway: str, code: str) -> str:
        """Exchange a one-time code for this gateway's own credential. Raises Transient or Rejected, each saying why."""
        try:
            response = await self.client.post("/api/v1/gateways/enrol", json={"gateway": gateway, "code": code})
        except (httpx.HTTPError, OSError) as error:
            raise Transient(f"{self.client.base_url} does not answer: {type(error).__name__} {error}") from error
        if response.status_code != 200:
            raise Rejected(f"{self.client.base_url} refused: {response.status_code} {response.text[:300]}")
        try:
            return str(response.json()["credential"])
        except (ValueError, KeyError, TypeError) as error:
            raise Rejected(f"{self.client.base_url} answered without a credential") from error

    async def close(self) -> None:
        await self.client.aclose()


def _trust(config: GatewayConfig) -> ssl.SSLContext | bool:
    if config.ca_file is None and config.cert_file is None:
        return True
    try:
        context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
        if config.cert_file is not None:
            context.load_cert_chain(config.cert_file, config.key_file)
    except (OSError, ssl.SSLError) as error:
        raise Transient(f"certificate files of gateway {config.id}: {error}") from error
    return context


def _proxy(config: GatewayConfig) -> httpx.Proxy | None:
    if config.proxy is None:
        return None
    if config.proxy_credential_file is None:
        return httpx.Proxy(config.proxy)
    try:
        user, _, password = config.proxy_credential_file.read_text(encoding="utf-8").strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise Transient(f"login of gateway {config.id} at its proxy: {error}") from error
    return httpx.Proxy(config.proxy, auth=(user, password))


def _answer(response: httpx.Response, sent: bytes, received: bytes) -> Answer:
    told = response.headers.get(ANSWER_DIGEST)
    if told is not None and told != digest(sent, received):
        return Answer(0, reason="changed on the way, or the answer to another request")
    return Answer(response.status_code, received, _retry_after(response), is_sure=told is not None)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds; a date is not obeyed, because this side's clock may be wrong."""
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None


def store_credential(path: Path, credential: str) -> None:
    """Write a credential so that only its owner can read it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(credential + "\n", encoding="utf-8")
    part.replace(path)
