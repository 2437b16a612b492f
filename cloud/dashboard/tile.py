"""dashboard: equipment with its newest values and alarms → the wall's tiles, four to a system. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.dashboard import present
from cloud.dashboard.present import Here
from cloud.dashboard.rows import AlarmRow, EquipmentRow, PointRow, SampleRow, TicketRow, ticket_number
from cloud.dashboard.value import Shown, figure, quality_of, show
from cloud.dashboard.words import Words

SYSTEMS: Final = ("lifts", "power", "water", "fire")
SLOTS: Final = 4
_FEW: Final = 2
_HEAD_ROOM: Final = 24
"""Latin letters that a tile's name and condition may take together before the condition moves to the foot."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Name, state word, two measures, one foot line: the same four slots in every tile."""

    href: str
    key: str
    name: str
    state: str
    severity: str
    icon: str
    measures: tuple[Shown, ...]
    foot: str
    foot_end: str
    is_abnormal: bool = False
    is_out_of_service: bool = False
    is_new: bool = False

    @property
    def is_normal(self) -> bool:
        """Nothing about the machine asks for a person; a ticket about its tests does not change that."""
        return not (self.severity or self.icon or self.is_out_of_service)


@dataclass(frozen=True, slots=True)
class Rest:
    """What does not fit in a row, counted and never hidden: the abnormal ones by name."""

    href: str
    abnormal: tuple[Tile, ...]
    normal: int
    label: str


@dataclass(frozen=True, slots=True)
class SystemRow:
    id: str
    name: str
    summary: str
    tiles: tuple[Tile, ...]
    rest: Rest | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One piece of equipment with everything a tile needs."""

    equipment: EquipmentRow
    points: Mapping[str, PointRow]
    samples: Mapping[str, SampleRow]
    alarms: Sequence[AlarmRow]
    tickets: Sequence[TicketRow]
    state_point: str = ""
    """The point whose word stands for the equipment's state, where its class names one."""


def condition(alarm: AlarmRow, words: Words) -> str:
    """What is wrong, in words: the rule's name, and for a rule of the cloud's own ours, with what it is about."""
    name = words.text(alarm.rule.name, words.or_id("rule", alarm.rule.id))
    return f"{name}: {alarm.instance.replace('_', ' ')}" if alarm.instance else name


def is_shown(alarm: AlarmRow, now: int) -> bool:
    """Active and not silenced: shelved and suppressed alarms are counted apart."""
    return alarm.state == "active" and not alarm.suppressed_by and (alarm.shelved_until or 0) <= now


def worst_first(alarms: Sequence[AlarmRow]) -> list[AlarmRow]:
    return sorted(alarms, key=lambda alarm: (present.severity_rank(alarm.severity), alarm.raised_at, alarm.id))


def alarmed_points(alarms: Sequence[AlarmRow], points: Mapping[str, PointRow]) -> dict[str, str]:
    """Point id to the worst severity of an active alarm that it shows."""
    found: dict[str, str] = {}
    for alarm in worst_first(alarms):
        for point in blamed(alarm, points):
            found.setdefault(point, alarm.severity)
    return found


def blamed(alarm: AlarmRow, points: Mapping[str, PointRow]) -> tuple[str, ...]:
    """The points on which an alarm can be seen: those with a limit of its rule, else the few that the rule looks at.

    A rule over many points without a limit of their own (a mean over three phases) shows on none of them.
    """
    marked = tuple(name for name, point in points.items() if any(mark.rule == alarm.rule.id for mark in point.limits))
    looked = tuple(name for name in alarm.rule.points if name in points)
    return marked or (looked if len(looked) <= _FEW else ())


def tile(seen: Seen, here: Here) -> Tile:
    """One tile: out of service, in alarm, without data, or plainly normal."""
    active = worst_first([alarm for alarm in seen.alarms if is_shown(alarm, here.now)])
    measures = _measures(seen, here, alarmed_points(active, seen.points))
    if seen.equipment.out_of_service:
        return _out_of_service(seen, here, measures)
    return _abnormal(seen, here, active, measures) if active else _normal(seen, here, measures)


def _measures(seen: Seen, here: Here, alarmed: Mapping[str, str]) -> tuple[Shown, ...]:
    """The main points, but the point of the worst alarm always among the two."""
    known = [point for point in seen.equipment.main_points if point in seen.points] or list(seen.points)[:2]
    wanted = known[:2]
    first = next(iter(alarmed), "")
    if first and not set(alarmed) & set(wanted):
        wanted = [*wanted[:1], first]
    return tuple(show(seen.points[point], seen.samples.get(point), here, alarmed) for point in wanted)


def _base(seen: Seen, here: Here) -> tuple[str, str, str]:
    row = seen.equipment
    return f"/equipment/{row.site}/{row.id}", f"{row.site}.{row.id}", here.words.text(row.name, row.id)


