"""acquire → rules: the gateway as a piece of equipment of its own, measured, judged and delivered like any other (pure).

Nobody writes it into the site file: it has the gateway's id and class ``gateway``, and one more point for each device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from contract.messages import Cause, DeviceHealth, Quality, Text, Value
from device_profiles import schema
from device_profiles.schema import DeviceModel, EquipmentClass, MqttTopics, PayloadMapping, Point
from edge.decode.sample import Moment, Sample
from edge.figures import limits_of, name_of, rules_of
from edge.machine import Machine
from edge.outbox.sqlite import Depth
from edge.site import Binding, Bus, Device, Equipment, Site

CLASS = "gateway"
EVERY_MS = 30_000
FIRST_S = 3.0
"""After a start, so that the first word about the line to the cloud is a true one."""
STALE_AFTER_MS = 3 * EVERY_MS
_OF_THE_CLOUD = frozenset({"cloud_reached", "credential_taken", "receipt_age", "clock_offset"})
"""Points that a gateway without a cloud does not have."""
_DEVICE_NAME = Text(en="{} answers", zh="{} 应答率")


@dataclass(frozen=True, slots=True)
class State:
    """What the gateway knows of itself at one instant."""

    is_reached: bool
    is_refused: bool
    """The cloud answered that it does not know this credential."""
    last_receipt_ms: int | None
    started_ms: int
    clock_offset_ms: int | None
    events: Depth
    samples: Depth
    is_disk_well: bool
    devices: tuple[DeviceHealth, ...]


def joined(site: Site, offers: Machine) -> Site:
    """The site with its gateway among the equipment; unchanged where the library has no such class or the id is taken.

    ``offers`` is a look at the machine: what it cannot tell is no point here, so that no rule waits for it.
    """
    of = site.library.classes.get(CLASS)
    if of is None or site.find_equipment(site.gateway.id) is not None:
        return site
    missing = {name for name in ("disk_free", "memory_used", "temperature") if getattr(offers, name) is None}
    missing |= set() if site.gateway.cloud else _OF_THE_CLOUD
    missing |= set() if site.devices else {"devices_answering"}
    of = _with_devices(of, site)
    equipment = _equipment(of, site.gateway.id)
    points = [name for name in of.points if name not in missing]
    return replace(
        site, equipment=(*site.equipment, equipment), devices=(*site.devices, _device(equipment, points))
    )  # fmt: skip


def _with_devices(of: EquipmentClass, site: Site) -> EquipmentClass:
    more = {
        answers(device.id): Point(
            name=schema.Text(en=_DEVICE_NAME.en.format(device.id), zh=_DEVICE_NAME.zh.format(device.id)),
            kind="gauge", unit="%", plausible=(0, 100),
        )
        for device in site.devices
    }  # fmt: skip
    return of.model_copy(update={"points": {**of.points, **more}})


def answers(device: str) -> str:
    """The point that tells how one device answers."""
    return f"answers_{device}"


def _equipment(of: EquipmentClass, name: str) -> Equipment:
    return Equipment(
        id=name, equipment_class=of, name=name_of(None, of, name), roles=(), ratings={}, limits=limits_of(of, {}),
        rules=rules_of(of, set(), []), tests=dict(of.tests), serves="", place="",
    )  # fmt: skip


def _device(equipment: Equipment, points: list[str]) -> Device:
    """Nothing is asked over a wire; the device is only what the rules know as the place where a point comes from."""
    mappings = {name: PayloadMapping(path=name) for name in points}
    model = DeviceModel(
        id="own_health", equipment_class=CLASS, name="own health", maker="Plantroom", status="verified",
        sources=["edge/own.py"], protocol="mqtt", mqtt=MqttTopics(topic=""), payload=mappings,
    )  # fmt: skip
    bindings = tuple(
        Binding(name, equipment.id, name, equipment.equipment_class.points[name], mapping, EVERY_MS, STALE_AFTER_MS)
        for name, mapping in mappings.items()
    )
    return Device(equipment.id, model, Bus("own", "mqtt"), equipment.id, EVERY_MS, bindings)


def samples(device: Device, machine: Machine, state: State, now: Moment) -> list[Sample]:
    """One sample of each point of its own that has a value now."""
    values = dict(_values(machine, state, now))
    return [
        Sample(device.id, device.id, name, value, Quality.GOOD, Cause.NONE, now.wall_ms, now.steady_ms)
        for name in (binding.point_id for binding in device.bindings)
        if (value := values.get(name)) is not None
    ]


def _values(machine: Machine, state: State, now: Moment) -> Iterator[tuple[str, Value]]:
    since = state.last_receipt_ms if state.last_receipt_ms is not None else state.started_ms
    oldest = [one.oldest_ms for one in (state.events, state.samples) if one.oldest_ms is not None]
    yield "cloud_reached", state.is_reached
    if state.is_reached or state.is_refused:
        yield "credential_taken", not state.is_refused
    yield "receipt_age", _age_s(since, now)
    yield "outbox_events", float(state.events.records)
    yield "outbox_samples", float(state.samples.records)
    yield "outbox_age", _age_s(min(oldest), now) if oldest else 0.0
    yield "disk_well", state.is_disk_well
    if state.clock_offset_ms is not None:
        yield "clock_offset", state.clock_offset_ms / 1000
    yield from _of_machine(machine).items()
    yield from _of_devices(state.devices)


def _of_machine(machine: Machine) -> Mapping[str, Value]:
    names = ("disk_free", "cpu_load", "memory_used", "temperature")
    return {name: getattr(machine, name) for name in names}


def _of_devices(devices: tuple[DeviceHealth, ...]) -> Iterator[tuple[str, Value]]:
    known = [one for one in devices if one.state != "not_yet"]
    if known:
        yield "devices_answering", round(100 * sum(one.state in ("ok", "degraded") for one in known) / len(known), 1)
    for one in known:
        yield answers(one.device), round(100 * one.answered_share, 1)


def _age_s(since_ms: int, now: Moment) -> float:
    return max(now.wall_ms - since_ms, 0) / 1000
