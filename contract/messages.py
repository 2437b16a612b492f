"""Gateway ═ contract ═ cloud: every message of the published language, as architecture section 4 names them.

Fields are only ever added, with a default. An older gateway's message lacks them and an older cloud ignores them;
known fields are strict. Instants are ``Instant`` strings; sample columns are epoch milliseconds.

Whoever speaks it imports from here; its parts stand by subject in ``words``, ``announced`` and ``events``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from contract.announced import (
    AnnouncedDevice,
    AnnouncedEquipment,
    AnnouncedLimit,
    AnnouncedPoint,
    AnnouncedRule,
    AnnouncedTest,
    DeviceAnnounced,
    PointLimit,
    Resolving,
)
from contract.conventions import EpochMs, Instant
from contract.events import (
    AlarmChanged,
    AlarmCleared,
    AlarmRaised,
    DeviceHealth,
    DeviceRead,
    DeviceTrouble,
    DirectiveApplied,
    EvidenceSeries,
    GatewayStatus,
    RuleUnknown,
    SamplesThinned,
    StormBegan,
    StormEnded,
    StormKind,
    StormMember,
    Term,
    TestObserved,
)
from contract.words import CONTRACT_VERSION, Cause, Lane, Quality, Severity, Text, Value

__all__ = [
    "CONTRACT_VERSION",
    "AlarmChanged",
    "AlarmCleared",
    "AlarmRaised",
    "AnnouncedDevice",
    "AnnouncedEquipment",
    "AnnouncedLimit",
    "AnnouncedPoint",
    "AnnouncedRule",
    "AnnouncedTest",
    "Cause",
    "Committed",
    "DeviceAnnounced",
    "DeviceHealth",
    "DeviceRead",
    "DeviceTrouble",
    "Directive",
    "DirectiveApplied",
    "Envelope",
    "EvidenceSeries",
    "GatewayStatus",
    "Lane",
    "PointLimit",
    "Previous",
    "Quality",
    "Receipt",
    "Record",
    "Refused",
    "Resolving",
    "RuleUnknown",
    "SampleBatch",
    "SampleSeries",
    "SamplesThinned",
    "Severity",
    "StormBegan",
    "StormEnded",
    "StormKind",
    "StormMember",
    "Term",
    "TestObserved",
    "Text",
    "Value",
    "event_id",
    "fault_key",
]


class SampleSeries(msgspec.Struct, frozen=True, kw_only=True):
    """Samples of one point, columnar: ``at[i]``, ``value[i]``, ``quality[i]``, ``cause[i]`` belong together."""

    equipment: str
    point: str
    device: str
    at: list[EpochMs]
    value: list[Value]
    quality: list[Quality] = []
    """Empty means all good."""
    cause: list[Cause] = []
    """Empty means all ``none``."""


class SampleBatch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Samples committed together on the gateway."""

    series: list[SampleSeries]


Record = (
    DeviceAnnounced
    | SampleBatch
    | AlarmRaised
    | AlarmCleared
    | AlarmChanged
    | StormBegan
    | StormEnded
    | RuleUnknown
    | TestObserved
    | SamplesThinned
    | DirectiveApplied
    | GatewayStatus
)


# --- envelope and receipt ---------------------------------------------------------------------------------------


class Previous(msgspec.Struct, frozen=True, kw_only=True):
    """The last numbers the previous epoch ever gave out; 0 means none."""

    epoch: int
    events: int
    samples: int


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One request: consecutive records of one lane and epoch. ``records`` may be empty (a heartbeat)."""

    contract: int
    gateway: str
    epoch: int
    lane: Lane
    first: int
    """Sequence number of ``records[0]``; the i-th record has ``first + i``. Numbers start at 1 in each epoch."""
    sent_at: Instant
    records: list[msgspec.Raw]
    previous: Previous | None = None


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """Every number of this lane and epoch up to and including ``through`` is committed (0: none)."""

    epoch: int
    lane: Lane
    through: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A record that was quarantined: it counts as committed, the lane moves on."""

    seq: int
    reason: str


class Directive(msgspec.Struct, frozen=True, kw_only=True):
    """A wish of the cloud, answered by ``DirectiveApplied``. Fields are used by kind; the rest stay empty."""

    id: str
    kind: Literal["acknowledge", "shelve", "unshelve", "out_of_service", "in_service", "set_limit", "refresh"]
    by: str
    reason: str = ""
    equipment: str = ""
    rule: str = ""
    instance: str = ""
    until: Instant | None = None
    limit: str = ""
    value: float | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The cloud's answer, sent only after its commit."""

    contract: int
    gateway: str
    server_time: Instant
    committed: list[Committed]
    refused: list[Refused] = []
    directives: list[Directive] = []


def event_id(gateway: str, epoch: int, lane: Lane, seq: int) -> str:
    """The id of one record for ever: ``gateway:epoch:lane:seq``."""
    return f"{gateway}:{epoch}:{lane}:{seq}"


def fault_key(site: str, equipment: str, rule: str, instance: str = "") -> str:
    """``site/equipment/rule[/instance]``, unique among open tickets."""
    return "/".join(part for part in (site, equipment, rule, instance) if part)
