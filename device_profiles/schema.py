"""Ground floor: what equipment is. Clause, EquipmentClass, Point, Limit, Rule, PeriodicTest, DeviceModel, Mapping.

These models are the whole language of the library's YAML files; an unknown key is an error. A figure that no public
source confirms says ``unverified: true`` beside itself and is shown so wherever it appears.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_DURATION_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")
_PERIOD = re.compile(r"^P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?$")
_RECURRENCE = re.compile(r"^R/(\d{4}-\d{2}-\d{2})/(P.+)$")
_IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]*$")


def check_identifier(text: str) -> str:
    """The shape of every id but a clause's: ``[a-z][a-z0-9_]*``. Raises ValueError saying so."""
    if _IDENTIFIER.match(text) is None:
        msg = f"{text!r} is not an id; use small letters, digits and _, starting with a letter, such as fire_pump_1"
        raise ValueError(msg)
    return text


def parse_duration_ms(value: object) -> int:
    """``500ms``, ``5s``, ``15min``, ``2h``, ``1d`` to integer milliseconds. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = f"{value!r} is not a duration; write a number and a unit: 500ms, 5s, 15min, 2h or 1d"
        raise ValueError(msg)
    return round(float(match[1]) * _DURATION_UNITS[match[2]])


def _check_period(text: str) -> str:
    if _PERIOD.match(text) is None:
        msg = f"{text!r} is not an ISO 8601 period of whole days; write P1D, P7D, P1M, P6M, P1Y …"
        raise ValueError(msg)
    return text


def _check_every(text: str) -> str:
    period = text
    if (match := _RECURRENCE.match(text)) is not None:
        date.fromisoformat(match[1])
        period = match[2]
    _check_period(period)
    if not any(int(number) for number in re.findall(r"\d+", period)):
        msg = f"{text!r} comes round every zero days; write P1D or more"
        raise ValueError(msg)
    return text


def _check_zone(name: str) -> str:
    if name not in ("", "site"):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            msg = f"{name!r} is not a time zone; write site, UTC or a name of the IANA database such as Asia/Shanghai"
            raise ValueError(msg) from error
    return name


def _duration_or_limit(value: object) -> int | str:
    if isinstance(value, str) and _IDENTIFIER.match(value):
        return value
    return parse_duration_ms(value)


Identifier = Annotated[str, AfterValidator(check_identifier)]
DurationMs = Annotated[int, BeforeValidator(parse_duration_ms)]
"""Written ``15min`` in a file, milliseconds in the program."""
DelayMs = Annotated[int | str, BeforeValidator(_duration_or_limit)]
"""A duration, or the id of a limit with a time unit, so that a site can edit it."""
Period = Annotated[str, AfterValidator(_check_period)]
Every = Annotated[str, AfterValidator(_check_every)]
"""``P7D``: counted from the registration or the last time; ``R/2026-01-31/P1M``: due on that day and every month after it."""
ClauseId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")]
System = Literal["lifts", "power", "water", "fire"]
SeverityName = Literal["advisory", "minor", "major", "critical", "life_safety"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Strict):
    """A sentence in both languages of the users."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)


# --- clauses ----------------------------------------------------------------------------------------------------


class Source(_Strict):
    """Where an obligation stands: one of the users' documents, a standard, or a rule of a city."""

    document: Text
    section: str = ""
    unverified: bool = False


class Clause(_Strict):
    """One obligation, in our own words, and what satisfies it."""

    id: ClauseId
    source: Source
    summary: Text
    kind: str
    applies_to: list[str] = []
    value: str = ""
    period: str = ""
    satisfied_by: Text | None = None
    conflicts_with: list[ClauseId] = []


class ClauseFile(_Strict):
    """``clauses.yaml``."""

    clauses: list[Clause]


# --- classes ----------------------------------------------------------------------------------------------------


class Rating(_Strict):
    """A nameplate figure of one piece of equipment, given in the site file: ``rated_kva``."""

    name: Text
    unit: str = ""
    required: bool = False
    default: float | str | None = None
    choices: list[str] = []


class Point(_Strict):
    """A standard point. Values are in ``unit``; a state's values are the keys of ``states``; a bit is true or false."""

    name: Text
    kind: Literal["gauge", "counter", "state", "bit", "text"]
    unit: str = ""
    digits: int = Field(default=1, ge=0, le=6)
    plausible: tuple[float, float] | None = None
    states: dict[str, Text] = {}
    stale_after: DurationMs | None = None
    """How old the newest sample may be. Default: three times the device's interval, at least 15 s."""
    simulate: float | str | bool | None = None
    """What a healthy simulated plant shows when its physics says nothing about the point."""

    @model_validator(mode="after")
    def _states_only_for_states(self) -> Self:
        if (self.kind == "state") != bool(self.states) and self.kind != "bit":
            msg = "a state point lists its states, and only a state or bit point does; add states: or change kind"
            raise ValueError(msg)
        return self


