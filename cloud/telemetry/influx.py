"""Telemetry store in an InfluxDB server: line protocol in, InfluxQL out, over HTTP, the same for 1.x and 2.x.

The server keeps history as long as its bucket's retention says; this side deletes nothing. A server that is away delays history:
``write`` waits until it is back, and what waits stays in the database.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import structlog

from cloud.clock import Clock
from cloud.errors import Refused
from cloud.telemetry import lines
from cloud.telemetry.store import Bucket, Health, Row, Sample
from contract.conventions import EpochMs

log = structlog.get_logger("telemetry")
LINES_AT_ONCE = 5_000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_TIMEOUT_S = 10.0


class InfluxStore:
    """History behind ``url`` (see ``lines.WRITTEN_AS``). Raises ValueError for an address it cannot read."""

    def __init__(self, url: str, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._address = lines.parse_address(url)
        self._clock = clock
        auth = (self._address.user, self._address.password) if self._address.user else None
        self._client = httpx.AsyncClient(
            base_url=self._address.base, headers=self._address.headers, auth=auth, timeout=_TIMEOUT_S,
            transport=transport, trust_env=False,
        )  # fmt: skip
        self._trouble = ""
        self._dropped = 0

    async def open(self) -> None:
        """Make the database of a 1.x server if it is not there; a server that is away is no reason not to start."""
        if self._address.org:
            return
        name = self._address.bucket.replace('"', '\\"')
        try:
            await self._client.post("/query", data={"q": f'CREATE DATABASE "{name}"'})
        except httpx.HTTPError as error:
            self._note(repr(error))

    async def write(self, rows: Sequence[Row]) -> None:
        """Keep samples. Waits while the server is away; a sample the server cannot take is counted and left out."""
        for first in range(0, len(rows), LINES_AT_ONCE):
            body = gzip.compress(lines.to_lines(rows[first : first + LINES_AT_ONCE]).encode(), mtime=0)
            wait_s = _FIRST_WAIT_S
            while not await self._is_taken(body):
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        return lines.read_latest(await self._ask(lines.latest_query(site, equipment)))

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        if to_ms <= from_ms:
            return []
        width = -(-(to_ms - from_ms) // max(1, buckets))
        answer = await self._ask(lines.range_query(site, equipment, point, from_ms, to_ms, width))
        return lines.read_buckets(answer, from_ms, to_ms, width)

    async def delete_before(self, at_ms: EpochMs) -> int:  # noqa: ARG002  the protocol's argument
        """Nothing: the bucket's retention forgets, also in the products that have no delete."""
        return 0

    async def health(self) -> Health:
        """Whether the server answers, what went wrong last, and how many series it holds."""
        try:
            reply = await self._client.get("/ping")
            series = len(await self._rows_of('SHOW SERIES FROM "sample"')) if reply.is_success else 0
        except (httpx.HTTPError, Refused, ValueError) as error:
            return Health("influxdb", is_ok=False, points=0, detail=self._trouble or repr(error))
        dropped = f"{self._dropped} writes held samples the server refused" if self._dropped else ""
        return Health("influxdb", reply.is_success and not self._trouble, series, self._trouble or dropped)

    async def close(self) -> None:
        await self._client.aclose()

    async def _is_taken(self, body: bytes) -> bool:
        """Whether nothing is gained by sending it again."""
        try:
            reply = await self._client.post(
                self._address.write_path, params=self._address.write_parameters, content=body,
                headers={"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"},
            )  # fmt: skip
        except httpx.HTTPError as error:
            self._note(repr(error))
            return False
        if reply.status_code in (400, 413, 422):
            # the good lines of it are stored; the same bytes would be refused for ever
            self._dropped += 1
            log.warning("telemetry_samples_refused", status=reply.status_code, reason=reply.text[:300])
        elif not reply.is_success:
            self._note(f"{reply.status_code} {reply.text[:300]}")
            return False
        self._note("")
        return True

    async def _ask(self, query: str) -> Mapping[str, Any]:
        """The server's answer. Raises Refused (503) when it is away or does not understand."""
        try:
            reply = await self._client.get("/query", params={"db": self._address.bucket, "q": query, "epoch": "ms"})
            answer: Mapping[str, Any] = reply.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            message = "the history store does not answer"
            remedy = "tickets and alarms are not touched by this; look at the InfluxDB server"
            raise Refused(503, "history_unavailable", message, remedy) from error
        return answer

    async def _rows_of(self, query: str) -> list[Any]:
        results = (await self._ask(query)).get("results", [])
        return [row for result in results for series in result.get("series", ()) for row in series["values"]]

    def _note(self, trouble: str) -> None:
        """Say it once when it begins and once when it is over."""
        if bool(trouble) != bool(self._trouble):
            log.warning("telemetry_server_away", reason=trouble) if trouble else log.info("telemetry_server_back")
        self._trouble = trouble
