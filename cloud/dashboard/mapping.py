"""dashboard: one piece of equipment's devices → mapping, read plan, last raw words, error counts, for the engineer. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.dashboard import gateway_page, present
from cloud.dashboard.gateway_page import PlanLine, ReadLine, TroubleLine
from cloud.dashboard.present import Here
from cloud.dashboard.rows import DeviceRow, PointRow
from cloud.dashboard.tile import Seen
from cloud.dashboard.value import Shown, show
from device_profiles.schema import DeviceModel, RegisterMapping

_WIRE: Final = re.compile(r"(?P<table>input|holding|coil|discrete) 0x(?P<address>[0-9A-F]+)(?: (?P<type>\w+))?")
_WHERE: Final = re.compile(r"(?P<table>input|holding|coil|discrete) 0x(?P<first>[0-9A-F]+)-0x(?P<last>[0-9A-F]+)")
_BITS: Final = {"coil", "discrete"}


@dataclass(frozen=True, slots=True)
class MappingRow:
    id: str
    wire: str
    raw: str
    scale: str
    v: Shown
    sentinel: str
    plausible: str


@dataclass(frozen=True, slots=True)
class Mapped:
    id: str
    model: str
    facts: tuple[str, ...]
    rows: tuple[MappingRow, ...]
    counts: tuple[tuple[str, str], ...]
    """Name and figure: how it answers and how often it failed."""
    plan: tuple[PlanLine, ...]
    reads: tuple[ReadLine, ...]
    troubles: tuple[TroubleLine, ...]
    foot: tuple[str, ...]


def mapped(
    seen: Seen,
    devices: Sequence[DeviceRow],
    here: Here,
    model_of: Callable[[str], DeviceModel | None] = lambda _id: None,
) -> tuple[Mapped, ...]:
    """Per device, which of its points fill which of ours. ``model_of`` gives what the cloud's library knows of a model."""
    return tuple(_mapped(device, seen, here, model_of(device.model)) for device in devices)


def _mapped(device: DeviceRow, seen: Seen, here: Here, model: DeviceModel | None) -> Mapped:
    words = here.words
    own = [point for point in seen.points.values() if point.device == device.id]
    about = (f"{device.bus}, {device.protocol}, {device.address}",
             f"{words('device.every').lower()} {present.period(device.every_ms, words)}")  # fmt: skip
    foot = (words("mapping.foot" if device.protocol == "modbus" else "mapping.foot_mqtt"), device.model_name,
            words("device.unverified") if device.status == "unverified" else "")  # fmt: skip
    return Mapped(
        device.id, device.model, tuple(text for text in about if text), tuple(_row(point, device, seen, here, model) for point in own),
        _counts(device, here), gateway_page.plan_lines(device.plan, here), gateway_page.reads(device, here),
        gateway_page.troubles([device], here), tuple(text for text in foot if text),
    )  # fmt: skip


def _row(point: PointRow, device: DeviceRow, seen: Seen, here: Here, model: DeviceModel | None) -> MappingRow:
    known = model.registers.get(point.device_point) if model else None
    return MappingRow(
        point.id, wire_text(point.wire, here), raw_of(point.wire, device.reads), scale_text(known) if known else "",
        show(point, seen.samples.get(point.id), here), " ".join(_grouped(one) for one in known.sentinels) if known else "",
        plausible_text(point),
    )  # fmt: skip


def wire_text(wire: str, here: Here) -> str:
    """Where a point lies, with the table in the reader's language as in the request plan."""
    table, _, rest = wire.partition(" ")
    return f"{here.words(f'gateway.table.{table}')} {rest}" if _WIRE.match(wire) else wire


def _counts(device: DeviceRow, here: Here) -> tuple[tuple[str, str], ...]:
    line, words = gateway_page.device_line(device, here), here.words
    named = (
        ("state_label", line.state),
        ("answered", line.answered),
        ("response", line.response),
        ("last_ok", line.last_ok),
        ("errors", line.errors),
    )
    return tuple((words(f"device.{name}"), text or present.DASH) for name, text in named)


def scale_text(known: RegisterMapping) -> str:
    """Factor, offset, and where a power of ten or a ratio comes from."""
    text = f"{known.scale:g}"
    if known.offset:
        text += f" {'+' if known.offset > 0 else present.MINUS} {abs(known.offset):g}"
    if known.scale_from is not None:
        text += f" × 10^[0x{known.scale_from:04X}]"
    return " × ".join((text, *known.ratio))


def _grouped(pattern: str) -> str:
    """``0x80008000`` as ``8000 8000``."""
    digits = pattern.removeprefix("0x").upper()
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def plausible_text(point: PointRow) -> str:
    if point.plausible is None:
        return ""
    low, high = point.plausible
    return f"{present.number(low, 0)} … {present.number(high, 0)}"


# --- raw words --------------------------------------------------------------------------------------------------


def raw_of(wire: str, reads: Sequence[Mapping[str, Any]]) -> str:
    """The point's own words in the last answer that holds them; empty where the wire is no register or none came yet."""
    point = _WIRE.match(wire)
    if point is None:
        return ""
    address = int(point["address"], 16)
    for read in reads:
        where = _WHERE.match(str(read.get("where") or ""))
        if where and where["table"] == point["table"] and int(where["first"], 16) <= address <= int(where["last"], 16):
            return _cut(
                str(read.get("raw") or "").split(),
                address - int(where["first"], 16),
                point["table"],
                point["type"] or "",
            )
    return ""


def _cut(words: Sequence[str], offset: int, table: str, kind: str) -> str:
    if table in _BITS:
        byte = words[offset // 8] if offset // 8 < len(words) else ""
        return str(int(byte, 16) >> offset % 8 & 1) if re.fullmatch("[0-9A-F]{2}", byte) else ""
    return " ".join(words[offset : offset + words_of(kind)])


def words_of(kind: str) -> int:
    """Registers that a wire type takes: one of 16 bits, two of 32, four of 64."""
    digits = re.search(r"(16|32|48|64)", kind)
    return int(digits[1]) // 16 if digits else 1
