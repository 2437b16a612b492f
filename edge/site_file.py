"""The words of ``site.yaml``, as an integrator writes them. ``edge.config`` turns them into frozen values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from device_profiles.fitting import Channel, Ratio
from device_profiles.schema import DelayMs, DurationMs, Every, Identifier, Period, SeverityName, Text

ModbusKind = Literal["tcp", "rtu", "rtu_over_tcp", "udp", "tls"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        msg = f"{name!r} is not a time zone; write a name of the IANA database such as Asia/Shanghai"
        raise ValueError(msg) from error
    return name


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"{text!r} is not a web address; write https://host or http://host:port"
        raise ValueError(msg)
    return text.rstrip("/")


def _broker_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        msg = f"{text!r} is not a broker address; write mqtt://host, mqtt://host:1883 or mqtts://host"
        raise ValueError(msg)
    if parts.username or parts.password:
        msg = "a password does not belong in the site file; put user:password into a file and name it credential_file"
        raise ValueError(msg)
    return text


def _as_written(value: object) -> object:
    """YAML reads a lone 5 as a number."""
    return str(value) if isinstance(value, int | float) else value


def _proxy_address(text: str) -> str:
    parts = urlsplit(_web_address(text))
    if parts.username or parts.password:
        msg = "a password does not belong in the site file; put user:password into a file and name it proxy_credential_file"
        raise ValueError(msg)
    return text.rstrip("/")


WebAddress = Annotated[str, AfterValidator(_web_address)]


class SiteSection(_Strict):
    """The place."""

    id: Identifier
    name: str = Field(min_length=1)
    zone: Annotated[str, AfterValidator(_zone)]


class StatusSection(_Strict):
    """The gateway's own page. Open it to the site's network with ``host: 0.0.0.0`` and a password file."""

    host: str = "127.0.0.1"
    port: int = Field(default=8081, ge=0, le=65_535)
    password_file: Path | None = None


class HooksSection(_Strict):
    """What runs on this machine when a life-safety alarm comes or goes."""

    command: list[str] = []
    webhook: WebAddress | None = None
    timeout: DurationMs = 10_000


class OutboxSection(_Strict):
    """How much disk the backlog may take before samples (never events) are thinned."""

    megabytes: int = Field(default=2048, ge=1)
    days: int = Field(default=30, ge=1)


class ChatteringSection(_Strict):
    """One alarm that comes and goes: so many cycles within a time."""

    cycles: int = Field(default=3, ge=2)
    within: DurationMs = Field(default=60_000, gt=0)


class FloodSection(_Strict):
    """Many alarms at once: more than so many within a time, until fewer than so many are."""

    more_than: int = Field(default=10, ge=1)
    within: DurationMs = Field(default=600_000, gt=0)
    ends_below: int = Field(default=5, ge=1)

    @model_validator(mode="after")
    def _has_a_life(self) -> Self:
        if self.ends_below > self.more_than:
            msg = f"a flood of more than {self.more_than} would be over as soon as it began; write ends_below: {self.more_than} or less"
            raise ValueError(msg)
        return self


class StormsSection(_Strict):
    """When alarms come too thick and become one storm; the defaults are those of EEMUA 191 and ISA-18.2."""

    chattering: ChatteringSection = ChatteringSection()
    flood: FloodSection = FloodSection()


class GatewaySection(_Strict):
    """One edge process with an identity. Without ``cloud`` it works alone."""

    id: Identifier
    cloud: WebAddress | None = None
    credential_file: Path = Path("credential")
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    proxy: Annotated[str, AfterValidator(_proxy_address)] | None = None
    """``http://host:3128``; absent, the environment's HTTPS_PROXY and NO_PROXY hold."""
    proxy_credential_file: Path | None = None
    interval: DurationMs = 10_000
    status: StatusSection = StatusSection()
    hooks: HooksSection = HooksSection()
    outbox: OutboxSection = OutboxSection()
    storms: StormsSection = StormsSection()


