"""Ground floor: the units that points, limits and mappings may have, and how one leads to another.

A unit that is not in this list is refused when the library is loaded, so that a slip such as ``kw`` never becomes a
silent factor of a thousand.
"""

from __future__ import annotations

# unit: (quantity, scale, offset); value in the quantity's base unit = value × scale + offset.
_UNITS: dict[str, tuple[str, float, float]] = {
    "": ("plain number", 1, 0),
    "1": ("plain number", 1, 0),
    "%": ("plain number", 0.01, 0),
    "V": ("voltage", 1, 0), "mV": ("voltage", 1e-3, 0), "kV": ("voltage", 1e3, 0),
    "A": ("current", 1, 0), "mA": ("current", 1e-3, 0), "kA": ("current", 1e3, 0),
    "W": ("active power", 1, 0), "kW": ("active power", 1e3, 0), "MW": ("active power", 1e6, 0),
    "var": ("reactive power", 1, 0), "kvar": ("reactive power", 1e3, 0), "Mvar": ("reactive power", 1e6, 0),
    "VA": ("apparent power", 1, 0), "kVA": ("apparent power", 1e3, 0), "MVA": ("apparent power", 1e6, 0),
    "Wh": ("active energy", 1, 0), "kWh": ("active energy", 1e3, 0), "MWh": ("active energy", 1e6, 0),
    "varh": ("reactive energy", 1, 0), "kvarh": ("reactive energy", 1e3, 0), "Mvarh": ("reactive energy", 1e6, 0),
    "VAh": ("apparent energy", 1, 0), "kVAh": ("apparent energy", 1e3, 0),
    "Ah": ("charge", 1, 0),
    "Hz": ("frequency", 1, 0), "1/min": ("rate of turns", 1, 0), "1/h": ("rate of events", 1, 0),
    "Ω": ("resistance", 1, 0), "kΩ": ("resistance", 1e3, 0), "MΩ": ("resistance", 1e6, 0),
    "°C": ("temperature", 1, 273.15), "K": ("temperature", 1, 0), "°F": ("temperature", 5 / 9, 459.67 * 5 / 9),
    "Pa": ("pressure", 1, 0), "hPa": ("pressure", 1e2, 0), "kPa": ("pressure", 1e3, 0), "MPa": ("pressure", 1e6, 0),
    "mbar": ("pressure", 1e2, 0), "bar": ("pressure", 1e5, 0), "psi": ("pressure", 6894.757293168, 0),
    "mH2O": ("pressure", 9806.65, 0),
    "mm": ("length", 1e-3, 0), "cm": ("length", 1e-2, 0), "m": ("length", 1, 0),
    "m/s": ("speed", 1, 0), "mm/s": ("speed", 1e-3, 0),
    "m/s²": ("acceleration", 1, 0), "mm/s²": ("acceleration", 1e-3, 0),
    "L": ("volume", 1e-3, 0), "m³": ("volume", 1, 0),
    "L/s": ("flow", 1e-3, 0), "L/min": ("flow", 1e-3 / 60, 0), "m³/h": ("flow", 1 / 3600, 0),
    "kg": ("mass", 1, 0), "t": ("mass", 1e3, 0),
    "ms": ("time", 1e-3, 0), "s": ("time", 1, 0), "min": ("time", 60, 0), "h": ("time", 3600, 0), "d": ("time", 86_400, 0),
    "kWh/m³": ("specific energy", 1, 0), "Wh/m³": ("specific energy", 1e-3, 0),
    "lx": ("illuminance", 1, 0),
}  # fmt: skip

KNOWN: tuple[str, ...] = tuple(_UNITS)
"""Every unit, as files write it."""
TIME_LIMITS = frozenset({"s", "min", "h"})
"""Units that make a limit usable as a delay or a window."""


_SPELLINGS = {
    "rpm": "1/min", "c": "°C", "degc": "°C", "℃": "°C", "f": "°F", "ohm": "Ω", "mohm": "MΩ", "percent": "%",
    "m3": "m³", "m3/h": "m³/h", "cbm": "m³", "m^3/h": "m³/h", "l": "L", "l/s": "L/s", "l/min": "L/min", "lux": "lx",
    "mm/s2": "mm/s²", "m/s2": "m/s²", "sec": "s", "mins": "min", "hour": "h", "hours": "h", "days": "d",
}  # fmt: skip


class UnlikeUnits(ValueError):
    """Two units that do not measure the same quantity, or one that is not known."""


def suggest(unit: str) -> str:
    """The remedy for an unknown unit: how it is spelled here."""
    by_case = {known.lower(): known for known in KNOWN}
    if known := _SPELLINGS.get(unit.lower()) or by_case.get(unit.lower()):
        return f"Write {known}"
    return f"Known here: {' '.join(filter(None, KNOWN))}"


def quantity(unit: str) -> str:
    """What a unit measures: ``pressure`` for bar. Raises UnlikeUnits for an unknown unit."""
    try:
        return _UNITS[unit][0]
    except KeyError:
        raise UnlikeUnits(f"unit {unit!r} is not known") from None


def factor(from_unit: str, to_unit: str) -> tuple[float, float]:
    """``(scale, offset)`` with value in ``to_unit`` = value in ``from_unit`` × scale + offset.

    Both are points on a scale, not differences: K to °C is (1, -273.15). Raises UnlikeUnits.
    """
    if quantity(from_unit) != quantity(to_unit):
        raise UnlikeUnits(f"{from_unit!r} ({quantity(from_unit)}) cannot become {to_unit!r} ({quantity(to_unit)})")
    if from_unit == to_unit:
        return 1.0, 0.0
    _, scale_from, offset_from = _UNITS[from_unit]
    _, scale_to, offset_to = _UNITS[to_unit]
    return _clean(scale_from / scale_to), _clean((offset_from - offset_to) / scale_to)


def _clean(number: float) -> float:
    """Without the last digits that division leaves, so that W to kW is 0.001 exactly."""
    return float(f"{number:.12g}")
