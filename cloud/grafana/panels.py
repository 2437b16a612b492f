"""Telemetry store → Grafana: the kinds of panels our dashboards are made of, with Grafana's own builder (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog import builder as cog
from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import prometheus as prometheus_models

from cloud.grafana.queries import Kind, Question

SOURCE_UID = "plantroom-history"
TYPES: Mapping[Kind, str] = {"influxdb": "influxdb", "victoriametrics": "prometheus"}
_UNITS = {
    "V": "volt", "A": "amp", "mA": "mamp", "kW": "kwatt", "kVA": "kvoltamp", "kvar": "kvoltampreact", "Hz": "hertz", "°C": "celsius",
    "%": "percent", "kWh": "kwatth", "s": "s", "h": "h", "m": "lengthm", "mm": "lengthmm", "lx": "lux", "m/s": "velocityms", "kPa": "pressurekpa",
}  # fmt: skip
_FINE_MIN_MS = 5 * 60_000
"""A line runs on over what a slow point leaves between two samples; a longer silence is a gap."""


class _Panel(Protocol):
    """What the builders of panels share and we use."""

    def title(self, title: str) -> Self: ...
    def datasource(self, datasource: common.DataSourceRef) -> Self: ...
    def with_target(self, target: cog.Builder[variants.Dataquery]) -> Self: ...
    def span(self, w: int) -> Self: ...
    def height(self, h: int) -> Self: ...
    def data_links(self, links: list[cog.Builder[dashboard.DashboardLink]]) -> Self: ...
    def build(self) -> dashboard.Panel: ...


_P = TypeVar("_P", bound=_Panel)


@dataclass
class InfluxQuery(variants.Dataquery, cog.Builder["InfluxQuery"]):
    """A query in InfluxQL; Grafana's builder has none for this data source."""

    query: str
    alias: str
    ref: str
    is_table: bool
    source: Mapping[str, str] = field(default_factory=lambda: {"type": "influxdb", "uid": SOURCE_UID})

    def build(self) -> InfluxQuery:
        return self

    def to_json(self) -> dict[str, Any]:
        return {
            "refId": self.ref, "datasource": self.source, "rawQuery": True, "query": self.query, "alias": self.alias,
            "resultFormat": "table" if self.is_table else "time_series",
        }  # fmt: skip


def source(kind: Kind) -> common.DataSourceRef:
    return common.DataSourceRef(type_val=TYPES[kind], uid=SOURCE_UID)


def unit_of(unit: str) -> str:
    """Grafana's name of a unit; one that it does not know stands behind the number as it is."""
    return _UNITS.get(unit, f"suffix: {unit}" if unit else "none")


def target(kind: Kind, number: int, asked: Question, *, is_instant: bool = False) -> cog.Builder[variants.Dataquery]:
    ref = chr(ord("A") + number)
    if kind == "influxdb":
        return InfluxQuery(asked.text, asked.legend, ref, asked.is_table)
    query = (
        prometheus.Dataquery()
        .expr(asked.text)
        .ref_id(ref)
        .datasource(source(kind))
        .legend_format(asked.legend or "__auto")
    )
    if asked.is_table:
        return query.instant().format(prometheus_models.PromQueryFormat.TABLE)
    return query.instant() if is_instant else query.range()


@dataclass(frozen=True, slots=True)
class Line:
    """A limit drawn across a panel: its value, and whether what lies below it is wrong."""

    value: float
    is_lowest: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What the values of one query mean: the number or text as the server gives it → a word."""

    ref: str
    meaning: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes panels for one server. ``link`` is the title of the way back to our own page of the equipment."""

    kind: Kind
    link: str

    def trend(
        self, title: str, asked: Sequence[Question], unit: str, digits: int, *, lines: Sequence[Line] = (), step: str = "1m", bars: bool = False,
        wide: int = 12,
    ) -> timeseries.Panel:  # fmt: skip
        panel = (
            timeseries.Panel()
            .unit(unit_of(unit))
            .decimals(digits)
            .interval(step)
            .span_nulls(_FINE_MIN_MS)
            .line_width(1)
        )
        panel = panel.legend(_legend()).tooltip(
            common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.NONE)
        )
        panel = panel.show_points(common.VisibilityMode.AUTO)
        if bars:
            panel = panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(60)
        if lines:
            drawn = common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
            panel = panel.thresholds(_steps(lines)).thresholds_style(drawn)
        return self._filled(panel, title, asked, wide)

    def states(
        self, title: str, asked: Sequence[Question], words: Sequence[Words], *, wide: int = 12
    ) -> statetimeline.Panel:
        """Bits and words over time, one row an equipment and point."""
        panel = (
            statetimeline.Panel()
            .interval("1m")
            .show_value(common.VisibilityMode.AUTO)
            .merge_values(True)
            .legend(_legend())
            .color_scheme(board.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
        )
        for one in words:
            meaning = {
                value: dashboard.ValueMappingResult(text=text, index=n)
                for n, (value, text) in enumerate(one.meaning.items())
            }
            mapped = dashboard.DynamicConfigValue(id_val="mappings", value=[dashboard.ValueMap(options=meaning)])
            panel = panel.override_by_query(one.ref, [mapped])
        return self._filled(panel, title, asked, wide)

    def numbers(self, title: str, asked: Sequence[Question], unit: str, *, wide: int = 12) -> stat.Panel:
        """Figures of the whole range, one a series."""
        chosen = common_builders.ReduceDataOptions().calcs(["lastNotNull"])
        panel = stat.Panel().unit(unit_of(unit)).reduce_options(chosen).color_mode(common.BigValueColorMode.NONE)
        return self._filled(panel, title, asked, wide, is_instant=True)

    def newest(self, title: str, asked: Question) -> table.Panel:
        return self._filled(table.Panel(), title, [asked], 24)

    def _filled(self, panel: _P, title: str, asked: Sequence[Question], wide: int, *, is_instant: bool = False) -> _P:
        panel = panel.title(title).datasource(source(self.kind)).span(wide).height(8)
        for number, one in enumerate(asked):
            panel = panel.with_target(target(self.kind, number, one, is_instant=is_instant))
        address = "${plantroom}/equipment/${__field.labels.site}/${__field.labels.equipment}"
        return panel.data_links(
            [board.DashboardLink(self.link).type(dashboard.DashboardLinkType.LINK).url(address).target_blank(True)]
        )


def _legend() -> common_builders.VizLegendOptions:
    return (
        common_builders.VizLegendOptions().show_legend(True).placement(common.LegendPlacement.BOTTOM)
        .display_mode(common.LegendDisplayMode.LIST)
    )  # fmt: skip


def _steps(lines: Sequence[Line]) -> board.ThresholdsConfig:
    """Colours are of the limits alone; the side that is right has none."""
    plain, wrong = "transparent", "orange"
    lowest = any(line.is_lowest for line in lines)
    steps = [dashboard.Threshold(value=None, color=wrong if lowest else plain)]
    steps += [
        dashboard.Threshold(value=line.value, color=plain if line.is_lowest else wrong)
        for line in sorted(lines, key=lambda line: line.value)
    ]
    return board.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)
