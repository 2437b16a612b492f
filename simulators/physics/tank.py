"""physics of a water tank: people draw from it by the hour, a float valve fills it again (pure)."""

from __future__ import annotations

from simulators.physics.models import loads, weather
from simulators.physics.plant import Circumstances, Values

FAULTS = ("leak", "overflow", "cover_open", "inflow_fails", "water_cold")

_FULL, _FALL = 0.965, 0.035
"""Level against full where the valve closes, and how far people draw it down while it is closed."""
_CYCLE_S, _FILL_S = 7200.0, 1800.0


def values(now: Circumstances) -> Values:
    """Every point of ``tank``."""
    height = now.rating("height", 2.5)
    share, filling = _share(now)
    warmth = weather.indoors(now, 16.0, daily=0.8) + now.noise("water", 0.2, 60)
    return {
        "level": height * max(0.0, share),
        "low_float": False,
        "high_float": False,
        "filling": filling,
        "water_temperature": now.towards("water_cold", warmth, now.limit("water_cold", 5) - 2),
        "cover_closed": not now.has("cover_open"),
    }


def _share(now: Circumstances) -> tuple[float, bool]:
    """Level against full, and whether the valve is open."""
    cycle = now.now_s % _CYCLE_S
    # What is drawn in a cycle is what people need at that hour; at night the level all but rests.
    drawn = _FALL * (0.15 + 0.85 * loads.WATER.share(now.local()))
    fallen = drawn * ((cycle - _FILL_S) / (_CYCLE_S - _FILL_S) if cycle >= _FILL_S else 1 - cycle / _FILL_S)
    usual = _FULL - fallen + now.noise("level", 0.002, 300)
    low = now.limit("level_low_low", 20) / 100
    usual = now.towards("leak", usual, low - 0.05)
    usual = now.towards("inflow_fails", usual, (low + now.limit("level_low", 40) / 100) / 2)
    usual = now.towards("overflow", usual, now.limit("level_high_high", 103) / 100 + 0.01)
    return usual, cycle < _FILL_S and not now.has("inflow_fails")
