"""physics of emergency lighting: charged and waiting (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("mains_lost", "lamps_failed", "charger_failed")


def values(now: Circumstances) -> Values:
    """Every point of ``emergency_light``."""
    on_battery = now.has("mains_lost")
    failed = now.limit("lamps_max", 5) / 100 * now.rating("lamps", 100) + 3
    return {
        "mains_present": not on_battery,
        "discharging": on_battery,
        "test_order": False,
        "battery_voltage": now.rating("battery_nominal_v", 36) * (1.0 if on_battery else 1.12)
        + now.noise("battery", 0.1),
        "battery_charge": 92.0 if on_battery else 99 + now.noise("charge", 0.6, 300),
        "charger_fault": now.has("charger_failed"),
        "lamps_in_fault": float(round(failed)) if now.has("lamps_failed") else 0.0,
        "controller_fault": False,
    }
