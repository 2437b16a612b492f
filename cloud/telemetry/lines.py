"""Telemetry store ↔ InfluxDB's language: samples to line protocol, InfluxQL answers to samples and buckets (pure).

One measurement ``sample`` with the tags site, equipment and point. Its fields keep apart what a mean may use and what it may not:

==========  =====================================================================================
``value``   a number or bit (0, 1) that is not bad
``spoiled`` a number or bit that is bad
``text``    a text
``kind``    0 number, 1 bit, 2 text, 3 no value; written with every sample
``quality`` 0 good, 1 uncertain, 2 bad; written with every sample
``cause``   why a bad sample is bad
``doubt``   what a sample that is not bad says of its cause
==========  =====================================================================================

The dialect is what InfluxDB 1.x, 2.x (``/query``) and 3 Core share: selectors, ``GROUP BY time`` with an offset, ``fill(none)``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cloud.telemetry.store import QUALITIES, Bucket, Held, Key, Row, Sample
from contract.conventions import EpochMs
from contract.messages import Value

_NUMBER, _BIT, _TEXT, _NONE = range(4)
_BAD = len(QUALITIES) - 1
_NO_CAUSE = "none"
_LONGEST_MS = 9_223_372_036_854
_LONGEST_STEP_MS = 10 * 366 * 86_400_000
_TAG_ESCAPES = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\=", "\n": r"\ "})
_TEXT_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": " "})
_SELECTED = (
    'COUNT("kind") AS samples, COUNT("value") AS n, MIN("value") AS low, MEAN("value") AS mean, MAX("value") AS high, MAX("quality") AS worst, '
    'LAST("kind") AS kind, LAST("quality") AS quality, LAST("value") AS value, LAST("spoiled") AS spoiled, '
    'LAST("text") AS text, LAST("cause") AS cause'
)


def to_lines(rows: Sequence[Row]) -> str:
    """Line protocol with millisecond timestamps, one line a sample. Writing a line again changes nothing."""
    return "\n".join(_line(row) for row in rows)


def _line(row: Row) -> str:
    tags = ",".join(
        f"{name}={value.translate(_TAG_ESCAPES)}"
        for name, value in (("equipment", row.equipment), ("point", row.point), ("site", row.site))
    )
    fields = ",".join(f"{name}={value}" for name, value in _fields(row.sample))
    return f"sample,{tags} {fields} {row.sample.at_ms}"


def _fields(sample: Sample) -> Iterator[tuple[str, str]]:
    value, quality = sample.value, QUALITIES.index(sample.quality)
    kind = _kind(value)
    yield "kind", f"{kind}i"
    yield "quality", f"{quality}i"
    if kind == _TEXT:
        yield "text", _quoted(str(value))
    elif kind != _NONE:
        yield ("spoiled" if quality == _BAD else "value"), repr(float(value or 0))
    if sample.cause and sample.cause != _NO_CAUSE:
        yield ("cause" if quality == _BAD else "doubt"), _quoted(sample.cause)


def _kind(value: Value) -> int:
    if isinstance(value, bool):
        return _BIT
    if isinstance(value, str):
        return _TEXT
    return _NONE if value is None or not math.isfinite(value) else _NUMBER


def _quoted(text: str) -> str:
    return f'"{text.translate(_TEXT_ESCAPES)}"'


def _literal(text: str) -> str:
    """A string of InfluxQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", " ") + "'"


def latest_query(site: str, equipment: str) -> str:
    """The newest sample of every point of one piece of equipment."""
    return (
        f'SELECT * FROM "sample" WHERE "site" = {_literal(site)} AND "equipment" = {_literal(equipment)} '  # noqa: S608  literals are escaped
        f'GROUP BY "point" ORDER BY time DESC LIMIT 1'
    )


