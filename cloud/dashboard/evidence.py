"""dashboard: an observed test's raw samples → a card with its figures, a drawing and a file to take away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.dashboard import present, views
from cloud.dashboard.chart import Bucket, Trend, draw
from cloud.dashboard.present import Here
from cloud.dashboard.rows import PointRow, Text, TicketRow
from cloud.maintenance.samples import rows_of, samples_of
from cloud.storage import tables as t
from cloud.tickets.duties import RULE
from contract.messages import EvidenceSeries

_NUMBERS = {"gauge", "counter"}


@dataclass(frozen=True, slots=True)
class EvidenceCard:
    """What one observed test showed."""

    name: str
    result: str
    is_passed: bool
    reasons: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    """Of each point: its name, and lowest … highest with the number of samples."""
    note: str
    csv: str
    trend: Trend | None
    label: str


def csv_href(site: str, equipment: str, test: str, event: str) -> str:
    """Where the raw samples of one result are; empty for what was answered on a form."""
    if not event or event.startswith("form:"):
        return ""
    return f"/equipment/{quote(site)}/{quote(equipment)}/tests/{quote(test)}/samples.csv?{urlencode({'event': event})}"


async def of_ticket(db: AsyncConnection, ticket: TicketRow, here: Here) -> EvidenceCard | None:
    """The newest failed test that a ticket is about; None for any other ticket."""
    if ticket.rule != RULE:
        return None
    lines = await views.timeline(db, ticket.id)
    events = [str(line.data.get("event", "")) for line in lines if line.data.get("why") == "failed"]
    return await of_event(db, events[-1], here, (330, 140)) if events else None


async def of_event(
    db: AsyncConnection, event: str, here: Here, size: tuple[float, float] = (1000, 220)
) -> EvidenceCard | None:
    """What one result showed; None when it was answered on a form or came without raw samples."""
    series = await samples_of(db, event)
    row = (await db.execute(select(t.test_result).where(t.test_result.c.event_id == event))).one_or_none()
    if row is None or not series:
        return None
    points = (await views.points(db, row.site_id, row.equipment_id)).get((row.site_id, row.equipment_id), {})
    return _card(row, await _name(db, row), series, points, here, size)


async def _name(db: AsyncConnection, row: Row[tuple[object, ...]]) -> Text:
    p = t.periodic_test.c
    same = (p.site_id == row.site_id) & (p.equipment_id == row.equipment_id) & (p.id == row.test)
    return (await db.execute(select(p.name).where(same))).scalar_one_or_none() or {}


def _card(
    row: Row[tuple[object, ...]], name: Text, series: Sequence[EvidenceSeries], points: Mapping[str, PointRow],
    here: Here, size: tuple[float, float],
) -> EvidenceCard:  # fmt: skip
    words = here.words
    lasted = present.duration((row.ended_at - row.started_at) / 1000, words)
    drawn = next((one for one in series if _is_drawable(one, points)), None)
    every = max(one.every for one in series)
    return EvidenceCard(
        name=words.text(name, row.test), is_passed=row.passed, reasons=tuple(row.reasons),
        result=words("tests.passed" if row.passed else "tests.failed", at=here.when(row.ended_at)),
        figures=((words("tests.lasted"), lasted), *((_label(one, points, here), _figures(one, points, here)) for one in series)),
        note=words("tests.thinned", n=every) if every > 1 else "",
        csv=csv_href(row.site_id, row.equipment_id, row.test, row.event_id),
        trend=_trend(drawn, points, (row.started_at, row.ended_at), here, size) if drawn else None,
        label=_label(drawn, points, here) if drawn else "",
    )  # fmt: skip


def _label(one: EvidenceSeries, points: Mapping[str, PointRow], here: Here) -> str:
    point = points.get(one.point)
    return here.words.text(point.name, one.point) if point else one.point.replace("_", " ")


def _good(one: EvidenceSeries) -> list[float]:
    """Its numbers of good quality."""
    return [
        float(value) for _, value, quality, _ in rows_of(one)
        if quality == "good" and isinstance(value, int | float) and not isinstance(value, bool)
    ]  # fmt: skip


def _figures(one: EvidenceSeries, points: Mapping[str, PointRow], here: Here) -> str:
    """``0.41 … 0.85 MPa, 630 samples``."""
    words, good, point = here.words, _good(one), points.get(one.point)
    count = words.count("tests.samples", len(one.at) + one.left_out)
    if not good:
        return count
    digits = point.digits if point else 2
    reach = f"{present.number(min(good), digits)} … {present.number(max(good), digits)}"
    return words("sep_and").join((present.with_unit(reach, one.unit, words), count))


def _is_drawable(one: EvidenceSeries, points: Mapping[str, PointRow]) -> bool:
    point = points.get(one.point)
    return point is not None and point.kind in _NUMBERS and len(_good(one)) > 1


def _trend(
    one: EvidenceSeries, points: Mapping[str, PointRow], span: tuple[int, int], here: Here, size: tuple[float, float]
) -> Trend:
    """Every sample, from the beginning of the test to its end; only what was read badly interrupts the line."""
    buckets = [
        Bucket(max(at, span[0]), float(value)) if quality == "good" and isinstance(value, int | float)
        else Bucket(max(at, span[0]), None, quality=quality, cause=cause)
        for at, value, quality, cause in rows_of(one)
    ]  # fmt: skip
    return draw(points[one.point], buckets, span, here, size=size, step_ms=max(1, span[1] - span[0]))
