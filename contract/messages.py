"""Gateway ═ contract ═ cloud: every message of the published language, as architecture section 4 names them.

Fields are only ever added, with a default. An older gateway's message lacks them and an older cloud ignores them;
known fields are strict. Instants are ``Instant`` strings; sample columns are epoch milliseconds.
"""

from __future__ import annotations

import enum
from typing import Literal

import msgspec

from contract.conventions import EpochMs, Instant

CONTRACT_VERSION = 1

Lane = Literal["events", "samples"]
Value = float | int | bool | str | None
"""A point's value. ``None`` when there is none to give, which always goes with bad quality."""


class Quality(enum.StrEnum):
    """OPC UA's three families. Only ``good`` may raise or clear an alarm."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class Cause(enum.StrEnum):
    """Why a sample is not good. ``none`` goes with good quality and with nothing else."""

    NONE = "none"
    NO_RESPONSE = "no_response"
    """The device did not answer in time."""
    NOT_CONNECTED = "not_connected"
    """The line, gateway, broker or network to the device is down."""
    EXCEPTION = "exception"
    """The device answered with an error of its protocol (a Modbus exception code)."""
    UNDECODABLE = "undecodable"
    """Bytes arrived that the mapping cannot read: wrong length, not a number, unknown enum value."""
    SENTINEL = "sentinel"
    """The device's own pattern for not available."""
    OUT_OF_RANGE = "out_of_range"
    """Outside the plausible range of the point: a sensor's range end, a clean decode of nonsense."""
    RATE = "rate"
    """Changed faster than the point physically can."""
    STUCK = "stuck"
    """Has not changed for longer than a live sensor would allow."""
    STALE = "stale"
    """Older than the point's permitted age."""
    LATE = "late"
    """Arrived with a device timestamp outside the permitted skew."""
    ABSENT = "absent"
    """The message or map of this device does not hold the point."""
    RETAINED = "retained"
    """A broker's stored message: true once, age unknown."""
    NOT_YET = "not_yet"
    """Nothing has been read since the process started."""


class Severity(enum.StrEnum):
    """How bad an alarm is (IEC 62682 leaves the scale to the site; architecture section 7 fixes ours)."""

    ADVISORY = "advisory"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"
    LIFE_SAFETY = "life_safety"

    @property
    def rank(self) -> int:
        """Position on the scale, worst highest."""
        return list(Severity).index(self)


class Text(msgspec.Struct, frozen=True):
    """A sentence in both languages of the users."""

    en: str
    zh: str


# --- what a gateway has: announced, and what is announced wins -------------------------------------------------


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


# --- samples ----------------------------------------------------------------------------------------------------


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


# --- events -----------------------------------------------------------------------------------------------------


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