class RuleSection(_Strict):
    """What a site may change about a rule of a class."""

    enabled: bool = True
    severity: SeverityName | None = None
    on_delay: DelayMs | None = None
    off_delay: DelayMs | None = None
    deadband: float | None = Field(default=None, ge=0)
    unknown_after: DurationMs | None = None
    action: Text | None = None
    """What to do, as this site's own plan has it: the emergency order on a fire ticket (clause o-fire-trip)."""


class TestSection(_Strict):
    """What a site may change about a periodic test of a class."""

    __test__ = False

    enabled: bool = True
    every: Every | None = None
    anchor: Literal["fixed", "floating"] | None = None
    window: Period | None = None
    grace: Period | None = None


class OverrideSection(_Strict):
    """Limits, rules and periodic tests of a whole class, as this site wants them."""

    limits: dict[Identifier, float | str] = {}
    rules: dict[Identifier, RuleSection] = {}
    tests: dict[Identifier, TestSection] = {}


class EquipmentSection(_Strict):
    """The thing cared for."""

    id: Identifier
    equipment_class: Identifier = Field(alias="class")
    name: Text | str | None = None
    place: str = ""
    building: str = ""
    roles: list[Identifier] = []
    ratings: dict[Identifier, float | str] = {}
    limits: dict[Identifier, float | str] = {}
    rules: dict[Identifier, RuleSection] = {}
    tests: dict[Identifier, TestSection] = {}
    serves: Identifier | None = None


def _switch(value: object) -> object:
    """``rs485: true`` is the usual manner."""
    return {} if value is True else value


LineDelay = Annotated[DurationMs, Field(le=100)]


class Rs485Section(_Strict):
    """A serial port that switches its own RS-485 driver with RTS. Leave it out for adapters that switch by themselves."""

    rts_on_send: bool = True
    """RTS is high while sending and low while listening; false is the other way round."""
    delay_before_send: LineDelay = 0
    delay_after_send: LineDelay = 0
    echo: bool = False
    """True when the port hears what it sends itself."""


class BusSection(_Strict):
    """One line, address or broker; ``modbus`` or ``mqtt`` says which."""

    id: Identifier
    modbus: ModbusKind | None = None
    mqtt: Annotated[str, AfterValidator(_broker_address)] | None = None
    host: str = ""
    port: int | str | None = None
    baud: int = Field(default=9600, ge=300)
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] = 8
    rs485: Annotated[Rs485Section | None, BeforeValidator(_switch)] = None
    credential_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_id: str = ""
    mqtt_version: Annotated[Literal["3.1.1", "5"] | None, BeforeValidator(_as_written)] = None


class DeviceSection(_Strict):
    """The thing talked to, and what of the equipment it measures."""

    id: Identifier
    model: Identifier
    bus: Identifier
    address: int | str
    equipment: Identifier | None = None
    every: DurationMs | None = None
    channels: dict[Identifier, Channel] = {}
    ratios: dict[Identifier, Ratio] = {}
    """Of the transformers in front of the device, by the model's names: ``{ct: 40}``."""
    without: list[Identifier] = []
    """Points of the model that this device does not serve here, for instance because another device does."""


class SiteFile(_Strict):
    """``site.yaml``."""

    site: SiteSection
    gateway: GatewaySection
    library: Path | None = None
    overrides: dict[Identifier, OverrideSection] = {}
    equipment: list[EquipmentSection] = Field(min_length=1)
    buses: list[BusSection] = []
    devices: list[DeviceSection] = []


def address_mistake(address: int | str, kind: str) -> tuple[str, str] | None:
    """What is wrong with a device's address on a bus of this kind, and the remedy; None when it is right."""
    if kind == "mqtt":
        text = str(address)
        is_usable = text and not set("+#\0") & set(text) and not text.startswith("/") and not text.endswith("/")
        remedy = "write the device's own name as it stands in the topic, without + and # and without / at its ends"
        return None if is_usable else (f"{address!r} cannot stand in a topic", remedy)
    is_serial = kind in ("rtu", "rtu_over_tcp")
    lowest, highest = (1, 247) if is_serial else (0, 255)
    if isinstance(address, int) and lowest <= address <= highest:
        return None
    return f"{address!r} is no unit address on {kind}", f"write a number from 1 to {highest}"
