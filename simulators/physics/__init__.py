"""Before the simulators' wire: time and injected faults → true values of an equipment class (pure)."""

from __future__ import annotations

from collections.abc import Mapping

from device_profiles.schema import Point
from simulators.physics import (
    ats,
    dc_panel,
    emergency_light,
    fire_alarm_panel,
    fire_pump,
    gateway,
    generator,
    lift,
    lighting,
    lv_switchgear,
    pump,
    room,
    tank,
    transformer,
)
from simulators.physics.calendar import Calendar, make_calendar
from simulators.physics.plant import Behaviour, Plant, PointValue

__all__ = ["Calendar", "Plant", "create", "make_calendar"]

_BEHAVIOURS: dict[str, tuple[Behaviour, tuple[str, ...]]] = {
    "ats": (ats.values, ats.FAULTS),
    "dc_panel": (dc_panel.values, dc_panel.FAULTS),
    "emergency_light": (emergency_light.values, emergency_light.FAULTS),
    "fire_alarm_panel": (fire_alarm_panel.values, fire_alarm_panel.FAULTS),
    "fire_pump": (fire_pump.values, fire_pump.FAULTS),
    "gateway": (gateway.values, gateway.FAULTS),
    "generator": (generator.values, generator.FAULTS),
    "lift": (lift.values, lift.FAULTS),
    "lighting": (lighting.values, lighting.FAULTS),
    "lv_switchgear": (lv_switchgear.values, lv_switchgear.FAULTS),
    "pump": (pump.values, pump.FAULTS),
    "room": (room.values, room.FAULTS),
    "tank": (tank.values, tank.FAULTS),
    "transformer": (transformer.values, transformer.FAULTS),
}


def create(
    equipment_class: str,
    seed: int,
    ratings: Mapping[str, float | str],
    limits: Mapping[str, float],
    points: Mapping[str, Point] | None = None,
    *,
    calendar: Calendar | None = None,
    roles: tuple[str, ...] = (),
) -> Plant:
    """One piece of equipment of a class. ``limits`` are in their own units; ``calendar`` is the site's (China's by default).

    ``points`` lets a class of a site's own library show constant healthy values; raises ValueError for a class that has
    neither behaviour nor points.
    """
    constants = {name: _constant(point) for name, point in (points or {}).items()}
    days = calendar or Calendar()
    if equipment_class in _BEHAVIOURS:
        behaviour, faults = _BEHAVIOURS[equipment_class]
        return Plant(behaviour, faults, seed, ratings, limits, constants, days, roles)
    if points is None:
        raise ValueError(f"nothing is known of how a {equipment_class} behaves; there are {', '.join(_BEHAVIOURS)}")
    return Plant(lambda _: {}, (), seed, ratings, limits, constants, days, roles)


def _constant(point: Point) -> PointValue:
    """What a healthy plant shows: the point's own ``simulate``, else a value in its range."""
    if point.simulate is not None:
        return point.simulate
    if point.kind in ("gauge", "counter"):
        low, high = point.plausible or (0.0, 0.0)
        return max(low, 0.0) if point.kind == "counter" else low + 0.3 * (high - low)
    if point.kind == "state":
        return next(iter(point.states))
    return False if point.kind == "bit" else ""
