"""Library files → their conditions, compiled to find mistakes that only the rule language knows: kinds, units, windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from device_profiles import library as shelf
from device_profiles.library import Finding, LibraryError
from device_profiles.reading import LineMap
from device_profiles.schema import EquipmentClass
from edge.rules.program import Mistake, compile_class


def check_conditions_of(files: Iterable[Path]) -> list[Finding]:
    """Every unusable condition in these class files, or in the shipped classes when there are none."""
    chosen = list(_classes(_class_files(files)))
    known = {of.id: of for _, of, _ in [*_classes(_class_files(())), *chosen]}
    return [
        shelf.finding(path, lines, mistake.path, str(mistake.error), "Mend the condition")
        for path, of, lines in chosen
        for mistake in _mistakes(of, known)
    ]


def _mistakes(of: EquipmentClass, known: dict[str, EquipmentClass]) -> Iterator[Mistake]:
    """Of the class alone, and of what it says about each class that it serves."""
    yield from compile_class(of, has_served=False).mistakes
    relations = {("rules", name): rule.serves for name, rule in of.rules.items()}
    relations |= {("tests", name): test.observed.serves for name, test in of.tests.items() if test.observed}
    for served in dict.fromkeys(relations.values()):
        if served in known:
            found = compile_class(of, known[served]).mistakes
            yield from (one for one in found if relations.get((one.path[0], one.path[1])) == served)


def _classes(paths: Iterable[Path]) -> Iterator[tuple[Path, EquipmentClass, LineMap]]:
    for path in paths:
        try:
            data, lines = shelf.load_yaml(path)
        except LibraryError:
            continue
        if isinstance(data, dict) and "points" in data:
            of, _ = shelf.validate(EquipmentClass, data, lines, path)
            if of is not None:
                yield path, of, lines


def _class_files(files: Iterable[Path]) -> list[Path]:
    chosen = list(files) or [shelf.SHIPPED]
    return [path for one in chosen for path in (sorted((one / "classes").glob("*.yaml")) if one.is_dir() else [one])]
