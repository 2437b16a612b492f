"""physics of a lift: trips between floors with their door cycle, in a timetable that the seed draws (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.physics.plant import Circumstances, Values

FAULTS = (
    "entrapment", "silent_entrapment", "door_fault", "drive_over_temperature", "mains_lost", "repeating_fault",
)  # fmt: skip

_CYCLE_S = 60.0
_OPENING_S, _OPEN_S, _CLOSING_S = 3.0, 6.0, 3.0
_FLOOR_M, _RAMP_S = 3.0, 2.0
_LEAVES_S = _OPENING_S + _OPEN_S + _CLOSING_S
_BLINK_S = 6.0
"""How long a repeating fault shows its code, and how long it does not."""


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
    car = _car(now)
    return _motion(now, car) | _chains(now, car) | _warmth(now) | _calls(now) | _counters(now)


def _car(now: Circumstances) -> _Car:
    scheduled = _scheduled(now)
    if now.has("entrapment") or now.has("silent_entrapment"):
        return _Car(scheduled.floor, "closed", is_occupied=True, in_door_zone=False)
    if now.has("door_fault"):
        return _Car(scheduled.floor, "fault")
    if now.has("mains_lost"):
        return _Car(scheduled.floor, "closed")
    return scheduled


def _scheduled(now: Circumstances) -> _Car:
    """The timetable: open, close, go to the next floor drawn, wait there with closed doors."""
    cycle = int(now.now_s // _CYCLE_S)
    at = now.now_s - cycle * _CYCLE_S
    start, goal = _floor(now, cycle), _floor(now, cycle + 1)
    if at < _LEAVES_S:
        return _Car(start, _door(at), is_occupied=at > _OPENING_S and start != goal)
    rated = now.rating("rated_speed", 1.75)
    lasts = min(abs(goal - start) * _FLOOR_M / rated + _RAMP_S, _CYCLE_S - _LEAVES_S - 2)
    run = at - _LEAVES_S
    if start == goal or run >= lasts:
        return _Car(goal, "closed")
    ramp = min(1.0, (run + 0.1) / _RAMP_S, (lasts - run) / _RAMP_S)
    sign = 1 if goal > start else -1
    floor = float(round(start + (goal - start) * run / lasts))
    return _Car(floor, "closed", True, "up" if sign > 0 else "down", sign * rated * ramp, True, in_door_zone=False)


def _floor(now: Circumstances, cycle: int) -> float:
    """Floor of one stop, from 1; every other trip leads to the entrance."""
    highest = max(2, int(now.rating("floors", 20)))
    return float(1 + int(now.chance("stop", cycle) * highest)) if cycle % 2 else 1.0


def _door(at: float) -> str:
    if at < _OPENING_S:
        return "opening"
    return "open" if at < _OPENING_S + _OPEN_S else "closing"


def _motion(now: Circumstances, car: _Car) -> Values:
    load = 30 + 40 * now.chance("load", int(now.now_s // _CYCLE_S)) if car.is_occupied else 0.0
    return {
        "service_mode": "fault" if now.has("door_fault") or now.has("mains_lost") else "normal",
        "car_state": "moving" if car.is_moving else "stopped",
        "direction": car.direction,
        "floor": car.floor,
        "in_door_zone": car.in_door_zone,
        "door_state": car.door,
        "occupied": car.is_occupied,
        "load": load,
        "overload": False,
        "speed": car.speed,
        "levelling": now.noise("levelling", 3, _CYCLE_S),
        "vibration": (90 if car.is_moving else 8) + now.noise("vibration", 6, 2),
    }


def _chains(now: Circumstances, car: _Car) -> Values:
    return {
        "door_lock_closed": car.door == "closed",
        "safety_chain_closed": True,
        "mains_present": not now.has("mains_lost"),
    }


def _warmth(now: Circumstances) -> Values:
    room = 25 + now.daily(15, 3) + now.noise("room", 0.2)
    hot = now.limit("drive_temperature_max", 80) + 9
    return {
        "drive_temperature": hot if now.has("drive_over_temperature") else room + 21 + now.noise("drive", 1.5, 30),
        "motor_temperature": room + 28 + now.noise("motor", 1.5, 30),
        "machine_room_temperature": room,
        "intercom_battery_voltage": 12.9 + now.noise("battery", 0.05),
    }


def _calls(now: Circumstances) -> Values:
    shows_code = now.has("repeating_fault") and int(now.faults["repeating_fault"].age_s // _BLINK_S) % 2 == 0
    return {"alarm_button": now.has("entrapment"), "trapped": False, "fault_code": 17.0 if shows_code else 0.0}


def _counters(now: Circumstances) -> Values:
    cycles = float(now.counted_s // _CYCLE_S)
    return {"trips": cycles, "door_cycles": cycles, "run_hours": cycles * 18 // 3600}
