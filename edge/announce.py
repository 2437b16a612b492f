"""rules → outbox: everything this gateway serves, as the first event of every epoch tells the cloud (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from contract.messages import (
    AnnouncedDevice,
    AnnouncedEquipment,
    AnnouncedLimit,
    AnnouncedPoint,
    AnnouncedRule,
    AnnouncedTest,
    DeviceAnnounced,
    PointLimit,
    Resolving,
    Severity,
    Text,
)
from device_profiles import schema
from device_profiles.schema import RegisterMapping
from edge.rules.engine import NO_DATA_NAME, Engine
from edge.rules.judge import NO_DATA, NO_DATA_CLAUSE
from edge.rules.runtime import PointState, RuleRun, Runtime, TestRun
from edge.site import Device, Site

_Sign = Literal["<", "<=", ">", ">="]
MOST_LINES = 5_000
"""Points, rules, limits, tests and plan lines in one record: about 2 MB, an eighth of what the cloud unpacks."""


def announcement(site: Site, engine: Engine, plans: Mapping[str, Sequence[str]], version: str) -> list[DeviceAnnounced]:
    """The whole site as it runs now, in as many records as its size needs."""
    return split(announce(site, engine, plans, version))


def split(whole: DeviceAnnounced, most_lines: int = MOST_LINES) -> list[DeviceAnnounced]:
    """The same in records small enough for the cloud, each naming what the others tell. Most sites need one."""
    parts: list[tuple[list[AnnouncedEquipment], list[AnnouncedDevice]]] = [([], [])]
    lines = 0
    things: list[AnnouncedEquipment | AnnouncedDevice] = [*whole.equipment, *whole.devices]
    for thing in things:
        lines += _lines(thing)
        if lines > most_lines and any(parts[-1]):
            parts.append(([], []))
            lines = _lines(thing)
        if isinstance(thing, AnnouncedEquipment):
            parts[-1][0].append(thing)
        else:
            parts[-1][1].append(thing)
    if len(parts) == 1:
        return [whole]
    return [_part(whole, equipment, devices) for equipment, devices in parts]


def _lines(thing: AnnouncedEquipment | AnnouncedDevice) -> int:
    if isinstance(thing, AnnouncedDevice):
        return 1 + len(thing.plan)
    return 1 + len(thing.points) + len(thing.rules) + len(thing.limits) + len(thing.tests)


def _part(
    whole: DeviceAnnounced, equipment: list[AnnouncedEquipment], devices: list[AnnouncedDevice]
) -> DeviceAnnounced:
    here, there = {one.id for one in equipment}, {one.id for one in devices}
    return msgspec.structs.replace(
        whole, equipment=equipment, devices=devices,
        other_equipment=[one.id for one in whole.equipment if one.id not in here],
        other_devices=[one.id for one in whole.devices if one.id not in there],
    )  # fmt: skip


def announce(site: Site, engine: Engine, plans: Mapping[str, Sequence[str]], version: str) -> DeviceAnnounced:
    """The whole site as it runs now. ``plans``: the read plan of each device, one line a request."""
    equipment = [_equipment(runtime, engine) for runtime in engine.runtimes()]
    devices = [_device(device, plans.get(device.id, ())) for device in site.devices]
    return DeviceAnnounced(
        site=site.id, site_name=site.name, zone=site.zone, version=version, interval_ms=site.gateway.interval_ms,
        content_hash=_hash_of(equipment, devices), equipment=equipment, devices=devices,
    )  # fmt: skip


def _hash_of(equipment: Sequence[AnnouncedEquipment], devices: Sequence[AnnouncedDevice]) -> str:
    """SHA-256 of ``[equipment, devices]`` as JSON, one at a time: a large site takes megabytes."""
    found, encoder = hashlib.sha256(), msgspec.json.Encoder(order="deterministic")
    found.update(b"[")
    for place, several in enumerate((equipment, devices)):
        found.update(b",[" if place else b"[")
        for index, one in enumerate(several):
            found.update(b"," if index else b"")
            found.update(encoder.encode(one))
        found.update(b"]")
    found.update(b"]")
    return found.hexdigest()


def _text(text: schema.Text) -> Text:
    return Text(en=text.en, zh=text.zh)


def _device(device: Device, plan: Sequence[str]) -> AnnouncedDevice:
    model = device.model
    return AnnouncedDevice(
        id=device.id, model=model.id, model_name=f"{model.maker} {model.name}", status=model.status,
        bus=device.bus.id, protocol=model.protocol, address=str(device.address), every_ms=device.every_ms,
        equipment=list(device.equipment), plan=list(plan),
    )  # fmt: skip


def _equipment(runtime: Runtime, engine: Engine) -> AnnouncedEquipment:
    one, of = runtime.equipment, runtime.equipment.equipment_class
    bars = _point_limits(runtime)
    return AnnouncedEquipment(
        id=one.id, equipment_class=of.id, name=_text(one.name), system=of.system, roles=list(one.roles),
        place=one.place, serves=one.serves, ratings=dict(one.ratings), limits=list(_limits(runtime, engine)),
        points=[_point(runtime.points[name], bars.get(name, [])) for name in of.points if name in runtime.points],
        rules=[*(_rule(run) for run in runtime.rules.values()), *_no_data(runtime)],
        tests=[_test(name, test, runtime.tests) for name, test in one.tests.items()],
        main_points=[name for name in of.main_points if name in runtime.points], building=one.building,
    )  # fmt: skip


def _limits(runtime: Runtime, engine: Engine) -> Iterator[AnnouncedLimit]:
    from_cloud = engine.cloud_limits[runtime.equipment.id]
    for name, value in runtime.equipment.limits.items():
        limit = value.limit
        is_cloud = name in from_cloud
        yield AnnouncedLimit(
            id=name, value=runtime.limits[name], unit=limit.unit, name=_text(limit.name),
            source=f"cloud: {from_cloud[name]['by']}" if is_cloud else value.source,
            class_value=limit.value if is_cloud else value.class_value,
            set_by="cloud" if is_cloud else value.set_by,
        )  # fmt: skip


def _point(state: PointState, bars: list[PointLimit]) -> AnnouncedPoint:
    point = state.binding.point
    return AnnouncedPoint(
        id=state.binding.point_id, name=_text(point.name), kind=point.kind, unit=point.unit, digits=point.digits,
        plausible=point.plausible, states={word: _text(text) for word, text in point.states.items()},
        limits=bars, device=state.device, device_point=state.binding.device_point,
        wire=_wire(state), expected_every_ms=state.binding.every_ms,
    )  # fmt: skip


def _point_limits(runtime: Runtime) -> dict[str, list[PointLimit]]:
    """The limits to draw beside each point, in the order of the rules."""
    found: dict[str, list[PointLimit]] = {}
    for run in runtime.rules.values():
        for point, op, value in dict.fromkeys([*_bounds(runtime, run), *_marks(runtime, run)]):
            bar = PointLimit(rule=run.id, op=op, value=value, severity=run.severity, clause=run.rule.clause)
            found.setdefault(point, []).append(bar)
    return found


def _bounds(runtime: Runtime, run: RuleRun) -> Iterator[tuple[str, _Sign, float]]:
    """Limits that the condition compares points with."""
    for bound in run.code.when.bounds:
        if bound.limit in runtime.limits:
            yield bound.point, bound.op, runtime.limits[bound.limit]


def _marks(runtime: Runtime, run: RuleRun) -> Iterator[tuple[str, _Sign, float]]:
    """Limits that the class says belong beside points, from this equipment's limits and ratings."""
    for mark in run.code.marks:
        if (value := mark.value(runtime.values)) is not None:
            yield mark.point, mark.op, value


