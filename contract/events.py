"""Gateway ═ contract ═ cloud: what happened on a gateway and how it is: alarms, storms, tests, answers, health."""

from __future__ import annotations

from typing import Literal

import msgspec

from contract.conventions import EpochMs, Instant
from contract.words import Cause, Quality, Severity, Value


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One value that an expression looked at when it decided."""

    name: str
    value: Value
    unit: str = ""
    quality: Quality = Quality.GOOD


class AlarmRaised(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A condition lasted through its on-delay: the alarm is active. ``began_at`` is when the condition became true."""

    equipment: str
    rule: str
    instance: str = ""
    severity: Severity
    clause: str
    began_at: Instant
    raised_at: Instant
    on_delay_ms: int = 0
    because: list[Term] = []
    suppressed_by: str = ""
    """Rule or reason that silences it by design; empty when it is not. ``storm``: one of ``storms`` speaks for it."""
    storms: list[str] = []
    """Ids of the running storms that it is a member of."""


class AlarmCleared(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The condition was seen false through its off-delay."""

    equipment: str
    rule: str
    instance: str = ""
    raised_at: Instant
    cleared_at: Instant
    because: list[Term] = []


class AlarmChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something about an alarm other than its condition changed."""

    equipment: str
    rule: str
    instance: str = ""
    at: Instant
    what: Literal["severity", "suppressed", "unsuppressed", "shelved", "unshelved", "out_of_service", "in_service"]
    severity: Severity | None = None
    reason: str = ""
    until: Instant | None = None


StormKind = Literal["chattering", "flood"]


class StormMember(msgspec.Struct, frozen=True, kw_only=True):
    """One activation of an alarm that belongs to a storm."""

    equipment: str
    rule: str
    instance: str = ""
    severity: Severity
    raised_at: Instant


class StormBegan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Alarms came too thick: one alarm again and again, or many at once (EEMUA 191, ISA-18.2).

    From here on the gateway silences its members by design, life safety never. Who joins later says so in
    ``AlarmRaised.storms``.
    """

    storm: str
    """Its id, unique on this gateway for ever."""
    kind: StormKind
    equipment: str = ""
    """Of chattering: the alarm that chatters; empty for a flood."""
    rule: str = ""
    instance: str = ""
    began_at: Instant
    """When the first of ``members`` was raised."""
    recognised_at: Instant
    within_ms: int
    """The time in which they came."""
    members: list[StormMember]
    """The activations it was recognised by; they keep their tickets."""


class StormEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A storm is over; members that are still active speak for themselves again."""

    storm: str
    kind: StormKind
    equipment: str = ""
    rule: str = ""
    instance: str = ""
    began_at: Instant
    recognised_at: Instant
    ended_at: Instant
    raises: int
    """How often its members were raised in all."""


class RuleUnknown(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A rule could not be judged (``unknown`` true) or can be again (false)."""

    equipment: str
    rule: str
    instance: str = ""
    at: Instant
    unknown: bool
    point: str = ""
    cause: Cause = Cause.NONE


class EvidenceSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Raw samples of one point while a test ran, columnar as in ``SampleSeries``: the evidence outlives the history.

    The first one is what the point showed when the test began, with its own instant. What a gateway that was killed had
    not saved yet (at most 30 s) is missing.
    """

    point: str
    """``serves.POINT`` is a point of the equipment that it serves."""
    at: list[EpochMs]
    value: list[Value]
    quality: list[Quality] = []
    """Empty means all good."""
    cause: list[Cause] = []
    """Empty means all ``none``."""
    unit: str = ""
    every: int = 1
    """1: all are here. n: room ran out; every n-th is here, with the lowest and the highest."""
    left_out: int = 0
    """How many there were besides."""


class TestObserved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A periodic test was recognised from signals, with its evidence and verdict."""

    __test__ = False

    equipment: str
    test: str
    started_at: Instant
    ended_at: Instant
    passed: bool
    reasons: list[str] = []
    evidence: list[Term] = []
    samples: list[EvidenceSeries] = []


class SamplesThinned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Samples were given up for lack of room: which sequence numbers and instants, how many, and why."""

    first: int
    last: int
    from_at: Instant
    to_at: Instant
    dropped: int
    kept: int
    reason: str


class DirectiveApplied(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway's answer to a directive."""

    directive: str
    at: Instant
    applied: bool
    reason: str = ""


class DeviceTrouble(msgspec.Struct, frozen=True, kw_only=True):
    """Something that went wrong with a device: ``times`` in a row, the last time ``at``."""

    at: Instant
    cause: Cause
    text: str
    """What happened, with the request, in a technician's words."""
    times: int = 1


class DeviceRead(msgspec.Struct, frozen=True, kw_only=True):
    """The last answer of a device to one of its requests, as it came over the wire."""

    at: Instant
    where: str
    """``input 0x0000-0x0047``, or the topic."""
    raw: str
    """Registers as four hexadecimal digits each and bits as bytes, apart by blanks; a message as its text."""


class DeviceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one device answers."""

    device: str
    state: Literal["ok", "degraded", "silent", "not_connected", "not_yet"]
    answered_share: float
    """Share of requests answered in the last minute, 0 to 1."""
    last_ok_at: Instant | None = None
    response_ms: float | None = None
    errors: int = 0
    last_error: str = ""
    recent: list[DeviceTrouble] = []
    """The last few troubles, newest first."""
    reads: list[DeviceRead] = []
    """The last answers. A status tells them of some devices, the next one of the next ones."""


class GatewayStatus(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The gateway about itself, at least once a minute."""

    at: Instant
    version: str
    outbox_events: int
    outbox_samples: int
    oldest_unsent_at: Instant | None = None
    clock_offset_ms: int | None = None
    devices: list[DeviceHealth] = []
    active_alarms: int = 0
    oldest_event_at: Instant | None = None
    """Since when the oldest event waits, and the oldest samples: what ``oldest_unsent_at`` says by lane."""
    oldest_sample_at: Instant | None = None
    link_trouble: str = ""
    """Why the cloud was last not reached or did not take what was sent; empty since the start of the process."""
    link_trouble_at: Instant | None = None
