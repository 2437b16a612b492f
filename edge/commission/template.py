"""An example of the point table, to be filled in: every column, both ways of naming a device's registers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

HEAD = (
    "device", "model", "protocol", "host", "port", "baud", "unit id", "equipment", "class", "ratings", "point",
    "function code", "address", "base", "data type", "byte order", "scale", "offset", "unit", "states", "description",
)  # fmt: skip
_ROWS: tuple[dict[str, str], ...] = (
    {
        "device": "meter_1", "model": "eastron_sdm630", "protocol": "rtu", "port": "/dev/ttyS1", "baud": "9600",
        "unit id": "3", "equipment": "incomer_1", "class": "lv_switchgear", "ratings": "rated_a=1600",
        "description": "a model of the library needs no rows of points",
    },
    {
        "device": "meter_2", "model": "Acme PM-7", "unit id": "4", "equipment": "incomer_2", "class": "低压配电柜",
        "ratings": "rated_a=1250", "point": "voltage_l1", "function code": "3", "address": "40001",
        "base": "4x", "data type": "uint16", "scale": "0.1", "unit": "V", "description": "on the line of the row above",
    },
    {"point": "voltage_l2", "function code": "3", "address": "40002", "base": "4x", "data type": "uint16", "scale": "0.1", "unit": "V"},
    {"point": "current_l1", "function code": "4", "address": "0x10", "data type": "float32", "byte order": "CDAB", "unit": "A"},
    {
        "device": "plc_1", "model": "pump panel", "protocol": "tcp", "host": "10.0.0.5", "port": "502", "unit id": "1",
        "equipment": "pump_1", "class": "pump", "ratings": "rated_kw=15; rated_a=30; setpoint_mpa=0.45",
        "point": "running", "function code": "2", "address": "0", "description": "one device, two pumps",
    },
    {"point": "discharge_pressure", "function code": "3", "address": "10", "data type": "int16", "scale": "1/100", "unit": "bar"},
    {
        "equipment": "pump_2", "class": "pump", "ratings": "rated_kw=15; rated_a=30; setpoint_mpa=0.45",
        "point": "running", "function code": "2", "address": "1",
    },
)  # fmt: skip


def rows() -> list[Sequence[str]]:
    """Head and rows."""
    return [HEAD, *([row.get(column, "") for column in HEAD] for row in _ROWS)]


def write_template(path: Path) -> None:
    """The example as a workbook or, by its suffix, as CSV. Raises OSError."""
    if path.suffix.lower() == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows(rows())
        return
    import openpyxl
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = openpyxl.Workbook()
    sheet = book.active
    if sheet is None:
        raise OSError(None, "the workbook has no sheet")
    sheet.title = "points"
    for row in rows():
        sheet.append([int(cell) if cell.isdecimal() else cell or None for cell in row])
    for at, head in enumerate(HEAD, start=1):
        sheet.cell(1, at).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(at)].width = max(10, len(head) + 3)
    sheet.freeze_panes = "A2"
    book.save(path)
