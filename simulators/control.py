"""A hand on the simulated plant: one JSON object a line over a loopback port, one object back.

``{"do": "inject", "target": "incomer_1", "fault": "low_power_factor", "for_s": 600}`` → ``{"ok": true, "at_ms": 1795…}``

A target is a piece of equipment (its fault), a device (how it answers wrongly), a sensor ``DEVICE/POINT`` (how it lies)
or a bus (``cut``). The control panel's buttons and the console's commands are the same wishes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from contract.conventions import EpochMs
from simulators import sensors
from simulators.modbus_device import Misbehaviour
from simulators.plant import PlantServers, SimulatedPlant, UnknownFault
from simulators.raw_reply import DEVICE_FAILURE, FAULTS, Fault

CONTROL_PORT = 8182
"""Where a plant listens for commands, and where the console asks, unless told otherwise."""
_LINE_BYTES = 1 << 20
HOW = tuple(one for one in FAULTS if one != "none")
"""How a device may answer wrongly."""
USUAL_DELAY_S = {"slow": 2.0, "late": 2.0, "restart": 30.0}
START_ONE = (
    "start one with `plantroom-sim demo`, `plantroom-sim plant FILE` or `plantroom-sim site FILE --serve`, or name the port "
    "that it told with --control"
)
CUT = "cut"
Kind = Literal["equipment", "device", "sensor", "line"]


class ControlError(RuntimeError):
    """The plant did not do it. The text says why."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong now, whoever caused it."""

    kind: Kind
    target: str
    fault: str
    since_ms: EpochMs
    until_ms: EpochMs | None = None
    """When it is put right by itself."""


@dataclass(slots=True)
class _Timer:
    handle: asyncio.TimerHandle
    until_ms: EpochMs


class Hand:
    """Causes and puts right everything that can be wrong with one plant. Raises ValueError with what is possible."""

    def __init__(self, plant: SimulatedPlant, servers: PlantServers, now_ms: Callable[[], EpochMs]) -> None:
        self.plant, self._servers, self._now_ms = plant, servers, now_ms
        self._beside: dict[tuple[str, str], Wrong] = {}
        """What is wrong with devices, sensors and lines; faults of equipment are the plant's own knowledge."""
        self._timers: dict[tuple[str, str], _Timer] = {}

    def kind_of(self, target: str, fault: str) -> Kind:
        """What a target is. Raises ValueError for one that this plant does not have."""
        site = self.plant.site
        devices = [one.id for one in site.devices]
        if "/" in target:
            return "sensor"
        if target in site.equipment and not (target in devices and fault in HOW):
            return "equipment"
        if target in devices:
            return "device"
        if target in site.buses:
            return "line"
        if not fault or fault in HOW:
            raise UnknownFault(f"no device {target}; this plant has {', '.join(devices)}")
        raise UnknownFault(f"no equipment {target}; this plant has {', '.join(site.equipment)}")

    def cause(
        self, target: str, fault: str, *, for_s: float | None = None, onset_s: float = 0.0, **figures: object
    ) -> EpochMs:
        """Let something go wrong, for so long or until it is put right; the instant it did."""
        if for_s is not None and for_s <= 0:
            raise ValueError(f"a fault lasts longer than {for_s:g} s; leave the time out for one that stays")
        kind = self.kind_of(target, fault)
        at_ms = self._begin(kind, target, fault, onset_s, figures)
        if kind != "equipment" and fault != "restart":
            self._forget(kind, target, fault)
            self._beside[target, fault] = Wrong(kind, target, fault, at_ms)
        self._set_timer(target, fault, for_s)
        return at_ms

    def _begin(self, kind: Kind, target: str, fault: str, onset_s: float, figures: Mapping[str, object]) -> EpochMs:
        if kind == "equipment":
            return self.plant.inject(target, fault, onset_s)
        if kind == "sensor":
            device, _, point = target.partition("/")
            return self.plant.lie(device, point, fault, **figures)
        for device in [target] if kind == "device" else self._on_line(target, fault):
            self._misbehave(device, "silent" if kind == "line" else fault, figures)
        return self._now_ms()

    def _on_line(self, bus: str, fault: str) -> list[str]:
        if fault != CUT:
            raise ValueError(f"a line can be cut, not {fault}")
        return [one.id for one in self.plant.site.on_bus(bus)]

    def _misbehave(self, device: str, fault: str, figures: Mapping[str, object]) -> None:
        delay_s = float(str(figures.get("delay_s", USUAL_DELAY_S.get(fault, 0.0))))
        every = int(str(figures.get("every", 1)))
        code = int(str(figures.get("code", DEVICE_FAILURE)))
        self._servers.misbehave(device, Misbehaviour(cast("Fault", fault), delay_s, every, code))

    def _forget(self, kind: Kind, target: str, fault: str) -> None:
        """A device answers wrongly in one way at a time."""
        for key in [one for one in self._beside if kind == "device" and one[0] == target and one[1] != fault]:
            del self._beside[key]
            self._stop_timer(*key)

    def put_right(self, target: str, fault: str = "") -> EpochMs:
        """Repair one fault of a target, or everything that is wrong with it."""
        kind = self.kind_of(target, fault)
        faults = [fault] if fault else [one.fault for one in self.wrong() if one.target == target]
        at_ms = self._now_ms()
        for one in faults:
            self._stop_timer(target, one)
            at_ms = self._end(kind, target, one)
            self._beside.pop((target, one), None)
        return at_ms

    def _end(self, kind: Kind, target: str, fault: str) -> EpochMs:
        if kind == "equipment":
            return self.plant.clear(target, fault)
        if kind == "sensor":
            device, _, point = target.partition("/")
            return self.plant.truth(device, point, fault)
        for device in [target] if kind == "device" else self._on_line(target, CUT):
            self._servers.misbehave(device, Misbehaviour())
        return self._now_ms()

    def _set_timer(self, target: str, fault: str, for_s: float | None) -> None:
        self._stop_timer(target, fault)
        if for_s is not None:
            handle = asyncio.get_running_loop().call_later(for_s, self.put_right, target, fault)
            self._timers[target, fault] = _Timer(handle, self._now_ms() + round(for_s * 1000))

    def _stop_timer(self, target: str, fault: str) -> None:
        if timer := self._timers.pop((target, fault), None):
            timer.handle.cancel()

    def wrong(self) -> list[Wrong]:
        """Everything that is wrong now, oldest first."""
        since: dict[tuple[str, str], Wrong] = {}
        for change in self.plant.history:
            key = change.equipment, change.fault
            if change.do == "clear":
                since.pop(key, None)
            else:
                since.setdefault(key, Wrong("equipment", *key, change.at_ms))
        found = [*since.values(), *self._beside.values()]
        return sorted((self._with_end(one) for one in found), key=lambda one: one.since_ms)

    def _with_end(self, one: Wrong) -> Wrong:
        timer = self._timers.get((one.target, one.fault))
        return one if timer is None else Wrong(one.kind, one.target, one.fault, one.since_ms, timer.until_ms)


