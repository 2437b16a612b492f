"""Ingest → telemetry: samples a history store will never take are set aside in quarantine, where people see them and can try again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import RowMapping, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from cloud.storage import tables as t
from cloud.storage.sql import insert_new
from cloud.telemetry.store import Parked
from contract.codec import decode_record, encode_record
from contract.conventions import EpochMs
from contract.messages import SampleBatch, SampleSeries

_KEY = ("gateway_id", "epoch", "lane", "seq")
_COLUMNS = ("at", "value", "quality", "cause")
Place = tuple[str, str, str, EpochMs]
"""Site, equipment, point, instant."""


async def park(
    connection: AsyncConnection, records: Sequence[RowMapping], refused: Sequence[Parked], now: EpochMs
) -> None:
    """Put what was refused of these records into quarantine in their place."""
    reasons = {_place(one): one.reason for one in refused}
    for record in records:
        batch = decode_record(record["body"])
        found = refused_of(batch, record["site_id"], reasons) if isinstance(batch, SampleBatch) else None
        if found is None:
            continue
        rest, reason = found
        key = {name: record[name] for name in _KEY}
        kept = {"reason": f"history store: {reason}", "body": encode_record(rest), "received_at": now}
        await insert_new(connection, t.quarantine, {**key, **kept})
        await connection.execute(delete(t.record).where(*(t.record.c[name] == value for name, value in key.items())))


def refused_of(batch: SampleBatch, site: str, reasons: Mapping[Place, str]) -> tuple[SampleBatch, str] | None:
    """The refused samples of a batch by themselves, and why the first was; None when all were taken (pure)."""
    series: list[SampleSeries] = []
    first = ""
    for one in batch.series:
        places = [(site, one.equipment, one.point, at) for at in one.at]
        wrong = [index for index, place in enumerate(places) if place in reasons]
        if wrong:
            first = first or reasons[places[wrong[0]]]
            columns = {name: _at(getattr(one, name), wrong) for name in _COLUMNS}
            series.append(msgspec.structs.replace(one, **columns))
    return (msgspec.structs.replace(batch, series=series), first) if series else None


def _at(column: list[Any] | None, places: Sequence[int]) -> list[Any] | None:
    """Some of a column; a column that is left out stays left out."""
    return [column[index] for index in places] if column else column


def _place(one: Parked) -> Place:
    row = one.row
    return row.site, row.equipment, row.point, row.sample.at_ms
