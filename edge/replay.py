"""Recorded samples → rules, in virtual time: what they would have raised, and when (pure but for the lines it reads).

Points that the file holds count as measured, whatever the site's devices measure; a value is stale after three of the
file's own intervals.
"""

from __future__ import annotations

import csv
import itertools
import json
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from contract.conventions import format_instant, to_ms
from contract.messages import (
    AlarmChanged,
    AlarmCleared,
    AlarmRaised,
    Cause,
    Quality,
    Record,
    RuleUnknown,
    TestObserved,
    Value,
)
from device_profiles.library import Finding
from device_profiles.schema import DeviceModel, Point, RegisterMapping
from edge.decode.sample import Moment, Sample
from edge.errors import Misconfigured
from edge.rules.engine import Engine
from edge.site import Binding, Bus, Device, Site, stale_after_ms

LOOK_AHEAD = 20_000
"""Rows read first, to learn which points the file holds and how often."""
DEVICE = "recorded"
COLUMNS = ("time", "equipment", "point", "value", "quality")
_Cells = tuple[Any, ...]
_KINDS = {
    AlarmRaised: "raised", AlarmCleared: "cleared", AlarmChanged: "changed", RuleUnknown: "unknown", TestObserved: "test"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One recorded sample."""

    at_ms: int
    equipment: str
    point: str
    value: Value
    quality: Quality


class Reader:
    """Rows of a CSV file with a header, or of JSON lines: time, equipment, point, value and perhaps quality."""

    def __init__(self, path: Path, site: Site) -> None:
        self._path, self._line = path, 0
        self._points: Mapping[tuple[str, str], Point] = {
            (one.id, name): point for one in site.equipment for name, point in one.equipment_class.points.items()
        }
        self._instant: tuple[str, int] = ("", 0)

    def rows(self, lines: Iterable[str]) -> Iterator[Row]:
        """Every row. Raises Misconfigured at the first that cannot be read, naming its line."""
        stream = iter(lines)
        first = next(stream, "")
        whole = itertools.chain([first], stream)
        cells = self._json(whole) if first.lstrip().startswith("{") else self._csv(whole)
        return itertools.starmap(self._row, cells)

    def _csv(self, lines: Iterator[str]) -> Iterator[_Cells]:
        reader = csv.reader(lines)
        header = [name.strip() for name in next(reader, [])]
        if missing := [name for name in COLUMNS[:4] if name not in header]:
            raise self._wrong(f"the header lacks {', '.join(missing)}", "Write time,equipment,point,value[,quality]")
        columns = COLUMNS if "quality" in header else COLUMNS[:4]
        pick = operator.itemgetter(*(header.index(name) for name in columns))
        for row in reader:
            self._line = reader.line_num
            if row:
                try:
                    yield pick(row)
                except IndexError:
                    raise self._wrong("has too few columns", f"Write {','.join(header)}") from None

    def _json(self, lines: Iterator[str]) -> Iterator[_Cells]:
        for self._line, line in enumerate(lines, start=1):
            try:
                found = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise self._wrong(f"is no JSON object: {error}", "Write one object a line") from error
            if missing := [name for name in COLUMNS[:4] if name not in found]:
                raise self._wrong(f"lacks {', '.join(missing)}", "Write time, equipment, point and value")
            yield (str(found["time"]), found["equipment"], found["point"], found["value"], found.get("quality", "good"))

    def _wrong(self, message: str, remedy: str) -> Misconfigured:
        return Misconfigured([Finding(str(self._path), self._line or 1, "", message, remedy)])

    def _row(self, at: str, equipment: str, point: str, value: Any, quality: str = "good") -> Row:  # noqa: ANN401
        of = self._points.get((equipment, point))
        if of is None:
            raise self._wrong(f"{equipment}/{point} is not here", "Name equipment and points of the site file")
        try:
            if quality and quality != "good":
                return Row(self._at(at), equipment, point, None, Quality(quality))
            found = _value(value, of)
            return Row(self._at(at), equipment, point, found, Quality.BAD if found is None else Quality.GOOD)
        except (ValueError, TypeError) as error:
            raise self._wrong(str(error), "Write ISO 8601 time, and values as the class's unit has them") from None

    def _at(self, text: str) -> int:
        if text != self._instant[0]:  # all points of one poll share their instant
            at = datetime.fromisoformat(text)
            self._instant = (text, to_ms(at if at.tzinfo else at.replace(tzinfo=UTC)))
        return self._instant[1]


def _value(value: Any, point: Point) -> Value:  # noqa: ANN401 - text from CSV, anything from JSON
    """A recorded value as the class holds it; None for an empty one."""
    if value is None or value == "":
        return None
    if point.kind in ("gauge", "counter"):
        return float(value)
    if point.kind == "bit":
        truths = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
        if (found := truths.get(str(value).lower())) is None:
            raise ValueError(f"{value!r} is neither true nor false")
        return found
    if point.kind == "state" and value not in point.states:
        raise ValueError(f"{value!r} is none of {', '.join(point.states)}")
    return str(value)


# --- running --------------------------------------------------------------------------------------------------------


def replay(site: Site, rows: Iterator[Row]) -> Iterator[tuple[Engine, Moment, list[Record]]]:
    """Run the rows through the rules; the engine with what each instant led to, delays ending in between included."""
    head = list(itertools.islice(rows, LOOK_AHEAD))
    if not head:
        return
    site = measured_by_file(site, head)
    start = _moment(head[0].at_ms)
    engine = Engine(site, start)
    for at_ms, group in itertools.groupby(itertools.chain(head, rows), key=lambda row: row.at_ms):
        now = _moment(max(at_ms, start.wall_ms))
        while (due := engine.next_alarm_due()) is not None and due < now.steady_ms:
            yield engine, _moment(due), engine.evaluate([], _moment(due))
        samples = [
            Sample(DEVICE, row.equipment, row.point, row.value, row.quality, _cause(row), now.wall_ms, now.steady_ms)
            for row in group
        ]
        yield engine, now, engine.evaluate(samples, now)
        start = now


def _cause(row: Row) -> Cause:
    return Cause.NONE if row.quality is Quality.GOOD else Cause.ABSENT


def _moment(at_ms: int) -> Moment:
    return Moment(wall_ms=at_ms, steady_ms=at_ms)


def measured_by_file(site: Site, head: Sequence[Row]) -> Site:
    """The site as if one device measured exactly the points of the file."""
    held = dict.fromkeys((row.equipment, row.point) for row in head)
    every_ms = _interval_ms(head)
    mapping = RegisterMapping.model_validate({"table": "holding", "address": 0})
    bindings = []
    for equipment, name in held:
        one = site.find_equipment(equipment)
        if one is not None:
            point = one.equipment_class.points[name]
            bindings.append(Binding(name, equipment, name, point, mapping, every_ms, stale_after_ms(point, every_ms)))
    bus = Bus(DEVICE, "tcp")
    device = Device(DEVICE, _model(), bus, 0, every_ms, tuple(bindings))
    return replace(site, buses=(bus,), devices=(device,))


def _interval_ms(head: Sequence[Row]) -> int:
    """The commonest distance between two samples of a point."""
    last: dict[tuple[str, str], int] = {}
    counts: dict[int, int] = {}
    for row in head:
        key = (row.equipment, row.point)
        if key in last and row.at_ms > last[key]:
            gap = row.at_ms - last[key]
            counts[gap] = counts.get(gap, 0) + 1
        last[key] = row.at_ms
    return max(counts, key=lambda gap: counts[gap], default=1_000)


def _model() -> DeviceModel:
    return DeviceModel.model_validate(
        {
            "id": DEVICE, "equipment_class": DEVICE, "name": "Recorded samples", "maker": "a file", "status": "unverified",
            "sources": ["a file"], "protocol": "modbus", "registers": {"value": {"table": "holding", "address": 0}},
        }
    )  # fmt: skip


# --- printing -------------------------------------------------------------------------------------------------------


def event_line(record: Record) -> str | None:
    """One event as JSON; None for a record that is no event of a rule."""
    kind = _KINDS.get(type(record))
    if kind is None:
        return None
    row: dict[str, Any] = {"event": kind, "time": _time(record), "equipment": getattr(record, "equipment", "")}
    row["rule"] = getattr(record, "rule", getattr(record, "test", ""))
    for key in (
        "instance",
        "severity",
        "clause",
        "began_at",
        "what",
        "reason",
        "suppressed_by",
        "point",
        "cause",
        "unknown",
    ):
        if (value := getattr(record, key, None)) not in (None, ""):
            row[key] = value
    if isinstance(record, TestObserved):
        row |= {"passed": record.passed, "reasons": record.reasons}
    terms = getattr(record, "because", None) or getattr(record, "evidence", [])
    row["because"] = [{"name": term.name, "value": term.value, "unit": term.unit} for term in terms]
    return json.dumps(row, ensure_ascii=False)


def _time(record: Record) -> str:
    for key in ("raised_at", "cleared_at", "at", "ended_at"):
        if isinstance(record, AlarmCleared):
            return record.cleared_at
        if (at := getattr(record, key, None)) is not None:
            return str(at)
    return format_instant(0)