class Limit(_Strict):
    """One editable figure that rules use by its id. A time limit has unit ``s``, ``min`` or ``h``."""

    name: Text
    value: float
    unit: str = ""
    clause: ClauseId | None = None
    source: str = ""
    unverified: bool = False
    allowed: tuple[float, float] | None = None
    """The lowest and the highest figure that a site or the cloud may set; None where any makes sense."""

    @model_validator(mode="after")
    def _says_where_it_comes_from(self) -> Self:
        if wrong := self.mistake(self.value):
            raise ValueError(wrong)
        if not (self.clause or self.source or self.unverified):
            msg = "does not say where its figure comes from; add clause:, source: or unverified: true"
            raise ValueError(msg)
        return self

    def mistake(self, value: float) -> str:
        """Why this figure may not be set here; empty when it may."""
        if self.allowed is None or self.allowed[0] <= value <= self.allowed[1]:
            return ""
        return f"{value:g} {self.unit} lies outside {self.allowed[0]:g} to {self.allowed[1]:g} {self.unit}"


class Escalation(_Strict):
    """A severity that an alarm reaches when it stays active this long."""

    after: DurationMs
    severity: SeverityName


class Resolve(_Strict):
    """What a ticket of a rule needs, besides cause and action, before it may be resolved."""

    photos: list[Literal["fault", "repair"]] = []
    within_limits: list[Identifier] = []
    """Numbers that must have stayed within their limits (this rule's own where it sets one beside the point, else all) …"""
    lasting: DurationMs = 600_000
    """… for this long, up to the moment when it is resolved."""
    note: Text | None = None
    """What must be written down, such as the insulation measured by hand."""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not (self.photos or self.within_limits or self.note):
            msg = "asks for nothing; add photos:, within_limits: or note:, or remove resolve:"
            raise ValueError(msg)
        return self


class Rule(_Strict):
    """A condition over standard points of one piece of equipment, and what it means to people.

    ``when`` is an expression over points, limits and ratings (docs/rules.md). ``gate`` must be true for the rule to be
    judged at all: while it is false the condition counts as false. Names in one expression must not clash.
    """

    name: Text
    when: str
    gate: str | None = None
    roles: list[Identifier] = []
    """Binds only equipment with one of these roles; empty binds all of the class."""
    severity: SeverityName
    escalate: list[Escalation] = []
    clause: ClauseId
    covers: list[ClauseId] = []
    """Further clauses it watches (a test: proves); tickets show ``clause``, coverage counts both."""
    on_delay: DelayMs = 0
    off_delay: DelayMs = 0
    deadband: float = Field(default=0.0, ge=0)
    """How far past its limit, in the limit's unit, a value must return before the condition is false again."""
    latching: bool = False
    unknown_after: DurationMs = 60_000
    suppressed_by: list[Identifier] = []
    """Rules of the same equipment whose active alarm explains this one away (suppressed by design)."""
    emergency: Literal["", "entrapment", "fire"] = ""
    serves: Identifier | None = None
    """Binds only equipment that serves (feeds, or stands in for) equipment of this class: its names are ``serves.x``."""
    marks: list[str] = []
    """Limits to draw beside a point where ``when`` compares no point with a limit: each ``point OP figures``."""
    cause: Text | None = None
    consequence: Text | None = None
    action: Text | None = None
    resolve: Resolve | None = None


class FormField(_Strict):
    """One question of a test proved by hand."""

    name: Text
    type: Literal["yes_no", "number", "text", "photo", "choice"]
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: list[str] = []
    required: bool = True
    unverified: bool = False
    """True when ``minimum`` or ``maximum`` is common practice that no source read here confirms."""


class ObservedTest(_Strict):
    """How a test is recognised from signals: it starts with ``start``, ends with ``end``, and must satisfy ``passes``."""

    start: str
    end: str
    passes: str
    minimum: DelayMs = 0
    """How long it must last at least; the id of a time limit where a site sets its own."""
    ignore_below: DelayMs = 0
    """What lasts less was no attempt at this test (an outage, a shorter test) and tells nothing."""
    within: DurationMs | None = None
    serves: Identifier | None = None
    """Can be observed only where the equipment serves equipment of this class, named ``serves.x``."""


