"""Cells of a point table → the library's words: function codes, addresses, types, orders, figures (pure).

Every function raises ValueError with what is wrong and, after a semicolon, what to write.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, get_args

from device_profiles import units
from device_profiles.reading import did_you_mean
from device_profiles.schema import WireType
from edge.decode.wire import legal_orders

_TABLES = {
    "coil": ("1", "01", "coil", "coils", "do", "0x", "线圈"),
    "discrete": ("2", "02", "discrete", "discrete input", "di", "1x", "离散输入", "离散量"),
    "holding": ("3", "03", "holding", "holding register", "hr", "4x", "保持寄存器"),
    "input": ("4", "04", "input", "input register", "ir", "3x", "输入寄存器"),
}
_TABLE = {word: table for table, words in _TABLES.items() for word in words}
_WRITES = ("5", "6", "15", "16", "22", "23", "05", "06", "0f", "10")
_PREFIX = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
_TYPES: dict[str, WireType] = {
    "float": "float32", "real": "float32", "single": "float32", "f32": "float32", "单精度": "float32", "浮点": "float32",
    "浮点数": "float32", "double": "float64", "f64": "float64", "双精度": "float64", "short": "int16", "int": "int16",
    "s16": "int16", "i16": "int16", "有符号16位": "int16", "word": "uint16", "ushort": "uint16", "u16": "uint16",
    "无符号16位": "uint16", "dword": "uint32", "udint": "uint32", "u32": "uint32", "无符号32位": "uint32", "long": "int32",
    "dint": "int32", "s32": "int32", "i32": "int32", "有符号32位": "int32", "bool": "bit", "boolean": "bit", "开关量": "bit",
    "位": "bit", "bcd": "bcd16", "u64": "uint64", "s64": "int64", "i64": "int64", "str": "string", "字符串": "string",
    "unix": "unix32", "timestamp": "unix32", "epoch": "unix32", "时间戳": "unix32", "unix ms": "unix_ms64",
    "cp56time2a": "cp56time", "datetime": "cp56time", "date and time": "bcd_time", "年月日时分秒": "calendar",
    "signed 16": "int16", "unsigned 16": "uint16", "signed 32": "int32", "unsigned 32": "uint32",
}  # fmt: skip
_ORDERS = {
    "ABCD": "ABCD", "AB": "ABCD", "ABCDEFGH": "ABCD", "1234": "ABCD", "BIG": "ABCD", "BIG ENDIAN": "ABCD", "大端": "ABCD",
    "CDAB": "CDAB", "GHEFCDAB": "CDAB", "3412": "CDAB", "WORD SWAP": "CDAB", "字交换": "CDAB",
    "BADC": "BADC", "BA": "BADC", "BADCFEHG": "BADC", "2143": "BADC", "BYTE SWAP": "BADC", "字节交换": "BADC",
    "DCBA": "DCBA", "HGFEDCBA": "DCBA", "4321": "DCBA", "LITTLE": "DCBA", "LITTLE ENDIAN": "DCBA", "小端": "DCBA",
}  # fmt: skip
_ROW = {"ABCD": 0, "CDAB": 1, "BADC": 2, "DCBA": 3}
_PAIR = {"ABCD": 0, "CDAB": 0, "BADC": 1, "DCBA": 1}


def table_of(text: str) -> str:
    """A function code or the name of a table."""
    plain = text.strip().lower().removeprefix("fc").strip().removesuffix("h") if text.lower() != "0x" else "0x"
    plain = plain.removeprefix("0x") if plain.startswith("0x0") else plain
    if plain in _TABLE:
        return _TABLE[plain]
    if plain in _WRITES:
        raise ValueError(f"function {text} writes, and the gateway only reads; write 1, 2, 3 or 4")
    raise ValueError(f"{text!r} is no function code; write 1 coil, 2 discrete, 3 holding or 4 input")


def address_of(text: str, table: str, base: str) -> tuple[str, int, int | None]:
    """Table, wire address from 0, and the bit after a point: ``62``, ``0x3E``, ``40063``, ``100.3``."""
    whole, dot, bit = text.partition(".")
    if dot and not (bit.isdecimal() and int(bit) < 16):
        raise ValueError(f"{text!r} is no address; write a whole number, or 100.3 for bit 3 of register 100")
    try:
        number = int(whole, 16) if whole.lower().startswith("0x") else int(whole)
    except ValueError:
        raise ValueError(f"{text!r} is no address; write a number such as 62 or 0x3E") from None
    return *_placed(whole, number, table, base.lower()), int(bit) if dot else None


def _placed(whole: str, number: int, table: str, base: str) -> tuple[str, int]:
    if base not in ("", "0", "1", "4x", "modicon"):
        raise ValueError(f"{base!r} is no base; write 0, 1, or 4x where 40001 is the first holding register")
    is_long = re.fullmatch(r"[0134]\d{4,5}", whole) is not None
    if base in ("4x", "modicon") or (not table and is_long and base != "0"):
        if not is_long or (table and _PREFIX[whole[0]] != table):
            raise ValueError(f"{whole} is no {table or 'register'} in 4x notation; write such as 40001")
        table, number = _PREFIX[whole[0]], int(whole[1:]) - 1
    elif table and is_long and not base and _PREFIX[whole[0]] == table:
        raise ValueError(f"{whole} may be a register or 4x notation; add a column base with 0, 1 or 4x")
    elif base == "1":
        number -= 1
    if not table:
        raise ValueError("does not say which table; write a function code 1 to 4")
    if not 0 <= number <= 65_535:
        raise ValueError(f"{whole} lies outside the table; write 0 to 65535, or 1 to 65536 with base 1")
    return table, number


def type_of(text: str) -> WireType:
    """A data type in any usual spelling."""
    plain = text.strip().lower()
    if plain in get_args(WireType):
        found: WireType = plain  # type: ignore[assignment]  # one of the words just looked up
        return found
    if plain in _TYPES:
        return _TYPES[plain]
    raise ValueError(f"type {text!r} is not known; {did_you_mean(plain, [*get_args(WireType), *_TYPES])}")


def order_of(text: str, wire_type: WireType) -> str:
    """A byte order in any usual spelling, in the width of the type."""
    plain = text.strip().upper().replace("-", " ")
    if plain not in _ORDERS:
        raise ValueError(f"order {text!r} is not known; write ABCD, CDAB, BADC or DCBA")
    legal = legal_orders(wire_type)
    return legal[_ROW[_ORDERS[plain]]] if len(legal) == 4 else legal[_PAIR[_ORDERS[plain]]]


def number_of(text: str) -> float:
    """``0.1``, ``1/10``, ``×0.1``, ``0,1``."""
    plain = text.strip().lstrip("×xX*").replace(",", ".")
    try:
        found = float(Fraction(plain.replace("÷", "1/")))
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"{text!r} is no number; write such as 0.1 or 1/10") from None
    return found


def unit_of(text: str) -> str:
    """A unit, spelled as the library spells it."""
    if text in units.KNOWN:
        return text
    remedy = units.suggest(text)
    if remedy.startswith("Write "):
        return remedy.removeprefix("Write ")
    raise ValueError(f"unit {text!r} is not known; {remedy}")


def pairs_of(text: str) -> dict[str, str]:
    """``0=closed; 1=open``, also with full-width signs or one pair a line."""
    found = {}
    for part in re.split(r"[;；\n,，]", text):
        if part.strip():
            key, sign, word = re.sub("[:：＝]", "=", part).partition("=")
            if not sign or not key.strip() or not word.strip():
                raise ValueError(f"{part.strip()!r} is no pair; write such as 0=closed; 1=open")
            found[key.strip()] = word.strip()
    return found


def whole_of(text: str, lowest: int, highest: int) -> int:
    """A whole number within bounds."""
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise ValueError(f"{text!r} is not right here; write a number from {lowest} to {highest}")
    return int(text)


def figures_of(text: str) -> dict[str, Any]:
    """Nameplate figures: ``rated_a=250; insulation=dry``."""
    found: dict[str, Any] = {}
    for key, word in pairs_of(text).items():
        try:
            number = float(word)
            found[key] = int(number) if number.is_integer() else number
        except ValueError:
            found[key] = word
    return found
