"""Telemetry store ↔ files: rows as CSV or Parquet, and back with the place of every mistake.

Columns: site, equipment, point, at (UTC, milliseconds), kind (number, bit, text, none), value, text, quality, cause. In CSV a text
stands in value; in Parquet, whose columns have one type each, value is a double (a bit 0 or 1) and text has its own.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cloud.telemetry.store import QUALITIES, Row, Sample
from contract.conventions import EpochMs, format_instant, to_ms
from contract.messages import Value
from device_profiles.reading import Finding
from device_profiles.schema import check_identifier

if TYPE_CHECKING:
    from arro3.core import RecordBatch, RecordBatchReader, Schema

COLUMNS = ("site", "equipment", "point", "at", "kind", "value", "quality", "cause")
KINDS = ("number", "bit", "text", "none")
AT_ONCE = 10_000
_BITS = {"0": False, "1": True, "false": False, "true": True}
_EXACT = 2**53
_MAGIC = b"PAR1"
Found = Row | Finding


class Unreadable(Exception):
    """A file that is not what its name says."""


def is_parquet(path: Path) -> bool:
    return path.suffix == ".parquet"


def write_rows(path: Path, batches: Iterable[Sequence[Row]]) -> None:
    """All batches into a file: ``.parquet``, ``.csv`` or ``.csv.gz``."""
    if is_parquet(path):
        _write_parquet(path, batches)
        return
    with _open_text(path, "wt") as file:
        write_csv(file, batches)


def write_csv(file: TextIO, batches: Iterable[Sequence[Row]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rows in batches:
        writer.writerows(map(_cells, rows))


def read_rows(path: Path) -> Iterator[Found]:
    """Rows of a file, and a finding in the place of each that cannot be read. Raises Unreadable."""
    if is_parquet(path):
        yield from _read_parquet(path)
        return
    try:
        with _open_text(path, "rt") as file:
            yield from _read_csv(file, str(path))
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise Unreadable(f"cannot be read as CSV: {error}") from error


def read_instant(text: str, zone: tzinfo | None = None) -> EpochMs:
    """ISO 8601 as epoch milliseconds. Raises ValueError, also for an instant without a zone where none is given."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no instant; write 2026-11-21T07:05:00.123Z") from error
    if instant.tzinfo is None and zone is None:
        raise ValueError(f"{text!r} names no zone; write 2026-11-21T07:05:00.123Z")
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=zone))


def kind_of(value: Value) -> str:
    if isinstance(value, bool):
        return "bit"
    if isinstance(value, str):
        return "text"
    return "none" if value is None or not math.isfinite(value) else "number"


def _open_text(path: Path, mode: str) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, mode, encoding="utf-8", newline="")  # type: ignore[return-value]  # text, by its mode
    return path.open(mode, encoding="utf-8-sig" if "r" in mode else "utf-8", newline="")  # type: ignore[return-value]


def _cells(row: Row) -> tuple[str, ...]:
    sample, kind = row.sample, kind_of(row.sample.value)
    value = {"none": "", "text": str(sample.value), "bit": "1" if sample.value else "0", "number": repr(sample.value)}[
        kind
    ]
    return row.site, row.equipment, row.point, format_instant(sample.at_ms), kind, value, sample.quality, sample.cause


def _read_csv(file: TextIO, name: str) -> Iterator[Found]:
    reader = csv.DictReader(file, restval="", restkey="")
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        yield Finding(name, 1, ",".join(missing), "is missing from the first line", f"It must name {','.join(COLUMNS)}")
        return
    for cells in reader:
        yield _row(cells, name, reader.line_num, cells["value"])


def _row(cells: Mapping[str, Any], name: str, line: int, text: str) -> Found:
    column = ""
    try:
        for column in ("site", "equipment", "point"):
            check_identifier(cells[column])
        column = "at"
        at = cells["at"] if isinstance(cells["at"], int) else read_instant(cells["at"])
        column = "value"
        value = _value(cells["kind"], text)
        column = "quality"
        if cells["quality"] not in QUALITIES:
            raise ValueError(f"{cells['quality']!r} is none of {', '.join(QUALITIES)}")
    except (ValueError, TypeError, OverflowError) as error:
        return Finding(name, line, column, str(error), "Correct the line; nothing of the file was taken")
    sample = Sample(at, value, cells["quality"], cells["cause"] or "none")
    return Row(cells["site"], cells["equipment"], cells["point"], sample)


