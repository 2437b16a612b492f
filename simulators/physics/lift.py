"""physics of a lift: people come and go by the hour, and each trip is a run between two floors with its doors (pure).

The trip counter is the sum of the traffic until now; each time it passes a whole number the car leaves in that cycle. So
counter and motion agree, and neither needs to know what was asked before. Every other trip leads to the entrance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulators.physics.calendar import Local
from simulators.physics.models import loads, weather
from simulators.physics.models.motion import Door, Run
from simulators.physics.plant import DAY_S, Circumstances, Values

FAULTS = (
    "entrapment", "silent_entrapment", "door_fault", "drive_over_temperature", "mains_lost", "repeating_fault", "safety_chain",
    "door_blocked", "motor_overheats", "cooling_failed", "intercom_battery",
)  # fmt: skip

_SHORTEST_CYCLE_S, _REST_S, _BEGINS_S = 60.0, 2.0, 8.0
_FLOOR_M = 3.0
_DOOR = Door()
_BLINK_S = 6.0
"""How long a repeating fault shows its code, and how long it does not."""
_CARE_S = 15 * DAY_S
"""Wear of guides and rollers shows until the half-monthly care."""
_USUAL_RUN_S = 18.0


@dataclass(frozen=True, slots=True)
class _Car:
    """Where the car is and what it does."""

    floor: float
    door: str
    is_moving: bool = False
    direction: str = "none"
    speed: float = 0.0
    is_occupied: bool = False
    in_door_zone: bool = True


def values(now: Circumstances) -> Values:
    """Every point of ``lift``."""
    cycle_s = _cycle_s(now)
    trip = _trips(now, now.now_s - _into(now, cycle_s), cycle_s)
    car = _car(now, trip, cycle_s)
    return now.part(_motion, car, trip) | _chains(now, car) | now.part(_warmth) | _calls(now) | _counters(trip)


def _cycle_s(now: Circumstances) -> float:
    longest = Run((_floors(now) - 1) * _FLOOR_M, _rated_speed(now)).lasts_s
    return max(_SHORTEST_CYCLE_S, math.ceil(longest + _DOOR.lasts_s + _REST_S))


def _into(now: Circumstances, cycle_s: float) -> float:
    """Seconds since the present cycle began.

    At each full minute the car has arrived: who looks every quarter of an hour does not see a door half open each time.
    """
    return (now.now_s + _SHORTEST_CYCLE_S - _BEGINS_S) % cycle_s


def _floors(now: Circumstances) -> int:
    return max(2, int(now.rating("floors", 20)))


def _rated_speed(now: Circumstances) -> float:
    return max(0.1, now.rating("rated_speed", 1.75))


def _trips(now: Circumstances, at_s: float, cycle_s: float) -> int:
    """Trips counted until an instant: at full traffic one in every cycle."""
    return max(0, math.floor(loads.LIFTS.hours(now.calendar, now.counting_since_s, at_s) * 3600 / cycle_s))


def _car(now: Circumstances, trip: int, cycle_s: float) -> _Car:
    scheduled = _scheduled(now, trip, cycle_s)
    if now.has("entrapment") or now.has("silent_entrapment"):
        return _Car(scheduled.floor, "closed", is_occupied=True, in_door_zone=False)
    if now.has("door_fault"):
        return _Car(scheduled.floor, "fault")
    if now.has("door_blocked"):
        return _Car(scheduled.floor, "open")
    if now.has("mains_lost") or now.has("safety_chain"):
        return _Car(scheduled.floor, "closed")
    return scheduled


def _scheduled(now: Circumstances, trip: int, cycle_s: float) -> _Car:
    """Doors open and close, the car goes to the next floor and waits there until the next trip."""
    at = _into(now, cycle_s)
    start, goal = _floor(now, trip), _floor(now, trip + 1)
    if _trips(now, now.now_s - at + cycle_s, cycle_s) == trip:
        return _Car(start, "closed")
    people = _people(now, trip)
    if at < _DOOR.lasts_s:
        return _Car(start, _DOOR.status(at), is_occupied=people > 0 and at > _DOOR.opening_s)
    run, since = Run(abs(goal - start) * _FLOOR_M, _rated_speed(now)), at - _DOOR.lasts_s
    if since >= run.lasts_s:
        return _Car(goal, "closed")
    sign = 1 if goal > start else -1
    floor = float(round(start + sign * run.travelled(since) / _FLOOR_M))
    speed = max(0.05, run.speed(since))
    direction = "up" if sign > 0 else "down"
    return _Car(floor, "closed", True, direction, sign * speed, people > 0, in_door_zone=False)


def _floor(now: Circumstances, trip: int) -> float:
    """Floor at which a trip begins, from 1; every other one is the entrance."""
    return 2.0 + int(now.chance("stop", trip) * (_floors(now) - 1)) if trip % 2 else 1.0


def _people(now: Circumstances, trip: int) -> float:
    """Load of a trip in percent: full upwards in the morning, full downwards in the evening, mixed between."""
    local, is_up, drawn = now.local(), trip % 2 == 0, now.chance("people", trip)
    peak = _peak(local)
    if peak == "none":
        return 10 + 40 * drawn if drawn > 0.2 else 0.0
    if (peak == "up") == is_up:
        return 35 + 50 * drawn
    return 8 + 20 * drawn if drawn > 0.6 else 0.0


def _peak(local: Local) -> str:
    if local.is_rest:
        return "none"
    if loads.UP_PEAK_H[0] <= local.hour < loads.UP_PEAK_H[1]:
        return "up"
    return "down" if loads.DOWN_PEAK_H[0] <= local.hour < loads.DOWN_PEAK_H[1] else "none"


def _motion(now: Circumstances, car: _Car, trip: int) -> Values:
    wear = (now.now_s + now.seed % 1000 * 1000) % _CARE_S / _CARE_S
    return {
        "service_mode": _mode(now),
        "car_state": "moving" if car.is_moving else "stopped",
        "direction": car.direction,
        "floor": car.floor,
        "in_door_zone": car.in_door_zone,
        "door_state": car.door,
        "occupied": car.is_occupied,
        "load": max(20.0, _people(now, trip)) if car.is_occupied else 0.0,
        "overload": False,
        "speed": car.speed,
        "levelling": now.noise("levelling", 3, 60),
        "vibration": (80 + 20 * wear if car.is_moving else 8) + now.noise("vibration", 6, 2),
    }


def _mode(now: Circumstances) -> str:
    return "fault" if now.has("door_fault") or now.has("mains_lost") or now.has("safety_chain") else "normal"


def _chains(now: Circumstances, car: _Car) -> Values:
    return {
        "door_lock_closed": car.door == "closed",
        "safety_chain_closed": not now.has("safety_chain"),
        "mains_present": not now.has("mains_lost"),
    }


def _warmth(now: Circumstances) -> Values:
    room = weather.indoors(now, 25.0, follows=0.4, daily=2.0) + now.noise("room", 0.2)
    busy = loads.LIFTS.share(now.local())
    drive, motor = (
        room + 18 + 6 * busy + now.noise("drive", 1.5, 30),
        room + 22 + 12 * busy + now.noise("motor", 1.5, 30),
    )
    battery = now.towards("intercom_battery", 12.9, now.limit("battery_min", 11) - 0.8)
    return {
        "drive_temperature": now.towards("drive_over_temperature", drive, now.limit("drive_temperature_max", 80) + 9),
        "motor_temperature": now.towards("motor_overheats", motor, now.limit("motor_temperature_max", 110) + 9),
        "machine_room_temperature": now.towards("cooling_failed", room, now.limit("machine_room_max", 40) + 4),
        "intercom_battery_voltage": battery + now.noise("battery", 0.05),
    }


def _calls(now: Circumstances) -> Values:
    shows_code = now.has("repeating_fault") and int(now.faults["repeating_fault"].age_s // _BLINK_S) % 2 == 0
    return {"alarm_button": now.has("entrapment"), "trapped": False, "fault_code": 17.0 if shows_code else 0.0}


def _counters(trip: int) -> Values:
    return {"trips": float(trip), "door_cycles": float(trip), "run_hours": trip * _USUAL_RUN_S // 3600}
