"""physics of a DC panel: a battery on float behind its charger; it discharges when it must and once a year to prove itself (pure)."""

from __future__ import annotations

from simulators.physics.calendar import Routine
from simulators.physics.models import battery, weather
from simulators.physics.plant import Circumstances, Values

FAULTS = ("charger_failed", "earth_fault", "mains_lost", "cell_weak", "battery_overheats", "overcharge")

_LOAD_C, _TEST_C = 0.04, 0.1
"""Discharge currents against the capacity: the control load, and the test of ten hours."""
_TEST_S, _CHARGED_S = 5.5 * 3600.0, 24 * 3600.0
_LASTS = 0.4
"""Longest discharge that is followed: the site's people come before the battery is down to this charge."""


def test_discharge(seed: int) -> Routine:
    """When the panel discharges its battery into its load to find the capacity: every 52 weeks, on a working day."""
    return Routine(364, 7 * (seed % 52) + seed // 52 % 5, 9.0, _TEST_S)


def values(now: Circumstances) -> Values:
    """Every point of ``dc_panel``."""
    nominal = now.rating("nominal_v", 220)
    on_battery, is_test, charge, current = _battery(now)
    warmth = weather.indoors(now, 23.0) + now.noise("warmth", 0.3, 60)
    cells = _cell(now, charge, current, on_battery=on_battery or is_test) + now.noise("cell", 0.004, 60)
    bus = now.towards("overcharge", nominal * 1.02, nominal * (1.03 + now.limit("bus_high", 10) / 100))
    weak = now.towards("cell_weak", 0.01, now.limit("cell_spread_max", 0.1) + 0.04)
    return {
        "bus_voltage": (nominal * 0.99 * (0.97 + 0.03 * charge) if on_battery else bus) + now.noise("bus", 0.3),
        "battery_voltage": now.rating("cells", 104) * cells,
        "battery_current": current + now.noise("current", 0.1),
        "cell_voltage_lowest": cells - weak,
        "cell_voltage_highest": cells + 0.012,
        "battery_temperature": now.towards("battery_overheats", warmth, now.limit("battery_hot", 35) + 6),
        "insulation": 12.0 if now.has("earth_fault") else 900 + now.noise("insulation", 40, 60),
        "mains_present": not now.has("mains_lost"),
        "charger_fault": now.has("charger_failed"),
        "discharge_test": is_test,
        "capacity_found": float(round(100 * _health(now))),
    }


def _health(now: Circumstances) -> float:
    """Capacity left; the battery is changed every six years."""
    years = (now.counted_s / 86_400 / 365.25 + now.seed % 3) % 6
    return battery.aged(years, 23.0)


def _battery(now: Circumstances) -> tuple[bool, bool, float, float]:
    """Whether the battery carries the bus, whether it is tested, its charge, and its current in A (charging positive)."""
    capacity = now.rating("capacity", 100)
    of = battery.Battery(capacity, _health(now))
    for fault in ("mains_lost", "charger_failed"):
        if now.has(fault):
            load_a = max(2.0, _LOAD_C * capacity)
            return True, False, max(_LASTS, of.charge(load_a, now.faults[fault].age_s / 3600)), -load_a
    ago = test_discharge(now.seed).ago(now.calendar, now.now_s)
    if now.faults or ago >= _CHARGED_S:
        return False, False, 1.0, 0.2
    test_a = _TEST_C * capacity
    if ago < _TEST_S:
        return False, True, of.charge(test_a, ago / 3600), -test_a
    left = battery.recharged(of.charge(test_a, _TEST_S / 3600), (ago - _TEST_S) / 3600)
    return False, False, left, 0.2 + test_a * (1 - left)


def _cell(now: Circumstances, charge: float, current: float, *, on_battery: bool) -> float:
    capacity = now.rating("capacity", 100)
    if on_battery:
        return battery.Battery(capacity, _health(now)).cell_v(charge, -current)
    # The charger corrects for warmth within what the class takes for a healthy float.
    return max(2.24, min(2.26, battery.float_v(weather.indoors(now, 23.0))))
