"""dashboard: all equipment → tree by site, building, system and piece, and the table of what a reader looks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from cloud.dashboard import present, tile
from cloud.dashboard.present import SEVERITIES, Here
from cloud.dashboard.rows import SiteRow
from cloud.dashboard.tile import Seen, Tile, is_shown, worst_first
from cloud.dashboard.value import quality_of
from cloud.dashboard.words import Words

STATES: Final = ("alarm", *SEVERITIES, "doubt", "out_of_service", "normal", "no_telemetry")
NONE: Final = "-"
"""In an address: equipment that names no building."""
Key = tuple[str, str]


# --- what is looked for -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for; empty is everything."""

    site: str = ""
    building: str = ""
    system: str = ""
    state: str = ""
    clause: str = ""
    q: str = ""

    @property
    def query(self) -> str:
        given = {name: getattr(self, name) for name in ("site", "building", "system", "state", "clause", "q")}
        return urlencode({name: value for name, value in given.items() if value})

    @property
    def is_narrowed(self) -> bool:
        """Beyond the place in the tree."""
        return bool(self.state or self.clause or self.q)


def wanted(given: Mapping[str, str]) -> Wanted:
    names = ("site", "building", "system", "clause", "q")
    asked = {name: given.get(name, "").strip() for name in names}
    return Wanted(**asked, state=given.get("state", "") if given.get("state", "") in STATES else "")


def fits(seen: Seen, of: Wanted, here: Here, watched: AbstractSet[Key]) -> bool:
    """``watched`` is the equipment with a rule or test of the asked clause."""
    row = seen.equipment
    return (
        of.site in {"", row.site} and of.system in {"", row.system} and of.building in {"", row.building or NONE}
        and (not of.clause or row.key in watched) and (not of.state or is_in(seen, of.state, here)) and is_found(seen, of.q)
    )  # fmt: skip


def is_in(seen: Seen, state: str, here: Here) -> bool:
    """Whether it is in one of ``STATES``; a severity counts by its worst active alarm."""
    worst = worst_of([seen], here)
    if state == "alarm" or state in SEVERITIES:
        return bool(worst) if state == "alarm" else worst == state
    if state == "out_of_service":
        return bool(seen.equipment.out_of_service)
    if state == "no_telemetry":
        return seen.equipment.gateway is None
    return is_doubtful(seen, here) if state == "doubt" else tile.tile(seen, here).is_normal


def is_doubtful(seen: Seen, here: Here) -> bool:
    """Some value that a device should give is not good."""
    bound = [point for point in seen.points.values() if point.device]
    return any(quality_of(seen.samples.get(point.id), point, here.now) != "good" for point in bound)


def is_found(seen: Seen, text: str) -> bool:
    """Every word is in its names, id, class, place, building, gateway or devices."""
    row = seen.equipment
    devices = {point.device for point in seen.points.values() if point.device}
    said = (
        *row.name.values(),
        row.id,
        row.equipment_class,
        row.place,
        row.building,
        row.gateway or "",
        *sorted(devices),
    )
    whole = " ".join(said).casefold()
    return all(word in whole for word in text.casefold().split())


@dataclass(frozen=True, slots=True)
class Choice:
    id: str
    name: str
    is_on: bool


def choices(
    everything: Sequence[Seen], sites: Sequence[SiteRow], of: Wanted, words: Words
) -> dict[str, tuple[Choice, ...]]:
    """What the form offers: sites, buildings and systems that there are, and every state."""
    named = dict.fromkeys(seen.equipment.building for seen in everything if seen.equipment.building)
    buildings = [(name, name) for name in sorted(named)]
    if buildings and any(not seen.equipment.building for seen in everything):
        buildings.append((NONE, words("equipment.no_building")))
    return {
        "site": tuple(Choice(site.id, site.name, site.id == of.site) for site in sites),
        "building": tuple(Choice(id, name, id == of.building) for id, name in buildings),
        "system": tuple(Choice(id, words.or_id("system", id), id == of.system) for id in systems_of(everything)),
        "state": tuple(Choice(id, words(f"equipment.filter.{id}"), id == of.state) for id in STATES),
    }  # fmt: skip


