"""maintenance: the raw samples of an observed test, as its event brought them.

They are read from the event's own record, which is kept as long as the result (no code deletes events): the history of
the same points may be condensed or gone by then.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from contract.codec import decode_record
from contract.conventions import EpochMs
from contract.messages import EvidenceSeries, TestObserved, Value

HEADER = ("point", "unit", "time", "value", "quality", "cause")


async def samples_of(connection: AsyncConnection, event: str) -> list[EvidenceSeries]:
    """The raw samples of one result by its event id; none for a form, or from a gateway that sends none."""
    gateway, epoch, lane, seq = event.split(":") if event.count(":") == 3 else ("", "", "", "")
    if not (epoch.isdigit() and seq.isdigit()):
        return []
    c = t.record.c
    same = (c.gateway_id == gateway) & (c.epoch == int(epoch)) & (c.lane == lane) & (c.seq == int(seq))
    query = select(c.body).where(same, c.type == TestObserved.__name__)
    body = (await connection.execute(query)).scalar_one_or_none()
    record = decode_record(body) if body is not None else None
    return record.samples if isinstance(record, TestObserved) else []


def rows_of(one: EvidenceSeries) -> Iterator[tuple[EpochMs, Value, str, str]]:
    """Instant, value, quality and cause of each sample."""
    qualities = map(str, one.quality) if one.quality else repeat("good")
    causes = map(str, one.cause) if one.cause else repeat("none")
    return zip(one.at, one.value, qualities, causes, strict=False)


def csv_text(series: Sequence[EvidenceSeries], time: Callable[[EpochMs], str]) -> Iterable[str]:
    """One line a sample, below a line that names the columns; a piece for each point."""
    yield _lines([HEADER])
    for one in series:
        yield _lines((one.point, one.unit, time(at), _cell(value), *rest) for at, value, *rest in rows_of(one))


def _lines(rows: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def _cell(value: Value) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
