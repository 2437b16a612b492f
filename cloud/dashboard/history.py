"""dashboard: telemetry store → newest values and drawn ranges. A slow or broken store costs its chart, never the page."""

from __future__ import annotations

import asyncio
import csv
import io
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cloud.dashboard.chart import Bucket
from cloud.dashboard.present import Here, duration
from cloud.dashboard.rows import EquipmentRow, SampleRow
from cloud.errors import Refused

HOUR_MS: Final = 3_600_000
SPANS: Final[Mapping[str, int]] = {
    "1h": HOUR_MS, "24h": 24 * HOUR_MS, "7d": 168 * HOUR_MS, "31d": 744 * HOUR_MS, "1y": 366 * 24 * HOUR_MS,
}  # fmt: skip
BUCKETS: Final = 400
PATIENCE_S: Final = 5.0
LOOK_BACK_MS: Final = 24 * HOUR_MS
LONGEST_MS: Final = 100 * 366 * 24 * HOUR_MS
LAST_MS: Final = 253_370_764_800_000
"""Year 9999: beyond it, and before 1970, no calendar of ours goes."""
CSV_HEAD: Final = ("point", "at", "mean", "minimum", "maximum", "quality", "cause", "samples", "unit")
UNAVAILABLE: Final = "history_unavailable"
_BROKEN: Final = (Refused, TimeoutError, OSError, RuntimeError, sqlite3.Error)


class HistoryUnavailable(Refused):
    """The store did not answer in time or not at all. Live values of the database and tickets still work."""

    def __init__(self) -> None:
        super().__init__(503, UNAVAILABLE, "history cannot be read now", "try again; live values and tickets work")


@dataclass(frozen=True, slots=True)
class Range:
    """What a reader asked for, in epoch ms, and the name of the span when it is one of ours."""

    start: int
    end: int
    span: str = ""

    @property
    def query(self) -> str:
        return f"span={self.span}" if self.span else f"from={self.start}&to={self.end}"


async def latest(store: Any, site: str, equipment: str) -> dict[str, SampleRow]:  # noqa: ANN401 - the store's protocol
    """Newest sample of every point; nothing when the store is down, so that the page says 'nothing read' and goes on."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await store.latest(site, equipment)
    except _BROKEN:
        return {}
    return {point: sample_row(sample) for point, sample in found.items()}


def sample_row(sample: Any) -> SampleRow:  # noqa: ANN401
    return SampleRow(at=sample.at_ms, value=sample.value, quality=str(sample.quality), cause=str(sample.cause))


async def latest_of_all(store: Any, rows: Iterable[EquipmentRow]) -> dict[tuple[str, str], dict[str, SampleRow]]:  # noqa: ANN401
    """Newest samples of all equipment that has telemetry: one question a site, nothing where the store is down."""
    kept = [row.key for row in rows if row.gateway is not None]
    found: dict[tuple[str, str], dict[str, SampleRow]] = {key: {} for key in kept}
    for site in sorted({site for site, _ in kept}):
        for equipment, samples in (await _latest_of_site(store, site)).items():
            if (site, equipment) in found:
                found[site, equipment] = {point: sample_row(sample) for point, sample in samples.items()}
    return found


async def _latest_of_site(store: Any, site: str) -> Mapping[str, Mapping[str, Any]]:  # noqa: ANN401
    try:
        async with asyncio.timeout(PATIENCE_S):
            return dict(await store.latest_of_all(site))
    except _BROKEN:
        return {}


async def last_good(store: Any, site: str, equipment: str, point: str, sample: SampleRow) -> SampleRow:  # noqa: ANN401
    """The same sample with the newest good value of the last day, for a point that has none now."""
    span = Range(sample.at - LOOK_BACK_MS, sample.at + 1)
    try:
        buckets = await read(store, site, equipment, point, span, 500)
    except HistoryUnavailable:
        return sample
    good = [bucket for bucket in buckets if bucket.mean is not None]
    if not good:
        return sample
    return SampleRow(sample.at, sample.value, sample.quality, sample.cause, good[-1].at, good[-1].mean)


async def stretches(store: Any, site: str, equipment: str, point: str, span: Range, buckets: int) -> list[Any]:  # noqa: ANN401
    """A range as the store tells it. Raises HistoryUnavailable."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return list(await store.range(site, equipment, point, span.start, span.end, buckets))
    except _BROKEN as error:
        raise HistoryUnavailable from error


