"""physics of a plant room: mild, dry and closed (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("pipe_burst", "smoke", "cooling_failed")


def values(now: Circumstances) -> Values:
    """Every point of ``room``."""
    hot = now.has("cooling_failed")
    usual = 25 + now.daily(16, 3) + now.noise("warmth", 0.2)
    return {
        "temperature": now.limit("temperature_max", 40) + 4 if hot else usual,
        "humidity": 55 + now.daily(4, 5) + now.noise("damp", 2, 60),
        "water_leak": now.has("pipe_burst"),
        "smoke": now.has("smoke"),
        "door_open": False,
        "cooling_fault": hot,
        "oxygen": 20.8 + now.noise("oxygen", 0.1, 60),
    }