def _wire(state: PointState) -> str:
    mapping = state.binding.mapping
    if isinstance(mapping, RegisterMapping):
        bit = "" if mapping.bit is None else f" bit {mapping.bit}"
        return f"{mapping.table} 0x{mapping.address:04X} {mapping.type}{bit} {mapping.order or ''}".rstrip()
    return " ".join(f"{key} {value}" for key, value in (("topic", mapping.topic), ("path", mapping.path)) if value)


def _rule(run: RuleRun) -> AnnouncedRule:
    rule, gate = run.rule, run.code.gate
    texts = {key: _text(text) for key in ("cause", "consequence", "action") if (text := getattr(rule, key)) is not None}
    return AnnouncedRule(
        id=run.id, name=_text(rule.name), severity=run.severity, clause=rule.clause,
        expression=run.code.when.text if gate is None else f"{run.code.when.text} (while {gate.text})",
        on_delay_ms=run.settings.on_delay_ms, off_delay_ms=run.settings.off_delay_ms, points=list(run.points),
        emergency=rule.emergency, resolve=_resolving(run), **texts,
    )  # fmt: skip


def _resolving(run: RuleRun) -> Resolving | None:
    told = run.rule.resolve
    if told is None:
        return None
    note = _text(told.note) if told.note else None
    return Resolving(photos=told.photos, within_limits=told.within_limits, lasting_ms=told.lasting, note=note)


def _no_data(runtime: Runtime) -> list[AnnouncedRule]:
    """The data-quality alarm, which every measured piece of equipment has."""
    if not runtime.points:
        return []
    return [
        AnnouncedRule(
            id=NO_DATA, name=_text(NO_DATA_NAME), severity=Severity.MINOR, clause=NO_DATA_CLAUSE,
            expression="a rule could not be judged for too long for lack of good data",
            cause=Text(en="The device, its line or its network does not deliver good values.", zh="设备、线路或网络未提供有效数据。"),
            consequence=Text(en="Faults of this equipment stay unseen.", zh="该设备的故障将无法被发现。"),
            action=Text(
                en="Check the device's supply, wiring and address; until then look after the equipment on rounds.",
                zh="检查设备供电、接线和地址；恢复前加强人工巡视。",
            ),
        )
    ]  # fmt: skip


def _test(name: str, test: schema.PeriodicTest, observed: Sequence[TestRun]) -> AnnouncedTest:
    is_observed = any(run.observation.test == name for run in observed)
    return AnnouncedTest(
        id=name, name=_text(test.name), every=test.every, clause=test.clause,
        proof="observed" if is_observed or not test.form else "form",
        anchor=test.anchor, window=test.window, grace=test.grace,
    )  # fmt: skip
