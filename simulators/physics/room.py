"""physics of a plant room: it follows the weather outside, mildly, dry and closed (pure)."""

from __future__ import annotations

from simulators.physics.models import weather
from simulators.physics.plant import Circumstances, Values

FAULTS = ("pipe_burst", "smoke", "cooling_failed", "door_left", "damp", "frost", "gas_displaces_air")


def values(now: Circumstances) -> Values:
    """Every point of ``room``."""
    usual = weather.indoors(now, 24.0) + now.noise("warmth", 0.2)
    warm = now.towards("cooling_failed", usual, now.limit("temperature_max", 40) + 4)
    damp = 55 + 6 * weather.season(now) + now.daily(4, 5) + now.noise("damp", 2, 60)
    return {
        "temperature": now.towards("frost", warm, now.limit("temperature_min", 5) - 3),
        "humidity": now.towards("damp", damp, min(100.0, now.limit("humidity_max", 85) + 8)),
        "water_leak": now.has("pipe_burst"),
        "smoke": now.has("smoke"),
        "door_open": now.has("door_left"),
        "cooling_fault": now.has("cooling_failed"),
        "oxygen": now.towards("gas_displaces_air", 20.8, now.limit("oxygen_min", 18) - 2)
        + now.noise("oxygen", 0.1, 60),
    }
