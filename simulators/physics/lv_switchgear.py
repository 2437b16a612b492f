"""physics of switchgear: a load on three phases, its power triangle, its capacitor bank, joints and room (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from simulators.physics.plant import Circumstances, Values

FAULTS = ("low_power_factor", "overload", "phase_loss", "joint_overheating")

_HEALTHY_PF, _BARE_PF = 0.96, 0.78
_USUAL_SHARE, _OVERLOAD_SHARE = 0.5, 1.15


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
    phases = [_phase(now, index) for index in range(3)]
    share = max(phase.current for phase in phases) / now.rating("rated_a", 1000)
    return (
        _totals(now, phases)
        | _by_phase(phases)
        | _quality(now, phases)
        | _cabinet(now, share)
        | _energy(now)
        | _meter(now)
    )


def _meter(now: Circumstances) -> Values:
    """What the meter says of itself. Its clock shows UTC, in a zone it does not tell."""
    clock = datetime.fromtimestamp(math.floor(now.now_s), UTC).replace(tzinfo=None)
    return {"meter_model": "PM5330", "meter_clock": clock.isoformat(timespec="milliseconds")}


def _share(now: Circumstances) -> float:
    """Load against the rated current, as it is with a healthy power factor."""
    if now.has("overload"):
        return _OVERLOAD_SHARE + now.noise("load", 0.01)
    return _USUAL_SHARE + now.daily(14, 0.06) + now.noise("load", 0.02)


def _phase(now: Circumstances, index: int) -> _Phase:
    name = f"l{index + 1}"
    if now.has("phase_loss") and index == 1:
        return _Phase(abs(now.noise(f"dead_{name}", 1.5)), 0.0, 0.0, 0.0, 0.0)
    voltage = now.rating("nominal_v", 220) * (1.005 + (0.002, -0.001, 0.0)[index] + now.noise(f"volts_{name}", 0.001))
    factor = _factor(now)
    # Without its capacitors the same work needs more current.
    more = _HEALTHY_PF / _BARE_PF if factor == _BARE_PF else 1.0
    current = now.rating("rated_a", 1000) * _share(now) * (1, 0.985, 1.01)[index] * more
    apparent = voltage * current / 1000
    return _Phase(voltage, current, apparent * factor, apparent * math.sqrt(1 - factor * factor), apparent)


def _factor(now: Circumstances) -> float:
    return _BARE_PF if now.has("low_power_factor") else _HEALTHY_PF + now.noise("factor", 0.004)


def _totals(now: Circumstances, phases: list[_Phase]) -> Values:
    active, reactive = sum(one.active for one in phases), sum(one.reactive for one in phases)
    apparent = math.hypot(active, reactive)
    return {
        "active_power": active,
        "reactive_power": reactive,
        "apparent_power": apparent,
        "power_factor": active / apparent,
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
    distortion = [2.1 + now.noise(f"thd_l{index}", 0.3) if one.current else 0.0 for index, one in enumerate(phases)]
    shown: Values = {f"thd_voltage_l{index}": one for index, one in enumerate(distortion, start=1)}
    return shown | {"thd_voltage_mean": sum(distortion) / 3, "residual_current": 45 + now.noise("residual", 8)}


def _cabinet(now: Circumstances, share: float) -> Values:
    room = 26 + now.daily(16, 2) + now.noise("room", 0.2)
    joint = room + 35 * min(share, 1.3) ** 2
    stages = now.rating("capacitor_stages", 8)
    return {
        "breaker_closed": True,
        "breaker_tripped": False,
        "capacitor_stages_on": 0.0 if now.has("low_power_factor") else float(round(0.75 * stages)),
        "compensation_auto": True,
        "capacitor_temperature": room + 11,
        "joint_temperature_l1": room + 75 if now.has("joint_overheating") else joint + now.noise("joint_l1", 0.3),
        "joint_temperature_l2": joint + 1 + now.noise("joint_l2", 0.3),
        "joint_temperature_l3": joint + now.noise("joint_l3", 0.3),
        "dc_voltage": now.rating("dc_nominal_v", 220) * (1.02 + now.noise("dc", 0.003)),
        "room_temperature": room,
        "room_humidity": 52 + now.noise("humidity", 3, 60),
        "water_leak": False,
    }


def _energy(now: Circumstances) -> Values:
    """Counters that run with the usual load."""
    usual = now.rating("rated_a", 1000) * _USUAL_SHARE * now.rating("nominal_v", 220) / 1000
    hours = now.counted_s / 3600
    shown: Values = {}
    for name, share in (("energy", _HEALTHY_PF), ("reactive_energy", math.sqrt(1 - _HEALTHY_PF**2))):
        each = usual * share * hours
        for way, part in (("import", 1.0), ("export", 0.0), ("total", 1.0)):
            shown |= {f"{name}_{way}_l{index}": each * part for index in (1, 2, 3)}
        shown |= {f"{name}_import": 3 * each, f"{name}_export": 0.0}
    return shown | {"energy_total": shown["energy_import"]}