def range_queries(key: Key, from_ms: EpochMs, to_ms: EpochMs, width_ms: int) -> Iterator[tuple[EpochMs, str]]:
    """Stretches of ``width_ms`` that begin at ``from_ms`` exactly, empty ones left out; with where the first of a query begins.

    Stretches of many years are asked for one by one: the server's own division counts nanoseconds and overflows.
    """
    select = f'SELECT {_SELECTED} FROM "sample" WHERE {_of(*key)} AND '  # noqa: S608  literals are escaped
    if width_ms < _LONGEST_STEP_MS:
        division = f" GROUP BY time({width_ms}ms, {from_ms % width_ms}ms) fill(none)"
        yield from_ms, select + _between(from_ms, to_ms) + division
        return
    first = max(0, (-_LONGEST_MS - from_ms) // width_ms)
    for start in range(from_ms + first * width_ms, min(to_ms, _LONGEST_MS), width_ms):
        yield start, select + _between(start, min(start + width_ms, to_ms))


def latest_of_all_query(site: str) -> str:
    """The newest sample of every point of a site."""
    return f'SELECT * FROM "sample" WHERE "site" = {_literal(site)} GROUP BY "equipment", "point" ORDER BY time DESC LIMIT 1'  # noqa: S608  literals are escaped


def samples_query(site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, limit: int) -> str:
    """The oldest ``limit`` samples of [from, to)."""
    return f'SELECT * FROM "sample" WHERE {_of(site, equipment, point)} AND {_between(from_ms, to_ms)} LIMIT {limit}'  # noqa: S608  literals are escaped


HELD_QUERIES = tuple(
    f'SELECT {what}("kind") AS kind FROM "sample" GROUP BY "site", "equipment", "point"'  # noqa: S608  no text from outside
    for what in ("COUNT", "FIRST", "LAST")
)


def delete_statement(at_ms: EpochMs, point: Key | None) -> str:
    """Forget what is older, of one point or of all."""
    where = f"{_of(*point)} AND " if point else ""
    return f'DELETE FROM "sample" WHERE {where}time < {_bounded(at_ms)}ms'  # noqa: S608  literals are escaped


def delete_predicate(point: Key | None) -> dict[str, str]:
    """Which points a deletion of the 2.x interface is about."""
    if point is None:
        return {"predicate": '_measurement="sample"'}
    told = zip(("site", "equipment", "point"), point, strict=True)
    escaped = [(name, value.replace("\\", "\\\\").replace('"', '\\"')) for name, value in told]
    return {"predicate": " AND ".join(['_measurement="sample"', *(f'{name}="{value}"' for name, value in escaped)])}


def _of(site: str, equipment: str, point: str) -> str:
    return f'"site" = {_literal(site)} AND "equipment" = {_literal(equipment)} AND "point" = {_literal(point)}'


def _between(from_ms: EpochMs, to_ms: EpochMs) -> str:
    return f"time >= {_bounded(from_ms)}ms AND time < {_bounded(to_ms)}ms"


def _bounded(at_ms: EpochMs) -> EpochMs:
    """Within what the server can count in nanoseconds."""
    return max(-_LONGEST_MS, min(at_ms, _LONGEST_MS))


def check(answer: Mapping[str, Any]) -> None:
    """Raises ValueError with the server's words for a refused statement."""
    for _ in _rows(answer):
        pass


def _rows(answer: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, str], dict[str, Any]]]:
    """Tags and named columns of every row. Raises ValueError with the server's words for a refused statement."""
    for result in answer.get("results", ()):
        if "error" in result:
            raise ValueError(result["error"])
        for series in result.get("series", ()):
            for values in series.get("values", ()):
                yield series.get("tags", {}), dict(zip(series["columns"], values, strict=True))


def read_latest(answer: Mapping[str, Any]) -> dict[str, Sample]:
    """Point id → newest sample, from the answer to ``latest_query``."""
    return {tags["point"]: _sample(row) for tags, row in _rows(answer) if _is_whole(row)}


