"""physics of a transfer switch: on supply A, unless a supply or the switch itself fails (pure)."""

from __future__ import annotations

from simulators.physics.plant import Circumstances, Values

FAULTS = ("stuck", "not_in_auto", "source_b_lost")


def values(now: Circumstances) -> Values:
    """Every point of ``ats``."""
    nominal = now.rating("nominal_v", 220)
    has_a, has_b = not now.has("stuck"), not now.has("source_b_lost")
    return {
        "position": "a",
        "source_a_available": has_a,
        "source_b_available": has_b,
        "in_auto": not now.has("not_in_auto"),
        "fault": False,
        "voltage_a": nominal * 1.01 + now.noise("a", 1) if has_a else 0.0,
        "voltage_b": nominal * 1.02 + now.noise("b", 1) if has_b else 0.0,
        "transfers": float(10 + now.counted_s // 2_592_000),
    }
