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
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from cloud.telemetry.store import QUALITIES, Bucket, Row, Sample
from contract.conventions import EpochMs
from contract.messages import Value

_NUMBER, _BIT, _TEXT, _NONE = range(4)
_BAD = len(QUALITIES) - 1
_NO_CAUSE = "none"
_TAG_ESCAPES = str.maketrans({",": r"\,", " ": r"\ ", "=": r"\=", "\n": r"\ "})
_TEXT_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": " "})
_SELECTED = (
    'COUNT("value") AS n, MIN("value") AS low, MEAN("value") AS mean, MAX("value") AS high, MAX("quality") AS worst, '
    'LAST("kind") AS kind, LAST("quality") AS quality, LAST("value") AS value, LAST("spoiled") AS spoiled, '
    'LAST("text") AS text, LAST("cause") AS cause'
)
WRITTEN_AS = "write influxdb://TOKEN@HOST:8086/ORG/BUCKET, or influxdb://USER:PASSWORD@HOST:8086/DATABASE for 1.x"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an InfluxDB is and how it is asked. ``org`` is empty for 1.x."""

    base: str
    org: str
    bucket: str
    token: str
    user: str
    password: str

    @property
    def write_path(self) -> str:
        return "/api/v2/write" if self.org else "/write"

    @property
    def write_parameters(self) -> dict[str, str]:
        if self.org:
            return {"org": self.org, "bucket": self.bucket, "precision": "ms"}
        return {"db": self.bucket, "precision": "ms"}

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}"} if self.token else {}


def parse_address(url: str) -> Address:
    """``influxdb://…`` or ``influxdb+https://…``; see WRITTEN_AS. Raises ValueError with what to write instead."""
    parts = urlsplit(url)
    schemes = {"influxdb": "http", "influxdb+http": "http", "influxdb+https": "https"}
    names = [unquote(name) for name in parts.path.split("/") if name]
    if parts.scheme not in schemes or not parts.hostname or len(names) not in (1, 2):
        raise ValueError(WRITTEN_AS)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    base = f"{schemes[parts.scheme]}://{host}:{parts.port or 8086}"
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    token = name if len(names) == 2 else ""
    return Address(
        base, names[0] if token or len(names) == 2 else "", names[-1], token, "" if token else name, password
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


def range_query(site: str, equipment: str, point: str, from_ms: EpochMs, to_ms: EpochMs, width_ms: int) -> str:
    """Stretches of ``width_ms`` that begin at ``from_ms`` exactly; empty ones are left out."""
    return (
        f'SELECT {_SELECTED} FROM "sample" WHERE "site" = {_literal(site)} AND "equipment" = {_literal(equipment)} '  # noqa: S608  literals are escaped
        f'AND "point" = {_literal(point)} AND time >= {from_ms}ms AND time < {to_ms}ms '
        f"GROUP BY time({width_ms}ms, {from_ms % width_ms}ms) fill(none)"
    )


def _rows(answer: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, str], dict[str, Any]]]:
    """Tags and named columns of every row. Raises ValueError with the server's words for a refused statement."""
    for result in answer.get("results", ()):
        if "error" in result:
            raise ValueError(result["error"])
        for series in result.get("series", ()):
            for values in series["values"]:
                yield series.get("tags", {}), dict(zip(series["columns"], values, strict=True))


def read_latest(answer: Mapping[str, Any]) -> dict[str, Sample]:
    """Point id → newest sample, from the answer to ``latest_query``."""
    found = {}
    for tags, row in _rows(answer):
        cause = row.get("cause") or row.get("doubt") or _NO_CAUSE
        found[tags["point"]] = Sample(int(row["time"]), _value(row), QUALITIES[int(row["quality"])], cause)
    return found


def read_buckets(answer: Mapping[str, Any], from_ms: EpochMs, to_ms: EpochMs, width_ms: int) -> list[Bucket]:
    """Buckets from the answer to ``range_query``."""
    return [_bucket(row, from_ms, to_ms, width_ms) for row in _merged(row for _, row in _rows(answer))]


def _merged(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a stretch: with fill(none) a server may answer the columns of one stretch on several rows."""
    stretches: dict[int, dict[str, Any]] = {}
    for row in rows:
        known = stretches.setdefault(int(row["time"]), {})
        known.update({name: value for name, value in row.items() if value is not None})
    return [stretches[start] for start in sorted(stretches)]


def _bucket(row: Mapping[str, Any], from_ms: EpochMs, to_ms: EpochMs, width_ms: int) -> Bucket:
    start = max(int(row["time"]), from_ms)
    return Bucket(
        start, min(start + width_ms, to_ms), int(row.get("n") or 0), row.get("low"), row.get("mean"), row.get("high"),
        _value(row), QUALITIES[int(row["worst"])], row.get("cause") or "",
    )  # fmt: skip


def _value(row: Mapping[str, Any]) -> Value:
    """The value of a row's newest sample, by the kind and quality written with it."""
    kind, is_bad = int(row["kind"]), int(row["quality"]) == _BAD
    if kind == _NONE:
        return None
    if kind == _TEXT:
        return str(row["text"])
    number = float(row["spoiled" if is_bad else "value"])
    return bool(number) if kind == _BIT else number