def read_latest_of_all(answer: Mapping[str, Any]) -> dict[str, dict[str, Sample]]:
    """Equipment id → point id → newest sample, from the answer to ``latest_of_all_query``."""
    found: dict[str, dict[str, Sample]] = {}
    for tags, row in _rows(answer):
        if _is_whole(row):
            found.setdefault(tags["equipment"], {})[tags["point"]] = _sample(row)
    return found


def read_samples(answer: Mapping[str, Any]) -> list[Sample]:
    """Samples in the order of time, from the answer to ``samples_query``."""
    return [_sample(row) for _, row in _rows(answer) if _is_whole(row)]


def read_points(answer: Mapping[str, Any]) -> list[Key]:
    """Every point, from the answer to the last of ``HELD_QUERIES``."""
    return sorted((tags["site"], tags["equipment"], tags["point"]) for tags, _ in _rows(answer))


def read_held(counts: Mapping[str, Any], firsts: Mapping[str, Any], lasts: Mapping[str, Any]) -> list[Held]:
    """Every point with its count and ends, from the answers to ``HELD_QUERIES``."""
    keyed = [
        {(tags["site"], tags["equipment"], tags["point"]): row for tags, row in _rows(answer)}
        for answer in (counts, firsts, lasts)
    ]
    count, first, last = keyed
    return [
        Held(*key, int(count[key]["kind"]), int(first[key]["time"]), int(last[key]["time"]))
        for key in sorted(count)
        if key in first and key in last
    ]


def _sample(row: Mapping[str, Any]) -> Sample:
    cause = row.get("cause") or row.get("doubt") or _NO_CAUSE
    return Sample(int(row["time"]), _value(row), QUALITIES[int(row["quality"])], cause)


def read_buckets(
    answer: Mapping[str, Any], from_ms: EpochMs, to_ms: EpochMs, width_ms: int
) -> tuple[int, list[Bucket]]:
    """How many samples there are, and their buckets, from the answer to one of ``range_queries``, which begins at ``from_ms``."""
    rows = [row for row in _merged(row for _, row in _rows(answer)) if _is_whole(row) and "worst" in row]
    if width_ms >= _LONGEST_STEP_MS:
        rows = [row | {"time": from_ms} for row in rows]
    return sum(int(row.get("samples") or 0) for row in rows), [_bucket(row, from_ms, to_ms, width_ms) for row in rows]


def _merged(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a stretch: with fill(none) a server may answer the columns of one stretch on several rows."""
    stretches: dict[int, dict[str, Any]] = {}
    for row in rows:
        known = stretches.setdefault(int(row["time"]), {})
        known.update({name: value for name, value in row.items() if value is not None})
    return [stretches[start] for start in sorted(stretches)]


def _is_whole(row: Mapping[str, Any]) -> bool:
    """A server makes the fields of a sample visible one after the other: what is half there is read the next time."""
    if row.get("kind") is None or row.get("quality") is None:
        return False
    kind = int(row["kind"])
    return kind == _NONE or row.get(_field_of(kind, int(row["quality"]))) is not None


def _field_of(kind: int, quality: int) -> str:
    """The field that holds a value."""
    if kind == _TEXT:
        return "text"
    return "spoiled" if quality == _BAD else "value"


def _bucket(row: Mapping[str, Any], from_ms: EpochMs, to_ms: EpochMs, width_ms: int) -> Bucket:
    start = max(int(row["time"]), from_ms)
    return Bucket(
        start, min(start + width_ms, to_ms), int(row.get("n") or 0), row.get("low"), row.get("mean"), row.get("high"),
        _value(row), QUALITIES[int(row["worst"])], row.get("cause") or "",
    )  # fmt: skip


def _value(row: Mapping[str, Any]) -> Value:
    """The value of a row's newest sample, by the kind and quality written with it."""
    kind = int(row["kind"])
    if kind == _NONE:
        return None
    value = row[_field_of(kind, int(row["quality"]))]
    if kind == _TEXT:
        return str(value)
    return bool(float(value)) if kind == _BIT else float(value)
