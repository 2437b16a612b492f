"""physics → devices: one simulated plant, its equipment living in time and its devices showing it.

``SimulatedPlant`` is time and truth; ``PlantServers`` puts it on sockets. Both run for as long as their loop does.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from contract.conventions import EpochMs
from contract.messages import Value
from device_profiles.schema import Point
from simulators import sensors
from simulators.clock import Clock
from simulators.modbus_device import Misbehaviour, Request, Witness, asked
from simulators.mqtt_device import LOOK_S, MessageWitness, MqttDevice
from simulators.physics import Plant, create, make_calendar
from simulators.raw_lines import LineServer, Where, open_line
from simulators.registers import Layout, ModelRegisters
from simulators.sensors import Lie
from simulators.site import Broker, SimulatedDevice, SimulatedSite, broker_of
from simulators.truth import TruthFile

TICK_MS = 100
"""Values are computed at most this often, however many requests ask."""


class UnknownFault(ValueError):
    """The equipment or the fault does not exist. The text lists what does."""


@dataclass(frozen=True, slots=True)
class Change:
    """A fault that came or went."""

    at_ms: EpochMs
    do: Literal["inject", "clear"]
    equipment: str
    fault: str
    onset_s: float = 0.0
    """How long the fault takes to show in full."""


class SimulatedPlant:
    """Everything of one site that lives: true values by equipment, faults in and out, sensors that lie about them."""

    def __init__(self, site: SimulatedSite, clock: Clock, *, seed: int = 0, holidays: Iterable[date] = ()) -> None:
        self.site, self._seed = site, seed
        self._clock = clock
        calendar = make_calendar(site.zone, holidays)
        self._physics: dict[str, Plant] = {
            name: create(
                of.equipment_class.id, _seed(seed, name), of.ratings, of.limits, of.equipment_class.points,
                calendar=calendar, roles=of.roles,
            )
            for name, of in site.equipment.items()
        }  # fmt: skip
        self._partners = self._pair()
        self.history: list[Change] = []
        """Every fault that came or went, whoever caused it, oldest first."""
        self._truth: dict[str, tuple[int, Mapping[str, Value]]] = {}
        self._shown: dict[str, tuple[int, Mapping[str, Value]]] = {}
        self._asked = {device.id: _asked(device) for device in site.devices}
        self._plain = {device.id for device in site.devices if _is_plain(device)}
        self._lies: dict[str, dict[str, tuple[Lie, ...]]] = {}
        self._listeners: dict[str, list[Callable[[], None]]] = {}

    def now_ms(self) -> EpochMs:
        """The plant's own time."""
        return self._clock.now_ms()

    def _pair(self) -> dict[str, str]:
        """Standby pumps and those they stand in for take turns: each to the other."""
        partners: dict[str, str] = {}
        for name, of in self.site.equipment.items():
            if "standby" in of.roles and of.serves in self._physics:
                self._physics[of.serves].take_turns(self._physics[name])
                partners |= {name: of.serves, of.serves: name}
        return partners

    def _tick(self) -> int:
        return self._clock.now_ms() // TICK_MS

    def values(self, equipment: str) -> Mapping[str, Value]:
        """True values of every point, in the class's units. The same object within one tick."""
        tick = self._tick()
        known = self._truth.get(equipment)
        if known is not None and known[0] == tick:
            return known[1]
        values = self._physics[equipment].values(tick * TICK_MS / 1000)
        self._truth[equipment] = (tick, values)
        return values

    def device_values(self, device: SimulatedDevice) -> Mapping[str, Value]:
        """What a device shows: device point → value. The same object within one tick."""
        tick = self._tick()
        known = self._shown.get(device.id)
        if known is not None and known[0] == tick:
            return known[1]
        values = self.device_truth(device)
        if lies := self._lies.get(device.id):
            now_s, seed = tick * TICK_MS / 1000, _seed(self._seed, device.id)
            values = sensors.shown(values, lies, self.device_points(device), now_s, seed)
        self._shown[device.id] = (tick, values)
        return values

    def device_truth(self, device: SimulatedDevice) -> Mapping[str, Value]:
        """What a device would show if none of its sensors lied: device point → value."""
        now_s, asked = self._tick() * TICK_MS / 1000, self._asked[device.id]
        if device.id in self._plain:
            ((owner, names),) = asked.items()
            return self._physics[owner].values(now_s, names)
        found = {owner: self._physics[owner].values(now_s, names) for owner, names in asked.items()}
        return {point: found[owner][name] for point, (owner, name) in device.sources.items()}

    def lie(self, device: str, point: str, kind: str, **figures: object) -> EpochMs:
        """From now on a sensor is wrong about one device point; kinds and figures stand in ``simulators.sensors``.

        Other kinds on the same point stay. Raises UnknownFault for a device that does not exist, BadLie for a lie that
        cannot be told.
        """
        of, now_ms = self._device(device), self._clock.now_ms()
        shown = self.device_values(of).get(point)
        made = sensors.make_lie(kind, self.device_points(of), point, shown, now_ms / 1000, figures)
        lies = self._lies.setdefault(device, {})
        lies[point] = (*(one for one in lies.get(point, ()) if one.kind != kind), made)
        return self._sensor_changed(of)

    def truth(self, device: str, point: str | None = None, kind: str | None = None) -> EpochMs:
        """From now on the sensor tells the truth again: of one kind, of one point, or of the whole device."""
        of = self._device(device)
        lies = self._lies.get(device, {})
        for name in [point] if point else list(lies):
            lies[name] = tuple(one for one in lies.get(name, ()) if kind is not None and one.kind != kind)
            if not lies[name]:
                del lies[name]
        return self._sensor_changed(of)

    def _sensor_changed(self, device: SimulatedDevice) -> EpochMs:
        self._shown.pop(device.id, None)
        for owner in dict.fromkeys(owner for owner, _ in device.sources.values()):
            self._tell(owner)
        return self._clock.now_ms()

    def _device(self, device: str) -> SimulatedDevice:
        found = next((one for one in self.site.devices if one.id == device), None)
        if found is None:
            raise UnknownFault(f"no device {device}; this plant has {', '.join(one.id for one in self.site.devices)}")
        return found

    def true_and_shown(self, device: SimulatedDevice, names: Iterable[str]) -> dict[str, tuple[Value, Value]]:
        """Of these device points, what is true now and what the device shows."""
        shown = self.device_values(device)
        sources = {name: device.sources[name] for name in names if name in device.sources}
        return {name: (self.values(owner)[point], shown[name]) for name, (owner, point) in sources.items()}

    def device_points(self, device: SimulatedDevice) -> dict[str, Point]:
        """Device point → the standard point it shows."""
        return self.site.points_of(device)

    def inject(self, equipment: str, fault: str, onset_s: float = 0.0) -> EpochMs:
        """Let a fault happen now. Its effect is readable at once, or develops over ``onset_s``. Raises UnknownFault."""
        return self._change("inject", equipment, fault, onset_s)

    def clear(self, equipment: str, fault: str) -> EpochMs:
        """Repair it. Raises UnknownFault."""
        return self._change("clear", equipment, fault)

    def _change(self, do: Literal["inject", "clear"], equipment: str, fault: str, onset_s: float = 0.0) -> EpochMs:
        self._check(equipment, fault)
        now_ms, physics = self._clock.now_ms(), self._physics[equipment]
        if do == "inject":
            physics.inject(fault, now_ms / 1000, onset_s)
        else:
            physics.clear(fault, now_ms / 1000)
        self.history.append(Change(now_ms, do, equipment, fault, onset_s))
        self._shown.clear()
        for name in (equipment, self._partners.get(equipment)):
            if name is not None:
                self._truth.pop(name, None)
                self._tell(name)
        return now_ms

    def _tell(self, equipment: str) -> None:
        for listener in self._listeners.get(equipment, ()):
            listener()

    def _check(self, equipment: str, fault: str) -> None:
        if equipment not in self._physics:
            raise UnknownFault(f"no equipment {equipment}; this plant has {', '.join(self._physics)}")
        faults = self.site.equipment[equipment].equipment_class.faults
        if fault not in faults:
            raise UnknownFault(f"{equipment} knows no fault {fault}; it knows {', '.join(faults)}")

    def on_change(self, equipment: str, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a fault of this equipment comes or goes."""
        self._listeners.setdefault(equipment, []).append(listener)


def _asked(device: SimulatedDevice) -> dict[str, frozenset[str]]:
    """Equipment → those of its points that a device shows."""
    sources = device.sources.values()
    return {owner: frozenset(name for of, name in sources if of == owner) for owner, _ in sources}


def _seed(seed: int, equipment: str) -> int:
    return zlib.crc32(f"{seed}/{equipment}".encode())


def _is_plain(device: SimulatedDevice) -> bool:
    """Whether it shows one equipment's points under their own names, in registers, which pass over what they do not hold."""
    is_alike = all(name == point for point, (_, name) in device.sources.items())
    return device.model.protocol == "modbus" and is_alike and len(_asked(device)) == 1


class PlantServers:
    """A plant on sockets and lines: a Modbus server for each bus, an MQTT client for each message device.

    Servers are found as ``where`` says; brokers are where the site says, their logins read from files beside it in
    ``folder``. ``truth`` is told of everything that is sent.
    """

    def __init__(
        self,
        plant: SimulatedPlant,
        clock: Clock,
        *,
        where: Where = Where(),  # noqa: B008 - frozen
        folder: Path = Path(),
        truth: TruthFile | None = None,
    ) -> None:
        self._plant, self._clock = plant, clock
        self._where, self._folder, self._truth = where, folder, truth
        self._modbus: dict[str, LineServer] = {}
        self._layouts: dict[tuple[object, ...], Layout] = {}
        """Devices that are alike share theirs; each keeps its model and points, so that no id is used twice."""
        self._witnesses: dict[str, Witness] = {}
        self._mqtt: dict[str, MqttDevice] = {}
        self._restarts: set[asyncio.Task[None]] = set()

    async def run(self, started: asyncio.Event) -> None:
        """Serve until cancelled; ``started`` is set once every port listens. Raises SiteError for a port in use."""
        try:
            await self.start_modbus()
            async with asyncio.TaskGroup() as group:
                for device in self.message_devices():
                    group.create_task(device.run(), name=f"mqtt_device_{device.id}")
                started.set()
                await asyncio.get_running_loop().create_future()
        finally:
            await self.stop_modbus()

    def server(self, bus: str) -> LineServer:
        """The server of one Modbus bus, once started."""
        return self._modbus[bus]

    def misbehave(self, device: str, how: Misbehaviour) -> None:
        """Let a device answer wrongly. ``restart`` lets its whole bus vanish for ``delay_s`` and come back healthy.

        Raises UnknownFault for a device this plant does not have.
        """
        found = next((one for one in self._plant.site.devices if one.id == device), None)
        if found is None:
            known = ", ".join(one.id for one in self._plant.site.devices)
            raise UnknownFault(f"no device {device}; this plant has {known}")
        if found.model.protocol != "modbus":
            self._mqtt[device].misbehave(how)
        elif how.fault == "restart":
            self._restart(found.bus, how.delay_s)
        else:
            self._modbus[found.bus].misbehave(int(found.address), how)

    def _restart(self, bus: str, dark_s: float) -> None:
        task = asyncio.get_running_loop().create_task(self._modbus[bus].restart(dark_s), name=f"restart_{bus}")
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def start_modbus(self) -> None:
        """Open every Modbus bus. Raises SiteError for one that cannot be opened."""
        for name, bus in self._plant.site.buses.items():
            if "modbus" not in bus:
                continue
            on_bus = {int(device.address): device for device in self._plant.site.on_bus(name)}
            registers = {address: self.registers(device) for address, device in on_bus.items()}
            server = self._modbus[name] = await open_line(bus, self._clock, registers, self._where)
            self._witnesses[name] = self._witness(on_bus, registers)
            server.witness = self._witnesses[name] if self._truth is not None else None

    def registers(self, device: SimulatedDevice) -> ModelRegisters:
        """The memory of one Modbus device, living."""
        points = self._plant.device_points(device)
        key = (id(device.model), *((name, id(point)) for name, point in points.items()))
        if (layout := self._layouts.get(key)) is None:
            layout = self._layouts[key] = Layout(device.model, points)
        return ModelRegisters(device.model, points, _values_of(self._plant, device), layout)

    def tell(self, truth: TruthFile) -> None:
        """From now on, tell the truth beside everything that is sent."""
        self._truth = truth
        for name, server in self._modbus.items():
            server.witness = self._witnesses[name]

    def _witness(self, on_bus: Mapping[int, SimulatedDevice], registers: Mapping[int, ModelRegisters]) -> Witness:
        def witness(request: Request, pdu: bytes, how: Misbehaviour) -> None:
            truth = self._truth
            if truth is None or request.device not in on_bus or pdu[0] & 0x80:
                return
            device, of = on_bus[request.device], registers[request.device]
            table, first, count = asked(request)
            points = self._plant.true_and_shown(device, of.points_in(table, first, count))
            truth.reply(
                self._clock.now_ms(), device.id, (table, first), of.read(table, first, count), how.fault, points
            )

        return witness

    async def stop_modbus(self) -> None:
        """Close every Modbus port and connection."""
        for task in list(self._restarts):
            task.cancel()
        for server in self._modbus.values():
            await server.stop()

    def message_devices(self, look_s: float = LOOK_S) -> list[MqttDevice]:
        """Every MQTT device of the site, not yet speaking."""
        for name, bus in self._plant.site.buses.items():
            if "mqtt" not in bus:
                continue
            for device in self._plant.site.on_bus(name):
                self._mqtt[device.id] = self._message_device(device, broker_of(bus, self._folder), look_s)
        return list(self._mqtt.values())

    def _message_device(self, device: SimulatedDevice, broker: Broker, look_s: float) -> MqttDevice:
        simulated = MqttDevice(
            device, self._plant.device_points(device), _values_of(self._plant, device), self._clock,
            port=broker.port, host=broker.host, login=broker.login, look_s=look_s,
        )  # fmt: skip
        simulated.witness = self._message_witness(device)
        for owner in dict.fromkeys(owner for owner, _ in device.sources.values()):
            self._plant.on_change(owner, simulated.wake)
        return simulated

    def _message_witness(self, device: SimulatedDevice) -> MessageWitness:
        def witness(topic: str, payload: bytes, fault: str) -> None:
            if (truth := self._truth) is None:
                return
            points = self._plant.true_and_shown(device, device.sources)
            truth.message(self._clock.now_ms(), device.id, topic, payload, fault, points)

        return witness


def _values_of(plant: SimulatedPlant, device: SimulatedDevice) -> Callable[[], Mapping[str, Value]]:
    return lambda: plant.device_values(device)