async def read(store: Any, site: str, equipment: str, point: str, span: Range, buckets: int = BUCKETS) -> list[Bucket]:  # noqa: ANN401
    """A range in at most ``buckets`` pieces. Raises HistoryUnavailable."""
    return [bucket_of(one) for one in await stretches(store, site, equipment, point, span, buckets)]


def bucket_of(one: Any) -> Bucket:  # noqa: ANN401
    has_value = one.mean is not None and one.count > 0
    return Bucket(
        at=(one.start_ms + one.end_ms) // 2, mean=float(one.mean) if has_value else None,
        low=float(one.minimum) if has_value else None, high=float(one.maximum) if has_value else None,
        quality=str(one.quality), cause=one.cause or "none", count=one.count,
    )  # fmt: skip


def wanted_range(span: str, start: str, end: str, here: Here) -> Range:
    """The range in the address: a named span, or from and to as epoch ms or as local date and time; else 24 h."""
    begin, finish = _instant(start, here), _instant(end, here)
    if begin is not None and finish is not None and 0 < finish - begin <= LONGEST_MS:
        return Range(begin, finish)
    name = span if span in SPANS else "24h"
    return Range(here.now - SPANS[name], here.now, name)


def is_misread(query: Mapping[str, str], wanted: Range) -> bool:
    """Whether the address says a range that cannot be drawn, so that another one is shown."""
    has_ends = bool(query.get("from") or query.get("to"))
    return bool(wanted.span) and (has_ends or query.get("span", wanted.span) != wanted.span)


def check_drawable(query: Mapping[str, str], wanted: Range) -> None:
    """A file holds what was asked for or is none: on a page it is said beside. Raises Refused (422)."""
    if is_misread(query, wanted):
        remedy = (
            "write from and to as 2026-11-21T07:05 or in epoch milliseconds, from before to, 100 years apart at most"
        )
        raise Refused(422, "no_range", "the address names no range that can be read", remedy)


def _instant(text: str, here: Here) -> int | None:
    """Epoch milliseconds of ``1700000000000`` or ``2026-11-21T07:05`` in the site's zone; None for anything else."""
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= 15 and int(text) <= LAST_MS else None
    return local_instant(text, here)


def local_instant(text: str, here: Here) -> int | None:
    """What a ``datetime-local`` field says, in the site's zone; None for what is no instant from 1970 to 9999."""
    try:
        there = datetime.fromisoformat(text)
        aware = there.replace(tzinfo=here.zone) if there.tzinfo is None else there
        at = int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return at if 0 <= at <= LAST_MS else None


def step_text(span: Range, buckets: int, here: Here) -> str:
    """How long one drawn value stands for."""
    return duration(max(1.0, (span.end - span.start) / 1000 / buckets), here.words)


async def csv_lines(rows: Iterable[tuple[str, str, list[Bucket]]], here: Here) -> AsyncIterator[str]:
    """A head, and one line a bucket of each point (its name, its unit): ``CSV_HEAD`` says what, in the site's time."""
    yield ",".join(CSV_HEAD) + "\r\n"
    for point, unit, buckets in rows:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        for one in buckets:
            writer.writerow([point, here.local(one.at).isoformat(timespec="seconds"), _cell(one.mean), _cell(one.low),
                             _cell(one.high), one.quality, one.cause, one.count, unit])  # fmt: skip
        yield out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None else repr(value)