def _value(kind: str, text: str) -> Value:
    if kind == "text":
        return text
    if kind == "none":
        return None
    if kind == "bit":
        if text.lower() not in _BITS:
            raise ValueError(f"{text!r} is no bit: write 0 or 1")
        return _BITS[text.lower()]
    if kind != "number":
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number: write kind none for no value")
    return int(text) if abs(number) > _EXACT and text.lstrip("-").isdigit() else number


def _schema() -> Schema:
    from arro3.core import DataType, Field, Schema

    text, instant = DataType.string(), DataType.timestamp("ms", tz="UTC")
    types = {"at": instant, "value": DataType.float64()}
    return Schema(
        [Field(name, types.get(name, text), nullable=name in ("value", "text")) for name in (*COLUMNS, "text")]
    )


def _write_parquet(path: Path, batches: Iterable[Sequence[Row]]) -> None:
    from arro3.core import RecordBatchReader
    from arro3.io import write_parquet

    schema = _schema()
    whole = (_batch(rows, schema) for rows in batches if rows)
    write_parquet(RecordBatchReader.from_batches(schema, whole), path, compression="zstd(3)")


def _batch(rows: Sequence[Row], schema: Schema) -> RecordBatch:
    from arro3.core import Array, DataType, RecordBatch

    samples = [row.sample for row in rows]
    kinds = [kind_of(sample.value) for sample in samples]
    values = [_double(sample.value, kind) for sample, kind in zip(samples, kinds, strict=True)]
    texts = [sample.value if kind == "text" else None for sample, kind in zip(samples, kinds, strict=True)]
    text = DataType.string()
    columns = {
        "site": Array([row.site for row in rows], text), "equipment": Array([row.equipment for row in rows], text),
        "point": Array([row.point for row in rows], text), "kind": Array(kinds, text), "text": Array(texts, text),
        "at": Array([sample.at_ms for sample in samples], DataType.int64()).cast(schema.field("at").type),
        "value": Array(values, DataType.float64()),
        "quality": Array([sample.quality for sample in samples], text),
        "cause": Array([sample.cause for sample in samples], text),
    }  # fmt: skip
    return RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _double(value: Value, kind: str) -> float | None:
    return float(value) if kind in ("number", "bit") and value is not None else None


def _read_parquet(path: Path) -> Iterator[Found]:
    try:
        reader = _open_parquet(path)
        missing = [name for name in (*COLUMNS, "text") if name not in reader.schema.names]
        if missing:
            yield Finding(
                str(path), 0, ",".join(missing), "is missing from the columns", "See docs/history.md for the columns"
            )
            return
        number = 0
        for batch in reader:
            for cells in _cells_of(batch):
                number += 1
                value = cells["text"] if cells["kind"] == "text" else cells["value"]
                text = (
                    f"{value:.0f}"
                    if cells["kind"] == "bit" and value is not None
                    else ""
                    if value is None
                    else str(value)
                )
                yield _row(cells, str(path), number, text)
    except Unreadable:
        raise
    except Exception as error:  # the library's own errors have no common ancestor
        raise Unreadable(f"cannot be read as Parquet: {error}") from error


def _open_parquet(path: Path) -> RecordBatchReader:
    """The library panics, loudly, over a file that is none; here that is Unreadable like any other mistake."""
    from arro3.io import read_parquet

    data = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, data - 4))
        if (head, file.read(4)) != (_MAGIC, _MAGIC):
            raise Unreadable("cannot be read as Parquet: it does not begin and end as such a file does")
    noise = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device, no path
            os.dup2(nowhere.fileno(), 2)
        return read_parquet(path)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise Unreadable(f"cannot be read as Parquet: {error}") from error
    finally:
        os.dup2(noise, 2)
        os.close(noise)


def _cells_of(batch: RecordBatch) -> Iterator[dict[str, Any]]:
    from arro3.core import DataType

    names = (*COLUMNS, "text")
    instant = _schema().field("at").type
    columns = [
        batch.column(name).cast(instant).cast(DataType.int64()) if name == "at" else batch.column(name)
        for name in names
    ]
    for cells in zip(*(column.to_pylist() for column in columns), strict=True):
        yield dict(zip(names, cells, strict=True))


def in_batches(found: Iterable[Found], tell: Callable[[Finding], None], size: int = AT_ONCE) -> Iterator[list[Row]]:
    """Rows, many at a time; findings are told."""
    left = iter(found)
    while part := list(islice(left, size)):
        rows = []
        for one in part:
            if isinstance(one, Row):
                rows.append(one)
            else:
                tell(one)
        yield rows
