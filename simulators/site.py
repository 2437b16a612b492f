"""site file → simulated plant: which equipment must live, and which devices must speak on which bus.

Reads only what plant needs. Whether the file is right is the gateway's judgement (``plantroom-edge check``); here a
missing name is one clear error. ``relocate`` gives the same site on loopback ports.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from pydantic import TypeAdapter, ValidationError

from device_profiles.fitting import Channel, ChannelSetting, fitted_model
from device_profiles.library import Library, load
from device_profiles.schema import DeviceModel, EquipmentClass, Limit, Point, Text, parse_duration_ms

DEFAULT_EVERY_MS: Mapping[str, int] = {"modbus": 5_000, "mqtt": 10_000}
_OF_THE_REAL_PLACE = ("ca_file", "cert_file", "key_file", "proxy", "proxy_credential_file", "hooks")
_TIME_UNITS_MS = {"s": 1000, "min": 60_000, "h": 3_600_000}


class SiteError(ValueError):
    """The site file cannot be simulated. The text says what, where and what to do."""


@dataclass(frozen=True, slots=True)
class SimulatedEquipment:
    """The thing whose physics runs."""

    id: str
    name: Text
    equipment_class: EquipmentClass
    roles: tuple[str, ...]
    ratings: Mapping[str, float | str]
    limits: Mapping[str, float]
    """Limit id to its figure in the limit's own unit, the site's figures over the class's."""
    on_delays_ms: Mapping[str, int]
    """Rule id to its on-delay; only rules that are enabled and bind this equipment."""
    off_delays_ms: Mapping[str, int]
    severities: Mapping[str, str]
    serves: str = ""
    """What it feeds or stands in for."""


@dataclass(frozen=True, slots=True)
class SimulatedDevice:
    """The thing the gateway talks to. ``sources`` says which equipment's point each device point shows."""

    id: str
    model: DeviceModel
    bus: str
    address: int | str
    sources: Mapping[str, tuple[str, str]]
    every_ms: int


@dataclass(frozen=True, slots=True)
class SimulatedSite:
    """What one simulated plant holds."""

    id: str
    equipment: Mapping[str, SimulatedEquipment]
    devices: tuple[SimulatedDevice, ...]
    buses: Mapping[str, Mapping[str, Any]]
    """Bus id to its entry in the site file."""
    zone: str = "Asia/Shanghai"

    def on_bus(self, bus: str) -> tuple[SimulatedDevice, ...]:
        return tuple(device for device in self.devices if device.bus == bus)

    def points_of(self, device: SimulatedDevice) -> dict[str, Point]:
        """Device point → the standard point it shows."""
        of = {point: self.equipment[owner].equipment_class for point, (owner, _) in device.sources.items()}
        return {point: of[point].points[name] for point, (_, name) in device.sources.items()}


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a relocated site finds everything, all on the loopback."""

    cloud: int
    status: int
    broker: int
    buses: Mapping[str, int]


def load_file(path: Path) -> dict[str, Any]:
    """The site file as plain data. Raises SiteError."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SiteError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SiteError(f"{path}: is not YAML: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("site"), dict):
        raise SiteError(f"{path}: holds no site; start it with site: {{id: …, name: …, zone: …}}")
    return data


def load_library(data: Mapping[str, Any], folder: Path) -> Library:
    """The shipped library with the site's own folder (``library:``, seen from the site file's folder) on top.

    Raises LibraryError.
    """
    return load([folder / data["library"]] if data.get("library") else [])


def build_site(data: Mapping[str, Any], library: Library) -> SimulatedSite:
    """Plain data of a site file to what is simulated. Raises SiteError."""
    try:
        equipment = {entry["id"]: _equipment(entry, data, library) for entry in data.get("equipment", [])}
        devices = tuple(_device(entry, library) for entry in data.get("devices", []))
    except KeyError as error:
        raise SiteError(
            f"the site names {error.args[0]!r}, which does not exist; see `plantroom-edge check`"
        ) from error
    buses = {entry["id"]: entry for entry in data.get("buses", [])}
    return SimulatedSite(data["site"]["id"], equipment, devices, buses, data["site"].get("zone", "Asia/Shanghai"))


def _equipment(entry: Mapping[str, Any], data: Mapping[str, Any], library: Library) -> SimulatedEquipment:
    of = library.classes[entry["class"]]
    overrides = data.get("overrides", {}).get(of.id, {})
    limits = {name: limit.value for name, limit in of.limits.items()}
    for layer in (overrides.get("limits", {}), entry.get("limits", {})):
        limits |= {name: _figure(value, of.limits[name]) for name, value in layer.items()}
    ratings = {name: rating.default for name, rating in of.ratings.items() if rating.default is not None}
    roles = tuple(entry.get("roles", ()))
    changes = [overrides.get("rules", {}), entry.get("rules", {})]
    rules = _rules(of, roles, changes)
    return SimulatedEquipment(
        entry["id"], _name(entry), of, roles, ratings | entry.get("ratings", {}), limits,
        {name: _delay_ms(rule["on_delay"], of, limits) for name, rule in rules.items()},
        {name: _delay_ms(rule["off_delay"], of, limits) for name, rule in rules.items()},
        {name: rule["severity"] for name, rule in rules.items()},
        entry.get("serves", ""),
    )  # fmt: skip


