"""physics: how transformers warm: oil types after IEC 60076-7, dry types by one time constant (pure).

Oil types follow the differential equations of the loading guide. For a load and an ambient that stay constant their
solution is a sum of exponentials, so a step of any length is exact. Temperatures in °C, differences in K, times in s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cooling:
    """Thermal characteristics of an oil-immersed transformer under one kind of cooling, named as in IEC 60076-7."""

    top_oil_rise: float
    """Top-oil rise at rated losses, K (delta theta or)."""
    gradient: float
    """Hot-spot-to-top-oil gradient at rated current, K (delta theta hr = H times gr)."""
    loss_ratio: float
    """Load losses at rated current against no-load losses (R)."""
    oil_exponent: float
    """x"""
    winding_exponent: float
    """y"""
    k11: float
    k21: float
    k22: float
    oil_s: float
    """Average oil time constant (tau o)."""
    winding_s: float
    """Winding time constant (tau w)."""


def distribution(top_oil_rise: float = 55.0, gradient: float = 23.0, loss_ratio: float = 5.0) -> Cooling:
    """A distribution transformer, ONAN: exponents, constants and time constants recommended by IEC 60076-7."""
    return Cooling(top_oil_rise, gradient, loss_ratio, 0.8, 1.6, 1.0, 1.0, 2.0, 180 * 60.0, 4 * 60.0)


def onan(top_oil_rise: float, gradient: float, loss_ratio: float) -> Cooling:
    """A medium or large power transformer without fans."""
    return Cooling(top_oil_rise, gradient, loss_ratio, 0.8, 1.3, 0.5, 2.0, 2.0, 210 * 60.0, 10 * 60.0)


def onaf(top_oil_rise: float, gradient: float, loss_ratio: float) -> Cooling:
    """A medium or large power transformer with fans."""
    return Cooling(top_oil_rise, gradient, loss_ratio, 0.8, 1.3, 0.5, 2.0, 2.0, 150 * 60.0, 7 * 60.0)


@dataclass(frozen=True, slots=True)
class Heat:
    """The state of the equations: top oil, and the two parts of the hot-spot gradient."""

    top_oil: float
    rising: float
    """What the winding's own heat adds (delta theta h1)."""
    settling: float
    """What the oil's flow takes back once it has got going (delta theta h2)."""

    @property
    def hot_spot(self) -> float:
        return self.top_oil + self.rising - self.settling


def steady(cooling: Cooling, load: float, ambient: float) -> Heat:
    """Where a constant load (against rated current) at a constant ambient leads in the end."""
    losses = (1 + load * load * cooling.loss_ratio) / (1 + cooling.loss_ratio)
    gradient = cooling.gradient * load**cooling.winding_exponent
    return Heat(
        ambient + cooling.top_oil_rise * losses**cooling.oil_exponent,
        cooling.k21 * gradient,
        (cooling.k21 - 1) * gradient,
    )


def after(cooling: Cooling, heat: Heat, load: float, ambient: float, seconds: float) -> Heat:
    """The state after some time at a constant load and ambient; exact however long it is."""
    end = steady(cooling, load, ambient)
    return Heat(
        _towards(heat.top_oil, end.top_oil, seconds, cooling.k11 * cooling.oil_s),
        _towards(heat.rising, end.rising, seconds, cooling.k22 * cooling.winding_s),
        _towards(heat.settling, end.settling, seconds, cooling.oil_s / cooling.k22),
    )


def ageing(hot_spot: float) -> float:
    """Relative rate of ageing of normal paper: 1 at 98 °C, twice as fast every 6 K."""
    return float(math.exp2((hot_spot - 98.0) / 6.0))


@dataclass(frozen=True, slots=True)
class Dry:
    """A dry-type winding under one kind of cooling: one rise, one exponent, one time constant."""

    rise: float
    """Above the room at rated current, K."""
    exponent: float
    time_constant_s: float


def dry_steady(cooling: Dry, load: float, ambient: float) -> float:
    """Winding temperature that a constant load leads to."""
    return float(ambient + cooling.rise * load**cooling.exponent)


def dry_after(cooling: Dry, winding: float, load: float, ambient: float, seconds: float) -> float:
    """Winding temperature after some time at a constant load and ambient."""
    return _towards(winding, dry_steady(cooling, load, ambient), seconds, cooling.time_constant_s)


@dataclass(frozen=True, slots=True)
class Fans:
    """A stage of fans with hysteresis."""

    on_c: float
    off_c: float

    def run(self, temperature: float, *, were_running: bool) -> bool:
        """Whether they run at this temperature, given what they did before."""
        return temperature > (self.off_c if were_running else self.on_c)


def _towards(value: float, end: float, seconds: float, time_constant_s: float) -> float:
    return end + (value - end) * math.exp(-seconds / time_constant_s)
