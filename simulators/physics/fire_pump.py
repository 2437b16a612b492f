"""physics of a fire pump: a main that leaks a little and a jockey pump that makes up for it (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("not_in_auto", "low_water_pressure", "power_a_lost", "running_without_order", "tank_low")

_LEAK_S, _REFILL_S = 2400.0, 40.0
"""How long the pressure falls from the jockey pump's stop to its start, and how long it takes back."""


def values(now: Circumstances) -> Values:
    """Every point of ``fire_pump``."""
    cycle = (now.now_s + now.seed % 997) % (_LEAK_S + _REFILL_S)
    is_burst = now.has("low_water_pressure")
    is_running = is_burst or now.has("running_without_order")
    shown: Values = {
        "running": is_running,
        "start_order": is_burst,
        "test_order": False,
        "patrol": False,
        "in_auto": not now.has("not_in_auto"),
        "system_pressure": _pressure(now, cycle),
        "jockey_running": is_burst or cycle >= _LEAK_S,
        "jockey_starts": float(now.counted_s // (_LEAK_S + _REFILL_S)),
        "motor_current": now.rating("rated_a", 100) * (0.82 + now.noise("current", 0.01)) if is_running else 0.0,
    }
    return shown | _supplies(now) | _stores(now)


def _pressure(now: Circumstances, cycle: float) -> float:
    """System pressure in MPa."""
    main = now.rating("main_start_mpa", 0.7)
    if now.has("low_water_pressure"):
        return 0.75 * main
    start, stop = now.rating("jockey_start_mpa", main + 0.07), now.rating("jockey_stop_mpa", main + 0.15)
    if now.has("running_without_order"):
        return stop + 0.05
    low, high = start + 0.05 * (stop - start), stop
    share = 1 - cycle / _LEAK_S if cycle < _LEAK_S else (cycle - _LEAK_S) / _REFILL_S
    return low + (high - low) * share


def _supplies(now: Circumstances) -> Values:
    names = (
        "phase_reversal", "phase_loss_l1", "phase_loss_l2", "phase_loss_l3", "fail_to_start", "locked_rotor",
        "overcurrent", "controller_fault", "low_suction", "transducer_fault", "weekly_test_required",
        "cut_in_not_reached",
    )  # fmt: skip
    return {
        **dict.fromkeys(names, False),
        "power_a_available": not now.has("power_a_lost"),
        "power_b_available": True,
        "battery_voltage": now.rating("battery_nominal_v", 24) * 1.1 + now.noise("battery", 0.1),
    }


def _stores(now: Circumstances) -> Values:
    level = now.limit("tank_min", 90) - 8 if now.has("tank_low") else 98.5 + now.noise("tank", 0.4, 120)
    return {
        "tank_level": level,
        "storage_temperature": 16 + now.daily(16, 1) + now.noise("storage", 0.2, 60),
        "room_temperature": 20 + now.daily(16, 2) + now.noise("room", 0.3, 60),
        "fuel_level": 92.0,
    }
