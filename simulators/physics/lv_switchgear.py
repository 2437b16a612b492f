"""physics of switchgear: a building's load on three phases, its power triangle, its capacitor bank, joints and room (pure).

The bank's controller looks every quarter of an hour and leaves well alone within its band; a day of its switching is
worked out from the beginning of that day, whatever was asked before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from simulators.physics.models import loads, power, weather
from simulators.physics.plant import DAY_S, Circumstances, Values

FAULTS = (
    "low_power_factor", "overload", "phase_loss", "joint_overheating", "stage_fuses", "controller_stuck", "contactor_welded",
    "controller_hunts", "supply_lost", "breaker_trip", "earth_leakage", "undervoltage", "harmonics", "dc_failed",
    "ventilation_failed", "flooded",
)  # fmt: skip

_BARE_PF, _TARGET_PF, _USUAL_PF = 0.78, 0.97, 0.96
_BARE_TAN, _TARGET_TAN, _USUAL_TAN = power.tangent(_BARE_PF), power.tangent(_TARGET_PF), power.tangent(_USUAL_PF)
_NIGHT_SHARE, _WORK_SHARE, _SEASON_SHARE, _OVERLOAD_SHARE = 0.32, 0.29, 0.03, 1.15
_BANK = 0.42
"""Reactive power of the whole bank against the circuit's rated power."""
_LOOK_S = 900.0
_FINE_STAGES = 8
"""A bank of fewer stages than this is trimmed finer by other means."""
_HUNT_S = 12.0
_PHASES = ((1.0, 0.002), (0.985, -0.001), (1.01, 0.0))
"""Of each phase, its current and by how much its voltage differs."""


@dataclass(frozen=True, slots=True)
class _Phase:
    """One phase: V, A, kW, kvar, kVA."""

    voltage: float
    current: float
    active: float
    reactive: float
    apparent: float

    @property
    def power_factor(self) -> float:
        return self.active / self.apparent if self.apparent else 1.0


def values(now: Circumstances) -> Values:
    """Every point of ``lv_switchgear``."""
    share = _share(now)
    bank = _bank(now)
    shown = _stages(now, bank, share)
    tan = _tangent(now, bank, share, _working(now, bank, shown))
    phases = [_phase(now, index, share, tan) for index in range(3)]
    warm = max(phase.current for phase in phases) / now.rating("rated_a", 1000)
    return (
        _totals(now, phases)
        | _by_phase(phases)
        | _quality(now, phases)
        | _capacitors(now, shown)
        | _cabinet(now, warm)
        | _energy(now)
        | _meter(now)
    )


def _meter(now: Circumstances) -> Values:
    """What the meter says of itself. Its clock shows UTC, in a zone it does not tell."""
    clock = datetime.fromtimestamp(math.floor(now.now_s), UTC).replace(tzinfo=None)
    return {"meter_model": "PM5330", "meter_clock": clock.isoformat(timespec="milliseconds")}


def _usual_share(now: Circumstances) -> float:
    return _NIGHT_SHARE + _WORK_SHARE * loads.ELECTRICITY.share(now.local()) + _SEASON_SHARE * weather.season(now)


def _share(now: Circumstances) -> float:
    """Active power against the rated current at the usual power factor."""
    if now.has("supply_lost") or now.has("breaker_trip"):
        return 0.0
    return now.towards("overload", _usual_share(now), _OVERLOAD_SHARE) + now.noise("load", 0.015)


def _bank(now: Circumstances) -> power.Bank:
    stages = max(1, int(now.rating("capacitor_stages", 8)))
    return power.Bank(stages, _BANK / stages)


