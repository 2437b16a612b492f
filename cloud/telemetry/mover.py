"""Ingest → telemetry: takes committed sample records to the history store, then marks them as taken.

The records are the truth until then: a crash between the two steps writes the same samples again, which changes nothing. This runs beside
the ticket path and shares nothing with it but the database: a store that is slow or away delays history and no ticket. What
waits is bounded on disk: beyond the bound the oldest samples go, which is logged and audited. Of several replicas one moves at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat

import structlog
from sqlalchemy import RowMapping, delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.clock import Clock
from cloud.config import Config
from cloud.people.service import audit
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.storage.turn import turn
from cloud.telemetry.keeping import Keeping, duties
from cloud.telemetry.parking import park
from cloud.telemetry.store import Away, Row, Sample, Store
from contract.codec import decode_record
from contract.conventions import EpochMs, format_instant
from contract.messages import SampleBatch

log = structlog.get_logger("telemetry")
_BATCH = 200
_LONGEST_NAP_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_KEEP_RECORDS_MS = 86_400_000
"""How long a sample record is kept after its samples are in the store."""
_TIDY_EVERY_MS = 3_600_000
_WEIGH_EVERY_MS = 60_000
_THINNED_AT_ONCE = 1000
_KEY = ("gateway_id", "epoch", "lane", "seq")
_IS_WAITING = t.record.c.applied_at.is_(None) & (t.record.c.type == SampleBatch.__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long history is kept, and how many bytes of it may wait for a store that is away."""

    history_ms: int
    rules: Sequence[Keeping] = ()
    backlog_bytes: int = 2 * 2**30


def bounds_of(config: Config) -> Bounds:
    return Bounds(config.history_ms, config.history_rules, config.history_backlog_bytes)


async def tidy(store: Store, bounds: Bounds, now: EpochMs) -> None:
    """Forget and condense what is old."""
    points = await store.points() if bounds.rules else []
    for duty in duties(bounds.history_ms, bounds.rules, points):
        await store.delete_before(now - duty.keeping.keep_ms, duty.points)
        if duty.keeping.step_ms and duty.points is not None:
            await store.condense(now - duty.keeping.raw_ms, duty.keeping.step_ms, duty.points)


