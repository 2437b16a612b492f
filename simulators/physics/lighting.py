"""physics of a lighting circuit: lit in the hours its limits name, by the site's own clock (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("tripped", "lamps_failed", "overloaded", "switched_off", "lamps_dirty")


def values(now: Circumstances) -> Values:
    """Every point of ``lighting``."""
    is_lit = _is_scheduled(now) and not now.has("tripped") and not now.has("switched_off")
    rated = now.rating("rated_kw", 6)
    share = 0.97 + now.noise("power", 0.01)
    share = now.towards("overloaded", now.towards("lamps_failed", share, 0.66), 1.25)
    lux = now.towards("lamps_dirty", 28.0, 0.5 * now.limit("lux_min", 5)) + now.noise(
        "lux", 0.06 * now.limit("lux_min", 5), 60
    )
    return {
        "lit": is_lit,
        "in_auto": True,
        "breaker_tripped": now.has("tripped"),
        "active_power": rated * share if is_lit else 0.0,
        "illuminance": lux if is_lit else 0.0,
        "energy": now.counted_s / 3600 * rated / 2,
    }


def _is_scheduled(now: Circumstances) -> bool:
    hour = now.local().hour
    start, end = now.limit("on_hour", 18), now.limit("off_hour", 6)
    return start <= hour < end if start < end else hour >= start or hour < end