class PeriodicTest(_Strict):
    """What must be done, how often, and how it is proved."""

    name: Text
    every: Every
    anchor: Literal["fixed", "floating"] = "floating"
    window: Period = "P1D"
    """How early it may be done and still count for the due date."""
    grace: Period = "P0D"
    roles: list[Identifier] = []
    clause: ClauseId
    covers: list[ClauseId] = []
    unverified: bool = False
    """True when the interval is customary: the clause names none."""
    observed: ObservedTest | None = None
    form: dict[Identifier, FormField] = {}

    @model_validator(mode="after")
    def _is_provable(self) -> Self:
        if self.observed is None and not self.form:
            msg = "has no proof; add observed:, form: or both"
            raise ValueError(msg)
        return self


class Fault(_Strict):
    """A fault that a simulated plant can have, and the rule it must make active."""

    name: Text
    raises: list[Identifier] = Field(min_length=1)


class EquipmentClass(_Strict):
    """A kind of equipment: everything that is true of every make and model."""

    id: Identifier
    name: Text
    system: System
    roles: dict[Identifier, Text] = {}
    ratings: dict[Identifier, Rating] = {}
    points: dict[Identifier, Point]
    limits: dict[Identifier, Limit] = {}
    rules: dict[Identifier, Rule] = {}
    tests: dict[Identifier, PeriodicTest] = {}
    main_points: list[Identifier] = Field(default=[], max_length=3)
    state_point: Identifier | None = None
    """The point whose word a tile shows as the equipment's state (running, ready …)."""
    faults: dict[Identifier, Fault] = {}


# --- models: wire → standard points -----------------------------------------------------------------------------

WireType = Literal[
    "bit", "uint8h", "uint8l", "int8h", "int8l", "uint16", "int16", "uint32", "int32", "uint64", "int64",
    "float16", "float32", "float64", "bcd16", "bcd32", "string",
    "unix32", "unix64", "unix_ms64", "cp56time", "bcd_time", "calendar",
]  # fmt: skip
Order = Literal[
    "AB", "BA", "ABCD", "CDAB", "BADC", "DCBA", "ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA"
]  # fmt: skip
PollGroup = Literal["fast", "normal", "slow", "once"]
_HEX = Annotated[str, Field(pattern=r"^0x[0-9A-Fa-f]+$")]


def _as_text(value: object) -> object:
    if isinstance(value, dict):
        return {_as_text(raw): _as_text(word) for raw, word in value.items()}
    return str(value).lower() if isinstance(value, bool | int | float) else value


class _PointMapping(_Strict):
    """What every mapping may say, whatever the wire."""

    unit: str | None = None
    """Unit on the wire after scaling; converted to the class's unit. Default: the class's unit."""
    scale: float = 1.0
    offset: float = 0.0
    """value = raw × scale + offset, in ``unit``."""
    enum: Annotated[dict[str, str], BeforeValidator(_as_text)] = {}
    """Raw value (as text) to the class's state, or to ``true`` / ``false`` of a bit point."""
    invert: bool = False
    plausible: tuple[float, float] | None = None
    max_rate: float | None = Field(default=None, gt=0)
    """Fastest believable change a second, in the class's unit; a faster one is uncertain until the next value confirms it."""
    stuck_after: DurationMs | None = None
    """How long a live sensor may show the very same value; longer is uncertain."""
    transform: Literal["none", "four_quadrant_pf", "absolute"] = "none"
    ratio: list[Identifier] = []
    """Ratios of the device, by the model's names for them, that multiply the value: ``[ct]``, ``[ct, pt]``."""
    unverified: bool = False


