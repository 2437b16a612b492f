"""Envelope → Receipt: one transaction holds the records, what they change, and the lane's number; then comes the answer.

Replaying any envelope, any number of times and in any order, changes nothing: the lane knows what it has, and the keys
of ``record``, ``quarantine``, ``alarm`` and ``timeline`` say so too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import msgspec
from sqlalchemy import RowMapping, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.errors import Refused
from cloud.ingest import apply
from cloud.ingest.accept import (
    Accepted,
    Activation,
    Fresh,
    Gap,
    KnownLane,
    SetAside,
    accept,
    ends,
    is_epoch_taken,
    other_life,
)
from cloud.people import gateways
from cloud.people.service import audit
from cloud.storage import tables as t
from cloud.storage.session import Database
from cloud.storage.sql import insert_new
from cloud.tickets import silence
from cloud.tickets.desk import Desk
from contract.conventions import EpochMs, format_instant, instant_ms
from contract.messages import (
    CONTRACT_VERSION,
    Committed,
    Directive,
    Envelope,
    Previous,
    Receipt,
    SampleBatch,
    event_id,
)
from contract.messages import (
    Refused as RefusedRecord,
)

_TRIES = 3
"""How often a transaction is run again when another replica opened the same ticket first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A receipt that is now true, and what changed."""

    receipt: Receipt
    topics: tuple[str, ...]


async def ingest(database: Database, desk: Desk, authorization: str, envelope: Envelope, now: EpochMs) -> Outcome:
    """Commit an envelope and make its receipt. Raises Refused: 401, 403, or 409 for an epoch that is another's."""
    for attempt in range(1, _TRIES + 1):
        try:
            async with database.write(is_brief=True) as connection:
                gateway = await gateways.authenticate(connection, authorization, envelope.gateway)
                return await _Ingest(desk, connection, gateway, envelope, now).run()
        except IntegrityError:
            if attempt == _TRIES:
                raise
    raise AssertionError  # the loop returns or raises


