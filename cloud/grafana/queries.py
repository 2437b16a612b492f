"""Telemetry store → Grafana: what a panel asks, in the language of the server that keeps history (pure).

Both languages ask for the shapes that ``cloud.telemetry.lines`` and ``cloud.telemetry.metricsql`` write. Grafana fills in the site and the
equipment chosen, the range and the width of a stretch. Values are of samples that are not bad; what is not good is counted apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["influxdb", "victoriametrics"]
RECENT = "15m"
"""How far back the newest value is looked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """One query of a panel. ``legend`` in the server's way to write labels; a table shows the newest values, one row a point."""

    text: str
    legend: str
    is_table: bool = False


class Language(Protocol):
    """The questions that dashboards ask; ``name`` is what a legend says of the point."""

    kind: Kind

    def sites(self) -> str: ...
    def equipment(self, points: Sequence[str]) -> str:
        """Equipment of the chosen sites that has one of these points; any, where none is given."""
        ...

    def mean(self, point: str, name: str, step: str = "$__interval") -> Question: ...
    def highest(self, point: str, name: str, step: str = "$__interval") -> Question: ...
    def last(self, point: str, name: str) -> Question: ...
    def word(self, point: str, name: str) -> Question: ...
    def growth(self, point: str, name: str, step: str = "$__interval") -> Question:
        """How much a counter grew in each stretch."""
        ...

    def samples(self) -> Question: ...
    def not_good(self) -> Question: ...
    def newest(self) -> Question: ...
    def counted(self, point: str, name: str, below: float | None = None) -> Question:
        """How many good or uncertain samples of the range there are, or lie below a limit."""
        ...


class InfluxQL:
    """What InfluxDB 1.x, 2.x and 3 Core share."""

    kind: Kind = "influxdb"
    _scope = '"site" =~ /^${site:regex}$/ AND "equipment" =~ /^${equipment:regex}$/'
    _tags = '"site", "equipment"'

    def sites(self) -> str:
        return 'SHOW TAG VALUES FROM "sample" WITH KEY = "site"'

    def equipment(self, points: Sequence[str]) -> str:
        some = f' AND "point" =~ /^({"|".join(map(re.escape, points))})$/' if points else ""
        return f'SHOW TAG VALUES FROM "sample" WITH KEY = "equipment" WHERE "site" =~ /^${{site:regex}}$/{some}'

    def mean(self, point: str, name: str, step: str = "$__interval") -> Question:
        return self._ask('MEAN("value")', point, name, step)

    def highest(self, point: str, name: str, step: str = "$__interval") -> Question:
        return self._ask('MAX("value")', point, name, step)

    def last(self, point: str, name: str) -> Question:
        return self._ask('LAST("value")', point, name)

    def word(self, point: str, name: str) -> Question:
        return self._ask('LAST("text")', point, name)

    def growth(self, point: str, name: str, step: str = "$__interval") -> Question:
        return self._ask('NON_NEGATIVE_DIFFERENCE(LAST("value"))', point, name, step)

    def samples(self) -> Question:
        return self._count("")

    def not_good(self) -> Question:
        return self._count(' AND "quality" > 0')

    def newest(self) -> Question:
        text = f'SELECT LAST("value") AS "value" FROM "sample" WHERE {self._scope} AND time > now() - {RECENT} GROUP BY {self._tags}, "point"'  # noqa: S608  ids of the library
        return Question(text, "", is_table=True)

    def counted(self, point: str, name: str, below: float | None = None) -> Question:
        limit = "" if below is None else f' AND "value" < {below:g}'
        text = f'SELECT COUNT("value") FROM "sample" WHERE {self._scope} AND "point" = \'{point}\'{limit} AND $timeFilter GROUP BY {self._tags}'  # noqa: S608  ids of the library
        return Question(text, f"$tag_equipment {name}")

    def _ask(self, select: str, point: str, name: str, step: str = "$__interval") -> Question:
        text = f'SELECT {select} FROM "sample" WHERE {self._scope} AND "point" = \'{point}\' AND $timeFilter GROUP BY time({step}), {self._tags} fill(none)'  # noqa: S608  ids of the library
        return Question(text, f"$tag_equipment {name}")

    def _count(self, more: str) -> Question:
        text = f'SELECT COUNT("kind") FROM "sample" WHERE {self._scope}{more} AND $timeFilter GROUP BY time($__interval), {self._tags} fill(none)'  # noqa: S608  ids of the library
        return Question(text, "$tag_equipment")


class MetricsQL:
    """VictoriaMetrics through Grafana's Prometheus data source. A point is a series a month: what is of one point is put together."""

    kind: Kind = "victoriametrics"
    _scope = 'site=~"${site:regex}",equipment=~"${equipment:regex}"'
    _by = "by (site,equipment)"

    def sites(self) -> str:
        return "label_values(sample_state, site)"

    def equipment(self, points: Sequence[str]) -> str:
        some = f',point=~"{"|".join(points)}"' if points else ""
        return f'label_values(sample_state{{site=~"${{site:regex}}"{some}}}, equipment)'

    def mean(self, point: str, name: str, step: str = "$__interval") -> Question:
        total, count = (
            f"sum {self._by} ({what}_over_time({self._of('value', point)}[{step}]))" for what in ("sum", "count")
        )
        return Question(f"{total} / {count}", f"{{{{equipment}}}} {name}")

    def highest(self, point: str, name: str, step: str = "$__interval") -> Question:
        return self._ask("max", f"max_over_time({self._of('value', point)}[{step}])", name)

    def last(self, point: str, name: str) -> Question:
        return self._ask("max", f"last_over_time({self._of('value', point)}[$__interval])", name)

    def word(self, point: str, name: str) -> Question:
        text = f'max by (site,equipment,text) (last_over_time(sample_state{{{self._scope},point="{point}",kind="text"}}[$__interval]))'
        return Question(text, f"{{{{equipment}}}} {name} {{{{text}}}}")

    def growth(self, point: str, name: str, step: str = "$__interval") -> Question:
        return self._ask("sum", f"increase({self._of('value', point)}[{step}])", name)

    def samples(self) -> Question:
        return Question(
            f"sum {self._by} (count_over_time(sample_state{{{self._scope}}}[$__interval]))", "{{equipment}}"
        )

    def not_good(self) -> Question:
        text = f'sum {self._by} (count_over_time(sample_state{{{self._scope},quality!="good"}}[$__interval]))'
        return Question(text, "{{equipment}}")

    def newest(self) -> Question:
        text = f"max by (site,equipment,point) (last_over_time(sample_value{{{self._scope}}}[{RECENT}]))"
        return Question(text, "", is_table=True)

    def counted(self, point: str, name: str, below: float | None = None) -> Question:
        series = f"{self._of('value', point)}[$__range]"
        text = f"sum {self._by} (count_over_time({series}))"
        if below is not None:
            text = f"sum {self._by} (count_le_over_time({series}, {below:g}) - count_eq_over_time({series}, {below:g}))"
        return Question(text, f"{{{{equipment}}}} {name}")

    def _of(self, metric: str, point: str) -> str:
        return f'sample_{metric}{{{self._scope},point="{point}"}}'

    def _ask(self, together: str, text: str, name: str) -> Question:
        return Question(f"{together} {self._by} ({text})", f"{{{{equipment}}}} {name}")


LANGUAGES: dict[Kind, Language] = {"influxdb": InfluxQL(), "victoriametrics": MetricsQL()}