class RegisterMapping(_PointMapping):
    """One point in a Modbus device's tables. ``address`` is the wire's zero-based one unless the model says one_based."""

    table: Literal["coil", "discrete", "holding", "input"]
    address: int = Field(ge=0, le=65_536)
    type: WireType = "uint16"
    order: Order | None = None
    bit: int | None = Field(default=None, ge=0, le=63)
    field: tuple[int, int] | None = None
    """Lowest and highest bit of a number that shares its register with others: GenComm's four-bit alarm states."""
    parts: list[int] = []
    """Powers of ten of consecutive 16-bit registers whose sum is the value: ``[9, 6, 3, 0, -3]``."""
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers a string takes."""
    sentinels: list[_HEX] = []
    """Whole-value patterns that mean not available, in wire order of their bytes, high first."""
    scale_from: int | None = Field(default=None, ge=0, le=65_536)
    """Address (same table) of an int16 power of ten to multiply with, as SunSpec scale factors."""
    scale_codes: dict[int, int] = {}
    """Word at ``scale_from`` to the power of ten it stands for, where a device writes a code of its own there."""
    group: PollGroup = "normal"


class PayloadMapping(_PointMapping):
    """One point in a message: which topic (below the device's) and where in the payload."""

    topic: str = ""
    """Relative to the model's topic template; empty means the model's main topic."""
    path: str = ""
    """JMESPath into a JSON payload, metric name of a Sparkplug payload; empty takes the whole payload."""
    pattern: str | None = None
    """Regular expression with a group named ``value`` that finds the point in a text payload."""
    at: int | None = Field(default=None, ge=0, le=4095)
    """First byte of the value in a hex or binary payload, from 0."""
    type: WireType = "uint16"
    order: Order | None = None
    """As of a register, for the bytes from ``at`` on; ``uint8l`` takes the one byte there."""
    sentinels: list[str | float | None] = []


class ModbusLimits(_Strict):
    """What one request may ask of this device, from its manual."""

    order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = "ABCD"
    one_based: bool = False
    max_registers: int = Field(default=125, ge=1, le=125)
    max_bits: int = Field(default=2000, ge=1, le=2000)
    gap: int = Field(default=8, ge=0, le=124)
    """How many unused registers may be read along to save a request."""
    forbidden: list[tuple[int, int]] = []
    """First and last address of ranges that must not be read."""
    one_point_per_request: bool = False
    alignment: int = Field(default=1, ge=1)
    turnaround: DurationMs = 5
    timeout: DurationMs = 1000


class MqttTopics(_Strict):
    """Where this device speaks. ``{address}`` stands for the device's address in the site file."""

    topic: str
    payload: Literal["json", "json_lines", "json_array", "raw", "text", "hex", "binary", "sparkplug_b"] = "json"
    """``json_lines`` and ``json_array`` hold several messages, oldest first; ``raw`` is the value itself."""
    timestamp: str = ""
    """JMESPath of the device's own time (ISO 8601, or epoch s, ms, us, ns, also as text); empty means time of arrival."""
    zone: Annotated[str, AfterValidator(_check_zone)] = ""
    """Of device times that name none: ``site``, ``UTC`` or an IANA name. Empty does not believe such a time."""
    skew: DurationMs = 300_000
    """How far the device's clock may be off. Beyond it a value is uncertain and late."""
    device: str = ""
    """JMESPath of the device's address, where several devices share the topic and the message says whose it is."""
    availability: str = ""
    """Topic of the last will."""
    online: str = "online"
    offline: str = "offline"
    partial: bool = False
    """True for a device that tells only what changed: a point that a message lacks then stays as it was."""


class DeviceModel(_Strict):
    """One make and model: registers or payload to standard points of its class."""

    id: Identifier
    equipment_class: Identifier
    name: str
    maker: str
    status: Literal["verified", "unverified"]
    sources: list[str] = Field(min_length=1)
    protocol: Literal["modbus", "mqtt"]
    modbus: ModbusLimits | None = None
    mqtt: MqttTopics | None = None
    registers: dict[Identifier, RegisterMapping] = {}
    payload: dict[Identifier, PayloadMapping] = {}
    channels: bool = False
    """True for input modules: the points are channels that the site file assigns to points of equipment."""
    ratios: dict[Identifier, Text] = {}
    """Ratios of the transformers in front of the device; the site file gives their figures, 1 where it does not."""

    @model_validator(mode="after")
    def _speaks_one_protocol(self) -> Self:
        own, other = (self.registers, self.payload) if self.protocol == "modbus" else (self.payload, self.registers)
        if other or not own:
            wanted = "registers" if self.protocol == "modbus" else "payload"
            msg = f"a {self.protocol} model maps its points under {wanted}, and only there; move them"
            raise ValueError(msg)
        if (self.mqtt is None) != (self.protocol == "modbus"):
            msg = "an mqtt model says its topics under mqtt, a modbus model has none; add or remove mqtt:"
            raise ValueError(msg)
        return self

    @property
    def limits(self) -> ModbusLimits:
        """The request limits, or Modbus's own where the model names none."""
        return self.modbus or ModbusLimits()

    @property
    def mappings(self) -> dict[str, Any]:
        """Point id to its mapping, whatever the protocol."""
        return dict(self.registers or self.payload)
