"""dashboard: one piece of equipment → its page, and all of it → tree and table. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloud.dashboard import chart, present, tile
from cloud.dashboard.chart import Bucket, Trend
from cloud.dashboard.history import BUCKETS
from cloud.dashboard.present import Here
from cloud.dashboard.rows import AlarmRow, EquipmentRow, PointRow
from cloud.dashboard.tile import Seen, is_shown, worst_first
from cloud.dashboard.value import Shown, figure, show
from cloud.tickets.ticket import Role
from device_profiles.schema import EquipmentClass

TABS: Final = ("live", "trends", "alarms", "tests", "tickets", "mapping")
_LEAST: Final = {"mapping": Role.TECHNICIAN}
"""Tabs that not everybody who reads may open, and the least role that may."""
MOST_VALUES: Final = 16
_LEAST_VALUES: Final = 8
_MOST_RATINGS: Final = 3


@dataclass(frozen=True, slots=True)
class Tab:
    id: str
    href: str
    n: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """The head that every tab of an equipment page shares."""

    href: str
    name: str
    facts: tuple[str, ...]
    alarm: AlarmRow | None
    alarm_text: str
    ticket: str
    is_out_of_service: bool
    tab: str
    tabs: tuple[Tab, ...]
    equipment_class: str


def tabs_of(role: str) -> tuple[str, ...]:
    """The tabs that this role may open, in their order."""
    return tuple(tab for tab in TABS if tab not in _LEAST or Role(role).rank >= _LEAST[tab].rank)


def head(seen: Seen, fed: str, kind: EquipmentClass | None, tab: str, here: Here, role: str = Role.VIEWER) -> Head:
    row, words = seen.equipment, here.words
    href = f"/equipment/{row.site}/{row.id}"
    active = worst_first([alarm for alarm in seen.alarms if is_shown(alarm, here.now)])
    alarm = active[0] if active else None
    text = ""
    if alarm is not None:
        severity = present.capital(words(f"severity.{alarm.severity}"))
        text = words("equipment.alarm_for", severity=severity, duration=here.since(alarm.began_at))
    numbers = {"alarms": len(active), "tickets": len(seen.tickets)}
    tabs = tuple(
        Tab(name, href if name == "live" else f"{href}/{name}", numbers.get(name, 0)) for name in tabs_of(role)
    )
    return Head(
        href, words.text(row.name, row.id), facts(row, fed, kind, here), alarm, text,
        seen.tickets[0].number if seen.tickets else "", bool(row.out_of_service), tab, tabs, row.equipment_class,
    )  # fmt: skip


def facts(row: EquipmentRow, fed: str, kind: EquipmentClass | None, here: Here) -> tuple[str, ...]:
    """Role or class, place, ratings, what it serves, and that it has no telemetry."""
    words = here.words
    found: list[str] = []
    if kind is not None:
        roles = [words.text(kind.roles[role].model_dump()) for role in row.roles if role in kind.roles]
        found += roles or [words.text(kind.name.model_dump())]
    found.append(row.place)
    for name, value in _told_ratings(row, kind):
        rating = kind.ratings.get(name) if kind else None
        label = words.text(rating.name.model_dump()) if rating else name.replace("_", " ")
        text = present.number(value, 0) if isinstance(value, int | float) else str(value)
        found.append(f"{label} {present.with_unit(text, rating.unit if rating else '', words)}")
    found.append(words("equipment.fed_by", name=fed) if fed else "")
    found.append("" if row.gateway else words("equipment.no_gateway"))
    return tuple(text for text in found if text)


def _told_ratings(row: EquipmentRow, kind: EquipmentClass | None) -> list[tuple[str, float | str]]:
    """The nameplate figures that tell one from another: those that the class asks for, else the first few."""
    asked = [
        pair for pair in row.ratings.items() if kind and pair[0] in kind.ratings and kind.ratings[pair[0]].required
    ]
    return asked or list(row.ratings.items())[:_MOST_RATINGS]


def values(seen: Seen, here: Here) -> tuple[Shown, ...]:
    """Every point, those in alarm first, then in the class's order."""
    alarmed = tile.alarmed_points([alarm for alarm in seen.alarms if is_shown(alarm, here.now)], seen.points)
    shown = [show(point, seen.samples.get(point.id), here, alarmed) for point in seen.points.values()]
    main = {name: index for index, name in enumerate(seen.equipment.main_points)}
    return tuple(sorted(shown, key=lambda one: (not one.severity, main.get(one.point, len(main)))))


