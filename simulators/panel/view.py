"""plant → what a page shows, read at one instant (pure but for asking the plant)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from contract.conventions import EpochMs
from contract.messages import Value
from device_profiles.schema import Point
from simulators.control import CUT, Hand, Wrong
from simulators.panel.words import Language, word
from simulators.site import SimulatedDevice, SimulatedEquipment

MOST_ROWS = 200
"""Equipment on one page; more are found by name."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One point: what is true, and what a device makes of it. ``device`` empty: nothing shows it."""

    point: str
    of: Point
    true: Value
    device: str
    device_point: str
    shows: Value

    @property
    def differs(self) -> bool:
        return bool(self.device) and self.true != self.shows


def points(hand: Hand, one: SimulatedEquipment) -> list[Shown]:
    """Every point of one piece of equipment."""
    truth = hand.plant.values(one.id)
    seen: dict[str, tuple[str, str, Value]] = {}
    for device in serving(hand, one.id):
        values = hand.plant.device_values(device)
        for point, (owner, name) in device.sources.items():
            if owner == one.id:
                seen.setdefault(name, (device.id, point, values.get(point)))
    return [
        Shown(name, of, truth.get(name), *seen.get(name, ("", "", None)))
        for name, of in one.equipment_class.points.items()
    ]  # fmt: skip


def serving(hand: Hand, equipment: str) -> list[SimulatedDevice]:
    """The devices that show something of it."""
    return [one for one in hand.plant.site.devices if any(owner == equipment for owner, _ in one.sources.values())]


def figure(value: Value, of: Point, language: Language) -> str:
    """A value with its unit, as a person reads it."""
    if value is None:
        return word("nothing", language)
    if isinstance(value, bool):
        return word("on" if value else "off", language)
    if isinstance(value, int | float):
        text = f"{value:.{of.digits}f}".replace("-", "−")
        return f"{text} {of.unit}".rstrip()
    state = of.states.get(value)
    return getattr(state, language) if state is not None else value


def name_of(hand: Hand, target: str, language: Language) -> str:
    """A target of a fault in words."""
    one = hand.plant.site.equipment.get(target)
    return str(getattr(one.name, language)) if one is not None else target


def fault_name(hand: Hand, one: Wrong, language: Language) -> str:
    """What is wrong, in words."""
    if one.kind != "equipment":
        return word("is_cut" if one.fault == CUT else one.fault, language)
    known = hand.plant.site.equipment[one.target].equipment_class.faults[one.fault]
    return str(getattr(known.name, language))


def found(hand: Hand, query: str) -> Iterator[SimulatedEquipment]:
    """Equipment whose id, name or class holds the words, or all."""
    wanted = query.casefold()
    for one in hand.plant.site.equipment.values():
        if wanted in f"{one.id} {one.name.en} {one.name.zh} {one.equipment_class.id}".casefold():
            yield one


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks, and how."""

    language: Language
    theme: str
    """``light``, ``dark`` or empty for the machine's own."""
    token: str
    now_ms: EpochMs
    zone: str
    problem: str = ""
    query: str = ""
