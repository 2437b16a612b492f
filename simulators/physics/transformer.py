"""physics of a transformer: a building's load, and windings and oil that warm with it (pure).

Temperatures are integrated over half hours from an anchor two days back, so they need no memory of what was asked before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from simulators.physics.models import loads, thermal, weather
from simulators.physics.plant import DAY_S, Circumstances, Values

FAULTS = (
    "over_temperature", "fan_failure", "overload", "sensor_break", "ventilation_failed", "flooded", "oil_leak",
    "gas_gathers", "internal_fault",
)  # fmt: skip

_POWER_FACTOR = 0.95
_NIGHT_SHARE, _WORK_SHARE, _SEASON_SHARE, _OVERLOAD_SHARE = 0.36, 0.28, 0.03, 1.12
_STEP_S, _WARM_UP_DAYS = 1800.0, 2
_DRY, _DRY_FANS = thermal.Dry(75.0, 1.6, 45 * 60.0), thermal.Dry(54.0, 1.8, 35 * 60.0)
_OIL = thermal.distribution()
_OIL_FANS = replace(_OIL, top_oil_rise=0.72 * _OIL.top_oil_rise, oil_s=0.72 * _OIL.oil_s)
_OIL_SWITCH = thermal.Fans(55.0, 45.0)
"""Top-oil temperatures at which radiators' fans commonly start and stop."""


@dataclass(frozen=True, slots=True)
class _Warmth:
    """Everything that warms, at one instant."""

    winding: float
    oil: thermal.Heat
    fans: bool
    """Of the dry type."""
    oil_fans: bool


def values(now: Circumstances) -> Values:
    """Every point of ``transformer``; the points of the other kind of insulation show a cool, healthy one."""
    load = now.towards("overload", _load(now), _OVERLOAD_SHARE)
    warmth = _warmth(now)
    windings, fans = _windings(now, warmth)
    return (
        {"fan_running": warmth.oil_fans if now.ratings.get("insulation") == "oil" else fans}
        | now.part(_electric, load + now.noise("load", 0.01))
        | now.part(_temperatures, windings)
        | now.part(_oil, warmth)
        | _reports(now)
    )


def _load(now: Circumstances) -> float:
    """Share of the rated power."""
    return _NIGHT_SHARE + _WORK_SHARE * loads.ELECTRICITY.share(now.local()) + _SEASON_SHARE * weather.season(now)


def _ambient(now: Circumstances) -> float:
    return weather.indoors(now, 25.0)


def _warmth(now: Circumstances) -> _Warmth:
    """From the last half hour on, at the load and ambient of its middle."""
    day, into = divmod(now.now_s, DAY_S)
    step, rest = divmod(into, _STEP_S)
    begun: _Warmth = now.once(("warmth", int(day)), lambda: _day(now, int(day)))[int(step)]
    return _after(now, now.now_s - rest, begun, rest)