def split(shown: Sequence[Shown], seen: Seen) -> tuple[tuple[Shown, ...], tuple[Shown, ...]]:
    """What stands in the table at once (in alarm, with a limit, without a good value, the main ones), and the rest."""
    if len(shown) <= MOST_VALUES:
        return tuple(shown), ()
    main = set(seen.equipment.main_points)
    limited = {point.id for point in seen.points.values() if point.limits}
    telling = [one for one in shown if one.severity or one.point in main | limited or one.quality != "good"]
    first = telling[:MOST_VALUES] if len(telling) >= _LEAST_VALUES else list(shown[:_LEAST_VALUES])
    names = {one.point for one in first}
    return tuple(first), tuple(one for one in shown if one.point not in names)


# --- trend of one point -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpanLink:
    id: str
    href: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """One drawn point with everything its card says."""

    id: str
    name: str
    unit: str
    severity: str
    label: str
    note: str
    facts: tuple[str, ...]
    spans: tuple[SpanLink, ...]
    figures: tuple[str, ...]
    trend: Trend | None
    failure: str = ""
    query: str = ""
    points_query: str = ""


def main_point(seen: Seen, here: Here | None = None) -> PointRow | None:
    """The point whose trend stands on top: the one in the worst alarm that can be drawn, else the first main point."""
    active = [alarm for alarm in seen.alarms if here is not None and is_shown(alarm, here.now)]
    wanted = [*tile.alarmed_points(active, seen.points), *seen.equipment.main_points, *seen.points]
    drawable = (
        seen.points[name] for name in wanted if name in seen.points and seen.points[name].kind in {"gauge", "counter"}
    )
    return next(drawable, None)


def draw(point: PointRow, buckets: Sequence[Bucket], span: tuple[int, int], seen: Seen, here: Here) -> Trend:
    events = [(at, here.words("trend.alarm", at=here.when(at))) for at in alarm_instants(point, seen) if at >= span[0]]
    return chart.draw(point, buckets, span, here, size=(800, 240), events=events)


def alarm_instants(point: PointRow, seen: Seen) -> list[int]:
    """When alarms were raised that this point shows, past ones too."""
    named = (alarm for alarm in seen.alarms if point.id in (*tile.blamed(alarm, seen.points), *alarm.rule.points))
    return [alarm.raised_at for alarm in named]


def trend_facts(point: PointRow, seen: Seen, here: Here) -> tuple[str, ...]:
    """Now 0.87, limit ≥ 0.90."""
    shown = show(point, seen.samples.get(point.id), here)
    now = present.with_unit(shown.figure, point.unit, here.words)
    limit = (
        here.words("point.limit_is", limit=present.with_unit(shown.limit, point.unit, here.words))
        if point.limits
        else ""
    )
    return tuple(text for text in (here.words("point.now", value=now), limit, shown.last_good) if text)


def statistics(
    point: PointRow, buckets: Sequence[Bucket], span: tuple[int, int], here: Here, most: int = BUCKETS
) -> tuple[str, ...]:
    """Least, mean and greatest value, time outside the limit, time without data. ``most``: buckets that were asked for."""
    words = here.words
    good = [bucket for bucket in buckets if bucket.mean is not None]
    if not good:
        return ("—",) * 5
    count = sum(bucket.count for bucket in good)
    mean = sum((bucket.mean or 0.0) * bucket.count for bucket in good) / count
    least = min(bucket.low if bucket.low is not None else mean for bucket in good)
    greatest = max(bucket.high if bucket.high is not None else mean for bucket in good)
    step_s = (span[1] - span[0]) / 1000 / chart_steps(buckets, span, most)
    outside = sum(1 for bucket in good if chart.is_out(point, bucket.mean or 0.0)) * step_s
    silent = max(0.0, (span[1] - span[0]) / 1000 - len(good) * step_s)
    plain = (least, mean, greatest)
    written = (present.with_unit(figure(value, point, words), point.unit, words) for value in plain)
    return (*written, present.duration(outside, words), present.duration(silent, words))


def chart_steps(buckets: Sequence[Bucket], span: tuple[int, int], most: int) -> float:
    """How many buckets of this spacing the whole range holds; one or two are taken as wide as each would be."""
    spacing = sorted(b.at - a.at for a, b in itertools.pairwise(buckets))
    step = spacing[len(spacing) // 2] if len(spacing) > 1 else (span[1] - span[0]) / most
    return max(1.0, (span[1] - span[0]) / max(1, step))
