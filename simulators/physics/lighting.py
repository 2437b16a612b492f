"""physics of a lighting circuit: lit in the hours its limits name, by the clock of China (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("tripped", "lamps_failed", "overloaded")

_LOCAL_H = 8
"""Hours of the simulated people ahead of UTC."""


def values(now: Circumstances) -> Values:
    """Every point of ``lighting``."""
    is_lit = _is_scheduled(now) and not now.has("tripped")
    rated = now.rating("rated_kw", 6)
    share = 0.66 if now.has("lamps_failed") else 1.25 if now.has("overloaded") else 0.97 + now.noise("power", 0.01)
    return {
        "lit": is_lit,
        "in_auto": True,
        "breaker_tripped": now.has("tripped"),
        "active_power": rated * share if is_lit else 0.0,
        "illuminance": 28 + now.noise("lux", 2, 60) if is_lit else 0.0,
        "energy": now.counted_s / 3600 * rated / 2,
    }


def _is_scheduled(now: Circumstances) -> bool:
    hour = (now.now_s / 3600 + _LOCAL_H) % 24
    start, end = now.limit("on_hour", 18), now.limit("off_hour", 6)
    return start <= hour < end if start < end else hour >= start or hour < end