def _day(now: Circumstances, day: int) -> list[_Warmth]:
    """At each half hour of a day UTC."""
    start_s = (day - _WARM_UP_DAYS) * DAY_S
    begin = now.at(start_s)
    load, ambient = _load(begin), _ambient(begin)
    warmth = _Warmth(
        thermal.dry_steady(_DRY, load, ambient), thermal.steady(_OIL, load, ambient), fans=False, oil_fans=False
    )
    steps = int(DAY_S // _STEP_S)
    found = []
    for step in range((_WARM_UP_DAYS + 1) * steps):
        if step >= _WARM_UP_DAYS * steps:
            found.append(warmth)
        warmth = _after(now, start_s + step * _STEP_S, warmth, _STEP_S)
    return found


def _after(now: Circumstances, start_s: float, begun: _Warmth, seconds: float) -> _Warmth:
    middle = now.at(start_s + _STEP_S / 2)
    load, ambient = _load(middle), _ambient(middle)
    must_run = now.limit("fan_must_run_c", 100)
    winding = thermal.dry_after(_DRY_FANS if begun.fans else _DRY, begun.winding, load, ambient, seconds)
    oil = thermal.after(_OIL_FANS if begun.oil_fans else _OIL, begun.oil, load, ambient, seconds)
    if seconds < _STEP_S:
        return _Warmth(winding, oil, begun.fans, begun.oil_fans)
    fans = thermal.Fans(must_run - 5, must_run - 20).run(winding, were_running=begun.fans)
    return _Warmth(winding, oil, fans, _OIL_SWITCH.run(oil.top_oil, were_running=begun.oil_fans))


def _windings(now: Circumstances, warmth: _Warmth) -> tuple[float, bool]:
    """Temperature of the windings of a dry type, and whether its fans run."""
    must_run, usual = now.limit("fan_must_run_c", 100), warmth.winding
    if "over_temperature" in now.faults:
        hot = now.towards("over_temperature", usual, now.limit("winding_alarm_c", 130) + 8)
        return hot, hot > must_run - 5
    if "fan_failure" in now.faults:
        return now.towards("fan_failure", usual, must_run + 8), False
    if "overload" in now.faults:
        settled = max(must_run + 2, thermal.dry_steady(_DRY_FANS, _OVERLOAD_SHARE, _ambient(now)))
        hot = now.towards("overload", usual, settled)
        return hot, hot > must_run - 5
    return usual, warmth.fans


def _temperatures(now: Circumstances, windings: float) -> Values:
    broken = windings - now.limit("sensor_gap", 30) - 20
    room = now.towards("ventilation_failed", _ambient(now), now.limit("room_temperature_max", 40) + 5)
    return {
        "winding_temperature_a": windings + 1.5 + now.noise("a", 0.4),
        "winding_temperature_b": windings + 2.5 + now.noise("b", 0.4),
        "winding_temperature_c": broken if now.has("sensor_break") else windings + now.noise("c", 0.4),
        "core_temperature": min(windings + 4, now.limit("core_alarm_c", 110) - 6),
        "room_temperature": room + now.noise("room", 0.2),
    }


def _electric(now: Circumstances, share: float) -> Values:
    apparent = share * now.rating("rated_kva", 1000)
    current = apparent * 1000 / (math.sqrt(3) * 400)
    return {
        "apparent_power": apparent,
        "active_power": apparent * _POWER_FACTOR,
        "reactive_power": apparent * math.sqrt(1 - _POWER_FACTOR**2),
        "current_l1": current * 1.01,
        "current_l2": current * 0.99,
        "current_l3": current,
    }


def _oil(now: Circumstances, warmth: _Warmth) -> Values:
    oil, hot = warmth.oil.top_oil, warmth.oil.hot_spot
    if now.ratings.get("insulation") == "oil":
        oil = now.towards("over_temperature", oil, now.limit("oil_max_c", 95) + 5)
        hot = now.towards("over_temperature", hot, max(now.limit("oil_winding_c", 95), now.limit("oil_max_c", 95)) + 15)
        settled = thermal.steady(_OIL_FANS, _OVERLOAD_SHARE, _ambient(now))
        oil = now.towards("overload", oil, min(settled.top_oil, now.limit("oil_regular_c", 85) - 5))
        hot = now.towards("overload", hot, min(settled.hot_spot, now.limit("oil_winding_c", 95) - 3))
    return {
        "oil_temperature": oil,
        "oil_winding_temperature": hot,
        "oil_level_low": False,
        "oil_leak": now.has("oil_leak"),
    }


def _reports(now: Circumstances) -> Values:
    return {
        "controller_alarm": False, "controller_trip": False, "sensor_fault": False,
        "gas_relay_alarm": now.has("gas_gathers"), "gas_relay_trip": now.has("internal_fault"),
        "pressure_relief": now.has("internal_fault"), "water_leak": now.has("flooded"),
    }  # fmt: skip
