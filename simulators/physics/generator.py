"""physics of a standby generator: it rests warm and charged, and runs with load every four weeks by itself (pure)."""

from __future__ import annotations

import math
from functools import lru_cache

from simulators.physics.calendar import Routine
from simulators.physics.models import weather
from simulators.physics.plant import Circumstances, Values

FAULTS = ("not_in_auto", "battery_flat", "fuel_low", "failed_to_start", "shut_down", "preheating_failed", "fuel_out")

_RUN_S, _COOL_S, _WARM_S = 40 * 60.0, 3600.0, 420.0
_LOAD, _USED = 0.45, 2.0
"""Load in the test run against rated power, and percent of the fuel that a run uses; it is topped up within a week."""
_REFUEL_S = 7 * 86_400.0


@lru_cache(maxsize=1024)
def test_run(seed: int) -> Routine:
    """When it runs by itself: every four weeks, on a working day."""
    return Routine(28, 7 * (seed % 4) + seed // 4 % 5, 9.0 + seed // 20 % 6, _RUN_S)


def values(now: Circumstances) -> Values:
    """Every point of ``generator``."""
    routine = test_run(now.seed)
    since = None if now.faults else now.under_way(routine)
    is_running = since is not None and since > 10
    runs = now.counted_times(routine)
    return {
        **_states(now, is_running=is_running, is_ordered=since is not None),
        **now.part(_supply, is_running=is_running),
        **now.part(_stores, routine),
        "run_hours": 120 + runs * _RUN_S / 3600 + now.counted_s / 3600 / 720,
        "starts": float(200 + runs),
    }


def _states(now: Circumstances, *, is_running: bool, is_ordered: bool) -> Values:
    failed = now.has("failed_to_start")
    return {
        "running": is_running,
        "in_auto": not now.has("not_in_auto"),
        "start_order": failed or is_ordered,
        "fail_to_start": failed,
        "shutdown": now.has("shut_down"),
        "common_alarm": now.has("shut_down"),
    }


def _supply(now: Circumstances, *, is_running: bool) -> Values:
    nominal = now.rating("nominal_v", 220)
    if not is_running:
        return dict.fromkeys(
            ("voltage_l1", "voltage_l2", "voltage_l3", "frequency", "active_power", "oil_pressure"), 0.0
        )
    return {
        **{f"voltage_l{phase}": nominal * (1 + now.noise(f"volts_{phase}", 0.01)) for phase in (1, 2, 3)},
        "frequency": now.rating("nominal_hz", 50) + now.noise("hertz", 0.15),
        "active_power": now.rating("rated_kw", 400) * (_LOAD + now.noise("load", 0.02, 60)),
        "oil_pressure": 420 + now.noise("oil", 15),
    }


def _stores(now: Circumstances, routine: Routine) -> Values:
    ago_s = routine.ago(now.calendar, now.now_s)
    nominal = now.rating("battery_nominal_v", 24)
    fuel = 93.0 - _USED * (min(1.0, ago_s / _RUN_S) if ago_s < _REFUEL_S else 0.0)
    fuel = now.towards("fuel_low", fuel, now.limit("fuel_min", 50) - 6)
    flat = nominal * (now.limit("battery_min", 95) / 100 - 0.07)
    return {
        "coolant_temperature": _coolant(now, ago_s) + now.noise("coolant", 2, 60),
        "battery_voltage": now.towards("battery_flat", nominal * 1.12, flat) + now.noise("battery", 0.05),
        "fuel_level": now.towards("fuel_out", fuel, now.limit("fuel_empty", 20) - 8),
    }


def _coolant(now: Circumstances, ago_s: float) -> float:
    """Preheated at rest; it warms in a run and cools down afterwards, each along its time constant."""
    rest, hot = 40.0, 82.0
    if now.faults:
        return now.towards("preheating_failed", rest, min(weather.indoors(now, 16.0), now.limit("coolant_min", 10) - 5))
    if ago_s < _RUN_S:
        return hot + (rest - hot) * math.exp2(-ago_s / _WARM_S)
    return rest + (hot - rest) * math.exp2(-(ago_s - _RUN_S) / _COOL_S)
