"""acquire → decode, once: every point of a device as it reads now, with its raw words. For ``read`` and ``accept``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from contract.messages import Cause, Quality, Value
from edge.acquire.read_plan import BIT_TABLES
from edge.acquire.reader import CompiledRequest, DeviceReader
from edge.clock import Clock
from edge.commission.asking import Asker, Outcome, words_of
from edge.site import Binding, Device


@dataclass(frozen=True, slots=True)
class Row:
    """One point, read once. ``words`` as they came; one 0 or 1 in the bit tables; ``ms`` the request took."""

    device: str
    point: str
    equipment: str
    target: str
    """The equipment's own name of the point."""
    where: str
    words: tuple[int, ...]
    value: Value
    unit: str
    quality: str
    cause: str
    reason: str
    ms: float

    @property
    def is_good(self) -> bool:
        return self.quality == Quality.GOOD

    def as_object(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "words": list(self.words)}


def choose(device: Device, wanted: str) -> Device:
    """The device with one point only, named as the device, the equipment or ``equipment/point`` names it.

    Raises KeyError when it has no such point.
    """
    found = tuple(
        one for one in device.bindings if wanted in (one.device_point, one.point_id, f"{one.equipment}/{one.point_id}")
    )
    if not found:
        raise KeyError(wanted)
    return replace(device, bindings=found)


async def read_device(asker: Asker, device: Device, clock: Clock) -> AsyncIterator[Row]:
    """Every point of a Modbus device, a block at a time; where a block is refused, a point at a time."""
    reader = DeviceReader(device)
    for every_ms in {binding.every_ms: None for binding in device.bindings}:
        for compiled in reader.requests(every_ms):
            outcome = await asker.ask(reader.unit, compiled.read, reader.timeout_ms)
            if outcome.exception in (2, 3) and len(compiled.points) > 1:
                for point in compiled.points:
                    alone = replace(device, bindings=(device.bindings[point],))
                    async for row in read_device(asker, alone, clock):
                        yield row
                continue
            for row in rows_of(reader, compiled, outcome, clock):
                yield row


def rows_of(reader: DeviceReader, compiled: CompiledRequest, outcome: Outcome, clock: Clock) -> list[Row]:
    """What one answer says about its points."""
    at = clock.moment()
    if outcome.payload is None:
        samples = reader.failed([compiled], outcome.cause, at)
    else:
        samples = reader.samples(compiled, outcome.payload, at)
    return [
        _row(reader, compiled, point, outcome, (one.value, one.quality, one.cause))
        for point, one in zip(compiled.points, samples, strict=True)
    ]


def _row(
    reader: DeviceReader, compiled: CompiledRequest, point: int, outcome: Outcome, found: tuple[Value, Quality, Cause]
) -> Row:
    binding: Binding = reader.device.bindings[point]
    codec = reader.codecs[point]
    value, quality, cause = found
    return Row(
        device=reader.device.id, point=binding.device_point, equipment=binding.equipment, target=binding.point_id,
        where=codec.describe(), words=_words(compiled, codec.address, codec.count, outcome.payload), value=value,
        unit=binding.point.unit, quality=str(quality), cause=str(cause), reason=outcome.reason, ms=outcome.ms,
    )  # fmt: skip


def _words(compiled: CompiledRequest, address: int, count: int, payload: bytes | None) -> tuple[int, ...]:
    if payload is None or len(payload) != compiled.read.payload_size:
        return ()
    at = address - compiled.request.address
    if compiled.request.table in BIT_TABLES:
        return (payload[at >> 3] >> (at & 7) & 1,)
    return tuple(words_of(payload)[at : at + count])


def show_value(value: Value, digits: int | None = None) -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{digits}f}" if digits is not None else f"{value:.6g}"
    return str(value)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose columns are as wide as they need."""
    every = [list(heads), *[list(row) for row in rows]]
    widths = [max(len(row[at]) for row in every) for at in range(len(heads))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in every]
