"""Rows of a point table → a site file and the models it needs, or every mistake with its sheet and row (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from device_profiles.library import Finding, Library
from device_profiles.model_checks import check_model
from device_profiles.reading import did_you_mean
from device_profiles.schema import DeviceModel, EquipmentClass, RegisterMapping, Text, parse_duration_ms
from edge.commission import cells
from edge.commission.lines import Lines
from edge.commission.noting import Notes, named, slug
from edge.commission.sheet import SheetRow
from edge.commission.things import Thing, Things
from edge.site_file import address_mistake

BITS = ("coil", "discrete")


@dataclass(slots=True)
class Mapped:
    """One point of one device."""

    row: SheetRow
    thing: Thing
    point: str
    mapping: dict[str, Any]


@dataclass(slots=True)
class Imported:
    """What is to be written."""

    equipment: list[dict[str, Any]] = field(default_factory=list)
    buses: list[dict[str, Any]] = field(default_factory=list)
    devices: list[dict[str, Any]] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    points: int = 0


def import_rows(rows: Sequence[SheetRow], library: Library) -> tuple[Imported, list[Finding]]:
    """Everything the table says. With findings nothing of it should be used."""
    importer = _Importer(library)
    importer.run(rows)
    return importer.made, sorted(importer.notes.findings, key=lambda one: (one.path.rpartition("!")[0], one.line))


class _Importer:
    def __init__(self, library: Library) -> None:
        self.library = library
        self.notes = Notes()
        self.lines, self.things = Lines(self.notes), Things(library, self.notes)
        self.made = Imported(buses=self.lines.made)
        self.places: dict[tuple[str, int | str], str] = {}
        self.measured: dict[tuple[str, str], SheetRow] = {}
        self.models: dict[tuple[str, str], str] = {}
        self.origins: dict[tuple[str, str], SheetRow] = {}

    def run(self, rows: Sequence[SheetRow]) -> None:
        for number, (name, group) in enumerate(self._groups(rows).items(), start=1):
            self._device(name, number, group)
        self.made.equipment += [self.things.nameplate(thing) for thing in self.things.known.values()]
        self._check_models()

    def _groups(self, rows: Sequence[SheetRow]) -> dict[str, list[SheetRow]]:
        """Rows by device; an empty cell (or one merged with those above) belongs to the device above."""
        groups: dict[str, list[SheetRow]] = {}
        above, sheet = "", ""
        for row in rows:
            above = row.get("device") or (above if row.sheet == sheet else "")
            sheet = row.sheet
            if above:
                groups.setdefault(above, []).append(row)
            else:
                self.notes.wrong(
                    row, "device", "names no device, and there is none above it", "Write the device's name"
                )
        return groups

    # --- devices ------------------------------------------------------------------------------------------------

    def _device(self, name: str, number: int, group: list[SheetRow]) -> None:
        before = len(self.notes.findings)
        device_id = slug(name) or f"device_{number}"
        bus = self.lines.of(group)
        unit = self._unit(group, bus, device_id)
        known = self._library_model(group, bus)
        mapped = list(self._mapped(group, known))
        every, row = self.notes.one(group, "every")
        if every:
            self.notes.attempt(row, "every", lambda: parse_duration_ms(every))
        if bus is None or unit is None or not (mapped or known):
            if len(self.notes.findings) == before:
                self.notes.wrong(
                    group[0], "point", f"no point of device {name} can be used", "Correct the rows of this device"
                )
            return
        device: dict[str, Any] = {"id": device_id, "model": "", "bus": bus["id"], "address": unit}
        device |= {"every": every} if every else {}
        if known is not None:
            device["model"] = known.id
            thing = mapped[0].thing if mapped else self.things.thing(group[0], "")
            device |= {"equipment": thing.id} if thing else {}
        else:
            self._own_model(name, device_id, group, mapped, device)
        self.made.devices.append(device)
        self.made.points += len(mapped)

    def _unit(self, group: list[SheetRow], bus: dict[str, Any] | None, device: str) -> int | str | None:
        text, row = self.notes.one(group, "unit_id")
        if not text:
            remedy = "Write the device's Modbus address, or its name in the topic on MQTT"
            self.notes.wrong(row, "unit_id", "names no unit id", remedy)
            return None
        kind = "" if bus is None else str(bus.get("modbus", "mqtt"))
        unit: int | str | None = text
        if kind != "mqtt":
            unit = self.notes.attempt(row, "unit_id", lambda: cells.whole_of(text, 0, 255))
        if unit is None or bus is None:
            return None
        if (mistake := address_mistake(unit, kind)) is not None:
            self.notes.wrong(row, "unit_id", *mistake)
            return None
        if (other := self.places.setdefault((bus["id"], unit), device)) != device:
            self.notes.wrong(
                row, "unit_id", f"id {unit} on this line is already {other}'s", "Give each device its own id"
            )
        return unit

    # --- points -------------------------------------------------------------------------------------------------

    def _mapped(self, group: Sequence[SheetRow], known: DeviceModel | None) -> Iterator[Mapped]:
        above = ""
        for row in group:
            thing = self.things.thing(row, above)
            above = row.get("equipment") or above
            if thing is None:
                continue
            if known is not None and known.equipment_class != thing.of.id:
                self.notes.wrong(
                    row, "model", f"{known.id} is for {known.equipment_class}, not {thing.of.id}", "Name another model"
                )
                return
            if not row.get("point"):
                if known is None:
                    self.notes.wrong(
                        row, "point", "names no point", f"Write one of {thing.of.id}: plantroom-edge library show"
                    )
                continue
            one = self._point(row, thing, known)
            if one is not None and self._is_first(one):
                yield one

    def _is_first(self, one: Mapped) -> bool:
        first = self.measured.setdefault((one.thing.id, one.point), one.row)
        if first is not one.row:
            told = f"{one.point} of {one.thing.id} is measured already, in row {first.number}"
            self.notes.wrong(one.row, "point", told, "Remove one of the two rows")
        return first is one.row

    def _point(self, row: SheetRow, thing: Thing, known: DeviceModel | None) -> Mapped | None:
        text = row.get("point")
        point = named(text, {name: one.name for name, one in thing.of.points.items()})
        if point is None:
            spelled = {one.name.zh: name for name, one in thing.of.points.items()}
            near = did_you_mean(text, [*thing.of.points, *spelled])
            self.notes.wrong(row, "point", f"{text} is no point of {thing.of.id}", near)
            return None
        if known is not None:
            return self._of_library(row, thing, point, known)
        mapping = self._mapping(row, thing.of, point)
        return None if mapping is None else Mapped(row, thing, point, mapping)

    def _of_library(self, row: SheetRow, thing: Thing, point: str, known: DeviceModel) -> Mapped | None:
        """The library knows the wire better; a row that says otherwise is a question, not an answer."""
        mapping = known.mappings.get(point)
        if mapping is None:
            self.notes.wrong(
                row, "point", f"the library's {known.id} has no {point}", "Leave the row out, or name another model"
            )
            return None
        if row.get("address") and isinstance(mapping, RegisterMapping):
            said = self.notes.attempt(row, "address", lambda: self._address(row))
            wire = (mapping.table, mapping.address - known.limits.one_based)
            if said is not None and (said[0], said[1]) != wire:
                told = f"{said[0]} {said[1]} is not where the library's {known.id} has {point}: {wire[0]} {wire[1]}"
                self.notes.wrong(
                    row, "address", told, "Leave address and function code out, or write another model name"
                )
        return Mapped(row, thing, point, {})

    def _address(self, row: SheetRow) -> tuple[str, int, int | None]:
        table = cells.table_of(row.get("table")) if row.get("table") else ""
        return cells.address_of(row.get("address"), table, row.get("base"))

    def _mapping(self, row: SheetRow, of: EquipmentClass, point: str) -> dict[str, Any] | None:
        """A register mapping from a row's cells, None when any of them is wrong."""
        before = len(self.notes.findings)
        if not row.get("address"):
            model = row.get("model")
            near = f" ({did_you_mean(slug(model), self.library.models)})" if model else ""
            self.notes.wrong(row, "address", "has no address", f"Write it, or name a model of the library{near}")
            return None
        table = self.notes.attempt(row, "table", lambda: cells.table_of(row.get("table"))) if row.get("table") else ""
        if table is None:
            return None
        place = self.notes.attempt(row, "address", lambda: cells.address_of(row.get("address"), table, row.get("base")))
        if place is None:
            return None
        mapping: dict[str, Any] = {"table": place[0], "address": place[1]}
        if place[0] in BITS:
            mapping["type"] = "bit"
        else:
            self._register(row, mapping, place[2], is_bit=of.points[point].kind == "bit")
        self._meaning(row, mapping)
        return mapping if len(self.notes.findings) == before else None

    def _register(self, row: SheetRow, mapping: dict[str, Any], bit: int | None, *, is_bit: bool) -> None:
        if row.get("bit"):
            bit = self.notes.attempt(row, "bit", lambda: cells.whole_of(row.get("bit"), 0, 15))
        text = row.get("type")
        wire_type = (self.notes.attempt(row, "type", lambda: cells.type_of(text)) if text else "uint16") or "uint16"
        if bit is not None and (is_bit or wire_type == "bit"):
            wire_type = "bit"
        mapping["type"] = wire_type
        mapping |= {} if bit is None else {"bit": bit}
        if row.get("order") and wire_type != "bit":
            mapping["order"] = self.notes.attempt(row, "order", lambda: cells.order_of(row.get("order"), wire_type))
        if row.get("length") and wire_type == "string":
            mapping["length"] = self.notes.attempt(row, "length", lambda: cells.whole_of(row.get("length"), 1, 125))

    def _meaning(self, row: SheetRow, mapping: dict[str, Any]) -> None:
        for key, usual in (("scale", 1.0), ("offset", 0.0)):
            if row.get(key):
                figure = self.notes.attempt(row, key, lambda key=key: cells.number_of(row.get(key)))  # type: ignore[misc]
                mapping |= {} if figure in (None, usual) else {key: figure}
        if row.get("unit") and row.get("unit") not in ("-", "—", "/", "无"):
            mapping["unit"] = self.notes.attempt(row, "unit", lambda: cells.unit_of(row.get("unit")))
        if row.get("states"):
            mapping["enum"] = self.notes.attempt(row, "states", lambda: cells.pairs_of(row.get("states")))

    # --- models -------------------------------------------------------------------------------------------------

    def _library_model(self, group: Sequence[SheetRow], bus: dict[str, Any] | None) -> DeviceModel | None:
        text, row = self.notes.one(group, "model")
        names = {name: Text(en=f"{one.maker} {one.name}", zh=one.name) for name, one in self.library.models.items()}
        found = named(text, names) or (slug(text) if slug(text) in names else None)
        is_mqtt = bus is not None and "mqtt" in bus
        if found is None:
            if is_mqtt:
                near = did_you_mean(
                    slug(text), [id for id, one in self.library.models.items() if one.protocol == "mqtt"]
                )
                self.notes.wrong(row, "model", f"{text or 'an empty cell'} is no MQTT model of the library", near)
            return None
        model = self.library.models[found]
        if bus is not None and (model.protocol == "mqtt") != is_mqtt:
            told = f"{found} speaks {model.protocol}, which the line of this device does not"
            self.notes.wrong(row, "model", told, "Correct protocol and host, or name another model")
        elif model.channels:
            self.notes.wrong(
                row, "model", f"{found} cannot be imported from a point table", "Write this device into the site file"
            )
        return model

    def _own_model(
        self, name: str, device_id: str, group: Sequence[SheetRow], mapped: Sequence[Mapped], device: dict[str, Any]
    ) -> None:
        """A model of the table's own; devices of one model name with the same registers share it."""
        text, _ = self.notes.one(group, "model")
        is_many = len({one.thing.id for one in mapped}) > 1
        names = [f"ch_{at}" if is_many else one.point for at, one in enumerate(mapped, start=1)]
        registers = {channel: one.mapping for channel, one in zip(names, mapped, strict=True)}
        of = "input_module" if is_many else mapped[0].thing.of.id
        key = (f"{text}/{of}", repr(sorted(registers.items(), key=lambda item: item[0])))
        if text and key in self.models:
            model_id = self.models[key]
        else:
            model_id = self._free(slug(text) or f"{device_id}_points")
            self.models[key] = model_id
            source = f"point table {group[0].file.replace(chr(92), '/').rpartition('/')[2]}, rows {group[0].number} to {group[-1].number}"
            self.made.models[model_id] = {
                "id": model_id, "equipment_class": of, "name": text or name, "maker": "see the point table",
                "status": "unverified", "sources": [source], "protocol": "modbus",
                **({"channels": True} if is_many else {}), "registers": registers,
            }  # fmt: skip
            self.origins |= {(model_id, channel): one.row for channel, one in zip(names, mapped, strict=True)}
        device["model"] = model_id
        if is_many:
            device["channels"] = {
                channel: f"{one.thing.id}/{one.point}" for channel, one in zip(names, mapped, strict=True)
            }
        else:
            device["equipment"] = mapped[0].thing.id

    def _free(self, wished: str) -> str:
        taken = {*self.made.models, *self.library.models}
        return next(one for one in (wished, *(f"{wished}_{at}" for at in range(2, 10_000))) if one not in taken)

    def _check_models(self) -> None:
        """The library's own judgement of what was made, told in the table's rows."""
        for model_id, written in self.made.models.items():
            try:
                model = DeviceModel.model_validate(written)
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    self._of_model(model_id, tuple(detail["loc"]), detail["msg"], "Correct the cell")
                continue
            for path, message, remedy in check_model(model, self.library.classes):
                self._of_model(model_id, path, message, remedy)

    def _of_model(self, model_id: str, path: Sequence[str | int], message: str, remedy: str) -> None:
        channel = str(path[1]) if len(path) > 1 else ""
        row = self.origins.get((model_id, channel)) or next(
            row for key, row in self.origins.items() if key[0] == model_id
        )
        column = str(path[2]) if len(path) > 2 else "point"
        self.notes.wrong(
            row, {"enum": "states", "sentinels": "type"}.get(column, column), f"{channel}: {message}", remedy
        )