def _stages(now: Circumstances, bank: power.Bank, share: float) -> int:
    """Stages that the controller has switched on."""
    usual = _switched(now, bank)
    if not share:
        return 0
    if now.has("contactor_welded"):
        return min(bank.stages, usual + 1)
    if now.has("stage_fuses"):
        return max(1, bank.stages - 1)  # all but the one whose turn it is to rest
    if now.has("controller_stuck"):
        return 0
    if now.has("controller_hunts"):
        return max(0, usual - int(now.faults["controller_hunts"].age_s // _HUNT_S + 1) % 2)
    if "overload" in now.faults:
        usual = bank.ideal(_wanted(share))
    return usual - math.floor(usual * now.grown("low_power_factor"))


def _working(now: Circumstances, bank: power.Bank, on: int) -> int:
    """Stages that do something: a blown fuse is not seen by the controller, which has switched on all it has."""
    return on - math.ceil(bank.stages * 0.8) if now.has("stage_fuses") and on else on


def _wanted(share: float) -> float:
    return _USUAL_PF * share * (_BARE_TAN - _TARGET_TAN)


def _switched(now: Circumstances, bank: power.Bank) -> int:
    day, into = divmod(now.now_s, DAY_S)
    looks: list[int] = now.once(("stages", int(day)), lambda: _day(now, bank, int(day)))
    return looks[int(into // _LOOK_S)]


def _day(now: Circumstances, bank: power.Bank, day: int) -> list[int]:
    """Stages on in each quarter of an hour of a day UTC."""
    first = now.at(day * DAY_S)
    on = bank.ideal(_wanted(_usual_share(first)))
    found = []
    for look in range(int(DAY_S // _LOOK_S)):
        on = bank.switched(on, _wanted(_usual_share(now.at(day * DAY_S + look * _LOOK_S))))
        found.append(on)
    return found


def _tangent(now: Circumstances, bank: power.Bank, share: float, on: int) -> float:
    """Reactive against active power."""
    if not share:
        return 0.0
    tan = _BARE_TAN - bank.given(on) / (_USUAL_PF * share)
    if not set(now.faults) & {"low_power_factor", "stage_fuses", "controller_stuck", "contactor_welded"}:
        tan = _TARGET_TAN + (tan - _TARGET_TAN) * min(1.0, bank.stages / _FINE_STAGES)
    return tan + now.noise("factor", 0.01)


def _phase(now: Circumstances, index: int, share: float, tan: float) -> _Phase:
    name = f"l{index + 1}"
    if now.has("supply_lost") or (now.has("phase_loss") and index == 1):
        return _Phase(abs(now.noise(f"dead_{name}", 1.5)), 0.0, 0.0, 0.0, 0.0)
    more, offset = _PHASES[index]
    level = now.towards("undervoltage", 1.005, 1 + now.limit("voltage_low", -7) / 100 - 0.03)
    nominal = now.rating("nominal_v", 220)
    voltage = nominal * (level + offset + now.noise(f"volts_{name}", 0.001))
    active = nominal * now.rating("rated_a", 1000) * share * more * _USUAL_PF / 1000
    reactive = active * tan
    apparent = math.hypot(active, reactive)
    return _Phase(voltage, apparent * 1000 / voltage, active, reactive, apparent)


def _totals(now: Circumstances, phases: list[_Phase]) -> Values:
    active, reactive = sum(one.active for one in phases), sum(one.reactive for one in phases)
    return {
        "active_power": active,
        "reactive_power": reactive,
        "apparent_power": math.hypot(active, reactive),
        "power_factor": power.factor(active, reactive),
        "phase_angle": math.degrees(math.atan2(reactive, active)),
        "voltage_average": sum(one.voltage for one in phases) / 3,
        "current_average": sum(one.current for one in phases) / 3,
        "frequency": now.rating("nominal_hz", 50) + now.noise("hertz", 0.03),
        "neutral_current": _neutral([one.current for one in phases]) + 0.03 * phases[0].current,
    }


def _neutral(currents: list[float]) -> float:
    """Magnitude of the sum of three currents a third of a turn apart, in A."""
    one, two, three = currents
    squares = one * one + two * two + three * three - one * two - two * three - three * one
    return math.sqrt(max(0.0, squares))


def _by_phase(phases: list[_Phase]) -> Values:
    shown: Values = {}
    for index, one in enumerate(phases, start=1):
        shown |= {
            f"voltage_l{index}": one.voltage, f"current_l{index}": one.current,
            f"active_power_l{index}": one.active, f"reactive_power_l{index}": one.reactive,
            f"apparent_power_l{index}": one.apparent, f"power_factor_l{index}": one.power_factor,
        }  # fmt: skip
    return shown


def _quality(now: Circumstances, phases: list[_Phase]) -> Values:
    usual = now.towards("harmonics", 2.1, now.limit("thd_max", 5) + 1.5)
    distortion = [usual + now.noise(f"thd_l{index}", 0.3) if one.current else 0.0 for index, one in enumerate(phases)]
    shown: Values = {f"thd_voltage_l{index}": one for index, one in enumerate(distortion, start=1)}
    leak = now.towards("earth_leakage", 45, now.limit("residual_max", 300) + 120)
    return shown | {"thd_voltage_mean": sum(distortion) / 3, "residual_current": leak + now.noise("residual", 8)}


def _capacitors(now: Circumstances, on: int) -> Values:
    warm = weather.indoors(now, 26) + 9 + 3 * on / max(1.0, now.rating("capacitor_stages", 8))
    return {
        "capacitor_stages_on": float(on),
        "compensation_auto": True,
        "capacitor_temperature": now.towards("contactor_welded", warm, now.limit("capacitor_temperature_max", 55) + 7),
    }


def _cabinet(now: Circumstances, share: float) -> Values:
    usual = weather.indoors(now, 26) + now.noise("room", 0.2)
    room = now.towards("ventilation_failed", usual, now.limit("room_temperature_max", 40) + 5)
    joint = room + 35 * min(share, 1.3) ** 2
    return {
        "breaker_closed": not now.has("breaker_trip"),
        "breaker_tripped": now.has("breaker_trip"),
        "joint_temperature_l1": now.towards("joint_overheating", joint + now.noise("joint_l1", 0.3), room + 75),
        "joint_temperature_l2": joint + 1 + now.noise("joint_l2", 0.3),
        "joint_temperature_l3": joint + now.noise("joint_l3", 0.3),
        "dc_voltage": now.rating("dc_nominal_v", 220)
        * (now.towards("dc_failed", 1.02, 0.97 - now.limit("dc_deviation", 10) / 100) + now.noise("dc", 0.003)),
        "room_temperature": room,
        "room_humidity": 52 + now.noise("humidity", 3, 60),
        "water_leak": now.has("flooded"),
    }


def _energy(now: Circumstances) -> Values:
    """Counters that run with the usual load; what went on without capacitors shows in the reactive ones."""
    hours = now.counted_s / 3600
    shares = _NIGHT_SHARE * hours + _WORK_SHARE * now.counted_hours(loads.ELECTRICITY)
    rated_kw = now.rating("rated_a", 1000) * now.rating("nominal_v", 220) / 1000 * _USUAL_PF
    active = rated_kw * (shares + _SEASON_SHARE * weather.season_hours(now))
    bare_h = sum(now.suffered(fault) for fault in ("low_power_factor", "controller_stuck", "stage_fuses")) / 3600
    reactive = active * _USUAL_TAN + rated_kw * _NIGHT_SHARE * bare_h * (_BARE_TAN - _USUAL_TAN)
    shown: Values = {}
    for name, each in (("energy", active), ("reactive_energy", reactive)):
        for way, part in (("import", 1.0), ("export", 0.0), ("total", 1.0)):
            shown |= {f"{name}_{way}_l{index}": each * part for index in (1, 2, 3)}
        shown |= {f"{name}_import": 3 * each, f"{name}_export": 0.0}
    return shown | {"energy_total": shown["energy_import"]}
