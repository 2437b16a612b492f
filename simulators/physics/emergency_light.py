"""physics of emergency lighting: charged and waiting; every four weeks it tests itself, once a year for its whole time (pure)."""

from __future__ import annotations

from simulators.physics.calendar import Routine
from simulators.physics.models import battery
from simulators.physics.plant import Circumstances, Values

FAULTS = ("mains_lost", "lamps_failed", "charger_failed", "controller_fault", "battery_old", "lamp_out")

_FUNCTION_S, _DISCHARGE_S = 15 * 60.0, 120 * 60.0
_LASTS_H = 3.0
"""How long a full battery carries the lamps."""
_LEAST = 0.05


def monthly(seed: int) -> Routine:
    """When it tests its lamps by itself: every four weeks, on a working day."""
    return Routine(28, 7 * (seed % 4) + seed // 4 % 5, 10.0 + seed // 20 % 5, _FUNCTION_S)


def yearly(seed: int) -> Routine:
    """When it burns for the whole escape time: every 52 weeks, a day after a monthly test."""
    return Routine(364, 28 * (seed % 13) + 7 * (seed % 4) + seed // 4 % 5 + 1, 10.0, _DISCHARGE_S)


def values(now: Circumstances) -> Values:
    """Every point of ``emergency_light``."""
    is_test, charge = _charge(now)
    on_battery = now.has("mains_lost") or is_test
    nominal = now.rating("battery_nominal_v", 36)
    volts = nominal * (0.93 + 0.08 * charge if on_battery else 1.12)
    volts = now.towards("battery_old", volts, nominal * (now.limit("battery_min", 90) / 100 - 0.06))
    many = now.limit("lamps_max", 5) / 100 * now.rating("lamps", 100) + 3
    return {
        "mains_present": not now.has("mains_lost"),
        "discharging": on_battery,
        "test_order": is_test,
        "battery_voltage": volts + now.noise("battery", 0.1),
        "battery_charge": 100 * charge - 0.6 + now.noise("charge", 0.5, 300),
        "charger_fault": now.has("charger_failed"),
        "lamps_in_fault": float(round(many * now.grown("lamps_failed"))) or float(now.has("lamp_out")),
        "controller_fault": now.has("controller_fault"),
    }


def _charge(now: Circumstances) -> tuple[bool, float]:
    """Whether it tests itself, and the share of the charge that is left."""
    if now.has("mains_lost"):
        return False, max(_LEAST, 0.93 - now.faults["mains_lost"].age_s / 3600 / _LASTS_H)
    if now.faults:
        return False, 1.0
    for routine in (yearly(now.seed), monthly(now.seed)):
        ago = routine.ago(now.calendar, now.now_s)
        if ago < routine.lasts_s:
            return True, 1 - ago / 3600 / _LASTS_H
        if ago < 86_400:
            return False, battery.recharged(1 - routine.lasts_s / 3600 / _LASTS_H, (ago - routine.lasts_s) / 3600)
    return False, 1.0
