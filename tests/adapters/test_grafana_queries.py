"""Every query of every Grafana dashboard against real servers, over what our own stores wrote there: it answers, and with that data."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import httpx
import pytest

from cloud.clock import SystemClock
from cloud.grafana.files import Wanted, files
from cloud.grafana.queries import Kind
from cloud.telemetry.address import Address, parse_address
from cloud.telemetry.influx import InfluxStore
from cloud.telemetry.store import Row, Sample, Store
from cloud.telemetry.victoria import VictoriaStore
from contract.messages import Value
from device_profiles.library import load
from device_profiles.schema import EquipmentClass, Point
from tests.adapters.test_history_stores import until_it_answers
from tests.support.servers import influxdb, victoria_metrics

MINUTE, HOUR = 60_000, 3_600_000
LIBRARY = load()
COUNT = 40
"""Samples of each point, one a minute; the last is bad."""


def value_at(point: Point, place: int, number: int) -> Value:
    """What the newest good sample of a gauge is can be told from its place in the class."""
    match point.kind:
        case "bit":
            return number % 2 == 0
        case "counter":
            return float(place + 10 * number)
        case "gauge":
            return place / 100 + 0.25
    return next(iter(point.states), "text of it")


def rows(one: EquipmentClass, now: int) -> Iterator[Row]:
    for place, (id, point) in enumerate(one.points.items()):
        for number in range(COUNT - 1):
            kept = Sample(now - (COUNT - number) * MINUTE, value_at(point, place, number), "good", "none")
            yield Row("tower", f"the_{one.id}", id, kept)
        if point.kind == "counter":  # growth of a day wants the day before
            yield Row("tower", f"the_{one.id}", id, Sample(now - 26 * HOUR, float(place), "good", "none"))
        yield Row("tower", f"the_{one.id}", id, Sample(now - MINUTE, None, "bad", "no_response"))


@dataclass
class Asked:
    """A server as Grafana asks it."""

    kind: Kind
    address: Address
    client: httpx.AsyncClient
    now: int

    def fill(self, text: str, site: str, equipment: str) -> str:
        """What Grafana puts in for its variables."""
        start, end = self.now - (48 if "1d" in text else 2) * HOUR, self.now + HOUR
        told = {
            "${site:regex}": site, "${equipment:regex}": equipment, "$__interval": "60s", "$__range": f"{(end - start) // 1000}s",
            "$timeFilter": f"time >= {start}ms and time <= {end}ms",
        }  # fmt: skip
        for name, filled in told.items():
            text = text.replace(name, filled)
        assert "$" not in re.sub(r"\)\$/|\S\$/", "", text), text
        return text

    async def ask(self, path: str, **parameters: str) -> Any:
        answer = await self.client.get(path, params=parameters)
        assert answer.is_success, (parameters, answer.text)
        return answer.json()

    async def names(self, query: str, site: str = "", equipment: str = "") -> list[str]:
        """The values of a variable."""
        text = self.fill(query, site, equipment)
        if self.kind == "influxdb":
            (result,) = (await self.ask(self.address.ask, db=self.address.bucket, q=text))["results"]
            return sorted(row[1] for one in result.get("series", ()) for row in one["values"])
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", text)
        assert found is not None
        path = f"{self.address.ask}/api/v1/label/{found[2]}/values"
        return sorted((await self.ask(path, **{"match[]": found[1]}))["data"])

    async def series(self, target: dict[str, Any], equipment: str) -> list[tuple[dict[str, str], list[Any]]]:
        """Labels and values of what a panel is given."""
        if self.kind == "influxdb":
            text = self.fill(target["query"], "tower", equipment)
            (result,) = (await self.ask(self.address.ask, db=self.address.bucket, q=text, epoch="ms"))["results"]
            assert "error" not in result, (text, result)
            return [(one["tags"], [row[1] for row in one["values"]]) for one in result.get("series", ())]
        text = self.fill(target["expr"], "tower", equipment)
        times = {"time": f"{self.now / 1000}"}
        path = "query"
        if not target["instant"]:
            path, times = (
                "query_range",
                {"start": f"{self.now / 1000 - 7200}", "end": f"{self.now / 1000}", "step": "60s"},
            )
        told = await self.ask(f"{self.address.ask}/api/v1/{path}", query=text, nocache="1", **times)
        assert told["status"] == "success", (text, told)
        found = told["data"]["result"]
        return [(one["metric"], [float(v) for _, v in one.get("values") or [one["value"]]]) for one in found]


@pytest.fixture(params=["influxdb", "victoriametrics"])
async def asked(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Asked]:
    now = time.time_ns() // 1_000_000 // MINUTE * MINUTE
    started = influxdb(tmp_path) if request.param == "influxdb" else victoria_metrics(
        tmp_path, "-search.latencyOffset=0s", "-dedup.minScrapeInterval=1ms", "-retentionPeriod=1y"
    )  # fmt: skip
    with started as address:
        await until_it_answers(address)
        url = f"{address}/history" if request.param == "influxdb" else address
        store: Store = InfluxStore(url) if request.param == "influxdb" else VictoriaStore(url, SystemClock())
        await store.open()
        for one in LIBRARY.classes.values():
            assert not await store.write(list(rows(one, now)))
        async with httpx.AsyncClient(trust_env=False) as client:
            if request.param == "victoriametrics":
                await client.get(parse_address(url).ask + "/internal/force_flush")
            yield Asked(request.param, parse_address(url), client, now)
        await store.close()


def boards(asked: Asked) -> dict[str, dict[str, Any]]:
    made = files(LIBRARY, Wanted(asked.address, PurePath("/grafana"), ["en"], "http://desk"))
    return {PurePath(name).stem: json.loads(text) for name, text in made if name.endswith(".json")}


@pytest.mark.timeout(180)
async def test_every_query_answers_with_what_our_stores_wrote(asked: Asked) -> None:
    everybody = sorted(f"the_{id}" for id in LIBRARY.classes)
    asked_for = 0
    for id, board in boards(asked).items():
        site, equipment = (variable["query"] for variable in board["templating"]["list"][:2])
        assert await asked.names(site) == ["tower"]
        known = {"overview": everybody, "power": ["the_lv_switchgear"]}.get(id, [f"the_{id.replace('-', '_')}"])
        assert await asked.names(equipment, "tower") == known, id
        chosen = f"({'|'.join(known)})"
        targets = [target for panel in board["panels"] for target in panel.get("targets", ())]
        found = await asyncio.gather(*(asked.series(target, chosen) for target in targets))
        for target, series in zip(targets, found, strict=True):
            text = target.get("query") or target["expr"]
            assert series, (id, text)
            assert {tags["equipment"] for tags, _ in series} <= set(known)
            assert {tags["site"] for tags, _ in series} == {"tower"}
            check(text, series)
        asked_for += len(targets)
    assert asked_for > 250


def check(text: str, series: list[tuple[dict[str, str], list[Any]]]) -> None:
    """Every kind of question against what was written."""
    point = re.search(r"point\"? ?= ?['\"](\w+)['\"]", text)
    for tags, values in series:
        one = LIBRARY.classes[tags["equipment"].removeprefix("the_")]
        good = [value for value in values if value is not None]
        if point is not None:
            check_point(text, tags, good, one, point[1])
        elif "quality" in text:
            assert sum(good) == len(one.points)  # one bad sample a point
        elif "sample_state" in text or '"kind"' in text:
            assert sum(good) == COUNT * len(one.points)
        else:
            assert good == [pytest.approx(newest(one, tags["point"]))]


def check_point(text: str, tags: dict[str, str], good: list[Any], one: EquipmentClass, point: str) -> None:
    kind = one.points[point].kind
    if "COUNT(" in text or "count_le" in text or text.startswith("sum by (site,equipment) (count_over"):
        is_below = "count_le" in text or "<" in text
        assert sum(good) == (COUNT - 1 if not is_below or newest(one, point) < 0.9 else 0)
    elif kind == "gauge":
        assert good == pytest.approx([newest(one, point)] * len(good))
    elif kind == "counter":
        assert 0 < max(good) <= newest(one, point)
    elif kind == "bit":
        assert {*good} == {0.0, 1.0}
    else:  # a word is a value in one language and a label in the other
        assert {tags.get("text", good[0])} == {value_at(one.points[point], 0, 0)}


def newest(one: EquipmentClass, point: str) -> float:
    """Of the good samples."""
    return float(value_at(one.points[point], list(one.points).index(point), COUNT - 2) or 0)
