"""Site → what will be asked of each bus: the request plan that ``check`` prints and that the cloud is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from device_profiles.library import Finding, LibraryError, load_yaml
from device_profiles.reading import finding
from edge.acquire.read_plan import BusLoad, Infeasible, ReadPlan, bus_load, plan
from edge.errors import Misconfigured
from edge.modbus_lines import settings_of
from edge.rules.engine import check_conditions
from edge.site import Bus, Device, Site


@dataclass(frozen=True, slots=True)
class BusPlan:
    """One bus: its devices with their requests, and how busy it will be. ``load`` is None where messages arrive unasked."""

    bus: Bus
    devices: tuple[tuple[Device, tuple[str, ...]], ...]
    requests: int
    registers: int
    load: BusLoad | None

    @property
    def where(self) -> str:
        """Address of the line, and how it is spoken to."""
        return settings_of(self.bus)


def plan_site(site: Site) -> list[BusPlan]:
    """The plan of every bus. Raises Misconfigured for what cannot be read or kept, and for unusable conditions."""
    findings = check_conditions(site)
    plans, devices_of = [], site.devices_by_bus()
    for bus in site.buses:
        try:
            one = _plan_bus(bus, devices_of.get(bus.id, ()))
        except Infeasible as error:
            findings.append(_finding(site, bus, str(error), "Mend the model or choose another"))
            continue
        if one.load is not None and not one.load.is_feasible:
            told = "; ".join((one.load.lines[-2], *one.load.heaviest))
            findings.append(_finding(site, bus, told, one.load.lines[-1]))
        plans.append(one)
    if findings:
        raise Misconfigured(findings)
    return plans


def _finding(site: Site, bus: Bus, message: str, remedy: str) -> Finding:
    """At the place where the file names the bus, as far as it can still be read."""
    place: tuple[str | int, ...] = ("buses", bus.id)
    try:
        data, lines = load_yaml(site.path)
    except LibraryError:
        return Finding(str(site.path), 0, f"buses.{bus.id}", message, remedy)
    written = data.get("buses", ()) if isinstance(data, dict) else ()
    place = next((("buses", at, "id") for at, one in enumerate(written) if one.get("id") == bus.id), place)
    return finding(site.path, lines, place, message, remedy)


def _plan_bus(bus: Bus, devices: Sequence[Device]) -> BusPlan:
    if bus.kind == "mqtt":
        return BusPlan(bus, tuple((device, (_topics(device),)) for device in devices), 0, 0, None)
    plans: list[ReadPlan] = [plan(device) for device in devices]
    rows = tuple((device, tuple(one.lines())) for device, one in zip(devices, plans, strict=True))
    requests = [request for one in plans for request in one.requests]
    return BusPlan(bus, rows, len(requests), sum(request.count for request in requests), bus_load(bus, plans))


def _topics(device: Device) -> str:
    mqtt = device.model.mqtt
    topic = mqtt.topic.replace("{address}", str(device.address)) if mqtt else ""
    count = len(device.bindings)
    return f"topic {topic}: {count} point{'' if count == 1 else 's'}, expected every {device.every_ms / 1000:g} s"


def device_plans(plans: list[BusPlan]) -> dict[str, tuple[str, ...]]:
    """Each device's lines, for the announcement."""
    return {device.id: lines for one in plans for device, lines in one.devices}
