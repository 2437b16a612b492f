"""acquire, from a file: recorded samples → Sample, one list an instant (pure but for the lines it reads).

CSV with a header, or JSON lines: time, equipment, point, value and perhaps quality, in the order of time.
"""

from __future__ import annotations

import csv
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from contract.conventions import format_instant, to_ms
from contract.messages import Cause, Quality, Record, SampleBatch, SampleSeries, Value
from device_profiles.library import Finding
from device_profiles.reading import did_you_mean
from device_profiles.schema import Point
from edge.decode.sample import Sample
from edge.errors import Misconfigured
from edge.site import Site

DEVICE = "recorded"
COLUMNS = ("time", "equipment", "point", "value", "quality")
HOW = "Write ISO 8601 time, and values as the class's unit has them"
_Cells = tuple[Any, ...]
_Convert = Callable[[Any], Value]


class Reader:
    """Reads a file once. Everything that is wrong is a Misconfigured naming file and line."""

    def __init__(self, path: Path, site: Site) -> None:
        self._path, self._site = path, site
        self._line: Callable[[], int] = lambda: 1
        self._converters: dict[tuple[str, str], _Convert] = {
            (one.id, name): _converter(point)
            for one in site.equipment
            for name, point in one.equipment_class.points.items()
        }

    def polls(self, lines: Iterable[str]) -> Iterator[list[Sample]]:
        """All samples of one instant together. Raises Misconfigured at the first row that cannot be read."""
        stream = iter(lines)
        first = next(stream, "")
        whole = itertools.chain([first], stream)
        cells = self._json(whole) if first.lstrip().startswith("{") else self._csv(whole)
        written, at_ms, samples = "", -1, list[Sample]()
        for at, equipment, point, value, quality in cells:
            if at != written:  # all points of one poll share their instant
                now = self._at(at)
                if now < at_ms:
                    self._wrong(f"goes back in time to {at}", "Sort the file by time")
                if now > at_ms and samples:
                    yield samples
                    samples = []
                written, at_ms = at, now
            samples.append(self._sample(equipment, point, value, quality, at_ms))
        if samples:
            yield samples

    def _csv(self, lines: Iterator[str]) -> Iterator[_Cells]:
        reader = csv.reader(lines)
        self._line = lambda: reader.line_num
        header = [name.strip() for name in next(reader, [])]
        if missing := [name for name in COLUMNS[:4] if name not in header]:
            self._wrong(f"the header lacks {', '.join(missing)}", "Write time,equipment,point,value[,quality]")
        places = [header.index(name) for name in COLUMNS if name in header]
        pick = operator.itemgetter(*places)
        has_quality = "quality" in header
        try:
            for row in reader:
                if row:
                    yield pick(row) if has_quality else (*pick(row), "good")
        except IndexError:
            self._wrong("has too few columns", f"Write {','.join(header)}")
        except csv.Error as error:
            self._wrong(f"is no CSV: {error}", f"Write {','.join(header)}")

    def _json(self, lines: Iterator[str]) -> Iterator[_Cells]:
        number = 0
        self._line = lambda: number
        for number, line in enumerate(lines, start=1):  # noqa: B007 - read when something is wrong
            if not line.strip():
                continue
            try:
                found = msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError as error:
                self._wrong(f"is no JSON object: {error}", "Write one object a line")
            if missing := [name for name in COLUMNS[:4] if name not in found]:
                self._wrong(f"lacks {', '.join(missing)}", "Write time, equipment, point and value")
            yield (str(found["time"]), found["equipment"], found["point"], found["value"], found.get("quality", "good"))

    def _sample(self, equipment: str, point: str, value: Any, quality: str, at_ms: int) -> Sample:  # noqa: ANN401
        try:
            found = self._converters[equipment, point](value)
        except KeyError:
            self._unknown(equipment, point)
        except (ValueError, TypeError, OverflowError) as error:
            if quality in ("good", "", None):
                self._wrong(f"{equipment}/{point}: {error}", HOW)
            found = None
        if found is not None and quality in ("good", "", None):
            return Sample(DEVICE, equipment, point, found, Quality.GOOD, Cause.NONE, at_ms, at_ms)
        return Sample(DEVICE, equipment, point, None, self._poor(quality), Cause.ABSENT, at_ms, at_ms)

    def _poor(self, quality: str) -> Quality:
        """An empty value is a bad one, whatever its quality says."""
        if quality == "uncertain":
            return Quality.UNCERTAIN
        if quality not in ("good", "bad", "", None):
            self._wrong(f"{quality!r} is no quality", "Write good, uncertain or bad")
        return Quality.BAD

    def _at(self, text: str) -> int:
        try:
            at = datetime.fromisoformat(text.strip())
            return to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            self._wrong(f"{text!r} is no instant", "Write ISO 8601 such as 2026-11-21T07:05:00Z")

    def refuse_newcomer(self, sample: Sample, after: int) -> NoReturn:
        """A point of which the head of the file said nothing."""
        message = f"{sample.equipment}/{sample.point} first comes at {format_instant(sample.sampled_at_ms)}"
        remedy = f"Name every point within the first {after} rows; a row with an empty value will do"
        self._wrong(message, remedy)

    def _unknown(self, equipment: str, point: str) -> NoReturn:
        one = self._site.find_equipment(equipment)
        if one is None:
            remedy = did_you_mean(equipment, [other.id for other in self._site.equipment])
        else:
            remedy = did_you_mean(point, list(one.equipment_class.points))
        self._wrong(f"{equipment}/{point} is not here", remedy)

    def _wrong(self, message: str, remedy: str) -> NoReturn:
        raise Misconfigured([Finding(str(self._path), self._line() or 1, "", message, remedy)])


