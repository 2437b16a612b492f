"""physics of a standby generator: it rests warm and charged until a fault asks for it (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("not_in_auto", "battery_flat", "fuel_low", "failed_to_start")


def values(now: Circumstances) -> Values:
    """Every point of ``generator``."""
    nominal = now.rating("battery_nominal_v", 24)
    flat = now.has("battery_flat")
    return {
        "running": False,
        "in_auto": not now.has("not_in_auto"),
        "start_order": now.has("failed_to_start"),
        "fail_to_start": now.has("failed_to_start"),
        "shutdown": False,
        "common_alarm": False,
        **dict.fromkeys(("voltage_l1", "voltage_l2", "voltage_l3", "frequency", "active_power", "oil_pressure"), 0.0),
        "coolant_temperature": 40 + now.noise("coolant", 2, 60),
        "battery_voltage": nominal * (0.88 if flat else 1.12) + now.noise("battery", 0.05),
        "fuel_level": now.limit("fuel_min", 50) - 6 if now.has("fuel_low") else 93.0,
        "run_hours": 120 + now.counted_s / 3600 / 720,
        "starts": float(40 + now.counted_s // 2_592_000),
    }
