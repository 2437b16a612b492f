"""physics of a DC panel: a battery on float behind its charger (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("charger_failed", "earth_fault", "mains_lost")


def values(now: Circumstances) -> Values:
    """Every point of ``dc_panel``."""
    cells = now.rating("cells", 104)
    on_battery = now.has("mains_lost") or now.has("charger_failed")
    cell = (2.12 if on_battery else 2.25) + now.noise("cell", 0.004, 60)
    nominal = now.rating("nominal_v", 220)
    return {
        "bus_voltage": nominal * (0.99 if on_battery else 1.02) + now.noise("bus", 0.3),
        "battery_voltage": cells * cell,
        "battery_current": -4.0 + now.noise("current", 0.2) if on_battery else 0.2 + now.noise("current", 0.1),
        "cell_voltage_lowest": cell - 0.01,
        "cell_voltage_highest": cell + 0.012,
        "battery_temperature": 25 + now.daily(16, 2) + now.noise("warmth", 0.3, 60),
        "insulation": 12.0 if now.has("earth_fault") else 900 + now.noise("insulation", 40, 60),
        "mains_present": not now.has("mains_lost"),
        "charger_fault": now.has("charger_failed"),
        "discharge_test": False,
        "capacity_found": 96.0,
    }
