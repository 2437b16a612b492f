"""physics of a fire alarm panel: loops of detectors and modules, each well, shielded, in fault, supervisory or in fire (pure).

Which of them is concerned is drawn by the seed. The panel's state is the gravest it knows: fire, fault, supervisory,
shielded, normal.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.physics.models.battery import FULL_V
from simulators.physics.plant import Circumstances, Values

FAULTS = (
    "detector_fire", "panel_fault", "valve_closed", "mains_lost", "points_shielded", "linkage_manual", "supervisory_signal",
    "sprinkler_opens", "battery_failed",
)  # fmt: skip

_LOOPS, _ADDRESSES = 4, 200
_LOOP_BROKEN, _SHIELDED = 1, 6
"""A broken loop is fed from its other end, so one segment is lost; a floor under work has this many detectors."""
_CELL_NOMINAL_V = 2.0


@dataclass(frozen=True, slots=True)
class Place:
    """An address of the panel and the room it stands for."""

    loop: int
    address: int
    zone: str


def place(now: Circumstances, name: str) -> Place:
    """The address that a fault concerns; the same for the same equipment and fault."""
    address = 1 + int(now.chance(f"address/{name}", 0) * _ADDRESSES)
    return Place(1 + now.seed % _LOOPS, address, f"B{1 + now.seed % 3}-{100 + now.seed % 60}")


def values(now: Circumstances) -> Values:
    """Every point of ``fire_alarm_panel``."""
    in_fire, flows = now.has("detector_fire"), now.has("sprinkler_opens")
    supervised = now.has("valve_closed") + now.has("supervisory_signal")
    faults = _LOOP_BROKEN * now.has("panel_fault") + now.has("battery_failed") + now.has("mains_lost")
    shielded = _SHIELDED * now.has("points_shielded")
    nominal = now.rating("battery_nominal_v", 24)
    usual = nominal * (FULL_V / _CELL_NOMINAL_V - 0.02 if now.has("mains_lost") else 1.13)
    return {
        "fire": in_fire,
        "fire_count": float(in_fire),
        "fire_zone": place(now, "detector_fire").zone if in_fire else "",
        "panel_fault": now.has("panel_fault"),
        "fault_count": float(_LOOP_BROKEN * now.has("panel_fault")),
        "shielded_count": float(shielded),
        "supervisory_count": float(supervised),
        "linkage_auto": not now.has("linkage_manual"),
        "mains_present": not now.has("mains_lost"),
        "battery_voltage": usual + now.noise("battery", 0.05),
        "battery_fault": now.has("battery_failed"),
        "valve_tamper": now.has("valve_closed"),
        "flow_switch": flows,
        "panel_state": _state(in_fire, faults, supervised, shielded),
    }


def _state(in_fire: bool, faults: int, supervised: int, shielded: int) -> str:  # noqa: FBT001 - one of four counts
    if in_fire:
        return "fire"
    if faults:
        return "fault"
    if supervised:
        return "supervisory"
    return "shielded" if shielded else "normal"
