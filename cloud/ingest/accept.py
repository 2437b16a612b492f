"""Envelope → ingest: which records are new, which are good, and which are set aside with a reason (pure).

A record is decoded alone: an unknown or broken one is quarantined, counts as committed, and its neighbours pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from contract.codec import ContractError, decode_record
from contract.conventions import EpochMs, instant_ms
from contract.messages import AlarmCleared, AlarmRaised, Envelope, Previous, Record, SampleBatch

FUTURE_MS = 600_000
"""Samples further ahead of the cloud's clock than this are no samples: a clock is wrong."""


PROMPT_MS = 2_000
"""An event that is sent within this time of its end was sent at once; a slow line is no cut line."""
LARGEST = 2**63
"""What no database column of ours can hold."""


_LOOKED_THROUGH = SampleBatch(series=[])
"""Stands for samples that were found good. They are kept as their bytes: decoded, an envelope of them is tens of thousands of
objects, which nobody looks at again here."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that is new and readable. ``record`` has no samples: those stay in ``body``."""

    seq: int
    body: bytes
    record: Record


@dataclass(frozen=True, slots=True)
class SetAside:
    """A record that nobody can use, kept with its reason."""

    seq: int
    body: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers are missing before this envelope: nothing is committed, the gateway sends again from ``through`` + 1."""

    through: int


@dataclass(frozen=True, slots=True)
class Fresh:
    """What is new in an envelope. ``through`` is the lane's highest number once this is committed."""

    through: int
    accepted: tuple[Accepted, ...]
    set_aside: tuple[SetAside, ...]


Acceptance = Gap | Fresh


def accept(envelope: Envelope, through: int, now: EpochMs) -> Acceptance:
    """Compare an envelope with what the lane holds already (``through``, 0 for nothing). Repeats give an empty Fresh."""
    if envelope.first > through + 1:
        return Gap(through)
    judged = [
        judge(seq, bytes(raw), now) for seq, raw in enumerate(envelope.records, start=envelope.first) if seq > through
    ]
    return Fresh(
        max(through, envelope.first + len(envelope.records) - 1),
        tuple(item for item in judged if isinstance(item, Accepted)),
        tuple(item for item in judged if isinstance(item, SetAside)),
    )


def judge(seq: int, body: bytes, now: EpochMs) -> Accepted | SetAside:
    """Decode one record alone and look whether anybody can use it."""
    try:
        record = decode_record(body)
    except ContractError as error:
        return SetAside(seq, body, str(error))
    if isinstance(record, SampleBatch) and (reason := _wrong_samples(record, now)):
        return SetAside(seq, body, reason)
    return Accepted(seq, body, _LOOKED_THROUGH if isinstance(record, SampleBatch) else record)


def _wrong_samples(batch: SampleBatch, now: EpochMs) -> str:
    latest = now + FUTURE_MS
    for series in batch.series:
        at, value = series.at, series.value
        size = len(at)
        if len(value) != size or any(column and len(column) != size for column in (series.quality, series.cause)):
            return f"{series.equipment}/{series.point}: columns of different length"
        if not size:
            continue
        if max(at) > latest:
            ahead_s = (max(at) - now) // 1000
            return f"{series.equipment}/{series.point}: sampled {ahead_s} s in the future; check the gateway's clock"
        if min(at) < 0:
            return f"{series.equipment}/{series.point}: sampled before 1970; check the gateway's clock"
        for one in value:
            if type(one) is int and not -LARGEST < one < LARGEST:
                return f"{series.equipment}/{series.point}: a value needs more than 64 bits"
    return ""


Activation = tuple[str, str, str, str]
"""Equipment, rule, instance and raised_at: what tells one activation of an alarm from the next."""


def activation(record: AlarmRaised | AlarmCleared) -> Activation:
    """Which activation a record is about."""
    return (record.equipment, record.rule, record.instance, record.raised_at)


def ends(records: Iterable[Record]) -> dict[Activation, EpochMs]:
    """The activations whose end is told in the same breath, and when that was (the gateway's clock)."""
    found: dict[Activation, EpochMs] = {}
    for record in records:
        if isinstance(record, AlarmCleared):
            with suppress(ValueError):  # an instant that is none is set aside when its own turn comes
                found[activation(record)] = instant_ms(record.cleared_at)
    return found


def is_old_news(ended_at: EpochMs, sent_at: EpochMs, tolerance_ms: int) -> bool:
    """Whether something had ended so long before it was sent that the gateway must have been cut off.

    A gateway sends events at once. Both instants are of its own clock, so it does not matter whether that is right.
    """
    return ended_at + tolerance_ms < sent_at


# --- other lives of a gateway ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KnownLane:
    """A lane as it is held here: the highest number, and what its first envelope told of the epoch before it."""

    epoch: int
    lane: str
    through: int
    previous: Previous | None


def is_epoch_taken(known: Sequence[KnownLane], told: Envelope) -> bool:
    """Whether somebody else began this epoch: two processes cannot both come after different pasts."""
    if told.previous is None:
        return False
    pasts = [one.previous for one in known if one.epoch == told.epoch and one.previous is not None]
    return any(past != told.previous for past in pasts)


def other_life(known: Sequence[KnownLane], told: Envelope) -> tuple[str, dict[str, int]] | None:
    """What an envelope gives away of its gateway's disk, as a name for the audit trail with its figures; usually nothing.

    ``outbox_restored``: the epoch before held more numbers than the gateway remembers, so its disk is an older copy.
    ``outbox_new``: it remembers no epoch at all, so its disk is new. ``gateway_cloned``: an epoch goes on beyond the number at
    which a later one says that it ended, so two processes live with one identity.
    """
    if not any(one.epoch == told.epoch for one in known):
        if told.previous is not None and (lost := _forgotten(known, told.previous)):
            return "outbox_restored", {"epoch": told.epoch, "previous": told.previous.epoch, "numbers": lost}
        if told.previous is None and told.first == 1 and told.records and known:
            return "outbox_new", {"epoch": told.epoch, "previous": max(one.epoch for one in known)}
    return _clone(known, told)


def _forgotten(known: Sequence[KnownLane], told: Previous) -> int:
    held = {one.lane: one.through for one in known if one.epoch == told.epoch}
    return max(0, held.get("events", 0) - told.events) + max(0, held.get("samples", 0) - told.samples)


def _clone(known: Sequence[KnownLane], told: Envelope) -> tuple[str, dict[str, int]] | None:
    """Told once for each lane: by the envelope that crosses the end."""
    through = max((one.through for one in known if (one.epoch, one.lane) == (told.epoch, told.lane)), default=0)
    last = told.first + len(told.records) - 1
    for one in known:
        if one.previous is not None and one.previous.epoch == told.epoch:
            end = one.previous.events if told.lane == "events" else one.previous.samples
            if through <= end < last:
                return "gateway_cloned", {"epoch": told.epoch, "since": one.epoch, "ended_at_number": end}
    return None
