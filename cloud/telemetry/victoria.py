"""Telemetry store in VictoriaMetrics, a single node or a cluster: line protocol in, MetricsQL out, over HTTP.

The server forgets by ``-retentionPeriod`` (one month when nobody says otherwise); a deletion from here goes by whole months. It must run
with ``-dedup.minScrapeInterval=1ms``, or a sample that came twice counts twice. ``health`` says when either is not as it should be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

from cloud.clock import Clock
from cloud.errors import Refused
from cloud.telemetry import blocks, metricsql, summing
from cloud.telemetry.address import parse_address
from cloud.telemetry.line_writer import LineWriter, ask, open_client, unanswered
from cloud.telemetry.store import Bucket, Health, Held, Key, Parked, Row, Sample, raw_bucket
from contract.conventions import EpochMs

_MINUTE_MS, _HOUR_MS, _DAY_MS = 60_000, 3_600_000, 86_400_000
_FUTURE_MS = 2 * _DAY_MS
"""What lies further ahead the server drops without a word."""
_EARLIEST_MS = _HOUR_MS
"""The server understands no window that reaches back to the beginning of 1970."""
_WINDOWS_MS = (_HOUR_MS, _DAY_MS, 31 * _DAY_MS, 2**62)
"""The newest sample of a point is looked for in the last hour, then further back."""
_PAGE_MS = 6 * _HOUR_MS
_FLAG = re.compile(r'^flag\{name="([\w.]+)", ?value="([^"]*)"', re.MULTILINE)
_IGNORED = re.compile(r"^vm_rows_ignored_total\{.*\} (\d+)$", re.MULTILINE)


class VictoriaStore:
    """History behind ``url`` (see ``address``). Raises ValueError for an address it cannot read."""

    def __init__(self, url: str, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._address = parse_address(url)
        self._clock = clock
        self._client = open_client(self._address, transport)
        self._writer = LineWriter(self._client, self._address, metricsql.to_lines)

    async def open(self) -> None:
        """Nothing is to be made; a server that is away is no reason not to start."""

    async def write(self, rows: Sequence[Row]) -> Sequence[Parked]:
        """What the server would drop without a word is parked here."""
        earliest, end = self._within(0, 2**63)
        wrong = [row for row in rows if not earliest <= row.sample.at_ms < end]
        parked = [Parked(row, "lies more than two days ahead, or before 1970") for row in wrong]
        self._writer.parked += len(parked)
        return [*parked, *await self._writer.write([row for row in rows if earliest <= row.sample.at_ms < end])]

    async def latest(self, site: str, equipment: str) -> Mapping[str, Sample]:
        found = await self._latest(site=site, equipment=equipment)
        return {point: sample for (_, _, point), sample in found.items()}

    async def latest_of_all(self, site: str) -> Mapping[str, Mapping[str, Sample]]:
        found: dict[str, dict[str, Sample]] = {}
        for (_, equipment, point), sample in (await self._latest(site=site)).items():
            found.setdefault(equipment, {})[point] = sample
        return found

    async def _latest(self, **labels: str) -> dict[Key, Sample]:
        """Newest samples; only points that were silent in a short window are looked for in a longer one."""
        missing = await self._points(**labels)
        found: dict[Key, Sample] = {}
        for window in _WINDOWS_MS:
            if not missing:
                break
            ahead = _HOUR_MS if window == _WINDOWS_MS[0] else _FUTURE_MS
            some = {f"{name}__in": "\n".join(sorted({key[place] for key in missing})) for place, name in ((1, "equipment"), (2, "point"))}  # fmt: skip
            end = self._clock.now_ms() + ahead
            query = metricsql.latest_expression(min(window + ahead, end - _EARLIEST_MS), site=labels["site"], **some)
            told = metricsql.read_latest(await self._query(query, end))
            found.update((key, sample) for key, sample in told.items() if key in missing)
            missing -= set(found)
        return dict(sorted(found.items()))

    async def points(self) -> list[Key]:
        return sorted(await self._points())

    async def _points(self, **labels: str) -> set[Key]:
        match = metricsql.selector("state", **labels)
        times = {"start": "1", "end": metricsql.instant(self._clock.now_ms() + _FUTURE_MS)}
        answer = await self._ask("/api/v1/series", {"match[]": match, **times})
        return {(one["site"], one["equipment"], one["point"]) for one in answer["data"]}

    async def range(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, buckets: int
    ) -> list[Bucket]:
        """Wide stretches are summed up by the server, narrow ones here."""
        begin, end = self._within(from_ms, to_ms)
        if end <= begin:
            return []
        key, width = (site, equipment, point), -(-(to_ms - from_ms) // max(1, buckets))
        if width < _MINUTE_MS:
            samples = await self._export(key, begin, end)
            is_few = len(samples) <= buckets
            return [*map(raw_bucket, samples)] if is_few else _summed(samples, from_ms, to_ms, width)
        count, found = 0, list[Bucket]()
        for query in metricsql.range_questions(key, from_ms, (begin, end), width):
            answer = await self._ask(f"/api/v1/{query.path}", query.parameters)
            more, part = metricsql.read_buckets(answer, query, to_ms)
            count, found = count + more, [*found, *part]
        if count > buckets:
            return found
        return [raw_bucket(sample) for sample in await self._export(key, begin, end)]

    def _within(self, from_ms: EpochMs, to_ms: EpochMs) -> tuple[EpochMs, EpochMs]:
        """The part of the range in which there can be samples."""
        return max(from_ms, _EARLIEST_MS), min(to_ms, self._clock.now_ms() + _FUTURE_MS + 1)

    async def samples(
        self, site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, limit: int
    ) -> list[Sample]:
        """Reads a few hours at once, more where there is nothing."""
        begin, end = self._within(from_ms, to_ms)
        page, found = _PAGE_MS, list[Sample]()
        while begin < end and len(found) < limit:
            part = await self._export((site, equipment, point), begin, min(end, begin + page))
            found += part
            begin, page = begin + page, page if part else 2 * page
        return found[:limit]

    async def _export(self, key: Key, from_ms: EpochMs, to_ms: EpochMs) -> list[Sample]:
        if from_ms >= to_ms:
            return []
        times = {"start": metricsql.instant(from_ms), "end": metricsql.instant(to_ms - 1)}
        reply = await ask(
            self._client,
            f"{self._address.ask}/api/v1/export",
            {"match[]": metricsql.everything_of(*key), **times, "reduce_mem_usage": "1"},
        )
        return metricsql.read_samples(json.loads(line) for line in reply.text.splitlines())

    async def held(self) -> list[Held]:
        at = self._clock.now_ms() + _FUTURE_MS
        return metricsql.read_held(await self._query(metricsql.held_expression(at - _EARLIEST_MS), at))

    async def delete_before(self, at_ms: EpochMs, points: Sequence[Key] | None = None) -> int:
        """Forget months that are wholly older; how many samples went cannot be told: 0."""
        answer = await self._ask("/api/v1/label/month/values", {"start": "1"})
        for month in answer["data"]:
            if month < metricsql.month_of(at_ms):
                for point in [()] if points is None else points:
                    match = metricsql.everything_of(*point, month=month)
                    await ask(self._client, self._address.delete, {"match[]": match})
        return 0

    async def condense(self, at_ms: EpochMs, step_ms: int, points: Sequence[Key]) -> int:  # noqa: ARG002  the protocol's
        """Nothing: down-sampling is the server's own affair."""
        return 0

    async def compact(self) -> None:
        """Merge the parts of a single node now; a cluster's storage nodes do it by themselves."""
        if self._address.flush:
            await ask(self._client, self._address.flush, {})

    async def health(self) -> Health:
        """Whether the server answers, how many points it heard of in the last day, and what it was started without."""
        trouble = self._writer.trouble
        try:
            now = self._clock.now_ms()
            times = {"start": metricsql.instant(now - _DAY_MS), "end": metricsql.instant(now)}
            answer = await self._ask("/api/v1/series", {"match[]": "sample_state", **times})
            points = len({(one["site"], one["equipment"], one["point"]) for one in answer["data"]})
            told = "" if not self._address.flush else await self._warnings()
        except Refused as error:
            return Health("victoriametrics", is_ok=False, points=0, detail=trouble or error.remedy)
        parked = [f"{self._writer.parked} samples refused"] if self._writer.parked else []
        return Health(
            "victoriametrics", not trouble, points, trouble or ", ".join([*parked, *([told] if told else [])])
        )

    async def _warnings(self) -> str:
        try:
            text = (await self._client.get(f"{self._address.ask}/metrics")).raise_for_status().text
        except httpx.HTTPError as error:
            raise unanswered(error) from error
        flags = dict(_FLAG.findall(text))
        ignored = sum(map(int, _IGNORED.findall(text)))
        told = []
        if flags.get("dedup.minScrapeInterval") in ("0s", "0"):
            told.append("start it with -dedup.minScrapeInterval=1ms")
        if flags.get("retentionPeriod") == "1":
            told.append("it keeps one month: start it with -retentionPeriod")
        return ", ".join([*told, *([f"{ignored} rows ignored by the server"] if ignored else [])])

    async def close(self) -> None:
        await self._client.aclose()

    async def _query(self, query: str, at_ms: EpochMs) -> Mapping[str, Any]:
        return await self._ask("/api/v1/query", {"query": query, "time": metricsql.instant(at_ms), "nocache": "1"})

    async def _ask(self, path: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        reply = await ask(self._client, self._address.ask + path, parameters)
        try:
            answer: Mapping[str, Any] = reply.json()
            if answer["status"] != "success":
                raise ValueError(str(answer)[:200])
        except (ValueError, KeyError) as error:
            raise unanswered(error) from error
        return answer


def _summed(samples: Iterable[Sample], from_ms: EpochMs, to_ms: EpochMs, width: int) -> list[Bucket]:
    columns = blocks.to_columns([blocks.stored(sample) for sample in samples])
    tallies: dict[int, summing.Tally] = {}
    for number, summary in summing.stretches(columns, from_ms, to_ms, width):
        tallies.setdefault(number, summing.Tally()).add(summary)
    return [summing.bucket(tally, from_ms + number * width, to_ms, width) for number, tally in tallies.items()]
