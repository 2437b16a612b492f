"""Envelope → Receipt: one transaction holds the records, what they change, and the lane's number; then comes the answer.

Replaying any envelope, any number of times and in any order, changes nothing: the lane knows what it has, and the keys
of ``record``, ``quarantine``, ``alarm`` and ``timeline`` say so too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import msgspec
from sqlalchemy import bindparam, select, update
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
from cloud.storage.prepared import Prepared
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
_WHERE = (t.lane.c.gateway_id == bindparam("gateway")) & (t.lane.c.epoch == bindparam("number"))
_SINCE = (t.lane.c.gateway_id == bindparam("gateway")) & (t.lane.c.epoch >= bindparam("number"))
_MOVE = Prepared(update(t.lane).where(_WHERE, t.lane.c.lane == bindparam("name")).values(through=bindparam("last")))
_STORE = Prepared(t.record.insert())
_WAITING = (t.directive.c.gateway_id == bindparam("gateway")) & t.directive.c.applied_at.is_(None)
_IS_WISHED = select(t.directive.c.id).where(_WAITING).exists().label("is_wished")
_LANES = Prepared(select(t.lane.c.epoch, t.lane.c.lane, t.lane.c.through, t.lane.c.previous, _IS_WISHED).where(_SINCE))
_WISHES = Prepared(
    select(t.directive.c.body, t.directive.c.sent_at)
    .where(_WAITING)
    .order_by(t.directive.c.created_at, t.directive.c.id)
)


class _Senseless(Exception):
    """One of several records made no sense: the transaction begins again, and each of them gets a savepoint of its own."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A receipt that is now true, and what changed."""

    receipt: Receipt
    topics: tuple[str, ...]
    """For whoever looks: what changed."""
    work: tuple[str, ...]
    """For whoever follows: what of that may ask for more."""


async def ingest(database: Database, desk: Desk, authorization: str, envelope: Envelope, now: EpochMs) -> Outcome:
    """Commit an envelope and make its receipt. Raises Refused: 401, 403, or 409 for an epoch that is another's."""
    attempt, is_careful, offset_ms = 1, False, _clock_offset(envelope, now)
    while True:
        try:
            async with database.write(is_brief=True) as connection:
                gateway = await gateways.hear(connection, authorization, envelope.gateway, now, offset_ms)
                return await _Ingest(desk, connection, gateway, envelope, now, is_careful=is_careful).run()
        except _Senseless:
            is_careful = True
        except IntegrityError:
            if attempt == _TRIES:
                raise
            attempt += 1


def _clock_offset(envelope: Envelope, now: EpochMs) -> int | None:
    """How far the gateway's clock is ahead of ours, the way here included."""
    try:
        return instant_ms(envelope.sent_at) - now
    except ValueError:
        return None


class _Ingest:
    """One envelope inside its transaction."""

    def __init__(
        self,
        desk: Desk,
        connection: AsyncConnection,
        gateway: Mapping[Any, Any],
        envelope: Envelope,
        now: EpochMs,
        *,
        is_careful: bool,
    ) -> None:
        self._desk = desk
        self._connection = connection
        self._gateway = gateway
        self._envelope = envelope
        self._now = now
        self._offset_ms = _clock_offset(envelope, now)
        self._is_careful = is_careful
        self._topics: dict[str, None] = {}
        self._is_wished = True
        """Whether directives may wait for this gateway; none come into being while its envelope is committed, or they go with the next."""

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
        return Outcome(receipt, apply.shown(self._topics), tuple(self._topics))

    async def _through(self) -> int:
        """The lane's number so far; the first word of an epoch is checked against what is known of its past."""
        told = self._envelope
        known = await self._lanes(told.epoch)
        if not any(one.epoch == told.epoch for one in known):  # a new epoch: what came before it matters too
            known = await self._lanes(0)
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

    async def _lanes(self, first_epoch: int) -> list[KnownLane]:
        """The gateway's lanes from an epoch on."""
        which = {"gateway": self._envelope.gateway, "number": first_epoch}
        rows = await _LANES.tuples(self._connection, which)
        self._is_wished = not rows or bool(rows[0][-1])
        return [
            KnownLane(epoch, lane, through, Previous(**previous) if previous else None)
            for epoch, lane, through, previous, _ in rows
        ]

    async def _hear(self) -> None:
        """The gateway is alive: whatever it says, silence ends here."""
        if self._gateway["offline_since"] is not None:
            await silence.speak_again(self._desk, self._connection, self._gateway, self._now)
            self._topics.update(dict.fromkeys(("gateways", "alarms", "tickets")))

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
        """Apply events; for each the reason when it makes no sense, in which case it leaves no trace of itself.

        That takes a savepoint, which is left out until it is needed. Raises _Senseless then.
        """
        events = [(self._context(item, told), item.record) for item in run]
        try:
            async with self._connection.begin_nested() if self._is_careful else nullcontext():
                topics = await (apply.apply_alarms(events) if len(events) > 1 else apply.apply(*events[0]))
        except apply.SENSELESS as error:
            if not (self._is_careful or isinstance(error, apply.NothingWritten)):
                raise _Senseless from error
            if len(run) == 1:
                return [str(error)]
            return [
                reason for item in run for reason in await self._apply([item], told)
            ]  # the others are not to suffer
        self._topics.update(dict.fromkeys(topics))
        return [None] * len(run)

    def _context(self, item: Accepted, told: Mapping[Activation, EpochMs]) -> apply.Context:
        name = event_id(self._envelope.gateway, self._envelope.epoch, self._envelope.lane, item.seq)
        sent_at = self._now + (self._offset_ms or 0)
        return apply.Context(self._desk, self._connection, self._gateway, name, self._now, sent_at, told)

    async def _store(self, kept: Sequence[tuple[Accepted, EpochMs | None]]) -> None:
        rows = [
            self._key(item.seq)
            | {"type": type(item.record).__name__, "body": item.body, "received_at": self._now, "applied_at": applied}
            for item, applied in kept
        ]
        await _STORE.run(self._connection, *rows)

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
        told = self._envelope
        which = {"gateway": told.gateway, "number": told.epoch, "name": told.lane, "last": through}
        await _MOVE.run(self._connection, which)

    async def _directives(self) -> list[Directive]:
        """Wishes that the gateway has not answered yet; sent again until it does."""
        if not self._is_wished:
            return []
        which = {"gateway": self._gateway["id"]}
        rows = await _WISHES.tuples(self._connection, which)
        if any(sent_at is None for _, sent_at in rows):
            unsent = update(t.directive).where(_WAITING, t.directive.c.sent_at.is_(None)).values(sent_at=self._now)
            await self._connection.execute(unsent, which)
        return [msgspec.convert(body, Directive) for body, _ in rows]


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