class Mover:
    """Moves samples as they come."""

    def __init__(
        self, database: Database, store: Store, clock: Clock, publish: Callable[..., None], bounds: Bounds
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._publish = publish
        self._bounds = bounds
        self._tidied_at = 0
        self._weighed_at = 0
        self._woken = asyncio.Event()
        self.is_away = False
        self.parked_samples = 0
        self.thinned_records = 0

    def wake(self) -> None:
        """There is something to move."""
        self._woken.set()

    async def run(self, nap_s: float = _LONGEST_NAP_S) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            await self.move_all()
            await self.tidy()
            with suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._woken.wait()

    async def move_all(self) -> None:
        """Move all that waits, however often the store is away meanwhile."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                if not await self.move():
                    return
                wait_s = _FIRST_WAIT_S
            except Away as error:
                self._note(str(error))
                await self.weigh()
                await self._clock.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def move(self) -> int:
        """Move one batch of records; how many there were. 0 too while another replica moves. Raises Away."""
        async with turn(self._database, "mover") as is_ours:
            return await self._move() if is_ours else 0

    async def _move(self) -> int:
        query = (
            select(t.record, t.gateway.c.site_id)
            .join(t.gateway, t.gateway.c.id == t.record.c.gateway_id)
            .where(t.record.c.applied_at.is_(None))
            .order_by(t.record.c.received_at, *(t.record.c[name] for name in _KEY))
            .limit(_BATCH)
        )
        async with self._database.read() as connection:
            found = (await connection.execute(query)).mappings().all()
        if not found:
            return 0
        refused = await self._store.write([row for record in found for row in _rows(record)])
        self._note("")
        now = self._clock.now_ms()
        async with self._database.write() as connection:
            if refused:
                await park(connection, found, refused, now)
            await _mark_taken(connection, found, now)
        self.parked_samples += len(refused)
        self._publish("samples")
        if len(found) == _BATCH:
            await self.weigh()
        return len(found)

    def _note(self, trouble: str) -> None:
        """Say it once when it begins and once when it is over."""
        if bool(trouble) != self.is_away:
            log.warning("history_store_away", reason=trouble) if trouble else log.info("history_store_back")
        self.is_away = bool(trouble)

    async def weigh(self) -> None:
        """Look, at most once a minute, whether too much waits; thin the oldest if so."""
        now = self._clock.now_ms()
        if now - self._weighed_at < _WEIGH_EVERY_MS:
            return
        self._weighed_at = now
        async with self._database.read() as connection:
            query = select(func.coalesce(func.sum(func.length(t.record.c.body)), 0)).where(_IS_WAITING)
            waiting = int((await connection.execute(query)).scalar_one())
        surplus = waiting - self._bounds.backlog_bytes
        while surplus > 0:
            async with self._database.write() as connection:
                surplus -= await self._thin(connection, surplus, now)

    async def _thin(self, connection: AsyncConnection, surplus: int, now: EpochMs) -> int:
        """Drop the oldest waiting records; how many bytes they were."""
        size = func.length(t.record.c.body).label("size")
        query = select(*(t.record.c[name] for name in _KEY), t.record.c.received_at, size).where(_IS_WAITING)
        oldest = query.order_by(t.record.c.received_at, t.record.c.seq).limit(_THINNED_AT_ONCE)
        freed, keys = 0, list[tuple[str, int, str, int]]()
        first = last = now
        for row in await connection.execute(oldest):
            if freed >= surplus:
                break
            freed += row.size
            first, last = min(first, row.received_at), row.received_at
            keys.append((row.gateway_id, row.epoch, row.lane, row.seq))
        if not keys:
            return surplus
        await connection.execute(delete(t.record).where(tuple_(*(t.record.c[name] for name in _KEY)).in_(keys)))
        told = {"records": len(keys), "bytes": freed, "from": format_instant(first), "to": format_instant(last)}
        await audit(connection, "history", "history_thinned", "", now, told)
        log.warning("history_thinned", **told)
        self.thinned_records += len(keys)
        return freed

    async def tidy(self) -> None:
        """Once an hour: forget and condense what is old, and drop records that were taken a day ago."""
        now: EpochMs = self._clock.now_ms()
        if now - self._tidied_at < _TIDY_EVERY_MS:
            return
        self._tidied_at = now
        with suppress(Away):  # in an hour, then
            await tidy(self._store, self._bounds, now)
        old = (t.record.c.type == SampleBatch.__name__) & (t.record.c.applied_at < now - _KEEP_RECORDS_MS)
        async with self._database.write() as connection:
            await connection.execute(delete(t.record).where(old))


async def _mark_taken(connection: AsyncConnection, found: Sequence[RowMapping], now: EpochMs) -> None:
    """One statement for each lane."""
    lanes: dict[tuple[str, int, str], list[int]] = {}
    for record in found:
        lanes.setdefault((record["gateway_id"], record["epoch"], record["lane"]), []).append(record["seq"])
    for lane, numbers in lanes.items():
        where = [t.record.c[name] == value for name, value in zip(_KEY, lane, strict=False)]
        await connection.execute(update(t.record).where(*where, t.record.c.seq.in_(numbers)).values(applied_at=now))


def _rows(record: RowMapping) -> Iterator[Row]:
    batch, site = decode_record(record["body"]), record["site_id"]
    for series in batch.series if isinstance(batch, SampleBatch) else ():
        qualities = map(str, series.quality) if series.quality else repeat("good")
        causes = map(str, series.cause) if series.cause else repeat("none")
        equipment, point = series.equipment, series.point
        for at, value, quality, cause in zip(series.at, series.value, qualities, causes, strict=False):
            yield Row(site, equipment, point, Sample(at, value, quality, cause))
