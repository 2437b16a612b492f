"""physics of a water tank: a level that follows the day, filled in between (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("leak", "overflow", "cover_open")


def values(now: Circumstances) -> Values:
    """Every point of ``tank``."""
    height = now.rating("height", 2.5)
    return {
        "level": height * _share(now),
        "low_float": False,
        "high_float": False,
        "filling": now.now_s % 7200 < 1800,
        "water_temperature": 16 + now.daily(17, 3) + now.noise("water", 0.2, 60),
        "cover_closed": not now.has("cover_open"),
    }


def _share(now: Circumstances) -> float:
    """Level against full."""
    if now.has("leak"):
        return now.limit("level_low_low", 20) / 100 - 0.05
    if now.has("overflow"):
        return now.limit("level_high_high", 103) / 100 + 0.01
    return 0.945 + now.daily(10, 0.015) + now.noise("level", 0.005, 300)
