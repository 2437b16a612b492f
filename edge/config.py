"""Site file → frozen values for every arrow. A wrong file is refused with every mistake at once, and how to mend it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from device_profiles import library as shelf
from device_profiles.fitting import fitted
from device_profiles.library import Finding, Library
from device_profiles.model_checks import check_meaning
from device_profiles.on_demand import load_needed
from device_profiles.reading import did_you_mean
from device_profiles.schema import EquipmentClass, Limit
from edge.errors import Misconfigured
from edge.figures import delay_mistake, in_unit, limits_of, name_of, rules_of, storms_of, tests_of
from edge.mended import further
from edge.modbus_lines import line_mistakes, line_of_section
from edge.site import (
    DEFAULT_EVERY_MS,
    Binding,
    Bus,
    Device,
    Equipment,
    GatewayConfig,
    Hooks,
    LimitValue,
    Site,
    StatusPage,
    Tls,
    group_every_ms,
    stale_after_ms,
)
from edge.site_file import (
    BusSection,
    DeviceSection,
    EquipmentSection,
    GatewaySection,
    RuleSection,
    SiteFile,
    TestSection,
    address_mistake,
)

__all__ = ["Binding", "Bus", "Device", "Equipment", "GatewayConfig", "LimitValue", "Site", "load_site"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_Path = tuple[str | int, ...]


def load_site(path: Path, library: Library | None = None) -> Site:
    """Read, check and freeze a site file. Raises Misconfigured with every mistake found.

    Without ``library`` the shipped one is loaded, with the site's own ``library:`` folder on top.
    """
    try:
        data, lines = shelf.load_yaml(path)
    except shelf.LibraryError as error:
        raise Misconfigured(error.findings) from error
    written, findings = shelf.validate(SiteFile, data, lines, path)
    if written is None:
        more = further(data, lambda rest: _Builder(path, rest, lines, library or _load_library(path, rest)).site())
        raise Misconfigured(sorted([*findings, *more], key=lambda one: one.line))
    return _Builder(path, written, lines, library or _load_library(path, written)).site()


def _load_library(path: Path, written: SiteFile) -> Library:
    try:
        return load_needed([path.parent / written.library] if written.library else [])
    except shelf.LibraryError as error:
        raise Misconfigured(error.findings) from error


class _Builder:
    """Walks the written file once, freezing what is right and collecting a finding for what is not."""

    def __init__(self, path: Path, written: SiteFile, lines: shelf.LineMap, library: Library) -> None:
        self.path, self.written, self.lines, self.library = path, written, lines, library
        self.findings: list[Finding] = []

    def site(self) -> Site:
        written = self.written
        gateway = self._gateway(written.gateway)
        self._overrides()
        self._unique("equipment", [one.id for one in written.equipment])
        self._unique("buses", [one.id for one in written.buses])
        self._unique("devices", [one.id for one in written.devices])
        equipment = list(self._equipment())
        buses = list(self._buses())
        devices = list(self._devices(equipment, buses))
        self._one_address_once(devices)
        self._one_device_per_point(devices)
        if self.findings:
            raise Misconfigured(sorted(self.findings, key=lambda finding: finding.line))
        return Site(
            written.site.id, written.site.name, written.site.zone, gateway,
            tuple(equipment), tuple(buses), tuple(devices), self.library, self.path,
        )  # fmt: skip

    # --- findings -----------------------------------------------------------------------------------------------

    def _wrong(self, path: _Path, message: str, remedy: str) -> None:
        remedy = remedy[:1].upper() + remedy[1:]
        self.findings.append(shelf.finding(self.path, self.lines, path, message, remedy))

    def _known(self, path: _Path, what: str, word: str, known: Collection[str]) -> bool:
        if word in known:
            return True
        self._wrong(path, f"{what} {word} is not known", did_you_mean(word, known))
        return False

    def _unique(self, section: str, ids: Sequence[str]) -> None:
        first = {one: index for index, one in reversed(list(enumerate(ids)))}
        for index, one in enumerate(ids):
            if first[one] < index:
                self._wrong((section, index, "id"), f"{one} is used twice in {section}", "give each its own id")

    def _file(self, name: Path | None) -> Path | None:
        return None if name is None else self.path.parent / name

    # --- gateway ------------------------------------------------------------------------------------------------

    def _gateway(self, section: GatewaySection) -> GatewayConfig:
        status = section.status
        if status.host not in _LOOPBACK and status.password_file is None:
            self._wrong(
                ("gateway", "status", "host"),
                f"the status page would be open to the network at {status.host} without a sign-in",
                "name a password_file beside host (write one with: plantroom-edge password FILE)",
            )
        hooks = Hooks(tuple(section.hooks.command), section.hooks.webhook, section.hooks.timeout)
        return GatewayConfig(
            id=section.id, cloud=section.cloud, credential_file=self.path.parent / section.credential_file,
            ca_file=self._file(section.ca_file), cert_file=self._file(section.cert_file),
            key_file=self._file(section.key_file), interval_ms=section.interval,
            status=StatusPage(status.host, status.port, self._file(status.password_file)),
            hooks=hooks, budget_bytes=section.outbox.megabytes * 1_000_000, budget_days=section.outbox.days,
            proxy=section.proxy, proxy_credential_file=self._file(section.proxy_credential_file),
            storms=storms_of(section.storms),
        )  # fmt: skip

    # --- equipment ----------------------------------------------------------------------------------------------

    def _overrides(self) -> None:
        for class_id, section in self.written.overrides.items():
            path: _Path = ("overrides", class_id)
            if self._known(path, "class", class_id, self.library.classes):
                self._figures(path, section.limits, section.rules, self.library.classes[class_id])
                self._tests(path, section.tests, self.library.classes[class_id])

    def _figures(
        self,
        path: _Path,
        limits: Mapping[str, float | str],
        rules: Mapping[str, RuleSection],
        of: EquipmentClass,
    ) -> None:
        """Names the class has, and values its units allow."""
        for name, value in limits.items():
            if self._known((*path, "limits", name), f"limit of {of.id}", name, of.limits):
                self._figure((*path, "limits", name), value, of.limits[name])
        for name, rule in rules.items():
            if self._known((*path, "rules", name), f"rule of {of.id}", name, of.rules):
                self._delays((*path, "rules", name), rule, of)

    def _tests(self, path: _Path, tests: Mapping[str, TestSection], of: EquipmentClass) -> None:
        for name in tests:
            self._known((*path, "tests", name), f"test of {of.id}", name, of.tests)

    def _figure(self, path: _Path, value: float | str, limit: Limit) -> None:
        try:
            in_unit(value, limit)
        except ValueError as error:
            self._wrong(path, str(error), f"write a number in {limit.unit or 'the unit of the limit'}")

    def _delays(self, path: _Path, rule: RuleSection, of: EquipmentClass) -> None:
        for key in ("on_delay", "off_delay"):
            value = getattr(rule, key)
            if isinstance(value, str) and not self._known((*path, key), f"limit of {of.id}", value, of.limits):
                continue
            if value is not None and (wrong := delay_mistake(of, of.rules[str(path[-1])], key, value)):
                self._wrong((*path, key), wrong, "write a time that is allowed, such as 5s, or leave it out")

    def _equipment(self) -> Iterator[Equipment]:
        known = dict.fromkeys(one.id for one in self.written.equipment)
        for index, section in enumerate(self.written.equipment):
            path: _Path = ("equipment", index)
            if section.serves is not None:
                self._serves((*path, "serves"), section, known)
            if self._known((*path, "class"), "class", section.equipment_class, self.library.classes):
                of = self.library.classes[section.equipment_class]
                self._figures(path, section.limits, section.rules, of)
                self._tests(path, section.tests, of)
                for at, role in enumerate(section.roles):
                    self._known((*path, "roles", at), f"role of {of.id}", role, of.roles)
                ratings = self._ratings(path, section, of)
                yield self._frozen_equipment(section, of, ratings)

    def _serves(self, path: _Path, section: EquipmentSection, known: Collection[str]) -> None:
        if section.serves == section.id:
            self._wrong(path, f"{section.id} cannot serve itself", "name the equipment that it feeds, or leave it out")
        elif section.serves not in known:
            self._wrong(
                path, f"equipment {section.serves} is not on this gateway; related equipment must be",
                did_you_mean(str(section.serves), known),
            )  # fmt: skip

    def _ratings(self, path: _Path, section: EquipmentSection, of: EquipmentClass) -> dict[str, float | str]:
        for name in section.ratings:
            self._known((*path, "ratings", name), f"rating of {of.id}", name, of.ratings)
        found: dict[str, float | str] = {}
        for name, rating in of.ratings.items():
            value = section.ratings.get(name, rating.default)
            if value is None:
                if rating.required:
                    self._wrong(
                        (*path, "id"),
                        f"{section.id} lacks the rating {name}",
                        f"add ratings: {{{name}: …}} in {rating.unit or 'words'}",
                    )
                continue
            if rating.choices and value not in rating.choices:
                self._wrong(
                    (*path, "ratings", name), f"{value} is no choice", f"write one of {', '.join(rating.choices)}"
                )
            elif not rating.choices and isinstance(value, str) and rating.unit:
                self._wrong((*path, "ratings", name), f"{value!r} is not a number", f"write a number in {rating.unit}")
            found[name] = value
        return found

    def _frozen_equipment(
        self, section: EquipmentSection, of: EquipmentClass, ratings: Mapping[str, float | str]
    ) -> Equipment:
        override = self.written.overrides.get(of.id)
        settings = [*([override.rules] if override else []), section.rules]
        figures = {**(override.limits if override else {}), **section.limits}
        roles = set(section.roles)
        return Equipment(
            id=section.id, equipment_class=of, name=name_of(section.name, of, section.id), roles=tuple(section.roles),
            ratings=ratings, limits=limits_of(of, figures), rules=rules_of(of, roles, settings),
            tests=tests_of(of, roles, [*([override.tests] if override else []), section.tests]),
            serves=section.serves or "", place=section.place, building=section.building,
        )  # fmt: skip

    # --- buses and devices --------------------------------------------------------------------------------------

    def _buses(self) -> Iterator[Bus]:
        for index, section in enumerate(self.written.buses):
            if (section.modbus is None) == (section.mqtt is None):
                self._wrong(
                    ("buses", index, "id"), f"bus {section.id} says neither or both of modbus and mqtt",
                    "write modbus: tcp (rtu, rtu_over_tcp, udp, tls) or mqtt: mqtt://host",
                )  # fmt: skip
            elif section.mqtt is not None:
                yield self._broker(section, section.mqtt)
            else:
                yield self._modbus(index, section)

    def _tls(self, section: BusSection) -> Tls:
        return Tls(self._file(section.ca_file), self._file(section.cert_file), self._file(section.key_file))

    def _broker(self, section: BusSection, address: str) -> Bus:
        parts = urlsplit(address)
        secure = parts.scheme == "mqtts"
        return Bus(
            section.id, "mqtt", host=parts.hostname or "", port=parts.port or (8883 if secure else 1883),
            tls=self._tls(section) if secure else None, credential_file=self._file(section.credential_file),
            client_id=section.client_id or f"{self.written.gateway.id}-{section.id}",
            mqtt_version=section.mqtt_version or "", zone=self.written.site.zone,
        )  # fmt: skip

    def _modbus(self, index: int, section: BusSection) -> Bus:
        for message, remedy in line_mistakes(section):
            self._wrong(("buses", index, "id"), message, remedy)
        return line_of_section(section, self._tls(section))

    def _devices(self, equipment: Sequence[Equipment], buses: Sequence[Bus]) -> Iterator[Device]:
        things = {one.id: one for one in equipment}
        lines = {bus.id: bus for bus in buses}
        written_buses = dict.fromkeys(bus.id for bus in self.written.buses)
        written_things = dict.fromkeys(one.id for one in self.written.equipment)
        for index, section in enumerate(self.written.devices):
            path: _Path = ("devices", index)
            known = self._known((*path, "model"), "model", section.model, self.library.models)
            known &= self._known((*path, "bus"), "bus", section.bus, written_buses)
            if section.equipment is not None:
                known &= self._known((*path, "equipment"), "equipment", section.equipment, written_things)
            if known and section.bus in lines:
                yield from self._device(path, section, lines[section.bus], things)

    def _device(
        self, path: _Path, section: DeviceSection, bus: Bus, things: Mapping[str, Equipment]
    ) -> Iterator[Device]:
        model = self.library.models[section.model]
        if (model.protocol == "mqtt") != (bus.kind == "mqtt"):
            self._wrong(
                (*path, "bus"), f"{section.model} speaks {model.protocol} but bus {bus.id} is {bus.kind}",
                f"name a {model.protocol} bus",
            )  # fmt: skip
            return
        self._address((*path, "address"), section, bus)
        every_ms = section.every or DEFAULT_EVERY_MS[model.protocol]
        for at, name in enumerate(section.without):
            self._known((*path, "without", at), f"point of {model.id}", name, model.mappings)
        for name in section.ratios:
            self._known((*path, "ratios", name), f"ratio of {model.id}", name, model.ratios)
        targets = dict(self._channels(path, section, things) if model.channels else self._whole(path, section, things))
        bindings = tuple(
            self._binding(device_point, things[thing], point, section, every_ms)
            for device_point, (thing, point) in targets.items()
            if device_point not in section.without
        )
        yield Device(section.id, model, bus, section.address, every_ms, bindings)

    def _address(self, path: _Path, section: DeviceSection, bus: Bus) -> None:
        if (mistake := address_mistake(section.address, bus.kind)) is not None:
            self._wrong(path, *mistake)

    def _whole(
        self, path: _Path, section: DeviceSection, things: Mapping[str, Equipment]
    ) -> Iterator[tuple[str, tuple[str, str]]]:
        """Every mapped point of the model to the point of the same name."""
        model = self.library.models[section.model]
        if section.channels:
            self._wrong((*path, "channels"), f"{model.id} has no channels", "say equipment: instead")
        if section.equipment is None:
            self._wrong((*path, "id"), f"device {section.id} serves no equipment", "add equipment: and its id")
        elif (thing := things.get(section.equipment)) is not None:
            if thing.equipment_class.id != model.equipment_class:
                self._wrong(
                    (*path, "equipment"),
                    f"{model.id} is for {model.equipment_class}, but {thing.id} is {thing.equipment_class.id}",
                    f"name equipment of class {model.equipment_class}, or another model",
                )
                return
            yield from ((name, (thing.id, name)) for name in model.mappings)

    def _channels(
        self, path: _Path, section: DeviceSection, things: Mapping[str, Equipment]
    ) -> Iterator[tuple[str, tuple[str, str]]]:
        model = self.library.models[section.model]
        if not section.channels:
            self._wrong(
                (*path, "id"), f"no channel of {section.id} is assigned", "add channels: {di_1: equipment/point}"
            )
        written = [one.id for one in self.written.equipment]
        for channel, setting in section.channels.items():
            at: _Path = (*path, "channels", channel)
            thing, point = setting.target
            known = self._known(at, f"channel of {model.id}", channel, model.mappings)
            if self._known(at, "equipment", thing, written) and thing in things:
                points = things[thing].equipment_class.points
                if self._known(at, f"point of {things[thing].equipment_class.id}", point, points) and known:
                    mapping = fitted(model.mappings[channel], {}, setting)
                    wrong = list(check_meaning(at, mapping, points[point]))
                    for _, what, how in wrong:
                        self._wrong(at, what, how)
                    if not wrong:
                        yield channel, (thing, point)

    def _binding(
        self, device_point: str, thing: Equipment, point: str, section: DeviceSection, every_ms: int
    ) -> Binding:
        model = self.library.models[section.model]
        mapping = fitted(model.mappings[device_point], section.ratios, section.channels.get(device_point))
        every_ms = group_every_ms(mapping, every_ms)
        of = thing.equipment_class.points[point]
        return Binding(device_point, thing.id, point, of, mapping, every_ms, stale_after_ms(of, every_ms))

    def _one_address_once(self, devices: Sequence[Device]) -> None:
        """On MQTT two models may read the messages of one device: its climate and its relay."""
        seen: dict[tuple[str, str, str], str] = {}
        for device in devices:
            key = (device.bus.id, str(device.address), device.model.id if device.bus.kind == "mqtt" else "")
            if (other := seen.setdefault(key, device.id)) != device.id:
                self._wrong(
                    self._at("devices", device.id, "address"),
                    f"address {device.address} on bus {device.bus.id} is already {other}'s", "give each device its own address",
                )  # fmt: skip

    def _one_device_per_point(self, devices: Sequence[Device]) -> None:
        first: dict[tuple[str, str], str] = {}
        clashes: dict[tuple[str, str, str], list[str]] = {}
        for device in devices:
            for binding in device.bindings:
                other = first.setdefault((binding.equipment, binding.point_id), device.id)
                if other != device.id:
                    clashes.setdefault((device.id, other, binding.equipment), []).append(binding.device_point)
        for (device_id, other, thing), points in clashes.items():
            shown = ", ".join([*points[:4], "…"] if len(points) > 4 else points)
            self._wrong(
                self._at("devices", device_id, "id"), f"{other} already measures {shown} of {thing}",
                f"write without: [{shown}] at one of them",
            )  # fmt: skip

    def _at(self, section: str, one: str, key: str) -> _Path:
        rows = getattr(self.written, section)
        return (section, next(index for index, row in enumerate(rows) if row.id == one), key)
