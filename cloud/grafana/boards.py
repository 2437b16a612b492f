"""Telemetry store → Grafana: a dashboard for every equipment class, one of a site and one of power quality (pure).

Everything is read from the library: a new class, point or limit is on its dashboard at the next run. What Grafana shows is history; alarms,
tickets and clocks are in Plantroom, where every series leads back to its equipment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.models import dashboard

from cloud.grafana.panels import Line, Maker, Words, source
from cloud.grafana.queries import LANGUAGES, Kind, Language, Question
from device_profiles.library import Library
from device_profiles.schema import EquipmentClass, Point, Text

Tongue = Literal["en", "zh"]
TONGUES: Final[tuple[Tongue, ...]] = ("en", "zh")
_MOST_LINES = 6
_LIMIT = re.compile(r"^(?:(?:max|min|abs)\()?([a-z0-9_, ]+?)\)?\s*([<>])=?\s*([a-z][a-z0-9_]*)$")
_SAY: Final[Mapping[str, tuple[str, str]]] = {
    "site": ("Site", "项目"), "equipment": ("Equipment", "设备"), "plantroom": ("Plantroom's address", "Plantroom 地址"),
    "open": ("Open in Plantroom", "在 Plantroom 中打开"), "boards": ("Dashboards", "仪表盘"),
    "overview": ("Site overview", "项目总览"), "power": ("Power quality", "电能质量"), "gateways": ("Gateways' health", "网关状况"),
    "values": ("Values", "数值"), "states": ("States", "状态"), "counters": ("Counters, growth", "累计量增量"), "quality": ("Samples", "采样"),
    "samples": ("Samples taken", "采样数"), "not_good": ("Samples that are not good", "非良好采样数"), "newest": ("Newest values", "最新值"),
    "classes": ("Kinds of equipment", "设备类别"), "yes": ("yes", "是"), "no": ("no", "否"), "pf": ("Power factor, means of 15 minutes", "功率因数（15 分钟平均）"),
    "pf_below": ("Samples below the limit, and all", "低于限值的采样数与总数"), "below": ("below", "低于"), "all": ("all", "总数"),
    "demand": ("Demand, means of 15 minutes", "需量（15 分钟平均）"), "load": ("Power, highest of a stretch", "功率（时段最大）"), "voltage": ("Voltages", "电压"),
    "current": ("Currents", "电流"), "leak": ("Residual current", "剩余电流"), "thd": ("Distortion of voltage", "电压谐波畸变率"),
    "stages": ("Capacitor stages on", "投入电容器组数"), "auto": ("Compensation in automatic", "补偿自动方式"), "energy": ("Energy a day", "日电量"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """For whom the dashboards are made. ``plantroom`` is the address of our own pages, without a slash at its end."""

    kind: Kind
    tongue: Tongue
    plantroom: str


@dataclass(frozen=True, slots=True)
class _Named:
    id: str
    point: Point
    name: str


class Boards:
    """All dashboards of a library, in one language, for one server."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self._library = library
        self._settings = settings
        self._ask: Language = LANGUAGES[settings.kind]
        self._make = Maker(settings.kind, self._say("open"))

    def all(self) -> Iterator[dashboard.Dashboard]:
        yield self._overview()
        if (switchgear := self._library.classes.get("lv_switchgear")) is not None:
            yield self._power(switchgear)
        for one in self._library.classes.values():
            yield self._class(one)

    # --- dashboards ---

    def _overview(self) -> dashboard.Dashboard:
        made = self._begin("overview", self._say("overview"), ())
        made = made.with_row(board.Row(self._say("quality")))
        made = made.with_panel(self._make.trend(self._say("samples"), [self._ask.samples()], "", 0, bars=True))
        made = made.with_panel(self._make.trend(self._say("not_good"), [self._ask.not_good()], "", 0, bars=True))
        made = made.with_row(board.Row(self._say("classes")))
        for one in self._library.classes.values():
            if (shown := self._tell_tale(one)) is not None:
                title = f"{self._text(one.name)}: {shown.name}"
                made = made.with_panel(self._trend(one, title, [shown], wide=8))
        made = made.with_row(board.Row(self._say("newest")))
        return made.with_panel(self._make.newest(self._say("newest"), self._ask.newest())).build()

    def _class(self, one: EquipmentClass) -> dashboard.Dashboard:
        name = self._say("gateways") if one.id == "gateway" else self._text(one.name)
        made = self._begin(one.id, name, self._marks(one))
        made = made.with_row(board.Row(self._say("values")))
        for points in self._scales(one):
            made = made.with_panel(self._trend(one, self._title(points), points))
        for points in _parts([point for point in self._points(one) if point.point.kind not in ("gauge", "counter")]):
            made = made.with_panel(self._states(points))
        if counters := [point for point in self._points(one) if point.point.kind == "counter"]:
            made = made.with_row(board.Row(self._say("counters")))
            for point in counters:
                grown = self._ask.growth(point.id, point.name)
                made = made.with_panel(
                    self._make.trend(
                        point.name, [grown], point.point.unit, point.point.digits, step="1h", bars=True, wide=8
                    )
                )
        made = made.with_row(board.Row(self._say("quality")))
        made = made.with_panel(self._make.trend(self._say("samples"), [self._ask.samples()], "", 0, bars=True))
        return made.with_panel(
            self._make.trend(self._say("not_good"), [self._ask.not_good()], "", 0, bars=True)
        ).build()

    def _power(self, one: EquipmentClass) -> dashboard.Dashboard:
        """What a month's bill and the clauses ask of an incomer."""
        made = self._begin("power", self._say("power"), self._marks(one))
        points = {point.id: point for point in self._points(one)}
        limit = one.limits["pf_min"].value
        factor = points["power_factor"]
        quarter = self._ask.mean(factor.id, factor.name, "15m")
        made = made.with_panel(
            self._make.trend(
                self._say("pf"), [quarter], "", 3, lines=[Line(limit, is_lowest=True)], step="15m", wide=16
            )
        )
        counts = [
            self._ask.counted(factor.id, f"{self._say('below')} {limit:g}", limit),
            self._ask.counted(factor.id, self._say("all")),
        ]
        made = made.with_panel(self._make.numbers(self._say("pf_below"), counts, "", wide=8))
        kw = [points[id] for id in ("active_power", "reactive_power", "apparent_power") if id in points]
        demand = [self._ask.mean(point.id, point.name, "15m") for point in kw]
        made = made.with_panel(self._make.trend(self._say("demand"), demand, "", 1, step="15m"))
        load = [self._ask.highest(point.id, point.name) for point in kw]
        made = made.with_panel(self._make.trend(self._say("load"), load, "", 1))
        for title, prefix in (("voltage", "voltage_l"), ("current", "current_l"), ("leak", "residual_current"), ("thd", "thd_voltage"),
                              ("stages", "capacitor_stages_on")):  # fmt: skip
            found = [point for id, point in points.items() if id.startswith(prefix)][:_MOST_LINES]
            if found:
                made = made.with_panel(self._trend(one, self._say(title), found))
        if "compensation_auto" in points:
            made = made.with_panel(self._states([points["compensation_auto"]]))
        energy = [points[id] for id in ("energy_import", "reactive_energy_import") if id in points]
        daily = [self._ask.growth(point.id, point.name, "1d") for point in energy]
        return made.with_panel(self._make.trend(self._say("energy"), daily, "", 0, step="1d", bars=True)).build()

    # --- parts ---

    def _begin(self, id: str, title: str, marks: Sequence[str]) -> board.Dashboard:
        tongue = self._settings.tongue
        made = board.Dashboard(title).uid(f"plantroom-{id.replace('_', '-')}-{tongue}").tags(["plantroom", tongue])
        made = (
            made.time("now-24h", "now")
            .refresh("1m")
            .timezone("browser")
            .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
            .readonly()
        )
        address = (
            board.TextBoxVariable("plantroom").label(self._say("plantroom")).default_value(self._settings.plantroom)
        )
        made = made.with_variable(self._chosen("site", self._ask.sites()))
        made = made.with_variable(self._chosen("equipment", self._ask.equipment(marks))).with_variable(address)
        others = (
            board.DashboardLink(self._say("boards"))
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["plantroom", tongue])
        )
        return made.link(others.as_dropdown(True).keep_time(True).include_vars(True))

    def _chosen(self, name: str, query: str) -> cog.Builder[dashboard.VariableModel]:
        everything = dashboard.VariableOption(text="All", value="$__all", selected=True)
        return (
            board.QueryVariable(name).label(self._say(name)).query(query).datasource(source(self._settings.kind)).multi(True)
            .include_all(True).current(everything).refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        )  # fmt: skip

    def _trend(
        self, one: EquipmentClass, title: str, points: Sequence[_Named], wide: int = 12
    ) -> cog.Builder[dashboard.Panel]:
        asked = [self._ask.mean(point.id, point.name) for point in points]
        shared = set.intersection(*({*_limits(one, point.id)} for point in points))
        digits = max(point.point.digits for point in points)
        lines = sorted(shared, key=lambda line: line.value)
        return self._make.trend(title, asked, points[0].point.unit, digits, lines=lines, wide=wide)

    def _states(self, points: Sequence[_Named]) -> cog.Builder[dashboard.Panel]:
        asked: list[Question] = []
        words: list[Words] = []
        for number, point in enumerate(points):
            is_bit = point.point.kind == "bit"
            asked.append((self._ask.last if is_bit else self._ask.word)(point.id, point.name))
            words.append(Words(chr(ord("A") + number), self._meaning(point.point)))
        return self._make.states(self._title(points), asked, [one for one in words if one.meaning])

    def _meaning(self, point: Point) -> dict[str, str]:
        if point.kind != "bit":
            return {value: self._text(text) for value, text in point.states.items()}
        said = {value: self._text(text) for value, text in point.states.items()}
        return {"0": said.get("false", self._say("no")), "1": said.get("true", self._say("yes"))}

    def _title(self, points: Sequence[_Named]) -> str:
        return (", " if self._settings.tongue == "en" else "、").join(point.name for point in points)

    def _scales(self, one: EquipmentClass) -> Iterator[list[_Named]]:
        """Gauges that share a panel: of one unit and under the same limits; what has no unit stands alone."""
        groups: dict[object, list[_Named]] = {}
        for point in self._points(one):
            if point.point.kind == "gauge":
                scale = (point.point.unit, frozenset(_limits(one, point.id))) if point.point.unit else point.id
                groups.setdefault(scale, []).append(point)
        for points in groups.values():
            yield from _parts(points)

    def _points(self, one: EquipmentClass) -> list[_Named]:
        return [_Named(id, point, self._text(point.name)) for id, point in one.points.items()]

    def _marks(self, one: EquipmentClass) -> list[str]:
        """Points that no other class has: the equipment that has one of them is of this class. All, where there are none."""
        others = {id for other in self._library.classes.values() if other is not one for id in other.points}
        return [id for id in one.points if id not in others] or list(one.points)

    def _tell_tale(self, one: EquipmentClass) -> _Named | None:
        """The gauge that stands for the class on the overview: its first main one, of those that no other class has."""
        marks = self._marks(one)
        wanted = [*(id for id in one.main_points if id in marks), *marks]
        return next(
            (point for id in wanted for point in self._points(one) if point.id == id and point.point.kind == "gauge"),
            None,
        )

    def _text(self, text: Text) -> str:
        return text.zh if self._settings.tongue == "zh" else text.en

    def _say(self, key: str) -> str:
        return _SAY[key][TONGUES.index(self._settings.tongue)]


def _parts(points: Sequence[_Named]) -> Iterator[list[_Named]]:
    for start in range(0, len(points), _MOST_LINES):
        yield list(points[start : start + _MOST_LINES])


def _limits(one: EquipmentClass, point: str) -> Iterator[Line]:
    """Limits that a rule compares this point with as it is, at the class's own figures."""
    for rule in one.rules.values():
        found = _LIMIT.match(rule.when)
        if found is None or found[3] not in one.limits or point not in re.split(r",\s*", found[1]):
            continue
        limit = one.limits[found[3]]
        if limit.unit == one.points[point].unit:
            yield Line(limit.value, found[2] == "<")