def _name(entry: Mapping[str, Any]) -> Text:
    name = entry.get("name", entry["id"])
    return Text(**name) if isinstance(name, dict) else Text(en=name, zh=name)


def _rules(of: EquipmentClass, roles: Iterable[str], changes: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Delays and severity of every rule that is enabled and binds this equipment, as the site sets them."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, rule in of.rules.items():
        settings = {"on_delay": rule.on_delay, "off_delay": rule.off_delay, "severity": rule.severity}
        for change in changes:
            settings |= change.get(name, {})
        if settings.get("enabled", True) and (not rule.roles or set(rule.roles) & set(roles)):
            found[name] = settings
    return found


def _delay_ms(delay: object, of: EquipmentClass, limits: Mapping[str, float]) -> int:
    if isinstance(delay, int):
        return delay
    if isinstance(delay, str) and delay in of.limits:
        return round(limits[delay] * _TIME_UNITS_MS[of.limits[delay].unit])
    return parse_duration_ms(delay)


def _figure(value: float | str, limit: Limit) -> float:
    if isinstance(value, str):
        return parse_duration_ms(value) / _TIME_UNITS_MS[limit.unit]
    return float(value)


def _device(entry: Mapping[str, Any], library: Library) -> SimulatedDevice:
    model = library.models[entry["model"]]
    channels = {name: _channel(setting) for name, setting in entry.get("channels", {}).items()}
    if channels or entry.get("ratios"):
        model = fitted_model(model, entry.get("ratios", {}), channels)
    if channels:
        sources = {name: setting.target for name, setting in channels.items()}
    else:
        skipped = set(entry.get("without", ()))
        sources = {point: (entry["equipment"], point) for point in model.mappings if point not in skipped}
    every_ms = parse_duration_ms(entry["every"]) if "every" in entry else DEFAULT_EVERY_MS[model.protocol]
    return SimulatedDevice(entry["id"], model, entry["bus"], entry["address"], sources, every_ms)


def _channel(setting: object) -> ChannelSetting:
    try:
        return TypeAdapter(Channel).validate_python(setting)
    except ValidationError as error:
        raise SiteError(f"channel {setting!r} is not right; see `plantroom-edge check`") from error


def relocate(data: Mapping[str, Any], ports: Ports) -> dict[str, Any]:
    """The same site with every address on the loopback: what the gateway of a demo reads.

    What belongs to the real way to the cloud goes, and so does what a life-safety alarm would set off on the premises.
    """
    site = copy.deepcopy(dict(data))
    gateway = {key: value for key, value in site["gateway"].items() if key not in _OF_THE_REAL_PLACE}
    site["gateway"] = gateway
    gateway["cloud"] = f"http://127.0.0.1:{ports.cloud}"
    gateway["status"] = {"host": "127.0.0.1", "port": ports.status}
    site["buses"] = [_relocate_bus(bus, ports) for bus in site.get("buses", [])]
    return site


def _relocate_bus(bus: Mapping[str, Any], ports: Ports) -> dict[str, Any]:
    if "mqtt" in bus:
        return {"id": bus["id"], "mqtt": f"mqtt://127.0.0.1:{ports.broker}"}
    return {"id": bus["id"], "modbus": "tcp", "host": "127.0.0.1", "port": ports.buses[bus["id"]]}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the message devices of a bus publish, and as whom."""

    host: str
    port: int
    login: tuple[str, str] | None


def broker_of(bus: Mapping[str, Any], folder: Path) -> Broker:
    """The broker of a bus entry; ``folder`` is the site file's. Raises SiteError for a login that cannot be read."""
    parts, login = urlsplit(bus["mqtt"]), None
    if file := bus.get("credential_file"):
        try:
            user, _, password = (folder / file).read_text(encoding="utf-8").strip().partition(":")
        except OSError as error:
            raise SiteError(f"bus {bus['id']}: {folder / file} cannot be read: {error.strerror}") from error
        login = (user, password)
    return Broker(parts.hostname or "127.0.0.1", parts.port or 1883, login)


def add_meters(
    data: Mapping[str, Any], count: int, model: str, equipment_class: str, ratings: Mapping[str, float]
) -> dict[str, Any]:
    """The site with ``count`` more pieces of equipment, each with one Modbus device, 50 devices to a bus."""
    site = copy.deepcopy(dict(data))
    for number in range(1, count + 1):
        bus = f"more_{(number - 1) // 50 + 1}"
        if (number - 1) % 50 == 0:
            site["buses"].append({"id": bus, "modbus": "tcp", "host": "127.0.0.1", "port": 5020})
        name = f"extra_{number}"
        site["equipment"].append({"id": name, "class": equipment_class, "ratings": dict(ratings)})
        address = (number - 1) % 50 + 1
        site["devices"].append(
            {"id": f"{name}_meter", "model": model, "bus": bus, "address": address, "equipment": name, "every": "1s"}
        )
    return site
