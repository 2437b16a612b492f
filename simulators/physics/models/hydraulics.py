"""physics: a pump on its pipes: curve, affinity laws, system curve, and what comes of a leak (pure).

Heads in m of water, flows in m³/h, powers in kW, pressures in MPa.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

M_PER_MPA = 101.97
"""Metres of water in one MPa, at 9.80665 m/s² and 1,000 kg/m³."""
_KW_PER_FLOW_HEAD = 9.80665 / 3600
"""kW of water for 1 m³/h lifted by 1 m."""


@dataclass(frozen=True, slots=True)
class PumpCurve:
    """A centrifugal pump at its rated speed: head falls with the square of the flow, efficiency has one best point."""

    shut_off_head: float
    head_loss: float
    """m for each (m³/h)²."""
    best_flow: float
    best_efficiency: float

    def head(self, flow: float, speed: float = 1.0) -> float:
        """Head at a flow and a share of the rated speed, by the affinity laws."""
        return self.shut_off_head * speed * speed - self.head_loss * flow * flow

    def efficiency(self, flow: float, speed: float = 1.0) -> float:
        """At an affine point, the same at every speed; a parabola with its best at ``best_flow``."""
        share = flow / (speed * self.best_flow) if speed else 0.0
        return max(0.0, self.best_efficiency * share * (2 - share))

    def shaft_power(self, flow: float, speed: float = 1.0) -> float:
        """Power at the shaft. Against a closed valve it takes what best efficiency at a fifth of its flow would."""
        least = 0.2 * self.best_flow * speed
        at = max(flow, least)
        efficiency = self.efficiency(at, speed)
        return _KW_PER_FLOW_HEAD * at * self.head(at, speed) / efficiency if efficiency else 0.0

    def speed_for(self, head: float, flow: float) -> float:
        """Share of the rated speed at which it gives this head at this flow."""
        return math.sqrt(max(0.0, head + self.head_loss * flow * flow) / self.shut_off_head)


@dataclass(frozen=True, slots=True)
class System:
    """What the pipes ask for: a height to lift to, and friction that grows with the square of the flow."""

    static_head: float
    friction: float

    def head(self, flow: float) -> float:
        return self.static_head + self.friction * flow * flow


def duty_point(pump: PumpCurve, system: System, speed: float = 1.0) -> float:
    """Flow at which the pump gives what the pipes ask for; 0 where it cannot lift that high."""
    spare = pump.shut_off_head * speed * speed - system.static_head
    return math.sqrt(spare / (pump.head_loss + system.friction)) if spare > 0 else 0.0


def affine(value: float, speed: float, power: int) -> float:
    """A figure at another share of the speed: flow by the first power, head by the second, shaft power by the third."""
    return float(value * speed**power)


def decayed(pressure: float, low: float, seconds: float, time_constant_s: float) -> float:
    """Pressure of a vessel that leaks towards ``low``."""
    return low + (pressure - low) * math.exp(-seconds / time_constant_s)


def decay_time(pressure: float, until: float, low: float, time_constant_s: float) -> float:
    """Seconds until a leaking vessel has fallen to ``until``, which lies above ``low``."""
    return time_constant_s * math.log((pressure - low) / (until - low))
