"""physics of switchgear: a building's load on three phases, its power triangle, its capacitor bank, joints and room (pure).

The bank's controller looks every quarter of an hour and leaves well alone within its band; a day of its switching is
worked out from the beginning of that day, whatever was asked before.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from simulators.physics.calendar import Calendar
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
_BANK_FAULTS = ("low_power_factor", "stage_fuses", "controller_stuck", "contactor_welded")
_PHASES = (("l1", 1.0, 0.002), ("l2", 0.985, -0.001), ("l3", 1.01, 0.0))
"""Of each phase, its name, its current and by how much its voltage differs."""


class _Phase(NamedTuple):
    """One phase: V, A, kW, kvar, kVA."""

    voltage: float
    current: float
    active: float
    reactive: float
    apparent: float
    power_factor: float


_FIGURES = ("voltage", "current", "active_power", "reactive_power", "apparent_power", "power_factor")
_SHOWN = [f"{figure}_{phase}" for phase, _, _ in _PHASES for figure in _FIGURES]
"""The points that show the figures of each phase."""


def values(now: Circumstances) -> Values:
    """Every point of ``lv_switchgear``."""
    share = _share(now)
    bank = _bank(now)
    shown = _stages(now, bank, share)
    tan = _tangent(now, bank, share, _working(now, bank, shown))
    phases = _phases(now, share, tan)
    return {
        **now.part(_totals, phases),
        **_by_phase(phases),
        **now.part(_quality, phases),
        **now.part(_capacitors, shown),
        **now.part(_cabinet, phases),
        **now.part(_energy),
        **now.part(_meter),
    }


def _meter(now: Circumstances) -> Values:
    """What the meter says of itself. Its clock shows UTC, in a zone it does not tell."""
    clock = datetime.fromtimestamp(math.floor(now.now_s), UTC).replace(tzinfo=None)
    return {"meter_model": "PM5330", "meter_clock": clock.isoformat(timespec="milliseconds")}


def _usual_share(now: Circumstances) -> float:
    return _usual_at(now.calendar, now.now_s)


@lru_cache(maxsize=256)
def _usual_at(calendar: Calendar, now_s: float) -> float:
    at_work = loads.ELECTRICITY.share(calendar.local(now_s))
    return _NIGHT_SHARE + _WORK_SHARE * at_work + _SEASON_SHARE * weather.season_at(now_s)


def _share(now: Circumstances) -> float:
    """Active power against the rated current at the usual power factor."""
    if now.has("supply_lost") or now.has("breaker_trip"):
        return 0.0
    return now.towards("overload", _usual_share(now), _OVERLOAD_SHARE) + now.noise("load", 0.015)


def _bank(now: Circumstances) -> power.Bank:
    return _bank_of(max(1, int(now.rating("capacitor_stages", 8))))


@lru_cache(maxsize=64)
def _bank_of(stages: int) -> power.Bank:
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
    return _day(now.calendar, bank.stages, int(day))[int(into // _LOOK_S)]


@lru_cache(maxsize=64)
def _day(calendar: Calendar, stages: int, day: int) -> list[int]:
    """Stages on in each quarter of an hour of a day UTC."""
    bank = _bank_of(stages)
    on = bank.ideal(_wanted(_usual_at(calendar, day * DAY_S)))
    found = []
    for look in range(int(DAY_S // _LOOK_S)):
        on = bank.switched(on, _wanted(_usual_at(calendar, day * DAY_S + look * _LOOK_S)))
        found.append(on)
    return found


def _tangent(now: Circumstances, bank: power.Bank, share: float, on: int) -> float:
    """Reactive against active power."""
    if not share:
        return 0.0
    tan = _BARE_TAN - bank.given(on) / (_USUAL_PF * share)
    if now.faults.keys().isdisjoint(_BANK_FAULTS):
        tan = _TARGET_TAN + (tan - _TARGET_TAN) * min(1.0, bank.stages / _FINE_STAGES)
    return tan + now.noise("factor", 0.01)


def _phases(now: Circumstances, share: float, tan: float) -> list[_Phase]:
    level = now.towards("undervoltage", 1.005, 1 + now.limit("voltage_low", -7) / 100 - 0.03)
    nominal = now.rating("nominal_v", 220)
    whole = nominal * now.rating("rated_a", 1000) * share * _USUAL_PF / 1000
    is_lost, is_one_lost = now.has("supply_lost"), now.has("phase_loss")
    return [
        _dead_phase(now, name)
        if is_lost or (is_one_lost and name == "l2")
        else _phase(nominal * (level + offset + now.noise(f"volts_{name}", 0.001)), whole * more, tan)
        for name, more, offset in _PHASES
    ]


def _dead_phase(now: Circumstances, name: str) -> _Phase:
    return _Phase(abs(now.noise(f"dead_{name}", 1.5)), 0.0, 0.0, 0.0, 0.0, 1.0)


def _phase(voltage: float, active: float, tan: float) -> _Phase:
    reactive = active * tan
    apparent = math.hypot(active, reactive)
    return _Phase(
        voltage, apparent * 1000 / voltage, active, reactive, apparent, active / apparent if apparent else 1.0
    )


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
    one, two, three = phases
    return dict(zip(_SHOWN, one + two + three, strict=True))


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


def _cabinet(now: Circumstances, phases: list[_Phase]) -> Values:
    share = max(phase.current for phase in phases) / now.rating("rated_a", 1000)
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
    return {
        **dict.fromkeys(_NOTHING_EXPORTED, 0.0),
        **dict.fromkeys(_ENERGIES, active),
        **dict.fromkeys(_REACTIVE_ENERGIES, reactive),
        "energy_import": 3 * active,
        "energy_total": 3 * active,
        "reactive_energy_import": 3 * reactive,
    }


_ENERGIES = [f"energy_{way}_{phase}" for way in ("import", "total") for phase, _, _ in _PHASES]
_REACTIVE_ENERGIES = [f"reactive_{name}" for name in _ENERGIES]
_NOTHING_EXPORTED = [
    f"{name}_export{phase}" for name in ("energy", "reactive_energy") for phase in ("", "_l1", "_l2", "_l3")
]
