"""Gateway ═ contract ═ cloud: what a gateway has: equipment, points, rules, tests, devices. What is announced wins."""

from __future__ import annotations

from typing import Literal

import msgspec

from contract.words import Severity, Text


class AnnouncedLimit(msgspec.Struct, frozen=True, kw_only=True):
    """One editable figure of a piece of equipment: what a rule compares with, or how long it waits (unit ``s``)."""

    id: str
    value: float
    unit: str
    name: Text
    source: str
    """``clause:<id>``, ``standard: …``, ``site file`` or ``unverified``."""
    class_value: float | None = None
    """The library's figure, when the site file or the cloud replaced it."""
    set_by: Literal["library", "site_file", "cloud"] = "library"


class PointLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit as a bar or trend draws it: beyond ``value`` on side ``op`` the named rule is in alarm."""

    rule: str
    op: Literal["<", "<=", ">", ">="]
    value: float
    severity: Severity
    clause: str


class AnnouncedPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One standard point of a piece of equipment and where it comes from."""

    id: str
    name: Text
    kind: Literal["gauge", "counter", "state", "bit", "text"]
    unit: str = ""
    digits: int = 1
    plausible: tuple[float, float] | None = None
    states: dict[str, Text] = {}
    """State or bit value (as text) to its word."""
    limits: list[PointLimit] = []
    device: str = ""
    device_point: str = ""
    wire: str = ""
    """Where on the wire, for the engineer: ``input 0x003E float32 ABCD`` or ``topic … path …``."""
    expected_every_ms: int = 0


class Resolving(msgspec.Struct, frozen=True, kw_only=True):
    """What a ticket of a rule needs, besides cause and action, before it counts as resolved."""

    photos: list[Literal["fault", "repair"]] = []
    within_limits: list[str] = []
    """Points that must have been within their limits (the rule's own where it sets one beside the point, else all) …"""
    lasting_ms: int = 0
    """… for this long without a break, up to the moment when it is resolved."""
    note: Text | None = None
    """What must be written down."""


class AnnouncedRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as it runs here, with its texts, so that the cloud can explain an alarm without the library."""

    id: str
    name: Text
    severity: Severity
    clause: str
    expression: str
    on_delay_ms: int = 0
    off_delay_ms: int = 0
    cause: Text | None = None
    consequence: Text | None = None
    action: Text | None = None
    points: list[str] = []
    emergency: Literal["", "entrapment", "fire"] = ""
    """Which emergency it announces; the service policy sets an arrival clock for it."""
    resolve: Resolving | None = None


class AnnouncedTest(msgspec.Struct, frozen=True, kw_only=True):
    """One periodic test of a piece of equipment (architecture: Periodic test)."""

    id: str
    name: Text
    every: str
    """ISO 8601 duration, such as ``P7D`` or ``P6M``, or recurrence, such as ``R/2026-01-31/P1M``."""
    clause: str
    proof: Literal["observed", "form"]
    anchor: Literal["fixed", "floating"] = "floating"
    window: str = "P1D"
    """How early it may be done and still count, an ISO 8601 duration."""
    grace: str = "P0D"
    """How long after its due date it is not yet missed."""


class AnnouncedEquipment(msgspec.Struct, frozen=True, kw_only=True):
    """The thing cared for."""

    id: str
    equipment_class: str
    name: Text
    system: Literal["lifts", "power", "water", "fire"]
    roles: list[str] = []
    place: str = ""
    serves: str = ""
    ratings: dict[str, float | str] = {}
    limits: list[AnnouncedLimit] = []
    points: list[AnnouncedPoint] = []
    rules: list[AnnouncedRule] = []
    tests: list[AnnouncedTest] = []
    main_points: list[str] = []
    """The two points a tile shows, most telling first."""
    building: str = ""
    """Which building of the site it serves, as the site file says; empty where the site is one building."""


class AnnouncedDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The thing talked to."""

    id: str
    model: str
    model_name: str
    status: Literal["verified", "unverified"]
    bus: str
    protocol: Literal["modbus", "mqtt"]
    address: str
    every_ms: int
    equipment: list[str]
    plan: list[str] = []
    """The read plan, one line a request, as ``plantroom-edge check`` prints it."""


class DeviceAnnounced(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Everything this gateway serves. Sent at every start, after a reload and on a refresh directive.

    A large site is told in several of these, one after the other; each names what the others tell.
    """

    site: str
    site_name: str
    zone: str
    version: str
    interval_ms: int
    """The gateway promises to be heard at least this often; later is offline."""
    content_hash: str
    equipment: list[AnnouncedEquipment]
    devices: list[AnnouncedDevice]
    other_equipment: list[str] = []
    """Ids of equipment that is served as well and told in another announcement."""
    other_devices: list[str] = []
