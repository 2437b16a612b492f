"""Point tables, as integrators exchange them → rows by known columns, each with its sheet and row for a message."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from device_profiles.library import Finding
from device_profiles.reading import did_you_mean
from edge.errors import Misconfigured

MOST_ROWS = 100_000
HEAD_WITHIN = 20
"""How far down a sheet's head is looked for."""
LEAST_HEADS = 3

HEADS: Mapping[str, tuple[str, ...]] = {
    "device": ("device", "device id", "meter", "采集设备", "采集设备编号", "仪表", "仪表编号", "设备编号"),
    "model": ("model", "device model", "型号", "设备型号", "仪表型号"),
    "bus": ("bus", "line", "总线", "通道", "串口通道"),
    "protocol": ("protocol", "kind", "协议", "通讯协议", "通讯方式"),
    "host": ("host", "ip", "ip address", "ip地址", "主机"),
    "port": ("port", "serial port", "端口", "端口号", "串口"),
    "baud": ("baud", "baud rate", "波特率"),
    "parity": ("parity", "校验", "校验位"),
    "unit_id": ("unit id", "slave", "slave id", "station", "modbus id", "从站地址", "从站号", "站号", "通讯地址"),
    "every": ("every", "interval", "poll interval", "采集周期", "周期"),
    "equipment": ("equipment", "asset", "所属设备", "被监测设备", "维保对象"),
    "class": ("class", "equipment class", "设备类别", "设备类型", "类别"),
    "ratings": ("ratings", "nameplate", "额定参数", "铭牌参数"),
    "roles": ("roles", "role", "角色"),
    "point": ("point", "point name", "parameter", "点名", "点位", "测点", "参数", "参数名称"),
    "table": ("table", "function", "function code", "fc", "register type", "功能码", "寄存器类型", "寄存器区"),
    "address": ("address", "register", "register address", "寄存器地址", "地址", "寄存器"),
    "base": ("base", "address base", "地址基准", "起始地址基准"),
    "bit": ("bit", "位", "位号"),
    "length": ("length", "registers", "长度", "寄存器个数"),
    "type": ("type", "data type", "format", "数据类型", "数据格式"),
    "order": ("order", "byte order", "word order", "字节序", "字节顺序"),
    "scale": ("scale", "factor", "multiplier", "系数", "倍率", "比例系数"),
    "offset": ("offset", "偏移", "偏移量"),
    "unit": ("unit", "units", "单位", "工程单位"),
    "states": ("states", "enum", "values", "状态", "取值", "枚举"),
    "description": ("description", "remark", "remarks", "note", "描述", "备注", "说明"),
}
_COLUMN = {head: column for column, heads in HEADS.items() for head in heads}
NEEDED = ("device", "equipment", "class", "unit_id")
"""Columns without which no table says enough."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row: text by column, empty cells left out; ``heads`` is how the sheet itself calls each column."""

    file: str
    sheet: str
    number: int
    cells: Mapping[str, str]
    heads: Mapping[str, str]

    def get(self, column: str) -> str:
        return self.cells.get(column, "")

    def wrong(self, column: str, message: str, remedy: str) -> Finding:
        """A mistake of this row, in the words of its sheet."""
        head = self.heads.get(column, column)
        return Finding(self.file, self.number, f"{self.sheet}!{head}" if self.sheet else head, message, remedy)


def read_table(path: Path) -> list[SheetRow]:
    """Every row of every sheet that has a head. Raises Misconfigured for a file or a head that cannot be used."""
    sheets = list(_csv(path) if path.suffix.lower() in (".csv", ".tsv", ".txt") else _xlsx(path))
    rows: list[SheetRow] = []
    findings: list[Finding] = []
    for name, lines in sheets:
        head = _head(lines)
        if head is not None:
            findings += _head_mistakes(path, name, head, lines)
            rows += _rows(str(path), name, head, lines)
    if not rows and not findings:
        remedy = "Start from the template: plantroom-edge import --template points.xlsx"
        findings.append(Finding(str(path), 0, "", "no sheet has a head with known columns and rows below it", remedy))
    if findings:
        raise Misconfigured(findings)
    return rows


_Lines = Sequence[Sequence[str]]


def _head(lines: _Lines) -> int | None:
    """The line that names most columns, None when none names enough."""
    counts = [sum(_column(cell) is not None for cell in line) for line in lines[:HEAD_WITHIN]]
    best = max(counts, default=0)
    return counts.index(best) if best >= LEAST_HEADS else None


def _column(cell: str) -> str | None:
    plain = " ".join(cell.replace("_", " ").replace("（", "(").split("(")[0].split()).lower()
    return _COLUMN.get(plain)


def _head_mistakes(path: Path, sheet: str, head: int, lines: _Lines) -> Iterator[Finding]:
    named = [column for cell in lines[head] if (column := _column(cell)) is not None]
    for column in dict.fromkeys(named):
        if named.count(column) > 1:
            yield Finding(str(path), head + 1, sheet, f"two columns are both read as {column}", "Rename or remove one")
    for column in NEEDED:
        if column not in named:
            unknown = [cell for cell in lines[head] if cell and _column(cell) is None]
            near = [cell for cell in unknown if "Did you mean" in did_you_mean(cell.lower(), HEADS[column])]
            remedy = f"Rename {near[0]} to {column}" if near else f"Add a column {column} (or {HEADS[column][-1]})"
            yield Finding(str(path), head + 1, sheet, f"there is no column for {column}", remedy)


def _rows(file: str, sheet: str, head: int, lines: _Lines) -> Iterator[SheetRow]:
    columns = [_column(cell) for cell in lines[head]]
    heads = {column: cell for column, cell in zip(columns, lines[head], strict=True) if column}
    for number, line in enumerate(lines[head + 1 :], start=head + 2):
        cells = {column: cell for column, cell in zip(columns, line, strict=False) if column and cell}
        if cells.keys() - {"description"}:
            yield SheetRow(file, sheet, number, cells, heads)


# --- files ----------------------------------------------------------------------------------------------------------


def _unreadable(path: Path, why: str, how: str) -> Misconfigured:
    return Misconfigured([Finding(str(path), 0, "", why, how)])


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}", "Check the name and its rights") from error


def _csv(path: Path) -> Iterator[tuple[str, _Lines]]:
    """UTF-8, or GB 18030 as Chinese spreadsheets save it; commas, semicolons or tabs."""
    content = _bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError:
            raise _unreadable(path, "is neither UTF-8 nor GBK text", "Save it as CSV UTF-8 or as .xlsx") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = [[_text(cell) for cell in line] for line in csv.reader(io.StringIO(text), delimiter=delimiter)]
    except csv.Error as error:
        raise _unreadable(path, f"is no CSV: {error}", "Save it again from the spreadsheet, or as .xlsx") from error
    yield "", lines[:MOST_ROWS]


def _xlsx(path: Path) -> Iterator[tuple[str, _Lines]]:
    from zipfile import BadZipFile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    content = _bytes(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            found = [(sheet.title, _lines(sheet.iter_rows(values_only=True))) for sheet in book.worksheets]
    except (
        BadZipFile,
        InvalidFileException,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        SyntaxError,
        EOFError,
        OSError,
    ):
        remedy = "Save it as Excel workbook (.xlsx) or as CSV"
        raise _unreadable(path, "is no .xlsx workbook", remedy) from None
    yield from found


def _lines(rows: Iterable[Sequence[object]]) -> _Lines:
    found = []
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            break
        found.append([_text(cell) for cell in row])
    return found


def _text(cell: object) -> str:
    """A cell as it is read: whole numbers without their ``.0``."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
