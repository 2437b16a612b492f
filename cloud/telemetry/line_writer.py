"""Ingest → telemetry server: line protocol over HTTP, and what its answers mean.

A server that is away or overloaded raises Away: the same lines are tried again later. Lines that are refused are sent again in
halves until each refused one stands alone and is parked with the server's reason; the others are kept. Repeats change nothing.
"""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable, Mapping, Sequence

import httpx

from cloud.errors import Refused
from cloud.telemetry.address import Address
from cloud.telemetry.store import Away, Parked, Row

LINES_AT_ONCE = 5_000
_TIMEOUT_S = 10.0
_REFUSALS = (400, 413, 422)
_TOO_OLD = "beyond retention policy"
_HEADERS = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}


def open_client(address: Address, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    """A client that speaks as the address says. Raises ValueError for a file of authorities that cannot be read."""
    verify: ssl.SSLContext | bool = True
    if address.ca:
        try:
            verify = ssl.create_default_context(cafile=address.ca)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"the certificate authority {address.ca} cannot be read: {error}") from error
    return httpx.AsyncClient(
        headers=address.headers, timeout=_TIMEOUT_S, transport=transport, trust_env=False, verify=verify
    )


async def ask(client: httpx.AsyncClient, url: str, parameters: Mapping[str, str]) -> httpx.Response:
    """A question's answer. Raises Refused (503) when the server is away or does not understand."""
    try:
        return (await client.post(url, data=dict(parameters))).raise_for_status()
    except httpx.HTTPError as error:
        raise unanswered(error) from error


def unanswered(error: Exception) -> Refused:
    """What is told to who asked for history that cannot be had."""
    told = (
        f"{error.response.status_code} {error.response.text[:200]}" if isinstance(error, httpx.HTTPStatusError) else ""
    )
    remedy = f"tickets and alarms are not touched by this; look at the history server ({told or error!r})"
    return Refused(503, "history_unavailable", "the history store does not answer", remedy)


class LineWriter:
    """Writes rows as ``to_lines`` words them. ``trouble`` is why the last write did not work, empty when it did."""

    def __init__(self, client: httpx.AsyncClient, address: Address, to_lines: Callable[[Sequence[Row]], str]) -> None:
        self._client = client
        self._address = address
        self._to_lines = to_lines
        self.trouble = ""
        self.parked = 0
        self.too_old = 0
        """Samples older than the server keeps; they are forgotten as if they had grown old there."""

    async def write(self, rows: Sequence[Row]) -> list[Parked]:
        """Keep samples; the refused ones come back. Raises Away."""
        parked: list[Parked] = []
        for first in range(0, len(rows), LINES_AT_ONCE):
            parked += await self._send(rows[first : first + LINES_AT_ONCE])
        self.parked += len(parked)
        return parked

    async def _send(self, rows: Sequence[Row]) -> list[Parked]:
        reason = await self._post(rows)
        if not reason:
            return []
        if len(rows) > 1:
            half = len(rows) // 2
            return [*await self._send(rows[:half]), *await self._send(rows[half:])]
        if _TOO_OLD in reason:
            self.too_old += 1
            return []
        return [Parked(rows[0], reason)]

    async def _post(self, rows: Sequence[Row]) -> str:
        """Why some of these lines will never be taken; empty when all were. Raises Away."""
        body = gzip.compress(self._to_lines(rows).encode(), 6, mtime=0)
        try:
            reply = await self._client.post(
                self._address.write, params=dict(self._address.parameters or {}), content=body, headers=_HEADERS
            )
        except httpx.HTTPError as error:
            self.trouble = repr(error)
            raise Away(self.trouble) from error
        if reply.status_code in _REFUSALS:
            self.trouble = ""
            return f"{reply.status_code} {reply.text.strip()[:300]}"
        if not reply.is_success:
            self.trouble = f"{reply.status_code} {reply.text.strip()[:300]}"
            raise Away(self.trouble)
        self.trouble = ""
        return ""