class _Ingest:
    """One envelope inside its transaction."""

    def __init__(
        self, desk: Desk, connection: AsyncConnection, gateway: RowMapping, envelope: Envelope, now: EpochMs
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._gateway = gateway
        self._envelope = envelope
        self._now = now
        self._topics: dict[str, None] = {}

    async def run(self) -> Outcome:
        through = await self._through()
        await self._hear()
        decision = accept(self._envelope, through, self._now)
        refused: list[SetAside] = []
        if isinstance(decision, Fresh):
            refused = await self._commit(decision, through)
        receipt = Receipt(
            contract=CONTRACT_VERSION,
            gateway=self._envelope.gateway,
            server_time=format_instant(self._now),
            committed=[Committed(epoch=self._envelope.epoch, lane=self._envelope.lane, through=decision.through)],
            refused=[RefusedRecord(seq=item.seq, reason=item.reason) for item in refused],
            directives=await self._directives(),
        )
        if isinstance(decision, Gap):
            self._topics["gateways"] = None
        return Outcome(receipt, tuple(self._topics))

    async def _through(self) -> int:
        """The lane's number so far; the first word of an epoch is checked against what is known of its past."""
        told = self._envelope
        rows = (await self._connection.execute(select(t.lane).where(t.lane.c.gateway_id == told.gateway))).mappings()
        known = [
            KnownLane(
                row["epoch"], row["lane"], row["through"], Previous(**row["previous"]) if row["previous"] else None
            )
            for row in rows
        ]
        if is_epoch_taken(known, told):
            message = f"epoch {told.epoch} was begun by another process of gateway {told.gateway}"
            raise Refused(
                409, "epoch_taken", message, "start the gateway again; two gateways must not share one identity"
            )
        if (life := other_life(known, told)) is not None:
            await audit(self._connection, told.gateway, life[0], told.gateway, self._now, life[1])
            self._topics["gateways"] = None
        through = [one.through for one in known if (one.epoch, one.lane) == (told.epoch, told.lane)]
        if not through:
            await self._begin_lane()
        return through[0] if through else 0

    async def _hear(self) -> None:
        """The gateway is alive: whatever it says, silence ends here."""
        if self._gateway["offline_since"] is not None:
            await silence.speak_again(self._desk, self._connection, self._gateway, self._now)
            self._topics.update(dict.fromkeys(("gateways", "alarms", "tickets")))
        values = {"last_seen_at": self._now, "clock_offset_ms": self._clock_offset()}
        await self._connection.execute(update(t.gateway).where(t.gateway.c.id == self._gateway["id"]).values(**values))

    def _clock_offset(self) -> int | None:
        """How far the gateway's clock is ahead of ours, the way here included."""
        try:
            return instant_ms(self._envelope.sent_at) - self._now
        except ValueError:
            return None

    async def _commit(self, fresh: Fresh, through: int) -> list[SetAside]:
        set_aside = list(fresh.set_aside)
        told = ends(item.record for item in fresh.accepted)
        kept: list[tuple[Accepted, EpochMs | None]] = []
        for run in _runs(fresh.accepted):
            if isinstance(run[0].record, SampleBatch):
                kept += [(item, None) for item in run]  # the mover takes them to the telemetry store
                self._topics["samples"] = None
                continue
            for item, reason in zip(run, await self._apply(run, told), strict=True):
                if reason is None:
                    kept.append((item, self._now))
                else:
                    set_aside.append(SetAside(item.seq, item.body, reason))
        await self._store(kept)
        for aside in set_aside:
            await insert_new(self._connection, t.quarantine, self._key(aside.seq) | self._kept(aside))
        if fresh.through > through:
            await self._move_lane(fresh.through)
        return sorted(set_aside, key=lambda item: item.seq)

    async def _apply(self, run: Sequence[Accepted], told: Mapping[Activation, EpochMs]) -> list[str | None]:
        """Apply events; for each the reason when it makes no sense, in which case it leaves no trace of itself."""
        events = [(self._context(item, told), item.record) for item in run]
        try:
            async with self._connection.begin_nested():
                topics = await (apply.apply_alarms(events) if len(events) > 1 else apply.apply(*events[0]))
        except apply.SENSELESS as error:
            if len(run) == 1:
                return [str(error)]
            return [
                reason for item in run for reason in await self._apply([item], told)
            ]  # the others are not to suffer
        self._topics.update(dict.fromkeys(topics))
        return [None] * len(run)

    def _context(self, item: Accepted, told: Mapping[Activation, EpochMs]) -> apply.Context:
        name = event_id(self._envelope.gateway, self._envelope.epoch, self._envelope.lane, item.seq)
        sent_at = self._now + (self._clock_offset() or 0)
        return apply.Context(self._desk, self._connection, self._gateway, name, self._now, sent_at, told)

    async def _store(self, kept: Sequence[tuple[Accepted, EpochMs | None]]) -> None:
        rows = [
            self._key(item.seq)
            | {"type": type(item.record).__name__, "body": item.body, "received_at": self._now, "applied_at": applied}
            for item, applied in kept
        ]
        if rows:
            await self._connection.execute(t.record.insert(), rows)

    def _lane(self) -> dict[str, object]:
        told = self._envelope
        return {"gateway_id": told.gateway, "epoch": told.epoch, "lane": told.lane}

    def _key(self, seq: int) -> dict[str, object]:
        return self._lane() | {"seq": seq}

    def _kept(self, aside: SetAside) -> dict[str, object]:
        self._topics["gateways"] = None
        return {"reason": aside.reason, "body": aside.body, "received_at": self._now}

    async def _begin_lane(self) -> None:
        previous = msgspec.to_builtins(self._envelope.previous) if self._envelope.previous else None
        await insert_new(
            self._connection, t.lane, self._lane() | {"through": 0, "first_seen_at": self._now, "previous": previous}
        )

    async def _move_lane(self, through: int) -> None:
        where = [t.lane.c[name] == value for name, value in self._lane().items()]
        await self._connection.execute(update(t.lane).where(*where).values(through=through))

    async def _directives(self) -> list[Directive]:
        """Wishes that the gateway has not answered yet; sent again until it does."""
        waiting = (t.directive.c.gateway_id == self._gateway["id"]) & t.directive.c.applied_at.is_(None)
        query = select(t.directive).where(waiting).order_by(t.directive.c.created_at, t.directive.c.id)
        rows = (await self._connection.execute(query)).mappings().all()
        if any(row["sent_at"] is None for row in rows):
            unsent = waiting & t.directive.c.sent_at.is_(None)
            await self._connection.execute(update(t.directive).where(unsent).values(sent_at=self._now))
        return [msgspec.convert(row["body"], Directive) for row in rows]


def _runs(accepted: Sequence[Accepted]) -> Iterator[list[Accepted]]:
    """Neighbours that are applied together: plain alarms, and samples. Any other record is alone."""
    for kind, group in groupby(accepted, _kind):
        items = list(group)
        size = {"samples": len(items), "alarms": apply.TOGETHER}.get(kind, 1)
        yield from (items[first : first + size] for first in range(0, len(items), size))


def _kind(item: Accepted) -> str:
    if isinstance(item.record, SampleBatch):
        return "samples"
    return "alarms" if apply.is_plain(item.record) else "alone"