def _normal(seen: Seen, here: Here, measures: tuple[Shown, ...]) -> Tile:
    href, key, name = _base(seen, here)
    words = here.words
    ticket = seen.tickets[0] if seen.tickets else None
    foot = (
        without_name(words.text(ticket.title), name)
        if ticket
        else seen.equipment.place or _ratings(seen.equipment, words)
    )
    if seen.equipment.gateway is None:
        state = words("tile.no_telemetry")
    elif measures and all(shown.is_void for shown in measures):
        return Tile(
            href, key, name, words("tile.no_data"), "", measures[0].icon, measures, measures[0].quality_word, ""
        )
    else:
        state = _state_word(seen, here) or words("tile.normal")
    end = ticket.number if ticket else ""
    return Tile(href, key, name, state, "", "", measures, foot, end, is_abnormal=ticket is not None)


def _state_word(seen: Seen, here: Here) -> str:
    """Running, ready, in service: the word of the class's state point while its value can be trusted."""
    point, sample = seen.points.get(seen.state_point), seen.samples.get(seen.state_point)
    if point is None or not point.states or quality_of(sample, point, here.now) != "good":
        return ""
    return present.capital(figure(sample.value if sample else None, point, here.words))


def without_name(title: str, name: str) -> str:
    """A ticket's title on the tile of its equipment, which says the name already."""
    for colon in (": ", "："):
        title = title.removeprefix(f"{name}{colon}")
    return title


def _abnormal(seen: Seen, here: Here, active: Sequence[AlarmRow], measures: tuple[Shown, ...]) -> Tile:
    href, key, name = _base(seen, here)
    worst = active[0]
    words = here.words
    what = condition(worst, words)
    lasting = words("tile.lasting", duration=here.since(worst.began_at))
    fits = width(name) + width(what) <= _HEAD_ROOM
    return Tile(
        href, key, name, state=what if fits else words(f"severity.{worst.severity}"), severity=worst.severity,
        icon=present.css(worst.severity), measures=measures, foot=lasting if fits else what,
        foot_end=ticket_number(worst.ticket) if worst.ticket else words("tile.no_ticket"),
        is_abnormal=True, is_new=here.now - worst.received_at < 60_000,
    )  # fmt: skip


def _out_of_service(seen: Seen, here: Here, measures: tuple[Shown, ...]) -> Tile:
    href, key, name = _base(seen, here)
    words = here.words
    about = seen.equipment.out_of_service or {}
    until = about.get("until_at") or about.get("until")
    foot = str(about.get("reason") or "")
    end = words("tile.until", at=here.when(until)) if isinstance(until, int) else str(about.get("by") or "")
    return Tile(href, key, name, words("tile.out_of_service"), "", "oos", measures, foot, end, is_out_of_service=True)


def _ratings(row: EquipmentRow, words: Words) -> str:
    figures = [
        present.with_unit(present.number(value, 0), unit, words)
        for key, value in row.ratings.items()
        if isinstance(value, int | float) and (unit := _RATED.get(key.rsplit("_", 1)[-1], ""))
    ]
    return ", ".join(figures[:2])


_RATED: Final = {"kva": "kVA", "kw": "kW", "a": "A", "kg": "kg", "v": "V", "m": "m", "mpa": "MPa"}


def width(text: str) -> int:
    """Roughly how wide a text is, in Latin letters: a Chinese character counts two."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


# --- rows of the wall -------------------------------------------------------------------------------------------


def rows(everything: Sequence[Seen], here: Here) -> tuple[SystemRow, ...]:
    """One row a system with at most four slots; abnormal first only where not all fit."""
    by_system: dict[str, list[Seen]] = {}
    for seen in everything:
        by_system.setdefault(seen.equipment.system, []).append(seen)
    order = [*(system for system in SYSTEMS if system in by_system), *sorted(set(by_system) - set(SYSTEMS))]
    return tuple(_row(system, [tile(seen, here) for seen in by_system[system]], here) for system in order)


def _row(system: str, tiles: list[Tile], here: Here) -> SystemRow:
    words = here.words
    normal = sum(one.is_normal for one in tiles)
    summary = words("wall.normal_of", n=normal, all=len(tiles))
    name = words.or_id("system", system)
    if len(tiles) <= SLOTS:
        return SystemRow(system, name, summary, tuple(tiles), None)
    ordered = sorted(tiles, key=lambda one: (one.is_normal, present.severity_rank(one.severity), not one.is_abnormal))
    shown, hidden = ordered[: SLOTS - 1], ordered[SLOTS - 1 :]
    abnormal = tuple(one for one in hidden if not one.is_normal)
    rest = Rest(f"/equipment?system={system}", abnormal, len(hidden) - len(abnormal),
                words("wall.more_normal", n=len(hidden) - len(abnormal)))  # fmt: skip
    return SystemRow(system, name, summary, tuple(shown), rest)
