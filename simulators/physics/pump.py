"""physics of a pump: affinity of speed, flow and power, and a motor's current that fits its power (pure)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulators.physics.plant import Circumstances, Values

FAULTS = ("dry_run", "high_discharge_pressure", "short_cycling", "drive_fault", "bearing_overheating", "supply_lost")

_VOLTAGE = 380.0
_CYCLE_S = 8.0
_USE = 0.25
"""Share of the time that its counters count: it takes turns with others."""
_SUCTION_MPA = 0.08
_NIGHT_UTC = (17.5, 22.0)
"""When the simulated people sleep, in hours UTC: the small hours in China."""


@dataclass(frozen=True, slots=True)
class _Duty:
    """How the pump works, as shares of its rated figures."""

    speed: float
    flow: float
    power: float
    factor: float
    """Power factor against its rated figure."""


_AT_REST = _Duty(0.0, 0.0, 0.0, 1.0)


def values(now: Circumstances) -> Values:
    """Every point of ``pump``."""
    duty = _duty(now)
    return _states(now, duty) | _water(now, duty) | _motor(now, duty) | _wear(now, duty) | _counters(now)


def _is_running(now: Circumstances) -> bool:
    if now.has("drive_fault") or now.has("supply_lost"):
        return False
    return not now.has("short_cycling") or now.faults["short_cycling"].age_s % _CYCLE_S >= _CYCLE_S / 2


def _duty(now: Circumstances) -> _Duty:
    if not _is_running(now):
        return _AT_REST
    if now.has("dry_run"):
        return _Duty(1.0, 0.0, 0.40, 0.52)
    if now.has("high_discharge_pressure"):
        return _Duty(0.95, 0.15, 0.64, 0.93)
    # Affinity: flow follows speed, and power its cube; a controller holds the pressure.
    flow = 0.70 + now.daily(20, 0.04) + now.noise("flow", 0.03)
    if _NIGHT_UTC[0] <= now.now_s / 3600 % 24 < _NIGHT_UTC[1]:
        flow *= 0.02
    speed = 0.84 + 0.1 * flow
    return _Duty(speed, flow, speed**3 * (0.72 + 0.4 * flow), 0.97)


def _states(now: Circumstances, duty: _Duty) -> Values:
    is_tripped = now.has("drive_fault")
    return {
        "running": duty is not _AT_REST,
        "in_auto": True,
        "supply_present": not now.has("supply_lost"),
        "fault": is_tripped,
        "fault_code": 49.0 if is_tripped else 0.0,
        "warning_code": 0.0,
    }


def _water(now: Circumstances, duty: _Duty) -> Values:
    setpoint = now.rating("setpoint_mpa", 0.5)
    suction = 0.0 if now.has("dry_run") else _SUCTION_MPA + now.noise("suction", 0.002)
    discharge = setpoint + now.noise("discharge", 0.003)
    if now.has("high_discharge_pressure"):
        discharge = setpoint + now.limit("pressure_high", 0.05) + 0.06
    elif now.has("dry_run"):
        discharge = 0.03
    elif duty is _AT_REST:
        discharge = setpoint - 0.02
    return {
        "discharge_pressure": discharge,
        "suction_pressure": suction,
        "differential_pressure": discharge - suction,
        "flow": duty.flow * now.rating("rated_flow", 20),
        "tank_level": 2.1 + now.daily(4, 0.15) + now.noise("tank", 0.01),
        "sump_level": 0.7 + now.noise("sump", 0.05, 300),
    }


def _motor(now: Circumstances, duty: _Duty) -> Values:
    rated_kw, rated_a = now.rating("rated_kw", 7.5), now.rating("rated_a", 14.0)
    rated_factor = min(0.98, rated_kw * 1000 / (math.sqrt(3) * _VOLTAGE * rated_a))
    power, factor = duty.power * rated_kw, duty.factor * rated_factor
    current = power * 1000 / (math.sqrt(3) * _VOLTAGE * factor)
    return {
        "speed": duty.speed * now.rating("rated_rpm", 2900),
        "frequency": duty.speed * 50,
        "motor_voltage": _VOLTAGE,
        "motor_current": current,
        "motor_current_l1": current * 1.01,
        "motor_current_l2": current * 0.99,
        "motor_current_l3": current,
        "active_power": power,
        "power_factor": factor if power else 1.0,
    }


def _wear(now: Circumstances, duty: _Duty) -> Values:
    bearing = now.limit("bearing_max", 90) + 10 if now.has("bearing_overheating") else 48 + now.noise("bearing", 1, 30)
    return {
        "winding_temperature": 66 + now.noise("winding", 1, 30),
        "bearing_temperature": bearing,
        "vibration": (1.8 if duty.speed else 0.1) + now.noise("vibration", 0.08, 3),
    }


def _counters(now: Circumstances) -> Values:
    hours = now.counted_s / 3600 * _USE
    cycles = now.suffered("short_cycling") // _CYCLE_S
    return {
        "starts": float(now.counted_s // 14_400 + cycles),
        "run_hours": hours,
        "energy": hours * 0.72 * now.rating("rated_kw", 7.5),
        "volume": hours * 0.70 * now.rating("rated_flow", 20),
    }