def kept_polls(records: Iterable[Record], site: Site) -> list[list[Sample]]:
    """The samples of stored batches, one list an instant, in the order of time. Points that are no longer here are left out."""
    known = {(one.id, name) for one in site.equipment for name in one.equipment_class.points}
    at: dict[int, list[Sample]] = {}
    for record in records:
        for series in record.series if isinstance(record, SampleBatch) else ():
            if (series.equipment, series.point) in known:
                for sample in _unfolded(series):
                    at.setdefault(sample.sampled_at_ms, []).append(sample)
    return [at[instant] for instant in sorted(at)]


def _unfolded(series: SampleSeries) -> Iterator[Sample]:
    qualities = series.quality or [Quality.GOOD] * len(series.at)
    causes = series.cause or [Cause.NONE] * len(series.at)
    for at_ms, value, quality, cause in zip(series.at, series.value, qualities, causes, strict=True):
        yield Sample(DEVICE, series.equipment, series.point, value, quality, cause, at_ms, at_ms)


def _converter(point: Point) -> _Convert:
    """From text (CSV) or anything (JSON) to the value as the class holds it; None for an empty one."""
    if point.kind in ("gauge", "counter"):
        return _number
    if point.kind == "bit":
        return _truth
    words = tuple(point.states) if point.kind == "state" else ()

    def word(value: Any) -> Value:  # noqa: ANN401 - text from CSV, anything from JSON
        if value is None or value == "":
            return None
        if words and value not in words:
            raise ValueError(f"{value!r} is none of {', '.join(words)}")
        return str(value)

    return word


def _number(value: Any) -> Value:  # noqa: ANN401 - text from CSV, anything from JSON
    if value is None or value == "":
        return None
    try:
        found = float(value)
    except (ValueError, TypeError):
        raise ValueError(f"{value!r} is no number") from None
    return found if math.isfinite(found) else None


_TRUTHS = {
    "true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False, "": None, "none": None,
}  # fmt: skip


def _truth(value: Any) -> Value:  # noqa: ANN401 - text from CSV, anything from JSON
    try:
        return _TRUTHS[str(value).lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false") from None
