"""physics of a fire alarm panel: quiet unless something is wrong (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("detector_fire", "panel_fault", "valve_closed", "mains_lost")


def values(now: Circumstances) -> Values:
    """Every point of ``fire_alarm_panel``."""
    nominal = now.rating("battery_nominal_v", 24)
    on_battery = now.has("mains_lost")
    return {
        "fire": now.has("detector_fire"),
        "fire_count": float(now.has("detector_fire")),
        "fire_zone": f"B{1 + now.seed % 3}-{100 + now.seed % 60}" if now.has("detector_fire") else "",
        "panel_fault": now.has("panel_fault"),
        "fault_count": 1.0 if now.has("panel_fault") else 0.0,
        "shielded_count": 0.0,
        "supervisory_count": float(now.has("valve_closed")),
        "linkage_auto": True,
        "mains_present": not on_battery,
        "battery_voltage": nominal * (1.04 if on_battery else 1.13) + now.noise("battery", 0.05),
        "battery_fault": False,
        "valve_tamper": now.has("valve_closed"),
        "flow_switch": False,
        "panel_state": _state(now),
    }


def _state(now: Circumstances) -> str:
    if now.has("detector_fire"):
        return "fire"
    if now.has("panel_fault"):
        return "fault"
    return "supervisory" if now.has("valve_closed") else "normal"
