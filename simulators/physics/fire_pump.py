"""physics of a fire pump: a main that leaks, a jockey pump that makes up for it, and tests that come by themselves (pure).

The leaking main loses its pressure along a time constant; the jockey pump starts and stops at its own settings, so the
length of its cycle follows from them. Once a week the controller starts the main pump, on another day it turns it at
patrol speed, unless the selector is not in automatic or the pump cannot run.
"""

from __future__ import annotations

from functools import lru_cache

from simulators.physics.calendar import Routine
from simulators.physics.models import hydraulics, weather
from simulators.physics.plant import Circumstances, Values

FAULTS = (
    "not_in_auto", "low_water_pressure", "power_a_lost", "running_without_order", "tank_low", "power_lost", "phase_lost",
    "failed_to_start", "controller_fault", "transducer_fault", "suction_closed", "jockey_failed", "storage_cold",
    "battery_flat", "fuel_low",
)  # fmt: skip

_LEAK_S, _REFILL_S = 2400.0, 40.0
"""How long the pressure falls from the jockey pump's stop to its start, and how long it takes back."""
_RUN_S, _PATROL_S = 35 * 60.0, 20 * 60.0
_NO_TEST = (
    "not_in_auto", "power_lost", "phase_lost", "failed_to_start", "controller_fault", "low_water_pressure",
    "running_without_order", "suction_closed", "jockey_failed",
)  # fmt: skip
_BITS = {
    "phase_loss_l2": "phase_lost", "fail_to_start": "failed_to_start", "controller_fault": "controller_fault",
    "low_suction": "suction_closed", "transducer_fault": "transducer_fault",
}  # fmt: skip
_QUIET = (
    "phase_reversal", "phase_loss_l1", "phase_loss_l3", "locked_rotor", "overcurrent", "weekly_test_required",
    "cut_in_not_reached",
)  # fmt: skip


@lru_cache(maxsize=1024)
def weekly_start(seed: int) -> Routine:
    """When the controller starts the main pump by itself: a working day, in working hours."""
    return Routine(7, seed % 5, 9.0 + seed // 5 % 6, _RUN_S)


@lru_cache(maxsize=1024)
def patrol(seed: int) -> Routine:
    """When it turns the pump at low speed: another day."""
    return Routine(7, (seed + 2) % 5, 9.0 + seed // 5 % 6, _PATROL_S)


def values(now: Circumstances) -> Values:
    """Every point of ``fire_pump``."""
    can_test = not now.has_any(_NO_TEST)
    is_test = can_test and now.under_way(weekly_start(now.seed)) is not None
    is_patrol = can_test and not is_test and now.under_way(patrol(now.seed)) is not None
    is_burst = now.has("low_water_pressure")
    is_driven = is_burst or is_test or now.has("running_without_order")
    shown: Values = {
        "running": is_driven or is_patrol,
        "start_order": is_burst or now.has("failed_to_start"),
        "test_order": is_test,
        "patrol": is_patrol,
        "in_auto": not now.has("not_in_auto"),
        "motor_current": now.rating("rated_a", 100) * (0.82 if is_driven else 0.08) * (1 + now.noise("current", 0.01))
        if is_driven or is_patrol
        else 0.0,
    }
    return {**shown, **now.part(_pressures, is_test=is_test), **now.part(_supplies), **now.part(_stores)}


def _pressures(now: Circumstances, *, is_test: bool) -> Values:
    main = now.rating("main_start_mpa", 0.7)
    start, stop = now.rating("jockey_start_mpa", main + 0.07), now.rating("jockey_stop_mpa", main + 0.15)
    cycle = (now.now_s + now.seed % 997) % (_LEAK_S + _REFILL_S)
    usual, is_refilling = _held(cycle, start + 0.05 * (stop - start), stop), cycle >= _LEAK_S
    if is_test or now.has("running_without_order"):
        usual, is_refilling = stop + 0.05, False
    usual = now.towards("jockey_failed", usual, start - 0.4 * (start - main))
    return {
        "system_pressure": now.towards("low_water_pressure", usual, 0.75 * main),
        "jockey_running": now.has("low_water_pressure") or (is_refilling and not now.has("jockey_failed")),
        "jockey_starts": float(now.counted_s // (_LEAK_S + _REFILL_S)),
    }


def _held(cycle: float, low: float, high: float) -> float:
    """Pressure between the jockey pump's stop and its start: it decays, then is pumped up again."""
    if cycle >= _LEAK_S:
        return low + (high - low) * (cycle - _LEAK_S) / _REFILL_S
    lost = low / 2
    slow_s = _LEAK_S / hydraulics.decay_time(high, low, lost, 1.0)
    return hydraulics.decayed(high, lost, cycle, slow_s)


def _supplies(now: Circumstances) -> Values:
    nominal = now.rating("battery_nominal_v", 24)
    flat = nominal * (now.limit("battery_min", 95) / 100 - 0.06)
    return {
        **dict.fromkeys(_QUIET, False),
        **{name: now.has(fault) for name, fault in _BITS.items()},
        "power_a_available": not (now.has("power_a_lost") or now.has("power_lost")),
        "power_b_available": not now.has("power_lost"),
        "battery_voltage": now.towards("battery_flat", nominal * 1.1, flat) + now.noise("battery", 0.1),
    }


def _stores(now: Circumstances) -> Values:
    level = 98.5 + now.noise("tank", 0.4, 120)
    cool = weather.indoors(now, 16.0, daily=0.8) + now.noise("storage", 0.2, 60)
    return {
        "tank_level": now.towards("tank_low", level, now.limit("tank_min", 90) - 8),
        "storage_temperature": now.towards("storage_cold", cool, now.limit("storage_min", 5) - 2),
        "room_temperature": weather.indoors(now, 20.0) + now.noise("room", 0.3, 60),
        "fuel_level": now.towards("fuel_low", 92.0, now.limit("fuel_min", 67) - 7),
    }
