"""physics of a transfer switch: on supply A, but for its test every four weeks, unless a supply or the switch fails (pure)."""

from __future__ import annotations

from simulators.physics.calendar import Routine
from simulators.physics.plant import Circumstances, Values

FAULTS = ("stuck", "not_in_auto", "source_b_lost", "both_lost", "open", "controller_fault")

_ON_B_S = 40 * 60.0


def test_transfer(seed: int) -> Routine:
    """When it goes to supply B and back by itself: every four weeks, on a working day."""
    return Routine(28, 7 * (seed % 4) + seed // 4 % 5, 9.0 + seed // 20 % 6, _ON_B_S)


def values(now: Circumstances) -> Values:
    """Every point of ``ats``."""
    nominal, routine = now.rating("nominal_v", 220), test_transfer(now.seed)
    has_a = not (now.has("stuck") or now.has("both_lost"))
    has_b = not (now.has("source_b_lost") or now.has("both_lost"))
    is_test = not now.faults and now.under_way(routine) is not None
    transfers = 2 * now.counted_times(routine) - is_test
    return {
        "position": "open" if now.has("open") else "b" if is_test else "a",
        "source_a_available": has_a,
        "source_b_available": has_b,
        "in_auto": not now.has("not_in_auto"),
        "fault": now.has("controller_fault"),
        "voltage_a": nominal * 1.01 + now.noise("a", 1) if has_a else 0.0,
        "voltage_b": nominal * 1.02 + now.noise("b", 1) if has_b else 0.0,
        "transfers": float(10 + transfers),
    }
