"""Ground floor: the whole library, loaded and cross-checked at once, with a site's own folder on top of the shipped one.

A library folder holds ``clauses.yaml``, ``classes/*.yaml`` and ``models/<class>/*.yaml``, each of them optional in a
site's own folder. There, an id that the shipped library has replaces it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from device_profiles.class_checks import Mistake, check_class, unknown
from device_profiles.model_checks import check_model
from device_profiles.reading import (
    Finding,
    LibraryError,
    LineMap,
    NodePath,
    finding,
    load_yaml,
    show_path,
    validate,
)
from device_profiles.schema import Clause, ClauseFile, DeviceModel, EquipmentClass

__all__ = [
    "Finding", "Library", "LibraryError", "LineMap", "NodePath", "Shelf", "check", "finding", "list_lines", "load", "load_yaml",
    "show_lines", "show_path", "validate",
]  # fmt: skip

SHIPPED = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that is known about equipment, by id."""

    clauses: Mapping[str, Clause]
    classes: Mapping[str, EquipmentClass]
    models: Mapping[str, DeviceModel]


@dataclass(slots=True)
class Shelf:
    """A library while it is read: what was found, where each id stands, and every mistake."""

    clauses: dict[str, Clause] = field(default_factory=dict)
    classes: Mapping[str, EquipmentClass] = field(default_factory=dict)
    models: dict[str, DeviceModel] = field(default_factory=dict)
    places: dict[tuple[str, str], tuple[Path, Path, LineMap, NodePath]] = field(default_factory=dict)
    """(kind, id) to folder, file, lines and node."""
    findings: list[Finding] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Kinds with a file that could not be read: what is missing there is not reported a second time."""

    def read_folder(self, folder: Path) -> None:
        """Everything below a library folder, in the order of names."""
        if (path := folder / "clauses.yaml").exists():
            self.read(path, folder, "clause")
        for path in sorted((folder / "classes").glob("*.yaml")):
            self.read(path, folder, "class")
        for path in sorted((folder / "models").glob("*/*.yaml")):
            self.read(path, folder, "model")

    def read(self, path: Path, folder: Path, kind: str = "") -> None:
        """One file. Without ``kind`` its keys tell what it is."""
        try:
            data, lines = load_yaml(path)
        except LibraryError as error:
            self.findings += error.findings
            self.broken |= {kind} if kind else set(_SHAPES)
            return
        kind = kind or _kind_of(data)
        parsed, findings = validate(_SHAPES[kind], data, lines, path)
        self.findings += findings
        if isinstance(parsed, ClauseFile):
            for index, clause in enumerate(parsed.clauses):
                self._put("clause", clause, (folder, path, lines, ("clauses", index)))
        elif parsed is not None:
            self._put(kind, parsed, (folder, path, lines, ()))
        else:
            self.broken.add(kind)

    def _put(self, kind: str, one: Any, place: tuple[Path, Path, LineMap, NodePath]) -> None:  # noqa: ANN401
        before = self.places.get((kind, one.id))
        if before is not None and before[0] == place[0]:
            _, file, lines, path = place
            where = f"{before[1].name}:{before[2].line((*before[3], 'id'))}"
            self.findings.append(
                finding(file, lines, (*path, "id"), f"{kind} {one.id} exists already in {where}", "Give it another id")
            )
            return
        self._shelf_of(kind)[one.id] = one
        self.places[kind, one.id] = place

    def _shelf_of(self, kind: str) -> dict[str, Any]:
        shelves: dict[str, Any] = {"clause": self.clauses, "class": self.classes, "model": self.models}
        found: dict[str, Any] = shelves[kind]
        return found

    def cross_check(self, only: Collection[Path] | None = None) -> None:
        """What concerns several files; of ``only`` these files, where given."""
        for kind, one_id in list(self.places):
            _, file, lines, path = self.places[kind, one_id]
            if only is None or file in only:
                for where, message, remedy in self._mistakes(kind, one_id):
                    self.findings.append(finding(file, lines, (*path, *where), message, remedy))

    def _mistakes(self, kind: str, one_id: str) -> Iterator[Mistake]:
        if kind == "class":
            found: Iterator[Mistake] = chain(
                check_class(self.classes[one_id], self.clauses), self._relations(self.classes[one_id])
            )
            return (one for one in found if "clause" not in self.broken or not one[1].startswith("clause "))
        if kind == "model":
            found = check_model(self.models[one_id], self.classes)
            return (one for one in found if "class" not in self.broken or not one[1].startswith("class "))
        return self._conflicts(self.clauses[one_id])

    def _relations(self, of: EquipmentClass) -> Iterator[Mistake]:
        written: list[tuple[NodePath, str | None]] = [(("rules", name), rule.serves) for name, rule in of.rules.items()]
        written += [
            (("tests", name, "observed"), one.observed.serves) for name, one in of.tests.items() if one.observed
        ]
        for path, served in written:
            if served is not None and "class" not in self.broken:
                yield from unknown((*path, "serves"), "class", served, self.classes)

    def _conflicts(self, clause: Clause) -> Iterator[Mistake]:
        for index, other in enumerate(clause.conflicts_with):
            if other not in self.clauses:
                yield ("conflicts_with", index), f"clause {other} does not exist", "Remove it or write its entry"


_SHAPES: dict[str, type[BaseModel]] = {"clause": ClauseFile, "class": EquipmentClass, "model": DeviceModel}


def _kind_of(data: object) -> str:
    """What a file is, by the keys only one kind has."""
    keys = set(data) if isinstance(data, Mapping) else set()
    if "clauses" in keys:
        return "clause"
    return "model" if {"equipment_class", "protocol", "maker", "registers", "payload"} & keys else "class"


def _read(extra: Sequence[Path]) -> Shelf:
    shelf = Shelf()
    shelf.read_folder(SHIPPED)
    for folder in extra:
        if folder.is_dir():
            shelf.read_folder(folder)
        else:
            shelf.findings.append(Finding(str(folder), 0, "", "is no folder", "Name the folder of your own library"))
    return shelf


def load(extra: Sequence[Path] = ()) -> Library:
    """The shipped library with the folders of ``extra`` on top. Raises LibraryError with every mistake in all files."""
    shelf = _read(extra)
    shelf.cross_check()
    if shelf.findings:
        raise LibraryError(sorted(shelf.findings))
    return Library(shelf.clauses, shelf.classes, shelf.models)


def check(files: Iterable[Path] = (), extra: Sequence[Path] = ()) -> list[Finding]:
    """Every mistake in these files, judged together with the library; without files, in the library itself.

    A file may be a clause file, a class or a model, anywhere. A folder is checked as a library folder.
    """
    wanted = list(files)
    shelf = _read(extra)
    if not wanted:
        shelf.cross_check()
        return sorted(shelf.findings)
    shelf.findings.clear()
    shelf.broken.clear()
    for path in wanted:
        if path.is_dir():
            if not any(path.rglob("*.y*ml")):
                shelf.findings.append(
                    Finding(str(path), 0, "", "holds no .yaml file", "Name a file, or a library folder")
                )
            shelf.read_folder(path)
        else:
            shelf.read(path, _folder_of(path, extra))
    given = {
        file for _, file, _, _ in shelf.places.values() if any(file == one or one in file.parents for one in wanted)
    }
    shelf.cross_check(given)
    return sorted(shelf.findings)


def _folder_of(path: Path, extra: Sequence[Path]) -> Path:
    """A file that is checked alone stands in for its namesake: it belongs to no folder that has been read."""
    return path if any(path.is_relative_to(one) for one in (SHIPPED, *extra)) else path.parent


# --- listing ----------------------------------------------------------------------------------------------------


def list_lines(library: Library) -> list[dict[str, str]]:
    """One row a class and a model, for ``library list``: kind, id, name, about."""
    served = Counter(model.equipment_class for model in library.models.values())
    classes = [
        {
            "kind": "class", "id": one.id, "name": one.name.en,
            "about": f"{one.system}; {len(one.points)} points, {len(one.rules)} rules, {len(one.tests)} tests, {served[one.id]} models",
        }
        for one in library.classes.values()
    ]  # fmt: skip
    models = [
        {
            "kind": "model", "id": one.id, "name": f"{one.maker} {one.name}",
            "about": f"{one.equipment_class}; {one.protocol}, {len(one.mappings)} points, {_confirmed(one)}",
        }
        for one in library.models.values()
    ]  # fmt: skip
    return [*classes, *models]


def _confirmed(model: DeviceModel) -> str:
    """Whether a public source confirms the model, and how many of its points none confirms."""
    loose = sum(one.unverified for one in model.mappings.values())
    return f"{model.status}, {loose} of them unverified" if loose else model.status


def show_lines(library: Library, name: str) -> list[str]:
    """A class, model or clause as people read it, for ``library show NAME``. Raises KeyError for an unknown name."""
    if name in library.classes:
        return _show_class(library.classes[name])
    if name in library.models:
        return _show_model(library.models[name])
    return _show_clause(library.clauses[name])


def _show_class(of: EquipmentClass) -> list[str]:
    lines = [f"class {of.id}: {of.name.en} / {of.name.zh} ({of.system})", "points:"]
    lines += [f"  {name}: {one.kind} {one.unit}".rstrip() + f"  {one.name.en}" for name, one in of.points.items()]
    lines += [
        "ratings:",
        *(f"  {name}: {one.name.en}{' (required)' if one.required else ''}" for name, one in of.ratings.items()),
    ]
    lines += ["limits:"]
    for name, limit in of.limits.items():
        origin = f"clause {limit.clause}" if limit.clause else limit.source
        origin = ", ".join(filter(None, [origin, "unverified" if limit.unverified else ""]))
        lines.append(f"  {name}: {limit.value:g} {limit.unit}".rstrip() + f"  ({origin})")
    lines += ["rules:"]
    for name, rule in of.rules.items():
        lines.append(f"  {name} [{rule.severity}, {rule.clause}]: {' '.join(rule.when.split())}")
    lines += [
        "tests:",
        *(f"  {name} [every {one.every}, {one.clause}]: {one.name.en}" for name, one in of.tests.items()),
    ]
    lines += ["simulated faults:", *(f"  {name} raises {', '.join(one.raises)}" for name, one in of.faults.items())]
    return lines


def _show_model(model: DeviceModel) -> list[str]:
    lines = [
        f"model {model.id}: {model.maker} {model.name}, {model.protocol}, {model.status}",
        f"class: {model.equipment_class}",
    ]
    lines += ["sources:", *(f"  {source}" for source in model.sources), "points:"]
    for name, one in model.registers.items():
        lines.append(f"  {name}: {one.table} 0x{one.address:04X} {one.type}{' (unverified)' if one.unverified else ''}")
    for name, other in model.payload.items():
        place = "/".join(filter(None, [other.topic])) or "main topic"
        lines.append(f"  {name}: {place} {other.path}".rstrip() + (" (unverified)" if other.unverified else ""))
    lines += [f"ratio {name}: {text.en}; 1 where the site file gives none" for name, text in model.ratios.items()]
    return lines


def _show_clause(clause: Clause) -> list[str]:
    place = f"{clause.source.document.en} {clause.source.section}".rstrip()
    lines = [f"clause {clause.id}: {clause.summary.en}", f"  {clause.summary.zh}"]
    lines += [f"source: {place}{' (unverified)' if clause.source.unverified else ''}", f"kind: {clause.kind}"]
    lines += [f"{key}: {value}" for key, value in (("value", clause.value), ("period", clause.period)) if value]
    if clause.conflicts_with:
        lines.append(f"disagrees with: {', '.join(clause.conflicts_with)}")
    return lines
