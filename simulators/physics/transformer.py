"""physics of a transformer: load, and windings that warm with it (pure)."""

from __future__ import annotations

import math

from simulators.physics.plant import DAY_S, Circumstances, Values

FAULTS = ("over_temperature", "fan_failure", "overload", "sensor_break")

_POWER_FACTOR = 0.95
_USUAL_SHARE, _DAILY_SHARE, _OVERLOAD_SHARE = 0.55, 0.10, 1.12
_TIME_CONSTANT_S = 45 * 60.0


def values(now: Circumstances) -> Values:
    """Every point of ``transformer``; the points of the other kind of insulation show a cool, healthy one."""
    share = _OVERLOAD_SHARE + now.noise("load", 0.01) if now.has("overload") else _load(now)
    windings, fan = _windings(now)
    return _electric(now, share) | _temperatures(now, windings) | {"fan_running": fan} | _oil(now) | _reports(now)


def _load(now: Circumstances) -> float:
    return _USUAL_SHARE + now.daily(14, _DAILY_SHARE) + now.noise("load", 0.01)


def _warming_load(now: Circumstances) -> float:
    """The load as the windings feel it: a daily wave through a first-order lag comes out smaller and later."""
    turn = 2 * math.pi * _TIME_CONSTANT_S / DAY_S
    late_h = math.atan(turn) / (2 * math.pi) * 24
    return _USUAL_SHARE + now.daily(14 + late_h, _DAILY_SHARE / math.hypot(1, turn))


def _ambient(now: Circumstances) -> float:
    return 27 + now.daily(15, 3)


def _windings(now: Circumstances) -> tuple[float, bool]:
    """Temperature of the windings in °C, and whether the fan runs."""
    must_run = now.limit("fan_must_run_c", 100)
    if now.has("over_temperature"):
        return now.limit("winding_alarm_c", 130) + 8, True
    if now.has("fan_failure"):
        return must_run + 8, False
    if now.has("overload"):
        return must_run + 6, True
    return _ambient(now) + 75 * _warming_load(now) ** 1.6, False


def _temperatures(now: Circumstances, windings: float) -> Values:
    broken = windings - now.limit("sensor_gap", 30) - 20
    return {
        "winding_temperature_a": windings + 1.5 + now.noise("a", 0.4),
        "winding_temperature_b": windings + 2.5 + now.noise("b", 0.4),
        "winding_temperature_c": broken if now.has("sensor_break") else windings + now.noise("c", 0.4),
        "core_temperature": min(windings + 4, now.limit("core_alarm_c", 110) - 6),
        "room_temperature": _ambient(now) + now.noise("room", 0.2),
    }


def _electric(now: Circumstances, share: float) -> Values:
    apparent = share * now.rating("rated_kva", 1000)
    current = apparent * 1000 / (math.sqrt(3) * 400)
    return {
        "apparent_power": apparent,
        "active_power": apparent * _POWER_FACTOR,
        "reactive_power": apparent * math.sqrt(1 - _POWER_FACTOR**2),
        "current_l1": current * 1.01,
        "current_l2": current * 0.99,
        "current_l3": current,
    }


def _oil(now: Circumstances) -> Values:
    oil = _ambient(now) + 38 * _warming_load(now)
    return {"oil_temperature": oil, "oil_winding_temperature": oil + 12, "oil_level_low": False, "oil_leak": False}


def _reports(_: Circumstances) -> Values:
    names = ("controller_alarm", "controller_trip", "sensor_fault", "gas_relay_alarm", "gas_relay_trip")
    return dict.fromkeys((*names, "pressure_relief", "water_leak"), False)
