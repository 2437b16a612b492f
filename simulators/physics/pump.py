"""physics of a pump: a controller that holds the pressure, the speed that the curve then asks for, and its motor (pure).

Demand follows the people of the building. Speed comes from the pump's curve by the affinity laws, power from curve and
efficiency, current from power. A pump and its standby pump take
turns by half days, and each works when the other cannot.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulators.physics.calendar import Profile
from simulators.physics.models import hydraulics, loads, weather
from simulators.physics.plant import DAY_S, Circumstances, Values

FAULTS = (
    "dry_run", "high_discharge_pressure", "short_cycling", "drive_fault", "bearing_overheating", "supply_lost", "burst",
    "impeller_blocked", "cavitation", "winding_overheats", "suction_throttled", "tank_empties", "sump_floods",
)  # fmt: skip

_VOLTAGE = 380.0
_CYCLE_S = 8.0
_USE = 0.25
"""Share of the time that its counters count: it takes turns with others."""
_SUCTION_MPA = 0.08
_REACH = 0.85
"""Demand at full share against the rated flow."""
_FRICTION = 0.15
"""Head lost in the pipes at rated flow, against the head that the controller holds."""


_NEED_WATER, _WORKED = ("short_cycling", "impeller_blocked", "cavitation"), 0.3
"""What happens only while it pumps, and the demand that then keeps it from resting."""
_STOPS = ("drive_fault", "supply_lost")
_WORKS = ("dry_run", "high_discharge_pressure", "burst", *_NEED_WATER)
"""What shows only at work, so that a pump at rest is put to work by it."""
_SLEEP = 0.06
"""Below this flow the controller lets the pump rest and the vessel feed the pipes."""


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
    return {
        **_states(now, duty),
        **now.part(_water, duty),
        **now.part(_levels),
        **now.part(_motor, duty),
        **now.part(_wear, duty),
        **now.part(_counters),
    }


_CURVE = hydraulics.PumpCurve(shut_off_head=1.3, head_loss=0.3, best_flow=0.95, best_efficiency=0.72)
"""In shares of the rated flow and of the head at the setpoint: 1.3 at no flow, 1 at the rated flow."""
_RATED_POWER = _CURVE.shaft_power(1.0, 1.0)


def _at(flow: float) -> _Duty:
    """The duty at which the held head meets a demand: speed by the affinity laws, power against that at rated flow."""
    head = 1 - _FRICTION * (1 - flow * flow)
    speed = _CURVE.speed_for(head, flow)
    return _Duty(speed, flow, _CURVE.shaft_power(flow, speed) / _RATED_POWER, 0.90 + 0.07 * flow)


def _is_running(now: Circumstances) -> bool:
    if now.has_any(_STOPS):
        return False
    return not now.has("short_cycling") or now.faults["short_cycling"].age_s % _CYCLE_S >= _CYCLE_S / 2


def _is_on_duty(now: Circumstances) -> bool:
    """Alone it always is. Two take turns by half days, and one stands in for the other."""
    if now.turn is None or any(fault in now.faults for fault in _WORKS):
        return True
    if any(fault in _STOPS for fault in now.turn.other_faults):
        return True
    is_leads_turn = math.floor(2 * now.now_s / DAY_S) % 2 == 0
    return is_leads_turn != now.turn.is_standby


def _duty(now: Circumstances) -> _Duty:
    if not _is_running(now) or not _is_on_duty(now):
        return _AT_REST
    if now.has("dry_run"):
        return _Duty(1.0, 0.0, 0.40, 0.52)
    if now.has("high_discharge_pressure"):
        return _Duty(0.95, 0.15, 0.64, 0.93)
    if now.has("burst"):
        return _Duty(1.0, 1.15, 1.0, 0.98)
    demand = max(_demand(now), 0.0 if now.faults.keys().isdisjoint(_NEED_WATER) else _WORKED)
    flow = demand * (1 + now.noise("flow", 0.04))
    usual = _at(flow) if demand >= _SLEEP else _Duty(0.0, flow, 0.0, 1.0)
    if now.has("impeller_blocked"):
        return _Duty(usual.speed, 0.8 * usual.flow, (now.limit("current_max", 105) + 12) / 100, 1.0)
    return usual


def _demand(now: Circumstances) -> float:
    """What people draw, against the rated flow."""
    return max(0.004, _REACH * loads.WATER.share(now.local()))


def _states(now: Circumstances, duty: _Duty) -> Values:
    is_tripped = now.has("drive_fault")
    return {
        "running": duty.speed > 0,
        "in_auto": True,
        "supply_present": not now.has("supply_lost"),
        "fault": is_tripped,
        "fault_code": 49.0 if is_tripped else 0.0,
        "warning_code": 0.0,
    }


def _water(now: Circumstances, duty: _Duty) -> Values:
    suction = _SUCTION_MPA + now.noise("suction", 0.002)
    suction = now.towards("suction_throttled", suction, now.limit("suction_min", 0.01) - 0.02)
    suction = 0.0 if now.has("dry_run") else suction
    discharge = _discharge(now, duty)
    return {
        "discharge_pressure": discharge,
        "suction_pressure": suction,
        "differential_pressure": discharge - suction,
        "flow": duty.flow * now.rating("rated_flow", 20),
    }


def _levels(now: Circumstances) -> Values:
    level = 2.1 + now.daily(4, 0.15) + now.noise("tank", 0.01)
    sump = 0.7 + now.noise("sump", 0.05, 300)
    return {
        "tank_level": max(0.0, now.towards("tank_empties", level, now.limit("tank_min", 0.5) - 0.2)),
        "sump_level": now.towards("sump_floods", sump, now.limit("sump_high_high", 1.8) + 0.2),
    }


def _discharge(now: Circumstances, duty: _Duty) -> float:
    setpoint = now.rating("setpoint_mpa", 0.5)
    if now.has("dry_run"):
        return 0.03
    if not duty.speed and now.turn is None:
        return setpoint - 0.02
    usual = setpoint + now.noise("discharge", 0.003)
    usual = now.towards("burst", usual, max(0.05, setpoint - now.limit("pressure_low", 0.05) - 0.08))
    return now.towards("high_discharge_pressure", usual, setpoint + now.limit("pressure_high", 0.05) + 0.06)


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
    room = weather.indoors(now, 22.0)
    bearing, winding = room + 18 + 10 * duty.power + now.noise("bearing", 1, 30), room + 20 + 30 * duty.power
    shake = (1.6 + 0.4 * duty.flow if duty.speed else 0.1) + now.noise("vibration", 0.08, 3)
    return {
        "winding_temperature": now.towards("winding_overheats", winding, now.limit("winding_max", 130) + 8)
        + now.noise("winding", 1, 30),
        "bearing_temperature": now.towards("bearing_overheating", bearing, now.limit("bearing_max", 90) + 10),
        "vibration": now.towards("cavitation", shake, now.limit("vibration_zone_d", 6.6) + 1.5),
    }


def _power_by_hour() -> Profile:
    """Power against rated power at each hour's demand."""
    shares = {
        share: _at(_REACH * share).power if _REACH * share >= _SLEEP else 0.0
        for share in (*loads.WATER.work, *loads.WATER.rest)
    }
    return loads.WATER.mapped(shares)


_POWER = _power_by_hour()


def _counters(now: Circumstances) -> Values:
    cycles = now.suffered("short_cycling") // _CYCLE_S
    return {
        "starts": float(now.counted_s // 14_400 + cycles),
        "run_hours": now.counted_s / 3600 * _USE,
        "energy": now.counted_hours(_POWER) * _USE * now.rating("rated_kw", 7.5),
        "volume": now.counted_hours(loads.WATER) * _USE * _REACH * now.rating("rated_flow", 20),
    }
