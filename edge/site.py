"""What a site file says, as frozen values for every arrow. Made by ``edge.config.load_site`` and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from device_profiles.library import Library
from device_profiles.schema import (
    DeviceModel,
    EquipmentClass,
    Limit,
    PayloadMapping,
    PeriodicTest,
    Point,
    RegisterMapping,
    Rule,
    Text,
)

BusKind = Literal["tcp", "rtu", "rtu_over_tcp", "udp", "tls", "mqtt"]
PointMapping = RegisterMapping | PayloadMapping

DEFAULT_EVERY_MS: Mapping[str, int] = {"modbus": 5_000, "mqtt": 10_000}
STALE_AT_LEAST_MS = 15_000
STALE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class StatusPage:
    """Where the gateway's own page listens. ``password_file`` is set whenever it is not loopback."""

    host: str
    port: int
    password_file: Path | None


@dataclass(frozen=True, slots=True)
class Hooks:
    """What runs on life-safety alarms: a command (argument list) and a web address; either may be absent."""

    command: tuple[str, ...]
    webhook: str | None
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class StormFigures:
    """When alarms come too thick. The defaults are those of EEMUA 191 and ISA-18.2 for what one operator can follow."""

    cycles: int = 3
    """Chattering: one alarm raised and cleared so often …"""
    cycles_ms: int = 60_000
    """… within this time; over when it has not been raised for as long."""
    more_than: int = 10
    """Flood: more alarms than this raised …"""
    flood_ms: int = 600_000
    """… within this time; …"""
    ends_below: int = 5
    """… over when fewer than these were."""


STORM_SOURCE = "EEMUA 191, ISA-18.2"
"""Where the default figures come from."""


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """One edge process. ``cloud`` is None for a gateway that works alone."""

    id: str
    cloud: str | None
    credential_file: Path
    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None
    interval_ms: int
    status: StatusPage
    hooks: Hooks
    budget_bytes: int
    budget_days: int
    proxy: str | None = None
    """What the way to the cloud leads through; None for what the environment says."""
    proxy_credential_file: Path | None = None
    """One line ``user:password``."""
    storms: StormFigures = StormFigures()


@dataclass(frozen=True, slots=True)
class Tls:
    """Files for TLS; all absent means the system's authorities and no client certificate."""

    ca_file: Path | None
    cert_file: Path | None
    key_file: Path | None


@dataclass(frozen=True, slots=True)
class Rs485:
    """How a serial port switches between sending and listening: RTS high while sending, or low; delays around it."""

    rts_on_send: bool = True
    delay_before_send_ms: int = 0
    delay_after_send_ms: int = 0
    echo: bool = False


@dataclass(frozen=True, slots=True)
class Bus:
    """One line, address or broker. Serial fields matter for ``rtu`` only, ``tls`` is set for ``tls`` and ``mqtts``."""

    id: str
    kind: BusKind
    host: str = ""
    port: int = 0
    serial_port: str = ""
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1
    data_bits: int = 8
    rs485: Rs485 | None = None
    """None where the adapter switches by itself."""
    tls: Tls | None = None
    credential_file: Path | None = None
    """One line ``user:password``."""
    client_id: str = ""
    mqtt_version: Literal["", "3.1.1", "5"] = ""
    """Empty tries 5 and takes 3.1.1 where the broker does not speak it."""
    zone: str = "UTC"
    """The site's, for device times that name none."""

    def read_login(self) -> tuple[str, str] | None:
        """User and password for the broker, None when it needs none. Raises OSError for an unreadable file."""
        if self.credential_file is None:
            return None
        user, _, password = self.credential_file.read_text(encoding="utf-8").strip().partition(":")
        return user, password


@dataclass(frozen=True, slots=True)
class LimitValue:
    """One figure as it holds here, in ``limit.unit``, with the class's figure and who replaced it."""

    id: str
    value: float
    limit: Limit
    source: str
    set_by: Literal["library", "site_file", "cloud"] = "library"

    @property
    def class_value(self) -> float | None:
        return None if self.set_by == "library" else self.limit.value


@dataclass(frozen=True, slots=True)
class Equipment:
    """The thing cared for, with the rules and tests that bind it (roles applied) and the figures that hold for it."""

    id: str
    equipment_class: EquipmentClass
    name: Text
    roles: tuple[str, ...]
    ratings: Mapping[str, float | str]
    limits: Mapping[str, LimitValue]
    rules: Mapping[str, Rule]
    tests: Mapping[str, PeriodicTest]
    serves: str
    place: str
    building: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """One point of one device that feeds one point of one piece of equipment."""

    device_point: str
    equipment: str
    point_id: str
    point: Point
    mapping: PointMapping
    every_ms: int
    """How often this point is read: its poll group applied to the device's interval."""
    stale_after_ms: int


@dataclass(frozen=True, slots=True)
class Device:
    """The thing talked to."""

    id: str
    model: DeviceModel
    bus: Bus
    address: int | str
    every_ms: int
    bindings: tuple[Binding, ...]

    @property
    def equipment(self) -> tuple[str, ...]:
        """Ids of the equipment served, in order, each once."""
        return tuple(dict.fromkeys(binding.equipment for binding in self.bindings))


@dataclass(frozen=True, slots=True)
class Site:
    """Everything one gateway serves."""

    id: str
    name: str
    zone: str
    gateway: GatewayConfig
    equipment: tuple[Equipment, ...]
    buses: tuple[Bus, ...]
    devices: tuple[Device, ...]
    library: Library = field(compare=False)
    """What the site uses of it is compared with the equipment and the devices."""
    path: Path

    def find_equipment(self, equipment_id: str) -> Equipment | None:
        return next((one for one in self.equipment if one.id == equipment_id), None)

    def devices_by_bus(self) -> dict[str, tuple[Device, ...]]:
        """The devices of every bus that has any, by its id."""
        found: dict[str, list[Device]] = {}
        for device in self.devices:
            found.setdefault(device.bus.id, []).append(device)
        return {bus: tuple(devices) for bus, devices in found.items()}


def group_every_ms(mapping: PointMapping, every_ms: int) -> int:
    """Interval of a mapping's poll group: normal is the device's own, fast a quarter, slow twelve times, once hourly."""
    group: str = getattr(mapping, "group", "normal")
    table = {"fast": max(every_ms // 4, 250), "slow": max(every_ms * 12, 60_000), "once": 3_600_000}
    return table.get(group, every_ms)


def stale_after_ms(point: Point, every_ms: int) -> int:
    """How old the newest sample of a point may be, in milliseconds."""
    return point.stale_after or max(STALE_INTERVALS * every_ms, STALE_AT_LEAST_MS)
