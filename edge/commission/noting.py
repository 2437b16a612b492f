"""The mistakes of a point table as they are found, and the names it uses for things of the library (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from device_profiles.library import Finding
from device_profiles.schema import Text, check_identifier
from edge.commission.sheet import SheetRow

_T = TypeVar("_T")


class Notes:
    """Every finding, in the table's own rows and heads."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def wrong(self, row: SheetRow, column: str, message: str, remedy: str) -> None:
        self.findings.append(row.wrong(column, message, remedy[:1].upper() + remedy[1:]))

    def attempt(self, row: SheetRow, column: str, read: Callable[[], _T]) -> _T | None:
        """A cell read, or its mistake noted."""
        try:
            return read()
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            self.wrong(row, column, message, remedy)
            return None

    def one(self, group: Sequence[SheetRow], column: str) -> tuple[str, SheetRow]:
        """What a device's rows say in a column that concerns it as a whole; a contradiction is a mistake."""
        said = [row for row in group if row.get(column)]
        for row in said[1:]:
            if row.get(column) != said[0].get(column):
                told = f"{row.get(column)} contradicts {said[0].get(column)} in row {said[0].number} of the same device"
                self.wrong(row, column, told, "Write one of the two")
                break
        return (said[0].get(column), said[0]) if said else ("", group[0])


def named(text: str, names: Mapping[str, Text]) -> str | None:
    """The id that a text means: the id itself, or its name in either language."""
    plain = text.strip().casefold()
    for name, shown in names.items():
        if plain and plain in (name, name.replace("_", " "), shown.en.casefold(), shown.zh.casefold()):
            return name
    return None


def slug(text: str) -> str:
    """An id from a text, empty when too little of it is Latin to tell it from others."""
    made = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")
    if re.search(r"[^\x00-\x7f]", text) or not made:
        return ""
    try:
        return check_identifier(made if made[0].isalpha() else f"n{made}")
    except ValueError:
        return ""
