"""Telemetry store in an InfluxDB server: line protocol in, InfluxQL out, over HTTP, the same for 1.x and 2.x.

A new database of a 1.x server forgets after ``history_ms``; an existing one, and a bucket of a newer server, keeps its own retention.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from cloud.errors import Refused
from cloud.telemetry import lines
from cloud.telemetry.address import parse_address
from cloud.telemetry.line_writer import LineWriter, ask, open_client, unanswered
from cloud.telemetry.store import Bucket, Health, Held, Key, Parked, Row, Sample, raw_bucket
from contract.conventions import EpochMs, format_instant

_NO_DELETE = (404, 405, 501)
"""Answers of servers that know no deletion: they forget by their retention alone."""
_HOUR_MS = 3_600_000
_BEGINNING = "1678-01-01T00:00:00Z"


class InfluxStore:
    """History behind ``url`` (see ``address``). Raises ValueError for an address it cannot read."""

    def __init__(self, url: str, history_ms: int = 0, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._address = parse_address(url)
        self._history_ms = history_ms
        self._client = open_client(self._address, transport)
        self._writer = LineWriter(self._client, self._address, lines.to_lines)

    async def open(self) -> None:
        """Make the database of a 1.x server if it is not there; a server that is away is no reason not to start."""
        if self._address.org:
            return
        name = self._address.bucket.replace('"', '\\"')
        kept = f" WITH DURATION {-(-self._history_ms // _HOUR_MS)}h" if self._history_ms else ""
        try:
            shown = await self._names("SHOW DATABASES")
            if self._address.bucket not in shown:
                await ask(self._client, self._address.ask, {"q": f'CREATE DATABASE "{name}"{kept}'})
        except (Refused, ValueError) as error:
            self._writer.trouble = str(error)

    async def write(self, rows: Sequence[Row]) -> Sequence[Parked]:
        return await self._writer.write(rows)

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        return lines.read_latest(await self._ask(lines.latest_query(site, equipment)))

    async def latest_of_all(self, site: str) -> Mapping[str, Mapping[str, Sample]]:
        return lines.read_latest_of_all(await self._ask(lines.latest_of_all_query(site)))

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        if to_ms <= from_ms:
            return []
        width = -(-(to_ms - from_ms) // max(1, buckets))
        count, found = 0, list[Bucket]()
        for start, query in lines.range_queries((site, equipment, point), from_ms, to_ms, width):
            more, part = lines.read_buckets(await self._ask(query), start, to_ms, width)
            count, found = count + more, [*found, *part]
        if count > buckets:
            return found
        return [raw_bucket(one) for one in await self.samples(site, equipment, point, from_ms, to_ms, max(1, count))]

    async def samples(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, limit: int
    ) -> list[Sample]:
        return lines.read_samples(await self._ask(lines.samples_query(site, equipment, point, from_ms, to_ms, limit)))

    async def points(self) -> list[Key]:
        return lines.read_points(await self._ask(lines.HELD_QUERIES[-1]))

    async def held(self) -> list[Held]:
        counts, firsts, lasts = [await self._ask(query) for query in lines.HELD_QUERIES]
        return lines.read_held(counts, firsts, lasts)

    async def delete_before(self, at_ms: EpochMs, points: Sequence[Key] | None = None) -> int:
        """How many went cannot be told: 0. Servers that know no deletion forget by their retention."""
        for point in [None] if points is None else points:
            try:
                reply = await self._delete(at_ms, point)
                if reply.status_code not in _NO_DELETE:
                    reply.raise_for_status()
                    lines.check(reply.json() if reply.content else {})
            except (httpx.HTTPError, ValueError) as error:
                raise unanswered(error) from error
        return 0

    async def _delete(self, at_ms: EpochMs, point: Key | None) -> httpx.Response:
        if not self._address.org:
            statement = lines.delete_statement(at_ms, point)
            return await self._client.post(self._address.delete, data={"db": self._address.bucket, "q": statement})
        told = {"start": _BEGINNING, "stop": format_instant(at_ms), **lines.delete_predicate(point)}
        where = {"org": self._address.org, "bucket": self._address.bucket}
        return await self._client.post(self._address.delete, params=where, json=told)

    async def condense(self, at_ms: EpochMs, step_ms: int, points: Sequence[Key]) -> int:  # noqa: ARG002  the protocol's
        """Nothing: a task or continuous query of the server does it."""
        return 0

    async def compact(self) -> None:
        """Nothing: the server does it by itself."""

    async def health(self) -> Health:
        """Whether the server answers, what went wrong last, and how many points it holds."""
        trouble = self._writer.trouble
        try:
            (await self._client.get(self._address.ask.replace("/query", "/ping"))).raise_for_status()
            points = len(await self._names('SHOW SERIES FROM "sample"'))
        except (httpx.HTTPError, Refused, ValueError) as error:
            return Health("influxdb", is_ok=False, points=0, detail=trouble or repr(error))
        told = [f"{self._writer.parked} samples refused"] if self._writer.parked else []
        told += [f"{self._writer.too_old} samples older than its retention"] if self._writer.too_old else []
        return Health("influxdb", not trouble, points, trouble or ", ".join(told))

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, query: str) -> Mapping[str, Any]:
        """The server's answer. Raises Refused (503) when it is away or does not understand."""
        where = {"db": self._address.bucket, "q": query, "epoch": "ms"}
        try:
            reply = await self._client.get(self._address.ask, params=where)
            answer: Mapping[str, Any] = reply.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise unanswered(error) from error
        return answer

    async def _names(self, query: str) -> list[str]:
        """First columns of an answer."""
        results = (await self._ask(query)).get("results", [])
        return [row[0] for result in results for series in result.get("series", ()) for row in series.get("values", ())]
