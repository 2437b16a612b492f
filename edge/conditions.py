"""Library files → their conditions, compiled to find mistakes that only the rule language knows: kinds, units, windows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from device_profiles import library as shelf
from device_profiles.library import Finding, LibraryError
from device_profiles.schema import EquipmentClass
from edge.rules.program import compile_class


def check_conditions_of(files: Iterable[Path]) -> list[Finding]:
    """Every unusable condition in these class files, or in the shipped classes when there are none."""
    found: list[Finding] = []
    for path in _class_files(list(files)):
        try:
            data, lines = shelf.load_yaml(path)
        except LibraryError:
            continue
        if not isinstance(data, dict) or "points" not in data:
            continue
        of, _ = shelf.validate(EquipmentClass, data, lines, path)
        if of is not None:
            found += [
                shelf.finding(path, lines, mistake.path, str(mistake.error), "Mend the condition")
                for mistake in compile_class(of, has_served=False).mistakes
            ]
    return found


def _class_files(files: list[Path]) -> list[Path]:
    if not files:
        files = [shelf.SHIPPED]
    return [path for one in files for path in (sorted((one / "classes").glob("*.yaml")) if one.is_dir() else [one])]
