"""A year of minute data of one compensated incomer, twenty points, with faults planted at known instants.

Values follow the day without chance, so that every alarm is known beforehand: a fault lasts from a minute (inclusive) to
another (exclusive) and sets some points to what the rule dislikes.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

from contract.messages import Value

MINUTES = 525_600
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EQUIPMENT = "incomer_1"
POINTS = (
    "active_power", "reactive_power", "power_factor", "current_l1", "current_l2", "current_l3", "voltage_l1", "voltage_l2",
    "voltage_l3", "frequency", "neutral_current", "residual_current", "joint_temperature_l1", "joint_temperature_l2",
    "joint_temperature_l3", "room_temperature", "energy_import", "reactive_energy_import", "capacitor_stages_on",
    "breaker_tripped",
)  # fmt: skip
SITE = """\
site: {id: tower, name: Tower, zone: UTC}
gateway: {id: gw_1, cloud: "http://127.0.0.1:1", credential_file: credential}
equipment:
  - {id: incomer_1, class: lv_switchgear, roles: [compensated_incomer], ratings: {rated_a: 1600}}
"""


@dataclass(frozen=True, slots=True)
class Planted:
    """What goes wrong from one minute of the year up to another, and the rule that must say so."""

    rule: str
    first: int
    last: int
    values: Mapping[str, Value]
    slow: int = 0
    """Minutes until the condition must have become true: a mean takes its time."""


def _at(day: int, hour: int, minute: int = 0) -> int:
    return day * 1440 + hour * 60 + minute


FAULTS = (
    Planted("low_power_factor", _at(1, 10), _at(1, 12), {"reactive_power": 400.0, "power_factor": 0.78}, slow=15),
    Planted("overcurrent", _at(2, 14), _at(2, 14, 30), {"current_l1": 1700.0}),
    Planted("voltage_too_high", _at(80, 2), _at(80, 3), dict.fromkeys(("voltage_l1", "voltage_l2", "voltage_l3"), 240.0)),
    Planted("phase_loss", _at(111, 9), _at(111, 9, 5), {"voltage_l2": 12.0}),
    Planted("joint_hot", _at(150, 16), _at(150, 18), dict.fromkeys(("joint_temperature_l1", "joint_temperature_l2", "joint_temperature_l3"), 96.0)),
    Planted("frequency_off", _at(181, 0), _at(181, 0, 20), {"frequency": 50.3}),
    Planted("residual_current_high", _at(200, 7), _at(200, 8), {"residual_current": 450.0}),
    Planted("neutral_current_high", _at(230, 11), _at(230, 12), {"neutral_current": 480.0}),
    Planted("room_hot", _at(260, 13), _at(260, 15), {"room_temperature": 42.0}),
    Planted("joint_uneven", _at(290, 20), _at(290, 21), {"joint_temperature_l3": 65.0}),
    Planted("breaker_trip", _at(320, 5), _at(320, 5, 3), {"breaker_tripped": True}),
)  # fmt: skip
BAD = (_at(340, 6), _at(340, 7))
"""An hour in which the meter does not answer: every point is bad."""
HOLE = (_at(350, 6), _at(350, 7))
"""An hour that is not in the file at all."""


def instant(minute: float) -> str:
    """As the events write it."""
    return (BEGIN + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def write_csv(path: Path, minutes: int = MINUTES) -> None:
    """One row a value: time, equipment, point, value, quality."""
    with path.open("w", encoding="utf-8") as out:
        out.write("time,equipment,point,value,quality\n")
        for at, values, quality in _minutes(minutes):
            _rows(out, at, values, quality)


def _rows(out: TextIO, at: str, values: Mapping[str, Value], quality: str) -> None:
    out.writelines(f"{at},{EQUIPMENT},{point},{_text(value)},{quality}\n" for point, value in values.items())


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _minutes(minutes: int) -> Iterator[tuple[str, Mapping[str, Value], str]]:
    energy = reactive = 0.0
    for minute in range(minutes):
        values = _healthy(minute)
        energy += float(values["active_power"] or 0) / 60
        reactive += float(values["reactive_power"] or 0) / 60
        values |= {"energy_import": round(energy, 2), "reactive_energy_import": round(reactive, 2)}
        for fault in FAULTS:
            if fault.first <= minute < fault.last:
                values |= fault.values
        if not HOLE[0] <= minute < HOLE[1]:
            yield instant(minute), values, "bad" if BAD[0] <= minute < BAD[1] else "good"


def _healthy(minute: int) -> dict[str, Value]:
    swing = math.sin(minute / 1440 * 2 * math.pi - 2)  # lowest in the small hours
    load = 500 + 150 * swing + (minute * 7919 % 101) / 10
    volts = 221 - 2 * swing
    return {
        "active_power": round(load, 1), "reactive_power": round(load * 0.25, 1), "power_factor": 0.97,
        "current_l1": round(load * 1.5, 1), "current_l2": round(load * 1.52, 1), "current_l3": round(load * 1.49, 1),
        "voltage_l1": round(volts, 1), "voltage_l2": round(volts + 0.6, 1), "voltage_l3": round(volts - 0.4, 1),
        "frequency": round(50 + (minute % 9 - 4) / 100, 2), "neutral_current": round(20 + 5 * swing, 1),
        "residual_current": 40 + minute % 13, "joint_temperature_l1": round(44 + 4 * swing, 1),
        "joint_temperature_l2": round(45 + 4 * swing, 1), "joint_temperature_l3": round(43 + 4 * swing, 1),
        "room_temperature": round(26 + 3 * swing, 1), "energy_import": 0.0, "reactive_energy_import": 0.0,
        "capacitor_stages_on": 4 + (minute // 720) % 2, "breaker_tripped": False,
    }  # fmt: skip
