"""physics: a lead-acid battery: float, discharge, charging again, ageing (pure). Volts per 2 V cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

FLOAT_V, FLOAT_AT_C, FLOAT_PER_K = 2.25, 25.0, -0.003
"""Float voltage of a cell at 25 °C and its correction for warmth."""
FULL_V, EMPTY_V = 2.12, 1.94
"""Open-circuit voltage of a full and of an empty cell."""
RATED_H = 10.0
"""The capacity on the nameplate is that of ten hours."""


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery as it is now. ``capacity_ah`` is the nameplate's, at ten hours."""

    capacity_ah: float
    health: float = 1.0
    """Capacity left against the nameplate."""
    peukert: float = 1.15
    resistance: float = 0.08
    """Volts a cell loses at a current of 1 C."""

    def lasts_h(self, current_a: float) -> float:
        """Hours until a full battery is empty at a current (Peukert)."""
        rated_a = self.capacity_ah / RATED_H
        return float(RATED_H * self.health * (rated_a / current_a) ** self.peukert)

    def charge(self, current_a: float, hours: float) -> float:
        """Share of the charge left after so many hours at a current."""
        return max(0.0, 1 - hours / self.lasts_h(current_a))

    def cell_v(self, charge: float, current_a: float) -> float:
        """Voltage of a cell under load; below a tenth of the charge it collapses."""
        knee = 0.25 * max(0.0, 0.1 - charge)
        drop = self.resistance * current_a / (self.capacity_ah * self.health)
        return EMPTY_V + (FULL_V - EMPTY_V) * charge - drop - knee


def float_v(temperature: float) -> float:
    """Float voltage of a cell as a charger corrects it for warmth."""
    return FLOAT_V + FLOAT_PER_K * (temperature - FLOAT_AT_C)


def recharged(charge: float, hours: float, time_constant_h: float = 2.5) -> float:
    """Share of the charge after so many hours on the charger."""
    return 1 - (1 - charge) * math.exp(-hours / time_constant_h)


def aged(years: float, temperature: float, design_years: float = 10.0) -> float:
    """Capacity left: 80 % at the end of the design life at 20 °C; ten kelvin more halve that life."""
    life = design_years * 2 ** ((20 - temperature) / 10)
    return max(0.0, 1 - 0.2 * (years / life) ** 2)