def systems_of(everything: Sequence[Seen]) -> list[str]:
    """In the wall's order."""
    there = {seen.equipment.system for seen in everything}
    return [*(name for name in tile.SYSTEMS if name in there), *sorted(there - set(tile.SYSTEMS))]


def worst_of(own: Sequence[Seen], here: Here) -> str:
    active = [alarm for seen in own for alarm in seen.alarms if is_shown(alarm, here.now)]
    return worst_first(active)[0].severity if active else ""


# --- tree -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    href: str
    note: str
    severity: str
    is_here: bool
    children: tuple[Node, ...] = ()


def tree(everything: Sequence[Seen], sites: Sequence[SiteRow], of: Wanted, here: Here) -> tuple[Node, ...]:
    """Site → building → system → equipment, with the worst severity and the count at every level.

    A site whose equipment names no building has no such level.
    """
    found = []
    for site in sites:
        own = [seen for seen in everything if seen.equipment.site == site.id]
        at = Wanted(site=site.id)
        names = dict.fromkeys(sorted(seen.equipment.building for seen in own))
        below = _buildings(own, list(names), at, of, here) if any(names) else _systems(own, at, of, here)
        found.append(_node(site.name, at, own, of, here, below))
    return tuple(found)


def _node(name: str, at: Wanted, own: Sequence[Seen], of: Wanted, here: Here, children: tuple[Node, ...]) -> Node:
    place = replace(of, state="", clause="", q="")
    return Node(name, f"/equipment?{at.query}", str(len(own)), worst_of(own, here), place == at, children)


def _buildings(own: Sequence[Seen], names: Sequence[str], at: Wanted, of: Wanted, here: Here) -> tuple[Node, ...]:
    found = []
    for name in names:
        inside, there = [seen for seen in own if seen.equipment.building == name], replace(at, building=name or NONE)
        label = name or here.words("equipment.no_building")
        found.append(_node(label, there, inside, of, here, _systems(inside, there, of, here)))
    return tuple(found)


def _systems(own: Sequence[Seen], at: Wanted, of: Wanted, here: Here) -> tuple[Node, ...]:
    found = []
    for name in systems_of(own):
        inside, there = [seen for seen in own if seen.equipment.system == name], replace(at, system=name)
        leaves = tuple(_leaf(seen, here) for seen in inside)
        found.append(_node(here.words.or_id("system", name), there, inside, of, here, leaves))
    return tuple(found)


def _leaf(seen: Seen, here: Here) -> Node:
    row = seen.equipment
    return Node(
        here.words.text(row.name, row.id), f"/equipment/{row.site}/{row.id}", "", worst_of([seen], here), is_here=False
    )


# --- table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EquipmentLine:
    tile: Tile
    condition: str
    tickets: tuple[str, ...]
    place: str
    gateway: str
    next_test: str
    is_test_late: bool


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    summary: str
    rows: tuple[EquipmentLine, ...]


def groups(shown: Sequence[Seen], here: Here, due: Mapping[Key, int]) -> tuple[Group, ...]:
    """The table, one card a system. ``due`` is when the next test of a piece is due."""
    found = []
    for system in systems_of(shown):
        rows = tuple(
            _line(seen, here, due.get(seen.equipment.key)) for seen in shown if seen.equipment.system == system
        )
        normal = sum(row.tile.is_normal for row in rows)
        summary = here.words("wall.normal_of", n=normal, all=len(rows)).replace("\n", " ")
        found.append(Group(here.words.or_id("system", system), summary, rows))
    return tuple(found)


def _line(seen: Seen, here: Here, due_at: int | None) -> EquipmentLine:
    active = worst_first([alarm for alarm in seen.alarms if is_shown(alarm, here.now)])
    row = seen.equipment
    place = here.words("sep_and").join(text for text in (row.building, row.place) if text)
    return EquipmentLine(
        tile.tile(seen, here), tile.condition(active[0], here.words) if active else "", tuple(ticket.number for ticket in seen.tickets),
        place, row.gateway or "", here.day(due_at) if due_at is not None else "", due_at is not None and due_at < here.now,
    )  # fmt: skip


def count_text(shown: int, of: int, words: Words) -> str:
    """16 pieces, or 3 of 16 pieces."""
    return (
        words.count("equipment.count", of)
        if shown == of
        else words("equipment.count_of", n=present.number(shown, 0), all=present.number(of, 0))
    )
