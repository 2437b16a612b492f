"""Ingest → telemetry: takes committed sample records to the history store, then marks them as taken.

The records are the truth until then: a crash between the two steps writes the same samples again, which changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress

from sqlalchemy import RowMapping, bindparam, delete, select, update

from cloud.clock import Clock
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.telemetry.store import Row, Sample, Store
from contract.codec import decode_record
from contract.conventions import EpochMs
from contract.messages import SampleBatch

_BATCH = 200
_LONGEST_NAP_S = 5.0
_KEEP_RECORDS_MS = 86_400_000
"""How long a sample record is kept after its samples are in the store."""
_CLEAN_EVERY_MS = 3_600_000
_KEY = ("gateway_id", "epoch", "lane", "seq")


class Mover:
    """Moves samples as they come; ``history_ms`` is how long the store keeps them."""

    def __init__(
        self, database: Database, store: Store, clock: Clock, publish: Callable[..., None], history_ms: int
    ) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self._publish = publish
        self._history_ms = history_ms
        self._cleaned_at = 0
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something to move."""
        self._woken.set()

    async def run(self, nap_s: float = _LONGEST_NAP_S) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            while await self.move():
                pass
            await self._clean()
            with suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._woken.wait()

    async def move(self) -> int:
        """Move one batch of records; how many there were."""
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
        await self._store.write([row for record in found for row in _rows(record)])
        now = self._clock.now_ms()
        taken = update(t.record).where(*(t.record.c[name] == bindparam(f"is_{name}") for name in _KEY))
        async with self._database.write() as connection:
            keys = [{f"is_{name}": record[name] for name in _KEY} for record in found]
            await connection.execute(taken.values(applied_at=now), keys)
        self._publish("samples")
        return len(found)

    async def _clean(self) -> None:
        now: EpochMs = self._clock.now_ms()
        if now - self._cleaned_at < _CLEAN_EVERY_MS:
            return
        self._cleaned_at = now
        await self._store.delete_before(now - self._history_ms)
        old = (t.record.c.type == SampleBatch.__name__) & (t.record.c.applied_at < now - _KEEP_RECORDS_MS)
        async with self._database.write() as connection:
            await connection.execute(delete(t.record).where(old))


def _rows(record: RowMapping) -> Iterator[Row]:
    batch = decode_record(record["body"])
    for series in batch.series if isinstance(batch, SampleBatch) else ():
        for index, at in enumerate(series.at):
            quality = str(series.quality[index]) if series.quality else "good"
            cause = str(series.cause[index]) if series.cause else "none"
            sample = Sample(at, series.value[index], quality, cause)
            yield Row(record["site_id"], series.equipment, series.point, sample)