@dataclass(slots=True)
class Control:
    """Answers commands for one plant."""

    plant: SimulatedPlant
    servers: PlantServers
    hand: Hand = field(init=False)
    address: str = ""
    """Of the control panel, where it has one."""

    def __post_init__(self) -> None:
        self.hand = Hand(self.plant, self.servers, self.plant.now_ms)

    def answer(self, line: bytes) -> dict[str, Any]:
        """One command to its answer; never raises for a wrong command."""
        commands: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "inject": self._inject, "clear": self._clear, "misbehave": self._misbehave, "list": self._list,
            "history": self._history, "state": self._state,
        }  # fmt: skip
        try:
            wish = json.loads(line)
            return {"ok": True, **commands[wish["do"]](wish)}
        except (UnknownFault, ValueError) as error:
            return {"ok": False, "error": str(error)}
        except (KeyError, TypeError) as error:
            return {"ok": False, "error": f"not understood: {error}; do is one of {', '.join(commands)}"}

    def _inject(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        for_s, onset_s = wish.get("for_s"), float(wish.get("onset_s", 0.0))
        figures = dict(wish.get("with", {}))
        target = wish.get("target") or wish["equipment"]
        return {"at_ms": self.hand.cause(target, wish["fault"], for_s=for_s, onset_s=onset_s, **figures)}

    def _clear(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        return {"at_ms": self.hand.put_right(wish.get("target") or wish["equipment"], wish.get("fault", ""))}

    def _misbehave(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        if wish["fault"] == "none":
            self.hand.kind_of(wish["device"], "")
            self.hand.put_right(wish["device"])
            return {}
        figures = {"delay_s": float(wish.get("delay_s", 0.0)), "every": int(wish.get("every", 1))}
        self.hand.cause(wish["device"], wish["fault"], **figures)
        return {}

    def _list(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        of = self.plant.site.equipment
        chosen = {wish["equipment"]: of[wish["equipment"]]} if "equipment" in wish else of
        return {"faults": {name: list(one.equipment_class.faults) for name, one in chosen.items()}}

    def _state(self, wish: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - a command
        site = self.plant.site
        return {
            "site": site.id,
            "panel": self.address,
            "equipment": {name: list(one.equipment_class.faults) for name, one in site.equipment.items()},
            "devices": {one.id: list(HOW) for one in site.devices},
            "sensors": {one.id: list(one.sources) for one in site.devices},
            "lies": list(sensors.KINDS),
            "lines": {bus: [CUT] for bus in site.buses},
            "wrong": [asdict(one) for one in self.hand.wrong()],
        }

    def _history(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        return {"history": [asdict(one) for one in self.plant.history[int(wish.get("after", 0)) :]]}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while line := await reader.readline():
                    writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                    await writer.drain()
        finally:
            writer.close()


async def command(port: int, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the plant behind a control port. Raises ControlError when it refuses or is not there."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_LINE_BYTES)
    except OSError as error:
        raise ControlError(f"no simulated plant answers on port {port}; {START_ONE}") from error
    try:
        writer.write(json.dumps(wish).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await reader.readline() or b"{}")
    finally:
        writer.close()
    if not answer.get("ok"):
        raise ControlError(answer.get("error", "the plant went away"))
    return answer
