"""Point table → equipment: what each piece is, its nameplate and roles (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from device_profiles.library import Library
from device_profiles.reading import did_you_mean
from device_profiles.schema import EquipmentClass
from edge.commission import cells
from edge.commission.noting import Notes, named, slug
from edge.commission.sheet import SheetRow


@dataclass(slots=True)
class Thing:
    """A piece of equipment as the table tells of it."""

    id: str
    of: EquipmentClass
    row: SheetRow
    name: str = ""
    ratings: dict[str, Any] = field(default_factory=dict)
    roles: list[str] = field(default_factory=list)


class Things:
    """Every piece of equipment by the table's own name for it."""

    def __init__(self, library: Library, notes: Notes) -> None:
        self.library, self.notes = library, notes
        self.known: dict[str, Thing] = {}
        self._broken: set[str] = set()

    def thing(self, row: SheetRow, above: str) -> Thing | None:
        text = row.get("equipment") or above
        if not text:
            self.notes.wrong(
                row, "equipment", "names no equipment", "Write what this device measures, such as incomer_1"
            )
            return None
        if text in self._broken:
            return None
        of = self._class(row)
        if text not in self.known:
            if of is None:
                self._broken.add(text)
                if not row.get("class"):
                    self.notes.wrong(
                        row, "class", f"does not say what {text} is", f"Write one of {', '.join(self.library.classes)}"
                    )
                return None
            same = sum(one.of.id == of.id for one in self.known.values())
            thing_id = slug(text) or f"{of.id}_{same + 1}"
            self.known[text] = Thing(thing_id, of, row, "" if thing_id == text else text)
        thing = self.known[text]
        if of is not None and of.id != thing.of.id:
            self.notes.wrong(row, "class", f"{text} is {thing.of.id} in row {thing.row.number}", "Write one of the two")
        if row.get("ratings"):
            thing.ratings |= self.notes.attempt(row, "ratings", lambda: cells.figures_of(row.get("ratings"))) or {}
        if row.get("roles"):
            thing.roles += [one for one in re.split(r"[,;\s，；]+", row.get("roles")) if one not in thing.roles]
        return thing

    def _class(self, row: SheetRow) -> EquipmentClass | None:
        text = row.get("class")
        if not text:
            return None
        found = named(text, {name: one.name for name, one in self.library.classes.items()})
        if found is None:
            self.notes.wrong(row, "class", f"class {text} is not known", did_you_mean(text, self.library.classes))
            return None
        return self.library.classes[found]

    def nameplate(self, thing: Thing) -> dict[str, Any]:
        """The entry of the site file, its ratings and roles checked."""
        row, of = thing.row, thing.of
        for name, value in thing.ratings.items():
            rating = of.ratings.get(name)
            if rating is None:
                self.notes.wrong(row, "ratings", f"{name} is no rating of {of.id}", did_you_mean(name, of.ratings))
            elif rating.choices and value not in rating.choices:
                self.notes.wrong(
                    row, "ratings", f"{name} cannot be {value}", f"Write one of {', '.join(rating.choices)}"
                )
            elif not rating.choices and rating.unit and isinstance(value, str):
                self.notes.wrong(row, "ratings", f"{name} {value!r} is no number", f"Write a number in {rating.unit}")
        for name, rating in of.ratings.items():
            if rating.required and rating.default is None and name not in thing.ratings:
                how = f"Write {name}=… ({rating.unit or ', '.join(rating.choices)}) in a column ratings"
                self.notes.wrong(row, "ratings", f"{thing.name or thing.id} lacks {name}", how)
        for role in thing.roles:
            if role not in of.roles:
                self.notes.wrong(row, "roles", f"{role} is no role of {of.id}", did_you_mean(role, of.roles))
        made: dict[str, Any] = {"id": thing.id, "class": of.id}
        made |= {"name": {"en": thing.name, "zh": thing.name}} if thing.name else {}
        made |= {"roles": thing.roles} if thing.roles else {}
        made |= {"ratings": thing.ratings} if thing.ratings else {}
        return made
