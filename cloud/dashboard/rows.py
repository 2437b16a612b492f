"""dashboard: the frozen rows that views.py selects and everything else here turns into text. Instants are epoch ms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.conventions import EpochMs

Text = Mapping[str, str]
Value = float | int | bool | str | None


@dataclass(frozen=True, slots=True)
class SiteRow:
    id: str
    name: str
    zone: str


@dataclass(frozen=True, slots=True)
class LimitMark:
    """Beyond ``value`` on side ``op`` the rule is in alarm."""

    rule: str
    op: str
    value: float
    severity: str
    clause: str


@dataclass(frozen=True, slots=True)
class PointRow:
    id: str
    name: Text
    kind: str
    unit: str = ""
    digits: int = 1
    plausible: tuple[float, float] | None = None
    states: Mapping[str, Text] = field(default_factory=dict)
    limits: tuple[LimitMark, ...] = ()
    device: str = ""
    device_point: str = ""
    wire: str = ""
    expected_every_ms: int = 0


@dataclass(frozen=True, slots=True)
class SampleRow:
    """The newest sample of a point, and the newest good one when that is another."""

    at: EpochMs
    value: Value
    quality: str = "good"
    cause: str = "none"
    last_good_at: EpochMs | None = None
    last_good: Value = None


@dataclass(frozen=True, slots=True)
class EquipmentRow:
    site: str
    id: str
    equipment_class: str
    system: str
    name: Text
    place: str = ""
    serves: str = ""
    roles: tuple[str, ...] = ()
    ratings: Mapping[str, float | str] = field(default_factory=dict)
    main_points: tuple[str, ...] = ()
    gateway: str | None = None
    out_of_service: Mapping[str, Any] | None = None
    building: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.site, self.id


@dataclass(frozen=True, slots=True)
class RuleRow:
    id: str
    name: Text
    severity: str
    clause: str
    expression: str = ""
    on_delay_ms: int = 0
    off_delay_ms: int = 0
    cause: Text | None = None
    consequence: Text | None = None
    action: Text | None = None
    points: tuple[str, ...] = ()
    emergency: str = ""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    id: int
    site: str
    equipment: str
    rule: RuleRow
    equipment_name: Text
    severity: str
    state: str
    began_at: EpochMs
    raised_at: EpochMs
    received_at: EpochMs
    cleared_at: EpochMs | None = None
    instance: str = ""
    because: tuple[Mapping[str, Any], ...] = ()
    suppressed_by: str = ""
    shelved_until: EpochMs | None = None
    acknowledged_at: EpochMs | None = None
    acknowledged_by: str = ""
    ticket: int | None = None
    storm_ticket: int | None = None
    """Of the storm that silences it."""
    system: str = ""


@dataclass(frozen=True, slots=True)
class DeadlineRow:
    clock: str
    target_s: int
    start_at: EpochMs
    due_at: EpochMs | None
    state: str
    met_at: EpochMs | None = None
    breached_at: EpochMs | None = None
    used_s: float = 0.0
    calendar: str = ""
    clause: str = ""
    source: str = ""
    activation: int = 1


@dataclass(frozen=True, slots=True)
class TicketRow:
    id: int
    kind: str
    site: str
    equipment: str
    equipment_name: Text
    rule: str
    title: Text
    priority: str
    severity: str
    system: str
    clause: str
    state: str
    opened_at: EpochMs
    began_at: EpochMs | None = None
    raised_at: EpochMs | None = None
    received_at: EpochMs | None = None
    closed_at: EpochMs | None = None
    holder: str = ""
    """Sign-in name, as the desk keeps it."""
    holder_name: str = ""
    is_past: bool = False
    cause_text: str = ""
    action_text: str = ""
    emergency: str = ""
    occurrences: int = 1
    policy: str = ""
    previous: int | None = None
    is_alarm_active: bool = False
    version: int = 1
    deadlines: tuple[DeadlineRow, ...] = ()
    place: str = ""

    @property
    def number(self) -> str:
        return ticket_number(self.id)


@dataclass(frozen=True, slots=True)
class TimelineRow:
    id: int
    at: EpochMs
    kind: str
    actor_kind: str
    actor: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TestRow:
    """A periodic test of one piece of equipment with its newest result."""

    __test__ = False

    site: str
    equipment: str
    equipment_name: Text
    id: str
    name: Text
    every: str
    clause: str
    proof: str
    last_at: EpochMs | None = None
    last_passed: bool | None = None
    last_reasons: tuple[str, ...] = ()
    due_at: EpochMs | None = None
    """End of the open due date; None until the maintenance sweep has set one."""
    last_event: str = ""
    """Of the newest result."""


@dataclass(frozen=True, slots=True)
class GatewayRow:
    id: str
    site: str
    last_seen_at: EpochMs | None
    interval_ms: int
    version: str
    clock_offset_ms: int | None
    offline_since: EpochMs | None
    revoked_at: EpochMs | None
    status: Mapping[str, Any]
    waiting: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class DeviceRow:
    site: str
    id: str
    gateway: str
    model: str
    model_name: str
    status: str
    bus: str
    protocol: str
    address: str
    every_ms: int
    plan: tuple[str, ...]
    state: str
    answered_share: float | None
    last_ok_at: EpochMs | None
    response_ms: float | None
    errors: int
    last_error: str
    equipment: tuple[str, ...] = ()
    recent: tuple[Mapping[str, Any], ...] = ()
    """Last troubles, newest first, as contract DeviceTrouble objects."""
    reads: tuple[Mapping[str, Any], ...] = ()
    """Last answers as they came, as contract DeviceRead objects."""


def ticket_number(ticket: int) -> str:
    """``T-000417``."""
    return f"T-{ticket:06d}"
